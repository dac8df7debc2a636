"""The measuring of detection quality: intervals as in the literature, and a report of the right shape."""

import pytest

from bench.detection_baselines import BASELINES
from bench.detection_quality import measure, run
from bench.detection_report import OURS, report, wilson
from sendwarden.core.event import DeliveryEvent, LoginEvent, Origin, Outcome, SubmissionEvent


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    assert wilson(0, 0) == (0, 1)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_the_report_has_every_method_attack_archetype_and_world() -> None:
    found = {world: run((world, 1, 60, 6)) for world in ("ordinary", "unscored")}

    lines = report(found, [1], 60, 6)

    text = "\n".join(lines)
    for name in (OURS, *BASELINES, "low-and-slow", "newsletter", "unscored"):
        assert f"| {name} |" in text
    assert found["ordinary"][OURS].accounts.total() == 60


def test_sites_are_pooled_by_world() -> None:
    pooled = measure([("ordinary", 1, 20, 5), ("ordinary", 2, 20, 5)], processes=1)

    assert pooled["ordinary"][OURS].accounts.total() == 40


def test_baselines_stop_what_they_say() -> None:
    def stops(name: str, events: list[SubmissionEvent | DeliveryEvent | LoginEvent]) -> bool:
        (method,) = (method for known, method in BASELINES.items() if known.startswith(name))
        return "bob" in method(events, frozenset()) and not method(events, frozenset(("bob",))).keys() - {
            "bob"
        }

    def sent(number: int, count: int, score: float | None = None) -> SubmissionEvent:
        recipients = tuple(f"{number}.{each}@x.example" for each in range(count))
        return SubmissionEvent(number, "bob", str(number), recipients=recipients, spam_score=score)

    assert stops("plain", [sent(1, 400), sent(2, 101)]) and not stops(
        "plain", [sent(1, 400), sent(4000, 101)]
    )
    assert stops("SPOT", [sent(n, 1, 9.0) for n in range(4)]) and not stops(
        "SPOT", [sent(n, 1, 9.0) for n in range(3)]
    )
    assert not stops("SPOT", [sent(n, 1) for n in range(50)])
    logins = [
        LoginEvent(n, "bob", success=True, origin=Origin(None, land))
        for n, land in enumerate(("CH", "DE", "VN"))
    ]
    assert stops("three", list(logins)) and not stops("three", list(logins[:2]))
    bounces = [DeliveryEvent(n, "bob", "m", f"{n}@x.example", Outcome.REJECTED, "5.1.1") for n in range(5)]
    assert stops("LOG_ACTION", list(bounces)) and not stops("LOG_ACTION", list(bounces[:4]))
