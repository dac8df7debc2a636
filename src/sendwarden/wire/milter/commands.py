"""Mail server to filter: one class a command, with both directions of its codec.

`decode` and `encode` are inverse to the byte. A field the sender got wrong is a `ProtocolError`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from sendwarden.wire.base import Need, ProtocolError

from .flags import Action, MacroStage, Step
from .packets import PacketDecoder, exactly, packet, text, texts, to_text, to_uint32, uint32

# Families of Connect whose address is followed by a port. "U" (unknown) has neither.
_PORT_END = 3  # family letter, then two bytes of port
FAMILIES = {"L": "a local socket", "4": "IPv4", "6": "IPv6", "U": "unknown"}
_HEADER_FIELDS = 2
_HEADER_PARTS = 3  # name, value, and nothing behind the last NUL
# Before Python 3.12 an Enum cannot be asked whether it holds a plain number.
_MACRO_STAGES = frozenset(map(int, MacroStage))


@dataclass(frozen=True, slots=True)
class Negotiate:
    """SMFIC_OPTNEG, the same shape in both directions. ``macros`` stand only in the filter's answer."""

    version: int
    actions: Action
    steps: Step
    macros: tuple[tuple[MacroStage, str], ...] = ()

    def encode(self) -> bytes:
        data = b"".join(map(to_uint32, (self.version, self.actions, self.steps)))
        return packet(b"O", data + b"".join(to_uint32(stage) + text(names) for stage, names in self.macros))


@dataclass(frozen=True, slots=True)
class Macros:
    """SMFIC_MACRO: macros for the command whose letter is ``command``, which comes next."""

    command: str
    pairs: tuple[tuple[str, str], ...]

    def encode(self) -> bytes:
        fields = b"".join(text(name) + text(value) for name, value in self.pairs)
        return packet(b"D", self.command.encode("latin-1") + fields)


@dataclass(frozen=True, slots=True)
class Connect:
    """SMFIC_CONNECT: who the client is. For family "U" there is no address, and ``port`` is 0."""

    hostname: str
    family: str
    port: int = 0
    address: str = ""  # Sendmail writes IPv6 as "IPv6:2001:db8::1"; `client_address` is without

    @property
    def client_address(self) -> str:
        """The IP address, or "" for a local socket and an unknown family."""
        return self.address.removeprefix("IPv6:") if self.family in "46" else ""

    def encode(self) -> bytes:
        head = text(self.hostname) + self.family.encode()
        if self.family == "U":
            return packet(b"C", head)
        return packet(b"C", head + self.port.to_bytes(2, "big") + text(self.address))


@dataclass(frozen=True, slots=True)
class Helo:
    """SMFIC_HELO."""

    name: str

    def encode(self) -> bytes:
        return packet(b"H", text(self.name))


@dataclass(frozen=True, slots=True)
class Mail:
    """SMFIC_MAIL: the path in angle brackets, then ESMTP parameters."""

    path: str
    arguments: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return packet(b"M", b"".join(map(text, (self.path, *self.arguments))))


@dataclass(frozen=True, slots=True)
class Rcpt:
    """SMFIC_RCPT: the path in angle brackets, then ESMTP parameters."""

    path: str
    arguments: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return packet(b"R", b"".join(map(text, (self.path, *self.arguments))))


@dataclass(frozen=True, slots=True)
class Data:
    """SMFIC_DATA."""

    def encode(self) -> bytes:
        return packet(b"T")


@dataclass(frozen=True, slots=True)
class Header:
    """SMFIC_HEADER: name, and value with its folds as line feeds."""

    name: str
    value: str

    def encode(self) -> bytes:
        return packet(b"L", text(self.name) + text(self.value))


@dataclass(frozen=True, slots=True)
class EndOfHeaders:
    """SMFIC_EOH."""

    def encode(self) -> bytes:
        return packet(b"N")


@dataclass(frozen=True, slots=True)
class Body:
    """SMFIC_BODY: one chunk, lines ended by CRLF."""

    chunk: bytes = field(repr=False)

    def encode(self) -> bytes:
        return packet(b"B", self.chunk)


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """SMFIC_BODYEOB. Some senders put the last chunk of the body in it."""

    chunk: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        return packet(b"E", self.chunk)


@dataclass(frozen=True, slots=True)
class Abort:
    """SMFIC_ABORT: this message is over; the connection stays."""

    def encode(self) -> bytes:
        return packet(b"A")


@dataclass(frozen=True, slots=True)
class Quit:
    """SMFIC_QUIT: the connection is over."""

    def encode(self) -> bytes:
        return packet(b"Q")


@dataclass(frozen=True, slots=True)
class QuitNewConnection:
    """SMFIC_QUIT_NC: this client is gone, the next Connect comes over the same socket."""

    def encode(self) -> bytes:
        return packet(b"K")


@dataclass(frozen=True, slots=True)
class Unknown:
    """SMFIC_UNKNOWN: an SMTP command the mail server did not know."""

    line: str

    def encode(self) -> bytes:
        return packet(b"U", text(self.line))


Command = (
    Negotiate | Macros | Connect | Helo | Mail | Rcpt | Data | Header | EndOfHeaders | Body | EndOfMessage
    | Abort | Quit | QuitNewConnection | Unknown
)  # fmt: skip


def decode_negotiate(data: bytes) -> Negotiate:
    version, actions, steps = (uint32(data, at, "negotiation") for at in (0, 4, 8))
    macros, at = [], 12
    while at < len(data):
        stage = uint32(data, at, "negotiation")
        end = data.find(b"\0", at + 4)
        if stage not in _MACRO_STAGES or end < 0:
            raise ProtocolError(f"negotiation: bad macro list at byte {at}")
        macros.append((MacroStage(stage), to_text(data[at + 4 : end])))
        at = end + 1
    return Negotiate(version, Action(actions), Step(steps), tuple(macros))


def _macros(data: bytes) -> Macros:
    if not data:
        raise ProtocolError("macros: no command letter")
    fields = texts(data[1:], "macros")
    if len(fields) % 2:
        raise ProtocolError("macros: a name without a value")
    return Macros(chr(data[0]), tuple(zip(fields[::2], fields[1::2], strict=False)))


def _connect(data: bytes) -> Connect:
    hostname, end, rest = data.partition(b"\0")
    family = chr(rest[0]) if rest else ""
    if not end or family not in FAMILIES:
        raise ProtocolError(f"connect: no family of {', '.join(FAMILIES)}")
    if family == "U":
        if len(rest) > 1:
            raise ProtocolError("connect: an address of unknown family")
        return Connect(to_text(hostname), family)
    if len(rest) <= _PORT_END:
        raise ProtocolError("connect: no port and address")
    (address,) = exactly(1, rest[_PORT_END:], "connect")
    return Connect(to_text(hostname), family, int.from_bytes(rest[1:_PORT_END], "big"), address)


def _path(data: bytes, what: str) -> tuple[str, tuple[str, ...]]:
    path, *arguments = texts(data, what) or [""]
    if not path:
        raise ProtocolError(f"{what}: no address")
    return path, tuple(arguments)


def _header_fields(data: bytes) -> tuple[str, str]:
    """Name and value: `exactly(2, ...)` without its detours, since most of all commands are headers."""
    parts = data.decode("utf-8", "surrogateescape").split("\0")
    if len(parts) != _HEADER_PARTS or parts[2]:
        exactly(2, data, "header")
    return parts[0], parts[1]


def _nothing(command: Command, what: str) -> Callable[[bytes], Command]:
    def decode(data: bytes) -> Command:
        if data:
            raise ProtocolError(f"{what}: {len(data)} bytes of data, expected none")
        return command

    return decode


_HEADER = ord("L")

# Letter on the wire -> decoder. The bytes after the letter go in.
DECODERS: dict[int, Callable[[bytes], Command]] = {
    ord("A"): _nothing(Abort(), "abort"),
    ord("B"): Body,
    ord("C"): _connect,
    ord("D"): _macros,
    ord("E"): EndOfMessage,
    ord("H"): lambda data: Helo(*exactly(1, data, "helo")),
    ord("K"): _nothing(QuitNewConnection(), "quit"),
    _HEADER: lambda data: Header(*_header_fields(data)),
    ord("M"): lambda data: Mail(*_path(data, "mail")),
    ord("N"): _nothing(EndOfHeaders(), "end of headers"),
    ord("O"): decode_negotiate,
    ord("Q"): _nothing(Quit(), "quit"),
    ord("R"): lambda data: Rcpt(*_path(data, "rcpt")),
    ord("T"): _nothing(Data(), "data"),
    ord("U"): lambda data: Unknown(*exactly(1, data, "unknown command")),
}


class CommandDecoder:
    """What a filter receives: `feed` bytes, then `next_command` until Need.DATA. Spent after an error."""

    def __init__(self) -> None:
        self._packets = PacketDecoder()

    def feed(self, data: bytes) -> None:
        self._packets.feed(data)

    @property
    def unfinished(self) -> bool:
        return self._packets.unfinished

    def next_command(self) -> Command | Need:
        """Raises `ProtocolError` for a packet that is no command, or not a whole one."""
        found = self._packets.next_packet()
        if found is Need.DATA:
            return found
        letter, data = found
        decoder = DECODERS.get(letter)
        if decoder is None:
            raise ProtocolError(f"unknown command {bytes([letter])!r}")
        return decoder(data)

    def following_headers(self) -> list[tuple[str, str]]:
        """Names and values of headers that come next and have arrived at once, all in one step."""
        found = self._packets.run_of(_HEADER)
        if any(data.count(0) != _HEADER_FIELDS or data[-1] for data in found):
            return list(map(_header_fields, found))  # one of them is none: that says which, and why
        fields = iter(b"".join(found).decode("utf-8", "surrogateescape").split("\0"))
        return list(zip(fields, fields, strict=False))  # what is left over stands behind the last NUL
