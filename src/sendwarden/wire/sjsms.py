"""The UDP protocol between Messaging Server's ``grosscheck.so`` and grossd: what datagrams say. No I/O.

Source: gross 1.0.2 as observed; no document describes it. A request is type and length as 16-bit numbers in
network order, and a body; a reply is one letter, and behind a separator what the mapping entry yields. There
is no authentication, and no number by which a reply could be told from another.

Known limits: the length is not looked at, as in the original. Where the original stays silent, so that its
client waits two seconds for each server, every request that cannot be read is a `Refusal` here, to be
answered ``F``.
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

# What grosscheck.so can send: two numbers and a text that it cuts.
HEAD_BYTES = 4
MAX_TEXT_BYTES = 1022
MAX_REQUEST_BYTES = HEAD_BYTES + MAX_TEXT_BYTES
# What a mapping entry's template may hold in the original (252), a letter and a blank.
MAX_REPLY_BYTES = 254
# What the HELO of a request of type 0 is called, which has none.
UNKNOWN_HELO = "<unknown>"

OLD, SAID, CURRENT = 0, 1, 2
_HEAD = struct.Struct("!HH")
_OFFSETS = struct.Struct("!4H")
_NAMES = {b"sender": 0, b"recipient": 1, b"client_address": 2, b"helo_name": 3}
# What every genuine client sends.
_USUAL = re.compile(
    rb"\x00\x02..sender=([^\n\0]*+)\nrecipient=([^\n\0]*+)\nclient_address=([^\n\0]*+)\n"
    rb"(?:helo_name=([^\n\0]*+)\n)?\n",
    re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Query(NamedTuple):
    """Shall mail of this triplet wait? ``helo`` None: not said. ``unknown``: lines that mean nothing."""

    sender: str
    recipient: str
    client_address: str
    helo: str | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A client tells of an error of its own (type 1); there is no reply."""

    text: str


class Refusal(Enum):
    """Why a datagram is no request."""

    EMPTY = "an empty datagram"
    SHORT = "shorter than type and length"
    LONG = f"longer than {MAX_REQUEST_BYTES} bytes"
    TYPE = "of a type that is not known"
    MISSING = "without sender, recipient or client_address"
    OFFSETS = "with offsets that lie outside"


class Kind(Enum):
    """What a reply says, by its letter."""

    GREY = "G"
    MATCH = "M"
    TRUST = "T"
    BLOCK = "B"
    FAILED = "F"
    PENDING = "P"  # still at work; another reply follows


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said. ``text``: what the mapping entry yields; None: the client's own words."""

    kind: Kind
    text: str | None = None


FAILED = b"F"
PENDING = b"P"


def decode_datagram(data: bytes) -> Query | Said | Refusal:
    """What a datagram is. Never raises."""
    if len(data) > MAX_REQUEST_BYTES:
        return Refusal.LONG
    if usual := _USUAL.match(data):
        sender, recipient, address, helo = usual.groups()
        return Query(_text(sender), _text(recipient), _text(address), None if helo is None else _text(helo))
    if len(data) < HEAD_BYTES:
        return Refusal.SHORT if data else Refusal.EMPTY
    kind, _length = _HEAD.unpack_from(data)
    read = _BODIES.get(kind)
    return read(data[HEAD_BYTES:]) if read else Refusal.TYPE


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _current(body: bytes) -> Query | Refusal:
    """Lines in any order, up to an empty one or to the end; one without a line end does not count."""
    lines = body.partition(b"\0")[0].split(b"\n")[:-1]
    found: list[str | None] = [None] * len(_NAMES)
    unknown = []
    for line in lines:
        if not line:
            break
        name, equals, value = line.partition(b"=")
        place = _NAMES.get(name) if equals else None
        if place is None:
            unknown.append(_text(line))
        else:
            found[place] = _text(value)
    sender, recipient, address, helo = found
    if sender is None or recipient is None or address is None:
        return Refusal.MISSING
    return Query(sender, recipient, address, helo, tuple(unknown))


def _old(body: bytes) -> Query | Refusal:
    """Four numbers, then strings that each end in NUL; offsets count from behind the numbers."""
    if len(body) < _OFFSETS.size:
        return Refusal.OFFSETS
    _size, *offsets = _OFFSETS.unpack_from(body)
    strings = body[_OFFSETS.size :]
    ends = [strings.find(b"\0", offset) for offset in offsets]
    if min(ends) < 0:
        return Refusal.OFFSETS
    sender, recipient, address = (
        _text(strings[offset:end]) for offset, end in zip(offsets, ends, strict=True)
    )
    return Query(sender, recipient, address, UNKNOWN_HELO)


def _said(body: bytes) -> Said:
    return Said(_text(body.partition(b"\0")[0]))


_BODIES: Mapping[int, Callable[[bytes], Query | Said | Refusal]] = {OLD: _old, SAID: _said, CURRENT: _current}


def whole_reply(kind: Kind, text: str) -> bytes:
    """A reply with its text."""
    return f"{kind.value} {text}".encode("utf-8", "surrogateescape")[:MAX_REPLY_BYTES]


def fitting(reply: bytes, request_bytes: int) -> bytes:
    """A reply that with a ``P`` before it is no longer than twice the request.

    Where the text would make it so the letter stands alone: then the client has words of its own.
    """
    return reply if len(PENDING) + len(reply) <= 2 * request_bytes else reply[:1]


def encode_reply(kind: Kind, text: str, request_bytes: int) -> bytes:
    """A whole reply that fits its request."""
    return fitting(whole_reply(kind, text), request_bytes)


def quoted(text: str) -> str:
    """Words as they stand in a mapping entry's result: every blank quoted."""
    return text.replace(" ", "$ ")


def encode_query(query: Query) -> bytes:
    """A request of type 2, cut to what the original's client sends. A control character becomes ``?``."""
    named = {
        "sender": query.sender or "<>",
        "recipient": query.recipient,
        "client_address": query.client_address,
        **({} if query.helo is None else {"helo_name": query.helo}),
    }
    text = "".join(f"{name}={_CONTROL.sub('?', value)}\n" for name, value in named.items()) + "\n"
    body = text.encode("utf-8", "surrogateescape")[:MAX_TEXT_BYTES]
    return _HEAD.pack(CURRENT, len(body)) + body


def encode_said(text: str) -> bytes:
    """An error of the client's own."""
    body = text.encode("utf-8", "surrogateescape")[: MAX_TEXT_BYTES - 1] + b"\0"
    return _HEAD.pack(SAID, len(body)) + body


def decode_reply(data: bytes) -> Reply | None:
    """What a server said; None: nothing that this protocol knows. Text begins at the third byte."""
    try:
        kind = Kind(data[:1].decode("ascii", "replace"))
    except ValueError:
        return None
    return Reply(kind, _text(data[2:]) if len(data) > 1 else None)
