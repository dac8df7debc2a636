"""Greylisting tables: who is put off, who passes, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.options import TableOptions
from tests.engine.meters.kept import GREY, filled, grey, written
from tests.engine.meters.throttles import START, Stored

TRIPLET = "10.1.2.3|a@b|c@d"


@pytest.mark.parametrize(
    ("times", "deferred"),
    [
        pytest.param([0], [True], id="first sight"),
        pytest.param([0, 59], [True, True], id="too early"),
        pytest.param([0, 60], [True, False], id="after the block time"),
        pytest.param(
            [0, 30, 59, 60], [True, True, True, False], id="early retries do not lengthen the block"
        ),
        pytest.param([0, 600], [True, False], id="at the last moment"),
        pytest.param([0, 601], [True, True], id="too late"),
        pytest.param([0, 601, 661], [True, True, False], id="too late, then in time"),
        pytest.param([0, 60, 61, 100], [True, False, False, False], id="passes from then on"),
        pytest.param([0, 60, 3660, 7260], [True, False, False, False], id="good while used"),
        pytest.param([0, 60, 3661], [True, False, True], id="unused for too long"),
        pytest.param(
            [0, 60, 3661, 3700, 3721], [True, False, True, True, False], id="and then from the beginning"
        ),
        pytest.param([0, -100, 60], [True, True, False], id="a clock that runs backwards"),
    ],
)
def test_a_sender_passes_if_he_comes_back_in_time(times: list[int], deferred: list[bool]) -> None:
    table = grey()

    assert [table.defer(TRIPLET, START + second) for second in times] == deferred


def grey_model(options: TableOptions, times: list[int]) -> list[bool]:
    """By what was said in the manual: waiting since, or good since."""
    waiting: int | None = None
    good: int | None = None
    found = []
    for now in times:
        waits_s = now - waiting if waiting is not None else options.resubmit_time + 1
        if good is not None and now - good > options.inactivity_time:
            good, waiting = None, now
        elif good is not None or options.block_time <= waits_s <= options.resubmit_time:
            good = now
        elif waits_s > options.resubmit_time:
            waiting = now
        found.append(good is None)
    return found


STEPS = st.lists(st.sampled_from([0, 1, 30, 59, 60, 61, 540, 600, 601, 3600, 3601]), min_size=1, max_size=15)


@given(STEPS, st.lists(st.integers(0, 14)))
def test_greylisting_follows_the_manual_also_over_restarts(steps: list[int], restarts: list[int]) -> None:
    times = [int(START) + sum(steps[: number + 1]) for number in range(len(steps))]
    table, found = grey(), []
    stored: Stored = {}

    for number, now in enumerate(times):
        found.append(table.defer(TRIPLET, now))
        written(table, stored, now)
        if number in restarts:
            table = grey()
            filled(table, stored, now)

    assert found == grey_model(GREY, times)


def test_keys_do_not_know_each_other() -> None:
    table = grey()

    assert [table.defer(key, START) for key in "ab"] == [True, True]
    assert [table.defer(key, START + 60) for key in "ac"] == [False, True]


@pytest.mark.parametrize("max_entries", [2, 3, 100])
def test_strangers_go_before_the_known(max_entries: int) -> None:
    table = grey(max_entries=max_entries)
    stored: Stored = {}
    for second in (0, 60):
        table.defer("known", START + second)

    for number in range(5 * max_entries):
        table.defer(f"stranger {number}", START + 61)

    assert len(table) == max_entries
    assert "known" in written(table, stored)
    assert table.defer("known", START + 62) is False


def test_a_stranger_can_still_become_known_in_a_table_full_of_the_known() -> None:
    table = grey(max_entries=2)
    for key in "ab":
        for second in (0, 60):
            table.defer(key, START + second)

    assert [table.defer("c", START + second) for second in (61, 121)] == [True, False]


@pytest.mark.parametrize(
    ("stored_at", "deferred"),
    [
        pytest.param([-3000, -2940], False, id="was known"),
        pytest.param([-5000, -4940], True, id="was known too long ago"),
        pytest.param([-59], False, id="waits since before the restart"),
        pytest.param([-601], True, id="came too long ago"),
    ],
)
def test_a_sender_met_before_his_entry_was_read_is_judged_by_both(
    stored_at: list[int], deferred: bool
) -> None:
    old = grey()
    for second in stored_at:
        old.defer(TRIPLET, START + second)
    table = grey()
    table.loading.begin()
    assert table.defer(TRIPLET, START) is True

    filled(table, written(old, {}))
    table.loading.end()

    assert table.defer(TRIPLET, START + 1) is deferred
