"""Ask: a request or a message goes in, a Decision comes out. Nothing else decides about people.

A message is judged at its end: first whether its sender is the account's (`service.senders`); one that is
refused for that sees no filter. Then the channel's source filter runs, then the destination filters for those
recipients that it left. What they want becomes one ruling a recipient, the no-backscatter rule says what may
be said of it (`engine.backscatter`), and `service.rulings` makes one answer of them all.
"""

from dataclasses import dataclass, replace

from sendwarden.core.decision import Decision, Message, Reason, Request, Stage, Verdict
from sendwarden.core.identity import account_of, host_account
from sendwarden.engine.backscatter import sayable
from sendwarden.engine.channel import Channel, Mode, channel_of
from sendwarden.engine.sieve.compile import Script
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.outcome import Outcome
from sendwarden.service.access import AccessTables, TableRun
from sendwarden.service.allowance import Allowance, Whole
from sendwarden.service.ports import MeterTables, Outside
from sendwarden.service.rulings import ACCEPTED, Hearing, joined
from sendwarden.service.senders import (
    ForeignSender,
    envelope_mismatch,
    is_mismatch,
    message_mismatch,
    with_mismatch,
)
from sendwarden.service.site import Site

# Letters of an address that filters see; RFC 5321 section 4.5.3.1.3 allows 256. A longer one would make the
# probe of a mapping table too long, which then matches nothing: whoever writes it would not be counted.
ADDRESS_LETTERS = 1000
# Header fields of a message. Mail has some dozens, a few hundred after a long way through lists; a filter may
# look at each of them for each of a thousand recipients.
MOST_HEADERS = 5000


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One run of a filter, for `explain`."""

    script: Script
    recipients: tuple[str, ...]
    outcome: Outcome


class Judge:
    """Decides by one Site. Holds nothing that changes; a new configuration is a new Judge."""

    def __init__(
        self,
        site: Site,
        meters: MeterTables,
        outside: Outside,
        allowance: Allowance | None = None,
    ) -> None:
        """Without an ``allowance`` there are no limits and no states."""
        self.site = site
        self._meters = meters
        self._outside = outside
        self._allowance = allowance
        self.tables = AccessTables(site, meters, outside)

    def channel(self, request: Request) -> Channel:
        return channel_of(request, self.site.channels)

    def account(self, request: Request) -> str:
        """The account a request is about: the login, or the host or local program that stands in for one."""
        if request.login:
            return account_of(request.login, self.site.identity)
        if request.client_address:
            return host_account(request.client_address)
        return f"[{request.program or 'local'}]"

    def sender(self, request: Request) -> Decision:
        """At MAIL or RCPT: may this account use this envelope sender?

        At MAIL only a refusal can be said. What else follows is decided at RCPT (policy) or at the end of the
        message (milter); a header can be added at the end only.
        """
        channel = self.channel(request)
        decision = Decision(Verdict.ACCEPT, channel.name, self.account(request))
        action = channel.foreign_sender
        if request.stage is Stage.MAIL and action != "refuse":
            return decision
        foreign = envelope_mismatch(request, channel, decision.account, self.site.owners)
        action = "allow" if action == "tag" else action
        return self._with_mismatch(decision, foreign, channel, action)

    def _with_mismatch(
        self, decision: Decision, found: tuple[Reason, ...], channel: Channel, action: ForeignSender
    ) -> Decision:
        watched = channel.mode is Mode.WATCH
        return with_mismatch(decision, found, action, self._outside.references, watched=watched)

    def recipient(self, request: Request, name: bytes = b"", server: str = "") -> Decision:
        """At RCPT: may this account use its envelope sender, and reach one more recipient?

        ``name`` joins the questions about one message, ``server`` says which mail server asks.
        """
        decision = self.sender(request)
        if not decision.plain or self._allowance is None:
            return decision
        channel = self.channel(request)
        if self._allowance.incoming.counts(request):
            came = self._allowance.incoming.recipient(request, name)
            if came and (not came.plain or came.told):
                return replace(came, channel=channel.name, account=decision.account)
        limited = self._allowance.state(request, channel, decision.account)
        limited = limited or self._allowance.recipient(request, channel, decision.account, name, server)
        return replace(limited, reasons=(*decision.reasons, *limited.reasons))

    def whole(self, request: Request, whole: Whole) -> Decision:
        """At DATA or at the end of a message of which no more than numbers are known."""
        channel, account = self.channel(request), self.account(request)
        if self._allowance is None:
            return Decision(Verdict.ACCEPT, channel.name, account)
        if whole.end and self._allowance.incoming.counts(request):
            self._allowance.incoming.ended(request, whole.name)
        shut = self._allowance.state(request, channel, account)
        return shut or self._allowance.whole(request, channel, account, whole)

    def access(self, request: Request, trace: list[TableRun] | None = None) -> Decision:
        """At the connection, MAIL or RCPT: what the access tables say, which count what they are asked."""
        return self.tables.step(request, self.channel(request), self.account(request), trace)

    def rewrite(self, message: Message, trace: list[TableRun] | None = None) -> Decision:
        """At the end of a message: what AUTH_REWRITE says."""
        request, channel = message.request, self.channel(message.request)
        if message.cut and request.login:
            return self._unread(request, channel)
        return self.tables.rewrite(message, channel, self.account(request), trace)

    def message(
        self, message: Message, trace: list[ScriptRun] | None = None, channel: Channel | None = None
    ) -> Decision:
        """At the end of a message: what becomes of it, for all its recipients.

        ``trace`` collects the filters' runs; ``channel`` judges as if it came by this one.
        """
        channel = channel or self.channel(message.request)
        found = message_mismatch(message, channel, self.account(message.request), self.site.owners)
        if channel.foreign_sender == "refuse" and is_mismatch(found):
            decision = Decision(Verdict.ACCEPT, channel.name, self.account(message.request))
        else:
            decision = self._filtered(message, channel, trace)
        if found:
            decision = self._with_mismatch(decision, found, channel, channel.foreign_sender)
        return self._allowed(message, channel, decision, self._allowance) if self._allowance else decision

    def _allowed(
        self, message: Message, channel: Channel, filtered: Decision, allowance: Allowance
    ) -> Decision:
        """What was found so far, unless the account is shut or has no room for what is let through."""
        request = message.request
        shut = allowance.state(request, channel, filtered.account)
        name = request.queue_id.encode("utf-8", "surrogateescape")
        stops = filtered.in_effect in (Verdict.REFUSE, Verdict.DEFER, Verdict.DISCARD)
        if stops or (shut and shut.in_effect is Verdict.REFUSE):
            allowance.release(name)
            return _severer(filtered, shut)
        gone = () if filtered.watched else (*filtered.refused, *filtered.discarded)
        left = [recipient for recipient in request.recipients if recipient not in gone]
        counts = allowance.limiter.counted(left, size_bytes=message.size_bytes)
        whole = Whole(name, counts, recipients=tuple(left))
        limited = allowance.whole(request, channel, filtered.account, whole)
        came = allowance.incoming.message(request, left) if allowance.incoming.counts(request) else None
        came = replace(came, channel=channel.name, account=filtered.account) if came else None
        told = (*limited.told, *(came.told if came else ()))
        return replace(_severer(filtered, shut, limited, came), told=told)

    def _filtered(self, message: Message, channel: Channel, trace: list[ScriptRun] | None) -> Decision:
        """What the channel's filters make of it."""
        request = message.request
        if message.cut and (channel.sourcefilter or channel.destinationfilters):
            return self._unread(request, channel)
        if channel.sourcefilter is None and not channel.destinationfilters:
            return Decision(Verdict.ACCEPT, channel.name, self.account(request))
        hearing = Hearing(
            self._outside.clock.now(),
            self._meters,
            self._outside.chance,
            self._outside.log.warning,
            dict.fromkeys(request.recipients, ACCEPTED),
        )
        self._hear(message, channel, hearing, trace)
        if hearing.plain:
            return Decision(
                Verdict.ACCEPT, channel.name, self.account(request), tuple(hearing.notes.values())
            )
        return self._decided(request, channel, hearing)

    def _unread(self, request: Request, channel: Channel) -> Decision:
        """A message with so many headers that filters could be kept busy or made blind by it."""
        site = self.site
        return Decision(
            sayable(Verdict.REFUSE, request, channel, site.internal, site.relays),
            channel.name,
            self.account(request),
            (Reason("too-many-headers", {"most": MOST_HEADERS}),),
            enhanced="5.6.0",
            reference=self._outside.references.next(),
            watched=channel.mode is Mode.WATCH,
        )

    def _hear(
        self, message: Message, channel: Channel, hearing: Hearing, trace: list[ScriptRun] | None
    ) -> None:
        recipients = tuple(hearing.rulings)
        request = message.request
        by_account = channel.envelope_from == "account" and request.login
        sender = self.account(request) if by_account else _shown(request.sender)
        mail = Mail(message.headers, sender, _all_shown(recipients), message.body, message.size_bytes)

        def run(script: Script, those: tuple[str, ...]) -> None:
            apart = script.facts.recipient and channel.count == "recipient"
            for group in [(one,) for one in those] if apart else [those]:
                outcome = script.run(mail, _all_shown(group), world=hearing, trace=trace is not None)
                if trace is not None:
                    trace.append(ScriptRun(script, group, outcome))
                hearing.take(outcome, script.name, group)

        if channel.sourcefilter:
            run(channel.sourcefilter, recipients)
        for destination in channel.destinationfilters:
            left = (r for r in recipients if hearing.rulings[r].verdict is Verdict.ACCEPT)
            those = tuple(r for r in left if destination.takes(r, self.site.domains))
            if those:
                run(destination.script, those)

    def _decided(self, request: Request, channel: Channel, hearing: Hearing) -> Decision:
        verdicts: dict[str, Verdict] = {}
        for recipient, ruling in hearing.rulings.items():
            wanted = channel.refusal if ruling.verdict is Verdict.REFUSE else ruling.verdict
            verdicts[recipient] = sayable(wanted, request, channel, self.site.internal, self.site.relays)
        whole = joined(verdicts.values())
        if whole is Verdict.DISCARD and hearing.copies:
            whole = Verdict.ACCEPT  # only the copies go on
        reasons = hearing.reasons()
        texts = [ruling.text for ruling in hearing.rulings.values() if ruling.text]
        refused = any(ruling.verdict is Verdict.REFUSE for ruling in hearing.rulings.values())
        if refused and not {Verdict.REFUSE, Verdict.DEFER} & set(verdicts.values()):
            reasons.append(Reason("no-backscatter", {"verdict": channel.unauthenticated.value}))
        if whole is Verdict.HOLD and set(verdicts.values()) != {Verdict.HOLD}:
            reasons.append(Reason("whole-message"))
        goes_on = whole in (Verdict.ACCEPT, Verdict.HOLD)
        return Decision(
            whole,
            channel.name,
            self.account(request),
            tuple(reasons),
            text=texts[0] if texts else "",
            enhanced="4.7.1" if channel.refusal is Verdict.DEFER else "5.7.1",
            refused=_those(verdicts, channel.refusal) if goes_on else (),
            discarded=_those(verdicts, Verdict.DISCARD) if goes_on else (),
            copies_to=tuple(hearing.copies) if goes_on else (),
            reference=self._outside.references.next(),
            watched=channel.mode is Mode.WATCH,
        )


# Which of several decisions about a whole message counts: the first of these.
SEVERITY = (Verdict.REFUSE, Verdict.DEFER, Verdict.DISCARD, Verdict.HOLD, Verdict.ACCEPT)


def _severer(filtered: Decision, *others: Decision | None) -> Decision:
    """The one that counts; of equal ones the filters'."""
    every = [filtered, *(other for other in others if other)]
    return min(every, key=lambda one: (SEVERITY.index(one.verdict), one.plain))


def _shown(address: str) -> str:
    """An address as filters see it."""
    return address[:ADDRESS_LETTERS]


def _all_shown(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return (
        tuple(map(_shown, addresses)) if max(map(len, addresses), default=0) > ADDRESS_LETTERS else addresses
    )


def _those(verdicts: dict[str, Verdict], wanted: Verdict) -> tuple[str, ...]:
    return tuple(recipient for recipient, verdict in verdicts.items() if verdict is wanted)
