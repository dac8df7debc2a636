"""wire.milter.packets: framing however the bytes arrive, impossible lengths, and the shapes of fields."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.milter.flags import MAX_PACKET_BYTES
from sendwarden.wire.milter.packets import (
    PacketDecoder,
    exactly,
    packet,
    text,
    texts,
    to_text,
    to_uint32,
    uint32,
)
from tests.strategies.streams import byte_by_byte, events, pieces

CAP = 200  # of the decoders here, so that garbage reaches it


def packets(*chunks: bytes) -> list[object]:
    decoder = PacketDecoder(max_packet_bytes=CAP)
    return events(decoder.feed, decoder.next_packet, chunks)


PACKETS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=CAP - 1)), max_size=5)


def stream_of(found: list[tuple[int, bytes]]) -> bytes:
    return b"".join(packet(bytes([letter]), data) for letter, data in found)


@given(PACKETS)
def test_what_was_packed_is_unpacked(found: list[tuple[int, bytes]]) -> None:
    stream = stream_of(found)

    assert packets(stream) == found
    assert packets(*byte_by_byte(stream)) == found


@given(pieces(PACKETS.map(stream_of) | st.binary(max_size=100)))
def test_cutting_the_stream_anywhere_changes_nothing(chunks: list[bytes]) -> None:
    assert packets(*chunks) == packets(b"".join(chunks))


@given(PACKETS.filter(bool), st.data())
def test_a_packet_cut_short_waits_for_the_rest(found: list[tuple[int, bytes]], data: st.DataObject) -> None:
    last = stream_of(found[-1:])
    kept = data.draw(st.integers(1, len(last) - 1))
    decoder = PacketDecoder(CAP)

    got = events(decoder.feed, decoder.next_packet, [stream_of(found[:-1]) + last[:kept]])

    assert got == found[:-1] and decoder.unfinished
    assert events(decoder.feed, decoder.next_packet, [last[kept:]]) == found[-1:] and not decoder.unfinished


@given(PACKETS, st.integers(CAP + 1, 2**32 - 1) | st.just(0), st.binary(max_size=20))
def test_garbage_behind_spoils_nothing_in_front_of_it(
    found: list[tuple[int, bytes]], length: int, garbage: bytes
) -> None:
    *before, error = packets(stream_of(found) + to_uint32(length) + garbage)

    assert before == found
    assert error == f"ProtocolError: packet of {length} bytes: 1 to {CAP} are possible"


@pytest.mark.parametrize("length", [0, MAX_PACKET_BYTES + 1, 2**31, 2**32 - 1])
def test_an_impossible_length_is_refused_before_its_data_arrive(length: int) -> None:
    decoder = PacketDecoder()
    decoder.feed(to_uint32(length))

    with pytest.raises(ProtocolError, match=f"packet of {length} bytes"):
        decoder.next_packet()


@pytest.mark.parametrize("length", [1, 2, MAX_PACKET_BYTES - 1, MAX_PACKET_BYTES])
def test_a_length_up_to_the_cap_is_taken(length: int) -> None:
    decoder = PacketDecoder()
    decoder.feed(to_uint32(length))
    assert decoder.next_packet() is Need.DATA

    decoder.feed(b"B" * length)

    assert decoder.next_packet() == (ord("B"), b"B" * (length - 1))
    assert decoder.next_packet() is Need.DATA and not decoder.unfinished


def test_a_decoder_forgets_what_it_has_handed_out() -> None:
    decoder, half = PacketDecoder(), packet(b"B", b"x" * 65_000)[:-32_000]
    tracemalloc.start()

    for _ in range(200):  # 13 MB in all, never ending at the edge of a packet
        decoder.feed(half)
        decoder.feed(b"x" * 32_000 + half)
        decoder.feed(b"x" * 32_000)
        assert isinstance(decoder.next_packet(), tuple) and isinstance(decoder.next_packet(), tuple)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1_000_000


@given(st.binary().map(lambda raw: raw.replace(b"\0", b"")))
def test_text_comes_back_as_the_bytes_it_was(raw: bytes) -> None:
    assert text(to_text(raw)) == raw + b"\0"


@pytest.mark.parametrize(
    "value", ["\0", "a\0", "a\0b", "\ud800"], ids=["NUL", "at the end", "inside", "no byte"]
)
def test_what_no_field_can_hold_is_a_bug_of_the_caller(value: str) -> None:
    with pytest.raises(ValueError, match=r"cannot hold NUL|surrogates not allowed"):
        text(value)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_fields_are_read_as_they_were_written(values: list[str]) -> None:
    data = b"".join(map(text, values))

    assert texts(data, "here") == values
    assert exactly(len(values), data, "here") == values


@given(st.binary(min_size=1).filter(lambda data: data[-1] != 0))
def test_fields_end_in_nul(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="here: text does not end in NUL"):
        texts(data, "here")


@pytest.mark.parametrize(
    ("data", "count"), [(b"", 0), (b"\0", 1), (b"a\0", 1), (b"\0\0", 2), (b"a\0b\0c\0", 3)]
)
def test_a_wrong_number_of_fields_is_said_with_both_numbers(data: bytes, count: int) -> None:
    assert len(exactly(count, data, "here")) == count
    with pytest.raises(ProtocolError, match=f"here: {count} fields, expected {count + 1}"):
        exactly(count + 1, data, "here")


@given(st.integers(0, 2**32 - 1), st.binary(max_size=5), st.binary(max_size=5))
def test_a_number_is_four_bytes_in_network_order(value: int, before: bytes, behind: bytes) -> None:
    data = before + to_uint32(value) + behind

    assert to_uint32(value) == value.to_bytes(4, "big")
    assert uint32(data, len(before), "here") == value


@given(st.binary(max_size=8), st.integers(0, 12))
def test_a_number_that_is_not_all_there_is_a_protocol_error(data: bytes, at: int) -> None:
    if at + 4 <= len(data):
        assert uint32(data, at, "here") == int.from_bytes(data[at : at + 4], "big")
    else:
        with pytest.raises(ProtocolError, match=f"here: cut short at byte {len(data)}"):
            uint32(data, at, "here")
