"""TOML with mistakes: each is told once, and the rest of the file is read all the same.

tomllib stops at the first error, and often names a place behind it: a forgotten bracket shows at the next
line. Here each statement (`config.statements`) is read alone; those that cannot be are told and left out.
What is wrong with statements that are right alone (a name twice) is found when they are read together.
"""

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from sendwarden.config.statements import CLOSING, HEADER, NAME, PAIR, PART, Statement, statements
from sendwarden.core.place import Place, Problem

# Mistakes told of one file. One that is no TOML at all need not fill the screen.
MOST_PROBLEMS = 20
# Tables within tables, and bits of a number, which Python can write down again (it does up to 4300 digits).
MOST_DEPTH = 50
MOST_BITS = 10_000
# Settings that stand twice are taken out one by one, so often at the most.
MOST_ROUNDS = 100

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REST = "The rest of the file was checked as far as it can be read."
_A_PAIR = 'write: name = "text", name = true, or name = 50'
_NO_NAME = "a name is made of the letters A to Z, digits, _ and -"
# How tomllib's message begins, what we say, what to write, and how many letters before its place ours begins.
_WORDS: tuple[tuple[str, str, str, int], ...] = (
    (
        "Unescaped",
        "this is not TOML: a backslash in a text begins a code such as \\n",
        r"write \\, or the text in single quotes: 'C:\mail'",
        2,
    ),
    (
        "Unclosed array",
        "this is not TOML: in a list a comma or the end is expected here",
        'items are parted by commas: ["one", "two"]',
        0,
    ),
    (
        "Expected newline",
        "this is not TOML: nothing may follow a value",
        'take it out, or write a list: ["one", "two"]',
        0,
    ),
    (
        "Illegal character",
        "this is not TOML: a control character stands here",
        "take it out, or write it as a code such as \\t",
        0,
    ),
    (
        "Invalid value",
        "this is not TOML: a value is expected here",
        'text stands in quotes, as in "text"',
        0,
    ),
)
_DEEP = re.compile(rf"^[\s\[]*(?:{PART}\s*\.\s*){{{MOST_DEPTH}}}", re.MULTILINE)
_KINDS = {"[": "list", "{": "table"}


@dataclass(slots=True)
class Readable:
    """What can be read of a file: its values, and its lines without the mistakes; and the mistakes."""

    written: list[str]  # the lines as they stand in the file
    lines: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def readable(name: str, text: str) -> Readable:
    """Read all that can be read."""
    written = text.replace("\r\n", "\n").split("\n")
    found = Readable(written)
    if "\0" in text:
        what = "it holds a NUL character" if text.isascii() else "the file is not UTF-8 text"
        found.problems.append(_not_text(name, written, what))
        return found
    if not text.isascii() and any(map(_is_raw, text)):
        found.problems.append(_not_text(name, written, "the file is not UTF-8 text"))
        found.written = [_without_raw(line) for line in written]
    found.lines = list(found.written)
    try:
        found.values = _values(_joined(found.lines))
    except (ValueError, RecursionError):
        _Repair(name, found).work()
    return found


def _joined(lines: list[str]) -> str:
    """Lines as a text of which tomllib makes the same lines: it would take a line end for a CR before it."""
    return "\r\n".join(lines)


class _Beyond(ValueError):
    """TOML that nobody means; the text says why."""


def _values(text: str) -> dict[str, Any]:
    """What tomllib reads. Raises `TOMLDecodeError`, `_Beyond`, or `RecursionError`."""
    if _DEEP.search(text):  # tomllib's time grows with the square of such a name
        raise _Beyond("it nests too deep")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # Python converts no number of so many digits
        raise _Beyond("a number has too many digits") from error
    waiting: list[tuple[object, int]] = [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise _Beyond("it nests too deep")
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise _Beyond("a number has too many digits")
        if isinstance(value, dict):
            waiting += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value]
    return values


def _is_raw(letter: str) -> bool:
    """Is it a byte that is no UTF-8, as `Folder.read` hands it on?"""
    return "\udc80" <= letter <= "\udcff"


def _without_raw(line: str) -> str:
    return "".join("\ufffd" if _is_raw(letter) else letter for letter in line)


def _not_text(name: str, lines: list[str], what: str) -> Problem:
    line, column = next(
        (number, column)
        for number, line in enumerate(lines)
        for column, letter in enumerate(line)
        if _is_raw(letter) or letter == "\0"
    )
    place = _place(name, lines, line, column, 1)
    return Problem("SW103", f"this is not TOML: {what}", place, "save it as UTF-8 text")


def _place(name: str, lines: list[str], line: int, column: int, width: int) -> Place:
    """A place by numbers from 0, cut at the end of its line."""
    return Place(name, line + 1, column + 1, max(1, min(width, len(lines[line]) - column)), lines[line])


class _Repair:
    """Works on ``found.lines`` until they can be read."""

    def __init__(self, name: str, found: Readable) -> None:
        self.name = name
        self.found = found
        self.written = found.written
        self.statements = list(statements(found.lines))
        self.untold: list[Place] = []
        self.nameless: list[Statement] = []  # headers of tables that cannot be told

    def work(self) -> None:
        for statement in self.statements:
            self._alone(statement)
        for header in self.nameless:
            self._blank(self._section(header))
        again: list[tuple[Statement, list[str]]] = []  # tables that stand twice, and their lines
        for _ in range(MOST_ROUNDS):
            values = self._together(again)
            if values is not None:
                self.found.values = values
                break
        for section, lines in again:
            self._take_in(section, lines)
        if self.untold:
            says = f"and {len(self.untold)} more that are not TOML"
            self.found.problems.append(Problem("SW103", says, self.untold[0], "mend the first ones first"))

    def _told(self, statement: Statement, says: str, remedy: str, column: int = -1, width: int = 0) -> None:
        line = self.written[statement.first]
        if column < 0:
            column = len(line) - len(line.lstrip())
        self._told_at(statement.first, column, width or len(line.strip()), says, remedy)

    def _told_at(self, line: int, column: int, width: int, says: str, remedy: str) -> None:
        place = _place(self.name, self.written, line, column, width)
        if len(self.found.problems) >= MOST_PROBLEMS:
            self.untold.append(place)
            return
        self.found.problems.append(Problem("SW103", says, place, remedy))

    def _blank(self, statement: Statement) -> None:
        for number in range(statement.first, statement.last + 1):
            self.found.lines[number] = ""

    # --- each by itself

    def _alone(self, statement: Statement) -> None:
        if statement.flaw:
            sign, line, column = statement.flaw
            says, remedy = _unclosed(sign)
            self._told_at(line, column, len(sign), says, remedy)
            self._blank(statement)
            return
        text = _joined(self.found.lines[statement.first : statement.last + 1])
        if statement.comment:
            self._bad_comment(statement)
            return
        try:
            _values(text)
        except tomllib.TOMLDecodeError as error:
            if statement.header:
                self._bad_header(statement)
            else:
                self._bad_pair(statement, str(error))
        except (_Beyond, RecursionError) as error:
            why = str(error) if isinstance(error, _Beyond) else "it nests too deep"
            self._told(statement, f"this is not TOML that anybody means: {why}", "take it out")
            self._blank(statement)

    def _bad_comment(self, statement: Statement) -> None:
        found = _CONTROL.search(self.written[statement.first])
        if found:
            says = "this is not TOML: a control character stands here"
            self._told_at(statement.first, found.start(), 1, says, "take it out")
            self._blank(statement)

    def _bad_header(self, statement: Statement) -> None:
        line = self.found.lines[statement.first]
        match = HEADER.fullmatch(line)
        repaired = ""
        if match:
            indent, opening, blanks, name, closing = match.groups()
            wide = len(opening) == 2 or len(closing) > 1  # noqa: PLR2004 - two brackets on either side
            repaired = f"{'[[' if wide else '['}{name}{']]' if wide else ']'}"
        try:
            tomllib.loads(repaired or "[")
        except tomllib.TOMLDecodeError:
            remedy = "a table is written [site], one of several [[channel]]"
            self._told(statement, "this is not TOML: a table's name is expected between brackets", remedy)
            self.nameless.append(statement)
            return
        self._told(statement, "this is not TOML: its brackets do not match", f"write {repaired}")
        # The name stays in its column, so that its place is right.
        self.found.lines[statement.first] = f"{indent}{repaired[: repaired.index(name)]}{blanks}{name}" + (
            "]]" if wide else "]"
        )

    def _bad_pair(self, statement: Statement, message: str) -> None:
        self._blank(statement)
        first = self.written[statement.first]
        found = PAIR.match(first)
        name, equals, _ = (found[0][:-1], "=", "") if found else first.partition("=")
        if not equals:
            self._told(statement, "this is not TOML: a name and a value are expected", _A_PAIR)
            return
        value = _bare_value(first[len(name) + 1 :])
        column = len(name) + 1 + (len(first) - len(name) - 1 - len(first[len(name) + 1 :].lstrip()))
        if not NAME.fullmatch(name):
            self._told(
                statement,
                f"this is not TOML: {_NO_NAME}",
                'other names stand in quotes: "name"',
                -1,
                len(name.strip()) or 1,
            )
        elif statement.first == statement.last and not value:
            says = f"this is not TOML: {name.strip()} has no value"
            self._told(statement, says, _A_PAIR)
        elif statement.first == statement.last and value[0] not in "\"'[{":
            self._told(
                statement, f"this is not TOML: {_cut(value)} is no value", _meant(value), column, len(value)
            )
        else:
            self._inside(statement, message)

    def _inside(self, statement: Statement, message: str) -> None:
        """Something within a text, list or table."""
        line, column = _error_place(message)
        line = min(statement.first + line, statement.last)
        known = (words for words in _WORDS if message.startswith(words[0]))
        _, says, remedy, before = next(known, ("", "this is not TOML", _A_PAIR, 0))
        column = max(0, min(column - before, len(self.written[line]) - 1))
        self._told_at(line, column, max(1, before), says, remedy)

    # --- all together

    def _together(self, again: list[tuple[Statement, list[str]]]) -> dict[str, Any] | None:
        """All values, or None where one more statement had to be taken out."""
        try:
            return tomllib.loads(_joined(self.found.lines))
        except tomllib.TOMLDecodeError as error:
            line, _ = _error_place(str(error), len(self.found.lines))
        statement = max((s for s in self.statements if s.first <= line), key=lambda s: s.first)
        key = _name_of(self.written[statement.first], header=statement.header)
        what = f"table [{key}] stands" if statement.header else f'"{key}" is set'
        remedy = "join the two; of several channels each begins with [[channel]]"
        remedy = remedy if statement.header else "take one of them out"
        indent = len(self.written[statement.first]) - len(self.written[statement.first].lstrip())
        self._told(
            statement, f"{what} twice in this file", remedy, indent, 0 if statement.header else len(key)
        )
        if statement.header:
            statement = self._section(statement)
            again.append((statement, self.found.lines[statement.first : statement.last + 1]))
        self._blank(statement)
        return None

    def _section(self, header: Statement) -> Statement:
        """A header with all that stands under it."""
        behind = (s.first for s in self.statements if s.header and s.first > header.first)
        return Statement(header.first, next(behind, len(self.written)) - 1)

    def _take_in(self, section: Statement, lines: list[str]) -> None:
        """A table that stands twice: what its second place sets is checked too."""
        try:
            values = tomllib.loads(_joined(lines))
        except tomllib.TOMLDecodeError:  # a third time, or a name twice within it: one after the other
            return
        _fill_in(self.found.values, values)
        self.found.lines[section.first : section.last + 1] = lines


def _fill_in(values: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            _fill_in(values[name], value)
        else:
            values.setdefault(name, value)


def _unclosed(sign: str) -> tuple[str, str]:
    if len(sign) == 1 and sign in _KINDS:
        return f"this is not TOML: the {_KINDS[sign]} that starts here has no end", (
            f"add the closing {CLOSING[sign]} . {_REST}"
        )
    if sign == "{}":
        says = "this is not TOML: a table in braces stands on one line"
        return says, f"write it on one line, or as a [table] of its own. {_REST}"
    where = " on its line" if len(sign) == 1 else ""
    return (
        f"this is not TOML: the text that starts here has no end{where}",
        f"add the closing {sign} . {_REST}",
    )


def _error_place(message: str, lines: int = 1) -> tuple[int, int]:
    """Line and column from 0 of tomllib's message; at the end of the document, the last line."""
    found = _AT.search(message)
    return (int(found[1]) - 1, int(found[2]) - 1) if found and found[1] else (lines - 1, 0)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits into a line


def _bare_value(text: str) -> str:
    """A value that is not in quotes, without the comment behind it."""
    return text.strip() if text.strip()[:1] in ("'", '"') else text.partition("#")[0].strip()


def _meant(raw: str) -> str:
    """What somebody meant who wrote a value that is none."""
    words = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
    if raw.lower() in words:
        return f"write {words[raw.lower()]}"
    if '"' in raw or "\\" in raw:
        return "text stands in quotes, as in 'text'"
    return f'text stands in quotes: write "{_cut(raw)}"'


def _name_of(line: str, *, header: bool) -> str:
    found = PAIR.match(line)
    if header or not found:
        return line.strip("[] \t").partition("]")[0].strip()
    return found[0][:-1].strip()
