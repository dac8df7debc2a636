"""Postfix policy delegation, bytes to requests and back. No I/O, no clock, no logging.

Source: Postfix SMTPD_POLICY_README, "Protocol description", and access(5). A request is ``name=value`` lines
ended by an empty line; the reply is one ``action=`` line ended by an empty line; the connection stays open
for the next request. Both directions are here: a test client needs the other one.

Measured on Postfix 3.7: a reply with an unknown action word costs the sender a 451 whatever the site
configured as its default; a reply with CRLF line ends, or without its empty line, counts as a server that
hangs. Hence replies are made from an enum, and text passes one sanitiser.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .base import Need, ProtocolError

# Largest unfinished request we hold, in bytes. The document sets no limit; Postfix 3.12 sends 32 attributes,
# so this leaves 2 KiB for each.
MAX_REQUEST_BYTES = 64 * 1024

# Longest text in a reply, in bytes. An SMTP reply line holds 512 (RFC 5321 4.5.3.1.5), and Postfix writes the
# code, the address and a few words before our text.
MAX_TEXT_BYTES = 400

REFUSAL_CODES = range(400, 600)
REQUEST_TYPE = "smtpd_access_policy"


class Action(Enum):
    """The first words that Postfix knows in a reply (access(5)).

    Restriction names, which access(5) also allows, are no decision of ours; a ``4NN`` or ``5NN`` code goes
    through `encode_code`.
    """

    OK = "OK"
    DUNNO = "DUNNO"
    REJECT = "REJECT"
    DEFER = "DEFER"
    DEFER_IF_REJECT = "DEFER_IF_REJECT"
    DEFER_IF_PERMIT = "DEFER_IF_PERMIT"
    BCC = "BCC"
    DISCARD = "DISCARD"
    FILTER = "FILTER"
    HOLD = "HOLD"
    PREPEND = "PREPEND"
    REDIRECT = "REDIRECT"
    INFO = "INFO"
    WARN = "WARN"


# Without an argument Postfix ignores these with a warning in its own log, which no postmaster connects with
# us.
NEEDS_ARGUMENT = frozenset({Action.BCC, Action.FILTER, Action.PREPEND, Action.REDIRECT})
DUNNO = b"action=DUNNO\n\n"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One question from Postfix. A repeated name keeps its last value, as the document allows."""

    attributes: Mapping[str, str]

    def get(self, name: str) -> str:
        """Value, or the empty string when Postfix had none: unsent and ``name=`` mean the same.

        A number Postfix lacks may also come as ``0``; only the caller knows which names are numbers.
        """
        return self.attributes.get(name, "")


class PolicyDecoder:
    """Turn received bytes into requests: `feed` bytes, then call `next_request` until Need.DATA.

    Raises `ProtocolError` from `next_request` only. After that the decoder is spent.
    """

    def __init__(self, max_request_bytes: int = MAX_REQUEST_BYTES) -> None:
        self._buffer = bytearray()
        self._max = max_request_bytes

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def unfinished(self) -> bool:
        """Is part of a request waiting for its end?"""
        return bool(self._buffer)

    def next_request(self) -> Request | Need:
        # A request without attributes would start with the empty line itself.
        if self._buffer.startswith(b"\n"):
            raise ProtocolError("empty request")
        end = self._buffer.find(b"\n\n")
        if end < 0 and len(self._buffer) <= self._max:
            return Need.DATA
        if not 0 <= end < self._max:
            raise ProtocolError(f"request longer than {self._max} bytes")
        lines = bytes(self._buffer[:end]).split(b"\n")
        del self._buffer[: end + 2]
        request = Request(dict(_attribute(line) for line in lines))
        if request.get("request") != REQUEST_TYPE:
            raise ProtocolError(f"request type {request.get('request')[:64]!r} is not ours")
        return request


def _attribute(line: bytes) -> tuple[str, str]:
    name, equals, value = line.partition(b"=")
    if not (name and equals) or b"\0" in line:
        raise ProtocolError(f"malformed attribute {line[:64]!r}")
    # surrogateescape: SMTPUTF8 senders give UTF-8, others give anything; both must come back as they were.
    return name.decode("ascii", "surrogateescape"), value.decode("utf-8", "surrogateescape")


def encode_request(attributes: Mapping[str, str]) -> bytes:
    """The other direction, for drivers and tests. Raises `ValueError` for what cannot be sent."""
    lines = []
    for name, value in {"request": REQUEST_TYPE, **attributes}.items():
        if not name or {"=", "\n", "\0"} & set(name) or {"\n", "\0"} & set(value):
            raise ValueError(f"not an attribute: {name!r}={value!r}")
        lines.append(f"{name}={value}\n")
    return ("".join(lines) + "\n").encode("utf-8", "surrogateescape")


def clean_text(text: str, *, smtputf8: bool = False, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Text as it may stand in a one-line SMTP reply. The only sanitiser of reply text; idempotent.

    Control characters, line ends among them, become one blank. Without SMTPUTF8 a letter outside ASCII
    becomes ``?``. What is longer than ``max_bytes`` is cut at a letter's edge and ends in ``...``.
    """
    text = _CONTROL.sub(" ", text).strip(" ")
    raw = text.encode("utf-8", "replace") if smtputf8 else text.encode("ascii", "replace")
    if len(raw) > max_bytes:
        raw = raw[: max_bytes - 3].decode("utf-8", "ignore").rstrip(" ").encode() + b"..."
    return raw.decode()


def encode_reply(action: Action, text: str = "", *, smtputf8: bool = False) -> bytes:
    """One reply, e.g. ``action=DEFER_IF_PERMIT 4.7.1 Slow down``.

    Raises `ValueError` when an action that needs an argument has none: that is a bug of the caller.
    """
    return _reply(action.value, clean_text(text, smtputf8=smtputf8), needs_text=action in NEEDS_ARGUMENT)


def encode_code(code: int, text: str, *, smtputf8: bool = False) -> bytes:
    """A reply with an SMTP code of its own, 400 to 599, e.g. ``action=550 5.7.1 Not from here``."""
    if code not in REFUSAL_CODES:
        raise ValueError(f"{code} is no SMTP refusal code")
    return _reply(str(code), clean_text(text, smtputf8=smtputf8), needs_text=True)


def _reply(word: str, text: str, *, needs_text: bool) -> bytes:
    if needs_text and not text:
        raise ValueError(f"{word} needs an argument")
    return f"action={word} {text}\n\n".encode() if text else f"action={word}\n\n".encode()


def decode_reply(reply: bytes) -> tuple[str, str]:
    """Action word and text of one whole reply. Raises `ProtocolError` for one Postfix would not take."""
    match = re.fullmatch(rb"action=([A-Z_]+|[45]\d\d)(?: ([^\r\n\0]*))?\n\n", reply)
    if not match or not (match[1].isdigit() or match[1].decode() in Action.__members__):
        raise ProtocolError(f"not a policy reply: {reply[:64]!r}")
    return match[1].decode(), (match[2] or b"").decode("utf-8", "surrogateescape")
