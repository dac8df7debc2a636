"""Every milter command and reply as it may stand on the wire, for Hypothesis.

Text is made from bytes, since bytes are what a client sends. What comes from here is canonical: encoding and
decoding are inverse for it in both directions.
"""

import re
from collections.abc import Iterable

from hypothesis import strategies as st

from sendwarden.wire.milter.commands import (
    Abort,
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
)
from sendwarden.wire.milter.flags import Action, MacroStage, Step
from sendwarden.wire.milter.packets import to_text
from sendwarden.wire.milter.replies import (
    MAX_LINES,
    AddHeader,
    AddRecipient,
    Answer,
    ChangeHeader,
    ChangeSender,
    DeleteRecipient,
    InsertHeader,
    Quarantine,
    ReplaceBody,
    Reply,
    ReplyCode,
)

UINT32 = st.integers(0, 2**32 - 1)
TEXT = st.binary(max_size=40).map(lambda raw: to_text(raw.replace(b"\0", b"")))
SOME_TEXT = TEXT.filter(bool)
ARGUMENTS = st.lists(TEXT, max_size=3).map(tuple)
CHUNK = st.binary(max_size=200)

NEGOTIATE = st.builds(
    Negotiate,
    UINT32,
    UINT32.map(Action),
    UINT32.map(Step),
    st.lists(st.tuples(st.sampled_from(MacroStage), TEXT), max_size=4).map(tuple),
)

# A strategy for each class, so that a test can go through all of them.
COMMANDS: dict[type[Command], st.SearchStrategy[Command]] = {
    Negotiate: NEGOTIATE,
    Macros: st.builds(
        Macros, st.integers(0, 255).map(chr), st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple)
    ),
    Connect: st.builds(Connect, TEXT, st.sampled_from("L46"), st.integers(0, 65535), TEXT)
    | st.builds(Connect, TEXT, st.just("U")),
    Helo: st.builds(Helo, TEXT),
    Mail: st.builds(Mail, SOME_TEXT, ARGUMENTS),
    Rcpt: st.builds(Rcpt, SOME_TEXT, ARGUMENTS),
    Data: st.just(Data()),
    Header: st.builds(Header, TEXT, TEXT),
    EndOfHeaders: st.just(EndOfHeaders()),
    Body: st.builds(Body, CHUNK),
    EndOfMessage: st.builds(EndOfMessage, CHUNK),
    Abort: st.just(Abort()),
    Quit: st.just(Quit()),
    QuitNewConnection: st.just(QuitNewConnection()),
    Unknown: st.builds(Unknown, TEXT),
}

_LOOKS_ENHANCED = re.compile(r"\d\.\d{1,3}\.\d{1,3} ", re.ASCII)
# Few letters, so that `%` and what looks like a code come up often; `\udcff` is a byte that is no UTF-8.
LINES = st.lists(st.text("%%45.1 -aé\udcff"), min_size=1, max_size=MAX_LINES).map(tuple)


@st.composite
def reply_codes(draw: st.DrawFn, lines: st.SearchStrategy[tuple[str, ...]] = LINES) -> ReplyCode:
    """Lines without an enhanced code do not begin with what looks like one: it would be read as one."""
    code = draw(st.integers(400, 599))
    enhanced = draw(
        st.just("") | st.from_regex(rf"{code // 100}\.[0-9]{{1,3}}\.[0-9]{{1,3}}", fullmatch=True)
    )
    words = draw(lines)
    if not enhanced:
        words = tuple(f"-{line}" if _LOOKS_ENHANCED.match(line) else line for line in words)
    return ReplyCode(code, enhanced, words)


REPLIES: dict[type[Reply], st.SearchStrategy[Reply]] = {
    Answer: st.sampled_from(Answer),
    Negotiate: NEGOTIATE,
    ReplyCode: reply_codes(),
    AddHeader: st.builds(AddHeader, TEXT, TEXT),
    InsertHeader: st.builds(InsertHeader, UINT32, TEXT, TEXT),
    ChangeHeader: st.builds(ChangeHeader, UINT32, TEXT, TEXT),
    AddRecipient: st.builds(AddRecipient, TEXT, TEXT),
    DeleteRecipient: st.builds(DeleteRecipient, TEXT),
    ChangeSender: st.builds(ChangeSender, TEXT, TEXT),
    ReplaceBody: st.builds(ReplaceBody, CHUNK),
    Quarantine: st.builds(Quarantine, TEXT),
}

commands = st.one_of(*COMMANDS.values())
replies = st.one_of(*REPLIES.values())


def framed(payload: bytes) -> bytes:
    """A packet by hand: the length of letter and data, then both."""
    return len(payload).to_bytes(4, "big") + payload


def encoded(messages: Iterable[Command | Reply]) -> bytes:
    return b"".join(message.encode() for message in messages)


# Packets that are nearly right: a real letter with any data, any letter, or no packet at all.
_LETTERS = st.sampled_from([*b"ABCDEHKLMNOQRTUacdrtf4spyhim+2-ebq"]) | st.integers(0, 255)
_FIELDS = st.lists(
    st.sampled_from([b"\0", b"550 ", b"550-5.7.1 ", b"\r\n", b"%", b"U", b"4"]) | st.binary(max_size=6)
)
_NEARLY = st.builds(lambda letter, fields: framed(bytes([letter]) + b"".join(fields)), _LETTERS, _FIELDS)
hostile_bytes = st.lists(_NEARLY | st.binary(max_size=12), max_size=6).map(b"".join)
