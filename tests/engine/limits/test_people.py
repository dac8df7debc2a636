"""Distinct and new recipients: exact up to a number, an estimate above it, given back, and found again."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.limits.ages import hash_of
from sendwarden.engine.limits.charges import Asked, Charges
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.people import EXACT, MOST_KNOWN, SEGMENT, Known, People
from sendwarden.engine.limits.rules import DISTINCT, NEW, Counts, Limit, Limits
from sendwarden.engine.limits.windows import WINDOWS, first_counted, quantum_of

NOW = quantum_of(1_764_000_000.0)
TEN = Limits((Limit(DISTINCT, 1, 10, "test"),))
ONE = Counts(1, 1)
HOUR = WINDOWS[1].length


def names(count: int, salt: str = "") -> tuple[int, ...]:
    return tuple(hash_of(salt, str(number)) for number in range(count))


def used(meter: AccountMeter, limits: Limits = TEN, now: int = NOW) -> int:
    return meter.used(limits.limits[0], now)


def test_the_same_recipient_is_one_however_often_it_is_written_to() -> None:
    meter = AccountMeter(TEN)
    for _ in range(50):
        assert meter.take(NOW, ONE, names(10)[:1]).over is None
    assert used(meter) == 1


def test_the_eleventh_waits_until_the_first_is_out_of_the_window() -> None:
    meter, who = AccountMeter(TEN), names(11)
    for name in who[:10]:
        assert meter.take(NOW, ONE, (name,)).over is None
    over = meter.take(NOW, ONE, who[10:]).over
    assert over is not None
    assert (over.used, over.estimated) == (10, False)
    assert meter.take(over.frees - 1, ONE, who[10:]).over is not None
    assert meter.take(over.frees, ONE, who[10:]).over is None
    assert meter.take(NOW, ONE, who[:1]).over is None, "one of the ten is no other"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), max_size=120))
def test_what_counts_in_each_window_is_who_was_named_in_it(sent: list[tuple[int, int]]) -> None:
    people, who, last, now = People(), names(41), dict[int, int](), NOW
    for number, wait in sent:
        now += wait
        people.roll(now)
        people.add((who[number],), now)
        last[number] = now
    for number, window in enumerate(WINDOWS):
        first = first_counted(window.length, window.step, now)
        assert people.distinct(number, now) == sum(at >= first for at in last.values())


def test_above_the_number_it_is_an_estimate_that_says_so_and_ends() -> None:
    people = People()
    for count in (EXACT, 3_000, 20_000, 100_000):
        people.add(names(count), NOW)
        assert people.estimated is (count > EXACT)
        assert people.distinct(2, NOW) == pytest.approx(count, rel=0.15)
        assert len(people.names) <= EXACT
    later = NOW + WINDOWS[2].length + WINDOWS[2].step
    people.roll(later)
    people.add(names(5), later)
    assert (people.estimated, people.distinct(2, later)) == (False, 5)


def test_a_message_that_does_not_go_on_gives_its_recipients_back() -> None:
    meter, charges, who = AccountMeter(TEN), Charges(NOW), names(6)
    charges.settle(Asked(b"a", meter, NOW, "s", who[:4]), Counts(1, 4), end=True)
    charges.settle(Asked(b"b", meter, NOW, "s", who[2:]), Counts(1, 4), end=True)
    assert used(meter) == 6
    charges.release(b"b", NOW)
    assert used(meter) == 4, "those whom the other message names as well stay"


def test_the_end_gives_back_whom_the_message_does_not_reach() -> None:
    meter, charges, who = AccountMeter(TEN), Charges(NOW), names(5)
    for name in who:
        charges.reserve(Asked(b"a", meter, NOW, "s", (name,)), Counts(recipients=1))
    charges.settle(Asked(b"a", meter, NOW, "s", who[:2]), Counts(1, 2), end=True)
    assert used(meter) == 2


def test_what_is_stored_is_added_to_what_was_counted_meanwhile() -> None:
    before, since, who = People(), People(), names(2_000)
    before.add(who[:900], NOW - HOUR - 20)
    since.add(who[800:1000], NOW)
    since.restore(before.stored(), NOW)
    assert (since.distinct(2, NOW), since.distinct(1, NOW)) == (1000, 200)
    with pytest.raises(ValueError, match="recipients"):
        since.restore(b"x" * 12, NOW)


NEW_ONES = Limits((Limit(NEW, 1, 3, "test"),))


def knowing(*known: int) -> AccountMeter:
    meter = AccountMeter(NEW_ONES)
    assert meter.people is not None
    meter.people.known = Known()
    for name in known:
        meter.people.known.add(name)
    return meter


def test_only_recipients_never_written_to_before_are_new() -> None:
    who = names(8)
    meter = knowing(*who[:4])
    for name in who[:7]:
        assert meter.take(NOW, ONE, (name,)).over is None
    assert used(meter, NEW_ONES) == 3
    assert meter.take(NOW, ONE, who[7:]).over is not None
    assert meter.take(NOW, ONE, who[6:7]).over is None, "known by now"


def test_a_new_recipient_of_a_message_that_does_not_go_on_is_new_again() -> None:
    meter, charges, who = knowing(), Charges(NOW), names(3)
    for _ in range(5):
        charges.reserve(Asked(b"a", meter, NOW, "s", who), Counts(recipients=3))
        assert used(meter, NEW_ONES) == 3
        charges.release(b"a", NOW)
        assert used(meter, NEW_ONES) == 0
        charges = Charges(NOW)


def test_while_it_is_learnt_whom_an_account_knows_nobody_is_new() -> None:
    meter = knowing()
    assert meter.people is not None
    assert meter.people.known is not None
    meter.people.known.learning = True
    assert meter.take(NOW, ONE, names(50)).over is None
    meter.people.known.learning = False
    assert meter.take(NOW, ONE, names(50)).over is None
    assert used(meter, NEW_ONES) == 0


def test_the_known_are_bounded_and_whoever_is_written_to_often_stays() -> None:
    known, friend = Known(), hash_of("friend")
    for number in range(3 * MOST_KNOWN):
        known.add(hash_of("x", str(number)))
        if number % (SEGMENT * 4) == 0:
            known.add(friend)
    assert len(known) <= MOST_KNOWN
    assert friend in known
    assert hash_of("x", "0") not in known


def test_the_known_are_found_again_from_their_parts_as_they_changed() -> None:
    known, kept, random = Known(), dict[int, bytes](), Random(7)  # noqa: S311 - for a test
    for number in range(9_000):
        known.add(hash_of("x", str(number)))
        if random.random() < 0.05:
            known.forget(hash_of("x", str(number - 20)))
        if random.random() < 0.02:
            kept |= dict(known.parts(sorted(known.changed)))
            kept = {part: data for part, data in kept.items() if part >= known.first}
            known.changed = set()
    kept |= dict(known.parts(sorted(known.changed)))
    kept = {part: data for part, data in kept.items() if part >= known.first}
    again = Known()
    again.add(friend := hash_of("meanwhile"))
    again.restore(kept)
    assert friend in again
    before = [list(segment) for segment in known.segments]
    assert [list(segment) for segment in again.segments][: len(before) - 1] == before[:-1]


@pytest.mark.parametrize("most", [EXACT - 100, EXACT + 200, 3 * EXACT])
def test_no_limit_is_passed_by_much_however_many_more_are_tried(most: int) -> None:
    only = Limits((Limit(DISTINCT, 2, most, "test"),))
    meter = AccountMeter(only)
    passed = sum(meter.take(NOW, ONE, (name,)).over is None for name in names(4 * most))
    assert most * 0.9 <= passed <= most * (1.0 if most <= EXACT else 1.1)
    assert meter.take(NOW, ONE, names(1, "nobody")).over is not None


def test_who_was_named_by_another_message_as_well_stays_counted_as_new() -> None:
    limits = Limits((Limit(NEW, 1, 3, "test"),))
    meter, charges = AccountMeter(limits), Charges(NOW)
    assert meter.people
    meter.people.known = Known("eve")
    who = names(3)
    assert charges.reserve(Asked(b"given up", meter, NOW, names=who), Counts(recipients=3)).over is None
    assert charges.reserve(Asked(b"sent", meter, NOW, names=who), Counts(recipients=3)).over is None
    charges.release(b"given up", NOW)
    assert used(meter, limits) == 3
    assert charges.reserve(Asked(b"more", meter, NOW, names=names(1, "x")), ONE).over is not None


def test_a_message_of_whom_some_were_let_by_takes_nobody_away() -> None:
    meter, charges, who = AccountMeter(TEN), Charges(NOW), names(3)
    for number, name in enumerate(who):
        charges.reserve(Asked(b"m%d" % number, meter, NOW, names=(name,)), ONE)
    charges.let_by(Asked(b"held", meter, NOW), 1)
    charges.settle(Asked(b"held", meter, NOW, names=(*names(1, "x"), *who)), Counts(1, 4), end=True)
    charges.release(b"held", NOW)
    assert used(meter) == 3
