"""engine.greylist.triplets: against a plain model, over restarts, and when there are too many."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.greylist.triplets import GONE_AT_ONCE, Triplets
from sendwarden.engine.meters.keys import Change

DELAY_S, INTERVAL_S, GENERATIONS = 10.0, 100, 3


def triplets(most: int = 1000) -> Triplets:
    return Triplets(DELAY_S, INTERVAL_S, GENERATIONS, most)


@dataclass
class Kept:
    """What a store holds of them."""

    rows: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def take(self, changes: list[Change]) -> None:
        for change in changes:
            if change.drop:
                self.rows.pop(change.key, None)
            else:
                self.rows[change.key] = dict(change.parts)

    def restored(self, now: float) -> Triplets:
        fresh = triplets()
        fresh.begin_loading()
        for key, parts in self.rows.items():
            fresh.restore(key, parts, now)
        fresh.loaded(whole=True)
        return fresh


def test_one_waits_from_its_first_try_on() -> None:
    found = triplets()
    found.tried(7, 1000.0)
    found.tried(7, 1009.0)  # an early retry starts nothing anew

    assert not found.has_waited(7, 1009.9)
    assert found.has_waited(7, 1010.0)
    assert found.free_at(7, 1010.0) == 1010.0
    assert found.free_at(8, 1010.0) is None


def test_without_a_delay_the_next_try_passes() -> None:
    found = Triplets(0, INTERVAL_S, GENERATIONS, 10)
    assert not found.has_waited(7, 1000.0)
    found.tried(7, 1000.0)

    assert found.has_waited(7, 1000.0)


def test_one_that_is_not_tried_again_is_forgotten_after_its_generations() -> None:
    found = triplets()
    found.tried(7, 1000.0)

    assert found.has_waited(7, 1299.0)
    assert not found.has_waited(7, 1300.0)
    assert len(found) == 0


def test_who_is_let_through_stays() -> None:
    found = triplets()
    found.tried(7, 1000.0)
    for now in range(1200, 3000, 200):
        assert found.has_waited(7, now)
        found.passed(7, now)

    assert not found.has_waited(7, 3200.0)


def test_only_the_first_pass_is_told() -> None:
    found = triplets()
    found.tried(7, 1000.0)

    assert [found.passed(7, now) for now in (1010, 1011, 1150, 1290)] == [True, False, False, False]


def test_one_that_waits_makes_room_before_one_that_has_waited() -> None:
    found = triplets(most=10)
    for key in range(5):
        found.tried(key, 1000.0)
        found.passed(key, 1050.0)
    for key in range(100, 200):
        found.tried(key, 1100.0)

    assert len(found) == 10
    assert found.evicted == 95
    assert all(found.has_waited(key, 1111.0) for key in range(5))


def test_where_all_have_waited_one_of_the_oldest_goes() -> None:
    found = triplets(most=2)
    for key, now in ((1, 1000.0), (2, 1100.0)):
        found.tried(key, now)
        found.passed(key, now + 20)
    found.tried(3, 1150.0)

    assert [found.free_at(key, 1150.0) is not None for key in (1, 2, 3)] == [False, True, True]


def test_another_interval_keeps_what_is_known() -> None:
    found = triplets()
    found.tried(7, 1000.0)
    found.passed(8, 1150.0)
    found.reconfigure(DELAY_S, 50, 100)

    assert found.has_waited(7, 1200.0) and found.has_waited(8, 1200.0)
    assert len(found) == 2


def test_one_that_waits_survives_a_restart() -> None:
    before, kept = triplets(), Kept()
    before.tried(7, 1000.5)
    kept.take(list(before.changes(1000.6)))
    after = kept.restored(1003.0)

    assert not after.has_waited(7, 1010.4)
    assert after.has_waited(7, 1010.5)


def test_what_was_tried_while_rows_were_read_waits_from_the_stored_try() -> None:
    before, kept = triplets(), Kept()
    before.tried(7, 1000.0)
    before.tried(8, 1000.0)
    before.passed(8, 1020.0)
    kept.take(list(before.changes(1020.0)))
    after = triplets()
    for key in (7, 8, 9):
        after.tried(key, 1021.0)
    for name, parts in kept.rows.items():
        after.restore(name, parts, 1022.0)

    assert [after.has_waited(key, 1022.0) for key in (7, 8, 9)] == [True, True, False]


def test_what_is_over_leaves_the_store_in_small_batches() -> None:
    found, kept = triplets(most=10_000), Kept()
    for key in range(GONE_AT_ONCE + 10):
        found.tried(key, 1000.0)
    kept.take(list(found.changes(1000.0)))
    found.tried(3, 1300.0)
    kept.take(list(found.changes(1300.0)))
    assert len(kept.rows) == 11
    kept.take(list(found.changes(1300.1)))

    assert list(kept.rows) == [f"{3:015x}"]


def test_rows_that_cannot_be_read_are_left_out() -> None:
    found = triplets()
    for name, data in (("x" * 15, b"\0" * 4), ("1", b"\0" * 4), ("0" * 15, b"\0"), ("0" * 15, b"\0" * 11)):
        found.restore(name, {0: data}, 1000.0)
    found.restore("0" * 15, {}, 1000.0)

    assert len(found) == 0


KEYS = st.integers(0, 5)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["try", "pass", "ask", "store", "restart", "forget"]), KEYS, st.integers(0, 60)
    ),
    max_size=60,
)


@given(STEPS)
def test_it_does_what_a_plain_list_of_times_would(steps: list[tuple[str, int, int]]) -> None:
    """Over restarts too, where all was stored."""
    found, kept = triplets(), Kept()
    first: dict[int, float] = {}  # -inf: it has passed
    seen: dict[int, int] = {}  # interval
    now = 1000.0
    for step, key, later in steps:
        now += later
        interval = int(now // INTERVAL_S)
        for name in [name for name, last in seen.items() if last <= interval - GENERATIONS]:
            del first[name], seen[name]
        if step == "try":
            found.tried(key, now)
            first.setdefault(key, now)
            seen[key] = interval
        elif step == "pass" and key in first:
            found.passed(key, now)
            first[key], seen[key] = float("-inf"), interval
        elif step == "forget":
            assert found.forget(key) is (key in first)
            first.pop(key, None)
            seen.pop(key, None)
        elif step in ("store", "restart"):
            kept.take(list(found.changes(now)))
            if step == "restart":
                found = kept.restored(now)
        assert found.has_waited(key, now) is (key in first and now >= first[key] + DELAY_S)
        assert len(found) == len(first)
    whole = Kept()
    whole.take(list(found.everything()))
    kept.take(list(found.changes(now)))
    assert whole.rows == {name: parts for name, parts in kept.rows.items() if int(name, 16) in first}
