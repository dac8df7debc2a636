"""engine.logs.order: events by time, as long as none is later than the horizon."""

from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.event import Event, LoginEvent
from sendwarden.engine.logs.order import InOrder


def login(at: float) -> Event:
    return LoginEvent(at, "eve", success=True)


@given(st.lists(st.floats(0, 5), max_size=60))
def test_events_late_within_the_horizon_come_in_order(lateness: list[float]) -> None:
    order, found = InOrder(5), list[Event]()

    for second, late in enumerate(lateness):
        order.add([login(second - late)])
        found += order.until(second)
    found += order.rest()

    assert [one.at for one in found] == sorted(second - late for second, late in enumerate(lateness))


def test_more_than_fit_are_not_held_back() -> None:
    order = InOrder(1e9, most=10)

    order.add(login(at) for at in range(100))

    assert len(list(order.until(0))) == 90
