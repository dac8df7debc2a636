"""Ask: a request or a message goes in, a Decision comes out. Nothing else decides about people.

A message is judged at its end: first whether its sender is the account's (`service.senders`); one that is
refused for that sees no filter. Then the channel's source filter runs, then the destination filters for those
recipients that it left. What they want becomes one ruling a recipient, the no-backscatter rule says what may
be said of it (`engine.backscatter`), and `service.rulings` makes one answer of them all.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import NamedTuple

from sendwarden.core.decision import Decision, Message, Reason, Request, Stage, Verdict, go_ahead
from sendwarden.core.identity import account_of, host_account
from sendwarden.engine.backscatter import sayable
from sendwarden.engine.channel import OTHER, Channel, Mode, channel_of
from sendwarden.engine.handover import read_headers
from sendwarden.engine.programs import program_of
from sendwarden.engine.sieve.compile import Script
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.outcome import Outcome
from sendwarden.engine.webmail import Headers, sender_of
from sendwarden.service.access import AccessTables
from sendwarden.service.allowance import Allowance, Whole
from sendwarden.service.greychannel import ChannelGreylisting, Later
from sendwarden.service.lending import Lending
from sendwarden.service.memo import Memo, memo_of
from sendwarden.service.ports import MeterTables, Outside, SharedRoom
from sendwarden.service.rulings import ACCEPTED, Hearing, decided
from sendwarden.service.scanned import with_findings
from sendwarden.service.scanning import Scan, Scanning
from sendwarden.service.senders import ForeignSender, is_mismatch, with_mismatch
from sendwarden.service.site import Site

# Letters of an address that filters see; RFC 5321 section 4.5.3.1.3 allows 256. A longer one would make the
# probe of a mapping table too long, which then matches nothing: whoever writes it would not be counted.
ADDRESS_LETTERS = 1000
# Header fields of a message. Mail has some dozens, a few hundred after a long way through lists; a filter may
# look at each of them for each of a thousand recipients.
MOST_HEADERS = 5000
# Accounts that a reason names, of a message that could be of several.
ACCOUNTS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One run of a filter, for `explain`."""

    script: Script
    recipients: tuple[str, ...]
    outcome: Outcome


class Heard(NamedTuple):
    """A message as it was read, and what was decided before its account was charged."""

    message: Message
    decision: Decision
    forged: tuple[tuple[str, int], ...] = ()  # score headers: the name, and how many of it


class Judge:
    """Decides by one Site. Holds nothing that changes; a new configuration is a new Judge."""

    def __init__(
        self,
        site: Site,
        meters: MeterTables,
        outside: Outside,
        allowance: Allowance | None = None,
        scanning: Scanning | None = None,
    ) -> None:
        """Without an ``allowance`` there are no limits and no states, without ``scanning`` no scanners."""
        self.site = site
        self._meters = meters
        self._outside = outside
        self._allowance = allowance
        self._scanning = scanning
        self.greylisting: ChannelGreylisting | None = None  # of channels; None: no mail waits
        self._lending = Lending(site, allowance.limiter if allowance else None, outside.log)
        self.tables = AccessTables(site, meters, outside)

    @property
    def room(self) -> SharedRoom | None:
        """Where several processes count together, if they do."""
        return self._allowance.limiter.room if self._allowance else None

    def channel(self, request: Request) -> Channel:
        return channel_of(request, self.site.channels)

    def account(self, request: Request) -> str:
        """The account a request is about: the login, or the host or local program that stands in for one."""
        if request.login:
            return account_of(request.login, self.site.identity)
        if request.origin:
            return host_account(request.origin)
        if request.client_address:
            return host_account(request.client_address)
        return f"[{request.program or 'local'}]"

    def sender(self, request: Request) -> Decision:
        """At MAIL or RCPT: may this account use this envelope sender?

        At MAIL only a refusal can be said. What else follows is decided at RCPT (policy) or at the end of the
        message (milter); a header can be added at the end only.
        """
        channel = self.channel(request)
        decision = go_ahead(channel.name, self.account(request))
        action = channel.foreign_sender
        if request.stage is Stage.MAIL and action != "refuse":
            self._lending.look(request, channel, decision.account)
            return decision
        foreign = self._lending.envelope(request, channel, decision.account)
        action = "allow" if action == "tag" else action
        return self._with_mismatch(decision, foreign, channel, action)

    def _with_mismatch(
        self, decision: Decision, found: tuple[Reason, ...], channel: Channel, action: ForeignSender
    ) -> Decision:
        watched = channel.mode is Mode.WATCH
        return with_mismatch(decision, found, action, self._outside.references, watched=watched)

    def recipient(
        self, request: Request, name: bytes = b"", server: str = "", sender: Decision | None = None
    ) -> Decision:
        """At RCPT: may this account use its envelope sender, and reach one more recipient?

        ``name`` joins the questions about one message, ``server`` says which mail server asks; ``sender`` is
        what `sender` said of the message, if it was asked before.
        """
        decision = sender or self.sender(request)
        if not decision.plain or self._allowance is None or self.site.webmail.names(request):
            return decision  # whose room a webmail takes, its message says
        channel = self.channel(request)
        limited = self._allowance.state(request, channel, decision.account)
        limited = limited or self._allowance.recipient(request, channel, decision.account, name, server)
        if limited.plain and self._allowance.incoming.counts(request):
            came = self._allowance.incoming.recipient(request, name)
            if came:
                told = (*limited.told, *came.told)
                return replace(came, channel=channel.name, account=decision.account, told=told)
        return replace(limited, reasons=(*decision.reasons, *limited.reasons))

    def whole(self, request: Request, whole: Whole) -> Decision:
        """At DATA or at the end of a message of which no more than numbers are known."""
        channel, account = self.channel(request), self.account(request)
        if self._allowance is None or self.site.webmail.names(request):
            return go_ahead(channel.name, account)
        if whole.end and self._allowance.incoming.counts(request):
            self._allowance.incoming.ended(request, whole.name)
        shut = self._allowance.state(request, channel, account)
        return shut or self._allowance.whole(request, channel, account, whole)

    def given_up(self, queue_id: str) -> None:
        """A message goes no further, and was not judged at its end: what it was charged comes back."""
        if self._allowance:
            self._allowance.release(queue_id.encode("utf-8", "surrogateescape"))

    def access(self, request: Request, memo: Memo | None = None) -> Decision:
        """At the connection, MAIL or RCPT: what the access tables say, which count what they are asked.

        With a ``memo`` it may raise `Pending`, like `heard`.
        """
        return self.tables.step(request, self.channel(request), self.account(request), memo=memo)

    def rewrite(self, message: Message, memo: Memo | None = None) -> Decision:
        """At the end of a message: what AUTH_REWRITE says. May raise `Pending`."""
        request, channel = message.request, self.channel(message.request)
        if message.cut and request.login:
            return self._unread(request, channel)
        return self.tables.rewrite(message, channel, self.account(request), memo=memo)

    def named(self, message: Message) -> Message:
        """A message with the account or program that its header says it is of. To be asked first."""
        request, webmail = message.request, self.site.webmail
        if self.site.programs != "together" and not (request.login or request.client_address):
            program = program_of(message.headers, request.queue_id, self.site.programs)
            return replace(message, request=replace(request, program=program))
        if not webmail.names(request):
            return message
        found = sender_of(message.headers, webmail, self.site.identity)
        known = replace(request, login=found.login, login_from=found.login_from, origin=found.address)
        return replace(message, request=known, several=found.several)

    def scan(self, message: Message) -> Scan | None:
        """What is to be awaited and put into the message before it is judged; None: no scanner is asked."""
        if self._scanning is None or message.cut:
            return None
        names = self.channel(message.request).scan
        if not names:
            return None
        message, _findings, _forged = read_headers(message, self.site.score_headers)
        return self._scanning.scan(message, names)

    def greylist(self, request: Request, headers: Headers | None = None) -> Decision | Later | None:
        """At RCPT, or with ``headers`` at the end of a message, before it counts: must it wait?"""
        if self.greylisting is None or not self.site.greylists:
            return None
        return self.greylisting.ask(request, self.channel(request), self.account(request), headers)

    def memo(self, request: Request) -> Memo | None:
        """What filters and tables need that may ask somebody, and then run again; None: none does."""
        outside = self._outside
        asks = (self.site.asks_greylist and outside.greylist) or (self.site.meters and outside.tables)
        account = self.account(request) if request.login else ""
        return memo_of(outside, self._meters, account) if asks else None

    def message(
        self, message: Message, trace: list[ScriptRun] | None = None, channel: Channel | None = None
    ) -> Decision:
        """At the end of a message: what becomes of it, for all its recipients.

        ``trace`` collects the filters' runs; ``channel`` judges as if it came by this one. May raise
        `NeedsRoom`: then what filters counted is counted, and `settled` can be tried again.
        """
        channel = channel or self.channel(message.request)
        return self.settled(self.heard(message, channel, trace), channel)

    def heard(
        self,
        message: Message,
        channel: Channel,
        trace: list[ScriptRun] | None = None,
        memo: Memo | None = None,
    ) -> Heard:
        """The first half of `message`: its header, its sender, and what filters and scanners make of it.

        With a ``memo`` it may raise `Pending`: then nothing has happened that the memo does not know, and it
        is to be called again with the answer in it.
        """
        forged: tuple[tuple[str, int], ...] = ()
        if self.site.score_headers:
            message, forged = self._read_headers(message, channel)
        found: tuple[Reason, ...] = ()
        if self.site.judges_senders or self.site.judges_headers:
            found = self._lending.message(message, channel, self.account(message.request))
        if found and channel.foreign_sender == "refuse" and is_mismatch(found):
            decision = go_ahead(channel.name, self.account(message.request))
        else:
            decision = self._by_filters(message, channel, trace, memo)
        if found:
            decision = self._with_mismatch(decision, found, channel, channel.foreign_sender)
        if message.findings:
            decision = with_findings(decision, message, channel, self.site, self._outside.references)
        return Heard(message, decision, forged)

    def settled(self, heard: Heard, channel: Channel) -> Decision:
        """The second half: what its account may send, and what is taken out of its header.

        May raise `NeedsRoom`; then nothing has happened.
        """
        message, decision = heard.message, heard.decision
        if self._allowance:
            decision = self._allowance.message(message, channel, decision)
        if heard.forged:
            decision = _without(decision, heard.forged, channel)
        removed = self.site.webmail.removed(message.request, message.headers)
        if not removed:
            return decision
        # Mail of strangers is on no channel that could have a mode: the site's counts (`config.webmail`).
        watched = decision.watched or (channel is not OTHER and channel.mode is Mode.WATCH)
        return replace(decision, removed=(*decision.removed, *removed), watched=watched)

    def _read_headers(
        self, message: Message, channel: Channel
    ) -> tuple[Message, tuple[tuple[str, int], ...]]:
        """The message without forged score headers, and with what the others say if the channel wants it."""
        read, findings, forged = read_headers(message, self.site.score_headers)
        wanted = tuple(one for one in findings if one.scanner in channel.scan)
        return replace(read, findings=(*message.findings, *wanted)), forged

    def _by_filters(
        self, message: Message, channel: Channel, trace: list[ScriptRun] | None, memo: Memo | None
    ) -> Decision:
        """What the channel's filters make of it."""
        request = message.request
        if message.several:
            accounts = ", ".join(message.several[:ACCOUNTS_SHOWN])
            return self._not_judged(request, channel, Reason("webmail-several", {"accounts": accounts}))
        if message.cut and self._looks(request, channel):
            return self._unread(request, channel)
        if channel.sourcefilter is None and not channel.destinationfilters:
            return go_ahead(channel.name, self.account(request))
        hearing = self._hearing(request, memo)
        self._hear(message, channel, hearing, trace, memo)
        if hearing.plain:
            found = go_ahead(channel.name, self.account(request))
            return replace(found, reasons=tuple(hearing.notes.values())) if hearing.notes else found
        decision = decided(request, channel, self.site, hearing)
        reference = self._outside.references.next()
        return replace(decision, account=self.account(request), reference=reference)

    def _hearing(self, request: Request, memo: Memo | None) -> Hearing:
        outside, rulings = self._outside, dict.fromkeys(request.recipients, ACCEPTED)
        warn = outside.log.warning
        if memo is None:
            return Hearing(outside.clock.now(), self._meters, outside.chance, warn, rulings)

        def warn_once(warning: str, about: str) -> None:
            if not memo.replaying:
                warn(warning, about)

        return Hearing(memo.now, memo, memo.chance, warn_once, rulings, memo.greylist, memo.notes)

    def _looks(self, request: Request, channel: Channel) -> bool:
        """Does anything of ours look at the header of such a message?"""
        filters = channel.sourcefilter or channel.destinationfilters
        unnamed = not request.login and self.site.webmail.names(request)
        return bool(filters or channel.scan or self.site.score_headers or unnamed)

    def _unread(self, request: Request, channel: Channel) -> Decision:
        """A message with so many headers that filters could be kept busy or made blind by it."""
        return self._not_judged(request, channel, Reason("too-many-headers", {"most": MOST_HEADERS}))

    def _not_judged(self, request: Request, channel: Channel, reason: Reason) -> Decision:
        site = self.site
        return Decision(
            sayable(Verdict.REFUSE, request, channel, site.internal, site.relays),
            channel.name,
            self.account(request),
            (reason,),
            enhanced="5.6.0",
            reference=self._outside.references.next(),
            watched=channel.mode is Mode.WATCH,
        )

    def _hear(
        self,
        message: Message,
        channel: Channel,
        hearing: Hearing,
        trace: list[ScriptRun] | None,
        memo: Memo | None,
    ) -> None:
        recipients = tuple(hearing.rulings)
        request = message.request
        by_account = channel.envelope_from == "account" and request.login
        sender = self.account(request) if by_account else _shown(request.sender)
        mail = Mail(message.headers, sender, _all_shown(recipients), message.body, message.size_bytes)
        mail.findings = message.findings
        numbers = count()

        def run(script: Script, those: tuple[str, ...]) -> None:
            apart = script.facts.recipient and channel.count == "recipient"
            for group in [(one,) for one in those] if apart else [those]:
                evaluate = partial(
                    script.run, mail, _all_shown(group), world=hearing, trace=trace is not None
                )
                outcome = memo.run(next(numbers), evaluate) if memo else evaluate()
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


def _without(decision: Decision, forged: tuple[tuple[str, int], ...], channel: Channel) -> Decision:
    """A decision with the forged score headers that are taken out, unless the channel only watches."""
    told = tuple(Reason("score-forged", {"header": name, "count": count}) for name, count in forged)
    # From the last, since those behind one that is taken out move up.
    every = ((name, number) for name, count in forged for number in range(count, 0, -1))
    taken = () if channel.mode is Mode.WATCH else tuple(every)
    return replace(decision, reasons=(*told, *decision.reasons), removed=taken)


def _shown(address: str) -> str:
    """An address as filters see it."""
    return address[:ADDRESS_LETTERS]


def _all_shown(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return (
        tuple(map(_shown, addresses)) if max(map(len, addresses), default=0) > ADDRESS_LETTERS else addresses
    )
