"""May it go? What an account's state and limits say of a recipient, or of a message at its end.

A limit lets all of it through or nothing of it. Within a quantum the same limit of the same account gets one
reference, however often it is asked: whoever floods us shall not fill the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sendwarden.core.account import State
from sendwarden.core.decision import Decision, Message, Reason, Request, Verdict, go_ahead
from sendwarden.core.texts import sentence
from sendwarden.engine.backscatter import sayable
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.limits.charges import Asked
from sendwarden.engine.limits.outcome import Crossing, Over, Taken
from sendwarden.engine.limits.rules import BYTES, DEFER, MESSAGE, Counts, Limit
from sendwarden.engine.limits.shared import NeedsRoom
from sendwarden.engine.limits.windows import WINDOWS, time_of
from sendwarden.service.incoming import Incoming
from sendwarden.service.limiter import SPAM_SCORED, Limiter
from sendwarden.service.ports import Outside
from sendwarden.service.repeats import Repeats
from sendwarden.service.rulings import SEVERITY
from sendwarden.service.shares import ALL, share_numbers

# What becomes of mail of an account that is shut.
SHUT: dict[State, tuple[Verdict, str]] = {
    State.HELD: (Verdict.HOLD, "account-held"),
    State.CONTAINED: (Verdict.REFUSE, "account-contained"),
}

_ONE = Counts(messages=1, recipients=1)

# Channel, account, counter and window of a limit, and what is said of it.
Same = tuple[str, str, int, int, str]

# What makes a message go no further.
_STOPS = (Verdict.REFUSE, Verdict.DEFER, Verdict.DISCARD)


@dataclass(frozen=True, slots=True)
class Whole:
    """A question about a message of which all is known."""

    name: bytes  # as its recipients were asked about; b"" where they were not
    counts: Counts
    server: str = ""
    end: bool = True  # or is it only the end of its envelope?
    recipients: tuple[str, ...] = ()  # all of them, or none where they are not known


class Allowance:
    """Turns what the limiter finds into decisions."""

    def __init__(self, limiter: Limiter, outside: Outside) -> None:
        self.limiter = limiter
        self._outside = outside
        self._repeats = Repeats(outside.references)
        self.incoming = Incoming(limiter, outside)

    def state(self, request: Request, channel: Channel, account: str) -> Decision | None:
        """None: the account is not shut. Mail of hosts has no account that could be."""
        shut = SHUT.get(self.limiter.state(account)) if request.login or request.program else None
        if shut is None:
            return None
        verdict, reason = shut
        why = self.limiter.why(account) or "set by hand"
        decision = self._decision(channel, account, Reason(reason, {"account": account, "why": why}))
        text = self.limiter.told(account) or sentence(Reason(f"{reason}-told", {"account": account}))
        decision = replace(decision, text=text, help=self.limiter.site.help)
        return self._once(
            (channel.name, account, -1, -1, f"{reason} {text} {why}"),
            replace(decision, verdict=verdict, enhanced="5.7.1"),
        )

    def recipient(
        self, request: Request, channel: Channel, account: str, name: bytes, server: str
    ) -> Decision:
        """At RCPT: reserve room for one more."""
        meter = self.limiter.meter(channel, account) if self.limiter.counts(request, channel) else None
        if meter is None:
            return go_ahead(channel.name, account)
        taken = self.limiter.reserve(request, name, server, meter)
        decision = self._decided(taken, channel, account, Counts(recipients=1), for_good=False)
        if taken.over and decision.in_effect not in (Verdict.REFUSE, Verdict.DEFER):
            self.limiter.charges.let_by(self.limiter.asked(name, meter, server, ()), 1)
        return decision

    def passes(
        self, request: Request, channel: Channel, account: str, name: bytes, recipients: Sequence[str]
    ) -> bool:
        """At the end: count a message if nothing can come of it. False: `whole` has to look."""
        limiter = self.limiter
        meter = limiter.meter(channel, account) if limiter.counts(request, channel) else None
        if meter is None:
            return True
        # Of what class recipients are matters to no meter that is asked so (`Charges.quick_whole`).
        counts = _ONE if len(recipients) == 1 else limiter.counted(recipients)
        return limiter.charges.quick_whole(Asked(name, meter, limiter.quantum), counts)

    def message(self, message: Message, channel: Channel, found: Decision) -> Decision:
        """At the end of a message: what was found so far, unless its account is shut or has no room for it.

        May raise `NeedsRoom`; then nothing has happened.
        """
        request, account = message.request, found.account
        shut = self.state(request, channel, account)
        name = request.queue_id.encode("utf-8", "surrogateescape")
        if found.in_effect in _STOPS or (shut and shut.in_effect is Verdict.REFUSE):
            self.release(name)
            return _severest(found, shut)
        gone = () if found.watched else (*found.refused, *found.discarded)
        left = [one for one in request.recipients if one not in gone] if gone else request.recipients
        strange = self.incoming.counts(request)
        alone = not (shut or message.findings or strange)
        if alone and self.passes(request, channel, account, name, left):
            return found
        counts = self.limiter.counted(left, size_bytes=message.size_bytes)
        spam = self.spam(request, channel, account, counts) if _is_spam(message) else None
        if spam and spam.in_effect in _STOPS:
            self.release(name)
            return replace(_severest(found, shut, spam), told=spam.told)
        try:
            limited = self.whole(request, channel, account, Whole(name, counts, recipients=tuple(left)))
        except NeedsRoom:  # it is judged again
            if spam and spam.plain:
                self.release_spam(channel, account, counts)
            raise
        if spam and spam.plain and limited.in_effect in _STOPS:
            self.release_spam(channel, account, counts)
        came = self.incoming.message(request, left) if strange else None
        came = came and replace(came, channel=channel.name, account=account)
        told = tuple(reason for one in (limited, spam, came) if one for reason in one.told)
        severest = _severest(found, shut, limited, spam, came)
        return replace(severest, told=told) if told != severest.told else severest

    def whole(self, request: Request, channel: Channel, account: str, asked: Whole) -> Decision:
        """At DATA or the end: the message has so much in all."""
        meter = self.limiter.meter(channel, account) if self.limiter.counts(request, channel) else None
        if meter is None:
            return go_ahead(channel.name, account)
        question = self.limiter.asked(asked.name, meter, asked.server, asked.recipients)
        queue_id = request.queue_id.encode("utf-8", "surrogateescape")
        taken = self.limiter.settle(question, asked.counts, end=asked.end, queue_id=queue_id)
        for_good = self.limiter.state(account) is not State.THROTTLED
        decision = self._decided(taken, channel, account, asked.counts, for_good=for_good)
        if taken.over and decision.in_effect not in (Verdict.REFUSE, Verdict.DEFER):
            self.limiter.charges.let_by(question, asked.counts.recipients)
        if not asked.end or decision.verdict not in (Verdict.REFUSE, Verdict.DEFER):
            return decision
        self.limiter.charges.release(asked.name, self.limiter.quantum)
        site = self.limiter.site
        return replace(
            decision, verdict=sayable(decision.verdict, request, channel, site.internal, site.relays)
        )

    def spam(self, request: Request, channel: Channel, account: str, counts: Counts) -> Decision | None:
        """At the end of a message that a scanner calls spam: its own row counts besides. None: not here."""
        meter = self.limiter.spam_meter(channel, account) if self.limiter.counts(request, channel) else None
        if meter is None:
            return None
        taken = meter.take(self.limiter.quantum, counts)
        decision = self._decided(taken, replace(channel, name=SPAM_SCORED), account, counts)
        site = self.limiter.site
        return replace(
            decision,
            verdict=sayable(decision.verdict, request, channel, site.internal, site.relays),
            channel=channel.name,
            told=tuple(one for one in decision.told if one.numbers["percent"] == ALL),
        )

    def release_spam(self, channel: Channel, account: str, counts: Counts) -> None:
        """What `spam` has counted, of a message that something else stops."""
        if meter := self.limiter.spam_meter(channel, account):
            meter.give_back(self.limiter.quantum, counts, self.limiter.quantum)

    def release(self, name: bytes) -> None:
        """The message goes no further: what it was charged is given back."""
        if name:
            self.limiter.charges.release(name, self.limiter.quantum)

    def _decided(
        self, taken: Taken, channel: Channel, account: str, counts: Counts, *, for_good: bool = True
    ) -> Decision:
        """``for_good``: is what waiting does not let through refused, and not deferred?

        A single recipient is not: the rest of a message may go in another one (RFC 5321 section 4.5.3.1.10),
        and some that were named may be none of it in the end. Nor is what an account may send again once it
        is throttled no more.
        """
        told = tuple(_told(one, channel, account) for one in taken.crossings)
        if taken.over is None:
            watched = channel.mode is Mode.WATCH
            return Decision(Verdict.ACCEPT, channel.name, account, told=told, watched=watched)
        limit = taken.over.limit
        # Where it is not known what was used, nothing is refused for good.
        action = DEFER if limit.presumed else channel.over_limit
        never = not (taken.over.frees or limit.presumed)
        refuses = action.verdict is Verdict.REFUSE or (for_good and never and action.verdict is Verdict.DEFER)
        decision = replace(
            self._decision(channel, account, self._reason(taken.over, channel, account, counts)),
            verdict=Verdict.REFUSE if refuses else action.verdict,
            enhanced=_status(limit, never=never, refuses=refuses),
            transport=action.transport,
            delay_s=action.delay_s,
            help=self.limiter.site.help,
        )
        same = (channel.name, account, limit.counter, limit.window, decision.reasons[0].id)
        return replace(self._once(same, decision), told=told)

    def _decision(self, channel: Channel, account: str, reason: Reason) -> Decision:
        watched = channel.mode is Mode.WATCH
        return Decision(Verdict.REFUSE, channel.name, account, (reason,), watched=watched)

    def _once(self, same: Same, decision: Decision) -> Decision:
        return self._repeats.once(same, decision, self.limiter.quantum)

    def _reason(self, over: Over, channel: Channel, account: str, counts: Counts) -> Reason:
        limit = over.limit
        numbers: dict[str, str | int | float] = {
            "account": account,
            "channel": channel.name,
            "counted": limit.counted,
            "most": limit.most,
            "used": over.used,
            "asked": over.wanted or counts[limit.counter],
        }
        if over.estimated:
            numbers["estimated"] = True
        if limit.window == MESSAGE:
            return Reason("limit-message", numbers)
        numbers["window"] = WINDOWS[limit.window].seconds
        numbers["row"] = limit.source
        if not over.frees and limit.presumed:
            return Reason("limit-not-known", numbers)
        if not over.frees:
            return Reason("limit-too-large" if limit.counter == BYTES else "limit-too-much", numbers)
        frees_at = time_of(over.frees)
        numbers["frees_at"] = frees_at
        numbers["frees_in"] = max(1, round(frees_at - self.limiter.now()))
        return Reason("limit-over", numbers)


def _status(limit: Limit, *, never: bool, refuses: bool) -> str:
    """The status code of an answer.

    What no waiting lets through has too many recipients (RFC 3463 section 3.6, X.5.3) or is too big (section
    3.4, X.3.4): a mail server that read 4.5.3 at the end of a message would try it again for days.
    """
    kind = 5 if refuses else 4
    if not never:
        return f"{kind}.7.1"
    return f"{kind}.3.4" if limit.counter == BYTES else f"{kind}.5.3"


def _is_spam(message: Message) -> bool:
    return any(finding.spam for finding in message.findings)


def _severest(found: Decision, *others: Decision | None) -> Decision:
    """The one that counts; of equal ones the filters'."""
    weighty = [other for other in others if other and not other.plain]
    if not weighty:
        return found
    return min((found, *weighty), key=lambda one: (SEVERITY.index(one.verdict), one.plain))


def _told(crossing: Crossing, channel: Channel, account: str) -> Reason:
    watched = channel.mode is Mode.WATCH
    numbers = share_numbers(crossing, channel.over_limit, watched=watched)
    numbers |= {"account": account, "channel": channel.name}
    return Reason("limit-share", numbers)
