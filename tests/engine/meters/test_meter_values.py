"""Simple tables: words and numbers by key; and what a restart makes of tables of values."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.keys import MeterError, NothingThere
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.meters.values import GreylistTable, SimpleTable
from tests.engine.meters.kept import GREY, filled, written
from tests.engine.meters.throttles import START, Stored


def words(**options: object) -> SimpleTable:
    return SimpleTable(replace(TableOptions("t", type="simple"), **options))  # type: ignore[arg-type]


def numbers(**options: object) -> SimpleTable:
    return words(value_type="integer", **options)


def values(table: SimpleTable, *keys: str) -> list[str | int | None]:
    found: list[str | int | None] = []
    for key in keys:
        try:
            found.append(table.fetch(key))
        except NothingThere:
            found.append(None)
    return found


# --- simple


@given(st.dictionaries(st.text("abAB", min_size=1), st.text(st.characters(codec="utf-8")), max_size=8))
def test_what_is_stored_is_what_is_fetched_and_what_is_kept(texts: dict[str, str]) -> None:
    table = words()
    stored: Stored = {}
    for key, text in texts.items():
        table.store(key, text)
    written(table, stored)
    again = words()
    filled(again, stored)

    assert values(table, *texts) == values(again, *texts) == list(texts.values())


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-(10**17), 10**17)), max_size=9))
def test_numbers_are_adjusted_from_0_and_kept(deltas: list[tuple[str, int]]) -> None:
    table = numbers()
    stored: Stored = {}

    for key, delta in deltas:
        before = values(table, key)[0]
        assert table.adjust(key, f"{delta:+d}") == int(before or 0) + delta
    written(table, stored)
    again = numbers()
    filled(again, stored)

    sums = [sum(delta for key, delta in deltas if key == name) for name in "ab"]
    assert [value or 0 for value in values(again, "a", "b")] == sums


@pytest.mark.parametrize(
    "text", ["", "x", "1.0", " 1", "1 ", "+", "0x1", "9" * 19, "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_a_number_is_written_in_plain_digits(text: str) -> None:
    table = numbers()

    for attempt in (table.store, table.adjust):
        with pytest.raises(MeterError):
            attempt("k", text)
    assert len(table) == 0


def test_a_number_grows_only_so_far_as_it_can_be_read_again() -> None:
    table = numbers()
    stored: Stored = {}
    table.store("k", "9" * 18)

    with pytest.raises(MeterError):
        table.adjust("k", "1")
    again = numbers()
    filled(again, written(table, stored))
    assert values(again, "k") == [10**18 - 1]


def test_words_cannot_be_adjusted() -> None:
    with pytest.raises(MeterError):
        words().adjust("k", "1")


def test_a_value_that_no_store_could_write_is_refused() -> None:
    table = words()

    with pytest.raises(MeterError):
        table.store("k", "\ud800")
    table.store("k", "\udc80")
    assert written(table, {}) == {"k": {0: b"V\x80"}}


def test_the_key_that_was_not_used_for_longest_is_forgotten_first() -> None:
    table = words(max_entries=3)
    stored: Stored = {}
    for key in "abc":
        table.store(key, key)
    written(table, stored)
    table.fetch("a")
    table.store("b", "B")

    table.store("d", "d")

    assert values(table, *"abcd") == ["a", "B", None, "d"]
    assert sorted(written(table, stored)) == ["a", "b", "d"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=30))
def test_a_table_never_holds_more_than_its_entries(uses: list[tuple[str, bool]]) -> None:
    table, order = numbers(max_entries=3), dict[str, None]()

    for key, remove in uses:
        order.pop(key, None)
        if remove:
            table.remove(key)
        else:
            table.adjust(key, "1")
            order[key] = None
        order = dict.fromkeys(list(order)[-3:])

    assert len(table) == len(order)
    assert [key for key in "abcdef" if values(table, key) != [None]] == sorted(order)


def test_keys_follow_the_tables_options() -> None:
    table = words(options=frozenset({"nocase"}))
    table.store("Bob", "x")

    assert values(table, "bOB") == ["x"]
    with pytest.raises(NothingThere):
        table.store("", "x")


def test_removing_what_is_not_there_changes_nothing() -> None:
    table = words()

    table.remove("k")

    assert list(table.changes(START)) == []


# --- restarts

TABLES: dict[str, TableOptions] = {
    "words": TableOptions("t", type="simple"),
    "numbers": TableOptions("t", type="simple", value_type="integer"),
    "grey": GREY,
}


@pytest.mark.parametrize("name", TABLES)
@given(raw=st.builds(bytes.__add__, st.sampled_from([b"", b"V", b"G", b"S", b"L"]), st.binary(max_size=20)))
def test_a_damaged_value_or_one_of_another_type_is_left_aside_or_really_a_value(
    name: str, raw: bytes
) -> None:
    options = TABLES[name]
    table = GreylistTable(options) if name == "grey" else SimpleTable(options)

    table.restore("k", {0: raw}, START)

    if len(table):
        assert raw[:1] == (b"G" if name == "grey" else b"V")
        assert name != "numbers" or raw[1:].decode().lstrip("+-").isdigit()
    if isinstance(table, GreylistTable):
        assert isinstance(table.defer("k", START), bool)


def test_only_as_many_values_are_restored_as_there_is_room_for() -> None:
    table = words(max_entries=2)

    filled(table, {key: {0: b"V" + key.encode()} for key in "abc"})

    assert values(table, *"abc") == ["a", "b", None]


def test_what_was_restored_is_not_written_again() -> None:
    table = words()

    filled(table, {"a": {0: b"Vx"}})

    assert list(table.changes(START)) == []
    assert [change.key for change in table.everything()] == ["a"]


def test_stored_keys_are_taken_as_the_options_now_have_them() -> None:
    table, stored = words(options=frozenset({"nocase"})), {"Bob": {0: b"Vx"}, "ann": {0: b"Vy"}}

    filled(table, dict(stored))

    assert values(table, "BOB", "Ann") == ["x", "y"]
    assert written(table, stored) == {"bob": {0: b"Vx"}, "ann": {0: b"Vy"}}


@pytest.mark.parametrize(
    ("new", "keeps"),
    [
        pytest.param({"max_entries": 5}, True, id="size"),
        pytest.param({"value_type": "integer"}, False, id="kind of value"),
        pytest.param({"data_type": "ipv4"}, False, id="kind of key"),
        pytest.param({"options": frozenset({"nocase"})}, False, id="nocase"),
        pytest.param({"type": "throttle"}, False, id="type"),
    ],
)
def test_values_are_kept_while_they_mean_the_same(new: dict[str, object], keeps: bool) -> None:
    table = words()

    assert table.reconfigure(replace(table.options, **new)) is keeps  # type: ignore[arg-type]


# --- while stored values are being read


def test_an_adjustment_made_meanwhile_goes_on_top_of_what_is_read() -> None:
    table, stored = numbers(), {"k": {0: b"V37"}}
    table.loading.begin()
    table.adjust("k", "2")
    assert written(table, dict(stored)) == stored  # not over what was not read yet

    filled(table, stored)

    assert values(table, "k") == [39]
    assert written(table, stored) == {"k": {0: b"V39"}}


@pytest.mark.parametrize("before", [[], ["adjust"]], ids=["at once", "after an adjustment"])
def test_a_value_set_meanwhile_stands(before: list[str]) -> None:
    table, stored = numbers(), {"k": {0: b"V37"}}
    table.loading.begin()
    for _ in before:
        table.adjust("k", "2")
    table.store("k", "1")
    table.adjust("k", "1")

    assert written(table, dict(stored)) == {"k": {0: b"V2"}}
    filled(table, stored)
    assert values(table, "k") == [2]


def test_a_value_removed_meanwhile_stays_removed() -> None:
    table, stored = words(), {"k": {0: b"Vx"}}
    table.loading.begin()
    table.remove("k")

    filled(table, stored)

    assert values(table, "k") == [None]
    assert written(table, stored) == {}


def test_a_new_value_is_written_when_all_is_read() -> None:
    table = numbers()
    table.loading.begin()
    table.adjust("k", "1")
    assert written(table, {}) == {}

    table.loading.end()

    assert written(table, {}) == {"k": {0: b"V1"}}
