"""What lists in the DNS, and the DNS itself, say about a client within a time limit; and which are believed.

A list is asked only while it is in service (`engine.reputation.health`): it is tested at the start and each
hour, and rests when it does not answer. Whatever goes wrong, its finding says so and weighs nothing: mail is
never judged by what is not known (fail open), and each change of a list's standing is in the event log.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sendwarden.core.dns import DnsAnswer, Question, Route
from sendwarden.engine.reputation.checks import HELO, REVERSE, Asking, helo, reverse
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.health import Health, entries, report
from sendwarden.engine.reputation.lists import DnsList
from sendwarden.engine.reputation.names import address_name
from sendwarden.engine.spf.check import Sent
from sendwarden.engine.spf.finding import SPF, spf
from sendwarden.service.ports import Clock, EventLog, Resolver

CHECKS = ("dnsbl", "dnswl", "rhsbl", REVERSE, HELO, SPF)
# Checks that others wait for before they make up their minds: what they say beats a weight.
DEFINITIVE = frozenset({"dnswl", SPF})
# Time between two looks at which lists are to be tested.
LOOK_S = 1.0
# Patience of the questions that are of no list.
PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class About:
    """Who is asked about: the client's address, the domain of the sender's address, the client's HELO.

    ``sender`` is the whole address, for SPF; "": the null sender.
    """

    client: str
    domain: str = ""
    helo: str = ""
    sender: str = ""


# Given the findings so far, and whether a definitive check is still under way: is that enough?
Enough = Callable[[Sequence[Finding], bool], bool]


def everything(_found: Sequence[Finding], _definitive: bool) -> bool:  # noqa: FBT001 - as `Enough` has it
    """Wait for all checks."""
    return False


@dataclass(eq=False, slots=True)
class WatchedList:
    """One list, how it stands, and what was counted."""

    list: DnsList
    route: Route
    health: Health
    asked: int = 0
    listed: int = 0
    failed: int = 0
    last_trouble: str = ""

    def silent(self, why: str) -> Finding:
        return Finding(self.list.kind, self.list.name, Said.UNKNOWN, why=why)


class Inquiry:
    """What was asked about one client. ``found`` is all there is where `complete`; else `finish` it."""

    def __init__(self, resolver: Resolver) -> None:
        self.found: list[Finding] = []
        self._resolver = resolver
        self._open: list[tuple[str, Asking, Question]] = []

    @property
    def complete(self) -> bool:
        return not self._open

    def begin(self, check: str, asking: Asking) -> None:
        """Go as far as answers are known already."""
        step = self._go_on(asking, None)
        if isinstance(step, Finding):
            self.found.append(step)
        else:
            self._open.append((check, asking, step))

    async def finish(self, within_s: float, enough: Enough = everything) -> list[Finding]:
        """``found``, in the order in which answers came. Takes ``within_s`` seconds at the most.

        A check that has no answer by then is `Said.UNKNOWN`. Where ``enough`` is satisfied earlier, those
        that are still under way are left out.
        """
        if enough(self.found, self._definitive(check for check, _, _ in self._open)):
            return self.found
        loop = asyncio.get_running_loop()
        ends = loop.time() + within_s
        if len(self._open) == 1:  # the usual case needs no task
            self.found.append(await self._asked(*self._open.pop(), ends))
            return self.found
        waiting = {loop.create_task(self._asked(*one, ends)): one[0] for one in self._open}
        self._open = []
        try:
            while waiting and not enough(self.found, self._definitive(waiting.values())):
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del waiting[task]
                    self.found.append(task.result())
        finally:
            for task in waiting:
                task.cancel()
        return self.found

    @staticmethod
    def _definitive(checks: Iterable[str]) -> bool:
        return any(check in DEFINITIVE for check in checks)

    async def _asked(self, _check: str, asking: Asking, question: Question, ends: float) -> Finding:
        step: Question | Finding = question
        while not isinstance(step, Finding):
            left_s = ends - asyncio.get_running_loop().time()
            late = DnsAnswer(trouble="no answer within the time limit")
            step = self._go_on(asking, await self._resolver.ask(step, left_s) if left_s > 0 else late)
        return step

    def _go_on(self, asking: Asking, answer: DnsAnswer | None) -> Question | Finding:
        try:
            question = next(asking) if answer is None else asking.send(answer)
            while (kept := self._resolver.cached(question)) is not None:
                question = asking.send(kept)
        except StopIteration as end:
            finding: Finding = end.value
            return finding
        return question


class Reputation:
    """All checks, and the one listener of ``resolver``.

    `keep_testing` is a task of the daemon; before its first round no list is believed.
    """

    def __init__(
        self,
        lists: Iterable[DnsList],
        resolver: Resolver,
        outside: tuple[Clock, EventLog],
        servers: tuple[str, ...] = (),
        before: "Reputation | None" = None,
    ) -> None:
        """``servers`` are asked for everything but lists that have their own; empty: those of the system.

        What is known of lists that were there ``before`` stays.
        """
        self._resolver = resolver
        self._clock, self._log = outside
        self._route = Route("DNS", servers, PATIENCE_S)
        self.watched = tuple(self._watched(one, servers, before) for one in lists)
        self._by_route = {one.route: one for one in self.watched}
        resolver.on_answer = self._note

    @staticmethod
    def _watched(dns_list: DnsList, servers: tuple[str, ...], before: "Reputation | None") -> WatchedList:
        asked = dns_list.servers or servers
        for one in before.watched if before else ():
            if one.list == dns_list and one.route.servers == asked:
                return one
        return WatchedList(dns_list, Route(dns_list.name, asked, dns_list.patience_s), Health(dns_list))

    # --- asking

    def begin(self, about: About, checks: Collection[str]) -> Inquiry:
        """Ask these `CHECKS`, and lists by name. Where all is known already, it is complete at once."""
        inquiry = Inquiry(self._resolver)
        for one in self.watched:
            kind = one.list.kind
            wanted = kind in checks or one.list.name in checks
            if wanted and (subject := about.domain if kind == "rhsbl" else about.client):
                inquiry.begin(kind, self._listed(one, subject))
        if REVERSE in checks and address_name(about.client):
            inquiry.begin(REVERSE, reverse(about.client, self._route))
        if HELO in checks and address_name(about.client):
            inquiry.begin(HELO, helo(about.client, about.helo, self._route))
        if SPF in checks and address_name(about.client):
            sent = Sent(about.client, about.sender, about.helo, at=int(self._clock.now()))
            inquiry.begin(SPF, spf(sent, self._route))
        return inquiry

    def _listed(self, one: WatchedList, subject: str) -> Asking:
        """What one list says."""
        if why := one.health.unfit:
            return one.silent(why)
        question = one.list.question(subject, one.route)
        if question is None:
            return one.list.read(())
        if self._resolver.cached(question) is None and (why := one.health.admit(self._clock.now())):
            return one.silent(why)
        answer = yield question
        finding = one.silent(answer.trouble) if answer.trouble else one.list.read(answer.records)
        if finding.said in (Said.LISTED, Said.PASS):
            one.listed += 1
        return finding

    # --- how lists stand

    def _note(self, question: Question, answer: DnsAnswer) -> None:
        """Each question that was asked of a list tells how it does; it comes here once."""
        one = self._by_route.get(question.route)
        if question.kind == "SOA":
            return
        if one is None:
            if answer.trouble and question.route is self._route:
                self._log.warning("dns-trouble", answer.trouble)
            return  # else of a list that a reload took away
        one.asked += 1
        why = answer.trouble
        if not why:
            found = one.list.read(answer.records)
            why = found.why if found.said is Said.UNKNOWN else ""
            one.health.said(self._clock.now(), listed=found.said in (Said.LISTED, Said.PASS))
        if not why:
            if one.health.answered():
                self._log.event("dns-list-back", {"list": one.list.name})
            return
        one.failed += 1
        one.last_trouble = why
        self._log.warning("dns-list-trouble", f"{one.list.name}: {why}; it weighs nothing")
        if one.health.failed(why, self._clock.now()):
            self._log.event("dns-list-rests", {"list": one.list.name, "why": why})

    async def keep_testing(self) -> None:
        """Test lists when they are due, for ever."""
        while True:
            await self.test(due=True)
            await asyncio.sleep(LOOK_S)

    async def test(self, *, due: bool = False) -> None:
        """Test all lists, or those that are ``due``, at the same time."""
        now = self._clock.now()
        checked = [one for one in self.watched if one.list.health_check != "off"]
        await asyncio.gather(*(self._test(one) for one in checked if not due or one.health.test_due(now)))

    async def _test(self, one: WatchedList) -> None:
        names = {entry: name for entry, (name, _) in entries(one.list).items()}
        asked = {entry: one.list.test(name, one.route) for entry, name in names.items()}
        answers = await asyncio.gather(
            *(self._test_answer(question, one) for question in asked.values() if question), self._soa(one)
        )
        result = report(one.list, dict(zip(asked, answers[: len(asked)], strict=True)))
        if not one.health.take(result, self._clock.now()):
            return
        told = {"list": one.list.name, "standing": one.health.standing.value}
        self._log.event("dns-list", told | ({"why": result.fault} if result.fault else {}))
        if result.fault:
            self._log.warning(
                "dns-list-unfit", f"{one.list.name}: {one.health.standing.value}, {result.fault}"
            )

    async def _test_answer(self, question: Question, one: WatchedList) -> tuple[str, ...] | str:
        answer = await self._resolver.ask(question, one.route.patience_s)
        return answer.trouble or answer.records

    async def _soa(self, one: WatchedList) -> tuple[str, ...]:
        """How long an absence counts in this zone."""
        answer = await self._resolver.ask(
            Question(one.list.whole_zone, "SOA", one.route), one.route.patience_s
        )
        if answer.records:
            one.route.nothing_s = min(float(answer.records[0]), answer.keep_s)
        return ()

    # --- showing

    @property
    def out_of_service(self) -> tuple[str, ...]:
        """Names of lists that weigh nothing now."""
        now = self._clock.now()
        return tuple(one.list.name for one in self.watched if one.health.unfit or one.health.rests(now))

    def status(self) -> list[Mapping[str, object]]:
        """All lists with their standing and what was counted, without secrets."""
        now = self._clock.now()
        return [_status(one, now) for one in self.watched]


def _status(one: WatchedList, now: float) -> Mapping[str, object]:
    out = one.health.unfit or one.health.rests(now)
    return {
        "list": one.list.name,
        "kind": one.list.kind,
        "zone": one.list.shown_zone,
        "health_check": one.list.health_check,
        "standing": one.health.standing.value,
        "in_service": not out,
        "why": out or one.health.fault,
        "since": one.health.since or None,
        "tested": one.health.tested or None,
        "asked": one.asked,
        "listed": one.listed,
        "failed": one.failed,
        "last_trouble": one.last_trouble,
    }
