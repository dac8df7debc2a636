"""The milter: a mail server's sessions in, answers and changes out.

Postfix and Sendmail open one connection for each SMTP session. What this site's filters do not look at is
negotiated away, which is worth more than any speed of ours: no answers but those that may say something, no
body if no filter reads it. One connection carries many messages; a new configuration takes hold at the next
message, unless it needs steps that this connection was not given, then with the next connection.

The login is what the mail server itself authenticated: the macro {auth_authen}, and only where {auth_type}
says how. With EXTERNAL that name is the subject of a certificate; it counts only if the site says so. What a
webmail says of its mail (`engine.webmail`) is known at the end of a message.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.identity import bare_address
from sendwarden.core.scan import Finding
from sendwarden.core.texts import refusal_text
from sendwarden.engine.programs import is_local
from sendwarden.service.access import TAG_MACRO
from sendwarden.service.carried import with_carried
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection, Ending, in_turn
from sendwarden.service.envelope import Envelope, SmtpClient
from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.greychannel import Later
from sendwarden.service.judge import Heard, Judge
from sendwarden.service.milter_terms import (
    ACCESS_ACTIONS,
    ACTIONS,
    ALLOWED_BY,
    ANSWERED,
    changes,
    encoded,
    login_of,
    macros_at_connection,
    unwanted_steps,
)
from sendwarden.service.ports import EventLog
from sendwarden.service.scanning import Scan
from sendwarden.service.senders import is_open
from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.milter.commands import (
    Abort,
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Mail,
    Negotiate,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
)
from sendwarden.wire.milter.flags import Action, MacroStage, Step
from sendwarden.wire.milter.replies import (
    Answer,
)
from sendwarden.wire.milter.session import FilterSession, Phase, negotiate

# What is left of our deadline for keeping a decision, however long scanners took.
SETTLE_S = 0.3
# How long checks of greylisting are waited for.
CHECKS_WITHIN_S = 5.0
_REFUSALS = (Verdict.REFUSE, Verdict.DEFER)
_CONTINUE = Answer.CONTINUE.encode()
_AT_WORK = Answer.PROGRESS.encode()


class MilterConnection(Connection):
    """One connection of a mail server."""

    def __init__(
        self, judge: Callable[[], Judge], conclusions: Conclusions, gate: Gate, log: EventLog, listener: str
    ) -> None:
        super().__init__(gate, log, listener)
        self._newest_judge = judge
        self._judge = judge()
        self._conclusions = conclusions
        self._session = FilterSession()
        self._actions = Action(0)
        self._steps = Step(0)
        self._answered: frozenset[object] = frozenset()
        self._answers_mail = True
        self._client = SmtpClient()
        self._message: Envelope | None = None

    @property
    def idle(self) -> bool:
        return self.answering is None and self._session.phase <= Phase.IDLE and not self._session.unfinished

    def feed(self, data: bytes) -> None:
        self._session.feed(data)

    def go_on(self) -> None:
        try:
            while self.open and self.answering is None:
                command = self._session.next_command()
                if command is Need.DATA:
                    return
                kind = type(command)
                if not self._TAKE[kind](self, command) and kind in self._answered:
                    self.write(_CONTINUE)
        except ProtocolError as error:
            self.abort(str(error))

    # --- the client

    def _negotiate(self, command: Negotiate) -> None:
        optional = ACCESS_ACTIONS & command.actions
        ours = negotiate(command, ACTIONS | optional, unwanted_steps(self._judge.site))
        self._actions, self._steps = ours.actions, ours.steps
        if self._judge.tables.by_milter and Action.SET_MACROS & command.actions:
            actions = ours.actions | Action.SET_MACROS
            ours = replace(
                ours, actions=actions, macros=((MacroStage.CONNECT, macros_at_connection(self._judge.site)),)
            )
        self._answered = frozenset(kind for kind, step in ANSWERED.items() if not ours.steps & step)
        self._answers_mail = not ours.steps & Step.NR_MAIL
        self.write(ours.encode())

    def _connect(self, command: Connect) -> bool:
        address, name = command.client_address, command.hostname
        local = self._judge.site.programs != "together" and is_local(address, name, command.port)
        self._client = SmtpClient("" if local else address, name, port=command.port)
        if Stage.CONNECT not in self._judge.tables.by_milter:
            return False
        nothing_yet = Envelope("", "", "", self._known(self._session.macros()))
        request = self._request(Stage.CONNECT, nothing_yet, ())

        def tag(decision: Decision) -> None:
            self._client = replace(self._client, tag=decision.tag)

        return self._ask_tables(request, tag)

    def _ask_tables(self, request: Request, take: Callable[[Decision], None], first: Ending = None) -> bool:
        """Have access tables asked about this step, ``take`` what they say, and answer."""
        memo = self._judge.memo(request)

        def answer(decision: Decision, _took_s: float) -> None:
            take(decision)
            self._answer_step(request, decision, first)

        # Before the end of a message not every mail server takes a sign that we are at work.
        self.once_heard(memo, partial(self._judge.access, request, memo), answer, b"")
        return True

    def _known(self, macros: dict[str, str]) -> dict[str, str]:
        """Macros with what the milter protocol says in another way."""
        if self._judge.tables.by_milter:
            macros.setdefault("{client_port}", str(self._client.port or ""))
            macros[TAG_MACRO] = self._client.tag
        return macros

    def _helo(self, command: Helo) -> None:
        self._client = replace(self._client, helo=command.name)

    def _next_client(self, _command: QuitNewConnection) -> None:
        self._client, self._message = SmtpClient(), None

    def _quit(self, _command: Quit) -> None:
        self.end()

    def _nothing(self, _command: Command) -> None:
        pass

    # --- a message

    def _mail(self, command: Mail) -> None:
        self._renew_judge()
        macros = self._known(self._session.macros())
        envelope = Envelope(
            bare_address(command.path),
            login_of(macros, external=self._judge.site.external_logins),
            macros.get("i", ""),
            macros,
        )
        envelope.keep_bytes = self._judge.site.body_bytes
        self._message = envelope
        ending: Ending = None
        asked = self._asked_at(Stage.MAIL)
        if asked or self._judge.site.judges_senders:
            request = self._request(Stage.MAIL, envelope, (), command.arguments)
        if self._judge.site.judges_senders:
            decision = self._judge.sender(request)
            envelope.sender_open = is_open(decision.reasons)
            ending = None if decision.plain else self._conclusions.conclude(request, decision)
            if decision.in_effect is not Verdict.ACCEPT:
                self._answer(ending, decision, [])
                return
        if asked:
            self._ask_tables(request, partial(self._carry, envelope, ""), ending)
        elif self._answers_mail:
            self.answer_soon(ending, _CONTINUE)

    def _carry(self, envelope: Envelope, recipient: str, decision: Decision) -> None:
        """Keep what can be done only at the end of the message."""
        if decision.delays_on and not decision.watched:
            envelope.delay_s = max(envelope.delay_s, decision.delay_s)
        if decision.verdict not in _REFUSALS:
            envelope.carried.append((recipient, decision))

    def _answer_step(self, request: Request, decision: Decision, first: Ending = None) -> bool:
        """Answer a connection, MAIL or RCPT by what the access tables say, now or a little later."""
        refused = decision.verdict in _REFUSALS
        ending = self._conclusions.conclude(request, decision) if refused else None
        reply = _CONTINUE
        if decision.in_effect in _REFUSALS:
            reply = encoded(changes(decision, [], refusal_text(decision)))
        delay_s = max(
            0.0 if decision.watched else decision.delay_s, self._message.delay_s if self._message else 0.0
        )
        self.answer_soon(in_turn(first, ending), reply, delay_s)
        return True

    def _request(
        self,
        stage: Stage,
        envelope: Envelope,
        recipients: tuple[str, ...],
        parameters: tuple[str, ...] = (),
    ) -> Request:
        client = self._client
        return Request(
            stage,
            self.listener,
            client.address,
            client.name,
            client.helo,
            envelope.login,
            envelope.sender,
            recipients,
            envelope.queue_id,
            envelope.macros,
            parameters,
            (envelope.asked, len(envelope.paths)),
            sender_open=envelope.sender_open,
        )

    def _asked_at(self, stage: Stage) -> bool:
        """Is an access table asked at this step?"""
        asked = self._judge.tables.by_milter
        return bool(asked) and stage in asked

    def _renew_judge(self) -> None:
        newest = self._newest_judge()
        if newest is not self._judge and unwanted_steps(newest.site) & self._steps == self._steps:
            self._judge = newest

    def _abort(self, _command: Abort) -> None:
        """Behind our end it says nothing; without one somebody before us refused, or the client went."""
        if self._message and (queue_id := self._session.macro("i")):
            self._judge.given_up(queue_id)
        self._message = None

    def _rcpt(self, command: Rcpt) -> bool:
        envelope = self._message
        if envelope is None:
            return False
        envelope.asked += 1
        if not self._asked_at(Stage.RCPT):
            envelope.take_recipient(command.path)
            return False
        recipient = bare_address(command.path)
        request = self._request(Stage.RCPT, envelope, (recipient,), command.arguments)

        def take(decision: Decision) -> None:
            self._carry(envelope, recipient, decision)
            if decision.in_effect not in _REFUSALS:
                envelope.take_recipient(command.path)

        return self._ask_tables(request, take)

    def _header(self, command: Header) -> None:
        if self._message:
            others = [] if Header in self._answered else self._session.following_headers()
            self._message.take_headers([(command.name, command.value), *others])

    def _body(self, command: Body) -> None:
        if self._message:
            self._message.take_body(command.chunk)

    def _end_of_message(self, command: EndOfMessage) -> None:
        envelope, self._message = self._message, None
        if envelope is None:
            raise ProtocolError("the end of a message that has no sender")
        envelope.take_body(command.chunk)
        envelope.queue_id = self._session.macro("i") or envelope.queue_id
        asked = self._request(Stage.END_OF_MESSAGE, envelope, envelope.recipients)
        message = self._judge.named(envelope.message(asked))
        self._unless_it_waits(message, envelope, self._judge.greylist(message.request, message.headers), 0.0)

    def _unless_it_waits(
        self, message: Message, envelope: Envelope, waits: Decision | Later | None, took_s: float
    ) -> None:
        """Say what greylisting says, if anything; else what scanners, filters and limits do."""
        if isinstance(waits, Decision):
            self._judge.given_up(message.request.queue_id)  # of what the policy service has charged it
            self._say(message, envelope, took_s, waits)
        elif waits:
            known = partial(self._unless_it_waits, message, envelope)
            self.answer_when_known(waits(CHECKS_WITHIN_S), known, CHECKS_WITHIN_S, _AT_WORK)
        elif scan := self._judge.scan(message):
            self._scan_first(scan, message, envelope, took_s)
        else:
            self._at_end(message, envelope, took_s)

    def _scan_first(self, scan: Scan, message: Message, envelope: Envelope, waited_s: float) -> None:
        """Judge the message when scanners have answered, or were given up."""

        def judge(found: tuple[Finding, ...], took_s: float) -> None:
            self._at_end(replace(message, findings=found), envelope, waited_s + took_s)

        self.answer_when_known(scan.run(), judge, scan.patience_s, _AT_WORK)

    def _say(self, message: Message, envelope: Envelope, took_s: float, decision: Decision) -> None:
        """``took_s``: how long scanners took of the time that we have."""
        request = message.request
        if decision.told:
            self._conclusions.tell(request, decision, self._judge.site)
        if message.findings:
            self._conclusions.tell_received(request, decision, self._judge.site)
        delay_s = max(envelope.delay_s, 0.0 if decision.watched else decision.delay_s)
        delay_s = max(0.0, delay_s - took_s)
        ending = None
        if decision.plain:
            self._conclusions.accepted(request, decision)
            if not delay_s and not decision.changes:
                self.write(_CONTINUE)
                return
        else:
            ending = self._conclusions.conclude_message(message, decision, self._judge.site)
        self._answer(ending, decision, envelope.paths, delay_s, max(SETTLE_S, DEADLINE_S - took_s))

    def _at_end(self, message: Message, envelope: Envelope, took_s: float = 0.0) -> None:
        """Say what filters and limits say, with what the access tables wanted done at the end."""
        if not self._asked_at(Stage.END_OF_MESSAGE):
            self._hear(message, envelope, took_s)
            return
        memo = self._judge.memo(message.request)

        def go_on(rewritten: Decision, took_s: float) -> None:
            if rewritten.in_effect in _REFUSALS:
                self._say(message, envelope, took_s, rewritten)
            else:
                envelope.carried.append(("", rewritten))
                self._hear(message, envelope, took_s)

        self.once_heard(memo, partial(self._judge.rewrite, message, memo), go_on, _AT_WORK, took_s)

    def _hear(self, message: Message, envelope: Envelope, took_s: float) -> None:
        """Say what filters and limits say; where filters ask greylisting, once it has answered."""
        judge = self._judge
        channel, memo = judge.channel(message.request), judge.memo(message.request)

        def settle(heard: Heard, took_s: float) -> None:
            def decide() -> Decision:
                decision = judge.settled(heard, channel)
                return with_carried(decision, envelope.carried, message.request.recipients)

            self.once_known(judge.room, decide, partial(self._say, message, envelope, took_s))

        self.once_heard(memo, partial(judge.heard, message, channel, memo=memo), settle, _AT_WORK, took_s)

    def _answer(
        self,
        ending: Ending,
        decision: Decision,
        paths: list[str],
        delay_s: float = 0.0,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        replies = changes(decision, paths, refusal_text(decision))
        known = (one for one in replies if not ALLOWED_BY.get(type(one), Action(0)) & ~self._actions)
        self.answer_soon(ending, encoded(known), delay_s, deadline_s)

    _TAKE: ClassVar[Mapping[object, Callable[["MilterConnection", Any], bool | None]]] = {
        Negotiate: _negotiate,
        Connect: _connect,
        Helo: _helo,
        Mail: _mail,
        Rcpt: _rcpt,
        Data: _nothing,
        Header: _header,
        EndOfHeaders: _nothing,
        Body: _body,
        EndOfMessage: _end_of_message,
        Unknown: _nothing,
        Abort: _abort,
        QuitNewConnection: _next_client,
        Quit: _quit,
    }
