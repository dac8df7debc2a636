"""The milter: a mail server's sessions in, answers and changes out.

Postfix and Sendmail open one connection for each SMTP session. What this site's filters do not look at is
negotiated away, which is worth more than any speed of ours: no answers but those that may say something, no
body if no filter reads it. One connection carries many messages; a new configuration takes hold at the next
message, unless it needs steps that this connection was not given, then with the next connection.

The login is what the mail server itself authenticated: the macro {auth_authen}, and only where {auth_type}
says how. With EXTERNAL that name is the subject of a certificate; it counts only if the site says so.
"""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace

from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.identity import bare_address
from sendwarden.core.texts import refusal_text
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection
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
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import (
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
ACTIONS = Action.ADD_RECIPIENTS | Action.DELETE_RECIPIENTS | Action.QUARANTINE

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
# Which command is answered only if this step was not negotiated away.
ANSWERED: dict[type[Command], Step] = {
    Connect: Step.NR_CONNECT,
    Helo: Step.NR_HELO,
    Mail: Step.NR_MAIL,
    Rcpt: Step.NR_RCPT,
    Data: Step.NR_DATA,
    Header: Step.NR_HEADER,
    EndOfHeaders: Step.NR_END_OF_HEADERS,
    Body: Step.NR_BODY,
    Unknown: Step.NR_UNKNOWN,
}
# Most of a body that is kept for filters, in bytes.
BODY_BYTES = 1024 * 1024
# Most of recipients and headers, in bytes; a mail server has its own limits far below. Each counts for what
# it takes of our memory besides its letters.
ENVELOPE_BYTES = 32 * 1024 * 1024
ENTRY_BYTES = 200
_HEADER_SIGNS = len(": \r\n")


def unwanted_steps(site: Site) -> Step:
    """What a configuration lets us negotiate away."""
    steps = ALWAYS
    if not site.judges_senders:
        steps |= Step.NR_MAIL
    if not any(script.facts.body for script in site.scripts):
        steps |= Step.NO_BODY
    if not site.scripts:
        steps |= Step.NO_HEADERS
    return steps


@dataclass(slots=True)
class _Envelope:
    """What the session has said of the current message."""

    request: Request
    paths: list[str]  # recipients as the mail server wrote them
    headers: list[tuple[str, str]]
    body: bytearray
    size_bytes: int = 0
    kept_bytes: int = 0

    def keep(self, *texts: str) -> None:
        """Account for one more recipient or header. Raises `ProtocolError` when it is too much."""
        self.kept_bytes += ENTRY_BYTES + sum(map(len, texts))
        if self.kept_bytes > ENVELOPE_BYTES:
            raise ProtocolError(f"recipients and headers of more than {ENVELOPE_BYTES} bytes")


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
    replies: list[Reply] = [AddRecipient(f"<{address}>") for address in decision.copies_to]
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
        self._client = Request(Stage.CONNECT, listener)
        self._message: _Envelope | None = None

    @property
    def idle(self) -> bool:
        return self.answering is None and self._session.phase <= Phase.IDLE and not self._session.unfinished

    def feed(self, data: bytes) -> None:
        self._session.feed(data)

    def go_on(self) -> None:
        while self.open and self.answering is None:
            try:
                command = self._session.next_command()
                if isinstance(command, Need):
                    return
                self._take(command)
            except ProtocolError as error:
                self.abort(str(error))
                return

    def _take(self, command: Command) -> None:
        match command:
            case Mail(path):
                self._mail(path)
                return
            case EndOfMessage(chunk):
                self._add_body(chunk)
                self._end_of_message()
                return
            case Header() | Body() | Rcpt():
                self._add(command)
            case Abort():
                self._message = None
            case _:
                self._about_client(command)
        step = ANSWERED.get(type(command))
        if step is not None and not self._steps & step:
            self._send(Answer.CONTINUE)

    def _about_client(self, command: Command) -> None:
        match command:
            case Negotiate():
                unwanted = unwanted_steps(self._judge.site)
                ours = negotiate(command, ACTIONS, unwanted)
                self._steps = ours.steps
                self._send(ours)
            case Connect():
                self._client = replace(
                    self._client, client_address=command.client_address, client_name=command.hostname, helo=""
                )
            case Helo(name):
                self._client = replace(self._client, helo=name)
            case QuitNewConnection():
                self._client, self._message = Request(Stage.CONNECT, self.listener), None
            case Quit():
                self.end()
            case _:
                pass

    # --- a message

    def _mail(self, path: str) -> None:
        self._renew_judge()
        macros = self._session.macros()
        request = replace(
            self._client,
            stage=Stage.MAIL,
            login=self._login(macros),
            sender=bare_address(path),
            queue_id=macros.get("i", ""),
            macros=macros,
        )
        self._message = _Envelope(request, [], [], bytearray())
        decision = self._judge.sender(request) if self._judge.site.judges_senders else None
        if decision is None or decision.plain:
            if not self._steps & Step.NR_MAIL:
                self._send(Answer.CONTINUE)
            return
        self._answer(self._conclusions.conclude(request, decision), decision, [])

    def _renew_judge(self) -> None:
        newest = self._newest_judge()
        if newest is not self._judge and unwanted_steps(newest.site) & self._steps == self._steps:
            self._judge = newest

    def _login(self, macros: dict[str, str]) -> str:
        kind = macros.get("{auth_type}", "")
        if not kind or (kind.upper() == "EXTERNAL" and not self._judge.site.external_logins):
            return ""
        return macros.get("{auth_authen}", "")

    def _add(self, part: Header | Body | Rcpt) -> None:
        message = self._message
        if message is None:
            return
        match part:
            case Header(name, value):
                message.keep(name, value)
                message.headers.append((name, value))
                message.size_bytes += len(name) + len(value) + _HEADER_SIGNS
            case Rcpt(path):
                message.keep(path)
                message.paths.append(path)
            case Body(chunk):
                self._add_body(chunk)

    def _add_body(self, chunk: bytes) -> None:
        message = self._message
        if message and chunk:
            message.size_bytes += len(chunk)
            message.body += chunk[: max(0, BODY_BYTES - len(message.body))]

    def _end_of_message(self) -> None:
        envelope, self._message = self._message, None
        if envelope is None:
            raise ProtocolError("the end of a message that has no sender")
        request = replace(
            envelope.request,
            stage=Stage.END_OF_MESSAGE,
            recipients=tuple(dict.fromkeys(map(bare_address, envelope.paths))),
            queue_id=self._session.macro("i") or envelope.request.queue_id,
        )
        message = Message(request, tuple(envelope.headers), bytes(envelope.body), envelope.size_bytes)
        decision = self._judge.message(message)
        if decision.plain:
            self._conclusions.accepted(request, decision)
            self._send(Answer.CONTINUE)
            return
        ending = self._conclusions.conclude_message(message, decision, self._judge.site)
        self._answer(ending, decision, envelope.paths)

    def _answer(self, ending: Coroutine[None, None, None], decision: Decision, paths: list[str]) -> None:
        self.answer_later(ending, lambda: _encoded(changes(decision, paths, refusal_text(decision))))

    def _send(self, *replies: Reply) -> None:
        self.write(_encoded(replies))


def _encoded(replies: Iterable[Reply]) -> bytes:
    return b"".join(reply.encode() for reply in replies)
