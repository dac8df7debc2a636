"""A mail server's side of the milter protocol, as load: so many messages over so many connections.

It honours what a filter negotiates away, as Postfix and Sendmail do, and waits for an answer only where one
is due.
"""

import socket
from dataclasses import dataclass

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
        self._pieces([_Piece(connect, Step.NO_CONNECT, Step.NR_CONNECT)])
        self._pieces([_Piece(Helo("client.example.org").encode(), Step.NO_HELO, Step.NR_HELO)])

    def _next(self) -> object:
        while isinstance(reply := self._replies.next_reply(), Need):
            data = self._socket.recv(65536)
            assert data, "the filter closed the connection"
            self._replies.feed(data)
        return reply

    def _pieces(self, pieces: list[_Piece]) -> object:
        """Send, waiting where an answer is due; the last answer."""
        waiting, answer = b"", None
        for piece in pieces:
            if self._steps & piece.left_out:
                continue
            waiting += piece.data
            if not self._steps & piece.unanswered:
                self._socket.sendall(waiting)
                waiting, answer = b"", self._next()
        self._socket.sendall(waiting)
        return answer

    def message(self, number: int, headers: tuple[tuple[str, str], ...]) -> object:
        """One message; the answer to its end."""
        macros = (
            ("i", f"Q{number:07X}"),
            ("{auth_type}", "PLAIN"),
            ("{auth_authen}", "eve"),
            ("{mail_addr}", "eve"),
        )
        mail = Macros("M", macros).encode() + Mail("<eve@example.org>", ("SIZE=3500",)).encode()
        rcpt = Macros("R", (("{rcpt_addr}", "v"),)).encode() + Rcpt("<v@victim.example>").encode()
        answer = self._pieces(
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
        while not isinstance(answer, Answer | ReplyCode):
            answer = self._next()
        return answer

    def close(self) -> None:
        self._socket.sendall(Quit().encode())
        self._socket.close()
