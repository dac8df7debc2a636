"""engine.spf against the test suite of openspf.org for RFC 7208, out of Debian's source package `pyspf`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from sendwarden.core.dns import DnsAnswer, Question, Route
from sendwarden.engine.spf.check import Outcome, Sent, check_host
from tests.conformance.sources import NotFetched, sources

pytestmark = pytest.mark.e2e

SCENARIOS = 16
CASES = 200
TIMEOUT = DnsAnswer(trouble="a time-out")


@dataclass(frozen=True)
class Zone:
    """Records of a scenario, by name."""

    data: Mapping[str, list[Any]]

    def answer(self, question: Question, follow: bool = True) -> DnsAnswer:  # noqa: FBT002 - once
        entries = self.data.get(question.name.lower(), [])
        has_txt = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
        found: list[str] = []
        for entry in entries:
            if not isinstance(entry, dict):
                return DnsAnswer(tuple(found)) if found else TIMEOUT
            ((kind, value),) = entry.items()
            if kind == "CNAME" and follow:
                found += self.answer(question._replace(name=str(value)), follow=False).records
            if kind == "SPF" and not has_txt:
                kind = "TXT"  # the suite says that all such records are meant as both
            if kind == question.kind and value == "TIMEOUT":
                return TIMEOUT
            if kind == question.kind and value != "NONE":
                found.append(_text(kind, value))
        return DnsAnswer(tuple(found))


def _text(kind: str, value: Any) -> str:  # noqa: ANN401 - whatever YAML has
    if kind == "MX":
        return str(value[1]).removesuffix(".")
    if kind == "TXT" and isinstance(value, list):
        return "".join(map(str, value))
    return str(value).removesuffix(".") if kind == "PTR" else str(value)


@cache
def scenarios() -> list[dict[str, Any]]:
    try:
        path = sources("pyspf") / "test" / "rfc7208-tests.yml"
    except NotFetched as error:
        pytest.fail(f"the test suite of SPF is needed and cannot be had:\n{error}")
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def cases(scenario: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Outcome]]:
    zone = Zone({str(name).lower(): entries for name, entries in scenario["zonedata"].items()})
    for name, test in scenario["tests"].items():
        sent = Sent(test["host"], test["mailfrom"] or "", test["helo"] or "")
        yield name, test, checked(sent, zone)


def checked(sent: Sent, zone: Zone) -> Outcome:
    asking = check_host(sent, Route("DNS"))
    try:
        question = next(asking)
        while True:
            question = asking.send(zone.answer(question))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


@pytest.mark.parametrize("number", range(SCENARIOS))
def test_every_case_has_the_result_and_explanation_of_the_suite(number: int) -> None:
    scenario = scenarios()[number]
    wrong = []
    for name, test, outcome in cases(scenario):
        allowed = test["result"] if isinstance(test["result"], list) else [test["result"]]
        told = test.get("explanation")
        if outcome.result not in allowed:
            wrong.append(f"{name}: {outcome}, not {allowed}")
        elif told and (outcome.why or "DEFAULT") != told:
            wrong.append(f"{name}: {outcome.why!r}, not {told!r}")

    assert not wrong, "\n".join([scenario["description"], *wrong])


def test_so_many_cases_were_run() -> None:
    count = sum(len(scenario["tests"]) for scenario in scenarios())
    print(f"{len(scenarios())} scenarios, {count} cases")

    assert len(scenarios()) == SCENARIOS and count >= CASES
