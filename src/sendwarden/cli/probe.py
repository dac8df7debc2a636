"""What `explain` and `mapping` run with: meters that are a copy, and that note what happens to them."""

import time
from dataclasses import dataclass, field

from sendwarden.core.decision import Reason
from sendwarden.engine.meters.keys import Reading
from sendwarden.engine.world import GreylistCall, not_asked
from sendwarden.service.ports import Fields
from sendwarden.stores.memory import MemoryMeters


@dataclass(slots=True)
class MeterUse:
    """One question to a meter: what it held before, and after."""

    table: str
    key: str
    before: float
    after: float
    quota: int
    window_s: float
    over: bool


class WatchedMeters:
    """`MeterTables` over a copy, noting each use of a throttle table."""

    def __init__(self, meters: MemoryMeters) -> None:
        self._meters = meters
        self.uses: list[MeterUse] = []

    def throttle(self, table: str, key: str, now: float) -> Reading:
        before = self._meters.query(table, key, now)
        reading = self._meters.throttle(table, key, now)
        after = self._meters.query(table, key, now)
        quota = reading.quota
        self.uses.append(
            MeterUse(table, key, before.used, after.used, quota.hits, quota.window_s, reading.over)
        )
        return reading

    def query(self, table: str, key: str, now: float) -> Reading:
        reading = self._meters.query(table, key, now)
        quota = reading.quota
        self.uses.append(
            MeterUse(table, key, reading.used, reading.used, quota.hits, quota.window_s, reading.over)
        )
        return reading

    def fetch(self, table: str, key: str) -> str | int:
        return self._meters.fetch(table, key)

    def store(self, table: str, key: str, value: str) -> None:
        self._meters.store(table, key, value)

    def adjust(self, table: str, key: str, delta: str) -> int:
        return self._meters.adjust(table, key, delta)

    def remove(self, table: str, key: str) -> None:
        self._meters.remove(table, key)

    def defer(self, table: str, key: str, now: float) -> bool:
        return self._meters.defer(table, key, now)

    def next_number(self, sequence: str) -> int:
        return self._meters.next_number(sequence)


class WallClock:
    """`Clock` of a command that lives for a moment."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - a command has no daemon to take the time from


class NoReference:
    """`References` that gives none out: what is only explained is not kept either."""

    def next(self) -> str:
        return ""


@dataclass(slots=True)
class Warnings:
    """`EventLog` that only collects warnings."""

    told: list[str] = field(default_factory=list)

    def event(self, kind: str, fields: Fields) -> None:
        del kind, fields

    def warning(self, warning: str, about: str) -> None:
        self.told.append(f"{warning}: {about}")


@dataclass(slots=True)
class ProbeWorld:
    """The engine's `World` for one run of a mapping table."""

    now: float
    meters: WatchedMeters
    percent: float
    warnings: Warnings = field(default_factory=Warnings)
    notes: list[Reason] = field(default_factory=list)

    def chance(self) -> float:
        return self.percent

    def greylist(self, call: GreylistCall) -> str | None:
        return not_asked(call)

    def note(self, reason: Reason) -> None:
        self.notes.append(reason)

    def warn(self, warning: str, about: str) -> None:
        self.warnings.warning(warning, about)
