"""A meter against the plain truth: a list of everything that was counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.units import parse_rate
from sendwarden.engine.limits.meter import ENDLESS, AccountMeter
from sendwarden.engine.limits.rules import COUNTERS, UNLIMITED, Counts, Limit, Limits, amount, lowest
from sendwarden.engine.limits.windows import QUANTUM_S, WINDOWS, quantum_of, window_of

START = quantum_of(1_764_000_000.0)


def limits(**rates: str) -> Limits:
    """``limits(recipients="100/10m 400/1h")``."""
    found = []
    for counted, text in rates.items():
        for part in text.split():
            rate = parse_rate(part)
            found.append(Limit(COUNTERS.index(counted), window_of(rate), rate.amount, "test"))
    return Limits(tuple(found))


def message(recipients: int = 1, **others: int) -> Counts:
    return Counts(messages=1, recipients=recipients, **others)


def passed(meter: AccountMeter, quantum: int, counts: Counts) -> bool:
    """As the service asks: the quick way, again where only a quantum has ended, and then the long one."""
    meter.version = 0  # as of a table whose accounts were not told anew
    plain = (quantum, counts.messages, counts.recipients)
    quick = meter.quick(*plain) or (meter.ready(quantum) and meter.quick(*plain))
    return quick or meter.take(quantum, counts).over is None


def test_a_burst_gets_exactly_the_limit() -> None:
    meter = AccountMeter(limits(recipients="100/10m 400/1h"))
    assert [passed(meter, START, message()) for _ in range(150)] == [True] * 100 + [False] * 50


@pytest.mark.parametrize("at", range(0, 25, 6))
def test_room_comes_back_at_the_end_of_the_step_and_not_before(at: int) -> None:
    for number, window in enumerate(WINDOWS):
        only = Limits((Limit(1, number, 5, "test"),))
        meter = AccountMeter(only)
        used_at = START + at
        assert passed(meter, used_at, message(5))
        over = meter.take(used_at, message()).over
        assert over is not None
        assert over.frees == window.leaves(used_at)
        assert not passed(meter, over.frees - 1, message())
        assert passed(meter, over.frees, message(5))


def test_a_quantum_that_ended_makes_no_meter_ready_that_something_else_holds_back() -> None:
    held = [AccountMeter(limits(recipients="100/10m"), "out\neve") for _ in range(4)]
    fine, gone, renewed, widened = held
    for meter in held:
        meter.version = 0
        assert passed(meter, START, message())
    gone.leave()
    renewed.version = -1  # something else holds for its account
    widened.use(limits(recipients="100/10m", bytes="1000/10m"))
    assert [meter.ready(START + 1) for meter in held] == [True, False, False, False]
    assert not fine.ready(START + 1), "it is already"
    assert fine.recipient_room == 48 and fine.used(fine.limits.limits[0], START + 1) == 1


def test_what_never_fits_never_frees() -> None:
    meter = AccountMeter(limits(recipients="10/1h"))
    over = meter.take(START, message(11)).over
    assert over is not None
    assert over.frees == 0
    assert passed(meter, START, message(10))


def test_of_several_limits_the_longest_wait_is_named() -> None:
    meter = AccountMeter(limits(recipients="10/10m 10/1h 10/24h"))
    assert passed(meter, START, message(10))
    over = meter.take(START, message()).over
    assert over is not None
    assert over.limit.window_name == "24h"


hits = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 3, 19, 20, 21, 115, 130, 700, 2900]), st.integers(1, 40)),
    max_size=60,
)


@given(hits, st.integers(0, 200))
def test_never_over_and_never_refused_without_reason(steps: list[tuple[int, int]], offset: int) -> None:
    rules = limits(recipients="50/10m 120/1h 300/24h", messages="8/10m 20/1h 40/24h")
    meter = AccountMeter(rules)
    now, log = START + offset, list[tuple[int, int]]()
    for wait, recipients in steps:
        now += wait
        fits = all(
            _used(log, limit, now) + (recipients if limit.counter else 1) <= limit.most
            for limit in rules.limits
        )
        assert passed(meter, now, message(recipients)) == fits
        if fits:
            log.append((now, recipients))
        for limit in rules.limits:
            assert meter.used(limit, now) == _used(log, limit, now)
            sliding = sum(
                (r if limit.counter else 1) for q, r in log if q > now - WINDOWS[limit.window].length
            )
            assert sliding <= limit.most


def _used(log: list[tuple[int, int]], limit: Limit, now: int) -> int:
    window = WINDOWS[limit.window]
    return sum((r if limit.counter else 1) for q, r in log if window.leaves(q) > now)


@given(hits, st.data())
def test_what_is_given_back_was_never_there(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    rules = limits(recipients="100000/10m 200000/1h 300000/24h")
    meter, now, log = AccountMeter(rules), START, list[tuple[int, int]]()
    for wait, recipients in steps:
        now += wait
        assert passed(meter, now, message(recipients))
        log.append((now, recipients))
        back = data.draw(st.integers(0, 2 * len(log)), label="which")
        if back < len(log):
            quantum, counted = log.pop(back)
            meter.give_back(quantum, message(counted), now)
        for limit in rules.limits:
            assert meter.used(limit, now) == _used(log, limit, now)


@given(hits, st.integers(0, 3000))
def test_a_stored_meter_comes_back_as_it_was(steps: list[tuple[int, int]], later: int) -> None:
    rules = limits(recipients="50/10m 120/1h 300/24h", bytes="90000/24h")
    meter, now = AccountMeter(rules), START
    for wait, recipients in steps:
        now += wait
        meter.take(now, message(recipients, bytes=recipients * 100))
    now += later
    again = AccountMeter(rules)
    again.restore(meter.stored(), now)
    assert again.sums(now) == _rolled(meter, now).sums(now)


def _rolled(meter: AccountMeter, now: int) -> AccountMeter:
    meter.roll(now)
    return meter


def test_restored_counts_are_added_to_those_since() -> None:
    rules = limits(recipients="50/10m")
    before, since = AccountMeter(rules), AccountMeter(rules)
    before.take(START, message(20))
    since.take(START + 1, message(10))
    since.restore(before.stored(), START + 1)
    assert since.used(rules.limits[0], START + 1) == 30


def test_counts_of_a_clock_that_was_ahead_count_as_of_now() -> None:
    rules = limits(recipients="50/10m")
    ahead = AccountMeter(rules)
    ahead.take(START + 100_000, message(20))
    meter = AccountMeter(rules)
    meter.restore(ahead.stored(), START)
    assert meter.used(rules.limits[0], START) == 20
    assert meter.used(rules.limits[0], START + 30) == 0


@pytest.mark.parametrize(
    "stored", [b"", b"x", b"\x01", b"\x02\xff", b"\x01\xff1234567", b"\x01\x09\xff" + bytes(32)]
)
def test_what_is_no_stored_meter_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="not a stored meter"):
        AccountMeter().restore(stored, START)


def test_somebody_is_told_at_half_at_four_fifths_and_at_the_limit_once_a_window() -> None:
    meter = AccountMeter(limits(recipients="10/10m"))

    def told(quantum: int, times: int) -> list[float]:
        found = []
        for _ in range(times):
            if not meter.quick(quantum, 1, 1):
                found += [one.level for one in meter.take(quantum, message()).crossings]
        return found

    assert told(START, 4) == []
    assert told(START, 1) == [0.5]
    assert told(START, 5) == [0.8, 1.0]
    assert told(START, 50) == []
    assert told(START + 25, 10) == [0.5, 0.8, 1.0]


def test_the_administrator_hears_of_a_refusal_though_the_limit_was_not_quite_reached() -> None:
    meter = AccountMeter(limits(recipients="10/10m"))
    assert passed(meter, START, message(9))
    assert [one.level for one in meter.take(START, message(2)).crossings] == [1.0]
    assert meter.take(START, message(2)).crossings == ()


def test_below_the_first_level_nothing_is_looked_at() -> None:
    meter = AccountMeter(limits(recipients="100/10m", messages="60/1h"))
    assert not meter.quick(START, 1, 1)
    meter.take(START, message())
    assert (meter.message_room, meter.recipient_room) == (28, 48)
    assert AccountMeter(UNLIMITED).take(START, message()).over is None


def test_without_limits_there_is_always_room() -> None:
    meter = AccountMeter()
    meter.take(START, message())
    assert meter.message_room == meter.recipient_room == ENDLESS


def test_new_limits_count_what_is_there() -> None:
    meter = AccountMeter(limits(recipients="100/10m"))
    assert passed(meter, START, message(60))
    meter.use(limits(recipients="60/10m"))
    assert not passed(meter, START, message())


def test_a_new_counter_begins_at_nothing_and_the_others_stay() -> None:
    meter = AccountMeter(limits(recipients="100/10m"))
    assert passed(meter, START, message(60))
    meter.use(limits(recipients="100/10m", bytes="1000/1h"))
    assert meter.take(START + 1, message(1, bytes=900)).over is None
    assert meter.take(START + 1, message(1, bytes=200)).over is not None
    assert meter.sums(START + 1)[0] == [2, 61, 900]
    meter.use(limits(recipients="100/10m"))
    assert meter.sums(START + 1)[0] == [2, 61]


def test_a_meter_that_forgot_everything_is_quiet() -> None:
    meter = AccountMeter(limits(recipients="100/24h"))
    assert passed(meter, START, message())
    assert not meter.quiet(START + 2879)
    assert meter.quiet(START + 3001)


def test_a_day_of_messages_takes_few_rows() -> None:
    meter = AccountMeter(limits(recipients="1000000/24h"))
    for quantum in range(START, START + 6000):
        passed(meter, quantum, message())
    assert len(meter.past) // 3 <= 57


@pytest.mark.parametrize(("most", "levels"), [(1, (1, 1, 1)), (3, (2, 3, 3)), (100, (50, 80, 100))])
def test_levels_of_small_limits(most: int, levels: tuple[int, int, int]) -> None:
    limit = Limit(1, 0, most)
    assert tuple(amount(limit, level) for level in (0.5, 0.8, 1.0)) == levels


# --- rows


def test_the_lowest_of_all_rows_counts() -> None:
    both = lowest([limits(recipients="30/10m 100/1h"), limits(recipients="15/10m", messages="9/1h")])
    assert sorted(map(str, both.limits)) == ["messages 9/1h", "recipients 100/1h", "recipients 15/10m"]


def test_an_exception_takes_the_place_of_what_it_names() -> None:
    usual = Limits(limits(recipients="30/10m 100/1h").limits, per_message=50)
    changed = usual.replaced(limits(recipients="500/1h"))
    assert sorted(map(str, changed.limits)) == ["recipients 30/10m", "recipients 500/1h"]
    assert changed.per_message == 50


def test_half_of_a_limit_is_at_least_one() -> None:
    half = Limits(limits(recipients="1/10m 101/1h").limits, per_message=1).scaled(0.5, "after an incident")
    assert sorted(map(str, half.limits)) == ["recipients 1/10m", "recipients 50/1h"]
    assert half.per_message == 1


def test_two_limits_for_the_same_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two limits"):
        limits(recipients="30/10m 100/10m")


@pytest.mark.parametrize(
    "window", [(name, seconds) for name, seconds in (("10m", 600), ("1h", 3600), ("24h", 86400))]
)
def test_windows_are_what_they_are_called(window: tuple[str, int]) -> None:
    assert window in [(one.name, one.length * QUANTUM_S) for one in WINDOWS]


def test_another_window_is_refused() -> None:
    with pytest.raises(ValueError, match="10m, 1h, 24h"):
        window_of(parse_rate("5/2h"))
