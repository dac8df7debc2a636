"""Greylisting tables to play with, and what a store keeps of a table of values."""

from dataclasses import replace

from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.meters.tables import Table
from sendwarden.engine.meters.values import GreylistTable
from tests.engine.meters.throttles import START, Stored

GREY = TableOptions(
    "grey", type="greylisting", block_time=60, resubmit_time=600, inactivity_time=3600, max_entries=100
)


def grey(**options: object) -> GreylistTable:
    return GreylistTable(replace(GREY, **options))  # type: ignore[arg-type]


def written(table: Table, stored: Stored, now: float = START) -> Stored:
    """What a store holds after a flush."""
    for change in table.changes(now):
        if change.drop:
            stored.pop(change.key, None)
        else:
            stored[change.key] = dict(change.parts)
    return stored


def filled(table: Table, stored: Stored, now: float = START) -> None:
    for key, parts in stored.items():
        table.restore(key, parts, now)
