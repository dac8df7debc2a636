"""The event log: one JSON object a line, in a file of its own; warnings on standard error as well.

A line costs the mail path an append to a list; what it says is put together once several have come, at less
cost. Threads write it, one for the file and one for standard error, so that neither a hanging disk nor a
reader that does not read holds anything up. What cannot be written waits, up to `PENDING_LINES`; what is
lost beyond that is counted and told. The file is opened anew when it was moved away, so that logrotate needs
no signal.

A warning is told once a minute with its count. Of one kind only so many different ones are told, since what
they are about may come from a hostile peer; the others are counted together.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from sendwarden.core.ascii import printable
from sendwarden.daemon.pending import LAST_LINES_S, Background, PendingLines
from sendwarden.service.ports import Clock, Fields

FLUSH_INTERVAL_S = 0.1
# How often the same warning is told.
WARNING_INTERVAL_S = 60.0
# Different warnings of one kind that are told in that time, each with its own count.
DIFFERENT_WARNINGS = 20
OTHERS = "others like these"
# Lines kept while they cannot be written.
PENDING_LINES = 10_000
STDERR = 2
# Fields that hold seconds since the epoch inside, and are written as the log's own times are.
TIMES = frozenset({"at", "until", "frees_at"})
REASONS = "reasons"
_LAST_TIME = 253402300800.0  # the year 10000
_TIMED = TIMES | {REASONS}
# Made once: `json.dumps` with options makes one for each line.
_ENCODER = json.JSONEncoder(default=repr)


# When, what, and its fields.
_Line = tuple[float, str, Fields]


class FileEventLog:
    """`EventLog` over a file and standard error. `run` it as a task; `flush` it at the end."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lines = PendingLines[_Line](path, PENDING_LINES, _text)
        self._screen: list[str] = []
        self._warnings: dict[str, _Warnings] = {}
        self._showing = Background()

    # --- taking

    def event(self, kind: str, fields: Fields) -> None:
        self._lines.add((self._clock.now(), kind, fields))

    def warning(self, warning: str, about: str) -> None:
        of_kind = self._warnings.setdefault(warning, _Warnings())
        if times := of_kind.come(about, self._clock.now()):
            self._tell(warning, about, times)

    def say(self, text: str) -> None:
        """A line on standard error alone, each time: the answer to somebody who has just asked."""
        if len(self._screen) < PENDING_LINES:
            self._screen.append(printable(text) + "\n")

    def _tell(self, warning: str, about: str, times: int) -> None:
        self.event("warning", {"warning": warning, "about": about, "times": times})
        repeated = f" ({times} times)" if times > 1 else ""
        lines = f"warning {warning}: {about}{repeated}".split("\n")
        if len(self._screen) < PENDING_LINES:
            self._screen.append("\n    ".join(map(printable, lines)) + "\n")

    # --- writing

    async def run(self) -> None:
        """Have lines written until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            self.tell_counts()
            self._start_writing()

    def flush(self) -> None:
        """Have everything written now, as far as that can be done within `LAST_LINES_S`."""
        for _ in range(2):  # what is being written already, then the rest
            self._start_writing()
            self._lines.wait(LAST_LINES_S)
            self._showing.wait(LAST_LINES_S)
        self._tell_failure()

    def tell_counts(self) -> None:
        now = self._clock.now()
        for warning, of_kind in self._warnings.items():
            for about, times in of_kind.due(now):
                self._tell(warning, about, times)

    def _start_writing(self) -> None:
        if self._screen and not self._showing.busy:
            texts, self._screen = self._screen, []
            self._showing.start(lambda: _show("".join(texts)))
        if not self._lines.busy:
            self._tell_failure()
            if lost := self._lines.lost():
                self.event("lines-lost", {"count": lost})
            self._lines.start_writing()

    def _tell_failure(self) -> None:
        if failure := self._lines.failure():
            self.warning("log-failed", f"{self._path}: {failure}")


class _Warnings:
    """The warnings of one kind in the last minute."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}
        self._counts: Counter[str] = Counter()

    def come(self, about: str, now: float) -> int:
        """One more; how many to tell of now, or 0."""
        told_at = self._told_at.get(about)
        if told_at is None and len(self._told_at) >= DIFFERENT_WARNINGS:
            self._told_at.setdefault(OTHERS, now)
            about, told_at = OTHERS, now
        if told_at is not None and now - told_at < WARNING_INTERVAL_S:
            self._counts[about] += 1
            return 0
        self._told_at[about] = now
        return 1 + self._counts.pop(about, 0)

    def due(self, now: float) -> list[tuple[str, int]]:
        """Those that came again since they were told a minute ago; the others are forgotten."""
        due = []
        for about, told_at in list(self._told_at.items()):
            if now - told_at < WARNING_INTERVAL_S:
                continue
            if times := self._counts.pop(about, 0):
                self._told_at[about] = now
                due.append((about, times))
            else:
                del self._told_at[about]
        return due


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()[: -len("+00:00")]


def _stamp(at: float) -> str:
    """In ISO 8601, UTC, with milliseconds."""
    return f"{_second(int(at))}.{int(at * 1000) % 1000:03}+00:00"


def _text(lines: Sequence[_Line]) -> bytes:
    return b"".join([_line(*line) for line in lines])


def _line(at: float, kind: str, fields: Fields) -> bytes:
    known = fields() if callable(fields) else fields
    if not _TIMED.isdisjoint(known):
        known = _with_times(known)
    # "at" is the line's own: that of an act by hand is the same but for milliseconds.
    line = {"at": "", "event": kind, **known}
    line["at"] = _stamp(at)
    return _ENCODER.encode(line).encode() + b"\n"


def _with_times(fields: Mapping[str, object]) -> dict[str, object]:
    """Times in the one form of the log, in reasons too."""
    found: dict[str, object] = {}
    for name, value in fields.items():
        if name in TIMES and isinstance(value, int | float):
            found[name] = _stamp(value) if 0 <= value < _LAST_TIME else value
        elif name == REASONS and isinstance(value, list):
            found[name] = [_with_times(one) if isinstance(one, dict) else one for one in value]
        else:
            found[name] = value
    return found


def _show(text: str) -> None:
    """To standard error, past `sys.stderr`, for whose lock the end of the process would wait with us."""
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(STDERR, data) :]
    except OSError:  # nobody reads it, its disk is full, or it is closed; the file has it
        pass
