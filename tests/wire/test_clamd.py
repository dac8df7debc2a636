"""wire.clamd: questions in pieces, and answers whole, in pieces, cut short and wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.clamd import MAX_ANSWER_BYTES, PIECE_BYTES, ClamdAnswer, ClamdDecoder, encode_question
from tests.wire.one_answer import answer_of

FOUND = b"stream: Eicar-Test.UNOFFICIAL FOUND\0"
WRONG = {
    "another end": b"stream: OK\n",
    "nothing": b"\0",
    "an error": b"INSTREAM size limit exceeded. ERROR\0",
    "another's answer": b"stream: FOUND\0",
    "two names": b"stream: a b FOUND\0",
    "a control character": b"stream: a\x1b FOUND\0",
    "an error with one": b"a\x1b ERROR\0",
    "no ASCII": b"stream: \xff FOUND\0",
    "a name without end": b"stream: " + b"a" * MAX_ANSWER_BYTES + b" FOUND\0",
}


def answer(*pieces: bytes, ended: bool = False) -> ClamdAnswer | Need:
    return answer_of(ClamdDecoder(), pieces, ended=ended)


@given(st.integers(0, 3 * PIECE_BYTES))
def test_a_question_carries_the_message_in_pieces_with_their_lengths(size_bytes: int) -> None:
    message = bytes(size_bytes)
    sent = b"".join(encode_question(message))

    assert sent.startswith(b"zINSTREAM\0")
    got, at = b"", len(b"zINSTREAM\0")
    while length := int.from_bytes(sent[at : at + 4]):
        assert length <= PIECE_BYTES
        got, at = got + sent[at + 4 : at + 4 + length], at + 4 + length
    assert (got, at + 4) == (message, len(sent))


@pytest.mark.parametrize(("sent", "signature"), [(b"stream: OK\0", ""), (FOUND, "Eicar-Test.UNOFFICIAL")])
def test_an_answer_is_read_whole_and_byte_by_byte(sent: bytes, signature: str) -> None:
    assert answer(sent) == ClamdAnswer(signature)
    assert answer(*(sent[at : at + 1] for at in range(len(sent)))) == ClamdAnswer(signature)
    assert answer(sent + b"garbage") == ClamdAnswer(signature)


@pytest.mark.parametrize("length", range(len(FOUND)))
def test_an_answer_cut_short_needs_more_or_is_none(length: int) -> None:
    assert answer(FOUND[:length]) is Need.DATA
    with pytest.raises(ProtocolError, match="before its answer was whole"):
        answer(FOUND[:length], ended=True)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_answer_is_a_protocol_error(case: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        answer(WRONG[case], ended=True)
    assert str(caught.value).isprintable()


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda more: b"stream: " + more + b" FOUND\0"))
def test_whatever_arrives_is_an_answer_or_a_protocol_error(sent: bytes) -> None:
    """A signature's name is visible ASCII."""
    try:
        found = answer(sent, ended=True)
    except ProtocolError:
        return
    assert isinstance(found, ClamdAnswer) and found.signature.isascii() and found.signature.isprintable()
