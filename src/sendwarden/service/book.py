"""States and overrides that were set by hand: what holds, and how it is kept.

An entry is durable before it counts. All are in memory; they are few.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any, Literal

from sendwarden.core.account import State
from sendwarden.core.units import Rate
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import COUNTERS, Limit, Limits
from sendwarden.engine.limits.windows import window_of
from sendwarden.service.ports import Clock, Exceptions

# States after which an account has less room for a while, and how long, in seconds.
INCIDENTS = (State.HELD, State.CONTAINED)
AFTER_INCIDENT_S = 14 * 86_400.0

Kind = Literal["state", "limits", "incident"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One act by hand. It ends, and says who did it and why."""

    kind: Kind  # "incident": one was ended by hand, and the account has less room until the entry ends
    account: str
    reason: str
    by: str
    at: float
    until: float
    state: str = ""  # of kind "state", and the one before the end of an incident
    channel: str = ""  # of kind "limits"; empty: all channels
    rates: tuple[tuple[str, int, int], ...] = ()  # counter, amount, window in seconds
    unlimited: bool = False
    row: str = ""  # of limits, whose rates these were when it was set: they take the place of all others
    per_message: int | None = None
    tell: str = ""  # of kind "state": what whoever sends is told; the reason is for administrators alone

    @property
    def name(self) -> str:
        """What it replaces: another entry of the same name."""
        return self.name_of(self.kind, self.account, self.channel)

    @staticmethod
    def name_of(kind: str, account: str, channel: str = "") -> str:
        return f"{kind}\n{account}\n{channel}"

    def record(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Entry":
        """Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
        entry = cls(**{**record, "rates": tuple((str(c), int(a), int(w)) for c, a, w in record["rates"])})
        if entry.kind != "limits":
            State(entry.state)
        return entry

    def override(self) -> Override:
        limits = tuple(
            Limit(COUNTERS.index(counter), window_of(Rate(amount, window_s)), amount, f"set by {self.by}")
            for counter, amount, window_s in self.rates
        )
        return Override(
            self.reason,
            f"set by {self.by}",
            Limits(limits, self.per_message),
            whole=self.unlimited or bool(self.row),
            accounts=frozenset({self.account}),
            channels=frozenset({self.channel} if self.channel else ()),
            until=self.until,
        )


@dataclass(slots=True)
class Book:
    """`AccountStates`, and the overrides by hand."""

    clock: Clock
    store: Exceptions
    entries: dict[str, Entry] = field(default_factory=dict)
    # Told the account that something changed for.
    on_change: list[Callable[[str], None]] = field(default_factory=list)

    def load(self, records: Iterator[Mapping[str, Any]]) -> int:
        """Take what was kept; how many could not be read."""
        bad = 0
        for record in records:
            try:
                entry = Entry.of(record)
                entry.override()
            except (KeyError, TypeError, ValueError):
                bad += 1
                continue
            self.entries[entry.name] = entry
        return bad

    async def put(self, entry: Entry) -> None:
        """Raises `StoreDown`, or `ValueError` for two limits of the same; then it does not count."""
        entry.override()
        await self.store.keep_exception(entry.name, entry.record())
        self.entries[entry.name] = entry
        self._changed(entry.account)

    async def remove(self, name: str) -> bool:
        """False: there is none. Raises `StoreDown`; then it still counts."""
        if name not in self.entries:
            return False
        await self.store.keep_exception(name, None)
        gone = self.entries.pop(name, None)
        if gone:
            self._changed(gone.account)
        return True

    def _changed(self, account: str) -> None:
        for tell in self.on_change:
            tell(account)

    def overrides(self) -> dict[str, tuple[Override, ...]]:
        """By account; those for one channel before those for all."""
        found: dict[str, tuple[Override, ...]] = {}
        limits = [entry for entry in self.entries.values() if entry.kind == "limits"]
        for entry in sorted(limits, key=lambda entry: not entry.channel):
            found[entry.account] = (*found.get(entry.account, ()), entry.override())
        return found

    def entry(self, account: str, now: float) -> Entry | None:
        """What was set for the account's state and still holds."""
        found = self.entries.get(Entry.name_of("state", account))
        return found if found and now < found.until else None

    def state(self, account: str, now: float) -> State:
        found = self.entry(account, now)
        return State(found.state) if found else State.NORMAL

    def incident(self, account: str, now: float) -> Entry | None:
        """What made the account one with less room: an incident was ended by hand, or its state ran out."""
        marked = self.entries.get(Entry.name_of("incident", account))
        if marked and now < marked.until:
            return marked
        found = self.entries.get(Entry.name_of("state", account))
        if found and State(found.state) in INCIDENTS and found.until <= now < found.until + AFTER_INCIDENT_S:
            return replace(found, kind="incident", at=found.until, until=found.until + AFTER_INCIDENT_S)
        return None

    def incident_until(self, account: str, now: float) -> float | None:
        found = self.incident(account, now)
        return found.until if found else None

    def why(self, account: str) -> str:
        found = self.entry(account, self.clock.now())
        return found.reason if found else ""

    def told(self, account: str) -> str:
        found = self.entry(account, self.clock.now())
        return found.tell if found else ""

    def next_end(self, now: float) -> float:
        ends = [one.until for one in self.entries.values()]
        ends += [end + AFTER_INCIDENT_S for end in ends]
        return min((end for end in ends if end > now), default=inf)
