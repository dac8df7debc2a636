"""clamd's protocol: the question INSTREAM and its answer. No I/O.

Source: clamd(8). With the prefix z commands and answers end in NUL. A stream is pieces, each behind its
length in four bytes, most significant first; a length of 0 ends it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .base import Need, OneAnswer, ProtocolError

PIECE_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 4 * 1024

_FOUND = re.compile(r"stream: ([!-~]{1,250}) FOUND")
_OK = "stream: OK"


@dataclass(frozen=True, slots=True)
class ClamdAnswer:
    """``signature``: the name of what was found, "" for nothing."""

    signature: str


def encode_question(message: bytes) -> Iterator[bytes]:
    """In pieces, since clamd may answer (too large) before it has all."""
    yield b"zINSTREAM\0"
    for start in range(0, len(message), PIECE_BYTES):
        piece = message[start : start + PIECE_BYTES]
        yield len(piece).to_bytes(4) + piece
    yield bytes(4)


class ClamdDecoder(OneAnswer):
    """Feed what arrives and ask `answer`; `end` where clamd closes."""

    def answer(self) -> ClamdAnswer | Need:
        """Raises `ProtocolError` for what is no answer, with the reason."""
        end = self._bytes.find(b"\0", 0, MAX_ANSWER_BYTES + 1)
        if end < 0:
            if len(self._bytes) > MAX_ANSWER_BYTES:
                raise ProtocolError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            return self._more()
        text = self._bytes[:end].decode("ascii", "replace")
        if text == _OK:
            return ClamdAnswer("")
        found = _FOUND.fullmatch(text)
        if found:
            return ClamdAnswer(found[1])
        if text.endswith(" ERROR") and text.isprintable():
            raise ProtocolError(f"it answers {text[:80]}")
        raise ProtocolError("its answer is neither OK nor FOUND")
