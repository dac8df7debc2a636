"""Events as lines: what is written is read again, and a wrong line says what to write."""

import json
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.event import (
    ComplaintEvent,
    ComplaintSource,
    DeliveryEvent,
    DirectoryEvent,
    Event,
    LoginEvent,
    Origin,
    Outcome,
    SubmissionEvent,
)
from sendwarden.core.event_line import LINE_BYTES, LineError, read_event, read_events, write_event

TIMES = st.floats(0, 4e9)
NAMES = st.text(min_size=1, max_size=30)
TEXTS = st.none() | st.text(max_size=30)
# No ::ffff:a.b.c.d, which is read as IPv4.
ADDRESSES = st.none() | st.ip_addresses(v=4) | st.ip_addresses(network="2000::/3")
ORIGINS = st.builds(
    Origin,
    ADDRESSES,
    st.none() | st.text("ABCXYZ", min_size=2, max_size=2),
    st.none() | st.integers(0, 2**32 - 1),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(LoginEvent, TIMES, NAMES, st.booleans(), ORIGINS, TEXTS),
    st.builds(
        SubmissionEvent,
        TIMES,
        NAMES,
        NAMES,
        ORIGINS,
        TEXTS,
        TEXTS,
        TEXTS,
        TEXTS,
        st.lists(st.text(max_size=20), max_size=5).map(tuple),
        st.none() | st.integers(0, 2**40),
        st.none() | st.floats(-1e6, 1e6),
    ),
    st.builds(DeliveryEvent, TIMES, NAMES, NAMES, NAMES, st.sampled_from(Outcome), TEXTS),
    st.builds(ComplaintEvent, TIMES, NAMES, st.sampled_from(ComplaintSource), st.none() | NAMES),
    st.builds(DirectoryEvent, TIMES, NAMES, NAMES, TEXTS, TEXTS, TEXTS, ORIGINS),
)


@given(EVENTS)
def test_what_is_written_is_read_again(event: Event) -> None:
    line = write_event(event)

    assert "\n" not in line and read_event(line) == (event,) == read_event(line.encode())


@given(st.binary(max_size=200) | st.text(max_size=200) | EVENTS.map(lambda event: write_event(event)[:-9]))
def test_any_line_is_an_event_or_one_kind_of_error(line: bytes | str) -> None:
    with suppress(LineError):
        assert all(isinstance(event, Event) for event in read_event(line))


def test_members_that_are_left_out_are_not_known_and_others_are_ignored() -> None:
    (event,) = read_event('{"ts": 5, "kind": "submission", "user": "bob", "msg_id": "m", "mood": [1]}')

    assert event == SubmissionEvent(5.0, "bob", "m")


def test_an_address_in_ipv6_clothes_is_ipv4() -> None:
    line = '{"ts": 5, "kind": "auth", "user": "b", "result": "ok", "client_ip": "%s"}'

    (mapped,) = read_event(line % "::ffff:192.0.2.7")
    (real,) = read_event(line % "2001:db8::7")

    assert isinstance(mapped, LoginEvent) and mapped.origin.address == IPv4Address("192.0.2.7")
    assert isinstance(real, LoginEvent) and real.origin.address == IPv6Address("2001:db8::7")


def test_a_delivery_may_be_a_complaint_as_well() -> None:
    members = {"ts": 5, "kind": "delivery", "user": "bob", "msg_id": "m", "recipient": "a@b"}
    members |= {"outcome": "delivered", "complaint": True}

    assert read_event(json.dumps(members)) == (
        DeliveryEvent(5.0, "bob", "m", "a@b", Outcome.DELIVERED),
        ComplaintEvent(5.0, "bob", ComplaintSource.ARF, "m"),
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "not a JSON object"),
        ("[]", "an event is a JSON object, not []"),
        ("[" * 100_000, "nested too deep"),
        (b"\xff", "not UTF-8"),
        ("{}", '"kind" is null; write one of auth, submission, delivery, complaint, directory'),
        ('{"kind": ["auth"]}', '"kind" is ["auth"]'),
        ('{"kind": "auth", "result": "maybe"}', '"result" is "maybe"; write "ok" or "fail"'),
        ('{"kind": "auth", "result": "ok", "ts": "5"}', '"ts" is "5"; write Unix seconds'),
        ('{"kind": "auth", "result": "ok", "ts": 1700000000000}', '"ts" is 1700000000000'),
        ('{"kind": "auth", "result": "ok", "ts": NaN}', '"ts" is NaN'),
        ('{"kind": "auth", "result": "ok", "ts": true}', '"ts" is true'),
        ('{"kind": "auth", "result": "ok", "ts": 1}', '"user" is missing'),
        ('{"kind": "auth", "result": "ok", "ts": 1, "user": 7}', '"user" is 7; write text in quotes'),
        (
            '{"kind": "auth", "result": "ok", "ts": 1, "user": "b", "client_ip": "here"}',
            '"client_ip" is "here"; write an address',
        ),
        (
            '{"kind": "auth", "result": "ok", "ts": 1, "user": "b", "country": "Germany"}',
            '"country" is "Germany"; write two letters',
        ),
        (
            '{"kind": "auth", "result": "ok", "ts": 1, "user": "b", "asn": "AS64500"}',
            '"asn" is "AS64500"; write a number',
        ),
        ('{"kind": "submission", "ts": 1, "user": "b"}', '"msg_id" is missing'),
        (
            '{"kind": "submission", "ts": 1, "user": "b", "msg_id": "m", "recipients": "a@b"}',
            '"recipients" is "a@b"; write a list',
        ),
        (
            '{"kind": "submission", "ts": 1, "user": "b", "msg_id": "m", "spam_score": Infinity}',
            '"spam_score" is Infinity; write a number',
        ),
        (
            '{"kind": "submission", "ts": 1, "user": "b", "msg_id": "m", "spam_score": 1' + "0" * 400 + "}",
            '"spam_score" is 1000',
        ),
        (
            '{"kind": "submission", "ts": 1, "user": "b", "msg_id": "m", "size": -1}',
            '"size" is -1; write bytes',
        ),
        (
            '{"kind": "delivery", "ts": 1, "user": "b", "msg_id": "m", "outcome": "lost"}',
            '"outcome" is "lost"; write one of delivered, bounced, deferred, rejected',
        ),
        (
            '{"kind": "complaint", "ts": 1, "user": "b", "source": "rumour"}',
            '"source" is "rumour"; write one of arf, user-report, spamtrap',
        ),
        ('{"kind": "directory", "ts": 1, "user": "b"}', '"attribute" is missing'),
        (" " * (LINE_BYTES + 1), "longer than"),
    ],
)
def test_a_wrong_line_says_what_to_write_instead(line: str | bytes, says: str) -> None:
    with pytest.raises(LineError) as error:
        read_event(line)

    assert says in str(error.value)


def test_wrong_lines_of_a_file_are_told_with_their_numbers_and_the_others_read() -> None:
    told: list[tuple[int, str]] = []
    good = write_event(LoginEvent(1.0, "bob", success=True)).encode()

    events = list(
        read_events([good, b"\n", b"{", good], lambda number, error: told.append((number, str(error))))
    )

    assert len(events) == 2 and [number for number, _says in told] == [3]
