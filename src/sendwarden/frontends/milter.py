"""The milter: a mail server's sessions in, answers and changes out.

Postfix and Sendmail open one connection for each SMTP session. What this site's filters do not look at is
negotiated away, which is worth more than any speed of ours: no answers but those that may say something, no
body if no filter reads it. One connection carries many messages; a new configuration takes hold at the next
message, unless it needs steps that this connection was not given, then with the next connection.

The login is what the mail server itself authenticated: the macro {auth_authen}, and only where {auth_type}
says how. With EXTERNAL that name is the subject of a certificate; it counts only if the site says so.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.identity import bare_address
from sendwarden.core.texts import refusal_text
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection
from sendwarden.service.gate import Gate
from sendwarden.service.judge import MOST_HEADERS, Judge
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
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import (
    AddHeader,
    AddRecipient,
    Answer,
    DeleteRecipient,
    Quarantine,
    Reply,
    ReplyCode,
    clean_lines,
)
from sendwarden.wire.milter.session import FilterSession, Phase, negotiate

# Actions that any configuration may come to need; asked for once, since a session outlives a reload.
ACTIONS = Action.ADD_HEADERS | Action.ADD_RECIPIENTS | Action.DELETE_RECIPIENTS | Action.QUARANTINE

# Steps that never need an answer, or are never wanted.
ALWAYS = (
    Step.NR_CONNECT
    | Step.NR_HELO
    | Step.NR_RCPT
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
# Most of a body that is kept for filters, in bytes.
BODY_BYTES = 1024 * 1024
# Most of the letters in headers, besides their number (`MOST_HEADERS`): what is more is not looked at.
HEADER_BYTES = 16 * 1024 * 1024
# Most of recipients, in bytes; a mail server has its own limit far below. Each counts for what it takes of
# our memory besides its letters.
ENVELOPE_BYTES = 32 * 1024 * 1024
ENTRY_BYTES = 200
_HEADER_SIGNS = len(": \r\n")
_CONTINUE = Answer.CONTINUE.encode()


def unwanted_steps(site: Site) -> Step:
    """What a configuration lets us negotiate away."""
    steps = ALWAYS
    if not site.judges_senders:
        steps |= Step.NR_MAIL
    if not any(script.facts.body for script in site.scripts):
        steps |= Step.NO_BODY
    if not site.scripts and not site.judges_headers:
        steps |= Step.NO_HEADERS
    return steps


@dataclass(frozen=True, slots=True)
class _Client:
    """Who the mail server talks to, as far as it has said."""

    address: str = ""
    name: str = ""
    helo: str = ""


@dataclass(slots=True)
class _Envelope:
    """What the session has said of the current message."""

    sender: str
    login: str
    queue_id: str
    macros: dict[str, str]
    paths: list[str] = field(default_factory=list)  # recipients as the mail server wrote them
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    header_letters: int = 0
    cut: bool = False
    path_letters: int = 0
    body_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        return self.header_letters + _HEADER_SIGNS * len(self.headers) + self.body_bytes

    def take_headers(self, headers: list[tuple[str, str]]) -> None:
        """What is too much is left out, and known to be."""
        self.header_letters += sum(len(name) + len(value) for name, value in headers)
        self.cut = (
            self.cut or len(self.headers) + len(headers) > MOST_HEADERS or self.header_letters > HEADER_BYTES
        )
        if not self.cut:
            self.headers += headers

    def take_recipient(self, path: str) -> None:
        """Raises `ProtocolError` when it is too much."""
        self.paths.append(path)
        self.path_letters += len(path)
        if self.path_letters + ENTRY_BYTES * len(self.paths) > ENVELOPE_BYTES:
            raise ProtocolError(f"recipients of more than {ENVELOPE_BYTES} bytes")

    def take_body(self, chunk: bytes) -> None:
        self.body_bytes += len(chunk)
        self.body += chunk[: max(0, BODY_BYTES - len(self.body))]


def changes(decision: Decision, paths: list[str], text: str) -> list[Reply]:
    """Everything to send at the end of a message, the answer last."""
    if decision.watched or decision.plain:
        return [Answer.CONTINUE]
    match decision.verdict:
        case Verdict.REFUSE | Verdict.DEFER:
            code = 550 if decision.verdict is Verdict.REFUSE else 450
            return [ReplyCode(code, decision.enhanced, clean_lines(text))]
        case Verdict.DISCARD:
            return [Answer.DISCARD]
    gone = {*decision.refused, *decision.discarded}
    replies: list[Reply] = [AddHeader(name, value) for name, value in decision.headers]
    replies += [AddRecipient(f"<{address}>") for address in decision.copies_to]
    replies += [DeleteRecipient(path) for path in dict.fromkeys(paths) if bare_address(path) in gone]
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
        self._steps = Step(0)
        self._answered: frozenset[object] = frozenset()
        self._client = _Client()
        self._message: _Envelope | None = None

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
                self._TAKE[kind](self, command)
                if kind in self._answered:
                    self.write(_CONTINUE)
        except ProtocolError as error:
            self.abort(str(error))

    # --- the client

    def _negotiate(self, command: Negotiate) -> None:
        ours = negotiate(command, ACTIONS, unwanted_steps(self._judge.site))
        self._steps = ours.steps
        self._answered = frozenset(kind for kind, step in ANSWERED.items() if not ours.steps & step)
        self.write(ours.encode())

    def _connect(self, command: Connect) -> None:
        self._client = _Client(command.client_address, command.hostname)

    def _helo(self, command: Helo) -> None:
        self._client = _Client(self._client.address, self._client.name, command.name)

    def _next_client(self, _command: QuitNewConnection) -> None:
        self._client, self._message = _Client(), None

    def _quit(self, _command: Quit) -> None:
        self.end()

    def _nothing(self, _command: Command) -> None:
        pass

    # --- a message

    def _mail(self, command: Mail) -> None:
        self._renew_judge()
        macros = self._session.macros()
        envelope = _Envelope(bare_address(command.path), self._login(macros), macros.get("i", ""), macros)
        self._message = envelope
        if self._judge.site.judges_senders:
            request = self._request(Stage.MAIL, envelope, ())
            decision = self._judge.sender(request)
            if not decision.plain:
                self._answer(self._conclusions.conclude(request, decision), decision, [])
                return
        if not self._steps & Step.NR_MAIL:
            self.write(_CONTINUE)

    def _request(self, stage: Stage, envelope: _Envelope, recipients: tuple[str, ...]) -> Request:
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

    def _rcpt(self, command: Rcpt) -> None:
        if self._message:
            self._message.take_recipient(command.path)

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
        message = Message(request, headers, bytes(envelope.body), envelope.size_bytes, envelope.cut)
        decision = self._judge.message(message)
        if decision.told:
            self._conclusions.tell(request, decision)
        if decision.plain:
            self._conclusions.accepted(request, decision)
            self.write(_CONTINUE)
            return
        ending = self._conclusions.conclude_message(message, decision, self._judge.site)
        self._answer(ending, decision, envelope.paths)

    def _answer(self, ending: Coroutine[None, None, None], decision: Decision, paths: list[str]) -> None:
        self.answer_later(ending, lambda: _encoded(changes(decision, paths, refusal_text(decision))))

    _TAKE: ClassVar[Mapping[object, Callable[["MilterConnection", Any], None]]] = {
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
