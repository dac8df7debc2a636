"""The milter: a mail server's sessions in, answers and changes out.

Postfix and Sendmail open one connection for each SMTP session. What this site's filters do not look at is
negotiated away, which is worth more than any speed of ours: no answers but those that may say something, no
body if no filter reads it. One connection carries many messages; a new configuration takes hold at the next
message, unless it needs steps that this connection was not given, then with the next connection.

The login is what the mail server itself authenticated: the macro {auth_authen}, and only where {auth_type}
says how. With EXTERNAL that name is the subject of a certificate; it counts only if the site says so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.identity import bare_address
from sendwarden.core.texts import refusal_text
from sendwarden.engine.programs import is_local, program_of
from sendwarden.service.access import TAG_MACRO
from sendwarden.service.carried import with_carried
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection, Ending, in_turn
from sendwarden.service.envelope import Envelope
from sendwarden.service.gate import Gate
from sendwarden.service.judge import Judge
from sendwarden.service.ports import EventLog
from sendwarden.service.site import Site
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
    AddHeader,
    AddRecipient,
    Answer,
    ChangeHeader,
    ChangeSender,
    DeleteRecipient,
    Quarantine,
    Reply,
    ReplyCode,
    clean_lines,
)
from sendwarden.wire.milter.session import FilterSession, Phase, negotiate

# Actions that any configuration may come to need; asked for once, since a session outlives a reload.
ACTIONS = Action.ADD_HEADERS | Action.ADD_RECIPIENTS | Action.DELETE_RECIPIENTS | Action.QUARANTINE
# Those of access tables alone; a mail server too old for one of them is served without it.
ACCESS_ACTIONS = Action.CHANGE_HEADERS | Action.CHANGE_SENDER
# Macros for the connection where access tables are asked: what mail servers send there by themselves, and the
# ports of both ends. A list that we ask for takes the place of the mail server's own.
ACCESS_MACROS = (
    "j {daemon_name} {daemon_addr} {daemon_port} {if_name} {if_addr} {client_addr} {client_port} v _"
)

# Steps that never need an answer, or are never wanted.
ALWAYS = (
    Step.NR_HELO
    | Step.NR_DATA
    | Step.NR_UNKNOWN
    | Step.NR_HEADER
    | Step.NR_END_OF_HEADERS
    | Step.NR_BODY
    | Step.NO_UNKNOWN
    | Step.NO_DATA
    | Step.NO_END_OF_HEADERS
)
# Which command is answered with Continue, whatever it says, only if this step was not negotiated away.
ANSWERED: dict[type[Command], Step] = {
    Connect: Step.NR_CONNECT,
    Helo: Step.NR_HELO,
    Rcpt: Step.NR_RCPT,
    Data: Step.NR_DATA,
    Header: Step.NR_HEADER,
    EndOfHeaders: Step.NR_END_OF_HEADERS,
    Body: Step.NR_BODY,
    Unknown: Step.NR_UNKNOWN,
}
# Changes that an old mail server may not know.
ALLOWED_BY: dict[type[Reply], Action] = {
    AddHeader: Action.ADD_HEADERS,
    ChangeHeader: Action.CHANGE_HEADERS,
    ChangeSender: Action.CHANGE_SENDER,
}
_REFUSALS = (Verdict.REFUSE, Verdict.DEFER)
_CONTINUE = Answer.CONTINUE.encode()


def unwanted_steps(site: Site) -> Step:
    """What a configuration lets us negotiate away."""
    steps, asked = ALWAYS, site.access_stages("milter")
    for stage, step in ((Stage.CONNECT, Step.NR_CONNECT), (Stage.RCPT, Step.NR_RCPT)):
        if stage not in asked:
            steps |= step
    if not site.judges_senders and Stage.MAIL not in asked:
        steps |= Step.NR_MAIL
    if not any(script.facts.body for script in site.scripts):
        steps |= Step.NO_BODY
    reads_headers = site.scripts or site.judges_headers or site.programs != "together"
    if not reads_headers and Stage.END_OF_MESSAGE not in asked:
        steps |= Step.NO_HEADERS
    return steps


@dataclass(frozen=True, slots=True)
class _Client:
    """Who the mail server talks to, as far as it has said."""

    address: str = ""
    name: str = ""
    helo: str = ""
    port: int = 0
    tag: str = ""  # of PORT_ACCESS
    local: bool = False  # a program on the mail server, which has no address


def changes(decision: Decision, paths: list[str], text: str) -> list[Reply]:
    """Everything to send at the end of a message, the answer last."""
    if decision.watched or (decision.plain and not decision.changes):
        return [Answer.CONTINUE]
    match decision.verdict:
        case Verdict.REFUSE | Verdict.DEFER:
            return [ReplyCode(decision.smtp_code, decision.enhanced, clean_lines(text))]
        case Verdict.DISCARD:
            return [Answer.DISCARD]
    gone = {*decision.refused, *decision.discarded}
    replies: list[Reply] = [AddHeader(name, value) for name, value in decision.headers]
    replies += [AddRecipient(f"<{address}>") for address in decision.copies_to]
    replies += [DeleteRecipient(path) for path in dict.fromkeys(paths) if bare_address(path) in gone]
    replies += [ChangeHeader(1, name, value) for name, value in decision.fields]
    if decision.new_sender is not None:
        replies.append(ChangeSender(f"<{decision.new_sender}>"))
    if decision.verdict is Verdict.HOLD:
        replies.append(Quarantine(" ".join(clean_lines(text))))
    # Continue, never a refusal, behind a quarantine: with one the mail server forgets it.
    return [*replies, Answer.CONTINUE]


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
        self._client = _Client()
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
            ours = replace(ours, actions=actions, macros=((MacroStage.CONNECT, _macros(self._judge.site)),))
        self._answered = frozenset(kind for kind, step in ANSWERED.items() if not ours.steps & step)
        self.write(ours.encode())

    def _connect(self, command: Connect) -> bool:
        address, name = command.client_address, command.hostname
        local = self._judge.site.programs != "together" and is_local(address, name, command.port)
        self._client = _Client("" if local else address, name, port=command.port, local=local)
        if Stage.CONNECT not in self._judge.tables.by_milter:
            return False
        nothing_yet = Envelope("", "", "", self._known(self._session.macros()))
        request = self._request(Stage.CONNECT, nothing_yet, ())
        decision = self._judge.access(request)
        self._client = replace(self._client, tag=decision.tag)
        return self._answer_step(request, decision)

    def _known(self, macros: dict[str, str]) -> dict[str, str]:
        """Macros with what the milter protocol says in another way."""
        if self._judge.tables.by_milter:
            macros.setdefault("{client_port}", str(self._client.port or ""))
            macros[TAG_MACRO] = self._client.tag
        return macros

    def _helo(self, command: Helo) -> None:
        self._client = replace(self._client, helo=command.name)

    def _next_client(self, _command: QuitNewConnection) -> None:
        self._client, self._message = _Client(), None

    def _quit(self, _command: Quit) -> None:
        self.end()

    def _nothing(self, _command: Command) -> None:
        pass

    # --- a message

    def _mail(self, command: Mail) -> None:
        self._renew_judge()
        macros = self._known(self._session.macros())
        envelope = Envelope(bare_address(command.path), self._login(macros), macros.get("i", ""), macros)
        self._message = envelope
        ending: Ending = None
        asked = Stage.MAIL in self._judge.tables.by_milter
        if asked or self._judge.site.judges_senders:
            request = self._request(Stage.MAIL, envelope, (), command.arguments)
        if self._judge.site.judges_senders:
            decision = self._judge.sender(request)
            ending = None if decision.plain else self._conclusions.conclude(request, decision)
            if decision.in_effect is not Verdict.ACCEPT:
                self._answer(ending, decision, [])
                return
        if asked:
            self._carry(envelope, "", decision := self._judge.access(request))
            self._answer_step(request, decision, ending)
        elif not self._steps & Step.NR_MAIL:
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
            reply = _encoded(changes(decision, [], refusal_text(decision)))
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
        )

    def _renew_judge(self) -> None:
        newest = self._newest_judge()
        if newest is not self._judge and unwanted_steps(newest.site) & self._steps == self._steps:
            self._judge = newest

    def _login(self, macros: dict[str, str]) -> str:
        kind = macros.get("{auth_type}", "")
        if not kind or (kind.upper() == "EXTERNAL" and not self._judge.site.external_logins):
            return ""
        return macros.get("{auth_authen}", "")

    def _abort(self, _command: Abort) -> None:
        self._message = None

    def _rcpt(self, command: Rcpt) -> bool:
        envelope = self._message
        if envelope is None:
            return False
        envelope.asked += 1
        if Stage.RCPT not in self._judge.tables.by_milter:
            envelope.take_recipient(command.path)
            return False
        recipient = bare_address(command.path)
        request = self._request(Stage.RCPT, envelope, (recipient,), command.arguments)
        decision = self._judge.access(request)
        self._carry(envelope, recipient, decision)
        if decision.in_effect not in _REFUSALS:
            envelope.take_recipient(command.path)
        return self._answer_step(request, decision)

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
        recipients = tuple(dict.fromkeys(map(bare_address, envelope.paths)))
        request = self._request(Stage.END_OF_MESSAGE, envelope, recipients)
        headers = tuple(envelope.headers)
        if self._client.local:
            program = program_of(headers, envelope.queue_id, self._judge.site.programs)
            request = replace(request, program=program)
        message = Message(request, headers, bytes(envelope.body), envelope.size_bytes, envelope.cut)
        decision = self._at_end(message, envelope)
        if decision.told:
            self._conclusions.tell(request, decision, self._judge.site)
        delay_s = max(envelope.delay_s, 0.0 if decision.watched else decision.delay_s)
        if decision.plain:
            self._conclusions.accepted(request, decision)
            self._answer(None, decision, envelope.paths, delay_s)
            return
        ending = self._conclusions.conclude_message(message, decision, self._judge.site)
        self._answer(ending, decision, envelope.paths, delay_s)

    def _at_end(self, message: Message, envelope: Envelope) -> Decision:
        """What filters and limits say, with what the access tables wanted done at the end."""
        if Stage.END_OF_MESSAGE in self._judge.tables.by_milter:
            rewritten = self._judge.rewrite(message)
            if rewritten.in_effect in _REFUSALS:
                return rewritten
            envelope.carried.append(("", rewritten))
        decision = self._judge.message(message)
        return with_carried(decision, envelope.carried, message.request.recipients)

    def _answer(self, ending: Ending, decision: Decision, paths: list[str], delay_s: float = 0.0) -> None:
        replies = changes(decision, paths, refusal_text(decision))
        known = (one for one in replies if not ALLOWED_BY.get(type(one), Action(0)) & ~self._actions)
        self.answer_soon(ending, _encoded(known), delay_s)

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


def _encoded(replies: Iterable[Reply]) -> bytes:
    return b"".join(reply.encode() for reply in replies)


def _macros(site: Site) -> str:
    """Macros to ask for at the connection, with those that channels have conditions on."""
    wanted = dict.fromkeys(ACCESS_MACROS.split())
    named = [name for channel in site.channels for name in channel.macros if name != TAG_MACRO]
    wanted |= dict.fromkeys(name for name in named if name.isprintable() and " " not in name)
    return " ".join(wanted)
