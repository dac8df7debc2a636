"""The scan of a table: entries from the top, a template for the first that matches, on and on as it says.

Source: AG63-bgaje, -bgajb. A part of a template that fails drops the entry's text and flags; the scan then
ends with the text it had, unless ``$C``, ``$L`` or ``$R`` stood to the left of the failing part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from sendwarden.engine.meters.tables import MeterError
from sendwarden.engine.world import World

from .limits import PASSES_WITHOUT_PROGRESS, TABLE_DEPTH
from .match import Probe, TooManySteps
from .parse import Entry, MappingTable
from .pattern import BadPattern
from .template import (
    Argument,
    Call,
    Capture,
    Chance,
    Control,
    Flag,
    InputFlag,
    Lookup,
    Mode,
    Part,
    Sequence,
    Table,
    Text,
    parse_result,
)

# RFC 4515 section 3: what must be written as \xx in a filter's value.
_LDAP_QUOTED = {letter: f"\\{ord(letter):02x}" for letter in "*()\\\0"}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Result:
    """What came out. Nothing matched, or the entry failed: ``text`` is the probe and there are no flags."""

    text: str
    flags: frozenset[str] = frozenset()
    matched: bool = False

    @property
    def yes(self) -> bool:
        """``$Y``, or its other name ``$T``; both win over ``$N``."""
        return not self.flags.isdisjoint(("Y", "T"))


@dataclass(slots=True)
class TriedEntry:
    """One line of a trace: an entry, and what became of it."""

    table: str
    entry: Entry
    probe: str
    matched: bool
    text: str = ""
    flags: str = ""
    failed: bool = False
    calls: list[str] = field(default_factory=list)


class Mappings:
    """The tables of a site, by name without regard to case."""

    def __init__(self, tables: Mapping[str, MappingTable]) -> None:
        self.tables = dict(tables)

    def __contains__(self, name: str) -> bool:
        return name.upper() in self.tables

    def scan(
        self,
        name: str,
        probe: str,
        world: World,
        input_flags: frozenset[str] = frozenset(),
        trace: list[TriedEntry] | None = None,
    ) -> Result:
        """Run a table on a probe. Raises `KeyError` where there is no such table, and nothing else."""
        return _Scan(self.tables, world, input_flags, trace, depth=0).run(self.tables[name.upper()], probe)


class _Failed(Exception):
    """A part of a template failed."""


class _Scan:
    def __init__(
        self,
        tables: Mapping[str, MappingTable],
        world: World,
        input_flags: frozenset[str],
        trace: list[TriedEntry] | None,
        depth: int,
    ) -> None:
        self.tables = tables
        self.world = world
        self.input_flags = input_flags
        self.trace = trace
        self.depth = depth

    def run(self, table: MappingTable, text: str) -> Result:
        flags: set[str] = set()
        probe, matched, at = Probe(text), False, 0
        extra_pass_wanted, extra_pass_given = False, False
        before, stuck = len(text), 0  # letters of the last pass; passes that made it no shorter
        while True:
            step = self._next_match(table, at, probe)
            if step is None:
                if not extra_pass_wanted or extra_pass_given:
                    return Result(probe.text, frozenset(flags), matched)
                extra_pass_given, restarted, at = True, True, 0
            else:
                number, expansion = step
                matched = matched or not expansion.failed
                if not expansion.failed:
                    probe = Probe("".join(expansion.out))
                    flags |= expansion.flags
                if expansion.control not in ("C", "L", "R"):
                    return Result(probe.text, frozenset(flags), matched)
                restarted = expansion.control == "R"
                extra_pass_wanted = extra_pass_wanted or expansion.control == "L"
                at = 0 if restarted else number + 1
            if restarted:
                stuck = 0 if len(probe.text) < before else stuck + 1
                before = len(probe.text)
                if stuck >= PASSES_WITHOUT_PROGRESS:
                    self.world.warn("mapping-loop", table.name)
                    return Result(probe.text, frozenset(flags), matched)

    def _next_match(self, table: MappingTable, at: int, probe: Probe) -> "tuple[int, _Expansion] | None":
        entries = table.entries
        for number in range(at, len(entries)):
            entry = entries[number]
            try:
                captures = entry.matches(probe)
            except TooManySteps:
                self.world.warn("mapping-steps", table.name)
                captures = None
            tried = None
            if self.trace is not None:
                tried = TriedEntry(table.name, entry, probe.text, captures is not None)
                self.trace.append(tried)
            if captures is not None:
                expansion = _Expansion(self, captures, tried)
                expansion.run(entry.parts)
                return number, expansion
        return None


class _Expansion:
    """One template at work."""

    def __init__(self, scan: _Scan, captures: tuple[str, ...], tried: TriedEntry | None) -> None:
        self.scan = scan
        self.captures = captures
        self.tried = tried
        self.out: list[str] = []
        self.flags: set[str] = set()
        self.control = ""
        self.case = ""
        self.ldap = False
        self.failed = False

    def run(self, parts: tuple[Part, ...]) -> None:
        try:
            self._expand(parts)
        except _Failed:
            self.failed = True
        if self.tried is not None:
            self.tried.failed = self.failed
            self.tried.text = "".join(self.out)
            self.tried.flags = "".join(sorted(self.flags)) + self.control

    def _expand(self, parts: tuple[Part, ...]) -> None:
        for part in parts:
            match part:
                case Text(text):
                    self.out.append(self._cased(text))
                case Capture(index):
                    self.out.append(self._substituted(index))
                case Flag(letter):
                    self.flags.add(letter)
                case Control(letter):
                    self.control = letter
                case Mode(letter):
                    self._mode(letter)
                case _:
                    self._ask(part)

    def _ask(self, part: Part) -> None:
        match part:
            case Call():
                self._call(part)
            case Table():
                self._table(part)
            case InputFlag(letter, wanted):
                self._must((letter in self.scan.input_flags) is wanted)
            case Chance(percent):
                self._must(self.scan.world.chance() < percent)
            case Sequence():
                self.out.append(self._number(part))
            case Lookup():
                raise _Failed

    @staticmethod
    def _must(holds: bool) -> None:  # noqa: FBT001
        if not holds:
            raise _Failed

    def _mode(self, letter: str) -> None:
        if letter == "=":
            self.ldap = True
        else:
            self.case = "" if letter == "_" else letter
            self.ldap = self.ldap and letter != "_"

    def _cased(self, text: str) -> str:
        if not self.case:
            return text
        return text.lower() if self.case == "\\" else text.upper()

    def _substituted(self, index: int) -> str:
        text = self._cased(self.captures[index]) if index < len(self.captures) else ""
        return "".join(_LDAP_QUOTED.get(letter, letter) for letter in text) if self.ldap else text

    def _argument(self, argument: Argument) -> str:
        """An argument's text. Case and quoting set outside do not reach in, those set inside end with it."""
        outside = self.case, self.ldap
        self.case, self.ldap = "", False
        text = []
        for part in argument:
            match part:
                case Text(words):
                    text.append(self._cased(words))
                case Capture(index):
                    text.append(self._substituted(index))
                case Mode(letter):
                    self._mode(letter)
        self.case, self.ldap = outside
        return "".join(text)

    def _call(self, call: Call) -> None:
        routine = call.bound
        arguments = [self._argument(argument) for argument in call.arguments]
        answer = None
        if routine is not None:
            try:
                answer = routine.answer(self.scan.world, arguments)
            except MeterError as error:
                self.scan.world.warn("callout-failed", f"{call.routine},{arguments[0]}: {error}")
        if self.tried is not None:
            shown = "failed" if answer is None else f'gave "{answer}"'
            self.tried.calls.append(f"{call.routine}({', '.join(arguments)}) {shown}")
        if answer is None or routine is None:
            raise _Failed
        if routine.rescan:
            try:
                self._expand(_result_parts(answer))
            except BadPattern:
                self.scan.world.warn("callout-result", call.routine)
                raise _Failed from None
        else:
            self.out.append(answer)

    def _table(self, part: Table) -> None:
        scan = self.scan
        table = scan.tables.get(part.name.upper())
        if table is None or scan.depth >= TABLE_DEPTH:
            raise _Failed
        inner = _Scan(scan.tables, scan.world, scan.input_flags, scan.trace, scan.depth + 1)
        result = inner.run(table, self._argument(part.argument))
        self._must("Y" in result.flags or (part.url_form and "T" in result.flags))
        self.out.append(result.text)

    def _number(self, part: Sequence) -> str:
        number = self.scan.world.meters.next_number(self._argument(part.name))
        if part.modulus:
            number %= part.modulus
        digits = ""
        while number or not digits:
            number, digit = divmod(number, part.radix)
            digits = _DIGITS[digit] + digits
        return digits.rjust(part.width, "0")


@lru_cache(maxsize=1024)
def _result_parts(text: str) -> tuple[Part, ...]:
    return parse_result(text)
