"""wire.policy: every way a request can arrive, every way it can be wrong, and replies that Postfix knows."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.policy import (
    DUNNO,
    MAX_REQUEST_BYTES,
    MAX_TEXT_BYTES,
    NEEDS_ARGUMENT,
    Action,
    PolicyDecoder,
    Request,
    clean_text,
    decode_reply,
    encode_code,
    encode_reply,
    encode_request,
)
from tests.strategies.streams import byte_by_byte, events, pieces

CAP = 200  # of the decoders here, so that garbage reaches it
OURS = b"request=smtpd_access_policy"
ASK = OURS + b"\nprotocol_state=RCPT\nsender=a@example.org\nsasl_username=\nsize=0\n\n"


def decode(*chunks: bytes) -> list[object]:
    decoder = PolicyDecoder(max_request_bytes=CAP)
    return events(decoder.feed, decoder.next_request, chunks)


NAMES = st.text(st.characters(codec="ascii", exclude_characters="=\n\0"), min_size=1, max_size=10)
VALUES = st.binary(max_size=20).map(
    lambda raw: re.sub(rb"[\n\0]", b"", raw).decode("utf-8", "surrogateescape")
)
ATTRIBUTES = st.dictionaries(NAMES.filter(lambda name: name != "request"), VALUES, max_size=4)
SCRAPS = st.sampled_from(
    [OURS, OURS + b"\n\n", b"request=", b"\n", b"\n\n", b"\r\n", b"\0", b"a=1", b"=", b"x" * 90]
)
STREAMS = st.lists(SCRAPS | st.binary(max_size=30) | ATTRIBUTES.map(encode_request), max_size=8).map(b"".join)


@given(st.lists(ATTRIBUTES, max_size=3))
def test_what_was_asked_is_what_arrives(asked: list[dict[str, str]]) -> None:
    stream = b"".join(map(encode_request, asked))

    decoder = PolicyDecoder()
    found = events(decoder.feed, decoder.next_request, [stream])

    assert found == [Request({"request": "smtpd_access_policy", **attributes}) for attributes in asked]
    assert not decoder.unfinished


@given(pieces(STREAMS))
def test_cutting_the_stream_anywhere_changes_nothing(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)

    assert decode(*chunks) == decode(stream) == decode(*byte_by_byte(stream))


@given(STREAMS)
def test_garbage_is_a_protocol_error_or_unfinished_or_really_a_request(garbage: bytes) -> None:
    decoder = PolicyDecoder(max_request_bytes=CAP)
    decoder.feed(garbage)

    try:
        answer = decoder.next_request()
    except ProtocolError:
        return

    if answer is Need.DATA:
        assert b"\n\n" not in garbage and len(garbage) <= CAP
        assert decoder.unfinished is bool(garbage)
    else:
        assert OURS in garbage[: garbage.index(b"\n\n")].split(b"\n")


@given(st.integers(1, len(ASK) - 1))
def test_a_request_cut_short_waits_for_the_rest(kept: int) -> None:
    decoder = PolicyDecoder()
    decoder.feed(ASK[:kept])
    assert decoder.next_request() is Need.DATA and decoder.unfinished

    decoder.feed(ASK[kept:])

    assert isinstance(decoder.next_request(), Request) and not decoder.unfinished


def test_garbage_behind_spoils_nothing_in_front_of_it() -> None:
    first, second, error = decode(ASK * 2 + b"bad\n\n" + ASK)

    assert first == second and isinstance(first, Request)
    assert error == "ProtocolError: malformed attribute b'bad'"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"\n", "empty request", id="no attributes"),
        pytest.param(ASK + b"\n", "empty request", id="an empty line too many"),
        pytest.param(b"request\n\n", "malformed attribute b'request'", id="no equals sign"),
        pytest.param(b"=x\n\n", "malformed attribute b'=x'", id="no name"),
        pytest.param(OURS + b"\na=\0\n\n", "malformed", id="NUL in a value"),
        pytest.param(OURS + b"\na\0=\n\n", "malformed", id="NUL in a name"),
        pytest.param(
            OURS + b"\n" + b"x" * 99 + b"\n\n", "malformed attribute b'x{64}'$", id="quoted in part"
        ),
        pytest.param(b"a=1\n\n", "request type '' is not ours", id="no type"),
        pytest.param(b"request=other\n\n", "request type 'other' is not ours", id="another protocol"),
        pytest.param(
            b"request=" + b"x" * 99 + b"\n\n", "type 'x{64}' is not ours", id="a type quoted in part"
        ),
        pytest.param(OURS + b"\nrequest=other\n\n", "'other' is not ours", id="the last type counts"),
        pytest.param(b"a=" + b"x" * 2000, "longer than 200 bytes", id="never ends"),
        pytest.param(b"a=" + b"x" * 2000 + b"\n\n", "longer than 200 bytes", id="ends, but too late"),
    ],
)
def test_bad_requests_say_what_is_wrong(data: bytes, message: str) -> None:
    found = decode(data)

    assert isinstance(found[-1], str) and re.search(message, found[-1])


@pytest.mark.parametrize("surplus", [-1, 0, 1, 2])
def test_the_cap_is_the_same_whole_and_byte_by_byte(surplus: int) -> None:
    """A request counts up to the line end of its last attribute."""
    lines = OURS + b"\na="
    stream = lines + b"x" * (CAP + surplus - len(lines) - 1) + b"\n\n"

    for found in (decode(stream), decode(*byte_by_byte(stream)), decode(stream[:-1], stream[-1:])):
        if surplus <= 0:
            assert len(found) == 1 and isinstance(found[0], Request)
        else:
            assert found == [f"ProtocolError: request longer than {CAP} bytes"]


def test_no_more_than_the_cap_is_held_of_an_endless_request() -> None:
    decoder = PolicyDecoder()
    decoder.feed(b"a=" + b"x" * (MAX_REQUEST_BYTES - 2))
    assert decoder.next_request() is Need.DATA

    decoder.feed(b"x")

    with pytest.raises(ProtocolError, match=f"longer than {MAX_REQUEST_BYTES} bytes"):
        decoder.next_request()


def test_a_decoder_forgets_what_it_has_handed_out() -> None:
    decoder, ask = PolicyDecoder(), encode_request({"a": "x" * 60_000})
    tracemalloc.start()

    for _ in range(200):  # 12 MB in all, never ending at the edge of a request
        decoder.feed(ask[:100])
        assert decoder.next_request() is Need.DATA
        decoder.feed(ask[100:] + ask[:50])
        assert isinstance(decoder.next_request(), Request)
        decoder.feed(ask[50:])
        assert isinstance(decoder.next_request(), Request)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1_000_000


def the_request(stream: bytes) -> Request:
    (request,) = decode(stream)
    assert isinstance(request, Request)
    return request


def test_an_empty_value_is_no_value() -> None:
    request = the_request(ASK)

    assert request.get("sender") == "a@example.org" and request.get("size") == "0"
    assert request.get("sasl_username") == "" == request.get("never_sent")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        pytest.param(b"a=1\na=2", "a", "2", id="the last of two"),
        pytest.param(b"a=b=c", "a", "b=c", id="an equals sign in a value"),
        pytest.param(b"a= b ", "a", " b ", id="blanks belong to the value"),
        pytest.param(b"a=b\r", "a", "b\r", id="so does a carriage return"),
        pytest.param("sender=jürgen@example.org".encode(), "sender", "jürgen@example.org", id="SMTPUTF8"),
        pytest.param(b"sender=j\xfcrgen@example.org", "sender", "j\udcfcrgen@example.org", id="no UTF-8"),
        pytest.param(b"stress=\nccert_subject=", "stress", "", id="empty values"),
    ],
)
def test_attributes_as_postfix_sends_them(line: bytes, name: str, value: str) -> None:
    assert the_request(OURS + b"\n" + line + b"\n\n").get(name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "x"), ("a=b", "x"), ("a\n", "x"), ("a\0", "x"), ("a", "x\n"), ("a", "\0"), ("a", "\ud800")],
    ids=["no name", "equals sign", "line end", "NUL", "line end in the value", "NUL in the value", "no byte"],
)
def test_what_no_request_can_hold_is_a_bug_of_the_caller(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"not an attribute|surrogates not allowed"):
        encode_request({name: value})


# Actions of access(5), Postfix 3.7, without restriction names and codes.
POSTFIX_KNOWS = {
    "OK", "DUNNO", "REJECT", "DEFER", "DEFER_IF_REJECT", "DEFER_IF_PERMIT", "BCC", "DISCARD", "FILTER",
    "HOLD", "PREPEND", "REDIRECT", "INFO", "WARN",
}  # fmt: skip
REPLY_SHAPE = re.compile(rb"action=([A-Z_]+|[45][0-9]{2})( [^\r\n\0]+)?\n\n")

LINE_BREAKERS = "\r\n\0\t\v\f\x1b\x7f\x85\x9f\u2028\u2029"
TEXTS = st.text() | st.lists(
    st.sampled_from(
        [*LINE_BREAKERS, " ", "%", "ü", "€", "😀", "\udc80", "a" * 399, "€" * 130, "\n\naction=OK"]
    )
).map("".join)


def test_only_words_that_postfix_knows_can_be_said() -> None:
    assert {action.value for action in Action} == POSTFIX_KNOWS
    assert all(action.name == action.value for action in Action)


@given(st.sampled_from(Action), TEXTS, st.booleans())
def test_a_reply_is_one_line_and_an_empty_one_whatever_the_text(
    action: Action, text: str, smtputf8: bool
) -> None:
    cleaned = clean_text(text, smtputf8=smtputf8)
    if action in NEEDS_ARGUMENT and not cleaned:
        with pytest.raises(ValueError, match=f"{action.value} needs an argument"):
            encode_reply(action, text, smtputf8=smtputf8)
        return

    reply = encode_reply(action, text, smtputf8=smtputf8)

    assert REPLY_SHAPE.fullmatch(reply)
    assert decode_reply(reply) == (action.value, cleaned)


@given(st.integers(400, 599), TEXTS, st.booleans())
def test_a_reply_with_a_code_is_one_line_too(code: int, text: str, smtputf8: bool) -> None:
    cleaned = clean_text(text, smtputf8=smtputf8)
    if not cleaned:
        with pytest.raises(ValueError, match=f"{code} needs an argument"):
            encode_code(code, text, smtputf8=smtputf8)
        return

    reply = encode_code(code, text, smtputf8=smtputf8)

    assert REPLY_SHAPE.fullmatch(reply)
    assert decode_reply(reply) == (str(code), cleaned)


@pytest.mark.parametrize("code", [0, 200, 250, 354, 399, 600, 5711, -550])
def test_a_code_that_refuses_nothing_is_a_bug_of_the_caller(code: int) -> None:
    with pytest.raises(ValueError, match=f"{code} is no SMTP refusal code"):
        encode_code(code, "text")


@pytest.mark.parametrize(
    ("reply", "wire"),
    [
        pytest.param(encode_reply(Action.DUNNO), DUNNO, id="no opinion"),
        pytest.param(encode_reply(Action.HOLD, "SW-7K3QXD"), b"action=HOLD SW-7K3QXD\n\n", id="hold"),
        pytest.param(
            encode_reply(Action.DEFER_IF_PERMIT, "4.7.1 Slow down"),
            b"action=DEFER_IF_PERMIT 4.7.1 Slow down\n\n",
            id="defer",
        ),
        pytest.param(encode_reply(Action.REJECT, "Grüße"), b"action=REJECT Gr??e\n\n", id="letters"),
        pytest.param(
            encode_code(550, "5.7.1 Zu viele Grüße", smtputf8=True),
            "action=550 5.7.1 Zu viele Grüße\n\n".encode(),
            id="code, SMTPUTF8",
        ),
    ],
)
def test_replies_as_postfix_reads_them(reply: bytes, wire: bytes) -> None:
    assert reply == wire


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"action=DUNNO", id="no line end"),
        pytest.param(b"action=DUNNO\n", id="no empty line"),
        pytest.param(b"action=DUNNO\r\n\r\n", id="CRLF"),
        pytest.param(b"action=DUNNO\n\n\n", id="an empty line too many"),
        pytest.param(b"action=DUNNO\n\naction=OK\n\n", id="two replies"),
        pytest.param(b"action=DUNNO\nreason=x\n\n", id="a second line"),
        pytest.param(b"DUNNO\n\n", id="no name"),
        pytest.param(b"action=\n\n", id="no word"),
        pytest.param(b"action=dunno\n\n", id="small letters"),
        pytest.param(b"action=ACCEPT\n\n", id="a word that Postfix does not know"),
        pytest.param(b"action=250 fine\n\n", id="a code of success"),
        pytest.param(b"action=5500 no\n\n", id="four digits"),
        pytest.param(b"action=550no\n\n", id="no blank behind the code"),
        pytest.param(b"action=OK a\0b\n\n", id="NUL"),
    ],
)
def test_what_postfix_would_not_take_is_a_protocol_error(reply: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a policy reply"):
        decode_reply(reply)


@given(st.binary() | TEXTS.map(lambda text: b"action=OK " + text.encode("utf-8", "replace") + b"\n\n"))
def test_any_bytes_are_a_reply_in_shape_or_a_protocol_error(reply: bytes) -> None:
    try:
        word, text = decode_reply(reply)
    except ProtocolError:
        return

    assert reply.startswith(f"action={word}".encode())
    assert reply.removesuffix(b"\n\n").endswith(text.encode("utf-8", "surrogateescape"))


CAPS = st.integers(3, MAX_TEXT_BYTES)


@given(TEXTS, st.booleans(), CAPS)
def test_cleaning_twice_is_cleaning_once(text: str, smtputf8: bool, cap: int) -> None:
    cleaned = clean_text(text, smtputf8=smtputf8, max_bytes=cap)

    assert clean_text(cleaned, smtputf8=smtputf8, max_bytes=cap) == cleaned


@given(TEXTS, st.booleans(), CAPS)
def test_clean_text_fits_into_one_line_of_a_reply(text: str, smtputf8: bool, cap: int) -> None:
    cleaned = clean_text(text, smtputf8=smtputf8, max_bytes=cap)

    assert len(cleaned.encode()) <= cap
    assert cleaned.strip(" ") == cleaned and not set(cleaned) & set(LINE_BREAKERS)
    assert smtputf8 or cleaned.isascii()


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=MAX_TEXT_BYTES))
def test_text_that_needs_no_cleaning_stays_as_it_is(text: str) -> None:
    assert clean_text(text) == text.strip(" ")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("a\r\nb", "a b", id="a line end becomes one blank"),
        pytest.param("\n a \n", "a", id="blanks and line ends outside go"),
        pytest.param("a\u2028\x85b", "a b", id="line ends that only Unicode knows"),
        pytest.param("ok\n\naction=OK", "ok action=OK", id="a second reply smuggled in"),
        pytest.param("x" * 400, "x" * 400, id="just fits"),
        pytest.param("x" * 401, "x" * 397 + "...", id="one byte too long"),
        pytest.param("x" * 396 + " " + "y" * 9, "x" * 396 + "...", id="no blank before the dots"),
    ],
)
def test_clean_text_by_example(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_with_smtputf8_letters_stay_and_are_never_cut_in_half() -> None:
    assert clean_text("Grüße", smtputf8=True) == "Grüße"
    assert clean_text("€" * 134, smtputf8=True) == "€" * 132 + "..."
    assert clean_text("a\udcffb", smtputf8=True) == "a?b"
