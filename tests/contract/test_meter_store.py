"""`MeterTables`: what every store of meters does for the callouts, whatever keeps the counts.

A further store is one more entry of `STORES`: a function from table options to the store.
"""

import inspect
from collections.abc import Callable, Mapping

import pytest

from sendwarden.engine.meters.keys import MeterError, NothingThere
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.world import MeterTables
from sendwarden.stores.memory import MemoryMeters

START = 1_764_000_000.0
TABLES: Mapping[str, TableOptions] = {
    options.name: options
    for options in (
        TableOptions("hits", quota=3, quota_time=60, options=frozenset({"nocase"})),
        TableOptions("penalize", quota=3, quota_time=60, options=frozenset({"penalize"})),
        TableOptions("leaky", quota=3, quota_time=60, algorithm="leaky"),
        TableOptions("fixed", quota=3, quota_time=60, algorithm="fixed"),
        TableOptions("large", quota=20_000, quota_time=60),
        TableOptions("addresses", data_type="ipv4", quota=1),
        TableOptions("small", quota=4, quota_time=60, max_entries=2),
        TableOptions("words", type="simple", max_entries=2),
        TableOptions("numbers", type="simple", value_type="integer"),
        TableOptions("grey", type="greylisting", block_time=60, resubmit_time=600, inactivity_time=3600),
    )
}
THROTTLES = [name for name, options in TABLES.items() if options.type == "throttle"]
Store = Callable[[Mapping[str, TableOptions]], MeterTables]
STORES: Mapping[str, Store] = {"memory": MemoryMeters}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> MeterTables:
    return STORES[request.param](TABLES)


def over(store: MeterTables, table: str, key: str, *times: float) -> list[bool]:
    return [store.throttle(table, key, START + second).over for second in times]


def test_every_method_of_the_port_is_there(store: MeterTables) -> None:
    for name, method in inspect.getmembers(MeterTables, inspect.isfunction):
        if not name.startswith("_"):
            assert (
                list(inspect.signature(getattr(store, name)).parameters)
                == list(inspect.signature(method).parameters)[1:]
            )


# --- throttle and query


@pytest.mark.parametrize(
    ("table", "times", "answers"),
    [
        pytest.param("hits", [0] * 5, [False] * 3 + [True] * 2, id="the quota passes"),
        pytest.param("hits", [0, 20, 40, 59, 60, 61], [False, False, False, True, False, True], id="sliding"),
        pytest.param(
            "penalize", [0, 20, 40, 59, 60, 99, 159], [False] * 3 + [True] * 2 + [True, False], id="penalize"
        ),
        pytest.param("leaky", [0, 0, 0, 10, 20, 30], [False] * 3 + [True, False, True], id="leaky"),
        pytest.param("fixed", [0, 50, 50, 59, 60], [False] * 3 + [True, False], id="fixed"),
    ],
)
def test_who_is_over_his_quota(
    store: MeterTables, table: str, times: list[float], answers: list[bool]
) -> None:
    assert over(store, table, "k", *times) == answers


@pytest.mark.parametrize("table", THROTTLES)
def test_a_reading_tells_quota_use_and_when_it_frees(store: MeterTables, table: str) -> None:
    quota = TABLES[table].limit
    key = "10.1.2.3"
    used = [store.throttle(table, key, START).used for _ in range(quota.hits)]

    reading = store.throttle(table, key, START)

    assert used == list(range(quota.hits))
    assert (reading.over, reading.used, reading.quota, reading.trouble) == (True, quota.hits, quota, "")
    assert START < reading.frees_at <= START + 1.01 * quota.window_s
    assert store.query(table, key, START).frees_at >= reading.frees_at
    assert store.query(table, key, store.query(table, key, START).frees_at).over is False


@pytest.mark.parametrize("table", THROTTLES)
def test_asking_counts_nothing(store: MeterTables, table: str) -> None:
    assert [store.query(table, "10.1.2.3", START).used for _ in range(5)] == [0] * 5
    store.throttle(table, "10.1.2.3", START)
    readings = [store.query(table, "10.1.2.3", START) for _ in range(5)]
    assert {reading.used for reading in readings} == {1}
    assert {reading.over for reading in readings} == {TABLES[table].quota == 1}


def test_keys_and_tables_do_not_know_each_other(store: MeterTables) -> None:
    over(store, "hits", "a", 0, 0, 0)

    assert over(store, "hits", "b", 0) == over(store, "leaky", "a", 0) == [False]
    assert over(store, "hits", "a", 0) == [True]


def test_tables_have_no_case_and_keys_as_their_options_say(store: MeterTables) -> None:
    assert over(store, "HITS", "Bob", 0, 0) + over(store, "hits", "bob", 0, 0) == [False] * 3 + [True]
    assert over(store, "leaky", "Bob", 0, 0, 0) + over(store, "leaky", "bob", 0) == [False] * 4


def test_spellings_of_an_address_are_one_key(store: MeterTables) -> None:
    assert over(store, "addresses", "2001:DB8::1", 0) + over(store, "addresses", "IPv6:2001:db8:0::1", 0) == [
        False,
        True,
    ]


def test_a_long_key_is_counted(store: MeterTables) -> None:
    assert over(store, "hits", "a" * 5000, 0, 0, 0, 0) == [False] * 3 + [True]
    assert over(store, "hits", "a" * 5000 + "b", 0) == [False]


def test_any_key_is_counted(store: MeterTables) -> None:
    for key in ("\0", "\udc80", "\ud800", " ", "a\nb", "é", "'; DROP TABLE meter; --"):
        assert over(store, "hits", key, 0, 0, 0, 0) == [False] * 3 + [True]


def test_a_busy_key_survives_many_others(store: MeterTables) -> None:
    over(store, "small", "busy", 0, 0, 0)

    for number in range(100):
        assert over(store, "small", str(number), 1) == [False]

    assert over(store, "small", "busy", 2, 2) == [False, True]


def test_new_keys_are_let_through_where_all_others_are_busy(store: MeterTables) -> None:
    for key in "abcd":
        over(store, "small", key, 0, 0, 0)

    readings = [store.throttle("small", "e", START) for _ in range(9)]

    assert {(reading.over, reading.trouble) for reading in readings} == {(False, "full")}


# --- values


def test_what_is_stored_is_fetched(store: MeterTables) -> None:
    store.store("words", "k", "v|w")
    store.store("numbers", "k", "+07")

    assert (store.fetch("words", "k"), store.fetch("numbers", "k")) == ("v|w", 7)


def test_a_full_table_forgets_what_was_not_used_for_longest(store: MeterTables) -> None:
    for key in "abac":
        store.store("words", key, key)

    assert (store.fetch("words", "a"), store.fetch("words", "c")) == ("a", "c")
    with pytest.raises(NothingThere):
        store.fetch("words", "b")


def test_adjusting_gives_the_new_value(store: MeterTables) -> None:
    assert [store.adjust("numbers", "k", delta) for delta in ("2", "+3", "-10")] == [2, 5, -5]
    assert store.fetch("numbers", "k") == -5


@pytest.mark.parametrize("table", TABLES)
def test_a_removed_key_begins_anew(store: MeterTables, table: str) -> None:
    key, kind = "10.1.2.3", TABLES[table].type
    if kind == "throttle":
        store.throttle(table, key, START)
    elif kind == "simple":
        store.store(table, key, "5")
    else:
        assert [store.defer(table, key, START + second) for second in (0, 60)] == [True, False]

    store.remove(table, key)
    store.remove(table, key)

    if kind == "throttle":
        assert store.query(table, key, START).used == 0
    elif kind == "simple":
        with pytest.raises(NothingThere):
            store.fetch(table, key)
    else:
        assert store.defer(table, key, START + 61) is True


def test_greylisting_puts_off_who_is_new_and_not_who_came_back(store: MeterTables) -> None:
    assert [store.defer("grey", "k", START + second) for second in (0, 59, 60, 61)] == [
        True,
        True,
        False,
        False,
    ]


def test_sequences_count_from_0_each_by_itself(store: MeterTables) -> None:
    assert [store.next_number(name) for name in ("a", "a", "b", "a", "A")] == [0, 1, 0, 2, 0]


# --- errors

METHODS: Mapping[str, tuple[str, Callable[[MeterTables, str, str], object]]] = {
    "throttle": ("throttle", lambda store, table, key: store.throttle(table, key, START)),
    "query": ("throttle", lambda store, table, key: store.query(table, key, START)),
    "fetch": ("simple", lambda store, table, key: store.fetch(table, key)),
    "store": ("simple", lambda store, table, key: store.store(table, key, "5")),
    "adjust": ("simple", lambda store, table, key: store.adjust(table, key, "5")),
    "remove": ("", lambda store, table, key: store.remove(table, key)),
    "defer": ("greylisting", lambda store, table, key: store.defer(table, key, START)),
}
EVERY_METHOD = pytest.mark.parametrize("method", METHODS)


@EVERY_METHOD
def test_a_table_that_is_not_there_is_an_error(store: MeterTables, method: str) -> None:
    _kind, call = METHODS[method]

    with pytest.raises(MeterError, match=r"^there is no such table$"):
        call(store, "nowhere", "k")


@EVERY_METHOD
def test_a_table_of_another_type_is_an_error(store: MeterTables, method: str) -> None:
    kind, call = METHODS[method]
    for table, options in TABLES.items():
        if kind and options.type != kind:
            with pytest.raises(MeterError, match=f"^a {options.type} table, not a {kind} table$"):
                call(store, table, "10.1.2.3")


@EVERY_METHOD
def test_an_empty_key_is_nothing_to_count(store: MeterTables, method: str) -> None:
    kind, call = METHODS[method]
    tables = {"simple": "numbers", "greylisting": "grey"}

    with pytest.raises(NothingThere):
        call(store, tables.get(kind, "hits"), "")


@pytest.mark.parametrize("method", ["throttle", "query", "remove"])
def test_a_key_that_is_no_address_is_an_error_where_one_must_be(store: MeterTables, method: str) -> None:
    with pytest.raises(MeterError):
        METHODS[method][1](store, "addresses", "bob")


@pytest.mark.parametrize("text", ["", "x", "1.5", "9" * 19, "9" * 5000, "1 "])
def test_a_bad_number_is_an_error_and_stores_nothing(store: MeterTables, text: str) -> None:
    with pytest.raises(MeterError):
        store.store("numbers", "k", text)
    with pytest.raises(MeterError):
        store.adjust("numbers", "k", text)
    with pytest.raises(NothingThere):
        store.fetch("numbers", "k")


def test_words_cannot_be_adjusted(store: MeterTables) -> None:
    with pytest.raises(MeterError):
        store.adjust("words", "k", "1")


def test_what_cannot_be_written_is_no_value(store: MeterTables) -> None:
    with pytest.raises(MeterError):
        store.store("words", "k", "\ud800")
