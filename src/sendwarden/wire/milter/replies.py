"""Filter to mail server: answers to a command, and changes sent before the answer to EndOfMessage.

Both directions again, for the load driver and the tests. Reply text (`ReplyCode`) has its own rules: several
lines may carry one code, and a ``%`` is written twice, since Sendmail uses the text as a format and Postfix
folds it back.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sendwarden.wire.base import Need, ProtocolError

from .commands import Negotiate, decode_negotiate
from .packets import PacketDecoder, exactly, packet, text, texts, to_uint32, uint32

# One line of an SMTP reply, without code and line end (RFC 5321 4.5.3.1.5 allows 512 bytes in all). libmilter
# refuses longer ones, and more than 32 lines (MAXREPLYLEN 980, MAXREPLIES 32).
MAX_LINE_BYTES = 480
MAX_LINES = 32
REFUSAL_CODES = range(400, 600)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE = re.compile(r"([45]\d\d)([ -])(?:([245]\.\d{1,3}\.\d{1,3}) )?([^\r\n\0]*)", re.ASCII)
_ENHANCED = re.compile(r"[45]\.\d{1,3}\.\d{1,3}", re.ASCII)
_LINE_BREAK = re.compile(r"[\r\n\0]")


class Answer(Enum):
    """Replies without data. Exactly one answer goes out for each command that wants one."""

    ACCEPT = b"a"  # SMFIR_ACCEPT: no more questions about this message (or connection)
    CONTINUE = b"c"
    DISCARD = b"d"
    REJECT = b"r"
    TEMPFAIL = b"t"
    CONNECTION_FAILED = b"f"  # SMFIR_CONN_FAIL
    SHUTDOWN = b"4"  # SMFIR_SHUTDOWN: 421 to the client
    SKIP = b"s"  # SMFIR_SKIP: no more body chunks
    PROGRESS = b"p"  # SMFIR_PROGRESS: still working, not an answer

    def encode(self) -> bytes:
        return packet(self.value)


@dataclass(frozen=True, slots=True)
class ReplyCode:
    """SMFIR_REPLYCODE: an answer with our own SMTP code and text.

    ``lines`` are clean text (`clean_lines`). Raises `ValueError` at birth for what is no refusal.
    """

    code: int
    enhanced: str
    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.code not in REFUSAL_CODES or not self.lines or len(self.lines) > MAX_LINES:
            raise ValueError(f"not a refusal: {self.code} with {len(self.lines)} lines")
        if self.enhanced and not (
            _ENHANCED.fullmatch(self.enhanced) and self.enhanced[0] == str(self.code)[0]
        ):
            raise ValueError(f"{self.enhanced} does not go with {self.code}")
        if any(map(_LINE_BREAK.search, self.lines)):
            raise ValueError("a line of a reply holds a line end or NUL")

    def encode(self) -> bytes:
        enhanced = f"{self.enhanced} " if self.enhanced else ""
        last = len(self.lines) - 1
        whole = "\r\n".join(
            f"{self.code}{' ' if number == last else '-'}{enhanced}{line.replace('%', '%%')}"
            for number, line in enumerate(self.lines)
        )
        return packet(b"y", text(whole))


@dataclass(frozen=True, slots=True)
class AddHeader:
    """SMFIR_ADDHEADER: at the end of the headers."""

    name: str
    value: str

    def encode(self) -> bytes:
        return packet(b"h", text(self.name) + text(self.value))


@dataclass(frozen=True, slots=True)
class InsertHeader:
    """SMFIR_INSHEADER: before the header at ``index``; 0 is the top."""

    index: int
    name: str
    value: str

    def encode(self) -> bytes:
        return packet(b"i", to_uint32(self.index) + text(self.name) + text(self.value))


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """SMFIR_CHGHEADER: the ``index``-th header of that name, from 1. An empty value deletes it."""

    index: int
    name: str
    value: str

    def encode(self) -> bytes:
        return packet(b"m", to_uint32(self.index) + text(self.name) + text(self.value))


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """SMFIR_ADDRCPT, or SMFIR_ADDRCPT_PAR when there are ESMTP ``arguments``. The path has angle brackets."""

    path: str
    arguments: str = ""

    def encode(self) -> bytes:
        if self.arguments:
            return packet(b"2", text(self.path) + text(self.arguments))
        return packet(b"+", text(self.path))


@dataclass(frozen=True, slots=True)
class DeleteRecipient:
    """SMFIR_DELRCPT: written as the mail server gave it."""

    path: str

    def encode(self) -> bytes:
        return packet(b"-", text(self.path))


@dataclass(frozen=True, slots=True)
class ChangeSender:
    """SMFIR_CHGFROM."""

    path: str
    arguments: str = ""

    def encode(self) -> bytes:
        return packet(b"e", text(self.path) + (text(self.arguments) if self.arguments else b""))


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """SMFIR_REPLBODY: the next piece of the new body, at most `BODY_CHUNK_BYTES`, lines ended by CRLF."""

    chunk: bytes

    def encode(self) -> bytes:
        return packet(b"b", self.chunk)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """SMFIR_QUARANTINE: into the hold queue.

    Continue must follow: with a refusal behind it, Postfix and Sendmail forget the quarantine.
    """

    reason: str

    def encode(self) -> bytes:
        return packet(b"q", text(self.reason))


Change = (
    AddHeader
    | InsertHeader
    | ChangeHeader
    | AddRecipient
    | DeleteRecipient
    | ChangeSender
    | ReplaceBody
    | Quarantine
)
Reply = Answer | ReplyCode | Change | Negotiate


def clean_lines(words: str, *, smtputf8: bool = False) -> tuple[str, ...]:
    """Text as it may stand in `ReplyCode`: at least one line, no control characters, cut to what SMTP allows.

    Line ends part lines; empty ones are dropped. Without SMTPUTF8 a letter outside ASCII becomes ``?``. A
    long line is folded at a blank where there is one. Idempotent when the lines are joined by a line feed.
    """
    lines: list[str] = []
    for raw in _LINE_END.split(words):
        line = _CONTROL.sub(" ", raw).strip(" ")
        if not smtputf8:
            line = line.encode("ascii", "replace").decode()
        line = line.encode("utf-8", "replace").decode()
        while len(line.encode()) > MAX_LINE_BYTES:
            head, line = _cut(line)
            lines.append(head)
        if line:
            lines.append(line)
    return tuple(lines[:MAX_LINES]) or ("refused",)


def _cut(line: str) -> tuple[str, str]:
    head = line.encode()[:MAX_LINE_BYTES].decode("utf-8", "ignore")
    blank = head.rfind(" ")
    if blank > 0:
        return head[:blank].rstrip(" "), line[blank + 1 :].lstrip(" ")
    return head, line[len(head) :].lstrip(" ")


def _reply_code(data: bytes) -> ReplyCode:
    (whole,) = exactly(1, data, "reply code")
    matches = [_LINE.fullmatch(line) for line in whole.split("\r\n")]
    kinds = {(match[1], match[3]) if match else None for match in matches}
    ends = [match[2] for match in matches if match]
    if None in kinds or len(kinds) != 1 or ends != ["-"] * (len(matches) - 1) + [" "]:
        raise ProtocolError(f"not an SMTP reply: {whole[:64]!r}")
    lines = tuple(match[4].replace("%%", "%") for match in matches if match)
    first = matches[0]
    assert first is not None
    try:
        return ReplyCode(int(first[1]), first[3] or "", lines)
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def _indexed(data: bytes, what: str) -> tuple[int, str, str]:
    name, value = exactly(2, data[4:], what)
    return uint32(data, 0, what), name, value


def _with_arguments(data: bytes, what: str) -> tuple[str, str]:
    fields = texts(data, what)
    match fields:
        case [path]:
            return path, ""
        case [path, arguments]:
            return path, arguments
        case _:
            raise ProtocolError(f"{what}: {len(fields)} fields, expected 1 or 2")


def _answer(answer: Answer) -> Callable[[bytes], Answer]:
    def decode(data: bytes) -> Answer:
        if data:
            raise ProtocolError(f"{answer.name}: {len(data)} bytes of data, expected none")
        return answer

    return decode


DECODERS: dict[int, Callable[[bytes], Reply]] = {
    **{answer.value[0]: _answer(answer) for answer in Answer},
    ord("O"): decode_negotiate,
    ord("y"): _reply_code,
    ord("h"): lambda data: AddHeader(*exactly(2, data, "add header")),
    ord("i"): lambda data: InsertHeader(*_indexed(data, "insert header")),
    ord("m"): lambda data: ChangeHeader(*_indexed(data, "change header")),
    ord("+"): lambda data: AddRecipient(*exactly(1, data, "add recipient")),
    ord("2"): lambda data: AddRecipient(*_with_arguments(data, "add recipient")),
    ord("-"): lambda data: DeleteRecipient(*exactly(1, data, "delete recipient")),
    ord("e"): lambda data: ChangeSender(*_with_arguments(data, "change sender")),
    ord("b"): ReplaceBody,
    ord("q"): lambda data: Quarantine(*exactly(1, data, "quarantine")),
}


class ReplyDecoder:
    """What a mail server receives: `feed` bytes, then `next_reply` until Need.DATA. Spent after an error."""

    def __init__(self) -> None:
        self._packets = PacketDecoder()

    def feed(self, data: bytes) -> None:
        self._packets.feed(data)

    def next_reply(self) -> Reply | Need:
        found = self._packets.next_packet()
        if isinstance(found, Need):
            return found
        letter, data = found
        decoder = DECODERS.get(letter)
        if decoder is None:
            raise ProtocolError(f"unknown reply {bytes([letter])!r}")
        return decoder(data)
