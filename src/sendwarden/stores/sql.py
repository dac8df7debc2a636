"""The state file: one SQLite database, opened by one process, written in batches by one thread.

Meters survive `kill -9` (write-ahead log, synchronous = NORMAL) but may lose their last moments in a power
cut; batches that hold a decision or a notice are synced before they count as kept (FULL). Rows carry a
checksum, so that a flipped bit is noticed and never read as a count.

A sync that failed is never tried again as if the second answer meant anything (Linux may have dropped the
pages): every error makes this object useless, and its owner opens the file anew and writes all it knows once
more. Nor is the log then folded into the file, as SQLite does with the last connection that closes; opening
the file does it, from what its checksums still vouch for.

Damage: what SQLite itself finds wrong with the file's structure refuses the file. Single rows that are wrong,
and commits that the log has lost, are left out and told in `damage`.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, select, text
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from sendwarden.core.errors import StoreDown
from sendwarden.stores import rows
from sendwarden.stores.batch import Batch
from sendwarden.stores.opening import (
    BUSY_TIMEOUT_MS,
    StateDamaged,
    StateTooNew,
    connect,
    create,
    damaged,
    engine,
    log_of,
    names_of_tables,
    tables_there,
    too_new,
    trouble,
    upgrade,
)
from sendwarden.stores.recent import Recent, laid_over, waiting
from sendwarden.stores.schema import VERSION, decision, exception, meta, meter, notice, recent, sequence
from sendwarden.stores.wal import Log, read_log

__all__ = ["SqlState", "StateDamaged", "StateTooNew"]

# Size of the write-ahead log at which it is folded into the file: 1000 pages.
FOLD_BYTES = 1000 * 4096
# Keys handed on at a time, and rows fetched, so that reading a large file does not hold anything up.
LOAD_KEYS = 500
LOAD_ROWS = 2000
# Decisions forgotten in one transaction.
FORGET_ROWS = 1000
# A fact in the file: was it closed, so that all of it is in the file and its log may be gone?
CLOSED = "closed"
# What is lost where a row of `recent` is damaged.
LATEST = "rows of the latest counts"

# Is a kept decision one that is asked for?
Fits = Callable[[Mapping[str, object]], bool]


class SqlState:
    """An open state file. All methods block; use one thread at a time. Raises `StoreDown`, nothing else.

    ``damage`` holds a sentence for everything that was left out when it was opened or read.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.damage: list[str] = []
        self.log_lost = False  # then the latest references are not known either
        self._read_only = read_only
        self._failed = False
        self._engine: Engine | None = None
        self._fold_at = FOLD_BYTES
        self._recent = Recent()
        self.folds = 0  # so often everything written so far stood in the file itself
        try:
            if not read_only and not path.exists():
                create(path)
            log = read_log(log_of(path))
            if not path.stat().st_size:
                raise damaged(path, "it is empty")
        except OSError as error:
            raise trouble(path, error) from error
        # Without a log all is in the file; SQLite would make one, which a reader may not be allowed to.
        self._engine = engine(path, "rw" if not read_only else "ro" if log else "ro&immutable=1")
        try:
            self._open(log)
        except StoreDown:
            self.abandon()
            raise

    def _open(self, log: Log | None) -> None:
        with self._connection() as connection:
            if not tables_there(connection):
                raise damaged(self.path, "it lacks tables of a state file")
            version = self._version(connection)
        if not self._read_only:
            if log is None and self.meta().get(CLOSED) == "no":
                self._tell_lost("is missing though the file was not closed: unless SQLite folded it in")
            with self._connection() as connection:
                self._begin_log(connection, log)
            if version < VERSION:
                self._upgrade()
            with self._connection() as connection:
                self._tell_damage(self._recent.load(connection), LATEST)
            self.write(Batch(meta={CLOSED: "no"}), settled=True)
            self.fold()

    def _upgrade(self) -> None:
        """Give a file of an earlier version what it lacks."""
        with self._connection() as connection:
            upgrade(connection)
            connection.commit()

    def _version(self, connection: Connection) -> int:
        found = dict(filter(None, map(rows.meta_of, connection.execute(rows.ALL_META))))
        version = found.get("version", "")
        if not version.isdigit():
            raise damaged(self.path, f"its version is {version!r}")
        if int(version) > VERSION:
            raise too_new(self.path, int(version))
        return int(version)

    def _begin_log(self, connection: Connection, log: Log | None) -> None:
        if _pragma(connection, "journal_mode = WAL") != ("wal",):
            raise StoreDown(f"{self.path}: SQLite can keep no write-ahead log here")
        # SQLite's own way of folding the log hides a failed sync.
        _pragma(connection, "wal_autocheckpoint = 0")
        (result,) = _pragma(connection, "quick_check(1)")
        if result != "ok":
            raise damaged(self.path, result)
        _busy, kept_frames, _folded = _pragma(connection, "wal_checkpoint(PASSIVE)")
        if log and log.lost(kept_frames):
            self._tell_lost("is damaged")

    def _tell_lost(self, what: str) -> None:
        self.log_lost = True
        self.damage.append(f"{log_of(self.path).name} {what}, its latest changes are lost")

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """The connection; its errors are `StoreDown`."""
        if self._engine is None:
            raise StoreDown(f"{self.path} is closed")
        try:
            with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError) as error:
            raise trouble(self.path, error) from error

    # --- the end

    def close(self) -> None:
        """Let go of the file, its log folded in. Raises `StoreDown` if that cannot be noted in it."""
        if self._engine is None:
            return
        try:
            if not self._read_only and not self._failed:
                self.write(Batch(meta={CLOSED: "yes"}), settled=True)
        finally:
            if self._failed:
                self.abandon()
            else:
                self._engine.dispose()
                self._engine = None

    def abandon(self) -> None:
        """Let go of the file and leave it with its log as they are.

        SQLite folds the log when the last connection closes, and cannot if that one may only read.
        """
        if self._engine is None:
            return
        last = None
        with suppress(sqlite3.Error, UnicodeDecodeError):
            last = connect(self.path, "ro")
            last.execute("SELECT 1 FROM sqlite_schema").fetchall()
        self._engine.dispose()
        self._engine = None
        if last is not None:
            last.close()

    # --- reading

    def meta(self) -> dict[str, str]:
        """The facts. Raises `StateDamaged` if one of them is: they say which references were given out."""
        found: dict[str, str] = {}
        with self._connection() as connection:
            for row in connection.execute(rows.ALL_META):
                pair = rows.meta_of(row)
                if pair is None:
                    raise damaged(self.path, "a fact about the file itself is damaged")
                found[pair[0]] = pair[1]
        return found

    def sequences(self) -> dict[str, int]:
        with self._connection() as connection:
            found = list(map(rows.sequence_of, connection.execute(rows.ALL_SEQUENCES)))
        self._tell_damage(found.count(None), "sequences, which begin at 0 again")
        return dict(filter(None, found))

    def meters(self) -> Iterator[list[rows.StoredKey]]:
        """All stored keys in groups: table, key, parts, and how many parts were damaged and left out."""
        with self._connection() as connection:
            connection.exec_driver_sql("BEGIN")  # both tables as they are at one moment
            there = recent.name in names_of_tables(
                connection
            )  # not in a file of an earlier version, only read
            waits, damaged = waiting(connection) if there else ({}, 0)
            self._tell_damage(damaged, LATEST)
            reading = connection.execution_options(yield_per=LOAD_ROWS).execute(rows.ALL_METERS)
            keys = laid_over(rows.stored_keys(reading), waits)
            while group := list(islice(keys, LOAD_KEYS)):
                yield group

    def decision(self, reference: str) -> dict[str, object] | None:
        """A kept decision, or None. Raises `StateDamaged` where its row is."""
        with self._connection() as connection:
            row = connection.execute(rows.find_decision(reference)).first()
        if row is None:
            return None
        found = rows.record_of(row)
        if found is None:
            raise StateDamaged(f"the record of {reference} in {self.path} is damaged")
        return found

    def decisions(self, most: int, account: str = "", fits: Fits = bool) -> list[dict[str, object]]:
        """The latest kept decisions about an account, or all, the latest first; damaged ones left out."""
        with self._connection() as connection:
            found = map(rows.record_of, connection.execute(rows.decisions_about(account)))
            return list(islice((one for one in found if one is not None and fits(one)), most))

    def notices(self) -> list[dict[str, object]]:
        with self._connection() as connection:
            found = list(map(rows.record_of, connection.execute(rows.ALL_NOTICES)))
        self._tell_damage(found.count(None), "messages that were still to be sent")
        return [message for message in found if message is not None]

    def exceptions(self) -> list[dict[str, object]]:
        with self._connection() as connection:
            if exception.name not in names_of_tables(connection):  # of an earlier version, only read
                return []
            found = list(map(rows.exception_of, connection.execute(rows.ALL_EXCEPTIONS)))
        self._tell_damage(found.count(None), "acts by hand, which do not count any more")
        return [record for record in found if record is not None]

    def _tell_damage(self, count: int, what: str) -> None:
        if count:
            self.damage.append(f"{count} {what}")

    # --- writing

    def write(self, batch: Batch, *, settled: bool = False) -> None:
        """One transaction; ``settled``: and no change of a meter waits for its place any more.

        After an exception nothing of it counts as kept, and this object is of no use.
        """
        if self._failed:
            raise StoreDown(f"{self.path} has failed before")
        try:
            with self._connection() as connection:
                level = "FULL" if batch.must_last else "NORMAL"
                _pragma(connection, f"synchronous = {level}")
                connection.rollback()
                self._write(connection, batch, settled=settled or batch.anew)
                connection.commit()
            if self._log_bytes() > self._fold_at:
                self.fold()
        except StoreDown:
            self._failed = True
            raise

    def _write(self, connection: Connection, batch: Batch, *, settled: bool) -> None:
        changes = batch.changes
        if batch.anew:
            self._recent.forget(connection)
            connection.execute(delete(meter))
        elif changes.dropped_tables:
            self._recent.settle(connection)
        for table in changes.dropped_tables:
            connection.execute(delete(meter).where(meter.c.meter_table == table))
        if settled:
            self._recent.settle(connection, changes.meters)
        else:
            self._recent.write(connection, changes.meters)
        _write_records(connection, batch)

    def fold(self) -> bool:
        """Fold the log into the file and begin a new one; False if somebody reads from it just now."""
        try:
            with self._connection() as connection:
                _pragma(connection, "busy_timeout = 0")
                busy, _, _ = _pragma(connection, "wal_checkpoint(TRUNCATE)")
                _pragma(connection, f"busy_timeout = {BUSY_TIMEOUT_MS}")
        except StoreDown:
            self._failed = True
            raise
        # With a reader in the way it is tried again when as much has come in again, not with every batch.
        self._fold_at = FOLD_BYTES + (self._log_bytes() if busy else 0)
        self.folds += not busy
        return not busy

    def _log_bytes(self) -> int:
        try:
            return log_of(self.path).stat().st_size
        except OSError:
            return 0

    def forget_decisions(self, before: float) -> int:
        """Drop some decisions from before that time; how many. Fails as `write` does."""
        if self._failed:
            raise StoreDown(f"{self.path} has failed before")
        old = select(decision.c.reference).where(decision.c.at < before).limit(FORGET_ROWS)
        try:
            with self._connection() as connection:
                gone = connection.execute(delete(decision).where(decision.c.reference.in_(old))).rowcount
                connection.commit()
        except StoreDown:
            self._failed = True
            raise
        return gone


def _pragma(connection: Connection, what: str) -> tuple[Any, ...]:
    """What a PRAGMA answers, read to its end: an answer that waits holds a lock."""
    result = connection.execute(text(f"PRAGMA {what}"))
    return tuple(result.all()[0]) if result.returns_rows else ()


def _write_records(connection: Connection, batch: Batch) -> None:
    for name, number in batch.changes.sequences.items():
        _put(connection, sequence, rows.sequence_row(name, number))
    for record in batch.decisions:
        connection.execute(upsert(decision).values(rows.decision_row(record)).on_conflict_do_nothing())
    for message in batch.notices:
        connection.execute(upsert(notice).values(rows.notice_row(message)).on_conflict_do_nothing())
    if batch.done_notices:
        connection.execute(delete(notice).where(notice.c.id.in_(batch.done_notices)))
    for name, entry in batch.exceptions.items():
        if entry is None:
            connection.execute(delete(exception).where(exception.c.name == rows.bytes_of(name)))
        else:
            _put(connection, exception, rows.exception_row(name, entry))
    for fact, value in batch.meta.items():
        _put(connection, meta, rows.meta_row(fact, value))


def _put(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Insert a row, or put it in the place of the one of that name."""
    other = {name: value for name, value in row.items() if name != "name"}
    connection.execute(upsert(table).values(row).on_conflict_do_update(index_elements=["name"], set_=other))
