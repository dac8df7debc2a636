"""The three windows, and when what was counted leaves them.

Time is counted in quanta of `QUANTUM_S`. What was used in a quantum counts in a window until the *step* in
which it lies is older than the window as a whole: so that never more than a limit passes in any window, and
all of it from a standing start. Room comes back at the ends of steps.
"""

from functools import lru_cache
from typing import NamedTuple

from sendwarden.core.units import Rate

QUANTUM_S = 30


class Window(NamedTuple):
    """A window and its step, in quanta."""

    name: str
    length: int
    step: int

    @property
    def seconds(self) -> int:
        return self.length * QUANTUM_S

    def leaves(self, quantum: int) -> int:
        """The first quantum in which what was used in ``quantum`` counts no more."""
        return (quantum // self.step + 1) * self.step + self.length


WINDOWS = (Window("10m", 20, 1), Window("1h", 120, 10), Window("24h", 2880, 120))
BY_SECONDS = {window.seconds: number for number, window in enumerate(WINDOWS)}


def first_counted(length: int, step: int, quantum: int) -> int:
    """The first quantum that still counts in a window."""
    return max(0, (quantum - length) // step * step)


@lru_cache(maxsize=8)
def first_of_each(quantum: int) -> tuple[int, ...]:
    """The same for each window. Many meters ask in the same quantum."""
    return tuple(first_counted(window.length, window.step, quantum) for window in WINDOWS)


def quantum_of(now: float) -> int:
    return int(now // QUANTUM_S)


def time_of(quantum: int) -> float:
    """When a quantum begins."""
    return float(quantum * QUANTUM_S)


def window_of(rate: Rate) -> int:
    """The number of a rate's window. Raises `ValueError` for one that is none of the three."""
    try:
        return BY_SECONDS[rate.window_s]
    except KeyError:
        raise ValueError(f"the windows are {', '.join(window.name for window in WINDOWS)}") from None
