"""The access tables of a site at work: one step of a session in, one Decision out.

The tables of a step are asked in their order; the first refusal ends it, so that what stands behind counts
nothing. A refusal here is said while the client waits, and so is never backscatter; only AUTH_REWRITE is
asked when the message is there, and its refusal goes through the no-backscatter rule like a filter's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from sendwarden.core.decision import Decision, Message, Reason, Request, Stage, Verdict, go_ahead
from sendwarden.engine.access.effects import Effects, effects_of
from sendwarden.engine.access.probes import Question, input_flags, probe_for
from sendwarden.engine.access.tables import present
from sendwarden.engine.backscatter import sayable
from sendwarden.engine.channel import OTHER, Channel, Mode
from sendwarden.engine.mapping.run import Result, TriedEntry
from sendwarden.engine.world import GreylistCall, not_asked
from sendwarden.service.memo import Memo
from sendwarden.service.ports import MeterTables, Outside
from sendwarden.service.site import Site

# What a client hears that is turned away at the connection (RFC 5321 sections 3.1 and 3.8), where the table
# names no code: a mail server must close behind either.
CONNECTION_CODES = {Verdict.REFUSE: 554, Verdict.DEFER: 421}
# Under this name a channel's `macros` may ask for the tag that PORT_ACCESS gave a connection.
TAG_MACRO = "{port_access}"

_REFUSALS = (Verdict.REFUSE, Verdict.DEFER)
_FATE_REASONS = {Verdict.HOLD: "access-held", Verdict.DISCARD: "access-discarded"}


@dataclass(frozen=True, slots=True)
class TableRun:
    """One table that was asked, for `explain`."""

    table: str
    probe: str
    flags: frozenset[str]  # that went in
    tried: tuple[TriedEntry, ...]
    result: Result


@dataclass(slots=True)
class _Work:
    """A step while its tables are asked. It is the engine's `World`."""

    now: float
    meters: MeterTables
    chance: Callable[[], float]
    warn: Callable[[str, str], None]
    greylist: Callable[[GreylistCall], str | None] = not_asked
    notes: list[Reason] = field(default_factory=list)
    found: list[tuple[Effects, list[Reason]]] = field(default_factory=list)
    told: list[Callable[[], None]] = field(default_factory=list)  # to be done once no table is left to ask
    runs: list[TableRun] = field(default_factory=list)

    def note(self, reason: Reason) -> None:
        self.notes.append(reason)


class AccessTables:
    """Asks by one Site; holds nothing that changes."""

    def __init__(self, site: Site, meters: MeterTables, outside: Outside) -> None:
        self._site = site
        self._meters = meters
        self._outside = outside
        self._tables = present(site.mappings.__contains__)
        self.by_milter = site.access_stages("milter")
        self.by_policy = site.access_stages("policy")

    def step(
        self,
        request: Request,
        channel: Channel,
        account: str,
        trace: list[TableRun] | None = None,
        memo: Memo | None = None,
    ) -> Decision:
        """At the connection, at MAIL, at RCPT: what becomes of it.

        With a ``memo`` it may raise `Pending`: then nothing has happened that the memo does not know.
        """
        question = self._question(request, channel, account)
        return self._decided(question, channel, account, trace, memo)

    def rewrite(
        self,
        message: Message,
        channel: Channel,
        account: str,
        trace: list[TableRun] | None = None,
        memo: Memo | None = None,
    ) -> Decision:
        """At the end of a message: AUTH_REWRITE, which is asked about mail with a login."""
        request = message.request
        if not request.login:
            return go_ahead(channel.name, account)
        question = self._question(request, channel, account, message.headers)
        return self._decided(question, channel, account, trace, memo)

    def _question(
        self,
        request: Request,
        channel: Channel,
        account: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Question:
        sender = account if request.login else ""
        return Question(request, channel.table_name, sender, self._site.domains, headers)

    def _decided(
        self,
        question: Question,
        channel: Channel,
        account: str,
        trace: list[TableRun] | None,
        memo: Memo | None,
    ) -> Decision:
        tables = self._tables.get(question.request.stage, ())
        work = self._work(memo)
        for table in tables:
            effects = self._ask(table, question, work, explains=trace is not None)
            if effects.refusal:
                break
        for tell in work.told:
            tell()
        if trace is not None:
            trace += work.runs
        if not work.found:
            return Decision(Verdict.ACCEPT, channel.name, account, tuple(work.notes))
        return self._joined(question.request, channel, account, work)

    def _work(self, memo: Memo | None) -> _Work:
        outside, warn = self._outside, self._outside.log.warning
        if memo is None:
            return _Work(outside.clock.now(), self._meters, outside.chance, warn)

        def warn_once(warning: str, about: str) -> None:
            if not memo.replaying:
                warn(warning, about)

        return _Work(memo.now, memo, memo.chance, warn_once, memo.greylist)

    def _ask(self, table: str, question: Question, work: _Work, *, explains: bool) -> Effects:
        rules = self._site.access
        probe, flags = probe_for(table, question, rules), input_flags(table, question)
        tried: list[TriedEntry] | None = [] if explains else None
        result = self._site.mappings.scan(table, probe, work, flags, tried)
        if explains:
            work.runs.append(TableRun(table, probe, flags, tuple(tried or ()), result))
        effects = effects_of(table, result.flags, result.text)
        if result.flags:
            place = result.entry.pattern_place if result.entry else None
            entry = f"{place.file}:{place.line}" if place else ""
            work.found.append((effects, list(_reasons(effects, table, entry, probe))))
            work.told.append(partial(self._tell, effects, table, entry, probe))
        return effects

    def _tell(self, effects: Effects, table: str, entry: str, probe: str) -> None:
        warn = self._outside.log.warning
        for flag in effects.void:
            warn("access-flag", f"{table} {entry} ${flag}")
        if effects.told or effects.tag:
            event = {"table": table, "entry": entry, "probe": probe, "text": effects.told, "tag": effects.tag}
            self._outside.log.event("access", {name: value for name, value in event.items() if value})

    def _joined(self, request: Request, channel: Channel, account: str, work: _Work) -> Decision:
        """All effects of a step as one decision. Of several fates the first table's counts."""
        all_effects = [effects for effects, _reasons in work.found]
        refusal = all_effects[-1].refusal
        verdict = self._verdict(request, channel, all_effects)
        if refusal and verdict not in _REFUSALS:
            work.notes.append(Reason("no-backscatter", {"verdict": verdict.value}))
        slowest = max(all_effects, key=lambda effects: effects.delay_s)
        fated = next((effects for effects in all_effects if effects.fate is not Verdict.ACCEPT), None)
        senders = [effects.sender for effects in all_effects if effects.sender is not None]
        fields = {name: value for effects in all_effects for name, value in effects.fields.items()}
        code = refusal.code if refusal else 0
        if request.stage is Stage.CONNECT and refusal and not code:
            code = CONNECTION_CODES.get(verdict, 0)
        return Decision(
            verdict,
            channel.name,
            account,
            (*work.notes, *(reason for _effects, reasons in work.found for reason in reasons)),
            text=refusal.text if refusal else "",
            enhanced=refusal.enhanced if refusal else "",
            reference="" if verdict is Verdict.ACCEPT else self._outside.references.next(),
            watched=self._mode(request, channel) is Mode.WATCH,
            code=code,
            headers=tuple(effects.header for effects in all_effects if effects.header),
            fields=tuple(fields.items()),
            new_sender=senders[-1] if senders else None,
            delay_s=slowest.delay_s,
            delays_on=slowest.delays_on,
            whole=request.stage is not Stage.RCPT or fated is None or fated.whole,
            tag=next((effects.connection for effects in all_effects if effects.connection), ""),
        )

    def _verdict(self, request: Request, channel: Channel, all_effects: list[Effects]) -> Verdict:
        refusal = all_effects[-1].refusal
        if refusal is None:
            return next((e.fate for e in all_effects if e.fate is not Verdict.ACCEPT), Verdict.ACCEPT)
        verdict = Verdict.DEFER if refusal.temporary else Verdict.REFUSE
        if request.stage is not Stage.END_OF_MESSAGE:
            return verdict
        return sayable(verdict, request, channel, self._site.internal, self._site.relays)

    def _mode(self, request: Request, channel: Channel) -> Mode:
        undecided = channel is OTHER or request.stage is Stage.CONNECT
        return self._site.access.mode if undecided else channel.mode


def _reasons(effects: Effects, table: str, entry: str, probe: str) -> Iterator[Reason]:
    """One for each effect; the refusal last, as it is what a sender is told where the site has no words."""
    at: dict[str, str | int | float] = {"table": table, "entry": entry}
    for flag in effects.void:
        yield Reason("access-void", at | {"flag": flag})
    if effects.told:
        yield Reason("access-told", at | {"text": effects.told})
    if effects.delay_s:
        yield Reason("access-delayed", at | {"seconds": round(effects.delay_s, 2)})
    if effects.header:
        yield Reason("access-header", at | {"header": ": ".join(effects.header)})
    if effects.sender is not None:
        yield Reason("access-sender", at | {"sender": effects.sender})
    for name, value in effects.fields.items():
        yield Reason("access-field", at | {"field": name, "value": value})
    if effects.fate in _FATE_REASONS:
        yield Reason(_FATE_REASONS[effects.fate], at | {"probe": probe})
    if effects.refusal:
        yield Reason("access-refused", at | {"probe": probe})
