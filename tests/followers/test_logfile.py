"""followers.logfile: every line once, whatever it is packed with, however long, in whatever encoding."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.followers import logfile
from sendwarden.followers.logfile import CHUNK_BYTES, LINE_BYTES, LogUnreadable, lines_of, open_log


def plain(data: bytes) -> bytes:
    return data


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": plain, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress,
}  # fmt: skip
LINES = [f"line {number} of a log" for number in range(200_000)]


def read(path: Path) -> list[str]:
    with open_log(path) as file:
        return [line for lines in lines_of(file, path.name) for line in lines]


@pytest.mark.parametrize("packed", PACKERS)
def test_every_line_is_read_once_whatever_the_file_is_packed_with(packed: str, tmp_path: Path) -> None:
    text = "\n".join(LINES).encode()
    assert len(text) > 3 * CHUNK_BYTES
    path = tmp_path / "mail.log"
    path.write_bytes(PACKERS[packed](text))

    assert read(path) == LINES


@pytest.mark.parametrize("packed", ["gz", "xz", "bz2"])
def test_a_packed_file_that_was_cut_says_so_after_what_could_be_read(packed: str, tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(PACKERS[packed]("\n".join(LINES).encode())[:-20_000])

    with pytest.raises(LogUnreadable, match=r"mail\.log: cannot be read to its end"):
        read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match="No such file"):
        open_log(tmp_path / "none")


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    st.integers(1, 50),
)
def test_any_bytes_are_lines_wherever_chunks_end(lines: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "CHUNK_BYTES", size)
        patch.setattr(logfile, "LINE_BYTES", 20)
        found = [line for many in lines_of(io.BytesIO(b"\n".join([*lines, b""])), "x") for line in many]

    assert found == [line[:20].decode("utf-8", "surrogateescape") for line in lines]


def test_a_line_without_an_end_costs_no_memory_and_the_next_is_whole() -> None:
    chunks = [b"x" * CHUNK_BYTES] * 50 + [b"x\nnext\n"]

    class Endless(io.RawIOBase):
        def read(self, _size: int = -1, /) -> bytes:
            return chunks.pop(0) if chunks else b""

    found = [line for many in lines_of(Endless(), "x") for line in many]  # type: ignore[arg-type] # it has read

    assert [len(line) for line in found] == [LINE_BYTES, len("next")]
