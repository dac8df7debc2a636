"""wire.rspamd: questions, answers as rspamd sent them, and every way an answer can be wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import ProtocolError
from sendwarden.wire.rspamd import (
    MAX_ANSWER_BYTES,
    MAX_FIELD_LETTERS,
    MAX_RECIPIENTS,
    RspamdAnswer,
    decode_answer,
    question_fields,
)

# As rspamd 3.4 sent them.
HAM = (
    b'{"is_skipped":false,"score":0.0,"required_score":15.0,"action":"no action","symbols":{},"messages":{},'
    b'"message-id":"undef","time_real":0.122897}'
)
GTUBE = (
    b'{"is_skipped":true,"score":15.0,"required_score":15.0,"action":"reject","symbols":{"GTUBE":{"name":'
    b'"GTUBE","score":0.0,"metric_score":0.0}},"messages":{"smtp_message":"Gtube pattern"},'
    b'"message-id":"undef","time_real":0.000309}'
)
VALID = {"is_skipped": False, "score": 7, "required_score": 15, "action": "add header", "symbols": {"A": {}}}


def changed(**values: object) -> bytes:
    return json.dumps({**VALID, **values}).encode()


RIGHT: dict[str, tuple[bytes, RspamdAnswer]] = {
    "ham": (HAM, RspamdAnswer(spam=False, score=0.0, threshold=15.0, action="no action")),
    "spam": (GTUBE, RspamdAnswer(spam=True, score=15.0, threshold=15.0, action="reject", symbols=("GTUBE",))),
    "thresholds": (
        changed(thresholds={"add header": 6, "reject": 15}),
        RspamdAnswer(spam=True, score=7.0, threshold=6.0, action="add header", symbols=("A",)),
    ),
    "no symbols": (
        changed(symbols=None, action="greylist"),
        RspamdAnswer(spam=False, score=7.0, threshold=15.0, action="greylist"),
    ),
    "symbols that are no names": (
        changed(symbols={"a b": 1, "\x1b": 2, "OK": 3}),
        RspamdAnswer(spam=True, score=7.0, threshold=15.0, action="add header", symbols=("OK",)),
    ),
}
WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON"),
    "cut short": (HAM[:-1], "not JSON"),
    "NUL": (b"\0" + HAM, "not JSON"),
    "no UTF-8": (b'{"action":"\xff"}', "not JSON"),
    "a list": (b"[]", "not a JSON object"),
    "too deep": (b"[" * 100_000, "nested too deep"),
    "too long": (b" " * (MAX_ANSWER_BYTES + 1), "longer than"),
    "an error": (b'{"error":"bad","error_domain":"x"}', "an error"),
    "skipped": (changed(is_skipped=True, action="no action"), "it skipped"),
    "no action": (changed(action=None), "action"),
    "an unknown action": (changed(action="eat"), "action"),
    "an action that is none": (changed(action=["reject"]), "action"),
    "no score": (changed(score=None), '"score" is no number'),
    "a score in words": (changed(score="7"), '"score" is no number'),
    "a score that is a truth": (changed(score=True), '"score" is no number'),
    "infinity": (HAM.replace(b'"score":0.0', b'"score":1e999'), '"score" is no score'),
    "infinity, spelt": (HAM.replace(b'"score":0.0', b'"score":Infinity'), "not JSON"),
    "not a number": (HAM.replace(b'"score":0.0', b'"score":NaN'), "not JSON"),
    "a huge number": (HAM.replace(b'"score":0.0', b'"score":' + b"9" * 4000), '"score" is no score'),
    "no threshold": (changed(required_score=None), '"required_score" is no number'),
    "a threshold of nothing": (changed(required_score=0), "all mail spam"),
    "symbols in a list": (changed(symbols=["A"]), '"symbols" is not an object'),
}


@pytest.mark.parametrize("case", RIGHT)
def test_an_answer_is_read(case: str) -> None:
    sent, expected = RIGHT[case]

    assert decode_answer(sent) == expected


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_answer_is_told_in_one_sentence(case: str) -> None:
    sent, says = WRONG[case]

    with pytest.raises(ProtocolError, match=says):
        decode_answer(sent)


@given(
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["score", "required_score", "action", "symbols", "thresholds", "is_skipped"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.dictionaries(st.text(), st.none()),
    ).map(lambda values: json.dumps({**VALID, **values}).encode())
)
def test_whatever_arrives_is_an_answer_or_a_protocol_error(sent: bytes) -> None:
    """With a finite score and a threshold above 0."""
    try:
        found = decode_answer(sent)
    except ProtocolError:
        return
    assert abs(found.score) <= 1e9 and 0 < found.threshold <= 1e9


@given(st.text(max_size=600), st.lists(st.text(max_size=20), max_size=60))
def test_nothing_in_a_question_can_end_a_field(helo: str, recipients: list[str]) -> None:
    fields = question_fields({"Helo": helo, "IP": ""}, recipients)

    assert len(fields) <= 1 + MAX_RECIPIENTS and "IP" not in dict(fields)
    for _name, value in fields:
        assert (
            value.isascii() and value.isprintable() and " " not in value and len(value) <= MAX_FIELD_LETTERS
        )
