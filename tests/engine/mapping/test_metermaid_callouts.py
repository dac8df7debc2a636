"""engine.mapping.check_metermaid: every routine, and that whatever goes wrong blocks nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.mapping.callouts import IMAGES
from sendwarden.engine.mapping.check_metermaid import ROUTINES
from sendwarden.engine.meters.options import TableOptions
from tests.engine.mapping.worlds import TestWorld, entries, tables, world_with

THROTTLE = TableOptions("hits", quota=2, quota_time=60, options=frozenset({"nocase"}))
ADDRESSES = TableOptions("addresses", data_type="ipv4", quota=1)
WORDS = TableOptions("words", type="simple")
NUMBERS = TableOptions("numbers", type="simple", value_type="integer")
GREY = TableOptions("grey", type="greylisting", block_time=60, resubmit_time=600, inactivity_time=3600)
FAILED = None


def world() -> TestWorld:
    return world_with(THROTTLE, ADDRESSES, WORDS, NUMBERS, GREY)


def ask(asked: TestWorld, *arguments: str) -> str | None:
    """What a call answers: its text, or None for failure."""
    call = ",".join(arguments)
    result = tables(entries(f"*  $[IMTA_LIB:check_metermaid.so,{call}]$Y")).scan("T", "probe", asked)
    assert result.yes or (result.text, result.flags) == ("probe", frozenset())
    return result.text if result.yes else FAILED


def ask_all(asked: TestWorld, *calls: str) -> list[str | None]:
    return [ask(asked, *call.split(",")) for call in calls]


def test_throttle_succeeds_only_over_the_quota_and_counts() -> None:
    asked = world()

    assert ask_all(asked, *["throttle,hits,bob"] * 4) == [FAILED, FAILED, "", ""]
    asked.now += 60
    assert ask(asked, "throttle", "hits", "bob") is FAILED
    assert asked.warnings == []


def test_query_says_what_the_next_hit_would_be_and_counts_nothing() -> None:
    asked = world()

    assert ask_all(asked, *["query,hits,bob"] * 9) == [FAILED] * 9
    assert ask_all(asked, "throttle,hits,bob", "query,hits,bob") == [FAILED, FAILED]
    assert ask_all(asked, "throttle,hits,bob", *["query,hits,BOB"] * 2) == [FAILED, "", ""]
    assert ask(asked, "query", "hits", "ann") is FAILED


@pytest.mark.parametrize("routine", ["throttle", "query"])
def test_what_is_over_is_noted_in_numbers(routine: str) -> None:
    asked = world()
    ask_all(asked, *["throttle,hits,bob"] * 2)
    asked.now += 12.25

    ask(asked, routine, "hits", "Bob")

    (note,) = asked.notes
    assert note.id == "meter-over"
    assert note.numbers == {
        "table": "hits", "key": "Bob", "hits": 2, "quota": 2, "window": 60, "frees_in": 47.8
    }  # fmt: skip


def test_a_value_is_stored_fetched_and_removed() -> None:
    asked = world()

    calls = ("fetch,words,k", "store,words,k,v$ w", "fetch,words,k", "store,words,k,", "fetch,words,k")
    assert ask_all(asked, *calls) == [FAILED, "", "v w", "", ""]
    assert ask_all(asked, "remove,words,k", "fetch,words,k", "remove,words,k") == ["", FAILED, ""]
    assert asked.warnings == []


@given(st.text(max_size=30))
def test_a_fetched_value_is_text_and_is_never_scanned(value: str) -> None:
    asked = world()
    found = tables("T\n*|* $C$[check_metermaid.so,store,words,k,$1]\n* $[check_metermaid.so,fetch,words,k]\n")

    result = found.scan("T", f"x|{value}".replace("\ud800", ""), asked)

    if not asked.warnings:
        assert (result.text, result.flags) == (value.rpartition("|")[2], frozenset())


@pytest.mark.parametrize(
    ("delta", "value"), [("5", "5"), ("+5", "5"), ("-5", "-5"), ("0", "0"), ("007", "7")], ids=str
)
def test_adjusting_a_key_that_is_not_set_begins_at_0(delta: str, value: str) -> None:
    assert ask_all(world(), f"adjust,numbers,k,{delta}", "fetch,numbers,k") == ["", value]


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6))
def test_adjustments_add_up(deltas: list[int]) -> None:
    asked = world()

    assert ask_all(asked, *(f"adjust,numbers,k,{delta:+d}" for delta in deltas)) == [""] * len(deltas)
    assert ask(asked, "fetch", "numbers", "k") == str(sum(deltas))


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("=5", True), ("=4", False), (">4", True), (">5", False), ("<6", True), ("<5", False),
        (">=5", True), (">=6", False), ("<=5", True), ("<=4", False), ("=+5", True), (">-1", True),
        (">=$ 5", True),
    ],
)  # fmt: skip
def test_a_comparison(expression: str, holds: bool) -> None:
    asked = world()
    ask(asked, "store", "numbers", "k", "5")

    assert ask(asked, "test", "numbers", "k", expression) == ("" if holds else FAILED)
    assert ask(asked, "adjust_and_test", "numbers", "j", "5", expression) == ("" if holds else FAILED)
    assert ask(asked, "fetch", "numbers", "j") == "5"  # adjusted, whatever the test said
    assert asked.warnings == []


def test_adjust_and_test_tests_the_new_value() -> None:
    calls = ["adjust_and_test,numbers,k,+1,>2"] * 3

    assert ask_all(world(), *calls) == [FAILED, FAILED, ""]


def test_greylisting_succeeds_while_a_sender_must_be_put_off() -> None:
    asked = world()

    assert ask_all(asked, *["greylisting,grey,10.1.2.3|a@b|c@d"] * 2) == ["", ""]
    asked.now += 60
    assert ask(asked, "greylisting", "grey", "10.1.2.3|a@b|c@d") is FAILED


def test_a_removed_key_begins_anew() -> None:
    asked = world()

    assert ask_all(asked, *["throttle,hits,k"] * 3, "remove,hits,K", "throttle,hits,k") == [
        FAILED, FAILED, "", "", FAILED
    ]  # fmt: skip


# --- what goes wrong

CALLS = {
    "throttle": ",K",
    "query": ",K",
    "fetch": ",K",
    "store": ",K,5",
    "remove": ",K",
    "adjust": ",K,5",
    "test": ",K,>1",
    "adjust_and_test": ",K,5,>1",
    "greylisting": ",K",
}
TYPES = {"hits": "throttle", "words": "simple", "grey": "greylisting"}


def test_every_routine_is_tested_here() -> None:
    assert CALLS.keys() == ROUTINES.keys() == IMAGES["check_metermaid.so"].keys()
    assert not any(routine.rescan for routine in ROUTINES.values())


@pytest.mark.parametrize("routine", CALLS)
def test_a_table_that_is_not_there_is_failure_and_told(routine: str) -> None:
    asked = world()

    assert ask(asked, f"{routine},nowhere{CALLS[routine]}") is FAILED
    assert asked.warnings == [("callout-failed", f"{routine},nowhere: there is no such table")]


@pytest.mark.parametrize(
    ("routine", "table"),
    [
        (routine, table)
        for routine, known in ROUTINES.items()
        for table, kind in TYPES.items()
        if known.table_type and kind != known.table_type
    ],
)
def test_a_table_of_the_wrong_type_is_failure_and_told(routine: str, table: str) -> None:
    asked = world()

    assert ask(asked, f"{routine},{table}{CALLS[routine]}") is FAILED
    ((warning, about),) = asked.warnings
    assert warning == "callout-failed"
    assert about.startswith(f"{routine},{table}: ") and TYPES[table] in about


@pytest.mark.parametrize("routine", CALLS)
def test_an_empty_key_is_failure_and_no_trouble(routine: str) -> None:
    asked = world()
    table = {"throttle": "hits", "simple": "numbers", "greylisting": "grey"}.get(
        ROUTINES[routine].table_type, "hits"
    )

    assert ask(asked, f"{routine},{table}{CALLS[routine].replace('K', '')}") is FAILED
    assert asked.warnings == []
    assert not asked.meters.changes(asked.now).meters


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("adjust,numbers,k,", id="no number"),
        pytest.param("adjust,numbers,k,1.5", id="a fraction"),
        pytest.param("adjust,numbers,k,x", id="a word"),
        pytest.param("adjust,numbers,k,--1", id="two signs"),
        pytest.param(f"adjust,numbers,k,{'9' * 19}", id="a large number"),
        pytest.param("adjust,numbers,k,\N{ARABIC-INDIC DIGIT THREE}", id="a digit of another script"),
        pytest.param("store,numbers,k,x", id="a word stored among numbers"),
        pytest.param("adjust,words,k,1", id="adjusting words"),
        pytest.param("test,numbers,set,5", id="no operator"),
        pytest.param("test,numbers,set,==5", id="an unknown operator"),
        pytest.param("test,numbers,set,>x", id="compared with a word"),
        pytest.param("test,numbers,set,", id="no comparison"),
        pytest.param(f"test,numbers,set,>{'9' * 5000}", id="compared with a very large number"),
        pytest.param("test,words,set,>5", id="comparing words"),
        pytest.param("adjust_and_test,numbers,k,x,>5", id="a bad number, then a test"),
        pytest.param("throttle,addresses,bob", id="a key that is no address"),
        pytest.param("query,addresses,10.1.2", id="half an address"),
    ],
)
def test_a_bad_number_comparison_or_key_is_failure_and_told(call: str) -> None:
    asked = world()
    ask_all(asked, "store,numbers,set,9", "store,words,set,9")

    assert ask(asked, call) is FAILED
    assert [warning for warning, _about in asked.warnings] == ["callout-failed"]
    assert ask(asked, "fetch,numbers,k") is FAILED  # nothing was stored


def test_a_number_cannot_be_adjusted_beyond_what_can_be_kept() -> None:
    asked = world()

    calls = ["adjust,numbers,k,999999999999999999", "adjust,numbers,k,1", "adjust,numbers,k,-1"]
    assert ask_all(asked, *calls) == ["", FAILED, ""]


@pytest.mark.parametrize(
    ("call", "set_before"), [("fetch,words,k", "store,words,k,1"), ("test,numbers,k,>0", "store,numbers,k,1")]
)
def test_a_key_that_is_not_set_is_a_plain_no(call: str, set_before: str) -> None:
    asked = world()

    assert ask_all(asked, call, set_before) == [FAILED, ""]
    assert ask(asked, call) is not FAILED
    assert asked.warnings == []


def test_the_name_of_a_table_may_come_from_the_probe_and_has_no_case() -> None:
    asked = world()
    found = tables("T\n*|* $[check_metermaid.so,throttle,$0,$1]$Y\n")

    answers = [found.scan("T", "HITS|bob", asked).yes for _ in range(3)]

    assert answers == [False, False, True]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        pytest.param("aabb", [], id="room for all"),
        pytest.param("ab", [], id="quiet keys"),
        pytest.param("abc", ["meter-evicted"], id="a quiet key has to go"),
        pytest.param("aabbc", ["meter-grown"], id="all are busy"),
        pytest.param("aabbccdde", ["meter-grown", "meter-grown", "meter-full"], id="and ever more come"),
    ],
)
def test_a_crowded_table_is_told(keys: str, told: list[str]) -> None:
    asked = world_with(TableOptions("t", quota=2, max_entries=2))

    ask_all(asked, *(f"throttle,t,{key}" for key in keys))

    assert asked.warnings == [(warning, "t") for warning in told]
