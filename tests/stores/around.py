"""What stands around a store: a clock that a test moves, a log that it reads, tables, and ways to crash."""

import asyncio
import resource
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sendwarden.engine.meters.options import TableOptions, read_options
from sendwarden.service.ports import Fields
from sendwarden.stores.journal import Journal
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.sql import SqlState

START = 1_700_000_000.0
# How long a test waits for something to happen in the background, in seconds. The machine may be busy.
PATIENCE_S = 20.0

TABLES = """
metermaid.table.spam.quota = 50
metermaid.table.spam.quota_time = 3600
metermaid.table.spam.max_entries = 10000
metermaid.table.many.quota = 5000
metermaid.table.many.quota_time = 3600
metermaid.table.names.type = simple
metermaid.table.names.value_type = string
"""


@dataclass(slots=True)
class HandClock:
    """`Clock` that stands still until it is moved."""

    at: float = START

    def now(self) -> float:
        return self.at


@dataclass(slots=True)
class KeptLog:
    """`EventLog` that keeps everything."""

    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def event(self, kind: str, fields: Fields) -> None:
        self.events.append((kind, dict(fields() if callable(fields) else fields)))

    def warning(self, warning: str, about: str) -> None:
        self.warnings.append((warning, about))

    def about(self, warning: str) -> list[str]:
        return [about for found, about in self.warnings if found == warning]


def tables() -> dict[str, TableOptions]:
    options, problems = read_options("metermaid.options", TABLES)
    assert not problems
    return options


@dataclass(slots=True)
class Site:
    """A journal over a file, with its meters. `running` opens it and runs it as the daemon does."""

    path: Path
    clock: HandClock = field(default_factory=HandClock)
    log: KeptLog = field(default_factory=KeptLog)
    meters: MemoryMeters = field(init=False)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.meters = MemoryMeters(tables())
        self.journal = Journal(self.path, self.meters, self.clock, self.log)

    @asynccontextmanager
    async def running(self, key: bytes = b"k" * 16) -> AsyncIterator[Journal]:
        """Opened, loaded and written in the background; closed at the end."""
        self.begin()
        await self.journal.open(lambda: key)
        await self.journal.load_meters()
        task = asyncio.create_task(self.journal.run())
        try:
            yield self.journal
        finally:
            try:
                await self.journal.close()
            finally:
                await task

    def hits(self, key: str, number: int, table: str = "spam") -> None:
        for _ in range(number):
            self.meters.throttle(table, key, self.clock.now())

    def used(self, key: str, table: str = "spam") -> float:
        return self.meters.query(table, key, self.clock.now()).used


def killed(path: Path, folder: Path) -> Path:
    """What `kill -9` would leave at this moment: the files as they are, in another folder."""
    folder.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        if (path.parent / name).exists():
            shutil.copy(path.parent / name, folder / name)
    return folder / path.name


def stored(state: SqlState) -> tuple[dict[tuple[str, str], dict[int, bytes]], int]:
    """All parts by table and key, and how many were damaged."""
    found: dict[tuple[str, str], dict[int, bytes]] = {}
    damaged = 0
    for group in state.meters():
        for table, key, parts, bad in group:
            found.setdefault((table, key), {}).update(parts)
            damaged += bad
    return {key: parts for key, parts in found.items() if parts}, damaged


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may grow: every write beyond its first page fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def room_for_readers() -> Iterator[None]:
    """Within `no_room`: whoever opens the file anew to read it makes its index (-shm) grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def until(what: str, holds: Callable[[], object]) -> None:
    """Wait until something holds. Raises `AssertionError` naming it when that takes too long."""
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while not holds():
        assert asyncio.get_running_loop().time() < end, f"not within {PATIENCE_S:g} s: {what}"
        await asyncio.sleep(0.01)
