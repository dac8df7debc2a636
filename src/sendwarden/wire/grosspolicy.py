"""Postfix's policy delegation as grossd speaks it: five attributes are read, all others are passed over.

Source: gross.md section 5.2. Unlike `wire.policy` no ``request=`` is asked for, carriage returns are taken
out everywhere, and ``grossd_mode`` (made for Exim) ends the connection behind one reply.
"""

from typing import NamedTuple

from .base import Need, ProtocolError

# Largest unfinished request we hold, in bytes.
MAX_REQUEST_BYTES = 64 * 1024


class Query(NamedTuple):
    """Shall this mail wait? ``once``: the peer wants one reply and the end."""

    sender: str
    recipient: str
    client_address: str
    helo: str | None = None
    once: bool = False


class GrossPolicyDecoder:
    """Bytes to questions: `feed`, then `next_query` until Need.DATA; it alone raises `ProtocolError`."""

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def unfinished(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        if b"\r" in data:
            data = data.replace(b"\r", b"")
        self._buffer = self._buffer + data if self._buffer else data

    def next_query(self) -> Query | Need:
        buffer = self._buffer
        if buffer.startswith(b"\n"):
            raise ProtocolError("an empty request")
        end = buffer.find(b"\n\n")
        if end < 0 and len(buffer) <= MAX_REQUEST_BYTES:
            return Need.DATA
        if not 0 <= end < MAX_REQUEST_BYTES:
            raise ProtocolError(f"a request longer than {MAX_REQUEST_BYTES} bytes")
        self._buffer = buffer[end + 2 :]
        return _query(b"\n" + buffer[: end + 1])


def _query(text: bytes) -> Query:
    sender, recipient, address, helo = (
        _value(text, name) for name in (b"\nsender=", b"\nrecipient=", b"\nclient_address=", b"\nhelo_name=")
    )
    if sender is None or recipient is None or address is None:
        raise ProtocolError("a request without sender, recipient or client_address")
    return Query(sender, recipient, address, helo, b"\ngrossd_mode=" in text)


def _value(text: bytes, name: bytes) -> str | None:
    """Of two the last counts."""
    at = text.rfind(name)
    if at < 0:
        return None
    start = at + len(name)
    return text[start : text.index(b"\n", start)].decode("utf-8", "surrogateescape")
