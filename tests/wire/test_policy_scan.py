"""The scan of a policy request says the same as the decoder, or nothing."""

import pytest

from sendwarden.wire.policy import PolicyDecoder, Request
from sendwarden.wire.policy_scan import Scanned, plain, tail_of
from tests.wire.scan_cases import TAIL, cases, request


def decoded(data: bytes) -> Request:
    decoder = PolicyDecoder()
    decoder.feed(data)
    found = decoder.next_request()
    assert isinstance(found, Request)
    return found


@pytest.mark.parametrize("state", [b"RCPT", b"END-OF-MESSAGE"])
def test_what_postfix_asks_is_found(state: bytes) -> None:
    found = plain(request(protocol_state=state) + TAIL, TAIL)
    assert found is not None
    assert Scanned(*found) == Scanned(
        state, b"192.0.2.7", b"eve@example.org", b"0", b"", b"1a2b.65b2c3d4.0", b"eve"
    )


@pytest.mark.parametrize("data", [
    b"", request(), request() + TAIL + b"x", request(protocol_state=b"DATA") + TAIL,
    request(instance=b"") + TAIL, request(sender=b"a\0b") + TAIL,
    request(recipient_count=b"12345678") + TAIL, request(recipient_count=b"x") + TAIL,
    request(request=b"junk") + TAIL,
])  # fmt: skip
def test_anything_else_is_left_to_the_decoder(data: bytes) -> None:
    assert plain(data, TAIL) is None


def test_where_it_finds_something_the_decoder_finds_the_same() -> None:
    assert tail_of(request() + TAIL, decoded(request() + TAIL)) == TAIL
    found_some = 0
    for data, tail in cases(5000):
        if found := plain(data, tail):
            found_some += 1
            known = decoded(data)
            for name, value in zip(Scanned._fields, found, strict=True):
                assert known.get(name).encode("utf-8", "surrogateescape") == value
    assert 500 < found_some < 4500, "both ways were tried"
