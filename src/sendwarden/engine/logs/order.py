"""Events in the order of time, though some become known later than others."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import count

from sendwarden.core.event import Event


class InOrder:
    """Holds events back as long as an earlier one may still come, and ``most`` of them."""

    def __init__(self, horizon_s: float, most: int = 200_000) -> None:
        self._horizon = horizon_s
        self._most = most
        self._held: list[tuple[float, int, Event]] = []
        self._number = count()

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            heapq.heappush(self._held, (event.at, next(self._number), event))

    def until(self, now: float) -> Iterator[Event]:
        """Those before which none can come any more, since it is that late."""
        while self._held and (self._held[0][0] < now - self._horizon or len(self._held) > self._most):
            yield heapq.heappop(self._held)[2]

    def rest(self) -> Iterator[Event]:
        while self._held:
            yield heapq.heappop(self._held)[2]
