"""Sliding meters and those in buckets: never more than the quota in any window."""

from collections.abc import Sequence

import pytest
from hypothesis import given

from sendwarden.engine.meters.algorithms import BUCKETS, EXACT_QUOTA, Bucketed, Quota, Sliding, new_meter
from tests.engine.meters.hits import QUOTAS, START, TIMES, answers, most_in_a_window


def sliding_model(quota: Quota, times: Sequence[float]) -> list[bool]:
    """Over: so many of the hits that were kept are younger than the window."""
    kept: list[float] = []
    found = []
    for now in times:
        young = [hit for hit in kept if hit + quota.window_s > now]
        found.append(len(young) >= quota.hits)
        if not found[-1] or quota.penalize:
            kept = [*young, now][-(quota.hits + 1) :]
    return found


@given(QUOTAS, TIMES)
def test_a_sliding_meter_looks_back_over_one_window(quota: Quota, times: list[float]) -> None:
    assert answers(Sliding(), quota, times) == sliding_model(quota, times)


@given(QUOTAS, TIMES)
def test_a_sliding_meter_never_lets_more_than_the_quota_through_in_any_window(
    quota: Quota, times: list[float]
) -> None:
    over = answers(Sliding(), quota, times)

    passed = [now for now, refused in zip(times, over, strict=True) if not refused]
    assert most_in_a_window(passed, quota.window_s) <= quota.hits


@pytest.mark.parametrize(
    ("penalize", "passes"),
    [
        pytest.param(False, 2 * 50, id="refused hits do not count"),
        pytest.param(True, 50, id="penalize: who never stops stays out"),
    ],
)
def test_fifty_an_hour_for_who_sends_every_second(penalize: bool, passes: int) -> None:
    times = [START + second for second in range(2 * 3600)]

    assert answers(Sliding(), Quota(50, 3600, penalize), times).count(False) == passes


def test_with_penalize_a_block_ends_a_window_after_enough_attempts_have_aged() -> None:
    quota, meter = Quota(2, 60, penalize=True), Sliding()
    assert answers(meter, quota, [START, START + 1, START + 30, START + 40]) == [False, False, True, True]

    # The hits that count are those at 30 and 40 (and one more is kept): the next passes when 30 has aged.
    assert meter.frees_at(quota, START + 40) == START + 90
    assert meter.used(quota, START + 40) == 3


@given(QUOTAS, TIMES)
def test_no_more_than_the_quota_and_one_are_kept(quota: Quota, times: list[float]) -> None:
    meter = Sliding()
    for now in times:
        meter.hit(quota, now)
        assert meter.used(quota, now) <= quota.hits + quota.penalize


# --- in buckets


@given(QUOTAS, TIMES)
def test_buckets_may_refuse_early_by_one_bucket_and_never_late(quota: Quota, times: list[float]) -> None:
    meter = Bucketed()
    passed: list[float] = []
    for now in times:
        kept = passed if not quota.penalize else passed[-quota.hits :]
        over = meter.hit(quota, now)
        if not quota.penalize:
            # Counted like time stamps that stay for up to one bucket longer.
            size = quota.window_s / BUCKETS
            least = sum(hit + quota.window_s > now for hit in kept)
            most = sum(hit + quota.window_s + size * (1 + 1e-9) + 1e-6 > now for hit in kept)
            assert over if least >= quota.hits else (not over or most >= quota.hits)
        if not over:
            passed.append(now)
    assert most_in_a_window(passed, quota.window_s) <= quota.hits


def test_a_large_quota_is_kept_exactly_from_a_standing_start() -> None:
    quota = Quota(EXACT_QUOTA + 5, 3600)
    meter = new_meter("sliding", quota)

    over = answers(meter, quota, [START + number / 100 for number in range(EXACT_QUOTA + 10)])

    assert over == [False] * (EXACT_QUOTA + 5) + [True] * 5


def test_what_a_bucket_held_comes_back_when_the_bucket_has_aged() -> None:
    quota = Quota(20_000, 3600)
    meter = new_meter("sliding", quota)
    answers(meter, quota, [START + 1] * 20_000)
    end = (START // 30 + 1) * 30  # a bucket is half a minute

    assert meter.frees_at(quota, START + 2) == end + 3600
    assert meter.hit(quota, end + 3600 - 0.001) is True
    assert meter.hit(quota, end + 3600) is False


def test_a_large_quota_takes_no_more_room_than_its_buckets() -> None:
    quota = Quota(1_000_000, 120, penalize=True)
    meter = new_meter("sliding", quota)
    answers(meter, quota, [START + number / 20 for number in range(20_000)])

    ((_number, part),) = meter.changed_parts()
    assert len(part) <= 1 + (BUCKETS + 2) * 12
