"""Rows of a meter's past: a quantum, then one number for each counter."""

from collections.abc import Iterable

from .windows import WINDOWS, first_counted


def widened(numbers: list[int], have: tuple[int, ...], want: tuple[int, ...]) -> list[int]:
    known = dict(zip(have, numbers, strict=True))
    return [known.get(counter, 0) for counter in want]


def merged(rows: Iterable[tuple[int, list[int]]], quantum: int) -> list[tuple[int, list[int]]]:
    """Rows that leave all their windows together, as one with the last one's quantum; those gone left out."""
    day = WINDOWS[-1]
    oldest = first_counted(day.length, day.step, quantum)
    merged: list[tuple[int, list[int]]] = []
    for at, row in rows:
        if at < oldest:
            continue
        if merged and _together(merged[-1][0], at, quantum):
            merged[-1] = at, [mine + more for mine, more in zip(merged[-1][1], row, strict=True)]
        else:
            merged.append((at, row))
    return merged


def _together(one: int, other: int, quantum: int) -> bool:
    """Do both quanta, the later one second, leave every window that still counts them at the same time?"""
    for window in WINDOWS:
        if other >= first_counted(window.length, window.step, quantum):
            return one // window.step == other // window.step
    return False
