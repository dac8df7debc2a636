"""A file of lines that may be moved away under us, or have no room. All calls block."""

import os
from pathlib import Path

# Who may read it: addresses of people stand in it.
MODE = 0o640


class LineFile:
    """Appends. Opened when first written to, and anew when another file, or none, is at its path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._within_line = False

    def append(self, data: bytes) -> int:
        """Write as much as there is room for, and return how much that was.

        What is left goes first with the next call. Raises `OSError` if nothing could be written.
        """
        written = 0
        if self._open_file() and self._within_line:  # the beginning of that line stands in another file
            written = data.find(b"\n") + 1
            self._within_line = False
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            if not written:
                raise
        self._within_line = written > 0 and data[written - 1 : written] != b"\n"
        return written

    def _open_file(self) -> bool:
        """Was it opened anew?"""
        if self._descriptor >= 0:
            if self._still_there():
                return False
            os.close(self._descriptor)
            self._descriptor = -1
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, MODE)
        self._end_line()
        return True

    def _still_there(self) -> bool:
        try:
            ours, theirs = os.fstat(self._descriptor), self._path.stat()
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)

    def _end_line(self) -> None:
        """A line that was cut short when the disk was full, or we were killed, spoils none of ours."""
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")
