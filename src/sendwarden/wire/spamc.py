"""SPAMC: the protocol of SpamAssassin's spamd. No I/O.

Source: SpamAssassin's spamd/PROTOCOL (version 1.5). One connection carries one question; we ask SYMBOLS,
whose answer is a line with verdict and score, and a body with the names of the rules that hit.
"""

import re
from dataclasses import dataclass

from .base import Need, OneAnswer, ProtocolError

# spamd's own head has five lines. A body is the names of rules.
MAX_HEAD_BYTES = 8 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_SYMBOLS = 500
EX_OK = 0

_STATUS = re.compile(rb"SPAMD/\d{1,2}\.\d{1,2} (\d{1,3}) ([!-~][ -~]*)")
_FIELD = re.compile(rb"([A-Za-z-]{1,64})[ \t]*:[ \t]*([^\r\n\0]*)")
_NUMBER = r"[-+]?\d{1,9}(?:\.\d{1,9})?"
_SPAM = re.compile(rf"(true|yes|false|no) ?; ?({_NUMBER}) ?/ ?({_NUMBER})", re.ASCII | re.IGNORECASE)
_SYMBOL = re.compile(rb"[A-Za-z0-9_]{1,100}")


@dataclass(frozen=True, slots=True)
class SpamdAnswer:
    """spamd's verdict: ``threshold`` is its own required_score."""

    spam: bool
    score: float
    threshold: float
    symbols: tuple[str, ...] = ()


def encode_question(message: bytes) -> bytes:
    return b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n%b" % (len(message), message)


class SpamdDecoder(OneAnswer):
    """Feed what arrives and ask `answer`; `end` where spamd closes."""

    def answer(self) -> SpamdAnswer | Need:
        """Raises `ProtocolError` for what is no answer, with the reason."""
        head_bytes = self._bytes.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES + 4)
        if head_bytes < 0:
            if len(self._bytes) > MAX_HEAD_BYTES:
                raise ProtocolError(f"a head of more than {MAX_HEAD_BYTES} bytes")
            return self._more()
        fields = _fields(bytes(self._bytes[:head_bytes]))
        body = bytes(self._bytes[head_bytes + 4 :])
        length = _length(fields)
        if len(body) > MAX_BODY_BYTES:
            raise ProtocolError(f"a body of more than {MAX_BODY_BYTES} bytes")
        if length is None and not self._ended:
            return Need.DATA
        if length is not None and len(body) < length:
            return self._more()
        return _answer(fields, body[:length])


def _fields(head: bytes) -> dict[str, str]:
    status, *lines = head.split(b"\r\n")
    found = _STATUS.fullmatch(status)
    if not found:
        raise ProtocolError("its first line is none of SPAMD")
    if int(found[1]) != EX_OK:
        raise ProtocolError(f"it answers {int(found[1])} {found[2][:40].decode('ascii')}")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field:
            raise ProtocolError("a line of its head is no field")
        name = field[1].decode("ascii").lower()
        if name in fields:
            raise ProtocolError(f'it says "{name}" twice')
        fields[name] = field[2].decode("latin-1")
    return fields


def _length(fields: dict[str, str]) -> int | None:
    text = fields.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < len(str(MAX_BODY_BYTES)) + 2):
        raise ProtocolError("its length is no number, or too large")
    if int(text) > MAX_BODY_BYTES:
        raise ProtocolError(f"a body of more than {MAX_BODY_BYTES} bytes")
    return int(text)


def _answer(fields: dict[str, str], body: bytes) -> SpamdAnswer:
    found = _SPAM.fullmatch(fields.get("spam", "").strip())
    if not found:
        raise ProtocolError("it says neither spam nor not")
    threshold = float(found[3])
    if threshold <= 0:
        raise ProtocolError("its threshold makes all mail spam")
    symbols = _SYMBOL.findall(body)[:MAX_SYMBOLS]
    names = tuple(symbol.decode("ascii") for symbol in symbols)
    return SpamdAnswer(found[1].lower() in ("true", "yes"), float(found[2]), threshold, names)
