"""Any bytes are a scanner's answer, a call for more, or one `ProtocolError`, and what is found can be."""

import contextlib

from sendwarden.core.scan import Finding, spam_level, spam_percent, virus_level
from sendwarden.lookups.stream import Decoder
from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.clamd import ClamdAnswer, ClamdDecoder
from sendwarden.wire.rspamd import RspamdAnswer, decode_answer
from sendwarden.wire.score_header import read_score
from sendwarden.wire.spamc import SpamdAnswer, SpamdDecoder

Answer = SpamdAnswer | ClamdAnswer | RspamdAnswer


def check(data: bytes) -> None:
    for decoder in (SpamdDecoder(), ClamdDecoder()):
        _possible(_answer(decoder, data))
    with contextlib.suppress(ProtocolError):
        _possible(decode_answer(data))
    score = read_score(data.decode("utf-8", "surrogateescape"))
    if score:
        Finding("h", score.score, 5.0)


def _answer(decoder: Decoder[Answer], data: bytes) -> Answer | None:
    """In two pieces, and then nothing more."""
    try:
        for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
            decoder.feed(piece)
            if not isinstance(found := decoder.answer(), Need):
                return found
        decoder.end()
        found = decoder.answer()
    except ProtocolError:
        return None
    assert not isinstance(found, Need), "there is no more to come"
    return found


def _possible(answer: Answer | None) -> None:
    match answer:
        case SpamdAnswer(spam, score, threshold) | RspamdAnswer(spam, score, threshold):
            finding = Finding("s", score, threshold, spam)
            assert 1 <= spam_level(spam_percent([finding])) <= 10
        case ClamdAnswer(signature):
            assert signature.isprintable() and virus_level([Finding("c", virus=signature)]) in (1, 5)
