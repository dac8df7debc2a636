"""One question over one connection: what spamd and clamd have in common."""

import asyncio
from collections.abc import Iterable
from typing import Protocol, TypeVar

from sendwarden.core.errors import ScannerDown
from sendwarden.wire.base import Need, ProtocolError

_READ_BYTES = 64 * 1024

Answer_co = TypeVar("Answer_co", covariant=True)
Answer = TypeVar("Answer")


class Decoder(Protocol[Answer_co]):
    """A codec's receiving half."""

    def feed(self, data: bytes) -> None: ...

    def end(self) -> None: ...

    def answer(self) -> Answer_co | Need: ...


async def ask(place: str, question: Iterable[bytes], decoder: Decoder[Answer]) -> Answer:
    """Connect to ``address:port`` or ``unix:/path``, say ``question`` and read one answer.

    Raises `ScannerDown`. There is no deadline here; whoever gives up cancels.
    """
    try:
        reader, writer = await _connected(place)
    except OSError as error:
        raise ScannerDown(f"{place}: {error.strerror or error}") from error
    try:
        return await _asked(reader, writer, question, decoder)
    except ProtocolError as error:
        raise ScannerDown(f"{place}: {error}") from error
    except OSError as error:
        raise ScannerDown(f"{place}: it closed before its answer was whole") from error
    finally:
        writer.transport.abort()


async def _connected(place: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if place.startswith("unix:"):
        return await asyncio.open_unix_connection(place.removeprefix("unix:"))
    host, _, port = place.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def _asked(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    question: Iterable[bytes],
    decoder: Decoder[Answer],
) -> Answer:
    try:
        for piece in question:
            writer.write(piece)
            await writer.drain()
    except ConnectionError:  # it may have answered and closed before it had all
        pass
    while (answer := decoder.answer()) is Need.DATA:
        data = await reader.read(_READ_BYTES)
        if data:
            decoder.feed(data)
        else:
            decoder.end()
    assert not isinstance(answer, Need)
    return answer
