"""States and overrides that were set by hand: what holds, and how it is kept.

An entry is durable before it counts. All are in memory; they are few.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf, isfinite
from typing import Any, Literal, get_args

from sendwarden.core.account import State
from sendwarden.core.units import Rate
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import COUNTERS, Limit, Limits
from sendwarden.engine.limits.windows import window_of
from sendwarden.service.ports import Clock, Exceptions

# States after which an account has less room for a while, and how long, in seconds.
INCIDENTS = (State.HELD, State.CONTAINED)
AFTER_INCIDENT_S = 14 * 86_400.0

Kind = Literal["state", "limits", "incident", "reset"]
# How long it has to be known that counts were reset, in seconds.
RESET_S = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One act by hand. It ends, and says who did it and why."""

    # "incident": one was ended by hand, and the account has less room until the entry ends; "reset": its
    # counts began at 0, which is told to others and nothing that holds.
    kind: Kind
    account: str
    reason: str
    by: str
    at: float
    until: float
    state: str = ""  # of kind "state", and the one before the end of an incident
    channel: str = ""  # of kinds "limits" and "reset"; empty: all channels
    rates: tuple[tuple[str, int, int], ...] = ()  # counter, amount, window in seconds
    unlimited: bool = False
    row: str = ""  # of limits, whose rates these were when it was set: they take the place of all others
    per_message: int | None = None
    counted: str = ""  # what a single rate counts, or per_message: others go on beside it
    tell: str = ""  # of kind "state": what whoever sends is told; the reason is for administrators alone

    @property
    def name(self) -> str:
        """What it replaces: another entry of the same name."""
        name = self.name_of(self.kind, self.account, self.channel)
        return f"{name}\n{self.counted}" if self.counted else name

    @staticmethod
    def name_of(kind: str, account: str, channel: str = "") -> str:
        return f"{kind}\n{account}\n{channel}"

    @classmethod
    def name_of_record(cls, record: Mapping[str, Any]) -> str:
        """Raises what `of` does."""
        return cls.of(record).name

    @property
    def whole(self) -> bool:
        """Do its limits take the place of all others?"""
        return self.unlimited or bool(self.row)

    def record(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Entry":
        """Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
        entry = cls(**{**record, "rates": tuple((str(c), int(a), int(w)) for c, a, w in record["rates"])})
        texts = (entry.account, entry.reason, entry.by, entry.state, entry.channel, entry.row)
        if not all(isinstance(text, str) for text in texts) or not isfinite(entry.at + entry.until):
            raise ValueError("not an entry")
        if not isinstance(entry.per_message, int | None) or entry.kind not in get_args(Kind):
            raise ValueError("not an entry of this version")
        if entry.kind in {"state", "incident"}:
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
            whole=self.whole,
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
    # Told account and channel of counts that were reset at another process.
    on_reset: list[Callable[[str, str], None]] = field(default_factory=list)
    # Lets other processes know of what they do not know yet: do they? None: there are no others.
    tell_others: Callable[[], Awaitable[bool]] | None = None

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
            if entry.kind != "reset":
                self.entries[entry.name] = entry
        return bad

    def hear(self, name: str, record: Mapping[str, Any] | None) -> bool:
        """Take what was set, or taken out, at another process. False: it cannot be read, and counts not."""
        if record is None:
            if gone := self.entries.pop(name, None):
                self._changed(gone.account)
            return True
        try:
            entry = Entry.of(record)
            entry.override()
        except (KeyError, TypeError, ValueError):
            return False
        if entry.name != name:
            return False
        if entry.kind == "reset":
            for reset in self.on_reset:
                reset(entry.account, entry.channel)
        else:
            self.entries[name] = entry
            self._changed(entry.account)
        return True

    async def say_reset(self, account: str, channel: str, by: str, reason: str) -> None:
        """Where there are others, they reset what they counted too. Raises `StoreDown`."""
        if self.tell_others:
            now = self.clock.now()
            entry = Entry("reset", account, reason, by, now, now + RESET_S, channel=channel)
            await self.store.keep_exception(entry.name, entry.record())

    async def others_know(self) -> bool | None:
        """Do other processes know what was set here? None: there are none."""
        return await self.tell_others() if self.tell_others else None

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
        """By account, each to be laid over those before it: for one channel behind those for all."""
        found: dict[str, tuple[Override, ...]] = {}
        limits = [entry for entry in self.entries.values() if entry.kind == "limits"]
        for entry in sorted(limits, key=lambda entry: (bool(entry.channel), not entry.whole)):
            found[entry.account] = (*found.get(entry.account, ()), entry.override())
        return found

    def limits_of(self, account: str) -> list[Entry]:
        """All overrides of the account, also those that are over."""
        return [one for one in self.entries.values() if one.kind == "limits" and one.account == account]

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
