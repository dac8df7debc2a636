"""What a session has said of the current message, within bounds."""

from dataclasses import dataclass, field, replace
from itertools import chain

from sendwarden.core.decision import Message, Request
from sendwarden.core.identity import bare_address
from sendwarden.service.carried import Carried
from sendwarden.service.judge import MOST_HEADERS
from sendwarden.service.site import BODY_BYTES
from sendwarden.wire.base import ProtocolError

# Most of the letters in headers, besides their number (`MOST_HEADERS`): what is more is not looked at.
HEADER_BYTES = 16 * 1024 * 1024
# Most of recipients, in bytes; a mail server has its own limit far below. Each counts for what it takes of
# our memory besides its letters.
ENVELOPE_BYTES = 32 * 1024 * 1024
ENTRY_BYTES = 200
_HEADER_SIGNS = len(": \r\n")


@dataclass(frozen=True, slots=True)
class SmtpClient:
    """Who the mail server talks to, as far as it has said."""

    address: str = ""
    name: str = ""
    helo: str = ""
    port: int = 0
    tag: str = ""  # of PORT_ACCESS


@dataclass(slots=True)
class Envelope:
    """What the session has said of the current message."""

    sender: str
    login: str
    queue_id: str
    macros: dict[str, str]
    paths: list[str] = field(default_factory=list)  # recipients as the mail server wrote them
    asked: int = 0  # RCPT commands, refused ones too
    sender_open: bool = False  # see `Request`
    carried: list[Carried] = field(default_factory=list)  # what access tables want done at the end
    delay_s: float = 0.0  # before each answer
    headers: list[tuple[str, str]] = field(default_factory=list)
    keep_bytes: int = BODY_BYTES  # of the body
    body: bytearray = field(default_factory=bytearray)
    header_letters: int = 0
    cut: bool = False
    path_letters: int = 0
    body_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        return self.header_letters + _HEADER_SIGNS * len(self.headers) + self.body_bytes

    @property
    def recipients(self) -> tuple[str, ...]:
        """Each once, without angle brackets."""
        return tuple(dict.fromkeys(map(bare_address, self.paths)))

    @property
    def body_cut(self) -> bool:
        return self.body_bytes > len(self.body)

    def message(self, request: Request) -> Message:
        """All of it, at its end."""
        whole = Message(request, tuple(self.headers), bytes(self.body), self.size_bytes, self.cut)
        return replace(whole, body_cut=self.body_cut) if self.body_cut else whole

    def take_headers(self, headers: list[tuple[str, str]]) -> None:
        """What is too much is left out, and known to be."""
        self.header_letters += sum(map(len, chain.from_iterable(headers)))
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
        self.body += chunk[: max(0, self.keep_bytes - len(self.body))]
