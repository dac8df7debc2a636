"""daemon.clock: the wall clock of the start carried on by the monotonic one, and one that follows another."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.daemon.clock import WAITS_S, AnchoredClock, PoolClock
from tests.stores.around import HandClock


def test_it_starts_at_the_wall_clocks_time() -> None:
    before = time.time()  # noqa: TID251 - what it is compared with

    now = AnchoredClock().now()

    assert before - 0.001 <= now <= before + 60


def test_it_never_runs_backwards_and_keeps_pace_with_the_monotonic_clock() -> None:
    clock = AnchoredClock()
    start, start_monotonic = clock.now(), time.monotonic()

    times = [clock.now() for _ in range(10_000)]

    assert times == sorted(times) and times[0] >= start
    assert abs((times[-1] - start) - (time.monotonic() - start_monotonic)) < 0.5


def test_a_clock_that_nobody_answered_is_our_own() -> None:
    own = HandClock(1000.0)
    assert PoolClock(own).now() == 1000.0


@pytest.mark.parametrize("ahead_s", [600.0, -600.0, 0.0])
def test_a_pools_clock_is_followed_to_half_the_time_of_an_answer(ahead_s: float) -> None:
    own = HandClock(1000.0 + ahead_s)
    clock = PoolClock(own)
    back = clock.hear(own.now(), own.now() + 0.2, 1000.1)
    assert clock.ahead_s == pytest.approx(ahead_s)
    assert clock.now() == pytest.approx(1000.0)
    assert back is (ahead_s > 0)


def test_a_clock_that_is_little_ahead_waits() -> None:
    own = HandClock(1000.0)
    clock = PoolClock(own)
    assert clock.now() == 1000.0
    assert not clock.hear(1000.0, 1000.0, 1000.0 - WAITS_S)
    assert clock.now() == 1000.0
    own.at += WAITS_S + 1
    assert clock.now() == 1001.0


@given(
    st.floats(-1000, 1000),
    st.lists(st.tuples(st.floats(0.001, 100), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_slow_answers_spoil_nothing_that_a_quick_one_told(
    ahead_s: float, answers: list[tuple[float, float, float]]
) -> None:
    """However long answers take, and whenever the other looked at its clock: by the quickest, at most."""
    own = HandClock(10_000.0)
    clock = PoolClock(own)
    for pause_s, took_s, part in answers:
        own.at += pause_s
        asked = own.at
        own.at += took_s
        clock.hear(asked, own.at, asked + part * took_s - ahead_s)
    quickest = min(took_s for _pause_s, took_s, _part in answers)
    assert abs(clock.ahead_s - ahead_s) <= quickest + 1e-6
