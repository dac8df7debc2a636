"""What a store keeps of a meter: writing it and reading it back, at any moment, changes nothing."""

from collections.abc import Mapping
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendwarden.engine.meters.algorithms import (
    BUCKETS,
    PENALTY_CAP,
    SEGMENT_HITS,
    Meter,
    Quota,
    Sliding,
)
from tests.engine.meters.hits import EVERY_KIND, KINDS, START

QUOTAS = st.builds(
    Quota,
    hits=st.integers(1, 8) | st.sampled_from([SEGMENT_HITS - 1, SEGMENT_HITS, 2 * SEGMENT_HITS + 3]),
    window_s=st.sampled_from([1, 60, 86_400]),
    penalize=st.booleans(),
)


class Store:
    """Parts by number, as a store keeps them; `write` is one flush, `meter` a restart."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.parts: dict[int, bytes] = {}

    def write(self, meter: Meter, *, everything: bool = False) -> None:
        self.parts |= meter.changed_parts(everything=everything)
        first = meter.first_part()
        self.parts = {number: part for number, part in self.parts.items() if number >= first}

    def meter(self, quota: Quota, now: float) -> Meter:
        meter = KINDS[self.kind]()
        meter.restore(self.parts, quota, now)
        return meter


# A step: so many hits after so many seconds, then nothing, a flush, or a flush and a restart.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 1.0, 31.0, 59.0, 3601.0]),
        st.integers(0, 9) | st.just(SEGMENT_HITS),
        st.sampled_from(["", "flush", "all", "restart"]),
    ),
    max_size=12,
)


@EVERY_KIND
@given(quota=QUOTAS, steps=STEPS)
@example(Quota(5, 60, penalize=True), [(0.0, 9, "restart"), (0.0, 9, "restart"), (59.0, 2, "")])
def test_a_restart_at_any_moment_changes_nothing(
    kind: str, quota: Quota, steps: list[tuple[float, int, str]]
) -> None:
    kept, undisturbed, store, now = KINDS[kind](), KINDS[kind](), Store(kind), START

    for pause_s, hits, then in steps:
        now += pause_s
        assert [kept.hit(quota, now) for _ in range(hits)] == [
            undisturbed.hit(quota, now) for _ in range(hits)
        ]
        if then:
            store.write(kept, everything=then == "all")
        if then == "restart":
            kept = store.meter(quota, now)
        assert kept.used(quota, now) == undisturbed.used(quota, now)
        assert kept.frees_at(quota, now) == undisturbed.frees_at(quota, now)


@EVERY_KIND
@given(quota=QUOTAS, steps=STEPS)
def test_what_was_written_and_did_not_change_is_not_written_again(
    kind: str, quota: Quota, steps: list[tuple[float, int, str]]
) -> None:
    meter, store, now = KINDS[kind](), Store(kind), START
    for pause_s, hits, _then in steps:
        now += pause_s
        for _ in range(hits):
            meter.hit(quota, now)
        store.write(meter)

        assert list(meter.changed_parts()) == []
    assert list(store.meter(quota, now).changed_parts()) == []


@EVERY_KIND
@given(
    quota=QUOTAS,
    before=st.integers(0, 12),
    after=st.integers(0, 12),
    down_s=st.sampled_from([0.0, 0.5, 59.0]),
)
def test_hits_counted_before_the_store_was_read_add_to_what_it_held(
    kind: str, quota: Quota, before: int, after: int, down_s: float
) -> None:
    store, old = Store(kind), KINDS[kind]()
    for _ in range(before):
        old.hit(quota, START)
    store.write(old)
    now, meter = START + down_s, KINDS[kind]()
    for _ in range(after):
        meter.hit(quota, now)
    stored, meanwhile = old.used(quota, now), meter.used(quota, now)

    meter.restore(store.parts, quota, now)

    most = {"sliding": quota.hits + 1, "bucketed": stored + meanwhile}.get(kind, PENALTY_CAP * quota.hits)
    assert meter.used(quota, now) == pytest.approx(min(stored + meanwhile, most))
    # And what is now known is written in such a way that the next start finds it.
    store.write(meter)
    assert store.meter(quota, now).used(quota, now) == meter.used(quota, now)
    assert store.meter(quota, now).frees_at(quota, now) == meter.frees_at(quota, now)


@EVERY_KIND
def test_stamps_from_the_future_count_as_now(kind: str) -> None:
    quota, store, meter = Quota(5, 60), Store(kind), KINDS[kind]()
    for _ in range(5):
        meter.hit(quota, START + 86_400)  # then the clock was put right
    store.write(meter)

    restored = store.meter(quota, START)

    assert restored.used(quota, START) == 5
    assert restored.frees_at(quota, START) <= START + 60 + 60 / BUCKETS
    assert restored.hit(quota, START + 60 + 60 / BUCKETS) is False


@EVERY_KIND
@pytest.mark.parametrize("writer", KINDS)
def test_a_part_of_another_algorithm_is_left_aside(kind: str, writer: str) -> None:
    quota = Quota(5, 60)
    for hits in range(1, 6):
        store, meter = Store(writer), KINDS[writer]()
        for _ in range(hits):
            meter.hit(quota, START)
        store.write(meter)
        store.kind = kind

        assert store.meter(quota, START).used(quota, START) == (hits if kind == writer else 0)


PARTS = st.dictionaries(
    st.integers(0, 3),
    st.builds(bytes.__add__, st.sampled_from([b"", b"S", b"B", b"L", b"F"]), st.binary(max_size=40)),
    max_size=4,
)


@EVERY_KIND
@given(parts=PARTS, quota=QUOTAS)
def test_damaged_parts_lock_nobody_out(kind: str, parts: Mapping[int, bytes], quota: Quota) -> None:
    meter = KINDS[kind]()

    meter.restore(parts, quota, START)

    ages_by = START + 20 * (quota.window_s + 1)
    assert meter.frees_at(quota, START) <= ages_by
    assert meter.hit(quota, ages_by) is False
    list(meter.changed_parts())


# --- segments of a sliding meter


def filled(quota: Quota, hits: int) -> Sliding:
    meter = Sliding()
    for now in accumulate([1.0] * (hits - 1), initial=START):
        meter.hit(quota, now)
    return meter


def test_one_more_hit_writes_one_segment_alone() -> None:
    quota = Quota(2000, 86_400)
    store, meter = Store("sliding"), filled(quota, 1000)
    store.write(meter)

    meter.hit(quota, START + 2000)

    ((number, part),) = meter.changed_parts()
    assert number == 1000 // SEGMENT_HITS
    assert len(part) < (SEGMENT_HITS + 3) * 8


def test_segments_whose_hits_have_all_left_are_forgotten() -> None:
    quota = Quota(2000, 1200)
    store, meter = Store("sliding"), filled(quota, 1000)
    store.write(meter)
    assert sorted(store.parts) == [0, 1, 2, 3]

    meter.hit(quota, START + 1200 + 300)
    store.write(meter)

    assert sorted(store.parts) == [1, 2, 3]
    assert store.meter(quota, START + 1500).used(quota, START + 1500) == 1000 - 301 + 1


@pytest.mark.parametrize("lost", [0, 1, 2], ids=["the first", "one in the middle", "the last"])
def test_a_lost_segment_costs_its_hits_and_nothing_is_counted_twice_later(lost: int) -> None:
    quota, now = Quota(2000, 86_400), START + 1000
    store = Store("sliding")
    store.write(filled(quota, 3 * SEGMENT_HITS))
    del store.parts[lost]

    meter = store.meter(quota, now)
    assert meter.used(quota, now) == 2 * SEGMENT_HITS
    for _ in range(10):
        meter.hit(quota, now)
    store.write(meter)

    assert store.meter(quota, now).used(quota, now) == 2 * SEGMENT_HITS + 10


def test_a_smaller_quota_keeps_the_newest_hits() -> None:
    store = Store("sliding")
    store.write(filled(Quota(100, 3600), 100))

    meter = store.meter(Quota(10, 3600), START + 100)

    assert meter.used(Quota(10, 3600), START + 100) == 11
    assert meter.frees_at(Quota(10, 3600), START + 100) == START + 90 + 3600
    store.write(meter)
    assert store.meter(Quota(10, 3600), START + 100).used(Quota(10, 3600), START + 100) == 11
