"""Any datagram is a request, words of a client or a named refusal; no answer is longer than twice it."""

from sendwarden.wire.sjsms import (
    FAILED,
    MAX_REQUEST_BYTES,
    PENDING,
    Kind,
    Query,
    Refusal,
    Said,
    decode_datagram,
    decode_reply,
    encode_query,
    encode_reply,
)


def check(data: bytes) -> None:
    found = decode_datagram(data)
    match found:
        case Query():
            assert len(data) <= MAX_REQUEST_BYTES
            reply = encode_reply(Kind.GREY, found.sender, len(data))
            assert len(PENDING + reply) <= 2 * len(data)
            again = decode_datagram(encode_query(found))
            assert isinstance(again, Query | Refusal)
        case Refusal():
            assert found is Refusal.EMPTY or len(FAILED) <= 2 * len(data)
        case Said():
            assert "\0" not in found.text
    decode_reply(data)
