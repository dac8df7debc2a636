"""A throttle table and its store: what is written, what comes back, and what is presumed until it has."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.keys import Change
from sendwarden.engine.meters.throttle import ThrottleTable
from tests.engine.meters.throttles import START, Stored, apply, hit, known, restored, table


@given(
    st.sampled_from(["sliding", "leaky", "fixed"]),
    st.lists(
        st.tuples(
            st.sampled_from("abcde"),
            st.sampled_from(["hit", "hit", "burst", "remove", "write", "restart", "all"]),
            st.sampled_from([0.0, 1.0, 61.0]),
        ),
        max_size=25,
    ),
)
def test_a_table_is_the_same_after_a_restart_at_any_moment(
    algorithm: str, steps: list[tuple[str, str, float]]
) -> None:
    options = {"algorithm": algorithm, "quota": 600, "options": frozenset({"nocase"})}
    kept, undisturbed, now = table(**options), table(**options), START
    stored: Stored = {}

    for key, what, pause in steps:
        now += pause
        for counted in (kept, undisturbed):
            hit(counted, *[key] * {"hit": 1, "burst": 300}.get(what, 0), now=now)
            if what == "remove":
                counted.remove(key)
        if what in {"write", "restart"}:
            apply(stored, list(kept.changes(now)))
        if what == "all":
            stored.clear()
            apply(stored, list(kept.everything()))
        if what == "restart":
            kept = restored(kept, stored, now)
        assert known(kept, *"abcde", now=now) == known(undisturbed, *"abcde", now=now)


def test_a_key_that_went_and_came_back_between_two_writes_does_not_get_its_old_count_back() -> None:
    counted = table(quota=1000, max_entries=1)
    hit(counted, *["a"] * 400)
    stored: Stored = {}
    apply(stored, list(counted.changes(START)))

    counted.throttle("b", START)
    counted.throttle("a", START)
    apply(stored, list(counted.changes(START)))

    assert known(restored(counted, stored, START), "a", "b") == [1, 0]


def test_keys_whose_count_has_run_out_are_forgotten_a_few_at_a_time() -> None:
    counted = table(max_entries=1000)
    hit(counted, *(str(number) for number in range(40)))
    list(counted.changes(START))

    gone = [len(list(counted.changes(START + 60))) for _ in range(4)]

    assert gone == [16, 16, 8, 0]
    assert len(counted) == 0


def test_nothing_changed_is_nothing_written() -> None:
    counted = table()
    hit(counted, *"ab")

    assert {change.key for change in counted.changes(START)} == {"a", "b"}
    assert list(counted.changes(START)) == []
    assert {change.key for change in counted.everything()} == {"a", "b"}


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        pytest.param(frozenset({"nocase"}), {"bob": 3}, id="both keys are one now"),
        pytest.param(frozenset[str](), {"Bob": 2, "bob": 1}, id="nothing changed"),
    ],
)
def test_stored_keys_are_taken_as_the_options_now_have_them(
    options: frozenset[str], keys: dict[str, int]
) -> None:
    before = table()
    hit(before, "Bob", "Bob", "bob")
    stored: Stored = {}
    apply(stored, list(before.changes(START)))

    after = ThrottleTable(replace(before.options, options=options))
    for key, parts in stored.items():
        after.restore(key, parts, START)
    apply(stored, list(after.changes(START)))

    assert stored.keys() == keys.keys()
    assert known(after, *keys) == list(keys.values())


def test_a_stored_key_that_is_no_address_is_dropped_from_a_table_of_addresses() -> None:
    counted = table(data_type="ipv4")

    counted.restore("bob", {}, START)

    assert (len(counted), list(counted.changes(START))) == (0, [Change("bob", drop=True)])


# --- while the stored counts are being read


def loading(**options: object) -> ThrottleTable:
    counted = table(**options)
    counted.loading.begin()
    return counted


def parts_of(key: str, hits: int) -> dict[int, bytes]:
    counted = table(quota=50)
    hit(counted, *[key] * hits)
    (change,) = counted.everything()
    return dict(change.parts)


THIEF = parts_of("thief", 45)


@pytest.mark.parametrize(("quota", "passes"), [(50, 10), (10, 2), (5, 1), (4, 1), (1, 1)], ids=str)
def test_a_key_that_is_not_read_yet_counts_as_at_80_percent(quota: int, passes: int) -> None:
    counted = loading(quota=quota)

    assert hit(counted, *["k"] * (passes + 1)) == [False] * passes + [True]
    assert counted.query("k", START).over

    counted.loading.end()
    assert counted.query("k", START).over is (quota == 1)


def test_a_key_that_was_read_counts_as_it_is() -> None:
    counted = loading(quota=50)
    counted.restore("quiet", {}, START)
    counted.restore("thief", THIEF, START)

    assert hit(counted, *["quiet"] * 50) == [False] * 50
    assert hit(counted, *["thief"] * 6) == [False] * 5 + [True]


def test_what_was_counted_meanwhile_adds_to_what_is_read() -> None:
    counted = loading(quota=50)
    assert hit(counted, *["thief"] * 3) == [False] * 3

    counted.restore("thief", THIEF, START)

    assert known(counted, "thief") == [48]
    assert hit(counted, *["thief"] * 3) == [False, False, True]


@pytest.mark.parametrize("algorithm", ["sliding", "leaky", "fixed"])
def test_nothing_is_written_of_a_key_before_it_was_read(algorithm: str) -> None:
    before = table(quota=50, algorithm=algorithm)
    hit(before, *["thief"] * 45)
    stored: Stored = {}
    apply(stored, list(before.changes(START)))
    counted = loading(quota=50, algorithm=algorithm)

    hit(counted, "thief")
    apply(stored, list(counted.changes(START)))
    apply(stored, list(counted.everything()))
    counted.restore("thief", stored["thief"], START)
    counted.loading.end()
    apply(stored, list(counted.changes(START)))

    assert known(counted, "thief") == known(restored(counted, stored, START), "thief") == [46]


def test_a_key_that_had_to_go_while_it_was_not_read_keeps_what_is_stored() -> None:
    counted = loading(quota=50, max_entries=1)
    hit(counted, "thief", "stranger")

    assert list(counted.changes(START)) == []
    counted.restore("thief", THIEF, START)
    assert known(counted, "thief") == [45]


def test_a_key_that_was_removed_while_reading_stays_removed() -> None:
    counted = loading(quota=50)
    counted.remove("thief")
    assert hit(counted, *["thief"] * 2) == [False, False]

    counted.restore("thief", THIEF, START)
    counted.loading.end()

    assert known(counted, "thief") == [2]
    changes = list(counted.changes(START))
    assert [change.drop for change in changes] == [True, False]


def test_a_key_that_is_not_in_the_store_is_written_once_all_is_read() -> None:
    counted = loading(quota=50)
    hit(counted, "new")
    assert list(counted.changes(START)) == []

    counted.loading.end()

    assert [change.key for change in counted.changes(START)] == ["new"]
