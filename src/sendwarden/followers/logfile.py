"""A log file from its beginning to its end, packed or not: gzip, xz and bzip2 are known by their first bytes.

Lines of any length and encoding: bytes that are not UTF-8 become surrogates, and a line is cut at
`LINE_BYTES`. Memory is bounded by `CHUNK_BYTES` and that, however large a packed file becomes.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal, cast

from sendwarden.core.errors import SendwardenError

CHUNK_BYTES = 1 << 20
LINE_BYTES = 64 * 1024

_PACKED: dict[bytes, Callable[[Path, Literal["rb"]], object]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
_MAGIC = max(map(len, _PACKED))


class LogUnreadable(SendwardenError):
    """A log cannot be read, or not to its end. Its text says which and why."""


def open_log(path: Path) -> IO[bytes]:
    """The log's text. Raises `LogUnreadable`."""
    try:
        with path.open("rb") as file:
            magic = file.read(_MAGIC)
        opened = next((opener for first, opener in _PACKED.items() if magic.startswith(first)), None)
        return cast("IO[bytes]", opened(path, "rb") if opened else path.open("rb"))
    except OSError as error:
        raise LogUnreadable(f"{path}: {error.strerror or error}") from None


def lines_of(file: IO[bytes], name: str) -> Iterator[list[str]]:
    """All lines without their ends, many at a time, also a last one without. Raises `LogUnreadable`."""
    rest, cut = b"", False
    try:
        while chunk := file.read(CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if cut and lines:
                del lines[0]
                cut = False
            if len(rest) > LINE_BYTES:
                if not cut:
                    lines.append(rest)
                rest, cut = b"", True
            yield _texts(lines)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise LogUnreadable(f"{name}: cannot be read to its end: {error}") from None
    if rest and not cut:
        yield _texts([rest])


def _texts(lines: list[bytes]) -> list[str]:
    """One decoding for all of them is several times faster than one for each."""
    joined = b"\n".join(line if len(line) <= LINE_BYTES else line[:LINE_BYTES] for line in lines)
    return joined.decode("utf-8", "surrogateescape").split("\n") if lines else []
