"""engine.reputation.lists: only what the settings name is a listing, and a refusal never is."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.dns import Route
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.lists import REMEMBERED_ANSWERS, DnsList

ROUTE = Route("l")
CODES = tuple(
    (IPv4Network(network), weight)
    for network, weight in (
        ("127.0.0.2/32", 1),
        ("127.0.0.3/32", -2),
        ("127.0.1.0/24", 5),
        ("127.0.0.0/16", 3),
    )
)
BLACK = DnsList("l", "dnsbl", "bl.test", CODES)
WHITE = DnsList("l", "dnswl", "wl.test", CODES)
EVERYTHING = DnsList("l", "dnsbl", "bl.test", ((IPv4Network("0.0.0.0/0"), 9),))

LISTED, CLEAR, UNKNOWN, PASS = Said.LISTED, Said.CLEAR, Said.UNKNOWN, Said.PASS


@pytest.mark.parametrize(
    ("answer", "said", "weight"),
    [
        ("", CLEAR, 0),
        ("127.0.0.2", LISTED, 1),
        ("127.0.0.3", LISTED, -2),
        ("127.0.0.4", LISTED, 3),
        ("127.0.1.4", LISTED, 5),
        ("127.1.0.2", CLEAR, 0),
        ("127.0.0.2 127.0.1.9", LISTED, 5),
        ("127.0.0.3 127.1.0.2", LISTED, -2),
        ("127.255.255.254", UNKNOWN, 0),
        ("127.0.0.2 127.255.255.252", UNKNOWN, 0),
        ("127.0.0.1", UNKNOWN, 0),
        ("127.0.0.255", UNKNOWN, 0),
        ("203.0.113.9", UNKNOWN, 0),
        ("127.0.0.2 203.0.113.9", UNKNOWN, 0),
        ("0.0.0.9", UNKNOWN, 0),
    ],
)
def test_what_an_answer_means(answer: str, said: Said, weight: int) -> None:
    finding = BLACK.read(tuple(answer.split()))

    assert (finding.said, finding.weight, finding.codes) == (said, weight, tuple(answer.split()))
    assert bool(finding.why) is (said is UNKNOWN)


def test_a_whitelist_lets_pass_and_has_no_weights() -> None:
    assert WHITE.read(("127.0.1.1",)) == Finding("dnswl", "l", PASS, codes=("127.0.1.1",))
    assert WHITE.read(("127.9.0.1",)).said is CLEAR


@pytest.mark.parametrize("code", ["127.0.0.1", "127.0.0.255"])
def test_a_code_that_others_refuse_with_counts_where_the_settings_name_it(code: str) -> None:
    named = DnsList("l", "dnsbl", "bl.test", ((IPv4Network(code), 1),))

    assert named.read((code,)).said is LISTED


@given(st.integers(0, 255))
def test_spamhauss_refusals_never_count_whatever_the_settings_say(last: int) -> None:
    code = f"127.255.255.{last}"
    named = DnsList("l", "dnsbl", "bl.test", ((IPv4Network(code), 1),))

    assert named.read((code,)).said is UNKNOWN and EVERYTHING.read((code,)).said is UNKNOWN


@given(st.lists(st.ip_addresses(v=4), max_size=4))
def test_only_a_listing_weighs_and_nothing_outside_127_is_one(addresses: list[IPv4Address]) -> None:
    finding = EVERYTHING.read(tuple(map(str, addresses)))

    assert (finding.weight == 9) is (finding.said is LISTED)
    if any(address not in IPv4Network("127.0.0.0/8") for address in addresses):
        assert finding.said is UNKNOWN


def test_what_is_remembered_of_answers_is_bounded() -> None:
    for number in range(3 * REMEMBERED_ANSWERS):
        BLACK.read((f"127.{number >> 8}.{number & 255}.4",))

    assert len(BLACK._meanings) <= REMEMBERED_ANSWERS  # noqa: SLF001 - there is no other way to see it


def test_a_finding_without_a_listing_has_no_weight() -> None:
    with pytest.raises(ValueError, match="a weight of 1"):
        Finding("dnsbl", "l", CLEAR, 1)


@pytest.mark.parametrize(
    ("kind", "subject", "asked"),
    [
        ("dnsbl", "192.0.2.7", "7.2.0.192.bl.test"),
        ("dnsbl", "example.org", None),
        ("rhsbl", "Example.org", "example.org.bl.test"),
        ("rhsbl", "192.0.2.7", None),
        ("rhsbl", ".".join(["a" * 62] * 4), None),
    ],
)
def test_what_is_asked(kind: str, subject: str, asked: str | None) -> None:
    one = DnsList("l", kind, "bl.test")  # type: ignore[arg-type]
    question = one.question(subject, ROUTE)

    assert (question.name if question else None) == asked


def test_a_key_stands_in_questions_and_nowhere_else() -> None:
    one = DnsList("l", "dnsbl", "bl.test", key="s3cr3t")
    question = one.question("192.0.2.7", ROUTE)

    assert question and question.name == "7.2.0.192.s3cr3t.bl.test"
    finding = one.read(("127.255.255.254",))
    assert "s3cr3t" not in f"{one!r} {one.shown_zone} {question!r} {question} {finding!r}"
