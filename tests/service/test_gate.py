"""service.gate: how many may come in, who is a stranger, and what was asked while we were asleep."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.service.gate import DEADLINE_S, WAKING_S, Gate

ALLOWED = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


# --- the cap


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_never_are_more_open_than_the_cap_and_each_that_leaves_makes_room(
    most: int, enters: list[bool]
) -> None:
    gate = Gate(most, Hand())
    inside = turned_away = 0

    for enter in enters:
        if enter:
            let_in = gate.enter("127.0.0.1")
            assert let_in is (inside < most)
            inside, turned_away = inside + let_in, turned_away + (not let_in)
        elif inside:
            gate.leave()
            inside -= 1
        assert (gate.open, gate.turned_away) == (inside, turned_away) and gate.open <= most


# --- strangers

PEERS: list[tuple[str, bool]] = [
    ("", True),  # by a unix socket
    ("127.0.0.1", True),
    ("127.255.255.254", True),
    ("::1", True),
    ("::ffff:127.0.0.1", True),
    ("192.0.2.7", True),
    ("::ffff:192.0.2.7", True),
    ("2001:db8::7", True),
    ("192.0.3.1", False),
    ("10.0.0.1", False),
    ("2001:db9::1", False),
    ("::ffff:192.0.3.1", False),
    ("fe80::1%eth0", False),
    ("nonsense", False),
]


@pytest.mark.parametrize(("peer", "welcome"), PEERS)
def test_only_this_machine_and_who_is_allowed_may_come_in(peer: str, welcome: bool) -> None:
    gate = Gate(1, Hand(), ALLOWED)

    assert gate.enter(peer) is welcome
    assert (gate.open, gate.turned_away) == (int(welcome), int(not welcome))


def test_a_stranger_takes_nobodys_place() -> None:
    gate = Gate(1, Hand())

    assert [gate.enter("10.0.0.1") for _ in range(5)] == [False] * 5
    assert gate.enter("127.0.0.1")


def test_who_may_come_in_can_change_while_others_are_inside() -> None:
    gate = Gate(9, Hand())
    assert not gate.enter("192.0.2.7")

    gate.allowed = ALLOWED

    assert gate.enter("192.0.2.7")


# --- asleep


def test_awake_as_long_as_it_ticks() -> None:
    clock = Hand()
    gate = Gate(1, clock)

    for _ in range(100):
        clock.at += DEADLINE_S
        assert not gate.asleep()
        gate.tick()
        assert not gate.asleep()


@pytest.mark.parametrize("pause", [DEADLINE_S + 0.001, 5.0, 86_400.0])
def test_after_a_pause_without_ticks_what_arrives_was_asked_too_long_ago(pause: float) -> None:
    clock = Hand()
    gate = Gate(1, clock)

    clock.at += pause
    assert gate.asleep()
    gate.tick()  # the loop wakes up and ticks before it reads what has waited
    assert gate.asleep()
    clock.at += WAKING_S / 2
    assert gate.asleep()
    clock.at += WAKING_S
    gate.tick()
    assert not gate.asleep()


@given(st.lists(st.floats(0, 3), max_size=30))
def test_asleep_is_exactly_a_late_tick_or_one_just_now(pauses: list[float]) -> None:
    clock = Hand()
    gate = Gate(1, clock)
    ticked, woke = clock.at, float("-inf")

    for pause in pauses:
        clock.at += pause
        late = clock.at - ticked > DEADLINE_S
        assert gate.asleep() is (late or clock.at - woke < WAKING_S)
        gate.tick()
        woke, ticked = (clock.at if late else woke), clock.at
        assert gate.asleep() is (clock.at - woke < WAKING_S)
