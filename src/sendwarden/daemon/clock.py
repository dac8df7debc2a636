"""The one clock: wall time when we started, carried on by the monotonic clock.

Setting the machine's time forth or back does not move it, so that no window empties or fills by a jump. A
restart takes the wall clock of that moment.

Where several processes count together, what they share goes by the clock of the place where they do
(`PoolClock`), so that none of theirs has to be right.
"""

import time

from sendwarden.service.ports import Clock

# A clock that is ahead by less waits for the other; by more it is set back.
WAITS_S = 5.0


class AnchoredClock:
    """`Clock`. Seconds since the epoch; never runs backwards."""

    def __init__(self) -> None:
        self._wall = time.time()  # noqa: TID251 - this is where time comes from
        self._monotonic = time.monotonic()

    def now(self) -> float:
        return self._wall + time.monotonic() - self._monotonic


class PoolClock:
    """`Clock` that agrees with another one, which can only be asked. It runs back only when it is set back.

    Of each question it is known that the answer was true between asking and hearing; so the two can differ
    by no less and no more than those. What was believed before stands if it lies between, else the nearer end
    does: slow answers change nothing, quick ones make it exact.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._asked = False
        self._last = 0.0
        self.ahead_s = 0.0  # how far our own clock is ahead of the other

    def now(self) -> float:
        self._last = max(self._last, self._own.now() - self.ahead_s)
        return self._last

    def hear(self, asked: float, heard: float, there: float) -> bool:
        """It was ``there`` between two times of our own clock. True: we were ahead, and are set back."""
        least, most = asked - there, heard - there
        before = self.ahead_s
        self.ahead_s = min(max(before, least), most) if self._asked else (least + most) / 2
        self._asked = True
        if self.ahead_s - before <= WAITS_S:
            return False
        self._last = 0.0
        return True
