"""A mapping file's text to tables, ready to run, with every problem of the file.

The documented layout wants a blank line after a table's name and indented entries. The files in circulation,
the document's own among them, obey neither, so that lines are told apart by what they hold (`_kind`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sendwarden.core.place import Place, Problem, Severity, did_you_mean

from .callouts import IMAGES, Images, base_name, find_routine
from .check_metermaid import Routine
from .expand import Template
from .limits import INCLUDE_DEPTH, ORIGINAL_PATTERN_LETTERS, ORIGINAL_TEMPLATE_LETTERS
from .lines import LogicalLine, columns, logical_lines, unquoted_blank
from .match import Matcher, compile_pattern
from .pattern import BadPattern, parse_pattern, saved_wildcards
from .pattern import Part as PatternPart
from .template import Call, Lookup, Part, Table, parse_template

# Gives the text of an include file, and the name to show for it; raises `ValueError` with what is wrong.
Include = Callable[[str], tuple[str, str]]

# A column of an entry: its line, its offset there, its text.
Column = tuple[LogicalLine, int, str]

# What a mapping file may hold and still be used.
WARNINGS = frozenset({"SW206", "SW207"})

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NOT_SET = {"]": "no directory is set", "}": "no directory is set", "{": "no database is set"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table: what it matches, what it makes of it."""

    pattern: str
    template: str
    matches: Matcher
    parts: tuple[Part, ...]
    ready: Template
    pattern_place: Place
    right: Column
    saved: int  # wildcards that "$0" and so on stand for

    def place_in_template(self, offset: int, width: int) -> Place:
        line, at, _text = self.right
        return line.place(at + offset, width)


@dataclass(slots=True)
class MappingTable:
    """A table, its entries in the order in which they are tried."""

    name: str
    place: Place
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where a template calls a routine, for checks that need other files."""

    table: str
    call: Call
    place: Place


@dataclass(slots=True)
class MappingFile:
    """All tables by name in upper case, calls, and problems."""

    tables: dict[str, MappingTable] = field(default_factory=dict)
    calls: list[CallSite] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _Reader:
    def __init__(self, include: Include, images: Images) -> None:
        self.include = include
        self.images = images
        self.found = MappingFile()
        self.table: MappingTable | None = None
        self.pending: Column | None = None  # a pattern that still wants its template
        self.stray = False  # an entry before the first table was met

    def problem(self, code: str, says: str, place: Place, remedy: str = "", more: str = "") -> None:
        severity = Severity.WARNING if code in WARNINGS else Severity.ERROR
        self.found.problems.append(Problem(code, says, place, remedy, (more,) if more else (), severity))

    def read(self, file: str, text: str, depth: int = 0) -> None:
        for line in logical_lines(file, text):
            parts = columns(line.text)
            if not parts:
                continue
            self._line(line, parts, depth)
        if depth == 0:
            self._no_template()

    def _line(self, line: LogicalLine, parts: list[tuple[int, str]], depth: int) -> None:
        first_at, first = parts[0]
        if self.pending and first.startswith("$"):
            left, self.pending = self.pending, None
            template = line.as_template()
            self._entry(left, (template, 0, template.text))
            return
        self._no_template()
        if len(parts) == 1 and first_at == 0 and first.startswith("<"):
            self._include(line, first, depth)
        elif len(parts) == 1 and first_at == 0 and _NAME.fullmatch(first):
            self._name(line, first)
        elif len(parts) == 1:
            self.pending = line, first_at, first
        else:
            self._entry((line, first_at, first), (line, *parts[1]))

    def _no_template(self) -> None:
        if not self.pending:
            return
        line, at, pattern = self.pending
        self.pending = None
        self.problem(
            "SW201",
            f'{self._where()}: the pattern "{pattern}" has no template',
            line.place(at, len(pattern)),
            'expected white space and a template here, or a next line that begins with "$".',
            'A space inside a pattern is written "$ ".',
        )

    def _where(self) -> str:
        return f"table {self.table.name}" if self.table else "before the first table"

    def _include(self, line: LogicalLine, first: str, depth: int) -> None:
        place = line.place(0, len(first))
        if depth >= INCLUDE_DEPTH:
            says = f"include files nest at most {INCLUDE_DEPTH} deep"
            self.problem("SW208", says, place, "write its entries into the file that includes it")
            return
        try:
            name, text = self.include(first[1:])
        except ValueError as error:
            says = f'"{first[1:]}" cannot be included: {error}'
            remedy = "name a file in the folder of the settings, or leave this line out"
            self.problem("SW208", says, place, remedy)
            return
        self.read(name, text, depth + 1)

    def _name(self, line: LogicalLine, name: str) -> None:
        place = line.place(0, len(name))
        table = MappingTable(name, place)
        earlier = self.found.tables.setdefault(name.upper(), table)
        if earlier is not table:
            self.problem(
                "SW203",
                f"table {name} stands twice",
                place,
                f"the other stands in {earlier.place}; join them",
            )
        self.table = table  # one that stands twice is read for its problems alone

    def _entry(self, left: Column, right: Column) -> None:
        line, at, pattern = left
        pattern_place = line.place(at, len(pattern))
        if self.table is None:
            if self.stray:
                return
            self.stray = True
            remedy = "write the table's name on a line of its own above it, beginning in column 1"
            self.problem("SW202", "this entry belongs to no table", pattern_place, remedy)
            return
        left_parts = self._pattern(line, at, pattern)
        parts = self._template(*right)
        if left_parts is not None and parts is not None:
            matches, saved = compile_pattern(left_parts), saved_wildcards(left_parts)
            entry = Entry(pattern, right[2], matches, parts, Template(parts), pattern_place, right, saved)
            self.table.entries.append(entry)

    def _pattern(self, line: LogicalLine, at: int, pattern: str) -> tuple[PatternPart, ...] | None:
        self._length(line, at, pattern, ORIGINAL_PATTERN_LETTERS, "pattern")
        try:
            return parse_pattern(pattern)
        except BadPattern as bad:
            self._bad("SW209", line, at, bad)
            return None

    def _template(self, line: LogicalLine, at: int, template: str) -> tuple[Part, ...] | None:
        self._length(line, at, template, ORIGINAL_TEMPLATE_LETTERS, "template")
        blank = unquoted_blank(template)
        if blank >= 0:
            says = f"{self._where()}: a blank inside a template is not quoted; it is kept"
            self.problem("SW206", says, line.place(at + blank), 'write "$ "')
        try:
            parts = parse_template(template)
        except BadPattern as bad:
            self._bad("SW205", line, at, bad)
            return None
        return tuple(self._checked(line, at, part) for part in parts)

    def _checked(self, line: LogicalLine, at: int, part: Part) -> Part:
        if isinstance(part, Call):
            return replace(part, bound=self._routine(line, at, part))
        if isinstance(part, Lookup):
            says = f"{self._where()}: {_NOT_SET[part.kind]}, so that this look-up could only fail"
            self.problem("SW214", says, line.place(at + part.offset, part.width), "take the entry out")
        return part

    def _length(self, line: LogicalLine, at: int, text: str, most: int, what: str) -> None:
        if len(text) > most:
            says = f"{self._where()}: a {what} of {len(text)} letters; Messaging Server takes {most}"
            remedy = "it works here, and would not load there"
            self.problem("SW207", says, line.place(at, len(text)), remedy)

    def _bad(self, code: str, line: LogicalLine, at: int, bad: BadPattern) -> None:
        self.problem(code, f"{self._where()}: {bad.says}", line.place(at + bad.offset, bad.width), bad.remedy)

    def _routine(self, line: LogicalLine, at: int, call: Call) -> Routine | None:
        """The routine that a call can really reach; without one it fails."""
        place = line.place(at + call.offset, call.width)
        image = base_name(call.image)
        routine = find_routine(self.images, call.image, call.routine)
        if image not in self.images:
            shown = line.place(at + call.offset + len(call.image) - len(image), len(image))
            self.problem(
                "SW210",
                f'call-out to "{image}": no such routine library here',
                shown,
                f"{did_you_mean(image, self.images)}  Known: {', '.join(sorted(self.images))}".lstrip(),
                "Libraries are recognised by name and never loaded from disk.",
            )
        elif routine is None:
            known = self.images[image]
            shown = line.place(at + call.routine_offset, len(call.routine))
            says = f'{image} has no routine "{call.routine}"'
            remedy = f"{did_you_mean(call.routine, known)}  Known: {', '.join(sorted(known))}".lstrip()
            self.problem("SW211", says, shown, remedy)
        elif not 0 <= len(routine.arguments) - len(call.arguments) <= routine.optional:
            most = len(routine.arguments)
            takes = f"{most - routine.optional} to {most}" if routine.optional else f"{most}"
            says = f"{call.routine} takes {takes} arguments, here are {len(call.arguments)}"
            self.problem("SW212", says, place, f"write {','.join((call.routine, *routine.arguments))}")
        else:
            table = self.table.name if self.table else ""
            self.found.calls.append(CallSite(table, call, place))
            return routine
        return None


def _no_includes(file: str) -> tuple[str, str]:
    raise ValueError(f"{file} is out of reach here")


def read_mappings(
    file: str, text: str, include: Include = _no_includes, images: Images = IMAGES
) -> MappingFile:
    """All tables of a mapping file and of what it includes. Never raises for what the file holds."""
    reader = _Reader(include, images)
    reader.read(file, text)
    return reader.found


def table_problems(found: MappingFile, names: Mapping[str, MappingTable]) -> list[Problem]:
    """Calls of tables (``$|name;...|``) that do not exist among ``names``."""
    problems = []
    for table in found.tables.values():
        for entry in table.entries:
            problems += _unknown_tables(table, entry, names)
    return problems


def _unknown_tables(table: MappingTable, entry: Entry, names: Mapping[str, MappingTable]) -> list[Problem]:
    return [
        Problem(
            "SW213",
            f'table {table.name}: there is no table "{part.name}" to ask',
            entry.place_in_template(part.offset, len(part.name)),
            did_you_mean(part.name, (known.name for known in names.values()))
            or "add the table, or take the entry out: the look-up would always fail",
        )
        for part in entry.parts
        if isinstance(part, Table) and part.name.upper() not in names
    ]
