"""A decoder of one answer, fed in pieces."""

from typing import TypeVar

from sendwarden.lookups.stream import Decoder
from sendwarden.wire.base import Need

Answer = TypeVar("Answer")


def answer_of(decoder: Decoder[Answer], pieces: tuple[bytes, ...], *, ended: bool) -> Answer | Need:
    """The answer after the last piece, or after the end."""
    found: Answer | Need = Need.DATA
    for piece in pieces:
        decoder.feed(piece)
        found = decoder.answer()
    if ended:
        decoder.end()
        found = decoder.answer()
    return found
