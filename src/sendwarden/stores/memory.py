"""MeterMaid's tables in memory: the answering half of the embedded store, and all of it for `explain`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from sendwarden.engine.limits.table import LimitTable
from sendwarden.engine.meters.keys import Change, MeterError, Reading
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.meters.tables import new_table
from sendwarden.engine.meters.throttle import ThrottleTable
from sendwarden.engine.meters.values import GreylistTable, SimpleTable

if TYPE_CHECKING:
    from sendwarden.engine.greylist.clients import Clients
    from sendwarden.engine.greylist.triplets import Triplets
    from sendwarden.engine.limits.acquaintances import Acquaintances
    from sendwarden.engine.limits.ages import Ages

# Names under which the meters of accounts are stored, when accounts were first seen, meters of incoming mail,
# whom accounts wrote to, what greylisting remembers of triplets, of networks, and of networks of accounts; no
# table of MeterMaid's can have them.
LIMITS = "= limits"
AGES = "= ages"
INCOMING = "= incoming"
KNOWN = "= known"
TRIPLETS = "= triplets"
CLIENTS = "= clients"
PLACES = "= places"

AnyTable = ThrottleTable | SimpleTable | GreylistTable


@dataclass(slots=True)
class Changes:
    """What happened to the tables since the last call, for a store that keeps it."""

    meters: list[tuple[str, Change]] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=dict)
    dropped_tables: list[str] = field(default_factory=list)


class MemoryMeters:
    """`MeterTables` in this process. Passes the same contract test as every other store."""

    def __init__(self, tables: Mapping[str, TableOptions]) -> None:
        self.limits: LimitTable | None = None  # the meters of accounts, kept and read with the tables
        self.profiles: dict[
            str, Ages | Acquaintances | LimitTable | Triplets | Clients
        ] = {}  # by the names above
        self._tables: dict[str, AnyTable] = {name: new_table(options) for name, options in tables.items()}
        self._sequences: dict[str, int] = {}
        self._changed_sequences: set[str] = set()
        self._dropped: list[str] = []

    @property
    def tables(self) -> Mapping[str, AnyTable]:
        return self._tables

    def table(self, name: str) -> AnyTable:
        """Raises `MeterError`."""
        table = self._tables.get(name.lower())
        if table is None:
            raise MeterError("there is no such table")
        return table

    def _throttles(self, name: str) -> ThrottleTable:
        table = self.table(name)
        if not isinstance(table, ThrottleTable):
            raise MeterError(f"a {table.options.type} table, not a throttle table")
        return table

    def _simple(self, name: str) -> SimpleTable:
        table = self.table(name)
        if not isinstance(table, SimpleTable):
            raise MeterError(f"a {table.options.type} table, not a simple table")
        return table

    def throttle(self, table: str, key: str, now: float) -> Reading:
        return self._throttles(table).throttle(key, now)

    def query(self, table: str, key: str, now: float) -> Reading:
        return self._throttles(table).query(key, now)

    def fetch(self, table: str, key: str) -> str | int:
        return self._simple(table).fetch(key)

    def store(self, table: str, key: str, value: str) -> None:
        self._simple(table).store(key, value)

    def adjust(self, table: str, key: str, delta: str) -> int:
        return self._simple(table).adjust(key, delta)

    def remove(self, table: str, key: str) -> None:
        self.table(table).remove(key)

    def defer(self, table: str, key: str, now: float) -> bool:
        found = self.table(table)
        if not isinstance(found, GreylistTable):
            raise MeterError(f"a {found.options.type} table, not a greylisting table")
        return found.defer(key, now)

    def next_number(self, sequence: str) -> int:
        number = self._sequences.get(sequence, 0)
        self._sequences[sequence] = number + 1
        self._changed_sequences.add(sequence)
        return number

    @property
    def throttle_tables(self) -> tuple[str, ...]:
        return tuple(name for name, table in self._tables.items() if isinstance(table, ThrottleTable))

    def keys(self, table: str) -> list[str]:
        """Of a throttle table."""
        return self._throttles(table).keys

    # --- for the store that keeps it

    def reconfigure(self, tables: Mapping[str, TableOptions]) -> list[str]:
        """Take a new configuration: a table whose counts still mean the same keeps them.

        Returns the names of tables that begin anew, because their type, algorithm or kind of key changed.
        """
        anew = []
        for name, options in tables.items():
            old = self._tables.get(name)
            if old is None or not old.reconfigure(options):
                self._tables[name] = new_table(options)
                if old is not None:
                    self._dropped.append(name)
                    anew.append(name)
        for name in set(self._tables) - set(tables):
            del self._tables[name]
            self._dropped.append(name)
        return anew

    def changes(self, now: float) -> Changes:
        found = Changes(dropped_tables=self._dropped)
        self._dropped = []
        for name, table in chain(self._kept(), self.profiles.items()):
            found.meters += ((name, change) for change in table.changes(now))
        found.sequences = {name: self._sequences[name] for name in self._changed_sequences}
        self._changed_sequences.clear()
        return found

    def everything(self) -> Changes:
        """All there is, for a store that must begin anew."""
        found = Changes(sequences=dict(self._sequences))
        for name, table in chain(self._kept(), self.profiles.items()):
            found.meters += ((name, change) for change in table.everything())
        return found

    def _kept(self) -> Iterator[tuple[str, AnyTable | LimitTable]]:
        yield from self._tables.items()
        if self.limits is not None:
            yield LIMITS, self.limits

    def restore_sequence(self, name: str, next_number: int) -> None:
        self._sequences[name] = max(next_number, self._sequences.get(name, 0))

    def start_loading(self) -> None:
        """From now on, until `loaded`, stored keys come in while others are counted."""
        for _name, table in self._kept():
            table.loading.begin()
        for profiles in self.profiles.values():
            profiles.begin_loading()

    def restore(self, table: str, key: str, parts: Mapping[int, bytes], now: float) -> None:
        """Take one stored key in. One of a table that is no longer configured is left aside."""
        profiles = self.profiles.get(table)
        found = self.limits if table == LIMITS else self._tables.get(table)
        if profiles is not None:
            profiles.restore(key, parts, now)
        elif found is not None:
            found.restore(key, parts, now)

    def loaded(self, *, whole: bool = True) -> None:
        """All that the store holds is in; not ``whole``: but for what could not be read."""
        for profiles in self.profiles.values():
            profiles.loaded(whole=whole)
        for table in self._tables.values():
            table.loading.end()
        if self.limits is not None:
            self.limits.loaded()
