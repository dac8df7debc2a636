"""Framing and the shapes of fields.

A packet is a length (4 bytes, network order), a command letter and its data.

Text is bytes on the wire, ended by NUL. It becomes `str` by UTF-8 with surrogateescape, so that whatever a
client sent comes back out as it was.
"""

import struct

from sendwarden.wire.base import Need, ProtocolError

from .flags import MAX_PACKET_BYTES

_LENGTH = struct.Struct("!I")
_UINT32 = struct.Struct("!I")


class PacketDecoder:
    """Cut a byte stream into packets: `feed`, then `next_packet` until Need.DATA."""

    def __init__(self, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        self._buffer = bytearray()
        self._at = 0  # start of the first packet that was not handed out
        self._max = max_packet_bytes

    def feed(self, data: bytes) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    @property
    def unfinished(self) -> bool:
        return len(self._buffer) > self._at

    def next_packet(self) -> tuple[int, bytes] | Need:
        """Command letter (its byte value) and data. Raises `ProtocolError` for an impossible length."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at < _LENGTH.size:
            return Need.DATA
        (length,) = _LENGTH.unpack_from(buffer, at)
        if not 1 <= length <= self._max:
            raise ProtocolError(f"packet of {length} bytes: 1 to {self._max} are possible")
        end = at + 4 + length
        if len(buffer) < end:
            return Need.DATA
        self._at = end
        return buffer[at + 4], bytes(buffer[at + 5 : end])


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
