"""wire.milter.replies: every answer and change in both directions, refusals in full, and clean reply text."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.milter.commands import Negotiate
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import (
    DECODERS,
    MAX_LINE_BYTES,
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
    ReplyDecoder,
    clean_lines,
)
from tests.strategies.milter import REPLIES, encoded, framed, hostile_bytes, replies, reply_codes
from tests.strategies.streams import byte_by_byte, events, pieces


def decode(*chunks: bytes) -> list[object]:
    decoder = ReplyDecoder()
    return events(decoder.feed, decoder.next_reply, chunks)


@pytest.mark.parametrize("kind", REPLIES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_reply_comes_back_as_it_was_sent(kind: type[Reply], data: st.DataObject) -> None:
    reply = data.draw(REPLIES[kind])

    assert decode(reply.encode()) == [reply]


@given(pieces(st.lists(replies, max_size=5).map(encoded) | hostile_bytes))
def test_cutting_the_stream_anywhere_changes_nothing(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)

    assert decode(*chunks) == decode(stream) == decode(*byte_by_byte(stream))


@given(hostile_bytes)
def test_garbage_is_a_protocol_error_or_unfinished_or_a_reply_that_can_be_sent_again(garbage: bytes) -> None:
    for found in decode(garbage):
        if isinstance(found, Reply):
            # A filter may write one reply in several ways (an undoubled `%`, empty arguments); we write one.
            assert decode(found.encode()) == [found]
        else:
            assert str(found).startswith("ProtocolError: ")


@given(replies, st.data())
def test_a_reply_cut_short_waits_for_the_rest(reply: Reply, data: st.DataObject) -> None:
    stream = reply.encode()
    kept = data.draw(st.integers(1, len(stream) - 1))
    decoder = ReplyDecoder()
    decoder.feed(stream[:kept])

    assert decoder.next_reply() is Need.DATA
    decoder.feed(stream[kept:])
    assert decoder.next_reply() == reply


@given(st.lists(replies, max_size=3))
def test_garbage_behind_spoils_nothing_in_front_of_it(sent: list[Reply]) -> None:
    assert decode(encoded(sent) + framed(b"?")) == [*sent, "ProtocolError: unknown reply b'?'"]


# As mfdef.h and the sources of Sendmail and Postfix read them.
EXAMPLES: dict[str, tuple[Reply, bytes]] = {
    "accept": (Answer.ACCEPT, b"a"),
    "continue": (Answer.CONTINUE, b"c"),
    "discard": (Answer.DISCARD, b"d"),
    "reject": (Answer.REJECT, b"r"),
    "tempfail": (Answer.TEMPFAIL, b"t"),
    "connection failed": (Answer.CONNECTION_FAILED, b"f"),
    "shutdown": (Answer.SHUTDOWN, b"4"),
    "skip": (Answer.SKIP, b"s"),
    "progress": (Answer.PROGRESS, b"p"),
    "negotiate": (
        Negotiate(6, Action.ADD_HEADERS | Action.QUARANTINE, Step.NO_BODY | Step.NR_HEADER),
        b"O\0\0\0\x06\0\0\0\x21\0\0\0\x90",
    ),
    "refusal": (ReplyCode(550, "5.7.1", ("No.",)), b"y550 5.7.1 No.\0"),
    "refusal without enhanced code": (ReplyCode(421, "", ("Later",)), b"y421 Later\0"),
    "refusal of several lines": (
        ReplyCode(550, "5.7.1", ("One", "", "Three")),
        b"y550-5.7.1 One\r\n550-5.7.1 \r\n550 5.7.1 Three\0",
    ),
    "refusal with per cents": (ReplyCode(452, "4.2.2", ("100% of %s",)), b"y452 4.2.2 100%% of %%s\0"),
    "refusal with letters": (ReplyCode(550, "", ("Grüße",)), b"y550 Gr\xc3\xbc\xc3\x9fe\0"),
    "add header": (AddHeader("X-A", " b"), b"hX-A\0 b\0"),
    "insert header": (InsertHeader(0, "X-A", "b"), b"i\0\0\0\0X-A\0b\0"),
    "change header": (ChangeHeader(1, "Subject", "b"), b"m\0\0\0\x01Subject\0b\0"),
    "delete header": (ChangeHeader(258, "Subject", ""), b"m\0\0\x01\x02Subject\0\0"),
    "add recipient": (AddRecipient("<a@b>"), b"+<a@b>\0"),
    "add recipient with arguments": (AddRecipient("<a@b>", "NOTIFY=NEVER"), b"2<a@b>\0NOTIFY=NEVER\0"),
    "delete recipient": (DeleteRecipient("<a@b>"), b"-<a@b>\0"),
    "change sender": (ChangeSender("<a@b>"), b"e<a@b>\0"),
    "change sender with arguments": (ChangeSender("<>", "RET=HDRS"), b"e<>\0RET=HDRS\0"),
    "replace body": (ReplaceBody(b"a\r\n\0"), b"ba\r\n\0"),
    "quarantine": (Quarantine("SW-7K3QXD"), b"qSW-7K3QXD\0"),
}


@pytest.mark.parametrize(("reply", "payload"), EXAMPLES.values(), ids=EXAMPLES)
def test_replies_as_mail_servers_read_them(reply: Reply, payload: bytes) -> None:
    assert reply.encode() == framed(payload)
    assert decode(framed(payload)) == [reply]


def test_every_letter_has_an_example() -> None:
    assert {payload[0] for _reply, payload in EXAMPLES.values()} == set(DECODERS)


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        pytest.param(
            b"y550 50% off\0", ReplyCode(550, "", ("50% off",)), id="a per cent that was not doubled"
        ),
        pytest.param(b"y550 5.7.1\0", ReplyCode(550, "", ("5.7.1",)), id="an enhanced code without text"),
        pytest.param(b"2<a@b>\0", AddRecipient("<a@b>"), id="arguments announced but missing"),
        pytest.param(b"2<a@b>\0\0", AddRecipient("<a@b>"), id="empty arguments of a recipient"),
        pytest.param(b"e<a@b>\0\0", ChangeSender("<a@b>"), id="empty arguments of a sender"),
    ],
)
def test_other_spellings_of_a_reply_are_understood(payload: bytes, reply: Reply) -> None:
    assert decode(framed(payload)) == [reply]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"?", "unknown reply b'\\?'", id="unknown letter"),
        pytest.param(b"C", "unknown reply b'C'", id="a command's letter"),
        pytest.param(b"cx", "CONTINUE: 1 bytes of data", id="continue with data"),
        pytest.param(b"t\0", "TEMPFAIL: 1 bytes of data", id="tempfail with data"),
        pytest.param(b"O\0", "negotiation: cut short at byte 1", id="negotiation too short"),
        pytest.param(b"y", "reply code: 0 fields, expected 1", id="refusal without data"),
        pytest.param(b"y550 a", "reply code: text does not end in NUL", id="refusal without NUL"),
        pytest.param(b"y\0", "not an SMTP reply", id="empty refusal"),
        pytest.param(b"y250 fine\0", "not an SMTP reply", id="a code of success"),
        pytest.param(b"y650 a\0", "not an SMTP reply", id="a code that does not exist"),
        pytest.param("y55٣ a\0".encode(), "not an SMTP reply", id="a digit of another script"),
        pytest.param(b"y550a\0", "not an SMTP reply", id="no blank"),
        pytest.param(b"y550-a\0", "not an SMTP reply", id="the last line says that more follow"),
        pytest.param(b"y550 a\r\n550 b\0", "not an SMTP reply", id="the first line says that none follow"),
        pytest.param(b"y550-a\r\n551 b\0", "not an SMTP reply", id="two codes"),
        pytest.param(b"y550-5.7.1 a\r\n550 5.7.2 b\0", "not an SMTP reply", id="two enhanced codes"),
        pytest.param(b"y550-5.7.1 a\r\n550 b\0", "not an SMTP reply", id="an enhanced code in one line only"),
        pytest.param(b"y550-a\n550 b\0", "not an SMTP reply", id="a bare line feed"),
        pytest.param(b"y550 a\r\n\0", "not an SMTP reply", id="an empty line behind"),
        pytest.param(b"y550 4.7.1 a\0", "4.7.1 does not go with 550", id="enhanced code of another class"),
        pytest.param(b"y550 2.0.0 a\0", "2.0.0 does not go with 550", id="enhanced code of success"),
        pytest.param(b"y" + b"550-a\r\n" * 32 + b"550 b\0", "550 with 33 lines", id="too many lines"),
        pytest.param(b"ha\0", "add header: 1 fields, expected 2", id="header without value"),
        pytest.param(b"i", "insert header: 0 fields, expected 2", id="insert without data"),
        pytest.param(b"i\0\0\0\x01a\0", "insert header: 1 fields", id="insert without value"),
        pytest.param(b"ma\0b\0", "change header", id="change without index"),
        pytest.param(b"m\0\0\0\x01a\0b", "change header: text does not end", id="change without NUL"),
        pytest.param(b"+", "add recipient: 0 fields, expected 1", id="add without recipient"),
        pytest.param(b"+a\0b\0", "add recipient: 2 fields, expected 1", id="add with arguments"),
        pytest.param(b"2", "add recipient: 0 fields, expected 1 or 2", id="add without anything"),
        pytest.param(b"2a\0b\0c\0", "add recipient: 3 fields, expected 1 or 2", id="add with too much"),
        pytest.param(b"-", "delete recipient: 0 fields", id="delete without recipient"),
        pytest.param(b"e", "change sender: 0 fields, expected 1 or 2", id="no sender"),
        pytest.param(b"q", "quarantine: 0 fields", id="quarantine without reason"),
    ],
)
def test_bad_replies_say_what_is_wrong(payload: bytes, message: str) -> None:
    decoder = ReplyDecoder()
    decoder.feed(framed(payload))

    with pytest.raises(ProtocolError, match=message):
        decoder.next_reply()


@pytest.mark.parametrize(
    ("code", "enhanced", "lines", "message"),
    [
        pytest.param(250, "", ("a",), "not a refusal: 250", id="success"),
        pytest.param(399, "", ("a",), "not a refusal: 399", id="just below"),
        pytest.param(600, "", ("a",), "not a refusal: 600", id="just above"),
        pytest.param(550, "", (), "550 with 0 lines", id="no line"),
        pytest.param(550, "", ("a",) * 33, "550 with 33 lines", id="too many lines"),
        pytest.param(550, "4.7.1", ("a",), "4.7.1 does not go with 550", id="enhanced code of another class"),
        pytest.param(450, "2.0.0", ("a",), "2.0.0 does not go with 450", id="enhanced code of success"),
        pytest.param(550, "5.7", ("a",), "5.7 does not go with 550", id="half an enhanced code"),
        pytest.param(550, "5.7.1 x", ("a",), "5.7.1 x does not go", id="words in the enhanced code"),
        pytest.param(
            550, "5.7.1\r\n250", ("a",), "does not go with 550", id="a line end in the enhanced code"
        ),
        pytest.param(550, "5.7.1", ("a\r\n250 fine",), "line end or NUL", id="a line smuggled in"),
        pytest.param(550, "5.7.1", ("a", "b\n"), "line end or NUL", id="a line feed"),
        pytest.param(550, "5.7.1", ("a", "b\r"), "line end or NUL", id="a carriage return"),
        pytest.param(550, "5.7.1", ("a\0",), "line end or NUL", id="NUL"),
    ],
)
def test_an_impossible_refusal_is_refused_at_birth(
    code: int, enhanced: str, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ReplyCode(code, enhanced, lines)


@given(reply_codes())
def test_all_lines_of_a_refusal_carry_the_code_and_only_the_last_ends_it(reply: ReplyCode) -> None:
    wire = reply.encode()[5:-1].split(b"\r\n")

    assert len(wire) == len(reply.lines)
    assert all(line[:3] == b"%d" % reply.code for line in wire)
    assert [line[3:4] for line in wire] == [b"-"] * (len(wire) - 1) + [b" "]
    assert all(
        line.removeprefix(f"{reply.code} {reply.enhanced}".encode()).count(b"%") % 2 == 0 for line in wire
    )


LINE_BREAKERS = "\r\n\0\t\v\f\x1b\x7f\x85\x9f\u2028\u2029"
WORDS = st.text() | st.lists(
    st.sampled_from(
        [*LINE_BREAKERS, "\r\n", " ", "%", "ü", "€", "😀", "\udc80", "a" * 479, "€" * 161, "word " * 90]
    )
).map("".join)


@given(WORDS, st.booleans())
def test_cleaning_twice_is_cleaning_once(words: str, smtputf8: bool) -> None:
    lines = clean_lines(words, smtputf8=smtputf8)

    assert clean_lines("\n".join(lines), smtputf8=smtputf8) == lines


@given(WORDS, st.booleans())
def test_clean_lines_keep_every_limit_of_a_reply(words: str, smtputf8: bool) -> None:
    lines = clean_lines(words, smtputf8=smtputf8)

    assert 1 <= len(lines) <= MAX_LINES
    for line in lines:
        assert 1 <= len(line.encode()) <= MAX_LINE_BYTES
        assert line.strip(" ") == line and not set(line) & set(LINE_BREAKERS)
        assert smtputf8 or line.isascii()
    # libmilter refuses a line of more than 980 bytes (MAXREPLYLEN), and its `%` are doubled by then.
    wire = ReplyCode(550, "5.999.999", lines).encode()[5:-1].split(b"\r\n")
    assert max(map(len, wire)) <= 980


@given(st.lists(st.text("abcü%", min_size=1, max_size=30), min_size=1, max_size=2000).map(" ".join))
def test_folding_loses_no_word_before_the_last_line(words: str) -> None:
    folded = " ".join(clean_lines(words, smtputf8=True))

    assert words.startswith(folded)
    assert folded == words or len(words.encode()) > MAX_LINES * (MAX_LINE_BYTES - 60)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        pytest.param("Call 4711.", ("Call 4711.",), id="one line"),
        pytest.param("a\nb\r\nc\rd", ("a", "b", "c", "d"), id="all line ends"),
        pytest.param("\n\na\n \n\nb\n", ("a", "b"), id="empty lines are dropped"),
        pytest.param("  a  b  ", ("a  b",), id="blanks outside go, inside stay"),
        pytest.param("a\t\v\0b", ("a b",), id="control characters become one blank"),
        pytest.param("a\u2028b\x85c", ("a b c",), id="line ends that only Unicode knows"),
        pytest.param("Grüße", ("Gr??e",), id="letters outside ASCII"),
        pytest.param("100 %", ("100 %",), id="a per cent is doubled later"),
        pytest.param("", ("refused",), id="nothing said"),
        pytest.param(" \r\n\t", ("refused",), id="nothing but blanks"),
        pytest.param("x" * 481, ("x" * 480, "x"), id="no blank to fold at"),
        pytest.param("x" * 480, ("x" * 480,), id="just fits"),
        pytest.param("x" * 400 + " " + "y" * 100, ("x" * 400, "y" * 100), id="folded at the blank"),
        pytest.param("a\n" * 40, ("a",) * 32, id="lines over the limit are cut off"),
        pytest.param("x" * 480 * 40, ("x" * 480,) * 32, id="one endless line"),
    ],
)
def test_reply_text_as_it_may_be_sent(words: str, lines: tuple[str, ...]) -> None:
    assert clean_lines(words) == lines


def test_with_smtputf8_letters_stay_and_are_never_cut_in_half() -> None:
    assert clean_lines("Grüße", smtputf8=True) == ("Grüße",)
    assert clean_lines("€" * 161, smtputf8=True) == ("€" * 160, "€")
    assert clean_lines("a\udcffb", smtputf8=True) == ("a?b",)


def test_each_answer_has_a_letter_of_its_own() -> None:
    assert all(one is other or one.value != other.value for one, other in product(Answer, Answer))
