"""The log of all answers of greylisting, in the form of grossd's own in the foreground.

A line costs the answer an append to a list; it is put together with others and written by a thread, as those
of the event log are. What cannot be written waits, up to `PENDING_LINES`; what is lost beyond that is told.
"""

import time
from functools import lru_cache
from pathlib import Path

from sendwarden.daemon.linefile import LineFile
from sendwarden.daemon.log import Background
from sendwarden.engine.greylist.line import line
from sendwarden.engine.greylist.question import Answer, Question
from sendwarden.service.ports import EventLog

PENDING_LINES = 50_000
LAST_LINES_S = 1.0


class FileQueryLog:
    """`QueryLog` over a file. Call `start_writing` often, and `flush` at the end."""

    def __init__(self, path: Path, log: EventLog) -> None:
        self._path = path
        self._log = log
        self._file = LineFile(path)
        self._lines: list[tuple[float, Question, Answer, float]] = []
        self._rest = b""
        self._failure = ""
        self._lost = 0
        self._writing = Background()

    def add(self, now: float, asked: Question, answer: Answer, took_s: float) -> None:
        if len(self._lines) >= PENDING_LINES:
            self._lost += 1
            return
        self._lines.append((now, asked, answer, took_s))

    def flush(self) -> None:
        """Have everything written now, as far as that can be done within `LAST_LINES_S`."""
        for _ in range(2):
            self.start_writing()
            self._writing.wait(LAST_LINES_S)

    def start_writing(self) -> None:
        """Have what has come in written, unless the thread is still busy."""
        if self._writing.busy:
            return
        if self._failure:
            self._log.warning("log-failed", f"{self._path}: {self._failure}")
        if self._lost:
            self._log.warning("lines-lost", f"{self._path}: {self._lost}")
            self._lost = 0
        if self._rest or self._lines:
            lines, self._lines = (self._lines, []) if not self._rest else ([], self._lines)
            data = self._rest or "".join(map(_shown, lines)).encode("utf-8", "surrogateescape")
            self._writing.start(lambda: self._write(data))

    def _write(self, data: bytes) -> None:
        """In the thread."""
        try:
            self._rest, self._failure = data[self._file.append(data) :], ""
        except OSError as error:
            self._rest, self._failure = data, str(error.strerror)


def _shown(said: tuple[float, Question, Answer, float]) -> str:
    """``Fri Jul 18 16:34:53 2008 #1: a=...``; grossd's number is that of a thread, and we have one."""
    at, asked, answer, took_s = said
    return f"{_second(int(at))} #1: {line(asked, answer, int(took_s * 1000))}\n"


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return time.ctime(at)
