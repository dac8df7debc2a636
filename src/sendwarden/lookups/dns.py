"""Questions to the DNS, on aiodns (c-ares): asked once however many wait, remembered by their TTL, bounded.

Answers are kept for as long as their records say, an absence for as long as the zone's SOA says (RFC 2308;
who asks sets `Route.nothing_s`, since c-ares shows no authority section of such answers). c-ares retries by
itself, by TCP where an answer is cut short, and takes no answer with a wrong id, name or sender. It has a
cache of its own, which nothing bounds and no argument turns off: a resolver is replaced after
`QUESTIONS_EACH` questions.

Known limit: a question that is given up goes on in c-ares until its last retry, and counts for the limit of
questions under way until then.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import aiodns
from aiodns import error
from pycares import AresError, DNSRecord, DNSResult

from sendwarden.core.dns import DnsAnswer, Question, Route

if TYPE_CHECKING:
    from sendwarden.service.ports import Answered

# Questions under way, and answers that are kept, at the most, unless the settings say otherwise.
MOST_QUESTIONS = 1000
MOST_KEPT = 100_000
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

_ABSENT = frozenset({error.ARES_ENOTFOUND, error.ARES_ENODATA})
# What the codes of c-ares mean to a postmaster.
_TROUBLE: Mapping[int, str] = {
    error.ARES_ESERVFAIL: "the server failed (SERVFAIL)",
    error.ARES_EREFUSED: "the server refused (REFUSED)",
    error.ARES_ENOTIMP: "the server cannot do that (NOTIMP)",
    error.ARES_EFORMERR: "the server did not understand (FORMERR)",
    error.ARES_EBADRESP: "the answer cannot be read",
    error.ARES_ECONNREFUSED: "no server is there",
    error.ARES_ETIMEOUT: "no answer",
    error.ARES_ECANCELLED: "given up",
}
# Kind of records -> pycares' number, and what we take of one.
_TAKEN: Mapping[str, tuple[int, Callable[[Any], str]]] = {
    "A": (aiodns.query_type_map["A"], lambda data: str(data.addr)),
    "AAAA": (aiodns.query_type_map["AAAA"], lambda data: str(data.addr)),
    "PTR": (aiodns.query_type_map["PTR"], lambda data: str(data.dname).rstrip(".")),
    "SOA": (aiodns.query_type_map["SOA"], lambda data: str(data.minimum)),
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
        self._asked: dict[Question, asyncio.Future[DnsAnswer]] = {}
        self._resolvers: dict[tuple[tuple[str, ...], float], _Resolver] = {}
        self._under_way: set[asyncio.Future[DNSResult]] = set()
        self._retired: dict[asyncio.Task[None], _Resolver] = {}  # still waited for

    def cached(self, question: Question) -> DnsAnswer | None:
        kept = self._kept.get(question)
        return kept[1] if kept is not None and kept[0] > self._time() else None

    async def ask(self, question: Question, within_s: float) -> DnsAnswer:
        answer = self._asked.get(question)
        if answer is None:
            if len(self._under_way) >= self.most_questions:
                self.turned_away += 1
                return DnsAnswer(trouble=f"more than {self.most_questions} questions at a time")
            answer = self._put(question)
        if within_s >= question.route.patience_s:
            return await asyncio.shield(answer)
        done, _ = await asyncio.wait({answer}, timeout=within_s)
        return answer.result() if done else DnsAnswer(trouble=f"no answer within {within_s:.2g} s")

    async def close(self) -> None:
        """Give up all that is under way."""
        for closing in self._retired:
            closing.cancel()
        for resolver in (*self._resolvers.values(), *self._retired.values()):
            await resolver.close()
        self._resolvers.clear()
        if self._under_way:  # c-ares has given them up, and the loop is told in its next turn
            await asyncio.wait(self._under_way)

    # --- asking once

    def _put(self, question: Question) -> "asyncio.Future[DnsAnswer]":
        answer: asyncio.Future[DnsAnswer] = self._loop.create_future()
        patience_s = question.route.patience_s
        try:
            asked = self._resolver(question.route).query(question)
        except (AresError, RuntimeError, OSError) as trouble:  # no descriptors are left
            answer.set_result(DnsAnswer(trouble=f"no question can be sent: {trouble}"))
            return answer
        self._asked[question] = answer
        self._under_way.add(asked)
        gives_up = self._loop.call_later(
            patience_s,
            self._answer,
            question,
            answer,
            DnsAnswer(trouble=f"no answer within {patience_s:g} s"),
        )

        def ended(found: "asyncio.Future[DNSResult]") -> None:
            self._under_way.discard(found)
            gives_up.cancel()
            read = _read(question, found)
            if not answer.done():
                self._answer(question, answer, read)

        asked.add_done_callback(ended)
        return answer

    def _answer(self, question: Question, waited_for: "asyncio.Future[DnsAnswer]", answer: DnsAnswer) -> None:
        del self._asked[question]
        if not answer.trouble:
            self._keep(question, answer)
        self.on_answer(question, answer)
        if not waited_for.done():
            waited_for.set_result(answer)

    def _keep(self, question: Question, answer: DnsAnswer) -> None:
        self._kept.pop(question, None)  # so that it stands behind the others
        while len(self._kept) >= self.most_kept:
            del self._kept[next(iter(self._kept))]
        self._kept[question] = self._time() + min(LONGEST_S, max(SHORTEST_S, answer.keep_s)), answer

    def _resolver(self, route: Route) -> "_Resolver":
        place = route.servers, route.patience_s
        found = self._resolvers.get(place)
        if found is None or found.questions >= QUESTIONS_EACH:
            if found is not None:
                closing = self._loop.create_task(found.retire())
                self._retired[closing] = found
                closing.add_done_callback(self._retired.pop)
            found = self._resolvers[place] = _Resolver(*place)
        return found


class _Resolver:
    """One resolver of c-ares."""

    def __init__(self, servers: Sequence[str], patience_s: float) -> None:
        self.questions = 0
        self._patience_s = patience_s
        timeout_s = max(_SHORTEST_TRY_S, patience_s / _PARTS)
        self._ares = aiodns.DNSResolver(servers or None, timeout=timeout_s, tries=TRIES)

    def query(self, question: Question) -> "asyncio.Future[DNSResult]":
        self.questions += 1
        return self._ares.query_dns(question.name, question.kind)

    async def retire(self) -> None:
        """Close it when nobody waits for it any more."""
        await asyncio.sleep(self._patience_s)
        await self.close()

    async def close(self) -> None:
        await self._ares.close()


def _read(question: Question, found: "asyncio.Future[DNSResult]") -> DnsAnswer:
    if found.cancelled():
        return DnsAnswer(trouble="given up")
    if failure := found.exception():
        code = failure.args[0] if isinstance(failure, error.DNSError) else None
        if code in _ABSENT:
            return DnsAnswer(keep_s=question.route.nothing_s)
        return DnsAnswer(trouble=_TROUBLE.get(code or 0) or f"the DNS failed: {failure}")
    records: list[DNSRecord] = found.result().answer
    number, take = _TAKEN[question.kind]
    taken = tuple(take(record.data) for record in records if record.type == number)
    keep_s = min((float(record.ttl) for record in records), default=0.0)
    return DnsAnswer(taken, keep_s if taken else question.route.nothing_s)
