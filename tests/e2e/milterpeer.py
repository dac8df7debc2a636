"""A mail server's side of the milter protocol, one message after another, each command answered."""

import socket
import struct

from sendwarden.wire.milter.commands import (
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Rcpt,
)
from sendwarden.wire.milter.flags import Action, Step

# What ends an answer: accept, continue, discard, reject, tempfail, a reply code, what was agreed.
_LAST = b"acdrtyO"
_AT_WORK = b"p"


class MilterPeer:
    """One connection, whose clients log in."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._data = b""
        self._ask(Negotiate(6, Action(0x1FF), Step(0)))
        self._ask(Connect("client.example.org", "4", 40_000, "192.0.2.7"))
        self._ask(Helo("client"))

    def send(
        self, login: str, recipients: list[str], headers: list[tuple[str, str]]
    ) -> tuple[bytes, list[bytes]]:
        """One message; the letter that answers its end, and what is changed."""
        pairs = (("i", "4XyZ"), ("{auth_type}", "PLAIN"), ("{auth_authen}", login))
        self._socket.sendall(Macros("M", pairs).encode())
        named: list[Command] = [Rcpt(f"<{one}>") for one in recipients]
        for command in (Mail(f"<{login}@example.org>"), *named, Data()):
            letter, _ = self._ask(command)
            if letter != b"c":
                return letter, []
        for name, value in headers:
            self._ask(Header(name, value))
        self._ask(EndOfHeaders())
        return self._ask(EndOfMessage())

    def _ask(self, command: Command) -> tuple[bytes, list[bytes]]:
        self._socket.sendall(command.encode())
        changes: list[bytes] = []
        while True:
            frame = self._frame()
            if frame[:1] in _LAST:
                return frame[:1], changes
            if frame[:1] != _AT_WORK:
                changes.append(frame)

    def _frame(self) -> bytes:
        while len(self._data) < 4 or len(self._data) < 4 + struct.unpack("!I", self._data[:4])[0]:
            more = self._socket.recv(65_536)
            assert more, "closed without an answer"
            self._data += more
        (length,) = struct.unpack("!I", self._data[:4])
        frame, self._data = self._data[4 : 4 + length], self._data[4 + length :]
        return frame

    def close(self) -> None:
        self._socket.close()
