"""What holds for every kind of meter, whatever it keeps of one key."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.algorithms import (
    ALGORITHMS,
    EXACT_QUOTA,
    PENALTY_CAP,
    Bucketed,
    Fixed,
    Leaky,
    Meter,
    Quota,
    Sliding,
    new_meter,
)
from tests.engine.meters.hits import EVERY_KIND, KINDS, PAUSES, QUOTAS, START, TIMES, answers


@EVERY_KIND
@given(quota=QUOTAS, start=st.sampled_from([0.0, START]), more=st.integers(1, 5))
def test_exactly_the_quota_passes_from_a_standing_start(
    kind: str, quota: Quota, start: float, more: int
) -> None:
    found = answers(KINDS[kind](), quota, [start] * (quota.hits + more))

    assert found == [False] * quota.hits + [True] * more


@EVERY_KIND
@given(quota=QUOTAS, times=TIMES, wait=PAUSES)
def test_the_next_hit_passes_at_the_moment_that_is_named_and_not_before(
    kind: str, quota: Quota, times: list[float], wait: float
) -> None:
    meter = KINDS[kind]()
    answers(meter, quota, times)
    now = times[-1] + wait

    frees_at = meter.frees_at(quota, now)

    assert frees_at >= now
    if frees_at > now:
        just_before = max(now, frees_at - max(1e-6, frees_at * 1e-9))
        assert meter.frees_at(quota, just_before) >= frees_at - 1e-6
        assert meter.used(quota, just_before) > quota.hits - 1
    assert meter.frees_at(quota, frees_at) == frees_at
    assert meter.hit(quota, frees_at) is False


@EVERY_KIND
@given(quota=QUOTAS, times=TIMES, looks=st.lists(st.integers(0, 40)))
def test_looking_changes_nothing(kind: str, quota: Quota, times: list[float], looks: list[int]) -> None:
    watched, alone = KINDS[kind](), KINDS[kind]()

    for number, now in enumerate(times):
        for _ in range(looks.count(number)):
            watched.used(quota, now)
            watched.frees_at(quota, now)
        assert watched.hit(quota, now) is alone.hit(quota, now)
    assert watched.used(quota, times[-1]) == alone.used(quota, times[-1])


@EVERY_KIND
@given(quota=QUOTAS, times=TIMES)
def test_a_hit_is_over_if_and_only_if_the_next_one_would_not_pass(
    kind: str, quota: Quota, times: list[float]
) -> None:
    meter = KINDS[kind]()

    for now in times:
        passes = meter.frees_at(quota, now) <= now
        assert meter.hit(quota, now) is not passes


@EVERY_KIND
@given(quota=QUOTAS, times=st.lists(st.floats(0, 1000), min_size=1, max_size=40))
def test_a_clock_that_runs_backwards_gives_nobody_more(kind: str, quota: Quota, times: list[float]) -> None:
    meter, latest = KINDS[kind](), list(accumulate(times, max))

    found = answers(meter, quota, times)

    # No more passes than with a clock that stands still meanwhile.
    assert found.count(False) <= answers(KINDS[kind](), quota, latest).count(False)
    assert meter.hit(quota, max(times) + quota.window_s * (PENALTY_CAP + 1) + 1) is False


@EVERY_KIND
@pytest.mark.parametrize("penalize", [False, True], ids=["plain", "penalize"])
def test_a_quiet_key_is_as_new(kind: str, penalize: bool) -> None:
    quota, meter = Quota(5, 60, penalize), KINDS[kind]()
    answers(meter, quota, [START] * 1000)

    assert meter.used(quota, START + 60 * (PENALTY_CAP + 1)) == 0
    assert answers(meter, quota, [START + 60 * (PENALTY_CAP + 1)] * 6) == [False] * 5 + [True]


def test_a_quota_is_at_least_one_hit_in_some_time() -> None:
    for hits, window_s in ((0, 60), (-1, 60), (1, 0), (1, -1)):
        with pytest.raises(ValueError, match="at least one hit and a window"):
            Quota(hits, window_s)


@pytest.mark.parametrize(
    ("algorithm", "hits", "kind"),
    [
        pytest.param("sliding", EXACT_QUOTA, Sliding, id="time stamps up to the limit"),
        pytest.param("sliding", EXACT_QUOTA + 1, Bucketed, id="buckets above it"),
        pytest.param("leaky", EXACT_QUOTA + 1, Leaky, id="leaky"),
        pytest.param("fixed", 1, Fixed, id="fixed"),
    ],
)
def test_which_meter_keeps_a_table(algorithm: str, hits: int, kind: type[Meter]) -> None:
    assert type(new_meter(algorithm, Quota(hits, 60))) is kind


def test_three_algorithms_can_be_chosen_and_the_first_is_the_default() -> None:
    assert list(ALGORITHMS) == ["sliding", "leaky", "fixed"]


@EVERY_KIND
@given(first=QUOTAS, second=QUOTAS, times=TIMES)
def test_a_quota_may_change_while_it_counts(
    kind: str, first: Quota, second: Quota, times: list[float]
) -> None:
    meter = KINDS[kind]()
    answers(meter, first, times)

    frees_at = meter.frees_at(second, times[-1])

    assert frees_at >= times[-1]
    assert meter.hit(second, frees_at) is False


@EVERY_KIND
def test_a_smaller_quota_locks_nobody_out_for_longer_than_ten_of_its_windows(kind: str) -> None:
    meter, small = KINDS[kind](), Quota(2, 60, penalize=True)
    answers(meter, Quota(500, 60, penalize=True), [START] * 600)

    assert meter.frees_at(small, START) <= START + (PENALTY_CAP + 1) * 60
