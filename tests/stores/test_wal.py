"""stores.wal: what a log says of itself, compared with what SQLite makes of the same log."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendwarden.stores import wal
from sendwarden.stores.wal import Log, read_log

PAGE, HEADER, FRAME = 4096, 32, 24


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    yield connection
    connection.close()


def frames(database: sqlite3.Connection) -> int:
    """How many frames SQLite counts."""
    (_busy, number, _folded) = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(number)


def test_no_log_is_none_and_an_empty_one_holds_nothing(tmp_path: Path) -> None:
    assert read_log(tmp_path / "x.db-wal") is None
    (tmp_path / "x.db-wal").touch()
    assert read_log(tmp_path / "x.db-wal") == Log(readable=True, last_commit=0)


def test_the_last_commit_is_the_last_frame_that_sqlite_counts(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    for size in (10, 10_000, 3):
        database.execute("INSERT INTO t VALUES (?)", ("x" * size,))
        database.commit()

        log = read_log(tmp_path / "x.db-wal")

        assert log == Log(readable=True, last_commit=frames(database))
        assert not log.lost(frames(database))
        assert log.lost(frames(database) - 1)


@pytest.mark.parametrize("left", [0, HEADER, HEADER + PAGE + FRAME + 5])
def test_a_log_that_is_folded_while_it_is_read_ends_there(
    tmp_path: Path, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    database.execute("INSERT INTO t VALUES (?)", ("x" * 90_000,))
    database.commit()
    log = tmp_path / "x.db-wal"
    sums = wal._sums  # noqa: SLF001 - called between the look at its size and at its frames

    def fold(raw: bytes, order: str) -> list[int]:
        os.truncate(log, left)
        return sums(raw, order)

    monkeypatch.setattr(wal, "_sums", fold)

    found = read_log(log)

    assert found and found.readable and found.last_commit <= 1


def test_what_was_not_committed_is_not_lost(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("PRAGMA cache_size = 2")  # so that a long transaction spills into the log
    database.executemany("INSERT INTO t VALUES (?)", (("x" * 3000,) for _ in range(50)))
    size = (tmp_path / "x.db-wal").stat().st_size
    log = read_log(tmp_path / "x.db-wal")
    database.rollback()

    assert log and (size - HEADER) // (PAGE + FRAME) > log.last_commit
    assert not log.lost(frames(database))


def test_frames_from_before_the_log_began_anew_do_not_count(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    database.execute("INSERT INTO t VALUES (?)", ("x" * 50_000,))
    database.commit()
    database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    database.execute("INSERT INTO t VALUES (1)")
    database.commit()

    log = read_log(tmp_path / "x.db-wal")
    assert log and 0 < log.last_commit == frames(database) < 5


@given(st.integers(0, HEADER - 1), st.integers(1, 255))
@settings(max_examples=60)
def test_a_damaged_header_is_unreadable(
    tmp_path_factory: pytest.TempPathFactory, place: int, mask: int
) -> None:
    folder = tmp_path_factory.mktemp("wal")
    connection = sqlite3.connect(folder / "x.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    raw = bytearray((folder / "x.db-wal").read_bytes())
    connection.close()

    raw[place] ^= mask
    (folder / "bad").write_bytes(raw)

    log = read_log(folder / "bad")
    assert log and log.lost(kept_frames=0)


@given(st.binary(max_size=200))
def test_any_bytes_are_some_log(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("wal") / "garbage"
    path.write_bytes(raw)

    log = read_log(path)

    assert log and log.last_commit == 0
