"""A throttle table: what it says of a key, what happens when it is full, and what new options change."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.algorithms import EXACT_QUOTA
from tests.engine.meters.throttles import START, hit, known, table, troubles

# --- readings


def test_a_reading_names_the_numbers() -> None:
    counted = table(quota=2)

    readings = [counted.throttle("k", START + second) for second in range(3)]

    assert [(r.over, r.used, r.frees_at, r.trouble) for r in readings] == [
        (False, 0, 0, ""),
        (False, 1, 0, ""),
        (True, 2, START + 60, ""),
    ]
    assert {r.quota for r in readings} == {counted.quota}


@given(
    st.sampled_from(["sliding", "leaky", "fixed"]),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=40),
)
def test_query_foretells_throttle(algorithm: str, penalize: bool, hits: list[tuple[str, int]]) -> None:
    counted = table(algorithm=algorithm, options=frozenset({"penalize"} if penalize else ()))
    now = START

    for key, pause in hits:
        now += pause
        foretold = counted.query(key, now)
        reading = counted.throttle(key, now)
        assert (foretold.over, foretold.used) == (reading.over, reading.used)


def test_query_of_an_unknown_key_begins_nothing() -> None:
    counted = table()

    assert known(counted, "k") == [0]
    assert (len(counted), list(counted.changes(START))) == (0, [])


@given(st.lists(st.sampled_from("abc"), max_size=20))
def test_keys_do_not_know_each_other(hits: list[str]) -> None:
    counted = table(quota=100)

    hit(counted, *hits)

    assert known(counted, *"abc") == [hits.count(key) for key in "abc"]


# --- a full table


def test_of_the_quietest_keys_the_one_that_counts_least_goes() -> None:
    counted = table(max_entries=3, quota=6)
    hit(counted, *"aaabbccc")

    assert troubles(counted, "d") == ["evicted"]
    assert known(counted, *"abcd") == [3, 0, 3, 1]


def test_a_key_whose_count_has_run_out_goes_silently() -> None:
    counted = table(max_entries=2)
    hit(counted, "a")
    hit(counted, "b", now=START + 50)

    assert troubles(counted, "c", now=START + 70) == [""]
    assert known(counted, *"abc", now=START + 70) == [0, 1, 1]


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0.0, 0.1, 2.0])), min_size=1, max_size=200),
)
def test_a_key_above_half_its_quota_never_goes(max_entries: int, hits: list[tuple[int, float]]) -> None:
    counted = table(max_entries=max_entries, quota_time=100_000)
    model: dict[str, int] = {}
    now = START

    for number, pause in hits:
        now += pause
        key = str(number)
        model[key] = int(known(counted, key, now=now)[0])
        reading = counted.throttle(key, now)
        assert reading.used == model[key]
        model[key] += not reading.over and reading.trouble != "full"
        busy = [name for name, used in model.items() if used > 2]
        assert all(model[name] == known(counted, name, now=now)[0] for name in busy)
        assert len(counted) <= 2 * max_entries


def test_when_all_keys_are_busy_the_table_grows_to_twice_its_size_and_then_counts_no_new_ones() -> None:
    counted = table(max_entries=3)
    busy = [str(number) for number in range(6)]

    grown = [troubles(counted, *[key] * 3)[0] for key in busy]
    full = [counted.throttle("new", START) for _ in range(9)]

    assert grown == ["", "", "", "grown", "grown", "grown"]
    assert {(reading.over, reading.used, reading.trouble) for reading in full} == {(False, 0, "full")}
    assert known(counted, *busy, "new") == [3] * 6 + [0]
    # Who is known is counted on.
    assert hit(counted, "0", "0") == [False, True]


def test_a_full_table_finds_room_again_when_its_keys_have_aged() -> None:
    counted = table(max_entries=2)
    hit(counted, *"aaabbbcccddd")
    assert troubles(counted, "e") == ["full"]

    assert troubles(counted, "e", now=START + 61) == [""]
    assert known(counted, "e", now=START + 61) == [1]


def test_a_quiet_key_is_found_even_where_the_first_that_are_looked_at_are_busy() -> None:
    counted = table(max_entries=100)
    hit(counted, *(str(number) for number in range(99) for _ in range(3)), "quiet")

    assert troubles(counted, "new") == ["evicted"]
    assert known(counted, "quiet", "new", "0") == [0, 1, 3]


@pytest.mark.parametrize(
    ("later_s", "found"),
    [
        pytest.param(0.0, "grown", id="at once"),
        pytest.param(0.9, "grown", id="within a second"),
        pytest.param(1.0, "evicted", id="a second later"),
        pytest.param(-3600.0, "evicted", id="the clock was put back"),
    ],
)
def test_the_whole_table_is_searched_in_vain_once_a_second_at_the_most(later_s: float, found: str) -> None:
    counted = table(max_entries=100, quota_time=100_000)
    hit(counted, *(str(number) for number in range(100) for _ in range(3)))
    assert troubles(counted, "quiet") == ["grown"]  # searched, and found all busy

    assert troubles(counted, "new", now=START + later_s) == [found]


def test_a_flood_of_keys_stays_at_the_cap_and_a_busy_key_survives_it() -> None:
    counted = table(max_entries=5_000, quota=50, quota_time=3600)
    hit(counted, *["thief@example.org"] * 40)
    started = time.process_time()

    for number in range(200_000):
        reading = counted.throttle(f"{number}@example.org", START + number / 1000)
        assert not reading.over

    assert time.process_time() - started < 10
    assert len(counted) == 5_000
    assert known(counted, "thief@example.org", now=START + 200) == [40]
    assert hit(counted, *["thief@example.org"] * 11, now=START + 200) == [False] * 10 + [True]


def test_a_flood_of_busy_keys_stays_at_twice_the_cap() -> None:
    counted = table(max_entries=500, quota=1, quota_time=3600)

    found = troubles(counted, *(str(number) for number in range(5_000)))

    assert len(counted) == 1000
    assert [found.count(trouble) for trouble in ("", "grown", "full")] == [500, 500, 4000]


# --- new options


@pytest.mark.parametrize(
    ("new", "keeps"),
    [
        pytest.param({"quota": 9}, True, id="quota"),
        pytest.param({"quota_time": 9}, True, id="window"),
        pytest.param({"max_entries": 9}, True, id="size"),
        pytest.param({"options": frozenset({"penalize"})}, True, id="penalize"),
        pytest.param({"options": frozenset({"nocase"})}, False, id="nocase"),
        pytest.param({"data_type": "ipv4"}, False, id="kind of key"),
        pytest.param({"type": "simple"}, False, id="type"),
        pytest.param({"algorithm": "leaky"}, False, id="algorithm"),
        pytest.param({"quota": EXACT_QUOTA + 1}, False, id="from time stamps to buckets"),
    ],
)
def test_counts_are_kept_while_they_mean_the_same(new: dict[str, object], keeps: bool) -> None:
    counted = table()
    hit(counted, "k")
    options = replace(counted.options, **new)  # type: ignore[arg-type]

    assert counted.reconfigure(options) is keeps
    assert known(counted, "k") == [1]
    assert (counted.options is options) is keeps
    assert (counted.quota == options.limit) is (keeps or counted.quota == options.limit)


def test_a_smaller_quota_counts_at_once() -> None:
    counted = table(quota=10)
    hit(counted, *["k"] * 5)

    counted.reconfigure(replace(counted.options, quota=3))

    assert hit(counted, "k", "other") == [True, False]
