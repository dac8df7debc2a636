"""Rows of a meter's past: a quantum, then one number for each counter."""

from collections.abc import Iterable

from .windows import WINDOWS, first_of_each

_STEPS = tuple(window.step for window in WINDOWS)


def widened(numbers: list[int], have: tuple[int, ...], want: tuple[int, ...]) -> list[int]:
    known = dict(zip(have, numbers, strict=True))
    return [known.get(counter, 0) for counter in want]


def merged(rows: Iterable[tuple[int, list[int]]], quantum: int) -> list[tuple[int, list[int]]]:
    """Rows that leave all their windows together, as one with the last one's quantum; those gone left out."""
    fine, middle, day = first_of_each(quantum)
    of_fine, of_middle, of_day = _STEPS
    merged: list[tuple[int, list[int]]] = []
    last = -1
    for at, row in rows:
        if at < day:
            continue
        # Those of one step of the finest window that still counts them leave every window at the same time.
        step = of_fine if at >= fine else of_middle if at >= middle else of_day
        if last >= 0 and last // step == at // step:
            merged[-1] = at, [mine + more for mine, more in zip(merged[-1][1], row, strict=True)]
        else:
            merged.append((at, row))
        last = at
    return merged
