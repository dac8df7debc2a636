"""A mail server's side of the milter protocol, as load: so many messages over so many connections at a time.

It honours what a filter negotiates away, as Postfix and Sendmail do, and waits for an answer only where one
is due. While one connection waits, the others go on, as the sessions of a busy mail server do.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from sendwarden.wire.base import Need
from sendwarden.wire.milter.commands import (
    Body,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Quit,
    Rcpt,
)
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import Answer, ReplyCode, ReplyDecoder

# Ten headers and three kilobytes of text: a common small message.
HEADERS = (
    (
        "Received",
        "from client.example.org (client.example.org [203.0.113.9])\n\tby mail.example.org with ESMTPSA",
    ),
    ("From", "Eve Example <eve@example.org>"),
    ("To", "Somebody <v@victim.example>"),
    ("Subject", "Your invoice of November"),
    ("Date", "Tue, 24 Nov 2026 10:00:00 +0100"),
    ("Message-ID", "<20261124100000.12345@client.example.org>"),
    ("MIME-Version", "1.0"),
    ("Content-Type", "text/plain; charset=utf-8"),
    ("User-Agent", "Mailer 1.0"),
    ("X-Spam-Score-Internal", "**"),
)
BODY = b"A line of text that is as long as such lines are in mail.\r\n" * 50
# A message's steps are over.
_OVER = object()
# Of queue ids: no two messages share one.
_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class _Piece:
    """One command: its bytes, with its macros before it, and which steps leave it or its answer out."""

    data: bytes
    left_out: Step
    unanswered: Step


class Connection:
    """One SMTP session's milter connection, opened and negotiated."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = ReplyDecoder()
        self._socket.sendall(Negotiate(6, Action(0x1FF), Step(0x1FFFFF)).encode())
        ours = self._next()
        assert isinstance(ours, Negotiate)
        self._steps = ours.steps
        connect = Macros("C", (("j", "mail.example.org"), ("{daemon_name}", "smtpd"))).encode()
        connect += Connect("client.example.org", "4", 50000, "203.0.113.9").encode()
        helo = Helo("client.example.org").encode()
        for _ in self._say(
            [
                _Piece(connect, Step.NO_CONNECT, Step.NR_CONNECT),
                _Piece(helo, Step.NO_HELO, Step.NR_HELO),
            ]
        ):
            pass

    def _next(self) -> object:
        while isinstance(reply := self._replies.next_reply(), Need):
            data = self._socket.recv(65536)
            assert data, "the filter closed the connection"
            self._replies.feed(data)
        return reply

    def _say(self, pieces: list[_Piece]) -> Iterator[None]:
        """Send; stop wherever an answer is due, and read it when asked to go on."""
        waiting = b""
        for piece in pieces:
            if self._steps & piece.left_out:
                continue
            waiting += piece.data
            if not self._steps & piece.unanswered:
                self._socket.sendall(waiting)
                waiting = b""
                yield
                answer = self._next()
                while not isinstance(answer, Answer | ReplyCode):
                    answer = self._next()
                assert answer is Answer.CONTINUE, answer
        self._socket.sendall(waiting)

    def message(self, number: int, headers: tuple[tuple[str, str], ...]) -> Iterator[None]:
        """One message, in steps as `_say` makes them."""
        macros = (
            ("i", f"Q{number:07X}"),
            ("{auth_type}", "PLAIN"),
            ("{auth_authen}", "eve"),
            ("{mail_addr}", "eve"),
        )
        mail = Macros("M", macros).encode() + Mail("<eve@example.org>", ("SIZE=3500",)).encode()
        rcpt = Macros("R", (("{rcpt_addr}", "v"),)).encode() + Rcpt("<v@victim.example>").encode()
        return self._say(
            [
                _Piece(mail, Step.NO_MAIL, Step.NR_MAIL),
                _Piece(rcpt, Step.NO_RCPT, Step.NR_RCPT),
                _Piece(Data().encode(), Step.NO_DATA, Step.NR_DATA),
                *(_Piece(Header(n, v).encode(), Step.NO_HEADERS, Step.NR_HEADER) for n, v in headers),
                _Piece(EndOfHeaders().encode(), Step.NO_END_OF_HEADERS, Step.NR_END_OF_HEADERS),
                _Piece(Body(BODY).encode(), Step.NO_BODY, Step.NR_BODY),
                _Piece(EndOfMessage().encode(), Step(0), Step(0)),
            ]
        )

    def close(self) -> None:
        self._socket.sendall(Quit().encode())
        self._socket.close()


def send(connections: list[Connection], messages: int, headers: tuple[tuple[str, str], ...]) -> None:
    """So many messages, one at a time over each connection."""
    numbers = islice(_NUMBERS, messages)
    running: dict[Connection, Iterator[None]] = {one: iter(()) for one in connections}
    while running:
        for one in list(running):
            if next(running[one], _OVER) is not _OVER:
                continue
            number = next(numbers, None)
            if number is None:
                del running[one]
            else:
                running[one] = one.message(number, headers)
