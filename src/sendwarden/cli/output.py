"""What commands print with: plain lines for people, JSON lines for programs, safe for a terminal."""

import json
import os
import sys
from collections.abc import Mapping

from sendwarden.core.ascii import printable
from sendwarden.core.place import Problem, Severity

_COLOURS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m"}
_RESET = "\x1b[0m"
# Columns before the text of a source line: five for its number, then " | ".
_MARGIN = 6
_INDENT = " " * 9


class Output:
    """Standard output of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, text: str = "") -> None:
        """A line for people; nothing with --json. Control characters in it are shown as codes."""
        if not self.as_json:
            sys.stdout.write(printable(text) + "\n")

    def record(self, record: Mapping[str, object]) -> None:
        """A line for programs; nothing without --json."""
        if self.as_json:
            sys.stdout.write(json.dumps(record, ensure_ascii=True) + "\n")

    def error(self, text: str) -> None:
        """Why a command could not do what it was asked."""
        sys.stderr.write("".join(f"{printable(line)}\n" for line in text.split("\n")))

    def problem(self, problem: Problem) -> None:
        """A problem with its place, the line, a caret and what to write instead."""
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
        sys.stdout.write("\n".join([f"{severity} {head}", *rest, ""]) + "\n")


def _source_lines(problem: Problem) -> list[str]:
    place = problem.place
    assert place is not None
    text = place.text.replace("\t", " ")
    caret = " " * (place.column - 1) + "^" * place.width
    return [f"{place.line:>{_MARGIN}} | {text}", f"{'':>{_MARGIN}} | {caret} {problem.remedy}".rstrip()]


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
