"""The state file: one SQLite database, opened by one process, written in batches by one thread.

Meters survive `kill -9` (write-ahead log, synchronous = NORMAL) but may lose their last moments in a power
cut; batches that hold a decision or a notice are synced before they count as kept (FULL). Rows carry a
checksum, so that a flipped bit is noticed and never read as a count.

A sync that failed is never tried again as if the second answer meant anything (Linux may have dropped the
pages): every error makes this object useless, and its owner opens the file anew and writes all it knows once
more.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, create_engine, delete, event, select, text, tuple_
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from sendwarden.core.errors import StoreDown
from sendwarden.stores.memory import Changes
from sendwarden.stores.schema import VERSION, decision, meta, metadata, meter, notice, sequence

# Pages of the write-ahead log (4 KiB each) after which it is folded into the file.
CHECKPOINT_PAGES = 1000
# Keys restored at a time, so that reading a large file does not hold anything up.
LOAD_ROWS = 2000
BUSY_TIMEOUT_MS = 2000


class StateDamaged(StoreDown):
    """The file is no state file, or cannot be trusted. Its text says what to do."""


class StateTooNew(StoreDown):
    """A later version of Sendwarden wrote the file."""


@dataclass(slots=True)
class Batch:
    """What one transaction writes."""

    changes: Changes = field(default_factory=Changes)
    anew: bool = False  # the meters are all there is: forget what the file holds of them
    decisions: list[Mapping[str, object]] = field(default_factory=list)  # with "reference", "at", "account"
    notices: list[Mapping[str, object]] = field(default_factory=list)  # with "id", "at"
    done_notices: list[str] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)

    @property
    def must_last(self) -> bool:
        """Does anything in it have to survive a power cut?"""
        return bool(self.decisions or self.notices or self.done_notices or self.meta)

    def __bool__(self) -> bool:
        changes = self.changes
        return (
            self.must_last or self.anew or bool(changes.meters or changes.sequences or changes.dropped_tables)
        )


class SqlState:
    """An open state file. All methods block; call them from one thread. Raises `StoreDown`, nothing else."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._engine = _engine(path, read_only=read_only)
        try:
            with self._engine.connect() as connection:
                self._open(connection, read_only=read_only)
        except (SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            raise _damaged(path, error) from error
        except StoreDown:
            self.close()
            raise

    def _open(self, connection: Connection, *, read_only: bool) -> None:
        result = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
        if result != "ok":
            raise _damaged(self.path, result)
        if not read_only:
            connection.rollback()
            metadata.create_all(connection)
            connection.execute(
                upsert(meta).values(name="version", value=str(VERSION)).on_conflict_do_nothing()
            )
            connection.commit()
        found = connection.execute(select(meta.c.value).where(meta.c.name == "version")).scalar()
        if found is None or not found.isdigit():
            raise _damaged(self.path, f"its version is {found!r}")
        if int(found) > VERSION:
            raise StateTooNew(
                f"{self.path} was written by a later Sendwarden (state version {found}, "
                f"this one reads {VERSION}): "
                'run that one, or name another place with state = "..."'
            )

    def close(self) -> None:
        self._engine.dispose()

    # --- reading

    def meta(self) -> dict[str, str]:
        with self._reading() as connection:
            return {row.name: row.value for row in connection.execute(select(meta))}

    def sequences(self) -> dict[str, int]:
        with self._reading() as connection:
            return {row.name: row.next_number for row in connection.execute(select(sequence))}

    def meters(self) -> Iterator[list[tuple[str, str, dict[int, bytes], int]]]:
        """All stored keys in groups: table, key, parts, and how many parts were damaged and left out."""
        last: tuple[str, bytes] = ("", b"")
        while True:
            query = (
                select(meter)
                .where(tuple_(meter.c.meter_table, meter.c.meter_key) > last)
                .order_by(meter.c.meter_table, meter.c.meter_key, meter.c.part)
                .limit(LOAD_ROWS)
            )
            with self._reading() as connection:
                rows = list(connection.execute(query))
                if len(rows) == LOAD_ROWS:  # the last key may have more parts than were read
                    edge = (rows[-1].meter_table, rows[-1].meter_key)
                    whole = [row for row in rows if (row.meter_table, row.meter_key) != edge]
                    rows = whole or list(connection.execute(_of_key(*edge)))
            if not rows:
                return
            last = (rows[-1].meter_table, rows[-1].meter_key)
            yield list(_grouped(rows))

    def decision(self, reference: str) -> dict[str, object] | None:
        """A kept decision, or None. Raises `StateDamaged` where its row is."""
        with self._reading() as connection:
            row = connection.execute(select(decision).where(decision.c.reference == reference)).first()
        if row is None:
            return None
        if row.checksum != _checksum(row.reference.encode(), row.body):
            raise StateDamaged(f"the record of {reference} in {self.path} is damaged")
        found: dict[str, object] = json.loads(row.body)
        return found

    def notices(self) -> list[dict[str, object]]:
        with self._reading() as connection:
            rows = list(connection.execute(select(notice).order_by(notice.c.at)))
        return [json.loads(row.body) for row in rows if row.checksum == _checksum(row.id.encode(), row.body)]

    def _reading(self) -> "_Guard":
        return _Guard(self._engine, self.path)

    # --- writing

    def write(self, batch: Batch) -> None:
        """One transaction. After an exception nothing of it counts as kept, and this object is of no use."""
        try:
            with self._engine.connect() as connection:
                level = "FULL" if batch.must_last else "NORMAL"
                connection.execute(text(f"PRAGMA synchronous = {level}"))
                connection.rollback()
                self._write(connection, batch)
                connection.commit()
                self._checkpoint(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StoreDown(f"{self.path}: {_cause(error)}") from error

    def _write(self, connection: Connection, batch: Batch) -> None:
        changes = batch.changes
        if batch.anew:
            connection.execute(delete(meter))
        for table in changes.dropped_tables:
            connection.execute(delete(meter).where(meter.c.meter_table == table))
        _write_meters(connection, changes)
        for name, number in changes.sequences.items():
            row = upsert(sequence).values(name=name, next_number=number)
            connection.execute(
                row.on_conflict_do_update(index_elements=["name"], set_={"next_number": number})
            )
        for record in batch.decisions:
            connection.execute(upsert(decision).values(_decision_row(record)).on_conflict_do_nothing())
        for message in batch.notices:
            body = _json(message)
            key = str(message["id"])
            check = _checksum(key.encode(), body)
            added = upsert(notice).values(id=key, at=message["at"], body=body, checksum=check)
            connection.execute(added.on_conflict_do_nothing())
        if batch.done_notices:
            connection.execute(delete(notice).where(notice.c.id.in_(batch.done_notices)))
        for name, value in batch.meta.items():
            row = upsert(meta).values(name=name, value=value)
            connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": value}))

    def _checkpoint(self, connection: Connection) -> None:
        """Fold a long write-ahead log into the file.

        Done here, since SQLite's own way hides a failed sync.
        """
        wal = self.path.with_name(self.path.name + "-wal")
        if wal.exists() and wal.stat().st_size > CHECKPOINT_PAGES * 4096:
            connection.execute(text("PRAGMA wal_checkpoint(RESTART)"))
            connection.rollback()

    def forget_decisions(self, before: float) -> None:
        with _Guard(self._engine, self.path) as connection:
            connection.execute(delete(decision).where(decision.c.at < before))
            connection.commit()


class _Guard:
    """A connection whose errors are `StoreDown`."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._connection: Connection | None = None

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise StoreDown(f"{self._path}: {_cause(error)}") from error
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if self._connection is not None:
            self._connection.close()
        if isinstance(error, SQLAlchemyError | sqlite3.Error):
            raise StoreDown(f"{self._path}: {_cause(error)}") from error


def _engine(path: Path, *, read_only: bool) -> Engine:
    mode = "ro" if read_only else "rwc"
    engine = create_engine(
        f"sqlite+pysqlite:///file:{path}?mode={mode}&uri=true",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")

    return engine


def _write_meters(connection: Connection, changes: Changes) -> None:
    gone, below, parts = [], [], []
    for table, change in changes.meters:
        key = change.key.encode("utf-8", "surrogateescape")
        if change.drop:
            gone.append({"t": table, "k": key})
            continue
        if change.first_part:
            below.append({"t": table, "k": key, "p": change.first_part})
        for part, data in change.parts:
            check = _checksum(table.encode(), key, str(part).encode(), data)
            parts.append({"t": table, "k": key, "p": part, "d": data, "c": check})
    if gone:
        connection.execute(text("DELETE FROM meter WHERE meter_table = :t AND meter_key = :k"), gone)
    if below:
        connection.execute(
            text("DELETE FROM meter WHERE meter_table = :t AND meter_key = :k AND part < :p"), below
        )
    if parts:
        connection.execute(text("REPLACE INTO meter VALUES (:t, :k, :p, :d, :c)"), parts)


def _of_key(table: str, key: bytes) -> Select[Any]:
    return select(meter).where(meter.c.meter_table == table, meter.c.meter_key == key).order_by(meter.c.part)


def _grouped(rows: list[Row[Any]]) -> Iterator[tuple[str, str, dict[int, bytes], int]]:
    current: tuple[str, bytes] | None = None
    parts: dict[int, bytes] = {}
    damaged = 0
    for row in rows:
        if current != (row.meter_table, row.meter_key):
            if current:
                yield current[0], current[1].decode("utf-8", "surrogateescape"), parts, damaged
            current, parts, damaged = (row.meter_table, row.meter_key), {}, 0
        whole = _checksum(row.meter_table.encode(), row.meter_key, str(row.part).encode(), row.data)
        if whole == row.checksum:
            parts[row.part] = row.data
        else:
            damaged += 1
    if current:
        yield current[0], current[1].decode("utf-8", "surrogateescape"), parts, damaged


def _checksum(*pieces: bytes) -> int:
    check = 0
    for piece in pieces:
        check = zlib.crc32(piece + b"\0", check)
    return check


def _json(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode()


def _decision_row(record: Mapping[str, object]) -> dict[str, object]:
    body = _json(record)
    reference = str(record["reference"])
    account = str(record["account"]).encode("utf-8", "replace").decode()
    return {
        "reference": reference,
        "at": record["at"],
        "account": account,
        "body": body,
        "checksum": _checksum(reference.encode(), body),
    }


def _cause(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error)


def _damaged(path: Path, error: object) -> StateDamaged:
    cause = _cause(error) if isinstance(error, BaseException) else str(error)
    return StateDamaged(
        f"the state file {path} cannot be used: {cause}. "
        f"Move it away (with {path.name}-wal and {path.name}-shm) and start again: meters then begin at 0; "
        "or restore it from a copy"
    )
