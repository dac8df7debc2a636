"""The latest changes of meters, as they wait in the state file to be put in their places.

A busy site changes thousands of keys ten times a second, and the same ones again and again. So each batch is
appended to the table `recent`, a few hundred changes a row, which costs a fraction of looking up the place of
each; and when many wait, the latest of each key goes to its own rows (`meter`), a slice with each batch, so
that no batch takes long. Who reads lays what waits over the rows.

Changes may be laid over rows that hold them already: after a crash all that wait are laid over again, in
their order, and the last one of each part stands.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import msgpack
from sqlalchemy import Connection

from sendwarden.engine.meters.keys import Change
from sendwarden.stores import rows

# Changes in one row of `recent`: a flipped bit costs so many.
CHANGES_A_ROW = 200
# When so many keys wait, or the changes of so many batches, they are put in their places.
MOST_KEYS = 50_000
MOST_BATCHES = 100
# Keys that are put in their places with a batch: so many at the least, and more than come in.
SLICE = 500
# Rows of meters that are written at a time.
ROWS_A_STEP = 200

_ROW = "(?, ?, ?, ?, ?)"
_REPLACE = f"REPLACE INTO meter VALUES {_ROW}"  # noqa: S608 - all of it is ours
_REPLACE_MANY = f"REPLACE INTO meter VALUES {', '.join([_ROW] * ROWS_A_STEP)}"  # noqa: S608
_DROP = "DELETE FROM meter WHERE meter_table = ? AND meter_key = ?"
_DROP_BELOW = f"{_DROP} AND part < ?"
_APPEND = "INSERT INTO recent (data, checksum) VALUES (?, ?)"
_ALL = "SELECT CAST(data AS BLOB), CAST(checksum AS INTEGER) FROM recent ORDER BY number"

# Table and key.
Name = tuple[str, str]
Changed = tuple[str, Change]
_NOTHING = Change("")


def together(older: Change, newer: Change) -> Change:
    """What two changes of one key do, the older one first: a drop, if there is one, comes before all else."""
    if newer.drop:
        return Change(newer.key, drop=True)
    first = newer.first_part
    parts = {part: data for part, data in older.parts if part >= first} | dict(newer.parts)
    return Change(newer.key, tuple(parts.items()), max(first, older.first_part), older.drop)


def latest(changes: Iterable[Changed], known: dict[Name, Change]) -> None:
    """Take changes into what is known of each key."""
    for table, change in changes:
        name = table, change.key
        older = known.get(name)
        known[name] = change if older is None and not change.drop else together(older or _NOTHING, change)


def over(stored: Mapping[int, bytes], change: Change) -> dict[int, bytes]:
    """A key's parts when a change is laid over those of its rows."""
    kept = {} if change.drop else {part: data for part, data in stored.items() if part >= change.first_part}
    return kept | dict(change.parts)


class Recent:
    """What waits in one open state file. For one thread; its errors are SQLAlchemy's."""

    def __init__(self) -> None:
        self._waiting: dict[Name, Change] = {}
        self._batches = 0
        self._placing: list[tuple[Name, Change]] = []  # the last one goes first
        self._placed_upto = 0  # number of the last row of `recent` that is being put in its place
        self._number = 0

    def write(self, connection: Connection, changes: Sequence[Changed]) -> None:
        """Append a batch, and put some of what waits in its place."""
        for start in range(0, len(changes), CHANGES_A_ROW):
            data = packed(changes[start : start + CHANGES_A_ROW])
            self._number = connection.exec_driver_sql(_APPEND, (data, zlib.crc32(data))).lastrowid
        latest(changes, self._waiting)
        self._batches += bool(changes)
        if not self._placing and (len(self._waiting) >= MOST_KEYS or self._batches >= MOST_BATCHES):
            self._begin()
        if self._placing:
            self._place(connection, max(SLICE, 2 * len(changes)))

    def settle(self, connection: Connection, changes: Iterable[Changed] = ()) -> None:
        """Put these and everything that waits in their places: nothing waits any more, damaged or not."""
        latest(changes, self._waiting)
        put(connection, reversed(self._placing))
        put(connection, sorted(self._waiting.items()))
        self.forget(connection)

    def load(self, connection: Connection) -> int:
        """Take in what waits in the file; how many rows are damaged, and left out."""
        self._waiting, damaged = waiting(connection)
        found = connection.exec_driver_sql("SELECT max(number) FROM recent").scalar()
        self._number = found if isinstance(found, int) else 0
        return damaged

    def forget(self, connection: Connection) -> None:
        """What waits counts no more."""
        connection.exec_driver_sql("DELETE FROM recent")
        self._waiting, self._placing, self._batches = {}, [], 0

    def _begin(self) -> None:
        self._placing = sorted(self._waiting.items(), reverse=True)
        self._placed_upto = self._number
        self._waiting, self._batches = {}, 0

    def _place(self, connection: Connection, most: int) -> None:
        some = self._placing[: -most - 1 : -1]
        del self._placing[-most:]
        put(connection, some)
        if not self._placing:
            connection.exec_driver_sql("DELETE FROM recent WHERE number <= ?", (self._placed_upto,))


def put(connection: Connection, some: Iterable[tuple[Name, Change]]) -> None:
    """Write keys to their own rows."""
    gone: list[tuple[str, bytes]] = []
    below: list[tuple[str, bytes, int]] = []
    added: list[rows.MeterRow] = []
    for (table, key), one in some:
        if one.drop:
            gone.append((table, rows.bytes_of(key)))
        elif one.first_part:
            below.append((table, rows.bytes_of(key), one.first_part))
        added += rows.meter_rows(table, one)
    if gone:
        connection.exec_driver_sql(_DROP, gone)
    if below:
        connection.exec_driver_sql(_DROP_BELOW, below)
    # Past the rewriting of names, and many in one step of SQLite's: around each step Python hands its lock to
    # whoever answers mail, and waits for it.
    whole = len(added) - len(added) % ROWS_A_STEP
    for start in range(0, whole, ROWS_A_STEP):
        values = chain.from_iterable(added[start : start + ROWS_A_STEP])
        connection.exec_driver_sql(_REPLACE_MANY, tuple(values))
    if left := added[whole:]:
        connection.exec_driver_sql(_REPLACE, left)


def waiting(connection: Connection) -> tuple[dict[Name, Change], int]:
    """What waits in a file, by key; and how many rows are damaged, and left out."""
    found: dict[Name, Change] = {}
    damaged = 0
    for data, checksum in connection.exec_driver_sql(_ALL):
        if data is None or zlib.crc32(data) != checksum:
            damaged += 1
        else:
            latest(unpacked(data), found)
    return found, damaged


def laid_over(keys: Iterable[rows.StoredKey], waits: dict[Name, Change]) -> Iterator[rows.StoredKey]:
    """Keys as their rows have them, and then those that have none yet, with what waits laid over."""
    for table, key, parts, bad in keys:
        one = waits.pop((table, key), None)
        now = parts if one is None else over(parts, one)
        if now or bad:
            yield table, key, now, bad
    for (table, key), one in waits.items():
        if one.parts:
            yield table, key, dict(one.parts), 0


def packed(changes: Iterable[Changed]) -> bytes:
    """Changes as one row holds them: MessagePack, an array of the table and the fields of each `Change`."""
    packer = msgpack.Packer(unicode_errors="surrogateescape")
    whole = packer.pack([(table, *change) for table, change in changes])
    assert isinstance(whole, bytes)
    return whole


def unpacked(data: bytes) -> Iterator[Changed]:
    """What `packed` made; its checksum has vouched for it."""
    for table, key, parts, first_part, drop in msgpack.unpackb(data, unicode_errors="surrogateescape"):
        yield table, Change(key, tuple((part, content) for part, content in parts), first_part, drop)
