"""A mail server in memory: one milter connection, any number of clients, told no more than was agreed."""

import asyncio
from dataclasses import dataclass, field

from sendwarden.core.decision import Request, Stage
from sendwarden.core.identity import bare_address
from sendwarden.frontends.milter import MilterConnection
from sendwarden.wire.base import Need
from sendwarden.wire.milter.commands import (
    Abort,
    Body,
    Command,
    Connect,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    QuitNewConnection,
    Rcpt,
)
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import Answer, Reply, ReplyDecoder
from tests.frontends.around import MemoryTransport

LISTENER = "127.0.0.1:10032"


@dataclass(slots=True)
class Sent:
    """A message as a client sends it."""

    client: str
    login: str
    sender: str
    recipients: list[str]
    headers: list[tuple[bytes, bytes]]
    body: list[bytes]  # lines

    def file(self, line_end: bytes) -> bytes:
        """The message as somebody saves it."""
        lines = [name + b": " + value for name, value in self.headers]
        return (
            line_end.join([*lines, b"", *self.body]).replace(b"\n", line_end)
            if line_end == b"\n"
            else (line_end.join([*(line.replace(b"\n", b"\r\n") for line in lines), b"", *self.body]))
        )

    def commands(self, queue_id: str) -> list[Command]:
        """The commands up to the end of the body; the first of them are a new client's."""
        login = (("{auth_type}", "PLAIN"), ("{auth_authen}", self.login)) if self.login else ()
        body = b"\r\n".join(self.body)
        where = ("4", 4711, self.client) if self.client else ("L", 0, "/run/local")
        return [
            QuitNewConnection(),
            Connect("client.example.org", *where),
            Helo("client.example.org"),
            Macros("M", (("i", queue_id), *login)),
            Mail(f"<{self.sender}>"),
            *(Rcpt(f"<{recipient}>") for recipient in self.recipients),
            *(Header(_text(name), _text(value)) for name, value in self.headers),
            EndOfHeaders(),
            *(Body(body[at : at + 1000]) for at in range(0, len(body), 1000)),
        ]

    def request(self) -> Request:
        """The envelope as `explain` takes it from its command line."""
        return Request(
            Stage.END_OF_MESSAGE,
            LISTENER,
            client_address=self.client,
            login=self.login,
            sender=bare_address(self.sender),
            recipients=tuple(dict.fromkeys(map(bare_address, self.recipients))),
        )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


# What a mail server leaves out if it is asked to.
SKIPPED: dict[type[Command], Step] = {
    Body: Step.NO_BODY,
    Header: Step.NO_HEADERS,
    EndOfHeaders: Step.NO_END_OF_HEADERS,
}


@dataclass(slots=True)
class MailServer:
    """A mail server that asks by milter, one client after the other over one connection."""

    connection: MilterConnection
    wire: MemoryTransport = field(default_factory=MemoryTransport)
    replies: ReplyDecoder = field(default_factory=ReplyDecoder)
    left_out: tuple[type[Command], ...] = ()  # what the filter does not want to be told

    async def start(self) -> None:
        self.connection.connection_made(self.wire)
        (reply,) = await self.say([Negotiate(6, Action(0x1FF), Step(0x1FFFFF))])
        assert isinstance(reply, Negotiate) and not reply.steps & Step.NR_MAIL
        self.left_out = tuple(kind for kind, step in SKIPPED.items() if reply.steps & step)

    async def say(self, commands: list[Command]) -> list[Reply]:
        """Send commands, all at once; what came back when everything was answered."""
        self.connection.data_received(b"".join(command.encode() for command in commands))
        while self.connection.answering is not None:
            await asyncio.wait([self.connection.answering])
        assert not self.wire.closed
        return self.read()

    def read(self) -> list[Reply]:
        """What came since the last call."""
        self.replies.feed(bytes(self.wire.written))
        self.wire.written.clear()
        found: list[Reply] = []
        while not isinstance(reply := self.replies.next_reply(), Need):
            found.append(reply)
        return found

    async def send(self, message: Sent, queue_id: str) -> list[Reply]:
        """One message; the replies to MAIL if that was refused, else those at its end."""
        commands = [one for one in message.commands(queue_id) if not isinstance(one, self.left_out)]
        at_mail = await self.say(commands[:5])
        if at_mail != [Answer.CONTINUE]:
            await self.say([Abort()])
            return at_mail
        return await self.say([*commands[5:], EndOfMessage()])
