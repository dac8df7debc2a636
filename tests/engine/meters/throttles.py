"""Throttle tables to play with, and what a store keeps of one."""

from dataclasses import replace

from sendwarden.engine.meters.keys import Change
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.meters.throttle import ThrottleTable

START = 1_764_000_000.0
# What a store holds: parts by key.
Stored = dict[str, dict[int, bytes]]


def table(**options: object) -> ThrottleTable:
    return ThrottleTable(replace(TableOptions("t", quota=4, quota_time=60), **options))  # type: ignore[arg-type]


def hit(counted: ThrottleTable, *keys: str, now: float = START) -> list[bool]:
    return [counted.throttle(key, now).over for key in keys]


def known(counted: ThrottleTable, *keys: str, now: float = START) -> list[float]:
    """What each key has used."""
    return [counted.query(key, now).used for key in keys]


def troubles(counted: ThrottleTable, *keys: str, now: float = START) -> list[str]:
    return [counted.throttle(key, now).trouble for key in keys]


def apply(stored: Stored, changes: list[Change]) -> None:
    """What a store does: drops first, then parts."""
    for change in changes:
        if change.drop:
            stored.pop(change.key, None)
    for change in changes:
        if not change.drop:
            parts = {n: part for n, part in stored.get(change.key, {}).items() if n >= change.first_part}
            stored[change.key] = parts | dict(change.parts)


def restored(counted: ThrottleTable, stored: Stored, now: float) -> ThrottleTable:
    fresh = ThrottleTable(counted.options)
    for key, parts in stored.items():
        fresh.restore(key, parts, now)
    return fresh
