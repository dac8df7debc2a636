"""Questions to the DNS, by c-ares on the loop: asked once however many wait, remembered by TTL, bounded.

Answers are kept for as long as their records say, an absence for as long as the zone's SOA says (RFC 2308;
who asks sets `Route.nothing_s`, since c-ares shows no authority section of such answers). c-ares retries by
itself, by TCP where an answer is cut short, and takes no answer with a wrong id, name or sender. It has a
cache of its own, which nothing bounds and no argument turns off: a resolver is replaced after
`QUESTIONS_EACH` questions. The system's servers are read when one is made, so that `renew` reads them anew.

Known limit: a question that is given up goes on in c-ares until its last retry, and counts for the limit of
questions under way until then.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pycares
from pycares import errno

from sendwarden.core.dns import DnsAnswer, Question, Route

if TYPE_CHECKING:
    from sendwarden.service.ports import Answered

# Questions under way, and answers that are kept, at the most, unless the settings say otherwise.
MOST_QUESTIONS = 1000
MOST_KEPT = 100_000
# Records of an answer that is taken, and letters of all that are kept: the DNS is a stranger's, and
# one answer of his may have thousands of records.
MOST_RECORDS = 256
MOST_LETTERS = 64 * 1024 * 1024
# What a record takes besides its letters, as if it were letters.
_RECORD_LETTERS = 64
# An answer counts for so long at the least and at the most, whatever its TTL, in seconds: a TTL of 0 would
# have each message ask, one of years would outlive a mistake.
SHORTEST_S = 1.0
LONGEST_S = 3600.0
# Questions that one resolver of c-ares is asked; its cache goes with it.
QUESTIONS_EACH = 10_000
# c-ares sends a question so often. It waits for twice as long each time: 1, 2 and 4 parts of the patience.
TRIES = 3
_PARTS = 7
_SHORTEST_TRY_S = 0.05

_ABSENT = frozenset({errno.ARES_ENOTFOUND, errno.ARES_ENODATA})
# What the codes of c-ares mean to a postmaster.
_TROUBLE: Mapping[int, str] = {
    errno.ARES_ESERVFAIL: "the server failed (SERVFAIL)",
    errno.ARES_EREFUSED: "the server refused (REFUSED)",
    errno.ARES_ENOTIMP: "the server cannot do that (NOTIMP)",
    errno.ARES_EFORMERR: "the server did not understand (FORMERR)",
    errno.ARES_EBADRESP: "the answer cannot be read",
    errno.ARES_ECONNREFUSED: "no server is there",
    errno.ARES_ETIMEOUT: "no answer",
    errno.ARES_ECANCELLED: "given up",
}
# Kind of records -> pycares' number, and what we take of one.
_TAKEN: Mapping[str, tuple[int, Callable[[Any], str]]] = {
    "A": (pycares.QUERY_TYPE_A, lambda data: str(data.addr)),
    "AAAA": (pycares.QUERY_TYPE_AAAA, lambda data: str(data.addr)),
    "PTR": (pycares.QUERY_TYPE_PTR, lambda data: str(data.dname).rstrip(".")),
    "TXT": (pycares.QUERY_TYPE_TXT, lambda data: bytes(data.data).decode("utf-8", "surrogateescape")),
    "MX": (pycares.QUERY_TYPE_MX, lambda data: str(data.exchange).rstrip(".")),
    "SOA": (pycares.QUERY_TYPE_SOA, lambda data: str(data.minimum)),
}


class DnsLookups:
    """`Resolver`. To be made and used within one running loop; `close` it."""

    def __init__(self, most_questions: int = MOST_QUESTIONS, most_kept: int = MOST_KEPT) -> None:
        self.on_answer: Answered = lambda _question, _answer: None
        self.most_questions = most_questions
        self.most_kept = most_kept
        self.turned_away = 0  # questions beyond the limit
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._kept: dict[Question, tuple[float, DnsAnswer]] = {}  # until when
        self._letters = 0  # of them
        self._asked: dict[Question, asyncio.Future[DnsAnswer]] = {}
        self._resolvers: dict[tuple[tuple[str, ...], float], _Resolver] = {}
        self._retired: set[_Resolver] = set()  # still waited for
        self._under_way = 0

    def cached(self, question: Question) -> DnsAnswer | None:
        kept = self._kept.get(question)
        return kept[1] if kept is not None and kept[0] > self._time() else None

    async def ask(self, question: Question, within_s: float) -> DnsAnswer:
        answer = self._asked.get(question)
        if answer is None:
            if self._under_way >= self.most_questions:
                self.turned_away += 1
                return DnsAnswer(trouble=f"more than {self.most_questions} questions at a time")
            answer = self._put(question)
        if within_s >= question.route.patience_s:
            return await asyncio.shield(answer)
        done, _ = await asyncio.wait({answer}, timeout=within_s)
        return answer.result() if done else DnsAnswer(trouble=f"no answer within {within_s:.2g} s")

    def renew(self) -> None:
        """Ask by resolvers that are made anew; what is under way goes on."""
        for resolver in self._resolvers.values():
            self._retire(resolver)
        self._resolvers.clear()

    async def close(self) -> None:
        """Give up all that is under way."""
        for resolver in (*self._resolvers.values(), *self._retired):
            resolver.close()
        self._resolvers.clear()
        self._retired.clear()
        await asyncio.sleep(0)  # who waits hears of it

    # --- asking once

    def _put(self, question: Question) -> "asyncio.Future[DnsAnswer]":
        answer: asyncio.Future[DnsAnswer] = self._loop.create_future()
        try:
            resolver = self._resolver(question.route)
        except (pycares.AresError, OSError) as trouble:  # no descriptors are left
            answer.set_result(DnsAnswer(trouble=f"no question can be sent: {trouble}"))
            return answer
        patience_s = question.route.patience_s
        late = DnsAnswer(trouble=f"no answer within {patience_s:g} s")
        gives_up = self._loop.call_later(patience_s, self._answer, question, answer, late)

        def ended(result: pycares.DNSResult | None, code: int | None) -> None:
            self._under_way -= 1
            gives_up.cancel()
            if not answer.done():
                self._answer(question, answer, _read(question, result, code))

        self._asked[question] = answer
        self._under_way += 1
        resolver.query(question, ended)
        return answer

    def _answer(self, question: Question, waited_for: "asyncio.Future[DnsAnswer]", answer: DnsAnswer) -> None:
        del self._asked[question]
        if not answer.trouble:
            self._keep(question, answer)
        if not waited_for.done():
            waited_for.set_result(answer)
        self.on_answer(question, answer)  # before whoever waits goes on

    def _keep(self, question: Question, answer: DnsAnswer) -> None:
        self._forget(question)  # so that it stands behind the others
        self._letters += _letters(answer)
        while self._kept and (len(self._kept) >= self.most_kept or self._letters > MOST_LETTERS):
            self._forget(next(iter(self._kept)))
        self._kept[question] = self._time() + min(LONGEST_S, max(SHORTEST_S, answer.keep_s)), answer

    def _forget(self, question: Question) -> None:
        if kept := self._kept.pop(question, None):
            self._letters -= _letters(kept[1])

    def _resolver(self, route: Route) -> "_Resolver":
        place = route.servers, route.patience_s
        found = self._resolvers.get(place)
        if found is None or found.questions >= QUESTIONS_EACH:
            if found is not None:
                self._retire(found)
            found = self._resolvers[place] = _Resolver(self._loop, *place)
        return found

    def _retire(self, resolver: "_Resolver") -> None:
        """Close it when nobody waits for it any more."""
        self._retired.add(resolver)
        self._loop.call_later(resolver.patience_s, self._end, resolver)

    def _end(self, resolver: "_Resolver") -> None:
        if resolver in self._retired:  # else everything was closed meanwhile
            self._retired.discard(resolver)
            resolver.close()


Ended = Callable[[pycares.DNSResult | None, int | None], None]


class _Resolver:
    """One channel of c-ares, whose sockets the loop watches.

    c-ares could watch them itself, on a thread, as aiodns has it: but then the thread and the loop wait for
    each other's locks with each question (`bench.dns_lists`).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, servers: Sequence[str], patience_s: float) -> None:
        """Raises `pycares.AresError`."""
        self.questions = 0
        self.patience_s = patience_s
        self._loop = loop
        self._under_way = 0
        self._reading: set[int] = set()
        self._writing: set[int] = set()
        try_s = max(_SHORTEST_TRY_S, patience_s / _PARTS)
        self._tick_s = try_s / 2
        self._ticking: asyncio.TimerHandle | None = None
        self._channel = pycares.Channel(
            servers=servers or None, timeout=try_s, tries=TRIES, sock_state_cb=self._watch
        )

    def query(self, question: Question, ended: Ended) -> None:
        """``ended`` is called in a later turn of the loop, in any case."""
        self.questions += 1
        self._under_way += 1
        waits = True

        def answered(result: pycares.DNSResult | None, code: int | None) -> None:
            nonlocal waits
            if waits:
                waits = False
                self._under_way -= 1
                self._loop.call_soon(ended, result, code)

        try:
            self._channel.query(question.name, _TAKEN[question.kind][0], callback=answered)
        except pycares.AresError as error:  # which may have been told to the callback as well
            answered(None, error.args[0])
        if self._under_way and self._ticking is None:
            self._ticking = self._loop.call_later(self._tick_s, self._tick)

    def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        self._channel.cancel()
        for socket in self._reading:
            self._loop.remove_reader(socket)
        for socket in self._writing:
            self._loop.remove_writer(socket)
        self._reading.clear()
        self._writing.clear()
        self._channel.close()

    def _watch(self, socket: int, readable: bool, writable: bool) -> None:  # noqa: FBT001 - as c-ares calls it
        """Which of its sockets c-ares waits for. Once closed it does so from a thread, about none of ours."""
        nothing = pycares.ARES_SOCKET_BAD
        if readable:
            self._loop.add_reader(socket, self._channel.process_fd, socket, nothing)
            self._reading.add(socket)
        elif socket in self._reading:
            self._loop.remove_reader(socket)
            self._reading.discard(socket)
        if writable:
            self._loop.add_writer(socket, self._channel.process_fd, nothing, socket)
            self._writing.add(socket)
        elif socket in self._writing:
            self._loop.remove_writer(socket)
            self._writing.discard(socket)

    def _tick(self) -> None:
        """Let c-ares see that time goes by, as long as it waits for something."""
        self._channel.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
        self._ticking = self._loop.call_later(self._tick_s, self._tick) if self._under_way else None


def _read(question: Question, result: pycares.DNSResult | None, code: int | None) -> DnsAnswer:
    if result is None:
        if code in _ABSENT:
            return DnsAnswer(keep_s=question.route.nothing_s)
        return DnsAnswer(trouble=_TROUBLE.get(code or 0, f"the DNS failed ({code})"))
    if len(result.answer) > MOST_RECORDS:
        return DnsAnswer(trouble=f"the answer has more than {MOST_RECORDS} records")
    number, take = _TAKEN[question.kind]
    taken = tuple(take(record.data) for record in result.answer if record.type == number)
    keep_s = min((float(record.ttl) for record in result.answer), default=0.0)
    return DnsAnswer(taken, keep_s if taken else question.route.nothing_s)


def _letters(answer: DnsAnswer) -> int:
    return sum(len(record) + _RECORD_LETTERS for record in answer.records)
