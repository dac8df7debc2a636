"""engine.spf: bounds, whatever a domain publishes; the suite of openspf.org is in tests/conformance."""

from collections.abc import Generator, Mapping
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.dns import DnsAnswer, Question, Route
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.spf.check import MOST_EXPLAINED, Outcome, Sent, check_host
from sendwarden.engine.spf.finding import spf
from sendwarden.engine.spf.macros import shortened
from sendwarden.engine.spf.record import BadRecord, SpfResult, is_record, read_record

EVE = Sent("192.0.2.7", "eve@d.test", "mail.d.test")
ROUTE = Route("DNS")
# No check asks more: a policy, ten terms with a record or ten names each, and the names of the client.
MOST_QUESTIONS = 1 + 10 * 12 + 12
Zone = Mapping[tuple[str, str], tuple[str, ...] | str]


def run(asking: Generator[Question, DnsAnswer, object], zone: Zone) -> tuple[object, int]:
    """What it returns, and how many questions it has asked. A text in the zone is a trouble."""
    asked = 0
    try:
        question = next(asking)
        while True:
            asked += 1
            found = zone.get((question.name, question.kind), ())
            question = asking.send(DnsAnswer(trouble=found) if isinstance(found, str) else DnsAnswer(found))
    except StopIteration as end:
        return end.value, asked


def check(zone: Zone, sent: Sent = EVE) -> Outcome:
    found, asked = run(check_host(sent, ROUTE), zone)
    assert isinstance(found, Outcome) and asked <= MOST_QUESTIONS
    return found


TERMS = st.sampled_from(
    ["all", "a", "mx", "ptr", "include:%{d}", "exists:%{i}.%{d}", "redirect=%{d}", "exp=%{d}", "a:%{p}.%{d}",
     "ip4:192.0.2.0/24", "ip6:::/0", "-all", "?a:x.test", "mx:%{h}", "include:x.test", "moo=x"]
)  # fmt: skip


@given(st.lists(TERMS, max_size=30), st.lists(TERMS, max_size=30), st.integers(0, 12))
def test_whatever_is_published_few_questions_are_asked(
    first: list[str], second: list[str], names: int
) -> None:
    many = tuple(f"n{number}.test" for number in range(names))
    zone: Zone = {
        ("d.test", "TXT"): (" ".join(["v=spf1", *first]),),
        ("x.test", "TXT"): (" ".join(["v=spf1", *second]),),
        ("d.test", "MX"): many,
        ("7.2.0.192.in-addr.arpa", "PTR"): many,
        **{(name, "A"): ("192.0.2.9",) for name in many},
    }

    assert check(zone).result in set(SpfResult)


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.text(max_size=60), st.text(max_size=60))
def test_whatever_stands_in_it_there_is_a_result(text: str, sender: str, helo: str) -> None:
    sent = Sent("2001:db8::7", f"{sender}@d.test", helo)

    assert check({("d.test", "TXT"): (f"v=spf1 {text}",)}, sent).result in set(SpfResult)


@given(st.text(alphabet="%{}sdiplvhr0123456789.-+,/_=abc:", max_size=60))
def test_a_record_is_read_or_is_wrong(text: str) -> None:
    with suppress(BadRecord):
        assert len(read_record(f"v=spf1 a:{text} exp={text}").mechanisms) == 1


def test_a_loop_ends_at_the_limit() -> None:
    for text in ("v=spf1 include:d.test", "v=spf1 redirect=d.test"):
        found = check({("d.test", "TXT"): (text,)})
        assert found == Outcome(SpfResult.PERMERROR, "more than 10 terms ask the DNS")


def test_trouble_is_told() -> None:
    assert check({("d.test", "TXT"): "no answer"}) == Outcome(SpfResult.TEMPERROR, "no answer")


def test_what_is_no_policy_is_none() -> None:
    assert not is_record("v=spf10") and is_record("V=SPF1")
    for sent in (
        Sent("192.0.2.7", "eve"),
        Sent("192.0.2.7", "", "localhost"),
        Sent("192.0.2.7", "a@[1.2.3.4]"),
    ):
        assert check({}, sent) == Outcome(SpfResult.NONE)


HOSTILE = {
    "networks": "v=spf1 " + "ip4:1.1.1.1 " * 330 + "include:NEXT",
    "macros": "v=spf1 " + " ".join([f"exists:{'%{s1r-+=}' * 48}.x.test"] * 8) + " include:NEXT",
    "letters": "v=spf1 " + "a:" + "%{l}." * 100 + "x.test include:NEXT",
    "too long": "v=spf1 " + "ip4:1.1.1.1 " * 5000 + "include:NEXT",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_record_keeps_us_busy(name: str) -> None:
    """Each leads to the next, all are as long as they may be, and the sender's name is long."""
    zone: Zone = {
        (f"{number}.test", "TXT"): (HOSTILE[name].replace("NEXT", f"{number + 1}.test"),)
        for number in range(12)
    }
    sent = Sent("192.0.2.7", f"{'a-' * 500}@0.test", "h")

    began = process_time()
    assert check(zone, sent).result is SpfResult.PERMERROR
    assert process_time() - began < 0.5


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a.test.", "a.test"),
        ("x" * 300, "x" * 300),
        (f"{'x' * 60}.{'y' * 200}.test", f"{'y' * 200}.test"),
        (f"{'x' * 3}.{'y' * 248}.test", f"{'y' * 248}.test"),
        (".".join("a" * 500), ".".join("a" * 127)),
    ],
)
def test_a_name_that_is_too_long_loses_labels_from_its_left(name: str, short: str) -> None:
    assert shortened(name) == short


EXPLAINED = {
    "plain": ("%{i} may not send for %{s}", "192.0.2.7 may not send for eve@d.test"),
    "too long": ("x" * 400, "x" * MOST_EXPLAINED),
    "not ASCII": ("\u00e4", ""),
    "a line end": ("two\nlines", ""),
    "no macro": ("%{z}", ""),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_an_explanation_is_one_short_line_or_none(name: str) -> None:
    text, told = EXPLAINED[name]
    zone: Zone = {("d.test", "TXT"): ("v=spf1 -all exp=why.d.test",), ("why.d.test", "TXT"): (text,)}

    assert check(zone) == Outcome(SpfResult.FAIL, told)


def found(text: str | None, sent: Sent = EVE) -> Finding:
    zone: Zone = {} if text is None else {("d.test", "TXT"): (text,), ("mail.d.test", "TXT"): (text,)}
    said, _ = run(spf(sent, ROUTE), zone)
    assert isinstance(said, Finding)
    return said


@pytest.mark.parametrize(
    ("text", "said", "weight"),
    [
        ("v=spf1 -all", Said.BLOCK, 0),
        ("v=spf1 ~all", Said.LISTED, 1),
        ("v=spf1 ?all", Said.CLEAR, 0),
        ("v=spf1 ip4:192.0.2.0/24 -all", Said.CLEAR, 0),
        ("v=spf1 nonsense -all", Said.CLEAR, 0),
        (None, Said.CLEAR, 0),
    ],
)
def test_as_a_check_it_has_gross_weights(text: str | None, said: Said, weight: int) -> None:
    assert (found(text).said, found(text).weight) == (said, weight)


def test_of_the_null_sender_the_helo_is_asked() -> None:
    refused = found("v=spf1 -all", Sent("192.0.2.7", "", "mail.d.test"))

    assert (refused.said, refused.why) == (Said.BLOCK, "mail.d.test does not let this client send its mail")
