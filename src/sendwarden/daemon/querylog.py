"""The log of all answers of greylisting, in the form of grossd's own in the foreground.

A line costs the answer an append to a list; it is put together with others and written by a thread, as those
of the event log are. What cannot be written waits, up to `PENDING_LINES`; what is lost beyond that is told.
"""

import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from sendwarden.daemon.pending import LAST_LINES_S, PendingLines
from sendwarden.engine.greylist.line import line
from sendwarden.engine.greylist.question import Answer, Question
from sendwarden.service.ports import EventLog

PENDING_LINES = 50_000


_Line = tuple[float, Question, Answer, float]


class FileQueryLog:
    """`QueryLog` over a file. Call `start_writing` often, and `flush` at the end."""

    def __init__(self, path: Path, log: EventLog) -> None:
        self._path = path
        self._log = log
        self._lines = PendingLines[_Line](path, PENDING_LINES, _text)

    def add(self, now: float, asked: Question, answer: Answer, took_s: float) -> None:
        self._lines.add((now, asked, answer, took_s))

    def flush(self) -> None:
        """Have everything written now, as far as that can be done within `LAST_LINES_S`."""
        for _ in range(2):
            self.start_writing()
            self._lines.wait(LAST_LINES_S)

    def start_writing(self) -> None:
        """Have what has come in written, unless the thread is still busy."""
        if self._lines.busy:
            return
        if failure := self._lines.failure():
            self._log.warning("log-failed", f"{self._path}: {failure}")
        if lost := self._lines.lost():
            self._log.warning("lines-lost", f"{self._path}: {lost}")
        self._lines.start_writing()


def _text(lines: Sequence[_Line]) -> bytes:
    return "".join(map(_shown, lines)).encode("utf-8", "surrogateescape")


def _shown(said: _Line) -> str:
    """``Fri Jul 18 16:34:53 2008 #1: a=...``; grossd's number is that of a thread, and we have one."""
    at, asked, answer, took_s = said
    return f"{_second(int(at))} #1: {line(asked, answer, int(took_s * 1000))}\n"


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return time.ctime(at)
