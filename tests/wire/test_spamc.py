"""wire.spamc: spamd's answers whole, in pieces, cut short, and every way they can be wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.spamc import MAX_BODY_BYTES, MAX_HEAD_BYTES, SpamdAnswer, SpamdDecoder, encode_question
from tests.wire.one_answer import answer_of

HEAD = b"SPAMD/1.1 0 EX_OK\r\n"
SPAM = b"Spam: True ; 1000.0 / 5.0\r\n"
# As spamd 4.0.1 sent it.
GTUBE = HEAD + b"Content-length: 34\r\n" + SPAM + b"\r\nGTUBE,MISSING_DATE,MISSING_HEADERS"

RIGHT: dict[str, tuple[bytes, SpamdAnswer]] = {
    "spam": (
        GTUBE,
        SpamdAnswer(
            spam=True, score=1000.0, threshold=5.0, symbols=("GTUBE", "MISSING_DATE", "MISSING_HEADERS")
        ),
    ),
    "no spam, and no rules": (
        HEAD + b"Content-length: 0\r\nSpam: False ; -0.1 / 5.0\r\n\r\n",
        SpamdAnswer(spam=False, score=-0.1, threshold=5.0),
    ),
    "fields in another order and case": (
        b"SPAMD/1.5 00 EX_OK\r\nSPAM: yes ; 6 / 5\r\nCONTENT-LENGTH: 1\r\n\r\nA",
        SpamdAnswer(spam=True, score=6.0, threshold=5.0, symbols=("A",)),
    ),
    "more than its length": (
        HEAD + b"Content-length: 1\r\n" + SPAM + b"\r\nAB",
        SpamdAnswer(spam=True, score=1000, threshold=5, symbols=("A",)),
    ),
}
WRONG: dict[str, tuple[bytes, str]] = {
    "another protocol": (b"HTTP/1.1 200 OK\r\n\r\n", "none of SPAMD"),
    "an error": (b"SPAMD/1.0 76 Bad header line: x\r\n\r\n", "it answers 76 Bad header"),
    "NUL": (HEAD + b"Spam: Tr\0ue ; 1 / 5\r\n\r\n", "no field"),
    "no verdict": (HEAD + b"Content-length: 0\r\n\r\n", "neither spam nor not"),
    "infinity": (HEAD + b"Content-length: 0\r\nSpam: True ; inf / 5.0\r\n\r\n", "neither spam nor not"),
    "no number": (HEAD + b"Content-length: 0\r\nSpam: True ; nan / nan\r\n\r\n", "neither spam nor not"),
    "an exponent": (HEAD + b"Content-length: 0\r\nSpam: True ; 1e9 / 5.0\r\n\r\n", "neither spam nor not"),
    "a huge number": (HEAD + b"Content-length: 0\r\nSpam: True ; 99999999999 / 5\r\n\r\n", "neither spam"),
    "a threshold of nothing": (HEAD + b"Content-length: 0\r\nSpam: True ; 1 / 0\r\n\r\n", "all mail spam"),
    "a negative length": (HEAD + b"Content-length: -1\r\n" + SPAM + b"\r\n", "no number"),
    "a length of digits elsewhere": (HEAD + "Content-length: ³\r\n".encode() + SPAM + b"\r\n", "no number"),
    "a huge length": (HEAD + b"Content-length: 99999\r\n" + SPAM + b"\r\n", "a body of more than"),
    "an endless length": (HEAD + b"Content-length: 999999999999\r\n" + SPAM + b"\r\n", "too large"),
    "two verdicts": (HEAD + SPAM + SPAM + b"\r\n", 'it says "spam" twice'),
    "an endless head": (HEAD + b"A: b\r\n" * MAX_HEAD_BYTES, "a head of more than"),
    "an endless body": (HEAD + SPAM + b"\r\n" + b"A," * MAX_BODY_BYTES, "a body of more than"),
}


def answer(*pieces: bytes, ended: bool = False) -> SpamdAnswer | Need:
    return answer_of(SpamdDecoder(), pieces, ended=ended)


def test_a_question_says_its_length() -> None:
    assert encode_question(b"a\r\n\r\nb") == b"SYMBOLS SPAMC/1.5\r\nContent-length: 6\r\n\r\na\r\n\r\nb"


@pytest.mark.parametrize("case", RIGHT)
def test_an_answer_is_read_whole_and_byte_by_byte(case: str) -> None:
    sent, expected = RIGHT[case]

    assert answer(sent) == expected
    assert answer(*(sent[at : at + 1] for at in range(len(sent)))) == expected


def test_without_a_length_the_end_is_where_it_closes() -> None:
    sent = HEAD + SPAM + b"\r\nA,B"

    assert answer(sent) is Need.DATA
    assert answer(sent, ended=True) == SpamdAnswer(spam=True, score=1000.0, threshold=5.0, symbols=("A", "B"))


@pytest.mark.parametrize("length", range(len(GTUBE)))
def test_an_answer_cut_short_needs_more_or_is_none(length: int) -> None:
    assert answer(GTUBE[:length]) is Need.DATA
    with pytest.raises(ProtocolError, match="before its answer was whole"):
        answer(GTUBE[:length], ended=True)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_answer_is_told_in_one_sentence(case: str) -> None:
    sent, says = WRONG[case]

    with pytest.raises(ProtocolError, match=says) as caught:
        answer(sent, ended=True)
    assert str(caught.value).isprintable()


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda more: HEAD + more))
def test_whatever_arrives_is_an_answer_or_a_protocol_error(sent: bytes) -> None:
    """With finite numbers and a threshold above 0."""
    try:
        found = answer(sent, ended=True)
    except ProtocolError:
        return
    assert isinstance(found, SpamdAnswer) and abs(found.score) < 1e10 and 0 < found.threshold < 1e10
