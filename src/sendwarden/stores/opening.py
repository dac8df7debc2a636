"""The state file as a file: how it comes into being, is opened, and what is said when it cannot be used.

A new file is made under another name and moved into place as a whole, so that an empty or half-made one is
always damage and never the start of ours.
"""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, insert, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from sendwarden.core.errors import StoreDown
from sendwarden.stores.rows import meta_row
from sendwarden.stores.schema import LATER, VERSION, meta, metadata

# How long a batch waits for another program that has locked the file.
BUSY_TIMEOUT_MS = 2000
# Errors of SQLite that mean the content is bad, and those that mean somebody else holds the file.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY = 0xFF  # the rest of an extended result code is detail


class StateDamaged(StoreDown):
    """The file is no state file, or cannot be trusted. Its text says what to do."""


class StateTooNew(StoreDown):
    """A later version of Sendwarden wrote the file."""


def log_of(path: Path) -> Path:
    """Where SQLite keeps the write-ahead log of a file."""
    return path.with_name(path.name + "-wal")


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection. ``mode``: ``ro``, ``rw``, ``rwc``, or more of SQLite's URI parameters."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,  # the journal uses one thread, but not always the one that opened it
    )


def engine(path: Path, mode: str) -> Engine:
    """SQLAlchemy over one connection that is opened when first used."""
    return create_engine("sqlite+pysqlite://", creator=lambda: connect(path, mode), poolclass=StaticPool)


# Envelopes and logins of people stand in it.
MODE = 0o640


def create(path: Path) -> None:
    """Make a new, empty state file. Raises `StoreDown`."""
    if log_of(path).exists():
        raise StateDamaged(
            f"{path} is missing, but its {log_of(path).name} is there. Put the file back beside it, "
            f"or move {log_of(path).name} away as well and start again: meters then begin at 0"
        )
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        made = engine(fresh, "rwc")
        try:
            with made.begin() as connection:
                metadata.create_all(connection)
                connection.execute(insert(meta).values(meta_row("version", str(VERSION))))
            with made.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL").all()
            fresh.chmod(MODE)  # its log gets the same
        finally:
            made.dispose()
        fresh.rename(path)
        _sync_folder(path.parent)
    except (OSError, SQLAlchemyError, sqlite3.Error) as error:
        raise trouble(path, error) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tables_there(connection: Connection) -> bool:
    """Are all tables there that the file's version has? Those that are later ones' may be missing."""
    return names_of_tables(connection) >= set(metadata.tables) - set(LATER)


def names_of_tables(connection: Connection) -> set[str]:
    return set(connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars())


def upgrade(connection: Connection) -> None:
    """Make what a file of an earlier version lacks."""
    metadata.create_all(connection)
    connection.execute(update(meta).where(meta.c.name == "version").values(meta_row("version", str(VERSION))))


def trouble(path: Path, error: BaseException) -> StoreDown:
    """What went wrong with the file, and what to do about it."""
    if isinstance(error, UnicodeDecodeError):  # SQLite's own words about it repeat what is garbled
        return damaged(path, "what it says of its tables is garbled")
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None and code & _PRIMARY in _DAMAGE:
        return damaged(path, str(cause))
    if code is not None and code & _PRIMARY in _LOCKED:
        return StoreDown(
            f"the state file {path} is held by another program ({cause}): end that one, it is ours"
        )
    if path.is_dir():
        return damaged(path, "it is a folder")
    if code is not None:
        name = getattr(cause, "sqlite_errorname", code)
        return StoreDown(f"{path}: {cause} ({name}); is there room on the disk, and may we write to it?")
    return StoreDown(f"{path}: {getattr(cause, 'strerror', None) or cause}")


def damaged(path: Path, why: str) -> StateDamaged:
    return StateDamaged(
        f"the state file {path} cannot be used: {why}. "
        f"Move it away (with {path.name}-wal and {path.name}-shm) and start again: meters then begin at 0; "
        "or restore it from a copy"
    )


def too_new(path: Path, version: int) -> StateTooNew:
    return StateTooNew(
        f"{path} was written by a later Sendwarden (state version {version}, this one reads {VERSION}): "
        'run that one, or name another place with state = "..."'
    )
