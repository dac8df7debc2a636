"""TOML cut into statements, right or wrong: a header, or a name with its value, however many lines it takes.

Only what opens and closes is looked at: quotes, brackets, braces. A list that is never closed ends where the
next setting begins, so that one forgotten bracket does not swallow the file.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"\s*{PART}(?:\s*\.\s*{PART})*\s*"
NAME = re.compile(_NAME)
PAIR = re.compile(_NAME + "=")
# A header, its brackets complete or not: indent, opening, blanks, name, closing.
# None of the parts gives back what it took, or a line of blanks would take time without end.
HEADER = re.compile(r"(\s*+)(\[{1,2}+)(\s*+)((?:[^\[\]#\s]++|\s++(?![\]#]|$))*+)\s*+(\]{0,3}+)\s*+(?:#.*)?")
CLOSING = {"[": "]", "{": "}"}
_LONG = 3  # quotes round a text of several lines


@dataclass(slots=True)
class Statement:
    """Lines ``first`` to ``last``, from 0. ``flaw``: what was opened and never closed, and where."""

    first: int
    last: int
    header: bool = False
    flaw: tuple[str, int, int] | None = None  # the sign, line and column from 0
    comment: bool = False


def statements(lines: list[str]) -> Iterator[Statement]:
    """All statements in order. A comment is one too; blank lines belong to none."""
    number = 0
    while number < len(lines):
        stripped = lines[number].strip(" \t")
        statement = Statement(
            number, number, header=stripped.startswith("["), comment=stripped.startswith("#")
        )
        if stripped and not (statement.header or statement.comment):
            statement = _pair(lines, number)
        if stripped:
            yield statement
        number = statement.last + 1


def _pair(lines: list[str], first: int) -> Statement:
    """The statement that begins on this line."""
    scan = _Scan()
    for number in range(first, len(lines)):
        if scan.open and scan.open[-1][0] == "[" and _begins_another(lines[number]):
            return Statement(first, number - 1, flaw=scan.unended or scan.outer)
        scan.line(lines[number], number)
        if not scan.open:
            return Statement(first, number, flaw=scan.unended)
        if scan.open[-1][0] == "{":
            return _broken_braces(lines, first, number, scan.unended or scan.open[-1])
    # Not closed to the end of the file. A text swallows what is no setting, and no more.
    last, flaw = len(lines) - 1, scan.unended or scan.outer
    behind = range(flaw[1] + 1, len(lines)) if len(flaw[0]) > 1 else ()
    return Statement(first, next((n - 1 for n in behind if _begins_another(lines[n])), last), flaw=flaw)


def _broken_braces(lines: list[str], first: int, last: int, flaw: tuple[str, int, int]) -> Statement:
    """A table in braces that goes on over its line, which TOML does not allow, or has no end."""
    for number in range(last + 1, len(lines)):
        if lines[number].lstrip().startswith("}"):
            return Statement(first, number, flaw=("{}" if flaw[0] == "{" else flaw[0], *flaw[1:]))
        if lines[number].lstrip().startswith("["):
            break
    return Statement(first, last, flaw=flaw)


def _begins_another(line: str) -> bool:
    """Does a line inside a list look like the next setting? A list holds no names and no bare words."""
    if PAIR.match(line):
        return True
    if not line.lstrip().startswith("["):
        return False
    try:
        tomllib.loads(f"a = [{line.partition('#')[0]}]")
    except tomllib.TOMLDecodeError:
        header = HEADER.fullmatch(line)
        return header is not None and NAME.fullmatch(header[4]) is not None
    return False


class _Scan:
    """What is open at the end of each line of one statement."""

    def __init__(self) -> None:
        self.open: list[tuple[str, int, int]] = []  # brackets, and at the end perhaps a text of several lines
        self.unended: tuple[str, int, int] | None = None
        self._equals = False  # are we behind the equals sign?

    @property
    def outer(self) -> tuple[str, int, int]:
        """What has no end: the outermost bracket, or the text that is open."""
        return self.open[-1] if len(self.open[-1][0]) == _LONG else self.open[0]

    def line(self, line: str, number: int) -> None:
        at = 0
        while at < len(line):
            if self.open and len(self.open[-1][0]) == _LONG:
                at = self._text_end(line, at, self.open[-1][0])
                continue
            sign = line[at]
            if sign == "#":
                return
            if sign in "\"'":
                at = self._text(line, at, number)
                continue
            if sign == "=":
                self._equals = True
            elif sign in CLOSING and self._equals:
                self.open.append((sign, number, at))
            elif self.open and sign == CLOSING[self.open[-1][0]]:
                self.open.pop()
            at += 1

    def _text(self, line: str, at: int, number: int) -> int:
        sign = line[at]
        if line.startswith(3 * sign, at):
            self.open.append((3 * sign, number, at))
            return at + 3
        end = at + 1
        while end < len(line) and line[end] != sign:
            end += 2 if line[end] == "\\" and sign == '"' else 1
        if end >= len(line):
            self.unended = self.unended or (sign, number, at)
        return end + 1

    def _text_end(self, line: str, at: int, sign: str) -> int:
        """Behind the end of a text of several lines; up to two quotes may belong to the text."""
        while at < len(line):
            if line.startswith(sign, at):
                self.open.pop()
                end = at + 3
                while end < len(line) and end < at + 5 and line[end] == sign[0]:
                    end += 1
                return end
            at += 2 if line[at] == "\\" and sign[0] == '"' else 1
        return at
