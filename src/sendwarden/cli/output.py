"""What commands print with: plain lines for people, JSON lines for programs, safe for a terminal."""

import io
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO
from unicodedata import combining, east_asian_width

from sendwarden.core.ascii import printable
from sendwarden.core.errors import SendwardenError
from sendwarden.core.place import Problem, Severity

_COLOURS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m"}
_RESET = "\x1b[0m"
# Columns before the text of a source line: five for its number, then " | ".
_MARGIN = 6
_INDENT = " " * 9
# Letters of a source line shown before the caret, above it, and in all. The rest is of no use on a screen.
_BEFORE = 60
_MARKED = 100
_LINE = 180


class OutputLost(SendwardenError):
    """Standard output cannot be written: its reader has left, or its disk is full."""

    def __init__(self, error: OSError) -> None:
        left = isinstance(error, BrokenPipeError)
        super().__init__("" if left else f"what it prints cannot be written: {error.strerror}")


class Output:
    """Standard output of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def line(self, text: str = "") -> None:
        """A line for people; nothing with --json. Control characters in it are shown as codes."""
        if not self.as_json:
            self.write(printable(text) + "\n")

    def record(self, record: Mapping[str, object]) -> None:
        """A line for programs; nothing without --json."""
        if self.as_json:
            self.write(json.dumps(record, ensure_ascii=True) + "\n")

    def error(self, text: str) -> None:
        """Why a command could not do what it was asked."""
        complain("".join(f"{printable(line)}\n" for line in text.split("\n")))

    def problem(self, problem: Problem) -> None:
        """A problem with its place, the line, a caret and what to write instead; with --json, its record."""
        if self.as_json:
            self.record(problem_record(problem))
            return
        severity = problem.severity.value
        if self._colour:
            severity = f"{_COLOURS[problem.severity]}{severity}{_RESET}"
        lines = [f"{problem.code}: {problem.sentence}"]
        place = problem.place
        remedy = problem.remedy
        if place:
            lines.append(f"  {place}")
            if place.line and place.text:
                lines += _source_lines(problem)
                remedy = ""
        lines += [f"{_INDENT}{line}" for line in (remedy, *problem.more) if line]
        head, *rest = map(printable, lines)
        self.write("\n".join([f"{severity} {head}", *rest, ""]) + "\n")

    def write(self, text: str) -> None:
        """Write what is safe for a terminal already. Raises `OutputLost`."""
        write(text)

    def end(self) -> None:
        """Hand over what was written. Raises `OutputLost`."""
        try:
            sys.stdout.flush()
        except OSError as error:
            raise OutputLost(error) from error


def write(text: str) -> None:
    """To standard output. Raises `OutputLost`."""
    try:
        sys.stdout.write(text)
    except OSError as error:
        raise OutputLost(error) from error


def complain(text: str) -> None:
    """To standard error. Where nobody can read it, the exit code says it alone."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        forget(sys.stderr)


def forget(stream: TextIO) -> None:
    """Drop what is left of a stream's output, or Python would try once more at its end."""
    with suppress(OSError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _source_lines(problem: Problem) -> list[str]:
    """The line of a problem, cut to what fits a screen, and the caret under what is meant."""
    place = problem.place
    assert place is not None
    start = place.column - 1
    before, behind = place.text[:start], place.text[start:]
    before = before if len(before) <= _BEFORE else f"...{before[3 - _BEFORE :]}"
    whole = before + behind if len(before + behind) <= _LINE else f"{(before + behind)[: _LINE - 3]}..."
    marked = _on_screen(behind[: min(place.width, _MARKED)])
    caret = " " * _columns(_on_screen(before)) + "^" * max(1, _columns(marked))
    return [
        f"{place.line:>{_MARGIN}} | {_on_screen(whole)}",
        f"{'':>{_MARGIN}} | {caret} {problem.remedy}".rstrip(),
    ]


def _on_screen(text: str) -> str:
    return printable(text.replace("\t", " "))


def _columns(text: str) -> int:
    """Columns of a terminal that a text takes: a wide letter takes two, an accent of its own none."""
    return sum(2 if east_asian_width(letter) in "WF" else not combining(letter) for letter in text)


def problem_record(problem: Problem) -> dict[str, object]:
    """A problem for --json."""
    place = problem.place
    where = (
        {"file": place.file, "line": place.line, "column": place.column, "width": place.width}
        if place
        else {}
    )
    return {
        "severity": problem.severity.value,
        "code": problem.code,
        "sentence": problem.sentence,
        **where,
        "remedy": problem.remedy,
        "more": list(problem.more),
    }
