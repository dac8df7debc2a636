"""Greylisting at work: answers, with what checks found; counts, and the log.

What needs no check is answered at once. Checks have their time and no more: whoever gave no answer counts as
having found nothing (fail open), which is logged and counted. In mode ``watch`` all mail passes that could be
judged, and the log says what would have become of it, as with gross's dry run.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from sendwarden.engine.greylist.decide import Greylister, Undecided
from sendwarden.engine.greylist.question import NOTHING, Action, Answer, Findings, Question
from sendwarden.service.ports import Checks, Clock, EventLog, FinishChecks, QueryLog
from sendwarden.wire.sjsms import quoted

# Answers that are waiting for checks at a time; what is more is decided without.
MOST_WAITING = 2000
REASON = "%reason%"
_GO_AHEAD = (Action.TRUST, Action.MATCH)


@dataclass(frozen=True, slots=True)
class Templates:
    """What each answer is called in one protocol."""

    grey: str = f"$X4.4.3|$N{REASON}"
    match: str = "$Y"
    trust: str = "$Y"
    block: str = f"$N{REASON}"

    def of(self, action: Action) -> str:
        named = {Action.GREY: self.grey, Action.MATCH: self.match, Action.BLOCK: self.block}
        return named.get(action, self.trust)


@dataclass(frozen=True, slots=True)
class Manner:
    """How answers are given."""

    watching: bool = False
    wait_s: float = 5.0  # for checks
    sjsms: Templates = field(default_factory=Templates)
    postfix: Templates = field(
        default_factory=lambda: Templates(f"action=defer_if_permit {REASON}", block=f"action=reject {REASON}")
    )

    def sjsms_text(self, action: Action, reason: str) -> str:
        """What a mapping entry yields."""
        return _filled(self.sjsms.of(action), quoted(reason))

    def postfix_text(self, action: Action, reason: str) -> str:
        """A reply of the policy protocol without its end."""
        if action in (Action.GREY, Action.BLOCK):
            return _filled(self.postfix.of(action), reason)
        return "action=dunno"


@lru_cache(maxsize=256)
def _filled(template: str, reason: str) -> str:
    """The first place of the reason is filled, no other. Line ends in it would end a reply."""
    return template.replace(REASON, " ".join(reason.split("\n")), 1)


class Want(NamedTuple):
    """How somebody is asked about. What gross's protocols ask is as it stands here."""

    checks: bool = True  # may they be asked?
    required: bool = False  # it waits whatever checks weigh
    watching: bool | None = None  # None: as the site does
    channel: str = ""
    why: str = ""  # it waits


GROSS = Want()


@dataclass(frozen=True, slots=True)
class Lookup:
    """Checks are to be asked before there is an answer."""

    asked: Question
    want: Want
    undecided: Undecided
    finish: FinishChecks


class Greylisting:
    """One for the daemon. A reload gives it other rules and ``checks``; what is remembered stays."""

    def __init__(
        self, greylister: Greylister, clock: Clock, log: EventLog, checks: Checks | None = None
    ) -> None:
        self.greylister = greylister
        self.checks = checks
        self.manner = Manner()
        self.said: Counter[Action] = Counter()
        self.found: Counter[str] = Counter()  # by check or list
        self.unanswered = 0  # checks
        self.dropped = 0  # datagrams
        self.waiting = 0
        self.lines: QueryLog | None = None
        self._clock = clock
        self._log = log
        self._began = clock.now()

    def ask(self, asked: Question, want: Want = GROSS) -> Answer | Lookup:
        """An answer, or what must be looked up first."""
        now = self._clock.now()
        answer = self.greylister.ask(asked, now, checks=want.checks, required=want.required)
        if isinstance(answer, Answer):
            self._tell(asked, answer, now, 0.0, want)
            return answer
        found = self.checks.ask(asked) if self.checks else NOTHING
        if not isinstance(found, Findings):
            if self.waiting < MOST_WAITING:
                return Lookup(asked, want, answer, found)
            self._log.warning("greylist-busy", f"more than {MOST_WAITING} answers wait for checks")
            found = Findings(missing=("all",))
        decided = self.greylister.decide(answer, found, now)
        self._tell(asked, decided, now, 0.0, want)
        return decided

    async def look(self, lookup: Lookup, within_s: float) -> Answer:
        """The answer once the checks are in, or their time is over."""
        begun = self._clock.now()
        self.waiting += 1
        try:
            findings = await lookup.finish(within_s)
        finally:
            self.waiting -= 1
        now = self._clock.now()
        answer = self.greylister.decide(lookup.undecided, findings, now)
        self._tell(lookup.asked, answer, now, now - begun, lookup.want)
        return answer

    def action(self, answer: Answer, want: Want = GROSS) -> Action:
        """What is said: while watching, that all may pass."""
        passes = self._watches(want) and answer.action is not Action.FAIL
        return Action.TRUST if passes else answer.action

    def _watches(self, want: Want) -> bool:
        return self.manner.watching if want.watching is None else want.watching

    def _tell(self, asked: Question, answer: Answer, now: float, took_s: float, want: Want) -> None:
        self.said[self.action(answer, want)] += 1
        if self.lines is not None:
            self.lines.add(now, asked, answer, took_s)
        findings = answer.findings
        if findings is not NOTHING:
            self.found.update(one.name for one in findings.found)
            for name in findings.missing:
                self.unanswered += 1
                self._log.warning("check-unanswered", name)
        if answer.action not in _GO_AHEAD:
            watched = self._watches(want)
            self._log.event("greylist", lambda: _fields(asked, answer, took_s, want, watched=watched))

    def status(self) -> str:
        """The line of gross's status service. Its first number is 1 while a list is out of service."""
        now = self._clock.now()
        lists = self.checks.lists if self.checks else ()
        said, waiting = self.said, self.greylister.triplets.waiting(now)
        rate = said.total() / max(1.0, now - self._began)
        found = ", ".join(str(self.found[name]) for name in lists)
        out = ", ".join(self.checks.out_of_service) if self.checks else ""
        health = f"1: Grossd asks without {out}." if out else "0: Grossd OK."
        return (
            f"{health} Update queue: {waiting} (In: {waiting} + Out: 0) "
            f"Trust: {said[Action.TRUST]} Match: {said[Action.MATCH]} Greylist: {said[Action.GREY]} "
            f"Block: {said[Action.BLOCK]} Queries/sec: {rate:.6f} "
            f"Dnsbl matches: grossd dnsbl matches ({', '.join(lists)}): {found}"
        )


def _fields(
    asked: Question, answer: Answer, took_s: float, want: Want, *, watched: bool
) -> Mapping[str, object]:
    said: dict[str, object] = {
        "action": answer.action.value,
        "watched": watched,
        "client_address": asked.client_address,
        "sender": asked.sender,
        "recipient": asked.recipient,
        "weight": answer.findings.weight,
        "found": [str(one) for one in answer.findings.found],
        "took_ms": round(took_s * 1000, 1),
    }
    optional = {
        "helo": asked.helo,
        "account": asked.account,
        "channel": want.channel,
        "why": want.why,
        "missing": list(answer.findings.missing),
    }
    return said | {name: value for name, value in optional.items() if value}
