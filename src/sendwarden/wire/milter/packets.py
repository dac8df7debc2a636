"""Framing and the shapes of fields.

A packet is a length (4 bytes, network order), a command letter and its data.

Text is bytes on the wire, ended by NUL. It becomes `str` by UTF-8 with surrogateescape, so that whatever a
client sent comes back out as it was.
"""

import struct

from sendwarden.wire.base import Need, ProtocolError

from .flags import MAX_PACKET_BYTES

_LENGTH = struct.Struct("!I")
_unpack_length = _LENGTH.unpack_from
_UINT32 = struct.Struct("!I")


class PacketDecoder:
    """Cut a byte stream into packets: `feed`, then `next_packet` until Need.DATA."""

    def __init__(self, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        self._buffer = b""
        self._at = 0  # start of the first packet that was not handed out
        self._later: list[bytes] = []  # what arrived behind an unfinished packet, joined once it is whole
        self._arrived = 0  # bytes from `_at` on, those in `_later` among them
        self._needed = _LENGTH.size  # how many of them the next step needs
        self._max = max_packet_bytes

    def feed(self, data: bytes) -> None:
        if self._arrived:
            self._later.append(data)
        else:
            self._buffer, self._at = data, 0
        self._arrived += len(data)

    @property
    def unfinished(self) -> bool:
        return self._arrived > 0

    def next_packet(self) -> tuple[int, bytes] | Need:
        """Command letter (its byte value) and data. Raises `ProtocolError` for an impossible length."""
        if self._arrived < self._needed:
            return Need.DATA
        if self._later:
            self._buffer = b"".join([self._buffer[self._at :], *self._later])
            self._at = 0
            self._later.clear()
        buffer, at = self._buffer, self._at
        (length,) = _unpack_length(buffer, at)
        if not 1 <= length <= self._max:
            raise ProtocolError(f"packet of {length} bytes: 1 to {self._max} are possible")
        size = _LENGTH.size + length
        if self._arrived < size:
            self._needed = size
            return Need.DATA
        self._at = at + size
        self._arrived -= size
        self._needed = _LENGTH.size
        return buffer[at + 4], buffer[at + 5 : at + size]


def packet(letter: bytes, data: bytes = b"") -> bytes:
    return _LENGTH.pack(1 + len(data)) + letter + data


def to_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def text(value: str) -> bytes:
    """A text field with its NUL. Raises `ValueError` for text that holds one: a bug of the caller."""
    raw = value.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise ValueError(f"a field cannot hold NUL: {value!r}")
    return raw + b"\0"


def texts(data: bytes, what: str) -> list[str]:
    """All text fields of ``data``, which must end in NUL. Empty data holds none."""
    if not data:
        return []
    if data[-1]:
        raise ProtocolError(f"{what}: text does not end in NUL")
    return [to_text(part) for part in data[:-1].split(b"\0")]


def exactly(count: int, data: bytes, what: str) -> list[str]:
    found = texts(data, what)
    if len(found) != count:
        raise ProtocolError(f"{what}: {len(found)} fields, expected {count}")
    return found


def uint32(data: bytes, at: int, what: str) -> int:
    if len(data) < at + 4:
        raise ProtocolError(f"{what}: cut short at byte {len(data)}")
    (value,) = _UINT32.unpack_from(data, at)
    return int(value)


def to_uint32(value: int) -> bytes:
    return _UINT32.pack(value)
