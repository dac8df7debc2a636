"""The event log: one JSON object a line, in a file of its own, written in the background.

A line costs the mail path an append to a list. What cannot be written (disk full) is dropped and counted; it
never holds mail up. The file is opened anew when it was moved away, so that logrotate needs no signal.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from sendwarden.core.ascii import printable

if TYPE_CHECKING:
    from sendwarden.service.ports import Clock

FLUSH_INTERVAL_S = 0.1
# How often the same warning is told.
WARNING_INTERVAL_S = 60.0
# Lines kept while the file cannot be written.
PENDING_LINES = 10_000
# Different warnings remembered for their counts; more than that in one interval are told without.
WARNINGS = 1_000


class FileEventLog:
    """`EventLog` over a file, and warnings on standard error as well."""

    def __init__(self, path: Path, clock: "Clock") -> None:
        self._path = path
        self._clock = clock
        self._lines: list[str] = []
        self._dropped = 0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._told_at: dict[tuple[str, str], float] = {}
        self._file: Any = None
        self._logger = structlog.wrap_logger(
            self,
            processors=[self._stamped, structlog.processors.JSONRenderer(sort_keys=False)],
            wrapper_class=structlog.BoundLogger,  # hands every method on to us
        )

    def msg(self, line: str) -> None:
        """Take one rendered line; called by structlog."""
        if len(self._lines) < PENDING_LINES:
            self._lines.append(line)
        else:
            self._dropped += 1

    def event(self, kind: str, fields: Mapping[str, object]) -> None:
        self._logger.msg(kind, **fields)

    def warning(self, warning: str, about: str) -> None:
        key = (warning, about)
        now = self._clock.now()
        if len(self._told_at) > WARNINGS:
            self._told_at.clear()
            self._counts.clear()
        if now - self._told_at.get(key, -WARNING_INTERVAL_S) < WARNING_INTERVAL_S:
            self._counts[key] += 1
            return
        self._tell(key, now, 1 + self._counts.pop(key, 0))

    def _tell(self, key: tuple[str, str], now: float, times: int) -> None:
        self._told_at[key] = now
        warning, about = key
        self._logger.msg("warning", warning=warning, about=about, times=times)
        repeated = f" ({times} times)" if times > 1 else ""
        lines = f"warning {warning}: {about}{repeated}".split("\n")
        sys.stderr.write("\n    ".join(map(printable, lines)) + "\n")
        sys.stderr.flush()

    def _stamped(self, _logger: object, _name: str, event: Any) -> Any:  # noqa: ANN401 - structlog's types
        stamp = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        return {"at": stamp, "event": event.pop("event"), **event}

    async def run(self) -> None:
        """Write lines until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            self._tell_counts()
            self.flush()

    def _tell_counts(self) -> None:
        now = self._clock.now()
        for key in [key for key in self._counts if now - self._told_at.get(key, 0) >= WARNING_INTERVAL_S]:
            self._tell(key, now, self._counts.pop(key))

    def flush(self) -> None:
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        data = ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
        try:
            self._reopened().write(data)
        except OSError as error:
            self._dropped += len(lines)
            self._file = None
            self.warning("log-failed", f"{self._path}: {error.strerror}")

    def _reopened(self) -> Any:  # noqa: ANN401 - a raw file
        if self._file is not None:
            try:
                if os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino:
                    return self._file
            except OSError:
                pass
            self._file.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        return self._file
