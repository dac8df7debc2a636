"""Quotas, times of hits and what a meter answers to them, for the tests of all meters."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import strategies as st

from sendwarden.engine.meters.algorithms import Bucketed, Fixed, Leaky, Meter, Quota, Sliding

START = 1_764_000_000.0
KINDS: dict[str, type[Meter]] = {"sliding": Sliding, "bucketed": Bucketed, "leaky": Leaky, "fixed": Fixed}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)

QUOTAS = st.builds(
    Quota,
    hits=st.integers(1, 8),
    window_s=st.integers(1, 90) | st.floats(0.01, 1e6, allow_subnormal=False),
    penalize=st.booleans(),
)
PAUSES = st.just(0.0) | st.integers(0, 40).map(float) | st.floats(0, 100)
# Times of hits. They may be of any size: with small ones, sums are rounded.
TIMES = st.builds(
    lambda start, pauses: list(accumulate(pauses, initial=start)),
    st.sampled_from([0.0, 0.1, 1.7, START, START + 0.3]),
    st.lists(PAUSES, max_size=40),
)


def answers(meter: Meter, quota: Quota, times: Sequence[float]) -> list[bool]:
    """For every hit: was it over?"""
    return [meter.hit(quota, now) for now in times]


def most_in_a_window(times: Sequence[float], window_s: float) -> int:
    return max((sum(start <= now < start + window_s for now in times) for start in times), default=0)
