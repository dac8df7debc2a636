"""Stops the machine when it holds too many accounts at once. A human resets it.

A list gone bad, a broken clock or a bad signal makes everybody look stolen, and must never lock out a
campus.
"""

from collections import deque

WINDOW_S = 600.0
LEAST, SHARE = 20, 0.01


class Breaker:
    """Counts accounts that are moved to held or further."""

    def __init__(self) -> None:
        self.tripped_at: float | None = None
        self._moved: deque[float] = deque()

    def allows(self, at: float, accounts: int) -> bool:
        """May one more be held, of so many accounts? It is counted. Once no, always no."""
        if self.tripped_at is not None:
            return False
        while self._moved and self._moved[0] <= at - WINDOW_S:
            self._moved.popleft()
        if len(self._moved) >= max(LEAST, int(SHARE * accounts)):
            self.tripped_at = at
            return False
        self._moved.append(at)
        return True

    def reset(self) -> None:
        """Somebody has looked."""
        self.tripped_at = None
        self._moved.clear()
