"""Whatever Redis answers or its client raises: limits go by what is known here, and nothing of ours ends.

An answer that cannot be used is trouble of the account that it is about; none at all is of everybody.
"""

import asyncio
import json

import pytest
from redis.exceptions import RedisClusterException

from sendwarden.engine.limits.rules import RECIPIENTS, Counts, Limit, Limits
from sendwarden.engine.limits.shared import NeedsRoom, SharedMeter
from sendwarden.engine.limits.table import LimitTable
from sendwarden.stores.redis import MOST_ROWS, RedisRoom
from tests.stores.around import KeptLog

ONLY = Limits((Limit(RECIPIENTS, 1, 100, "test"),))
GOOD = {"granted": [0, 10, 0, 0, 0, 0, 0], "first": 980, "old": [], "others": []}
SAYS: dict[str, object] = {
    "nothing": b"",
    "a list": b"[]",
    "endless": b'{"granted": [1e999], "first": 0}',
    "deep": b"[" * 100_000,
    "less than nothing": json.dumps(GOOD | {"granted": [0, -5]}).encode(),
    "used less than nothing": json.dumps(GOOD | {"others": [[990, 0, -7]]}).encode(),
    "far too much": json.dumps(GOOD | {"old": [[n, 0, 1] for n in range(MOST_ROWS + 1)]}).encode(),
    "a cluster that is gone": RedisClusterException("Redis Cluster cannot be connected"),
    "a bug": AttributeError("no such thing"),
}


class Time:
    """`SharedTime` that stands still."""

    quantum = 1000

    def own(self) -> float:
        return 30_000.0

    def hear(self, asked: float, heard: float, there: float) -> None:
        raise AssertionError((asked, heard, there))


class Client:
    """As far as a room uses one: a script that says what it is told to say."""

    def __init__(self, says: object) -> None:
        self._says = says

    def register_script(self, _text: str) -> "Client":
        return self

    async def __call__(self, keys: list[bytes], args: list[str]) -> list[object]:
        del args
        return [self._said() for _ in keys]

    async def delete(self, _key: bytes) -> None:
        self._said()

    async def eval(self, _script: str, _keys: int, _key: bytes) -> object:
        return self._said()

    def _said(self) -> object:
        if isinstance(self._says, Exception):
            raise self._says
        return self._says


@pytest.mark.parametrize("says", SAYS)
def test_an_answer_that_is_none_leaves_us_by_ourselves(says: str) -> None:
    log = KeptLog()
    table = LimitTable(lambda _channel, _account: ONLY, 100)
    table.new_meter = SharedMeter

    async def work() -> None:
        room = RedisRoom(Client(SAYS[says]), table, Time(), log, "redis")  # type: ignore[arg-type]
        meter = table.get("out", "eve", 1000)
        assert isinstance(meter, SharedMeter)
        assert not await room.ask(NeedsRoom(meter, Counts(recipients=1)))
        assert room.away is isinstance(SAYS[says], Exception)
        if room.away:
            assert not await room.forget("out\neve")
        await room.begin()
        assert room.away, "nor is it a time"
        with meter.heard(answered=False):
            assert meter.take(1000, Counts(recipients=1)).over is None

    asyncio.run(work())
    assert len(log.about("counts-away")) == 1
