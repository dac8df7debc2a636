"""MeterMaid's tables in a real Redis: the contract of all stores, and the same answers as in memory.

Time is what the tests say, in Redis as well.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import pytest

from sendwarden.engine.meters.keys import MeterError, Reading
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.world import MeterTables
from sendwarden.service.ports import TableCall
from sendwarden.stores import redis_tables
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.redis import connect
from sendwarden.stores.redis_tables import RedisTables
from tests.contract import test_meter_store as contract
from tests.contract.test_meter_store import *  # noqa: F403 - the same tests on another store
from tests.servers.redis import RedisServer
from tests.stores.around import KeptLog

T = TypeVar("T")
START = 1_764_000_000.0


class InRedis:
    """`MeterTables` that waits for each answer."""

    def __init__(self, url: str, tables: Mapping[str, TableOptions]) -> None:
        self.log = KeptLog()
        self._loop = asyncio.new_event_loop()
        self._client = connect(url, "", cluster=False)
        self.here = MemoryMeters(tables)
        self.tables = RedisTables(self._client, self.here, self.log, "redis")

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    def _ask(self, call: TableCall, here: Callable[[], T]) -> T:
        self.tables.now = repr(call.now)
        answer = self._loop.run_until_complete(self.tables.ask(call, here))
        assert not self.tables.away, self.log.warnings
        return answer

    def throttle(self, table: str, key: str, now: float) -> Reading:
        here = partial(self.here.throttle, table, key, now)
        return self._ask(TableCall("throttle", table, key, now=now), here)

    def query(self, table: str, key: str, now: float) -> Reading:
        return self._ask(TableCall("query", table, key, now=now), partial(self.here.query, table, key, now))

    def fetch(self, table: str, key: str) -> str | int:
        return self._ask(TableCall("fetch", table, key), partial(self.here.fetch, table, key))

    def store(self, table: str, key: str, value: str) -> None:
        self._ask(TableCall("store", table, key, value), partial(self.here.store, table, key, value))

    def adjust(self, table: str, key: str, delta: str) -> int:
        here = partial(self.here.adjust, table, key, delta)
        return self._ask(TableCall("adjust", table, key, delta), here)

    def remove(self, table: str, key: str) -> None:
        self._ask(TableCall("remove", table, key), partial(self.here.remove, table, key))

    def defer(self, table: str, key: str, now: float) -> bool:
        return self._ask(TableCall("defer", table, key, now=now), partial(self.here.defer, table, key, now))

    def next_number(self, sequence: str) -> int:
        return self.here.next_number(sequence)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    made = RedisServer()
    yield made
    made.remove()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_tables, "DEADLINE_S", 20.0)
    monkeypatch.setattr(redis_tables, "CALL_S", 20.0)


@pytest.fixture
def made(redis: RedisServer) -> Iterator[Callable[[Mapping[str, TableOptions]], InRedis]]:
    redis.ask("FLUSHALL")
    every: list[InRedis] = []

    def make(tables: Mapping[str, TableOptions]) -> InRedis:
        every.append(InRedis(redis.url, tables))
        return every[-1]

    yield make
    for one in every:
        one.close()


@pytest.fixture(name="store")
def made_store(made: Callable[[Mapping[str, TableOptions]], InRedis]) -> MeterTables:
    return made(contract.TABLES)


KINDS: Mapping[str, TableOptions] = {
    options.name: options
    for options in (
        TableOptions("sliding", quota=5, quota_time=60),
        TableOptions("sliding-penalize", quota=5, quota_time=60, options=frozenset({"penalize"})),
        TableOptions("leaky", quota=7, quota_time=61, algorithm="leaky"),
        TableOptions(
            "leaky-penalize", quota=7, quota_time=61, algorithm="leaky", options=frozenset({"penalize"})
        ),
        TableOptions("fixed", quota=5, quota_time=59, algorithm="fixed"),
        TableOptions(
            "fixed-penalize", quota=5, quota_time=59, algorithm="fixed", options=frozenset({"penalize"})
        ),
        TableOptions("few", quota=4, quota_time=60, max_entries=3),
        TableOptions("numbers", type="simple", value_type="integer", max_entries=3),
        TableOptions("words", type="simple", max_entries=3),
        TableOptions(
            "grey", type="greylisting", block_time=60, resubmit_time=600, inactivity_time=3600, max_entries=4
        ),
    )
}


def answer(store: MeterTables, method: str, *arguments: object) -> object:
    try:
        found = getattr(store, method)(*arguments)
    except MeterError as error:
        return str(error)
    if isinstance(found, Reading):
        return found.over, found.used, found.frees_at if found.over else 0.0, found.trouble, found.quota
    return found


@pytest.mark.parametrize("table", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_calls_get_the_same_answers(
    made: Callable[[Mapping[str, TableOptions]], InRedis], table: str, seed: int
) -> None:
    """To the last bit of a number."""
    chance = random.Random(f"{table}{seed}")  # noqa: S311 - a test that can be repeated
    store, memory, now = made(KINDS), MemoryMeters(KINDS), START
    seen = set()
    for _ in range(250):
        now += chance.choice(
            (0.0, 0.0, 0.1, 1.0, 3.7, 8.571428571428571, 59.0, 60.0, 61.0, 700.0 * chance.random())
        )
        key = chance.choice("abcde" if table in {"few", "numbers", "words", "grey"} else "ab")
        methods = {
            "throttle": ("throttle",) * 6 + ("query",),
            "greylisting": ("defer",),
            "simple": ("fetch", "store", "adjust"),
        }
        method = chance.choice((*methods[KINDS[table].type] * 3, "remove"))
        more: list[object] = []
        if method in {"throttle", "query", "defer"}:
            more = [now]
        elif method in {"store", "adjust"}:
            more = [chance.choice(("+1", "-7", "12", "999999999999999999", "-999999999999999999"))]
        said = answer(store, method, table, key, *more)
        assert said == answer(memory, method, table, key, *more)
        seen.add(str(said))
    assert len(seen) > 2 or table == "grey"


def test_a_large_table_counts_in_buckets_as_in_memory(
    made: Callable[[Mapping[str, TableOptions]], InRedis], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sendwarden.engine.meters.algorithms.EXACT_QUOTA", 3)
    monkeypatch.setattr(redis_tables, "EXACT_QUOTA", 3)
    for penalize in (frozenset[str](), frozenset({"penalize"})):
        tables = {"large": TableOptions(f"large{len(penalize)}", quota=20, quota_time=600, options=penalize)}
        chance = random.Random(len(penalize))  # noqa: S311 - a test that can be repeated
        store, memory, now = made(tables), MemoryMeters(tables), START
        for _ in range(600):
            now += chance.choice((0.0, 1.0, 2.5, 5.0, 40.0 * chance.random()))
            method = chance.choice(("throttle", "throttle", "query"))
            assert answer(store, method, "large", "k", now) == answer(memory, method, "large", "k", now)


def test_keys_that_count_nothing_any_more_leave_redis(
    redis: RedisServer, made: Callable[[Mapping[str, TableOptions]], InRedis]
) -> None:
    store = made({"t": TableOptions("t", quota=5, quota_time=60)})
    for number in range(50):
        store.throttle("t", f"k{number}", START)
    assert redis.ask("DBSIZE") == ":51"
    for number in range(60):
        store.throttle("t", "k", START + 100 + number)
    assert redis.ask("DBSIZE") == ":2"
