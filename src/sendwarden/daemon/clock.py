"""The one clock: wall time when we started, carried on by the monotonic clock.

Setting the machine's time forth or back does not move it, so that no window empties or fills by a jump. A
restart takes the wall clock of that moment.
"""

import time


class AnchoredClock:
    """`Clock`. Seconds since the epoch; never runs backwards."""

    def __init__(self) -> None:
        self._wall = time.time()  # noqa: TID251 - this is where time comes from
        self._monotonic = time.monotonic()

    def now(self) -> float:
        return self._wall + time.monotonic() - self._monotonic
