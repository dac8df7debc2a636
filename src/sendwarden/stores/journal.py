"""The embedded store's remembering half: what happens in memory goes to the state file, in small batches.

Every `FLUSH_INTERVAL_S` what changed is written; `keep` asks for a batch at once and returns when it is
durable (everybody waiting shares one). On an error the store counts as failed: nothing is retried as if the
last attempt had half worked. The file is opened anew, after a pause, and everything known is written again.
Meanwhile decisions go on from memory, and `keep` raises `StoreDown`.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sendwarden.core.errors import StoreDown
from sendwarden.core.reference import reference
from sendwarden.service.ports import Clock, EventLog
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.sql import Batch, SqlState

# With the time a batch takes this must stay well below the 250 ms of counts that `kill -9` may cost.
FLUSH_INTERVAL_S = 0.1
# How long `keep` waits at the most: the mail server waits for the answer.
KEEP_TIMEOUT_S = 0.5
# First and longest pause before a failed file is opened again.
REOPEN_FIRST_S = 0.5
REOPEN_LONGEST_S = 5.0
# Records kept in memory while the file is failed; older ones are lost and counted.
PENDING_RECORDS = 10_000
# References reserved in the file ahead of their use, so that none is given out twice after `kill -9`.
REFERENCE_BLOCK = 4096

T = TypeVar("T")


class Numbers:
    """`References` from a block of numbers that the file has reserved."""

    def __init__(self, key: bytes, start: int) -> None:
        self._key = key
        self._next = start
        self.reserved = start

    def next(self) -> str:
        self._next += 1
        return reference(self._next - 1, self._key)

    @property
    def left(self) -> int:
        return self.reserved - self._next

    def reserve(self) -> int:
        """One more block; the number to write to the file before it counts."""
        return self._next + REFERENCE_BLOCK


class Journal:
    """`Ledger`, and keeper of the meters. Open with `open`, run `run` as a task, end with `close`."""

    def __init__(self, path: Path, meters: MemoryMeters, clock: Clock, log: EventLog) -> None:
        self._path = path
        self._meters = meters
        self._clock = clock
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._state: SqlState | None = None
        self._pending = Batch()
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()
        self._stopping = False
        self._loaded = False
        self._reopen_pause_s = REOPEN_FIRST_S
        self.references = Numbers(b"", 0)
        self.failed = False

    async def open(self, new_key: Callable[[], bytes]) -> list[dict[str, object]]:
        """Open the file, creating it where there is none. Returns notices that still wait.

        Raises `StoreDown` for a file that cannot be used; its text says what to do.
        """
        self._state = await self._in_thread(SqlState, self._path)
        known = await self._in_thread(self._state.meta)
        key = bytes.fromhex(known["reference_key"]) if "reference_key" in known else new_key()
        self.references = Numbers(key, int(known.get("next_reference", "0")))
        upto = self.references.reserve()
        first = Batch(meta={"reference_key": key.hex(), "next_reference": str(upto)})
        await self._in_thread(self._state.write, first)
        self.references.reserved = upto
        for name, number in (await self._in_thread(self._state.sequences)).items():
            self._meters.restore_sequence(name, number)
        self._meters.start_loading()
        return await self._in_thread(self._state.notices)

    async def load_meters(self) -> int:
        """Read the stored counts behind the first answers.

        Returns how many parts were damaged and left out.
        """
        assert self._state is not None
        damaged = 0
        groups = self._state.meters()
        while group := await self._in_thread(next, groups, None):
            for table, key, parts, bad in group:
                damaged += bad
                self._meters.restore(table, key, parts, self._clock.now())
            await asyncio.sleep(0)
        self._meters.loaded()
        self._loaded = True
        if damaged:
            self._log.warning("state-damaged", f"{damaged} parts of meters")
        return damaged

    async def keep(self, record: Mapping[str, object], notice: Mapping[str, object] | None = None) -> None:
        """Make a decision durable, and with it a message that must still be sent. Raises `StoreDown`."""
        if self.failed and len(self._pending.decisions) >= PENDING_RECORDS:
            self._log.warning("record-lost", "decisions")
            raise StoreDown(f"{self._path} has failed")
        self._pending.decisions.append(record)
        if notice:
            self._pending.notices.append(notice)
        await self._soon()

    async def done(self, notice_id: str) -> None:
        """The message was handed over, or given up. Raises `StoreDown`; it may then be sent twice."""
        self._pending.done_notices.append(notice_id)
        await self._soon()

    async def _soon(self) -> None:
        if self.failed:
            raise StoreDown(f"{self._path} has failed; what is to be kept waits in memory")
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._wanted.set()
        try:
            async with asyncio.timeout(KEEP_TIMEOUT_S):
                await waiter
        except TimeoutError:
            raise StoreDown(f"{self._path} gave no answer within {KEEP_TIMEOUT_S:g} s") from None

    async def run(self) -> None:
        """Write batches until `close`."""
        while not self._stopping:
            try:
                async with asyncio.timeout(FLUSH_INTERVAL_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            if self.failed:
                await self._reopen()
            else:
                await self.flush()

    async def flush(self) -> None:
        """Write what changed since the last batch."""
        batch, self._pending = self._pending, Batch()
        waiting, self._waiting = self._waiting, []
        batch.changes = self._meters.changes(self._clock.now())
        upto = 0
        if self.references.left < REFERENCE_BLOCK // 2:
            upto = self.references.reserve()
            batch.meta["next_reference"] = str(upto)
        if not batch or self._state is None:
            return
        try:
            await self._in_thread(self._state.write, batch)
        except StoreDown as error:
            await self._fail(error, batch, waiting)
            return
        self.references.reserved = max(upto, self.references.reserved)
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _fail(self, error: StoreDown, batch: Batch, waiting: list[asyncio.Future[None]]) -> None:
        self.failed = True
        self._log.warning("store-failed", str(error))
        # None of it is known to be kept: it is written again, whole, once the file is open again.
        batch.decisions += self._pending.decisions
        batch.notices += self._pending.notices
        batch.done_notices += self._pending.done_notices
        self._pending = batch
        for waiter in [*waiting, *self._waiting]:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiting.clear()
        if self._state is not None:
            state, self._state = self._state, None
            await self._in_thread(state.close)

    async def _reopen(self) -> None:
        await asyncio.sleep(self._reopen_pause_s)
        self._reopen_pause_s = min(2 * self._reopen_pause_s, REOPEN_LONGEST_S)
        batch = self._pending
        self._meters.changes(self._clock.now())  # part of everything, below
        batch.changes = self._meters.everything()
        batch.anew = self._loaded  # else the file still holds counts that were not read yet
        state = None
        try:
            state = await self._in_thread(SqlState, self._path)
            await self._in_thread(state.write, batch)
        except StoreDown as error:
            self._log.warning("store-failed", str(error))
            if state is not None:
                await self._in_thread(state.close)
            return
        self._state, self._pending = state, Batch()
        self.failed, self._reopen_pause_s = False, REOPEN_FIRST_S
        self._log.event("store-recovered", {"path": str(self._path)})

    async def forget_decisions(self, older_than_s: float) -> None:
        """Drop decisions kept for longer than this. While the file has failed, nothing happens."""
        if self._state is None:
            return
        try:
            await self._in_thread(self._state.forget_decisions, self._clock.now() - older_than_s)
        except StoreDown as error:
            self._log.warning("store-failed", str(error))

    async def close(self) -> None:
        """Write the last batch and let go of the file.

        Raises `StoreDown` if that batch could not be written.
        """
        self._stopping = True
        self._wanted.set()
        if self._state is not None:
            await self.flush()
        if self._state is not None:
            await self._in_thread(self._state.close)
            self._state = None
        self._thread.shutdown()
        if self.failed:
            raise StoreDown(f"{self._path} has failed; its last counts were not kept")

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)
