"""MeterMaid's tables that several processes share, in Redis: `SharedTables` over `redis_tables.lua`.

Each call is one call of the script, by Redis' own clock, and waits `DEADLINE_S` at the most. All of a table
lies in one slot of a cluster. What Redis says is counted in this process as well, so that it knows nearly as
much when Redis is away. What is done here alone meanwhile is told when it is back, as of that time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar, cast

from sendwarden.engine.meters.algorithms import EXACT_QUOTA
from sendwarden.engine.meters.keys import MeterError, NothingThere, Reading, normal_key
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.meters.throttle import ThrottleTable
from sendwarden.engine.meters.values import integer, writable
from sendwarden.service.ports import EventLog, TableCall
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.redis import CALL_S, DEADLINE_S, PROBE_S, TURNS, Breaker, Client, said

# Calls on their way at a time.
CALLS = 16
# Calls that are remembered while Redis is away; of more the oldest are not told.
OWED = 10_000

T = TypeVar("T")

# The type of table that a call is for; "": any.
_TYPES = {
    "throttle": "throttle",
    "query": "throttle",
    "fetch": "simple",
    "store": "simple",
    "adjust": "simple",
    "remove": "",
    "defer": "greylisting",
}
# Calls that leave nothing behind.
_LOOKS = frozenset({"query", "fetch"})


class _Asked(NamedTuple):
    """A call as the script takes it."""

    options: TableOptions
    keys: list[bytes]
    words: list[str | bytes]


class RedisTables:
    """Run `run` as a task. ``meters``: those of this process."""

    def __init__(self, client: Client, meters: MemoryMeters, log: EventLog, name: str) -> None:
        """``name`` says where it is, for the log."""
        self.now = ""  # what time it is there, if not by its own clock
        self._breaker = Breaker(log, name, "tables", "MeterMaid's tables are those known here")
        self._client = client
        self._meters = meters
        self._script = client.register_script(
            files("sendwarden.stores").joinpath("redis_tables.lua").read_text("ascii")
        )
        self._owed: deque[TableCall] = deque(maxlen=OWED)
        self._room = asyncio.Semaphore(CALLS)
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def away(self) -> bool:
        return self._breaker.away

    def owe(self, call: TableCall) -> None:
        if call.method not in _LOOKS:
            self._owed.append(call)

    async def ask(self, call: TableCall, here: Callable[[], T]) -> T:
        asked = self._asked(call)
        answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._exchange(call, asked, answered))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        await asyncio.wait((answered,), timeout=DEADLINE_S)
        for _ in range(TURNS):  # it may have arrived while this process was busy itself
            if answered.done():
                break
            await asyncio.sleep(0)
        if not answered.done():
            self._breaker.trouble(f"no answer within {1000 * DEADLINE_S:g} ms")
            return here()
        answer = answered.result()
        if answer is None:
            return here()
        self._note(call, answer, here)
        if isinstance(answer, MeterError):
            raise answer
        return cast("T", answer.value if isinstance(answer, _Value) else answer)

    async def _exchange(self, call: TableCall, asked: _Asked, answered: "asyncio.Future[object]") -> None:
        """None is the answer where there was none."""
        answer = await self._called(call, asked)
        if answer is None:
            self.owe(call)
        if not answered.done():
            answered.set_result(answer)

    async def _called(self, call: TableCall, asked: _Asked) -> object:
        try:
            async with asyncio.timeout(CALL_S), self._room:
                found: Any = await self._script(keys=asked.keys, args=asked.words)
            return _answer(call, asked.options, found)
        except Exception as error:  # noqa: BLE001 - a cluster's are no RedisError, and answers may be anything
            self._breaker.trouble(said(error))
            return None

    def _asked(self, call: TableCall) -> _Asked:
        """Raises `MeterError`."""
        options, kind = self._meters.table(call.table).options, _TYPES[call.method]
        if kind and options.type != kind:
            raise MeterError(f"a {options.type} table, not a {kind} table")
        key = normal_key(options, call.key).encode("utf-8", "surrogateescape")
        form = options.value_type if options.type == "simple" else _algorithm(options)
        place = f"sendwarden:metermaid:{{{options.name}}}:{options.type}-{form}:".encode()
        state = place + b"key:" + key if options.type == "throttle" else place + b"values"
        words = [call.method, key, self.now, str(options.max_entries), *_more(call, options)]
        return _Asked(options, [place + b"order", state], words)

    def _note(self, call: TableCall, answer: object, here: Callable[[], object]) -> None:
        """What Redis said is known here too, from now on."""
        meters = self._meters
        with suppress(MeterError):
            match answer:
                case Reading() if call.method == "throttle":
                    here()
                    table = meters.table(call.table)
                    if isinstance(table, ThrottleTable):
                        table.raise_to(call.key, answer.used, call.now)
                case _Value(value):
                    meters.store(call.table, call.key, str(value))
                case NothingThere():
                    meters.remove(call.table, call.key)
                case MeterError():
                    pass
                case _ if call.method not in _LOOKS:
                    here()

    async def run(self) -> None:
        """Look whether it is back, and tell what was done meanwhile."""
        while True:
            await asyncio.sleep(PROBE_S)
            if self.away and await self._answers():
                self._breaker.well()
            while self._owed and not self.away:
                call = self._owed.popleft()
                with suppress(MeterError):  # of a table that is no more
                    if await self._called(call, self._asked(call)) is None:
                        self._owed.appendleft(call)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(CALL_S):
                await self._client.eval("return redis.call('PING')", 1, "sendwarden:metermaid")
        except Exception:  # noqa: BLE001 - as in `_called`; that it is away was told
            return False
        return True


class _Value(NamedTuple):
    """What a key of a simple table has."""

    value: str | int


def _algorithm(options: TableOptions) -> str:
    if options.type != "throttle":
        return "1"
    large = options.algorithm == "sliding" and options.quota > EXACT_QUOTA
    return "bucketed" if large else options.algorithm


def _more(call: TableCall, options: TableOptions) -> list[str | bytes]:
    """What the script needs besides. Raises `MeterError`."""
    match options.type, call.method:
        case "throttle", _:
            penalize = str(int("penalize" in options.options))
            return [_algorithm(options), str(options.quota), str(options.quota_time), penalize]
        case _, "store":
            value = integer(call.text) if options.value_type == "integer" else writable(call.text)
            return ["", str(value).encode("utf-8", "surrogateescape")]
        case _, "adjust":
            if options.value_type != "integer":
                raise MeterError("this table holds strings: nothing to adjust")
            return ["", str(integer(call.text)), str(-integer(call.text))]
        case _, "defer":
            times = (options.block_time, options.resubmit_time, options.inactivity_time)
            return ["", *map(str, times)]
    return [""]


def _answer(call: TableCall, options: TableOptions, found: Any) -> object:  # noqa: ANN401
    """As `MeterTables` answers; an error is a value. May raise anything for what is none."""
    match call.method:
        case "throttle" | "query":
            over, used, frees, there, trouble = found
            frees_at = float(frees) + (call.now - float(there)) if over else 0.0
            return Reading(bool(over), float(used), options.limit, frees_at, trouble.decode("ascii"))
        case "fetch" | "adjust":
            if not int(found[0]):
                fetch = call.method == "fetch"
                return (
                    NothingThere("a key that is not set")
                    if fetch
                    else MeterError("the number would be too large")
                )
            text = found[1].decode("utf-8", "surrogateescape")
            return _Value(int(text) if options.value_type == "integer" else text)
        case "defer":
            return bool(int(found[0]))
    int(found[0])
    return True
