"""Lines that wait to be written to a file by a thread, so that nobody else waits for a disk.

What cannot be written waits, up to a number of lines; what is lost beyond that is counted.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from sendwarden.daemon.linefile import LineFile

# How long the end of the process waits for the last lines.
LAST_LINES_S = 1.0

T = TypeVar("T")


class Background:
    """One piece of work at a time, in a thread that nobody waits for: not even the end of the process."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)


class PendingLines(Generic[T]):
    """What is to be written to one file. ``text`` puts lines together, some time after they were added."""

    def __init__(self, path: Path, most: int, text: Callable[[Sequence[T]], bytes]) -> None:
        self._file = LineFile(path)
        self._most = most
        self._text = text
        self._lines: list[T] = []
        self._rest = b""  # of lines that were written in part, or not at all
        self._failure = ""
        self._lost = 0
        self._writing = Background()

    def add(self, line: T) -> None:
        if len(self._lines) < self._most:
            self._lines.append(line)
        else:
            self._lost += 1

    @property
    def busy(self) -> bool:
        """Is the thread still at it? Then there is nothing to be said of failures."""
        return self._writing.busy

    def failure(self) -> str:
        """Why the last attempt failed, said once; empty: it did not."""
        found, self._failure = self._failure, ""
        return found

    def lost(self) -> int:
        """Lines lost since this was said last; 0 as long as there is no room to say so."""
        if self._rest or len(self._lines) >= self._most:
            return 0
        found, self._lost = self._lost, 0
        return found

    def start_writing(self) -> None:
        """Have what has come in written, unless the thread is still busy."""
        if self.busy:
            return
        if not self._rest and self._lines:
            lines, self._lines = self._lines, []
            self._rest = self._text(lines)
        if data := self._rest:
            self._writing.start(lambda: self._write(data))

    def wait(self, seconds: float) -> None:
        self._writing.wait(seconds)

    def _write(self, data: bytes) -> None:
        """In the thread."""
        try:
            self._rest, self._failure = data[self._file.append(data) :], ""
        except OSError as error:
            self._failure = str(error.strerror)
