"""What mail servers ask of the daemon, as fast as they are answered, and what they hear."""

import re
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from sendwarden.wire.base import Need
from sendwarden.wire.milter.commands import Connect, EndOfMessage, Header, Macros, Mail, Negotiate, Rcpt
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import Answer, Reply, ReplyCode, ReplyDecoder
from sendwarden.wire.policy import encode_request
from tests.servers.space import wait_for

REFERENCE = re.compile(r"SW-[0-9A-HJKMNP-TV-Z]{6}")
TIMEOUT_S = 20.0
OFFER = Negotiate(6, Action(0x1FF), Step(0x1FFFFF))


class Dropped(Exception):
    """The daemon closed the connection."""


class MailServer:
    """One milter connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._decoder = ReplyDecoder()
        try:
            self.say(OFFER.encode())
            assert isinstance(self.reply(), Negotiate)
            self.say(Connect("mx", "4", 25, "192.0.2.7").encode())
        except BaseException:
            self.close()
            raise

    def say(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except ConnectionError as error:
            raise Dropped from error

    def reply(self) -> Reply:
        """The next reply. Raises `Dropped` where none comes any more."""
        while isinstance(found := self._decoder.next_reply(), Need):
            try:
                data = self._socket.recv(65_536)
            except ConnectionError as error:
                raise Dropped from error
            if not data:
                raise Dropped
            self._decoder.feed(data)
        return found

    def begin(self, account: str, do: str = "") -> None:
        """A message up to its end."""
        macros = Macros("M", (("i", "4XyZ"), ("{auth_type}", "PLAIN"), ("{auth_authen}", account)))
        parts = (macros, Mail(f"<{account}>"), Rcpt("<v@victim.example>"), Header("X-Do", do))
        self.say(b"".join(part.encode() for part in parts))

    def end(self) -> Answer | ReplyCode:
        self.say(EndOfMessage().encode())
        return self.answer()

    def answer(self) -> Answer | ReplyCode:
        while not isinstance(found := self.reply(), Answer | ReplyCode):
            pass
        return found

    def send(self, account: str, do: str = "") -> str:
        """One message; the reference of its refusal, or ""."""
        self.begin(account, do)
        answer = self.end()
        if isinstance(answer, ReplyCode):
            found = REFERENCE.search(" ".join(answer.lines))
            assert found, answer
            return found[0]
        assert answer is Answer.CONTINUE
        return ""

    def close(self) -> None:
        self._socket.close()


@dataclass(slots=True)
class Heard:
    """What one connection heard: when each message of its account was answered, and references."""

    account: str
    answered_at: list[float] = field(default_factory=list)
    references: list[tuple[float, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    dropped: int = 0
    trouble: list[str] = field(default_factory=list)


class Load:
    """Several connections at once, each in a thread. Use as a context; it ends when told or at a drop."""

    def __init__(self, port: int, accounts: Sequence[str], pause_s: float = 0.002) -> None:
        self.heard = [Heard(account) for account in accounts]
        self._port = port
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(heard,)) for heard in self.heard]

    def _work(self, heard: Heard) -> None:
        try:
            with closing(MailServer(self._port)) as server:
                while not self._stop.wait(self._pause_s):
                    self._one(server, heard)
        except (Dropped, ConnectionRefusedError):
            heard.dropped += 1
        except (OSError, AssertionError) as error:
            heard.trouble.append(repr(error))

    def _one(self, server: MailServer, heard: Heard) -> None:
        start = time.monotonic()
        reference = server.send(heard.account, "refuse" if len(heard.answered_at) % 3 == 2 else "")
        now = time.monotonic()
        heard.answered_at.append(now)
        heard.slowest_s = max(heard.slowest_s, now - start)
        if reference:
            heard.references.append((now, reference))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def messages(self) -> int:
        return sum(len(heard.answered_at) for heard in self.heard)

    def wait_for(self, more: int) -> None:
        """Until so many more messages are answered."""
        enough = self.messages + more
        wait_for("mail goes on", lambda: self.messages >= enough)

    @property
    def references(self) -> list[str]:
        return [reference for heard in self.heard for _at, reference in heard.references]

    @property
    def slowest_s(self) -> float:
        return max(heard.slowest_s for heard in self.heard)

    @property
    def trouble(self) -> list[str]:
        return [error for heard in self.heard for error in heard.trouble]

    @property
    def dropped(self) -> int:
        return sum(heard.dropped for heard in self.heard)


def ask_policy(port: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """One policy request over a connection of its own; what came back until its empty line or the close."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as asking:
        asking.sendall(encode_request({"protocol_state": "RCPT", "sender": "eve@example.org"}))
        got = b""
        while not got.endswith(b"\n\n") and (data := asking.recv(4096)):
            got += data
    return got
