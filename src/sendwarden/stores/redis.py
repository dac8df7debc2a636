"""Limits that several processes share, in Redis: `SharedRoom` over one script (`redis.lua`).

Questions that come up in one turn of the event loop travel together, one for each account; while an account's
is on its way, others about it wait for the next. In a cluster one call goes to each of `BUCKETS` slots.

Nobody waits longer than `DEADLINE_S`. A deadline that passed, or an error, opens the breaker: from then on
what is known here must do, at once, until a probe in the background is answered again. What was counted
meanwhile is then told; since all that is told is absolute, it is added to what the others counted, and once.

All count by the clock of the pool: it is asked at the start and every `CLOCK_S`, and whoever asks for room in
another quantum than the pool's is told so, and asks for the time. In a cluster the clock is that of one node.
"""

import asyncio
import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.resources import files
from itertools import islice
from typing import Any
from zlib import crc32

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from sendwarden.engine.limits.rules import Counts
from sendwarden.engine.limits.shared import Answer, NeedsRoom, Question, Row, SharedMeter
from sendwarden.engine.limits.table import LimitTable
from sendwarden.engine.limits.windows import QUANTUM_S, WINDOWS
from sendwarden.service.ports import EventLog, SharedTime

# How long an answer waits for the pool.
DEADLINE_S = 0.05
# Turns of the event loop in which what has arrived by then is read.
TURNS = 5
# How long a call may take before its connection is given up.
CALL_S = 1.0
# Questions that travel together, and calls on their way at a time.
TOGETHER = 200
CALLS = 8
# Between two probes of a pool that is away, and between two questions what time it is.
PROBE_S = 0.25
CLOCK_S = 10.0
# Accounts told of in one go once their quantum has ended, and the pause to the next.
TOLD_TOGETHER = 200
PAUSE_S = 0.05
# Slots of a cluster that accounts are spread over.
BUCKETS = 64
# A pool of which nobody heard anything for so long counts nothing any more.
KEPT_S = (WINDOWS[-1].length + WINDOWS[-1].step + 1) * QUANTUM_S

Client = Redis | RedisCluster
# Rows of an account that a pool can have: some 60 of the day, and one for each quantum of late.
MOST_ROWS = 1000
# Letters of an error in the log, that may quote what was read.
MOST_SAID = 200
# Asks what time it is, of the node that has its key.
_TIME = "return redis.call('TIME')"
# What is answered to who asks in another quantum than the pool's.
OFF = Answer(Counts(), 0, (), (), off=True)

Waiting = list[tuple[Counts, "asyncio.Future[bool]"]]


def connect(url: str, password: str, *, cluster: bool) -> Client:
    """A client that connects when it is first asked. Raises `ValueError` for a URL that is none."""
    options: dict[str, Any] = {
        "password": password or None,
        "socket_timeout": CALL_S,
        "socket_connect_timeout": CALL_S,
        "retry": Retry(NoBackoff(), 0),
    }
    if cluster:
        return RedisCluster.from_url(url, **options)
    return Redis.from_url(url, max_connections=4 * CALLS, **options)


class Breaker:
    """Whether a Redis answers for one purpose, and what the event log says of it."""

    def __init__(self, log: EventLog, name: str, kind: str, meanwhile: str) -> None:
        """Its lines are called ``kind``-away and ``kind``-back; ``meanwhile`` says what holds."""
        self.away = False
        self._log = log
        self._name = name
        self._kind = kind
        self._meanwhile = meanwhile

    def trouble(self, what: str) -> None:
        if not self.away:
            self.away = True
            self._log.warning(f"{self._kind}-away", f"{self._name}: {what}; {self._meanwhile}")

    def well(self) -> None:
        if self.away:
            self.away = False
            self._log.event(f"{self._kind}-back", {"where": self._name})


class RedisRoom:
    """`SharedRoom`. Run `run` as a task, end with `close`."""

    def __init__(self, client: Client, table: LimitTable, time: SharedTime, log: EventLog, name: str) -> None:
        """``name`` says where it is, for the log."""
        self._breaker = Breaker(log, name, "counts", "limits go by what is known here")
        self._client = client
        self._table = table
        self._time = time
        self.now = ""  # which quantum it is there, if not by its own clock
        self._log = log
        self._name = name
        self._me = secrets.token_hex(8)
        self._script = client.register_script(
            files("sendwarden.stores").joinpath("redis.lua").read_text("ascii")
        )
        self._cluster = isinstance(client, RedisCluster)
        self._waiting: dict[SharedMeter, Waiting] = {}
        self._asked: set[SharedMeter] = set()  # whose question is on its way
        self._calls: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._untold: dict[SharedMeter, None] = {}
        self._ended = False
        self._clock_asked = 0.0

    async def begin(self) -> None:
        """Find out what time it is there. To be called before anything is counted."""
        await self._ask_time()

    @property
    def away(self) -> bool:
        return self._breaker.away

    # --- asking

    async def ask(self, need: NeedsRoom) -> bool:
        return await self._soon(need.meter, need.counts)

    async def look(self, meter: SharedMeter) -> bool:
        return await self._soon(meter, Counts())

    async def _soon(self, meter: SharedMeter, counts: Counts) -> bool:
        if self.away:
            return False
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(meter, []).append((counts, answered))
        self._schedule()
        await asyncio.wait((answered,), timeout=DEADLINE_S)
        for _ in range(TURNS):  # it may have arrived while this process was busy itself
            if answered.done():
                return answered.result()
            await asyncio.sleep(0)
        answered.cancel()
        self._breaker.trouble(f"no answer within {1000 * DEADLINE_S:g} ms")
        return False

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        """Send what has come up, as far as it can travel now; the rest when a call is back."""
        self._scheduled = False
        ready = [meter for meter in self._waiting if meter not in self._asked]
        for some in self._grouped(ready):
            if len(self._calls) >= CALLS:
                return
            waiting = {meter: self._taken(meter) for meter in some}
            self._asked.update(waiting)
            self._calls.add(asyncio.get_running_loop().create_task(self._exchange(waiting)))

    def _taken(self, meter: SharedMeter) -> Waiting:
        """Who is asked for now: all that want little, or else one that wants much and gets all or nothing."""
        every = [one for one in self._waiting.pop(meter) if not one[1].done()]
        little = [one for one in every if one[0].recipients <= 1 and one[0].messages <= 1]
        now = little or every[:1]
        later = [one for one in every if not any(one is other for other in now)]
        if later:
            self._waiting[meter] = later
        return now

    def _grouped(self, meters: Sequence[SharedMeter]) -> Iterable[list[SharedMeter]]:
        """Those that may travel together."""
        slots: dict[int, list[SharedMeter]] = {}
        for meter in meters:
            slots.setdefault(_bucket(meter.key) if self._cluster else 0, []).append(meter)
        for those in slots.values():
            left = iter(those)
            while some := list(islice(left, TOGETHER)):
                yield some

    async def _exchange(self, waiting: dict[SharedMeter, Waiting]) -> None:
        quantum = self._time.quantum
        wanted = {meter: [counts for counts, _ in those] or [Counts()] for meter, those in waiting.items()}
        questions = [meter.question(quantum, counts) for meter, counts in wanted.items()]
        usable: set[SharedMeter] = set()
        try:
            answers = await self._call(questions)
            for meter, question, answer in zip(waiting, questions, answers or (), strict=False):
                if answer is not None:
                    usable.add(meter)
                    meter.learn(question, answer)
            if OFF in (answers or ()):
                await self._ask_time()  # then they ask again
        finally:
            self._asked.difference_update(waiting)
            for meter, those in waiting.items():
                for _counts, answered in those:
                    if not answered.done():
                        answered.set_result(meter in usable)
            task = asyncio.current_task()
            assert task
            self._calls.discard(task)  # now, so that what waits can go
            if self._waiting:
                self._schedule()

    async def _call(self, questions: Sequence[Question]) -> list[Answer | None] | None:
        """What can be used of the answers: None for one that cannot, or for all."""
        keys = [_key(question.key) for question in questions]
        words = [self._me, str(KEPT_S), self.now, *map(_asked, questions)]
        try:
            async with asyncio.timeout(CALL_S):
                answered: Any = await self._script(keys=keys, args=words)
            answers = [self._heard(question, answered[n]) for n, question in enumerate(questions)]
        except Exception as error:  # noqa: BLE001 - a cluster's are no RedisError, and answers may be anything
            self._breaker.trouble(said(error))
            return None
        self._breaker.well()
        return answers

    def _heard(self, question: Question, answered: bytes) -> Answer | None:
        """One account's answer; one that is none is no trouble of the others."""
        try:
            answer = _answer(answered)
        except Exception as error:  # noqa: BLE001 - it may be anything
            self._log.warning(
                "counts-unreadable", f"{self._name}: an answer is none: {said(error)[:MOST_SAID]}"
            )
            return None
        if answer.anew:
            channel, _, account = question.key.partition("\n")
            about = f"{self._name}: what was counted of {account} on {channel}; it begins anew"
            self._log.warning("counts-unreadable", about)
        return answer

    async def _ask_time(self) -> bool:
        """What time is it there? False: there was no answer."""
        self._clock_asked = asked = self._time.own()
        try:
            async with asyncio.timeout(CALL_S):
                answered: Any = await self._client.eval(_TIME, 1, _key(""))
            seconds, micros = map(int, answered if isinstance(answered, list) else ())
            there = seconds + micros / 1e6
        except Exception as error:  # noqa: BLE001 - as in `_call`
            self._breaker.trouble(said(error))
            return False
        self._time.hear(asked, self._time.own(), there)
        self._breaker.well()
        return True

    # --- telling

    async def run(self) -> None:
        """Tell what ended quanta came to, and look whether a pool that is away is back."""
        told_of = self._time.quantum
        while not self._ended:
            await asyncio.sleep(PAUSE_S)
            if self.away:
                await asyncio.sleep(PROBE_S)
                if await self._ask_time():
                    self._collect()
            elif told_of != self._time.quantum:
                told_of = self._time.quantum
                self._collect()
            elif self._time.own() - self._clock_asked >= CLOCK_S:
                await self._ask_time()
            if self._untold and not self.away:
                await self._tell(list(islice(self._untold, TOLD_TOGETHER)))

    def _collect(self) -> None:
        for meter in self._table.changed():
            assert isinstance(meter, SharedMeter)
            self._untold[meter] = None

    async def _tell(self, meters: Sequence[SharedMeter], *, running: bool = False) -> None:
        quantum = self._time.quantum
        for some in self._grouped(meters):
            for meter in some:
                meter.roll(quantum)
            questions = [meter.telling(running=running) for meter in some]
            answers = await self._call(questions)
            if answers is None:
                return
            for meter, question, answer in zip(some, questions, answers, strict=True):
                if answer is not None and answer.anew:
                    meter.tell_again()
                meter.was_told(question)
                self._untold.pop(meter, None)

    async def forget(self, key: str) -> bool:
        self._collect()  # what was counted of it is told to be nothing
        try:
            async with asyncio.timeout(CALL_S):
                await self._client.delete(_key(key))
        except Exception as error:  # noqa: BLE001 - as in `_call`
            self._breaker.trouble(said(error))
            return False
        return True

    def tell_soon(self) -> None:
        """Tell what changed, of running quanta as well as it is."""
        self._collect()

    async def close(self) -> None:
        """Tell what was counted, and give back what was drawn and not used."""
        self._ended = True
        self._collect()
        if not self.away:
            await self._tell(list(self._untold), running=True)
        with suppress(Exception):
            await self._client.aclose()


def said(error: Exception) -> str:
    """What went wrong, in words that help. Redis says NOAUTH and WRONGPASS (its documentation of AUTH)."""
    text = str(error)
    if isinstance(error, AuthenticationError) or "NOAUTH" in text or "WRONGPASS" in text:
        return "it wants a password: counting.redis_secret"
    return text or type(error).__name__


def _bucket(key: str) -> int:
    return crc32(key.encode("utf-8", "surrogateescape")) % BUCKETS


def _key(key: str) -> bytes:
    """The name in Redis: what stands in braces says in which slot of a cluster it lies."""
    return f"sendwarden:limits:{{{_bucket(key)}}}:{key}".encode("utf-8", "surrogateescape")


def _asked(question: Question) -> str:
    limits = []
    for limit in question.limits:
        window = WINDOWS[limit.window]
        limits.append((limit.counter, window.length, window.step, limit.most))
    rows = [(quantum, *counts) for quantum, counts in question.rows]
    told = {"teller": question.teller, "q": question.quantum, "rows": rows}
    asked = {"want": question.want, "whole": question.whole, "limits": limits, "look": question.look}
    return json.dumps({**told, **asked})


def _answer(said: bytes) -> Answer:
    """May raise anything for what is none."""
    found = json.loads(said)
    if found.get("off"):
        return OFF
    granted = Counts(*map(int, found.get("granted") or ()))
    if min(granted) < 0:
        raise ValueError("less than nothing is granted")
    rows = _rows(found.get("old")), _rows(found.get("others"))
    return Answer(granted, int(found["first"]), *rows, anew=bool(found.get("anew")))


def _rows(found: Iterable[Sequence[int]] | None) -> tuple[Row, ...]:
    rows = tuple((int(quantum), Counts(*map(int, counts))) for quantum, *counts in found or ())
    if len(rows) > MOST_ROWS or any(number < 0 for _quantum, counts in rows for number in counts):
        raise ValueError("a pool that cannot be")
    return rows
