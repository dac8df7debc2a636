"""The embedded store's remembering half: what happens in memory goes to the state file, in small batches.

Every `FLUSH_INTERVAL_S` what changed is written; `keep` asks for a batch at once and returns when it is
durable (everybody waiting shares one). On an error the store counts as failed: nothing is retried as if the
last attempt had half worked. The file is opened anew, after a pause, and everything known is written again,
also records that were written since the log was last folded: a disk that fails may have lost them although
it said that they were synced. Meanwhile decisions go on from memory, and `keep` raises `StoreDown`.

Known limits: writing everything again takes the event loop some 5 s for a million keys. References given out
while the file has failed are safe from being given out twice up to half a `REFERENCE_BLOCK` of them.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from sendwarden.core.errors import StoreDown
from sendwarden.core.reference import reference
from sendwarden.service.ports import Clock, EventLog
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.rows import StoredKey
from sendwarden.stores.sql import SqlState

# With the time a batch takes this must stay well below the 250 ms of counts that `kill -9` may cost.
FLUSH_INTERVAL_S = 0.1
# How long `keep` waits at the most: the mail server waits for the answer.
KEEP_TIMEOUT_S = 0.5
# First and longest pause before a failed file is opened again.
REOPEN_FIRST_S = 0.5
REOPEN_LONGEST_S = 5.0
# Records kept in memory while the file is failed or does not answer; further ones are lost and counted.
PENDING_RECORDS = 10_000
# References reserved in the file ahead of their use, so that none is given out twice after `kill -9`. Each
# crash skips up to so many of the 2**30 there are.
REFERENCE_BLOCK = 65_536

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
    def given_out(self) -> int:
        return self._next

    @property
    def left(self) -> int:
        return self.reserved - self._next

    def reserve(self) -> int:
        """One more block; the number to write to the file before it counts."""
        return self._next + REFERENCE_BLOCK

    def facts(self, upto: int) -> dict[str, str]:
        """What the file must hold for numbers below ``upto`` to be used."""
        return {"reference_key": self._key.hex(), "next_reference": str(upto)}


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
        self._in_log = Batch()  # records that so far stand in the log alone
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._writing = asyncio.Lock()
        self._loaded = False
        self._anew = False
        self._reopen_pause_s = REOPEN_FIRST_S
        self.references = Numbers(b"", 0)
        self.failed = False
        self.exceptions: list[dict[str, object]] = []  # as they were when the file was opened

    # --- the beginning

    async def open(self, new_key: Callable[[], bytes]) -> list[dict[str, object]]:
        """Open the file, creating it where there is none. Returns notices that still wait.

        Raises `StoreDown` for a file that cannot be used; its text says what to do.
        """
        state = await self._in_thread(SqlState, self._path)
        try:
            found = await self._in_thread(self._begin, state, new_key)
        except StoreDown:
            await self._in_thread(state.abandon)
            raise
        sequences, waiting = found
        for name, number in sequences.items():
            self._meters.restore_sequence(name, number)
        self._tell_damage(state)
        self._meters.start_loading()
        self._state = state
        return waiting

    def _begin(
        self, state: SqlState, new_key: Callable[[], bytes]
    ) -> tuple[dict[str, int], list[dict[str, object]]]:
        known = state.meta()
        # Of references whose reservation was lost, the same numbers under another key are others.
        fresh = state.log_lost or "reference_key" not in known
        key = new_key() if fresh else bytes.fromhex(known["reference_key"])
        numbers = Numbers(key, int(known.get("next_reference", "0")))
        upto = numbers.reserve()
        state.write(Batch(meta=numbers.facts(upto)))
        state.fold()  # so that not even the loss of the log makes them come twice
        numbers.reserved = upto
        self.references = numbers
        self.exceptions = state.exceptions()
        return state.sequences(), state.notices()

    def _tell_damage(self, state: SqlState) -> None:
        for what in state.damage:
            self._log.warning("state-damaged", what)

    async def load_meters(self) -> int:
        """Read the stored counts behind the first answers, from the file as it was when reading began.

        Returns how many parts were damaged and left out.
        """
        bad = 0
        reader = None
        try:
            reader = await self._in_thread(partial(SqlState, self._path, read_only=True))
            groups = reader.meters()
            while group := await self._in_thread(partial(next, groups, None)):
                bad += self._restore(group)
                await asyncio.sleep(0)
            self._tell_damage(reader)
        except StoreDown as error:
            self._log.warning("state-damaged", f"not all stored counts could be read: {error}")
            self._anew = True
        finally:
            if reader is not None:
                await self._in_thread(reader.close)
        if bad:
            self._log.warning("state-damaged", f"{bad} parts of meters")
            self._anew = True  # keys that are damaged stand out of order, where nothing finds them
        self._meters.loaded(whole=not self._anew)
        self._loaded = True
        return bad

    def _restore(self, group: list[StoredKey]) -> int:
        now = self._clock.now()
        for table, key, parts, _bad in group:
            self._meters.restore(table, key, parts, now)
        return sum(bad for _table, _key, _parts, bad in group)

    # --- keeping

    async def keep(self, record: Mapping[str, object], notice: Mapping[str, object] | None = None) -> None:
        """Make a decision durable, and with it a message that must still be sent. Raises `StoreDown`."""
        if len(self._pending.decisions) >= PENDING_RECORDS:
            self._log.warning("record-lost", "decisions")
            raise StoreDown(f"{self._path} has not been written for long: too much waits in memory")
        self._pending.decisions.append(record)
        if notice:
            self._pending.notices.append(notice)
        await self._soon()

    async def keep_exception(self, name: str, record: Mapping[str, object] | None) -> None:
        """Make an act by hand durable; None: it is gone. Raises `StoreDown`; it may be kept all the same."""
        self._pending.exceptions[name] = record
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
            slow = f"{self._path} gave no answer within {KEEP_TIMEOUT_S:g} s"
            self._log.warning("store-slow", slow)
            raise StoreDown(slow) from None

    async def run(self) -> None:
        """Write batches until `close`."""
        while not self._stopping.is_set():
            if self.failed:
                await _within(self._reopen_pause_s, self._stopping)
                self._reopen_pause_s = min(2 * self._reopen_pause_s, REOPEN_LONGEST_S)
            else:
                await _within(FLUSH_INTERVAL_S, self._wanted)
            self._wanted.clear()
            if not self._stopping.is_set():
                await self.flush()

    async def flush(self) -> None:
        """Write what changed since the last batch; into a failed file, opened anew, everything."""
        async with self._writing:
            recovering = self.failed
            if recovering:
                await self._reopen()
            if not self.failed and self._state is not None:
                await self._flush(self._state)
            if recovering and not self.failed:  # and what came in meanwhile is written as well
                self._log.event("store-recovered", {"path": str(self._path)})

    async def _flush(self, state: SqlState) -> None:
        batch, self._pending = self._pending, Batch()
        waiting, self._waiting = self._waiting, []
        batch.anew = self._anew
        batch.changes = self._meters.everything() if self._anew else self._meters.changes(self._clock.now())
        upto = 0
        if self.references.left < REFERENCE_BLOCK // 2:
            upto = self.references.reserve()
            batch.meta.update(self.references.facts(upto))
        if not batch:
            return
        folds = state.folds
        try:
            await self._in_thread(state.write, batch)
        except StoreDown as error:
            await self._fail(error, batch, waiting)
            return
        self._in_log.followed_by(batch)
        if state.folds > folds:
            self._in_log = Batch()
        del self._in_log.decisions[:-PENDING_RECORDS]
        self._anew = False
        self.references.reserved = max(upto, self.references.reserved)
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _fail(self, error: StoreDown, batch: Batch, waiting: list[asyncio.Future[None]]) -> None:
        self.failed = True
        self._log.warning("store-failed", str(error))
        # None of it is known to be kept: it is written again, whole, once the file is open again.
        self._put_back(batch)
        for waiter in [*waiting, *self._waiting]:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiting.clear()
        if self._state is not None:
            state, self._state = self._state, None
            await self._in_thread(state.abandon)

    def _put_back(self, batch: Batch) -> None:
        """A batch that was not written goes before what has come in meanwhile."""
        later, self._pending = self._pending, batch
        batch.changes.meters.clear()  # read anew from memory
        batch.followed_by(later)

    async def _reopen(self) -> None:
        pending, self._pending = self._pending, Batch()
        batch = Batch(changes=pending.changes, meta=pending.meta)
        batch.followed_by(self._in_log)
        batch.followed_by(pending)
        upto = self.references.reserve()
        batch.meta.update(self.references.facts(upto))  # it may be a new file
        state = None
        try:
            state = await self._in_thread(SqlState, self._path)
            await self._in_thread(_write_to_fresh_log, state, batch)
            # Only now, since it is much work: everything that is known of the meters.
            gone = self._meters.changes(self._clock.now()).dropped_tables  # the rest is part of everything
            every = Batch(changes=self._meters.everything(), anew=self._loaded)
            every.changes.dropped_tables = gone
            await self._in_thread(state.write, every)
        except StoreDown as error:
            self._log.warning("store-failed", str(error))
            self._put_back(pending)
            if state is not None:
                await self._in_thread(state.abandon)
            return
        self._tell_damage(state)
        self._state = state
        self._in_log = batch.records()
        self.references.reserved = upto
        self.failed, self._anew, self._reopen_pause_s = False, False, REOPEN_FIRST_S

    async def forget_decisions(self, older_than_s: float) -> None:
        """Drop decisions kept for longer than this. While the file has failed, nothing happens."""
        before = self._clock.now() - older_than_s
        gone = 1
        while gone:
            async with self._writing:
                if self._state is None:
                    return
                try:
                    gone = await self._in_thread(self._state.forget_decisions, before)
                except StoreDown as error:
                    await self._fail(error, Batch(), [])
                    return

    async def close(self) -> None:
        """Write the last batch and let go of the file.

        Raises `StoreDown` if that batch could not be written.
        """
        self._stopping.set()
        self._wanted.set()
        self._pending.meta.update(self.references.facts(self.references.given_out))
        await self.flush()
        async with self._writing:
            if self._state is not None:
                state, self._state = self._state, None
                await self._in_thread(state.close)
        self._thread.shutdown(wait=False)
        if self.failed:
            raise StoreDown(f"{self._path} has failed; its last counts were not kept")

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)


def _write_to_fresh_log(state: SqlState, batch: Batch) -> None:
    """Write behind no frames that a failed sync may have left unwritten below us."""
    if not state.fold():
        raise StoreDown(f"{state.path} is being read, and cannot be begun anew")
    state.write(batch)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait until ``event``, or so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
