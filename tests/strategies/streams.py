"""Byte streams as a peer may deliver them, and everything that a decoder makes of them."""

from collections.abc import Callable, Iterable
from itertools import pairwise

from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError


@st.composite
def pieces(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    """A stream cut anywhere, empty pieces included."""
    stream = draw(streams)
    cuts = draw(st.lists(st.integers(0, len(stream)), max_size=8))
    return [stream[a:b] for a, b in pairwise([0, *sorted(cuts), len(stream)])]


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in stream]


def events(
    feed: Callable[[bytes], None], next_event: Callable[[], object], chunks: Iterable[bytes]
) -> list[object]:
    """All events in order. A `ProtocolError` ends the list as its text; any other error is a failure."""
    found: list[object] = []
    for chunk in chunks:
        feed(chunk)
        try:
            while (event := next_event()) is not Need.DATA:
                found.append(event)
        except ProtocolError as error:
            return [*found, f"ProtocolError: {error}"]
    return found
