"""service.sharing over a real Redis: whatever is lost on the way, all end with the same, and the last."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from sendwarden.service.book import Book, Entry
from sendwarden.service.ports import Act, ActsAway, News
from sendwarden.service.sharing import TOGETHER, Sharing
from sendwarden.stores.redis import connect
from sendwarden.stores.redis_acts import RedisActs
from tests.servers.redis import RedisServer
from tests.stores.around import HandClock, KeptLog

UNTIL = 4_000_000_000.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    made = RedisServer()
    yield made
    made.remove()


class Store:
    """`Exceptions` that outlives its process."""

    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, object]] = {}

    async def keep_exception(self, name: str, record: Mapping[str, object] | None) -> None:
        await asyncio.sleep(0)
        if record is None:
            self.kept.pop(name, None)
        else:
            self.kept[name] = record


class Unsure:
    """`SharedActs` that loses questions and answers."""

    def __init__(self, acts: RedisActs, chance: random.Random) -> None:
        self.name = acts.name
        self.loses = 0.0
        self._acts = acts
        self._chance = chance

    async def exchange(self, acts: Sequence[Act], place: str, since: int, *, hear: bool) -> News:
        if self._chance.random() < self.loses:
            raise ActsAway("the question was lost")
        news = await self._acts.exchange(acts, place, since, hear=hear)
        if self._chance.random() < self.loses:
            raise ActsAway("the answer was lost")
        return news


class Process:
    """One Sendwarden, as far as acts by hand go."""

    def __init__(self, store: Store, others: Unsure, chance: random.Random) -> None:
        self.others = others
        self.log = KeptLog()
        clock = HandClock()
        self.sharing = Sharing(store, lambda: f"{chance.getrandbits(64):x}", clock, self.log, others)
        self.book = Book(clock, self.sharing)
        assert not self.book.load(self.sharing.load([*store.kept.values()], Entry.name_of_record))

    async def set(self, account: str, reason: str) -> None:
        await self.book.put(Entry("state", account, reason, "test", 0.0, UNTIL, state="contained"))
        await self.sharing.tell()

    async def do(self, what: str, account: str, reason: str) -> None:
        if what == "set":
            await self.set(account, reason)
        elif what == "remove":
            await self.remove(account)
        elif what == "look":
            await self.sharing.tell()

    async def remove(self, account: str) -> None:
        await self.book.remove(Entry.name_of("state", account))
        await self.sharing.tell()

    @property
    def holds(self) -> dict[str, str]:
        return {entry.account: entry.reason for entry in self.book.entries.values()}


@asynccontextmanager
async def places(redis: RedisServer, chance: random.Random, number: int) -> AsyncIterator[list[Unsure]]:
    clients = [connect(redis.url, "", cluster=False) for _ in range(number)]
    yield [Unsure(RedisActs(client, "redis"), chance) for client in clients]
    for client in clients:
        await client.aclose()


async def settled(processes: list[Process]) -> None:
    """Nothing is lost any more, and all look a few times."""
    for one in processes:
        one.others.loses = 0.0
    for _ in range(3):
        for one in processes:
            one.sharing.away = False
            assert await one.sharing.tell()


@pytest.mark.parametrize("seed", range(6))
def test_all_end_up_with_the_same(redis: RedisServer, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test that can be repeated

    async def test() -> None:
        async with places(redis, chance, 3) as others:
            stores = [Store() for _ in others]

            def begun(number: int) -> Process:
                return Process(stores[number], others[number], chance)

            processes = [begun(number) for number in range(3)]
            for one in processes:
                await one.sharing.begin(one.book.hear)
            for step in range(150):
                number = chance.randrange(3)
                one = processes[number]
                one.sharing.away = False
                one.others.loses = chance.choice((0.0, 0.0, 0.3, 1.0))
                account = f"user{chance.randrange(4)}"
                what = chance.choice(("set", "set", "set", "remove", "look", "restart", "flush"))
                await one.do(what, account, f"{step}")
                if what == "restart":
                    processes[number] = begun(number)
                    await processes[number].sharing.begin(processes[number].book.hear)
                if what == "flush" and chance.random() < 0.3:
                    await settled(processes)  # what nobody but a place that forgets it knows is lost
                    redis.ask("FLUSHALL")
            await settled(processes)
            first, *rest = (one.holds for one in processes)
            assert all(other == first for other in rest)
            await processes[0].set("user0", "the last")
            await processes[1].set("user1", "the last")
            await processes[2].remove("user2")
            await settled(processes)
            for one in processes:
                assert one.holds.get("user0") == one.holds.get("user1") == "the last"
                assert "user2" not in one.holds
                assert not one.log.about("act-unreadable")

    asyncio.run(test())


def test_of_two_the_last_that_came_stands_also_when_the_first_is_said_again(redis: RedisServer) -> None:
    chance = random.Random(1)  # noqa: S311 - a test that can be repeated

    async def test() -> None:
        async with places(redis, chance, 2) as others:
            one, other = (Process(Store(), place, chance) for place in others)
            for process in (one, other):
                await process.sharing.begin(process.book.hear)

            async def lost(acts: Sequence[Act], place: str, since: int, *, hear: bool) -> News:
                await RedisActs.exchange(one.others._acts, acts, place, since, hear=hear)  # noqa: SLF001
                raise ActsAway("the answer was lost")

            exchange, one.others.exchange = one.others.exchange, lost  # type: ignore[method-assign]
            await one.set("eve", "first")
            assert one.sharing.untold
            await other.set("eve", "second")
            one.others.exchange = exchange  # type: ignore[method-assign]
            await settled([one, other])
            assert one.holds == other.holds == {"eve": "second"}

    asyncio.run(test())


def test_thousands_are_told_and_heard(redis: RedisServer) -> None:
    chance = random.Random(2)  # noqa: S311 - a test that can be repeated
    many = 5 * TOGETHER + 1

    async def test() -> None:
        async with places(redis, chance, 2) as others:
            one, other = (Process(Store(), place, chance) for place in others)
            for number in range(many):
                await one.book.put(Entry("state", f"u{number}", "x", "test", 0.0, UNTIL, state="contained"))
            await one.sharing.begin(one.book.hear)
            assert not one.sharing.untold
            await other.sharing.begin(other.book.hear)
            assert len(other.holds) == many

    asyncio.run(test())


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": "soon"},
        {"state": "lost"},
        {"kind": "rumour"},
        {"account": 7},
        {"rates": [["recipients", "many", 600]]},
        {"per_message": "few"},
        {"at": float("nan")},
        {"more": 1},
        {"account": "somebody else"},
    ],
)
def test_what_cannot_be_read_counts_not(redis: RedisServer, wrong: dict[str, object]) -> None:
    chance = random.Random(3)  # noqa: S311 - a test that can be repeated

    async def test() -> None:
        async with places(redis, chance, 2) as others:
            one, other = (Process(Store(), place, chance) for place in others)
            await other.sharing.begin(other.book.hear)
            entry = Entry("state", "eve", "x", "test", 0.0, UNTIL, state="contained")
            await one.sharing.keep_exception(entry.name, {**entry.record(), "until": UNTIL})
            act = next(iter(one.sharing._acts.values()))  # noqa: SLF001
            assert act.record
            await others[0].exchange([act._replace(record={**act.record, **wrong})], "", 0, hear=False)
            await settled([other])
            assert other.holds == {}
            assert other.log.about("act-unreadable")

    asyncio.run(test())
