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
        self._later_bytes = 0
        self._max = max_packet_bytes

    def feed(self, data: bytes) -> None:
        if self._at == len(self._buffer):
            self._buffer, self._at = data, 0
        else:
            self._later.append(data)
            self._later_bytes += len(data)

    @property
    def unfinished(self) -> bool:
        return self._at < len(self._buffer)

    def next_packet(self) -> tuple[int, bytes] | Need:
        """Command letter (its byte value) and data. Raises `ProtocolError` for an impossible length."""
        start = self._at + _LENGTH.size
        if start > len(self._buffer):
            if not self._join(_LENGTH.size):
                return Need.DATA
            start = _LENGTH.size
        (length,) = _unpack_length(self._buffer, start - _LENGTH.size)
        if not 1 <= length <= self._max:
            raise ProtocolError(f"packet of {length} bytes: 1 to {self._max} are possible")
        end = start + length
        if end > len(self._buffer):
            if not self._join(_LENGTH.size + length):
                return Need.DATA
            start, end = _LENGTH.size, _LENGTH.size + length
        self._at = end
        return self._buffer[start], self._buffer[start + 1 : end]

    def run_of(self, letter: int) -> list[bytes]:
        """Data of all packets with this letter that come next and are whole in what arrived at once."""
        buffer, at, size = self._buffer, self._at, len(self._buffer)
        found = []
        while at + _LENGTH.size < size and buffer[at + _LENGTH.size] == letter:
            (length,) = _unpack_length(buffer, at)
            end = at + _LENGTH.size + length
            if end > size or not 1 <= length <= self._max:
                break
            found.append(buffer[at + _LENGTH.size + 1 : end])
            at = end
        self._at = at
        return found

    def _join(self, needed: int) -> bool:
        """Have so many bytes in the buffer, from its beginning on; False if they have not arrived."""
        if len(self._buffer) - self._at + self._later_bytes < needed:
            return False
        self._buffer = b"".join([self._buffer[self._at :], *self._later])
        self._at = 0
        self._later.clear()
        self._later_bytes = 0
        return True


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
    return to_text(data[:-1]).split("\0")


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
