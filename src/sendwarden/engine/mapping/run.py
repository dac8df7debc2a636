"""The scan of a table: entries from the top, a template for the first that matches, on and on as it says.

Source: AG63-bgaje, -bgajb. A part of a template that fails drops the entry's text and flags; the scan then
ends with the text it had, unless ``$C``, ``$L`` or ``$R`` stood to the left of the failing part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sendwarden.engine.world import World

from .expand import Expansion
from .limits import PASSES, PASSES_WITHOUT_PROGRESS, PROBE_LETTERS, TABLE_DEPTH
from .match import Probe, TooManySteps
from .parse import Entry, MappingTable

_NO_FLAGS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What came out. Nothing matched, or the entry failed: ``text`` is the probe and there are no flags."""

    text: str
    flags: frozenset[str] = _NO_FLAGS
    matched: bool = False
    entry: Entry | None = field(default=None, compare=False)  # the last one that matched and did not fail

    @property
    def yes(self) -> bool:
        """``$Y``, or its other name ``$T``; both win over ``$N``."""
        return "Y" in self.flags or "T" in self.flags


@dataclass(slots=True)
class TriedEntry:
    """One line of a trace: an entry, and what became of it."""

    table: str
    entry: Entry
    probe: str
    matched: bool = False
    failed: bool = False
    text: str = ""
    flags: str = ""  # with the control letter last
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
        input_flags: frozenset[str] = _NO_FLAGS,
        trace: list[TriedEntry] | None = None,
    ) -> Result:
        """Run a table on a probe. Raises `KeyError` where there is no such table, and nothing else."""
        table = self.tables.get(name) or self.tables[name.upper()]
        return Scan(self.tables, world, input_flags, trace).run(table, probe)


class _Passes:
    """Counts the passes of a scan, and those in a row that made the text no shorter."""

    __slots__ = ("left", "letters", "stuck")

    def __init__(self, text: str) -> None:
        self.letters = len(text)
        self.left = PASSES
        self.stuck = 0

    def enough(self, text: str) -> bool:
        """A pass is over, and another one would begin with ``text``. Must it not?"""
        self.stuck = 0 if len(text) < self.letters else self.stuck + 1
        self.letters = len(text)
        self.left -= 1
        return self.stuck >= PASSES_WITHOUT_PROGRESS or not self.left


class Scan:
    """One scan with what its templates may look at."""

    __slots__ = ("depth", "input_flags", "tables", "trace", "world")

    def __init__(
        self,
        tables: Mapping[str, MappingTable],
        world: World,
        input_flags: frozenset[str],
        trace: list[TriedEntry] | None,
    ) -> None:
        self.tables = tables
        self.world = world
        self.input_flags = input_flags
        self.trace = trace
        self.depth = 0

    def nested(self, name: str, probe: str) -> Result | None:
        """Another table's result; None where there is none, or where tables ask each other in a circle."""
        table = self.tables.get(name)
        if table is None or self.depth >= TABLE_DEPTH:
            return None
        self.depth += 1
        try:
            return self.run(table, probe)
        finally:
            self.depth -= 1

    def run(self, table: MappingTable, text: str) -> Result:
        flags = _NO_FLAGS
        probe, matched, at = Probe(text), False, 0
        last: Entry | None = None
        extra_pass_wanted, extra_pass_given = False, False
        passes = _Passes(text)
        while True:
            number, captures = self._match(table, at, probe)
            if captures is None:
                if not extra_pass_wanted or extra_pass_given:
                    return Result(probe.text, flags, matched, last)
                extra_pass_given, restarted, at = True, True, 0
            else:
                made, new_flags, control = self._expand(table.entries[number], captures)
                if made is not None:
                    matched, last = True, table.entries[number]
                    flags = flags | new_flags if flags else new_flags
                    probe = Probe(made) if control in ("C", "L", "R") else probe
                if control not in ("C", "L", "R"):
                    return Result(probe.text if made is None else made, flags, matched, last)
                extra_pass_wanted = extra_pass_wanted or control == "L"
                restarted = control == "R"
                at = 0 if restarted else number + 1
            if restarted and passes.enough(probe.text):
                self.world.warn("mapping-loop", table.name)
                return Result(probe.text, flags, matched, last)

    def _match(self, table: MappingTable, at: int, probe: Probe) -> tuple[int, tuple[str, ...] | None]:
        """The first entry from ``at`` on that matches, and its captures; None when the table ends first."""
        entries = table.entries
        if len(probe.text) > PROBE_LETTERS:
            self.world.warn("mapping-probe", table.name)
            return len(entries), None
        for number in range(at, len(entries)):
            entry = entries[number]
            try:
                captures = entry.matches(probe)
            except TooManySteps:
                self.world.warn("mapping-steps", table.name)
                captures = None
            if self.trace is not None:
                self.trace.append(TriedEntry(table.name, entry, probe.text, captures is not None))
            if captures is not None:
                return number, captures
        return len(entries), None

    def _expand(self, entry: Entry, captures: tuple[str, ...]) -> tuple[str | None, frozenset[str], str]:
        """Text (None: failed), flags and control letter of an entry that matched."""
        ready = entry.ready
        if ready.constant is not None and self.trace is None:
            return ready.constant, ready.flags, ready.tail_control
        tried = self.trace[-1] if self.trace is not None else None
        expansion = Expansion(self, captures)
        expansion.calls = tried.calls if tried else None
        text = ready.expand(expansion)
        flags = ready.flags | expansion.flags if expansion.flags else ready.flags
        if tried:
            tried.failed, tried.text = text is None, text or ""
            tried.flags = "".join(sorted(flags)) + expansion.control
        return text, flags, expansion.control
