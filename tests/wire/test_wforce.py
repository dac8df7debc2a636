"""wire.wforce: every way a body can arrive whole, and every way it can be wrong, in one sentence."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import ProtocolError
from sendwarden.wire.policy import MAX_TEXT_BYTES
from sendwarden.wire.wforce import (
    GO_ON,
    MAX_BODY_BYTES,
    OK,
    Allow,
    Answer,
    Report,
    authorised,
    credentials,
    decode_allow,
    decode_report,
    encode_failure,
)

# As Dovecot 2.3.19 sent them to the test with real servers.
ASKED = (
    b'{"device_id":"","login":"eve","protocol":"imap","pwhash":"0320","remote":"127.0.0.1",'
    b'"session_id":"ZvrlQwZhzI5/AAAB","tls":false}'
)
REPORTED = (
    b'{"device_id":"","login":"bob","protocol":"imap","pwhash":"01ba","remote":"127.0.0.1",'
    b'"session_id":"U9DeQAZhzKV/AAAB","success":true,"policy_reject":false,"tls":false}'
)
EVE = Allow("eve", "127.0.0.1", "imap", session_id="ZvrlQwZhzI5/AAAB", pwhash="0320", tls=False)
BOB = Allow("bob", "127.0.0.1", "imap", session_id="U9DeQAZhzKV/AAAB", pwhash="01ba", tls=False)

RIGHT: dict[str, tuple[bytes, Allow]] = {
    "Dovecot's": (ASKED, EVE),
    "a login alone": (b'{"login":"eve"}', Allow("eve")),
    "no name yet": (b'{"login":""}', Allow("")),
    "white space": (b' { "login" :\r\n\t"eve" } \n', Allow("eve")),
    "null is unsaid": (b'{"login":"eve","tls":null,"remote":null,"attrs":null}', Allow("eve")),
    "letters of all kinds": ('{"login":"j\u00fcrgen \U0001f600"}'.encode(), Allow("j\u00fcrgen \U0001f600")),
    "the same, escaped": (b'{"login":"j\\u00fcrgen \\ud83d\\ude00"}', Allow("j\u00fcrgen \U0001f600")),
    "attributes": (
        b'{"login":"eve","attrs":{"cos":"premium","groups":["a","b"],"none":[]}}',
        Allow("eve", attrs={"cos": "premium", "groups": ("a", "b"), "none": ()}),
    ),
    "members of a site's own": (b'{"login":"eve","color":{"a":[1,{}]},"fail_type":""}', Allow("eve")),
    "the last of two counts": (b'{"login":"bob","login":"eve"}', Allow("eve")),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_body_is_read(case: str) -> None:
    body, expected = RIGHT[case]

    assert decode_allow(body) == expected


def test_a_report_is_the_question_with_its_end() -> None:
    assert decode_report(REPORTED) == Report(BOB, success=True)
    refused = REPORTED.replace(b'"policy_reject":false', b'"policy_reject":true,"fail_type":"policy"')
    assert decode_report(refused.replace(b'"success":true', b'"success":false')) == Report(
        BOB, success=False, policy_reject=True, fail_type="policy"
    )


@pytest.mark.parametrize("body", [ASKED, REPORTED])
def test_a_body_cut_short_anywhere_is_an_error(body: bytes) -> None:
    for length in range(len(body)):
        with pytest.raises(ProtocolError, match=r"^not JSON$"):
            decode_allow(body[:length])


@pytest.mark.parametrize("behind", [b"}", b"x", b"\0", b"{}", b",", b"\xff"])
def test_garbage_behind_a_body_is_an_error(behind: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^not JSON$"):
        decode_allow(ASKED + behind)


WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON"),
    "no UTF-8": (b'{"login":"\xff"}', "not JSON"),
    "UTF-16": ('{"login":"eve"}'.encode("utf-16"), "not JSON"),
    "a byte order mark": ('{"login":"eve"}'.encode("utf-8-sig"), "not JSON"),
    "NaN is none": (b'{"login":"eve","n":NaN}', "not JSON"),
    "Infinity is none": (b'{"login":"eve","n":-Infinity}', "not JSON"),
    "a number with too many digits": (b'{"login":' + b"9" * 9000 + b"}", "not JSON"),
    "a control character": (b'{"login":"a\nb"}', "not JSON"),
    "a list": (b'["login"]', "not a JSON object"),
    "a text": (b'"login"', "not a JSON object"),
    "no login": (b"{}", '"login" is missing'),
    "a login of the wrong kind": (b'{"login":1}', '"login" is not text'),
    "an address of the wrong kind": (b'{"login":"eve","remote":["::1"]}', '"remote" is not text'),
    "a hash of the wrong kind": (b'{"login":"eve","pwhash":12}', '"pwhash" is not text'),
    "a truth in quotes": (b'{"login":"eve","tls":"yes"}', '"tls" is not true or false'),
    "a truth as a number": (b'{"login":"eve","tls":1}', '"tls" is not true or false'),
    "half a letter": (b'{"login":"\\ud83d"}', '"login" has half a letter'),
    "half a letter in an attribute": (b'{"login":"e","attrs":{"a":"\\udc00"}}', "has half a letter"),
    "attributes of the wrong kind": (b'{"login":"e","attrs":[]}', '"attrs" is not an object'),
    "an attribute of the wrong kind": (b'{"login":"e","attrs":{"a":{}}}', "neither text nor a list"),
    "a list with a number": (b'{"login":"e","attrs":{"a":["b",1]}}', "neither text nor a list"),
    "deep": (b'{"login":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "nested too deep"),
    "deep and endless": (b"[" * MAX_BODY_BYTES, "nested too deep"),
    "too long": (b'{"login":"' + b"x" * MAX_BODY_BYTES + b'"}', f"longer than {MAX_BODY_BYTES} bytes"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("decode", [decode_allow, decode_report])
def test_a_wrong_body_is_told_in_one_sentence(case: str, decode: type) -> None:
    body, message = WRONG[case]

    with pytest.raises(ProtocolError) as told:
        decode(body.replace(b'"login":', b'"success":true,"login":', 1))

    assert message in str(told.value) and len(str(told.value)) < 100


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (ASKED, '"success" is missing'),
        (REPORTED.replace(b"true", b'"yes"'), '"success" is not true or false'),
    ],
)
def test_a_report_must_say_how_it_ended(body: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_report(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["login", "remote", "tls", "attrs", "success", "policy_reject", "pwhash", "other"])
BODIES = st.binary(max_size=60) | st.dictionaries(NAMES, JSON, max_size=8).map(
    lambda found: json.dumps(found).encode()
)


@given(BODIES)
def test_any_bytes_are_a_question_or_one_error(body: bytes) -> None:
    for decode in (decode_allow, decode_report):
        with suppress(ProtocolError):
            decode(body)


@given(st.integers(-1, 3600), st.text(max_size=600))
def test_an_answer_is_one_json_object_whose_message_fits_one_line(status: int, message: str) -> None:
    encoded = Answer(status, message).encode()

    found = json.loads(encoded)
    assert list(found) == ["status", "msg"] and found["status"] == status
    assert found["msg"].isprintable() and len(found["msg"]) <= MAX_TEXT_BYTES


def test_the_other_answers() -> None:
    assert json.loads(GO_ON.encode()) == {"status": 0, "msg": ""}
    assert json.loads(OK) == {"status": "ok"}
    assert json.loads(encode_failure("not JSON")) == {"status": "failure", "reason": "not JSON"}


def test_the_header_is_that_of_weakforced() -> None:
    """Its manual's example: the password "super"."""
    assert credentials("super") == "Basic d2ZvcmNlOnN1cGVy"


@pytest.mark.parametrize(
    ("header", "may"),
    [
        ("Basic d2ZvcmNlOnN1cGVy", True),
        (" basic  d2ZvcmNlOnN1cGVy ", True),
        ("", False),
        ("Basic", False),
        ("Basic d2ZvcmNlOnN1cGV5", False),
        ("Basic d2ZvcmNlOnN1cGVyeHh4", False),
        ("Bearer d2ZvcmNlOnN1cGVy", False),
        ("super", False),
        ("Basic \xff\u1234", False),
    ],
)
def test_only_who_knows_the_secret_may_ask(header: str, may: bool) -> None:
    assert authorised(header, "super") is may
    assert authorised(header, "")


def test_what_logs_must_not_hold_is_not_in_a_repr() -> None:
    assert "ZvrlQwZhzI5" not in repr(EVE) and "0320" not in repr(EVE)
