"""engine.reputation.health: a list that fails its test is out of service, one that does not answer rests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.reputation.health import (
    CREDITS,
    LONGEST_REST_S,
    PROVES,
    REST_S,
    TEST_AGAIN_S,
    TEST_S,
    Entry,
    Health,
    Report,
    Standing,
    entries,
    report,
)
from sendwarden.engine.reputation.lists import DnsList

ADDRESSES = DnsList("l", "dnsbl", "bl.test")
DOMAINS = DnsList("l", "rhsbl", "bl.test")
YES, NO, LATE = ("127.0.0.2",), tuple[str, ...](), "no answer"
Answer = tuple[str, ...] | str


def test_the_entries_are_those_of_rfc_5782() -> None:
    assert [name for name, _ in entries(DOMAINS).values()] == ["test", "invalid"]
    v6 = "0.0.0.0.0.f.7.f.f.f.f." + ".".join("0" * 20)
    assert [name for name, _ in entries(ADDRESSES).values()] == [
        "2.0.0.127", "1.0.0.127", f"2.{v6}", f"1.{v6}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ((YES, NO, YES, NO), ""),
        ((YES, NO, NO, NO), ""),  # a list of IPv4 addresses alone
        ((YES, NO, LATE, LATE), ""),
        ((YES, YES, NO, NO), "lists 127.0.0.1, which no list may: it lists everything"),
        ((YES, NO, YES, YES), "lists ::FFFF:7F00:1, which no list may: it lists everything"),
        ((LATE, YES, LATE, LATE), "lists 127.0.0.1, which no list may: it lists everything"),
        ((NO, NO, NO, NO), "does not list 127.0.0.2, which each list must: it answers nothing"),
        ((LATE, LATE, LATE, LATE), "gave no answer to its test: no answer"),
        ((YES, LATE, NO, NO), "gave no answer to its test: no answer"),
        ((("127.255.255.254",), NO, NO, NO), "refuses to answer: 127.255.255.254"),
        ((YES, ("203.0.113.9",), NO, NO), "answers 203.0.113.9, which is no answer of a list"),
    ],
)
def test_what_a_test_shows(answers: tuple[Answer, ...], fault: str) -> None:
    found = report(ADDRESSES, dict(zip(Entry, answers, strict=True)))

    assert found == Report(fault, silent="no answer to" in fault)


def test_of_a_list_of_domains_the_words_are_told() -> None:
    answers: dict[Entry, Answer] = {Entry.LISTED: NO, Entry.NOT_LISTED: NO}
    assert report(DOMAINS, answers).fault.startswith("does not list TEST")
    answers = {Entry.LISTED: YES, Entry.NOT_LISTED: YES}
    assert report(DOMAINS, answers).fault.startswith("lists INVALID")


@pytest.mark.parametrize(
    ("health_check", "before", "after"),
    [
        ("retire", "not tested yet", "out of service: it lists everything"),
        ("warn", "not tested yet", ""),
        ("off", "", "out of service: it lists everything"),
    ],
)
def test_a_fault_takes_a_list_out_of_service_or_warns(health_check: str, before: str, after: str) -> None:
    health = Health(DnsList("l", "dnsbl", "bl.test", health_check=health_check))  # type: ignore[arg-type]
    assert health.unfit == before and health.test_due(0.0) is (health_check != "off")

    assert health.take(Report("it lists everything"), 100.0)
    assert not health.take(Report("it lists everything"), 160.0), "nothing new"
    assert (health.unfit, health.since, health.tested) == (after, 100.0, 160.0)
    assert health.standing is (Standing.DOUBTFUL if health_check == "warn" else Standing.RETIRED)
    assert health.next_test == 160.0 + TEST_AGAIN_S

    assert health.take(Report(), 220.0)
    assert (health.unfit, health.since, health.next_test) == ("", 220.0, 220.0 + TEST_S)


def test_one_test_without_an_answer_is_not_held_against_a_good_list() -> None:
    health = Health(ADDRESSES)
    health.take(Report(), 0.0)

    assert not health.take(Report("no answer", silent=True), TEST_S)
    assert (health.unfit, health.next_test) == ("", TEST_S + TEST_AGAIN_S)
    assert health.take(Report("no answer", silent=True), health.next_test)
    assert health.unfit == "out of service: no answer"


def good() -> Health:
    health = Health(ADDRESSES)
    health.take(Report(), 0.0)
    return health


def test_a_list_rests_after_failures_and_comes_back_after_several_answers() -> None:
    health = good()
    assert [health.failed("late", 1.0) for _ in range(CREDITS)] == [False] * (CREDITS - 1) + [True]
    assert health.admit(1.0) == "rests for 10 s: late" and not health.unfit
    assert not health.failed("late", 2.0), "it was asked before"

    at = 1.0 + REST_S
    assert health.admit(at) == "" and health.admit(at) == "rests while one question tries it: late"
    assert [health.answered() for _ in range(PROVES)] == [False] * (PROVES - 1) + [True]
    assert health.admit(at) == "" == health.admit(at)
    assert not health.failed("late", at), "all is as at the start"


def test_a_rest_gets_longer_while_the_list_does_not_answer() -> None:
    health, at, rests = good(), 0.0, []
    for _ in range(CREDITS):
        health.failed("late", at)
    for _ in range(8):
        rests.append(next(wait for wait in range(1000) if not health.rests(at + wait)))
        at += rests[-1]
        assert health.admit(at) == "" and health.failed("late", at)

    assert rests == [10, 20, 40, 80, 160, 320, 320, 320] and rests[-1] == LONGEST_REST_S


def test_one_failure_before_it_has_proven_itself_sends_it_back() -> None:
    health = good()
    for _ in range(CREDITS):
        health.failed("late", 0.0)
    assert health.admit(REST_S) == "" and not health.answered()

    assert health.failed("late", REST_S + 1) and health.rests(REST_S + 2)


def test_a_try_that_brought_nothing_holds_others_up_no_longer_than_a_rest() -> None:
    health = good()
    for _ in range(CREDITS):
        health.failed("late", 0.0)

    assert health.admit(REST_S) == "" and health.admit(REST_S + 1)
    assert health.admit(2 * REST_S) == ""


@given(st.lists(st.tuples(st.sampled_from("afp"), st.floats(0, 400)), max_size=60))
def test_whatever_happens_a_list_is_tried_again_within_the_longest_rest(
    steps: list[tuple[str, float]],
) -> None:
    health, now = good(), 0.0
    for step, wait in steps:
        now += wait
        if step == "a":
            health.answered()
        elif step == "f":
            health.failed("late", now)
        else:
            health.admit(now)

    assert any(not health.admit(now + after) for after in (0.0, REST_S, LONGEST_REST_S + REST_S))
