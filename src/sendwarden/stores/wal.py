"""What a write-ahead log of SQLite holds, by its own headers.

SQLite reads a log up to the first frame that is damaged and leaves out the rest without a word, as it must
after a power cut. Whether what it left out had once been committed can be told from the frames themselves.
Where just the mark of the last commit is damaged, it looks like one that was never finished.

Source: sqlite.org/fileformat2.html, section 4. Nothing is locked: read it before the file is opened. Where
somebody writes to it meanwhile, it may be folded and cut while it is read, or go: then it ends there.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

# Magic number, format, page size, checkpoints so far, two salts, two checksums over what is before them.
_HEADER = struct.Struct(">8I")
# Page number, size of the database if this frame ends a commit (else 0), two salts, two checksums.
_FRAME = struct.Struct(">6I")
# Magic numbers, and the order of bytes in which their checksums add.
_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
_32_BITS = 0xFFFFFFFF
# Frames of so many runs before may still stand in a log, behind those of the newest.
_OLDER = 0xFFFF


@dataclass(frozen=True, slots=True)
class Log:
    """A log by its headers."""

    readable: bool  # all of its headers are
    last_commit: int  # number of the last frame (from 1) that ends a commit; 0: there is none

    def lost(self, kept_frames: int) -> bool:
        """Did SQLite, which kept so many frames, leave out something that had been committed?"""
        return not self.readable or self.last_commit > kept_frames


def read_log(path: Path) -> Log | None:
    """The log at ``path``; None where there is none. Raises `OSError`."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        size = os.fstat(file.fileno()).st_size
        raw = file.read(_HEADER.size)
        if len(raw) < _HEADER.size or size <= _HEADER.size + _FRAME.size:
            return Log(readable=True, last_commit=0)  # nothing was committed yet
        magic, _format, page_bytes, _count, *rest = _HEADER.unpack(raw)
        salts, checksums = rest[:2], rest[2:]
        if magic not in _ORDERS or not page_bytes or _sums(raw[:24], _ORDERS[magic]) != checksums:
            return Log(readable=False, last_commit=0)
        frames = (size - _HEADER.size) // (_FRAME.size + page_bytes)
        last, readable = 0, True
        for number in range(frames):
            file.seek(_HEADER.size + number * (_FRAME.size + page_bytes))
            raw = file.read(_FRAME.size)
            if len(raw) < _FRAME.size:
                break
            _page, commit, *frame_salts = _FRAME.unpack(raw)[:4]
            if frame_salts != salts:
                readable &= _is_older(frame_salts[0], salts[0])
            elif commit:
                last = number + 1
        return Log(readable, last)


def _is_older(salt: int, newest: int) -> bool:
    """Is a frame from before the log began anew? The first salt counts how often it did."""
    return 0 < (newest - salt) & _32_BITS <= _OLDER


def _sums(raw: bytes, order: str) -> list[int]:
    """SQLite's checksum of a log: two sums that run into each other."""
    first = second = 0
    for one, two in struct.iter_unpack(f"{order}2I", raw):
        first = (first + one + second) & _32_BITS
        second = (second + two + first) & _32_BITS
    return [first, second]
