"""Limits whatever keeps the counts: this process alone, its state file, or a Redis that several share.

Everything is counted through `Counting`; a further store is one more entry of `STORES`. Time is a number of
quanta that the tests set.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from sendwarden.engine.limits.charges import Asked, Charges
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.outcome import Taken
from sendwarden.engine.limits.rules import Counts, Limit, Limits
from sendwarden.engine.limits.shared import Answer, NeedsRoom, Question, SharedMeter
from sendwarden.engine.limits.table import LimitTable, key_of
from sendwarden.engine.limits.windows import QUANTUM_S, WINDOWS
from sendwarden.stores import redis as stores_redis
from sendwarden.stores.journal import Journal
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.redis import Client, RedisRoom, connect
from tests.servers.redis import RedisServer
from tests.stores.around import KeptLog

START = 1_764_000_000 // QUANTUM_S // 120 * 120  # the beginning of an hour
LIMITS = Limits((Limit(1, 0, 20, "test"), Limit(1, 1, 50, "test"), Limit(4, 2, 10_000, "test")))
ONE = Counts(recipients=1)
MOST = 4  # accounts


class Time:
    """The quantum that all processes live in, and a clock by it."""

    def __init__(self) -> None:
        self.quantum = START

    def now(self) -> float:
        return float(self.quantum * QUANTUM_S)

    def own(self) -> float:
        return self.now()

    def hear(self, asked: float, heard: float, there: float) -> None:
        """What it is there is what a test says."""


class Room(RedisRoom):
    """In which Redis takes its time from the test as well."""

    def __init__(self, client: Client, table: LimitTable, time: Time) -> None:
        self.log = KeptLog()
        super().__init__(client, table, time, self.log, "redis")
        self._test = time

    async def _call(self, questions: Sequence[Question]) -> list[Answer | None] | None:
        self.now = str(self._test.quantum)
        return await super()._call(questions)

    async def said(self, question: Question) -> Answer | None:
        (answer,) = await self._call([question]) or [None]
        return answer


class Process:
    """One Sendwarden, as far as it counts."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.table = LimitTable(lambda _channel, _account: LIMITS, MOST)
        self.charges = Charges(time.quantum)
        self.room: Room | None = None

    async def reserve(self, account: str, name: bytes, counts: Counts = ONE) -> bool:
        """One more recipient of a message."""
        return await self._known(lambda: self.charges.reserve(self._asked(account, name), counts))

    async def settle(self, account: str, name: bytes, whole: Counts) -> bool:
        """Its end."""
        return await self._known(lambda: self.charges.settle(self._asked(account, name), whole, end=True))

    def release(self, name: bytes) -> None:
        self.charges.release(name, self._time.quantum)

    async def used(self, account: str, window: int, counter: int = 1) -> int:
        meter = self.table.get("out", account, self._time.quantum)
        assert meter
        if self.room:
            assert isinstance(meter, SharedMeter)
            assert await self.room.look(meter)
        return meter.used(LIMITS.of(counter, window) or Limit(counter, window, 1), self._time.quantum)

    def _asked(self, account: str, name: bytes) -> Asked:
        meter = self.table.get("out", account, self._time.quantum)
        assert meter
        return Asked(name, meter, self._time.quantum)

    async def _known(self, count: Callable[[], Taken]) -> bool:
        try:
            return count().over is None
        except NeedsRoom as first:
            need = first
        while True:
            assert self.room
            assert await self.room.ask(need), "Redis answers"
            try:
                with need.meter.heard(answered=True):
                    return count().over is None
            except NeedsRoom as more:
                need = more


class Counting(ABC):
    """Where counts are kept."""

    def __init__(self, folder: Path, server: RedisServer) -> None:
        self.folder = folder
        self.server = server
        self.time = Time()

    @abstractmethod
    def process(self, *, killed: bool = False) -> AbstractAsyncContextManager[Process]:
        """A process, as a context; one that is ``killed`` ends without a word once it was flushed."""


class Memory(Counting):
    """One process, as long as it lives."""

    @asynccontextmanager
    async def process(self, *, killed: bool = False) -> AsyncIterator[Process]:
        del killed
        yield Process(self.time)


class StateFile(Counting):
    """The embedded store."""

    @asynccontextmanager
    async def process(self, *, killed: bool = False) -> AsyncIterator[Process]:
        made = Process(self.time)
        meters = MemoryMeters({})
        meters.limits = made.table
        journal = Journal(self.folder / "state.db", meters, self.time, KeptLog())
        await journal.open(lambda: b"k" * 16)
        await journal.load_meters()
        yield made
        await journal.flush()
        if not killed:
            await journal.close()


class Redis(Counting):
    """A real one."""

    @asynccontextmanager
    async def process(self, *, killed: bool = False) -> AsyncIterator[Process]:
        made = Process(self.time)
        client = connect(self.server.url, "", cluster=False)
        made.table.new_meter = SharedMeter
        made.room = Room(client, made.table, self.time)
        running = asyncio.create_task(made.room.run())
        yield made
        running.cancel()
        if killed:
            await client.aclose()
        else:
            await made.room.close()


STORES: dict[str, type[Counting]] = {"memory": Memory, "state file": StateFile, "redis": Redis}
LASTING = ["state file", "redis"]
SHARING = ["redis"]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    made = RedisServer()
    yield made
    made.remove()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is looked at here, not how fast: on a busy machine a real Redis may be late."""
    monkeypatch.setattr(stores_redis, "DEADLINE_S", 20.0)
    monkeypatch.setattr(stores_redis, "CALL_S", 20.0)


@pytest.fixture(params=STORES)
def counting(request: pytest.FixtureRequest, tmp_path: Path, redis: RedisServer) -> Counting:
    return made_of(request.param, tmp_path, redis)


def made_of(name: str, folder: Path, redis: RedisServer) -> Counting:
    redis.ask("FLUSHALL")
    return STORES[name](folder, redis)


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(test)


def test_all_of_a_limit_from_a_standing_start_and_not_one_more(counting: Counting) -> None:
    async def test() -> None:
        async with counting.process() as one:
            went = [await one.reserve("eve", b"m%d" % n) for n in range(30)]
            assert went == [True] * 20 + [False] * 10

    run(test())


def test_at_once_as_well(counting: Counting) -> None:
    async def test() -> None:
        async with counting.process() as one:
            went = await asyncio.gather(*(one.reserve("eve", b"m%d" % n) for n in range(64)))
            assert went.count(True) == 20

    run(test())


def test_room_comes_back_when_the_step_has_left_the_window(counting: Counting) -> None:
    async def test() -> None:
        async with counting.process() as one:
            for n in range(20):
                assert await one.reserve("eve", b"m%d" % n)
            counting.time.quantum = START + WINDOWS[0].length
            assert not await one.reserve("eve", b"early")
            counting.time.quantum += 1
            assert [await one.reserve("eve", b"n%d" % n) for n in range(21)] == [True] * 20 + [False]

    run(test())


def test_a_message_is_settled_and_given_back(counting: Counting) -> None:
    async def test() -> None:
        async with counting.process() as one:
            for _ in range(15):
                assert await one.reserve("eve", b"big")
            counting.time.quantum += 2
            assert await one.settle("eve", b"big", Counts(1, 4, bytes=500))
            assert await one.used("eve", 0) == 4
            assert await one.used("eve", 2, counter=4) == 500
            one.release(b"big")
            assert await one.used("eve", 0) == 0
            assert [await one.reserve("eve", b"n%d" % n) for n in range(21)] == [True] * 20 + [False]

    run(test())


def test_a_message_goes_whole_or_not_at_all(counting: Counting) -> None:
    async def test() -> None:
        async with counting.process() as one:
            assert await one.settle("eve", b"a", Counts(1, 12))
            assert not await one.settle("eve", b"b", Counts(1, 9))
            assert await one.settle("eve", b"c", Counts(1, 8))
            assert not await one.settle("eve", b"d", Counts(1, 1))
            assert await one.settle("bob", b"e", Counts(1, 1, bytes=10_000))
            assert not await one.settle("bob", b"f", Counts(1, 1, bytes=1))

    run(test())


def test_never_more_than_a_limit_in_any_window(counting: Counting) -> None:
    """Random messages over two days, some given back: each window is looked at in full."""

    async def test() -> None:
        chance = random.Random(3)  # noqa: S311 - a test that can be repeated
        went: dict[int, int] = {}
        async with counting.process() as one:
            for number in range(400):
                counting.time.quantum += chance.choice((0, 0, 0, 1, 1, 2, 5, 11, 40))
                size = chance.choice((1, 1, 1, 3, 7))
                name = b"m%d" % number
                if await one.settle("eve", name, Counts(1, size)):
                    if chance.random() < 0.2:
                        one.release(name)
                    else:
                        at = counting.time.quantum
                        went[at] = went.get(at, 0) + size
        for limit in LIMITS.limits[:2]:
            length = WINDOWS[limit.window].length
            fullest = max(sum(n for q, n in went.items() if start <= q < start + length) for start in went)
            assert fullest <= limit.most
            assert fullest > limit.most * 0.7

    run(test())


@pytest.mark.parametrize("name", LASTING)
@pytest.mark.parametrize("killed", [False, True])
def test_another_process_goes_on_where_one_ended(
    name: str, killed: bool, tmp_path: Path, redis: RedisServer
) -> None:
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        async with counting.process(killed=killed) as one:
            assert await one.settle("eve", b"a", Counts(1, 12, bytes=300))
        async with counting.process() as other:
            used = await other.used("eve", 0)
            # What a killed process had drawn and not used stays charged: less than a tenth of the limit.
            assert 12 <= used <= (12 + 2 if killed and name == "redis" else 12)
            assert [await other.reserve("eve", b"n%d" % n) for n in range(9)].count(True) == 20 - used

    run(test())


@pytest.mark.parametrize("name", SHARING)
def test_three_processes_are_exact_together(name: str, tmp_path: Path, redis: RedisServer) -> None:
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        chance = random.Random(5)  # noqa: S311 - a test that can be repeated
        went: dict[int, int] = {}
        async with counting.process() as a, counting.process() as b, counting.process() as c:
            processes = [a, b, c]
            for number in range(150):
                counting.time.quantum += chance.choice((0, 0, 1, 2, 7))
                asked = [(chance.choice(processes), b"m%d.%d" % (number, n)) for n in range(6)]
                answers = await asyncio.gather(*(one.reserve("eve", name) for one, name in asked))
                kept = [pair for pair, answer in zip(asked, answers, strict=True) if answer]
                for one, message in kept:
                    if chance.random() < 0.2:
                        one.release(message)
                    else:
                        at = counting.time.quantum
                        went[at] = went.get(at, 0) + 1
            counting.time.quantum += 1
            for _ in range(100):  # what ended quanta came to is told a moment later
                seen = {await one.used("eve", 2) for one in processes}
                if len(seen) == 1:
                    break
                await asyncio.sleep(0.1)
            assert len(seen) == 1, "all see the same"
        for limit in LIMITS.limits[:2]:
            length = WINDOWS[limit.window].length
            fullest = max(sum(n for q, n in went.items() if start <= q < start + length) for start in went)
            assert fullest <= limit.most
            assert fullest > limit.most * 0.7

    run(test())


@pytest.mark.parametrize("name", SHARING)
def test_what_was_drawn_and_not_used_goes_back_whenever_it_was_drawn(
    name: str, tmp_path: Path, redis: RedisServer
) -> None:
    """Also by somebody who sends as a quantum begins, before what the last one came to is told."""
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        async with counting.process() as one, counting.process() as other:
            assert await one.reserve("eve", b"first")
            counting.time.quantum += 1
            assert await one.reserve("eve", b"second")
            for _ in range(2):
                await asyncio.sleep(0.5)  # what ended quanta came to is told
                counting.time.quantum += 1
            for _ in range(100):
                if (used := await other.used("eve", 0)) == 2:
                    break
                await asyncio.sleep(0.1)
            assert used == 2

    run(test())


@pytest.mark.parametrize("name", SHARING)
def test_an_account_that_was_forgotten_meanwhile_has_its_count(
    name: str, tmp_path: Path, redis: RedisServer
) -> None:
    """A flood of names drives it out of one process's memory; it is counted anew in the same quantum."""
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        async with counting.process() as one:
            for n in range(3):
                assert await one.reserve("eve", b"e%d" % n)
            for number in range(3 * MOST):
                assert await one.settle(f"name{number}", b"n%d" % number, Counts(1, 9))
            assert one.table.find("out", "eve") is None
            went = 0
            for _ in range(2):  # then what the forgotten meter had drawn and not used is back
                went += [await one.reserve("eve", b"f%d" % n) for n in range(20)].count(True)
                counting.time.quantum += 1
                await asyncio.sleep(0.5)
            assert went == 17
            one.release(b"e0")
            await asyncio.sleep(0.5)
            counting.time.quantum += 1
            await asyncio.sleep(0.5)
            assert [await one.reserve("eve", b"g%d" % n) for n in range(3)] == [True, False, False]

    run(test())


BAD_POOLS = {
    "no pool": ("SET", b"garbage"),
    "something else": ("RPUSH", b"1"),
    "nothing": ("SET", b""),
    "a number": ("SET", b"\x07"),
    "rows that are none": ("SET", b"\x93\x00\x91\x07\x90"),  # [0, [7], []]
    "less than nothing": ("SET", b"\x93\x00\x91\x92\x01\xff\x90"),  # [0, [[1, -1]], []]
    "a row of nobody": ("SET", b"\x93\x00\x90\x91\x92\x01\x01"),  # [0, [], [[1, 1]]]
    "not a number": ("SET", b"\x93\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x90\x90"),  # [nan, [], []]
}


@pytest.mark.parametrize("bad", BAD_POOLS)
def test_a_pool_that_cannot_be_read_is_begun_anew_and_no_trouble_of_others(
    bad: str, tmp_path: Path, redis: RedisServer
) -> None:
    counting = made_of("redis", tmp_path, redis)

    async def test() -> None:
        client = connect(redis.url, "", cluster=False)
        async with counting.process() as one, counting.process() as other:
            assert one.room and other.room
            for n in range(6):
                assert await one.reserve("eve", b"a%d" % n)
            counting.time.quantum += 1
            for n in range(10):
                assert await other.reserve("bob", b"b%d" % n)
            (key,) = await client.keys("*eve*")
            await client.delete(key)
            await client.execute_command(BAD_POOLS[bad][0], key, BAD_POOLS[bad][1])
            went = await asyncio.gather(other.reserve("eve", b"c"), other.reserve("bob", b"d"))
            assert all(went)
            assert not other.room.away
            (about,) = other.room.log.about("counts-unreadable")
            assert "eve on out" in about
            assert [await other.reserve("bob", b"e%d" % n) for n in range(10)] == [True] * 9 + [False]
            # What the first process knows is told again, the rest is counted from 0.
            await one.used("eve", 0)
            assert [await other.reserve("eve", b"f%d" % n) for n in range(20)].count(True) in {13, 19}
            await client.aclose()

    run(test())


@pytest.mark.parametrize("name", SHARING)
def test_a_redis_whose_clock_is_set_back_or_forth_counts_on(
    name: str, tmp_path: Path, redis: RedisServer
) -> None:
    """What was counted before counts for longer then; what comes is counted as ever."""
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        async with counting.process() as one:
            for n in range(6):
                assert await one.reserve("eve", b"a%d" % n)
        for quantum in (START - 500, START - 500 + WINDOWS[0].length // 2):
            counting.time.quantum = quantum
            async with counting.process() as one, counting.process() as other:
                both = [await who.reserve("eve", b"%d" % n) for n in range(4) for who in (one, other)]
                left = 14 if quantum == START - 500 else 6
                assert both.count(True) == min(8, left)

    run(test())


@pytest.mark.parametrize("name", SHARING)
def test_who_asks_in_another_quantum_is_told_and_changes_nothing(
    name: str, tmp_path: Path, redis: RedisServer
) -> None:
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        client = connect(redis.url, "", cluster=False)
        async with counting.process() as one, counting.process() as other:
            for n in range(6):
                assert await one.reserve("eve", b"a%d" % n)
            (key,) = await client.keys("*eve*")
            pool = await client.get(key)
            assert other.room
            meter = other.table.get("out", "eve", START)
            assert isinstance(meter, SharedMeter)
            for ahead in (-100, -2, 2, 100, 100_000):
                answer = await other.room.said(meter.question(START + ahead, [ONE]))
                assert answer is not None
                assert answer.off
                assert await client.get(key) == pool
            await client.aclose()

    run(test())


@pytest.mark.parametrize("name", SHARING)
def test_what_was_reset_stays_so(name: str, tmp_path: Path, redis: RedisServer) -> None:
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        async with counting.process() as one, counting.process() as other:
            for n in range(15):
                assert await one.reserve("eve", b"e%d" % n)
            counting.time.quantum += 1
            assert await one.reserve("eve", b"last")
            assert one.table.reset("out", "eve")
            assert one.room
            assert await one.room.forget(key_of("out", "eve"))
            one.release(b"e0")
            one.release(b"last")
            counting.time.quantum += 1
            await asyncio.sleep(0.5)  # what ended quanta came to is told
            assert [await x.used("eve", 0) for x in (one, other)] == [0, 0]
            assert await one.reserve("eve", b"new")

    run(test())


@pytest.mark.parametrize("name", SHARING)
def test_what_all_see_is_what_one_alone_would_have_counted(
    name: str, tmp_path: Path, redis: RedisServer
) -> None:
    counting = made_of(name, tmp_path, redis)

    async def test() -> None:
        chance = random.Random(11)  # noqa: S311 - a test that can be repeated
        alone = AccountMeter(LIMITS)
        async with counting.process() as a, counting.process() as b:
            for number in range(300):
                counting.time.quantum += chance.choice((1, 1, 2, 3, 9, 20, 130, 400))
                whole = Counts(1, chance.randrange(1, 5), bytes=chance.randrange(200))
                one = chance.choice((a, b))
                went = await one.settle("eve", b"m%d" % number, whole)
                assert went is (alone.take(counting.time.quantum, whole).over is None)
                counting.time.quantum += 1
                for process in (a, b):
                    await process.used("eve", 0)
                    meter = process.table.find("out", "eve")
                    assert meter
                    if process is one:  # the other may not have heard of the lease that goes back
                        alone.roll(counting.time.quantum)
                        assert meter.sums(counting.time.quantum) == alone.sums(counting.time.quantum)

    run(test())
