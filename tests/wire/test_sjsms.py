"""wire.sjsms: every datagram is a request, a client's words or a named refusal; rows are what grossd does."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.sjsms import (
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
    UNKNOWN_HELO,
    Kind,
    Query,
    Refusal,
    Reply,
    Said,
    decode_datagram,
    decode_reply,
    encode_query,
    encode_reply,
    encode_said,
    quoted,
)
from tests.servers.sjsms_client import framed, old_request, request

SENDER, RECIPIENT, ADDRESS = "a@example.org", "b@example.net", "192.0.2.1"
PLAIN = Query(SENDER, RECIPIENT, ADDRESS)
THREE = b"sender=a@example.org\nrecipient=b@example.net\nclient_address=192.0.2.1\n"

# What grossd 1.0.2 understood by each; the conformance test asks it again.
READ: dict[str, tuple[bytes, Query | Said]] = {
    "with helo": (request(SENDER, RECIPIENT, ADDRESS, "h"), Query(SENDER, RECIPIENT, ADDRESS, "h")),
    "without helo": (request(SENDER, RECIPIENT, ADDRESS), PLAIN),
    "an empty helo": (request(SENDER, RECIPIENT, ADDRESS, ""), Query(SENDER, RECIPIENT, ADDRESS, "")),
    "empty values": (request("", "", ""), Query("", "", "")),
    "the null sender": (request("<>", RECIPIENT, ADDRESS), Query("<>", RECIPIENT, ADDRESS)),
    "the document's": (
        request("uwc", "user@example.com", "129.158.87.66"),
        Query("uwc", "user@example.com", "129.158.87.66"),
    ),
    "another order": (
        framed(2, b"client_address=192.0.2.1\nhelo_name=h\nrecipient=r\nsender=s\n\n"),
        Query("s", "r", ADDRESS, "h"),
    ),
    "the last of two counts": (framed(2, b"sender=z\n" + THREE + b"\n"), PLAIN),
    "no empty line": (framed(2, THREE), PLAIN),
    "a last line without its end": (framed(2, THREE + b"helo_name=x"), PLAIN),
    "bytes behind the empty line": (framed(2, THREE + b"\nrecipient=z\n"), PLAIN),
    "bytes behind a NUL": (framed(2, THREE + b"\n\0recipient=z\n"), PLAIN),
    "a length of 0": (framed(2, THREE + b"\n", 0), PLAIN),
    "a length that is too large": (framed(2, THREE + b"\n", 65_535), PLAIN),
    "equals signs": (request("a=b=c@x", "=", ADDRESS), Query("a=b=c@x", "=", ADDRESS)),
    "blanks": (request("a b", " c", ADDRESS), Query("a b", " c", ADDRESS)),
    "carriage returns are part of values": (
        framed(2, THREE.replace(b"\n", b"\r\n") + b"\r\n"),
        Query(f"{SENDER}\r", f"{RECIPIENT}\r", f"{ADDRESS}\r", unknown=("\r",)),
    ),
    "bytes that are no UTF-8": (
        request("\udce4@x", "\u00e4@y", ADDRESS),
        Query("\udce4@x", "\u00e4@y", ADDRESS),
    ),
    "the old type": (
        old_request(b"a@example.org", b"b@example.net", b"192.0.2.1"),
        Query(SENDER, RECIPIENT, ADDRESS, UNKNOWN_HELO),
    ),
    "an error of the client": (framed(1, b"bad argument\0rest"), Said("bad argument")),
    "an error without its NUL": (framed(1, b"bad"), Said("bad")),
    "IPv6": (request(SENDER, RECIPIENT, "2001:db8::1"), Query(SENDER, RECIPIENT, "2001:db8::1")),
    "the longest": (
        request(SENDER, "r" * (MAX_REQUEST_BYTES - len(request(SENDER, "", ADDRESS))), ADDRESS),
        Query(SENDER, "r" * (MAX_REQUEST_BYTES - len(request(SENDER, "", ADDRESS))), ADDRESS),
    ),
}

REFUSED: dict[str, tuple[bytes, Refusal]] = {
    "nothing": (b"", Refusal.EMPTY),
    "one byte": (b"\0", Refusal.SHORT),
    "half a head": (b"\0\2\0", Refusal.SHORT),
    "a head alone": (b"\0\2\0\0", Refusal.MISSING),
    "no sender": (framed(2, b"recipient=b\nclient_address=192.0.2.1\n\n"), Refusal.MISSING),
    "no recipient": (framed(2, b"sender=b\nclient_address=192.0.2.1\n\n"), Refusal.MISSING),
    "no address": (framed(2, b"sender=b\nrecipient=b\n\n"), Refusal.MISSING),
    "an address without its line end": (framed(2, THREE[:-1]), Refusal.MISSING),
    "an empty line first": (framed(2, b"\n" + THREE + b"\n"), Refusal.MISSING),
    "a NUL in the sender": (framed(2, b"sender=a\0" + THREE[8:]), Refusal.MISSING),
    "names in capitals": (framed(2, THREE.replace(b"sender", b"Sender")), Refusal.MISSING),
    "a blank before the equals sign": (framed(2, THREE.replace(b"=", b" =")), Refusal.MISSING),
    "type 3": (framed(3, THREE + b"\n"), Refusal.TYPE),
    "type 65535": (framed(65_535, THREE), Refusal.TYPE),
    "too long": (request(SENDER, "r" * 1000, ADDRESS), Refusal.LONG),
    "too long and of the old type": (old_request(b"a" * 1100, b"b", b"192.0.2.1"), Refusal.LONG),
    "the old type, cut in its numbers": (framed(0, b"\0\1\0\0\0\0\0"), Refusal.OFFSETS),
    "an offset outside": (framed(0, struct.pack("!4H", 6, 0, 60_000, 4) + b"a\0b\0c\0"), Refusal.OFFSETS),
    "an offset at the end": (framed(0, struct.pack("!4H", 6, 0, 2, 6) + b"a\0b\0c\0"), Refusal.OFFSETS),
    "strings without their NUL": (framed(0, struct.pack("!4H", 6, 0, 2, 4) + b"a\0b\0c"), Refusal.OFFSETS),
}


@pytest.mark.parametrize("case", READ)
def test_what_a_client_sends_is_read(case: str) -> None:
    datagram, expected = READ[case]

    found = decode_datagram(datagram)

    assert found == expected


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_request_is_refused_by_name(case: str) -> None:
    datagram, expected = REFUSED[case]

    assert decode_datagram(datagram) is expected


def test_lines_that_mean_nothing_are_told() -> None:
    found = decode_datagram(framed(2, b"colour=blue\nnonsense\n" + THREE + b"\n"))

    assert isinstance(found, Query)
    assert found.unknown == ("colour=blue", "nonsense")


@given(st.binary(max_size=1100))
def test_any_datagram_is_something(data: bytes) -> None:
    assert isinstance(decode_datagram(data), Query | Said | Refusal)


@given(st.integers(0, 3), st.binary(max_size=200))
def test_any_body_of_a_known_type_is_something(kind: int, body: bytes) -> None:
    assert isinstance(decode_datagram(framed(kind, body)), Query | Said | Refusal)


VALUES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=60)


@given(VALUES, VALUES, VALUES, st.none() | VALUES, st.binary(max_size=20))
def test_the_usual_order_reads_like_any_other(
    sender: str, recipient: str, address: str, helo: str | None, behind: bytes
) -> None:
    usual = request(sender, recipient, address, helo) + behind
    other = decode_datagram(framed(2, b"colour=blue\n" + usual[4:]))

    assert isinstance(other, Query)
    assert decode_datagram(usual) == other._replace(unknown=())


@given(VALUES, VALUES, VALUES, st.none() | VALUES)
def test_what_we_ask_reads_as_it_was_meant(
    sender: str, recipient: str, address: str, helo: str | None
) -> None:
    query = Query(sender, recipient, address, helo)
    datagram = encode_query(query)

    assert len(datagram) <= MAX_REQUEST_BYTES
    if len(datagram) < MAX_REQUEST_BYTES:
        assert decode_datagram(datagram) == Query(sender or "<>", recipient, address, helo)


def test_a_value_forges_no_line() -> None:
    found = decode_datagram(encode_query(Query("a\nrecipient=z\0", RECIPIENT, ADDRESS)))

    assert found == Query("a?recipient=z?", RECIPIENT, ADDRESS)


def test_a_clients_error_is_cut_to_what_can_be_sent() -> None:
    assert decode_datagram(encode_said("oh " * 1000)) == Said(("oh " * 1000)[:1021])


# Letter, text, and what grossd sent (gross.md section 5.1).
REPLIES: list[tuple[Kind, str, bytes]] = [
    (Kind.GREY, "$X4.4.3|$N" + quoted("Please try again later"), b"G $X4.4.3|$NPlease$ try$ again$ later"),
    (Kind.MATCH, "$Y", b"M $Y"),
    (Kind.TRUST, "$Y", b"T $Y"),
    (Kind.BLOCK, "$N" + quoted("Bad reputation"), b"B $NBad$ reputation"),
]


@pytest.mark.parametrize(("kind", "text", "raw"), REPLIES)
def test_a_reply_is_grossds_byte_for_byte(kind: Kind, text: str, raw: bytes) -> None:
    assert encode_reply(kind, text, len(request(SENDER, RECIPIENT, ADDRESS))) == raw
    assert decode_reply(raw) == Reply(kind, text)


READ_REPLIES: dict[bytes, Reply | None] = {
    b"G": Reply(Kind.GREY),
    b"F": Reply(Kind.FAILED),
    b"P": Reply(Kind.PENDING),
    b"T:yes": Reply(Kind.TRUST, "yes"),
    b"T ": Reply(Kind.TRUST, ""),
    b"": None,
    b"X $Y": None,
    b"\xff": None,
    b"g $Y": None,
}


@pytest.mark.parametrize("raw", READ_REPLIES)
def test_a_reply_is_read(raw: bytes) -> None:
    assert decode_reply(raw) == READ_REPLIES[raw]


@given(st.sampled_from(Kind), st.text(max_size=600), st.integers(1, MAX_REQUEST_BYTES))
def test_a_reply_amplifies_nothing(kind: Kind, text: str, request_bytes: int) -> None:
    reply = encode_reply(kind, text.replace("\ud800", ""), request_bytes)

    assert len(reply) + 1 <= max(2, 2 * request_bytes)
    assert len(reply) <= MAX_REPLY_BYTES


def test_a_long_text_gives_way_to_the_letter_alone() -> None:
    assert encode_reply(Kind.GREY, "x" * 100, 51) == b"G"
    assert encode_reply(Kind.GREY, "x" * 100, 52) == b"G " + b"x" * 100
