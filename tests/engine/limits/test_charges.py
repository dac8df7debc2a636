"""Reservations and what becomes of them: settled, met again, given back, or standing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.units import parse_rate
from sendwarden.engine.limits.charges import KEPT_S, Asked, Charge, Charges
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.rules import Counts, Limit, Limits
from sendwarden.engine.limits.windows import QUANTUM_S, quantum_of, window_of

NOW = quantum_of(1_764_000_000.0)
ONE = Counts(recipients=1)
SERVER = "127.0.0.1"


def meter_of(rate: str = "100/10m", per_message: int | None = None) -> AccountMeter:
    parsed = parse_rate(rate)
    return AccountMeter(Limits((Limit(1, window_of(parsed), parsed.amount, "test"),), per_message))


def counted(meter: AccountMeter, now: int = NOW) -> tuple[int, int]:
    messages, recipients, *_ = meter.sums(now)[-1]
    return messages, recipients


def reserve(charges: Charges, meter: AccountMeter, times: int, name: bytes = b"m", now: int = NOW) -> int:
    return sum(charges.reserve(Asked(name, meter, now, SERVER), ONE).over is None for _ in range(times))


def test_recipients_of_one_message_are_one_message() -> None:
    charges, meter = Charges(NOW), meter_of()
    assert reserve(charges, meter, 3) == 3
    assert counted(meter) == (1, 3)
    assert reserve(charges, meter, 2, b"other") == 2
    assert counted(meter) == (2, 5)


def test_the_end_gives_back_what_the_mail_server_refused_itself() -> None:
    charges, meter = Charges(NOW), meter_of()
    reserve(charges, meter, 5)
    charges.settle(Asked(b"m", meter, NOW, SERVER), Counts(1, 3), end=True)
    assert counted(meter) == (1, 3)


def test_the_end_charges_what_nobody_asked_about() -> None:
    charges, meter = Charges(NOW), meter_of()
    assert charges.settle(Asked(b"m", meter, NOW, SERVER), Counts(1, 3), end=True).over is None
    assert counted(meter) == (1, 3)
    assert charges.settle(Asked(b"m", meter, NOW, SERVER), Counts(1, 3), end=True).over is None
    assert counted(meter) == (1, 3)


def test_an_end_over_the_limit_charges_nothing_more() -> None:
    charges, meter = Charges(NOW), meter_of("5/10m")
    reserve(charges, meter, 3)
    assert charges.settle(Asked(b"m", meter, NOW, SERVER), Counts(1, 6), end=True).over is not None
    assert counted(meter) == (1, 3)
    assert charges.settle(Asked(b"n", meter, NOW, SERVER), Counts(1, 3), end=True).over is not None
    assert counted(meter) == (1, 3)


def test_a_message_released_was_never_there() -> None:
    charges, meter = Charges(NOW), meter_of()
    reserve(charges, meter, 4)
    assert charges.release(b"m", NOW)
    assert counted(meter) == (0, 0)
    charges.release(b"m", NOW)
    assert counted(meter) == (0, 0)
    assert not charges.release(b"unknown", NOW)


def test_a_message_over_the_edge_of_a_quantum_stays_one() -> None:
    charges, meter = Charges(NOW), meter_of()
    reserve(charges, meter, 2)
    reserve(charges, meter, 2, now=NOW + 1)
    assert counted(meter, NOW + 1) == (1, 4)
    charges.settle(Asked(b"m", meter, NOW + 2, SERVER), Counts(1, 1), end=True)
    assert counted(meter, NOW + 2) == (1, 1)


def test_the_quick_way_counts_the_same() -> None:
    charges, meter = Charges(NOW), meter_of()
    meter.take(NOW, Counts(1, 1))
    charge = charges.quick(b"q", meter, NOW, SERVER)
    assert charge is not None
    assert charge.quick(NOW)
    assert not charge.quick(NOW + 1)
    assert reserve(charges, meter, 1, b"q", NOW + 1) == 1
    assert counted(meter, NOW + 1) == (2, 4)
    charges.release(b"q", NOW + 1)
    assert counted(meter, NOW + 1) == (1, 1)


def test_a_cap_for_each_message() -> None:
    charges, meter = Charges(NOW), meter_of(per_message=3)
    assert reserve(charges, meter, 5) == 3
    over = charges.reserve(Asked(b"m", meter, NOW, SERVER), ONE).over
    assert over is not None
    assert (over.limit.window_name, over.limit.most, over.used) == ("message", 3, 3)
    assert charges.settle(Asked(b"n", meter, NOW, SERVER), Counts(1, 4), end=True).over is not None
    quick = charges.quick(b"k", meter, NOW, SERVER)
    assert quick is not None
    assert [quick.quick(NOW) for _ in range(4)] == [True, True, False, False]


def test_a_cap_of_one() -> None:
    charges, meter = Charges(NOW), meter_of(per_message=1)
    assert reserve(charges, meter, 2) == 1


@pytest.mark.parametrize(("told", "left"), [(False, (1, 2)), (True, (0, 0))])
def test_without_an_end_it_stands_unless_that_server_tells_ends(told: bool, left: tuple[int, int]) -> None:
    charges, meter, other = Charges(NOW), meter_of("100/1h"), meter_of()
    reserve(charges, meter, 2)
    server = SERVER if told else "another"
    charges.settle(Asked(b"n", other, NOW + 1, server), Counts(1, 1), end=True)
    for quantum in range(NOW, NOW + KEPT_S // QUANTUM_S):
        charges.turn(quantum)
        assert counted(meter, quantum) == (1, 2)
    for quantum in range(NOW + KEPT_S // QUANTUM_S, NOW + KEPT_S // QUANTUM_S + 5):
        charges.turn(quantum)
    assert counted(meter, quantum) == left


def test_an_end_that_was_told_is_not_given_back_later() -> None:
    charges, meter = Charges(NOW), meter_of("100/24h")
    reserve(charges, meter, 2)
    charges.settle(Asked(b"m", meter, NOW, SERVER), Counts(1, 2), end=True)
    for quantum in range(NOW, NOW + 100):
        charges.turn(quantum)
    assert counted(meter, quantum) == (1, 2)
    assert len(charges) == 0


def test_two_names_of_one_message_are_one_charge() -> None:
    charges, meter = Charges(NOW), meter_of()
    reserve(charges, meter, 2)
    charge = charges.find(b"m")
    assert charge is not None
    charges.remember(b"4F2Q", charge)
    charges.settle(Asked(b"4F2Q", meter, NOW, SERVER), Counts(1, 2), end=True)
    assert counted(meter) == (1, 2)


def test_the_same_name_of_another_account_is_another_message() -> None:
    charges, meter, other = Charges(NOW), meter_of(), meter_of()
    reserve(charges, meter, 2)
    reserve(charges, other, 1)
    assert (counted(meter), counted(other)) == ((1, 2), (1, 1))


def test_a_message_without_a_name_is_charged_each_time() -> None:
    charges, meter = Charges(NOW), meter_of()
    reserve(charges, meter, 2, b"")
    assert counted(meter) == (2, 2)
    assert len(charges) == 0


def test_memory_stays_bounded_and_what_goes_early_stands() -> None:
    charges, meter = Charges(NOW, most=100), meter_of("100000/1h")
    for quantum in range(NOW, NOW + 20):
        for number in range(50):
            reserve(charges, meter, 1, b"%d-%d" % (quantum, number), quantum)
        charges.turn(quantum)
    assert len(charges) <= 250
    assert counted(meter, NOW + 19) == (1000, 1000)


def test_it_stays_so_where_very_many_come_within_one_generation() -> None:
    charges, meter = Charges(NOW, most=1000), meter_of("100000000/1h")
    largest = 0
    for turn in range(100):
        for number in range(300):
            reserve(charges, meter, 1, b"%d-%d" % (turn, number))
        charges.turn(NOW)
        largest = max(largest, len(charges))
    assert largest <= 1000 + 300
    assert charges.find(b"99-299"), "the latest are known"
    assert counted(meter) == (30_000, 30_000)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("rrrrsefx"),
            st.integers(0, 3),
            st.integers(1, 6),
            st.sampled_from([0, 0, 0, 1, 5]),
        ),
        max_size=60,
    )
)
def test_the_meter_always_holds_what_the_open_messages_add_up_to(
    steps: list[tuple[str, int, int, int]],
) -> None:
    charges, meter, now, every = Charges(NOW), meter_of("40/24h"), NOW, dict[int, Charge]()
    for what, number, recipients, wait in steps:
        now += wait
        name = b"m%d" % number
        if what == "r":
            charges.reserve(Asked(name, meter, now, SERVER), ONE)
        elif what in "se":
            charges.settle(Asked(name, meter, now, SERVER), Counts(1, recipients), end=what == "e")
        elif what == "x":
            charges.release(name, now)
        elif (charge := charges.find(name)) is not None:
            charge.quick(now)
        known = [charge for n in range(4) if (charge := charges.find(b"m%d" % n))]
        every |= {id(charge): charge for charge in known}  # one whose end was told may have its name taken
        open_ones = [charge.total for charge in every.values()]
        assert counted(meter, now) == (
            sum(c.messages for c in open_ones),
            sum(c.recipients for c in open_ones),
        )
        assert counted(meter, now)[1] <= 40


def test_messages_whose_end_was_told_are_forgotten_soon_and_open_ones_kept() -> None:
    charges, meter = Charges(NOW), meter_of("100000/1h")
    for quantum in range(NOW, NOW + 12):
        for number in range(10):
            name = b"%d-%d" % (quantum, number)
            reserve(charges, meter, 1, name, quantum)
            if number:
                charges.settle(Asked(name, meter, quantum, "another"), Counts(1, 1), end=True)
        charges.turn(quantum)
    settled = sum(charges.find(b"%d-1" % quantum) is not None for quantum in range(NOW, NOW + 12))
    open_ones = sum(charges.find(b"%d-0" % quantum) is not None for quantum in range(NOW, NOW + 12))
    assert (settled, open_ones) == (3, 12)
    assert charges.find(b"%d-1" % (NOW + 11)) is not None


def test_a_message_that_goes_on_for_long_has_few_parts() -> None:
    charges, meter = Charges(NOW), meter_of("100000/1h")
    for n in range(1000):
        reserve(charges, meter, 1, now=NOW + n // 100)
    charge = charges.find(b"m")
    assert charge is not None
    assert len(charge.parts or ()) == 10
    assert counted(meter, NOW + 9) == (1, 1000)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9), st.integers(0, 3), st.booleans()), max_size=40),
    st.sampled_from([None, 5]),
    st.booleans(),
)
def test_a_whole_message_is_counted_the_same_without_a_look(
    messages: list[tuple[int, int, int, bool]], per_message: int | None, internal_too: bool
) -> None:
    """By `quick_whole` where that can, else by `settle`; against `settle` alone. Names come again."""
    rates = [Limit(1, 0, 30, "test"), Limit(0, 1, 25, "test")]
    rates += [Limit(2, 0, 12, "test")] if internal_too else []
    limits = Limits(tuple(rates), per_message)
    sides = [(Charges(NOW), AccountMeter(limits)) for _ in range(2)]
    quantum = NOW
    quickly = 0
    for number, recipients, later, released in messages:
        quantum += later
        name, whole = b"m%d" % number, Counts(1, recipients, recipients, 0)
        went = []
        for quick, (charges, meter) in zip((True, False), sides, strict=True):
            asked = Asked(name, meter, quantum, SERVER)
            if quick and charges.quick_whole(asked, whole):
                quickly += 1
                went.append(True)
            else:
                went.append(charges.settle(asked, whole, end=True).over is None)
            if released:
                charges.release(name, quantum)
        assert went[0] is went[1]
        assert sides[0][1].sums(quantum) == sides[1][1].sums(quantum)
    assert internal_too <= (quickly == 0)


def test_bytes_alone_are_counted_where_a_limit_names_them() -> None:
    """There is room for no message and no recipient more than asked, and nothing else to look at."""
    meter = AccountMeter(Limits((Limit(4, 0, 1000, "test"),)))
    assert meter.take(NOW, Counts(1, 1, bytes=600)).over is None
    assert meter.take(NOW, Counts(bytes=400)).over is None
    assert meter.take(NOW, Counts(bytes=1)).over is not None
