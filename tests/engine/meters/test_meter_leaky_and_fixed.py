"""Leaky and fixed meters: the formulas and worked examples of MeterMaid's manuals."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.algorithms import PENALTY_CAP, Fixed, Leaky, Meter, Quota
from tests.engine.meters.hits import QUOTAS, START, answers

# --- leaky


def leaky_model(quota: Quota, times: Sequence[float]) -> list[float]:
    """The level before each hit, by the formula of the manual."""
    level, at, found = 0.0, times[0], []
    for now in times:
        level = max(0.0, level - (now - at) * quota.hits / quota.window_s)
        at = now
        found.append(level)
        if level + 1 <= quota.hits or quota.penalize:
            level = min(level + 1, PENALTY_CAP * quota.hits)
    return found


@given(QUOTAS, st.lists(st.integers(0, 40), max_size=40))
def test_a_leaky_meter_drains_by_the_manuals_formula(quota: Quota, pauses: list[int]) -> None:
    meter, times = Leaky(), [START + pause for pause in accumulate(pauses, initial=0)]

    for now, level in zip(times, leaky_model(quota, times), strict=True):
        assert meter.used(quota, now) == pytest.approx(level, abs=1e-6)
        over = meter.hit(quota, now)
        if abs(level + 1 - quota.hits) > 1e-6:
            assert over is (level + 1 > quota.hits)
        else:
            return  # a level on the edge itself may be rounded either way; from there on the two may differ


def passing(meter: Meter, quota: Quota, now: float) -> int:
    """How many hits pass now."""
    number = 0
    while not meter.hit(quota, now):
        number += 1
    return number


def test_the_manuals_weighted_average() -> None:
    quota, meter = Quota(1250, 3600), Leaky()

    assert [passing(meter, quota, START + minutes * 60) for minutes in (0, 30, 45)] == [1250, 625, 312]


def test_a_leaky_meter_lets_nearly_twice_the_quota_through_in_the_first_window() -> None:
    times = [START + second for second in range(3600)]

    assert answers(Leaky(), Quota(50, 3600), times).count(False) == 99


def test_a_leaky_meter_never_stops_who_keeps_to_the_rate() -> None:
    times = [START + number * 72 for number in range(500)]

    assert not any(answers(Leaky(), Quota(50, 3600), times))


@pytest.mark.parametrize(
    ("kind", "attempts", "windows"),
    [
        pytest.param(Leaky, 50, 9, id="leaky, at the cap"),
        pytest.param(Leaky, 5000, 9, id="leaky, far beyond the cap"),
        pytest.param(Fixed, 50, 10, id="fixed, at the cap"),
        pytest.param(Fixed, 5000, 10, id="fixed, far beyond the cap"),
    ],
)
def test_with_penalize_nobody_is_locked_out_for_longer_than_ten_windows(
    kind: type[Meter], attempts: int, windows: int
) -> None:
    quota, meter = Quota(5, 60, penalize=True), kind()
    answers(meter, quota, [START] * attempts)

    assert meter.used(quota, START) == PENALTY_CAP * 5
    frees_at = meter.frees_at(quota, START)
    assert START + windows * 60 <= frees_at <= START + (windows + 1) * 60


@pytest.mark.parametrize(("penalize", "used"), [(False, 5), (True, 12)], ids=["plain", "penalize"])
def test_refused_hits_fill_a_leaky_meter_only_with_penalize(penalize: bool, used: int) -> None:
    quota, meter = Quota(5, 60, penalize), Leaky()

    answers(meter, quota, [START] * 12)

    assert meter.used(quota, START) == used


# --- fixed


def fixed_model(quota: Quota, times: Sequence[int]) -> list[bool]:
    """A count that loses all, or one quota, at each whole window after it began."""
    count, began, found = 0, times[0], []
    for now in times:
        while count and now >= began + quota.window_s:
            count = max(0, count - quota.hits) if quota.penalize else 0
            began += int(quota.window_s)
        if not count:
            began = now
        found.append(count >= quota.hits)
        count = min(count + 1, PENALTY_CAP * quota.hits)
    return found


@given(
    st.builds(Quota, st.integers(1, 8), st.integers(1, 90), st.booleans()),
    st.lists(st.integers(0, 40), max_size=60),
)
def test_a_fixed_meter_counts_every_attempt_window_by_window(quota: Quota, pauses: list[int]) -> None:
    times = list(accumulate(pauses, initial=int(START)))

    assert answers(Fixed(), quota, times) == fixed_model(quota, times)


@pytest.mark.parametrize(
    ("penalize", "wait_s", "used", "over"),
    [
        pytest.param(True, 59, 12, True, id="penalize, in the first minute"),
        pytest.param(True, 60, 7, True, id="penalize, after a minute"),
        pytest.param(True, 119, 7, True, id="penalize, just before the second"),
        pytest.param(True, 120, 2, False, id="penalize, after two minutes"),
        pytest.param(True, 180, 0, False, id="penalize, after three"),
        pytest.param(False, 59, 12, True, id="plain, in the first minute"),
        pytest.param(False, 60, 0, False, id="plain, after a minute"),
    ],
)
def test_the_manuals_five_a_minute(penalize: bool, wait_s: int, used: int, over: bool) -> None:
    quota, meter = Quota(5, 60, penalize), Fixed()
    assert answers(meter, quota, [START] * 12) == [False] * 5 + [True] * 7

    assert meter.used(quota, START + wait_s) == used
    assert meter.hit(quota, START + wait_s) is over


def test_a_fixed_window_begins_with_the_first_hit() -> None:
    quota, meter = Quota(2, 60), Fixed()

    assert answers(meter, quota, [START + s for s in (50, 100, 109, 110)]) == [False, False, True, False]
