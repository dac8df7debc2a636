"""What is legal in a mapping table and yet surely a mistake.

Entries out of reach, flags without use, captures that the pattern does not give, keys that are always empty.
"""

from collections.abc import Iterator

from sendwarden.core.place import Problem, Severity

from .match import Probe
from .parse import Entry, MappingTable
from .template import (
    CONTROLS,
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
)

# Parts that can fail, so that the scan may go on behind an entry with $C.
_CAN_FAIL = (Call, Chance, InputFlag, Lookup, Sequence, Table)
# Controls after which the scan goes on.
_GOES_ON = frozenset("CLR")
# Entries of one table that each later one is compared with. The longest are given up first, as they are the
# least likely to match what others do; tables of ten thousand entries exist.
GENERAL_ENTRIES = 100
# What stands for the control that a result scanned again may have brought along.
_ANY = "?"

# Which flags mean something, by the beginning of a table's name; messaging-server.md 3.2, 5.2 and 6.4.
FLAGS_OF_TABLES: tuple[tuple[str, str], ...] = (
    ("FILTER_", "YNTFXD"),
    ("LOG_ACTION", "YNTF<>!"),
    ("PORT_ACCESS", "YNTFAXD<>UI"),
    ("FROM_ACCESS", "YNTFBHVZ!UJKI<>DAXS"),
    ("ORIG_SEND_ACCESS", "YNTFBHVZUI<>DAXS"),
    ("SEND_ACCESS", "YNTFBHVZUI<>DAXS"),
    ("ORIG_MAIL_ACCESS", "YNTFBHVZUI<>DAXS"),
    ("MAIL_ACCESS", "YNTFBHVZUI<>DAXS"),
    ("AUTH_REWRITE", "JKYTNZ"),
)


def lint(table: MappingTable) -> list[Problem]:
    """Warnings about one table."""
    return [*_unreachable(table), *_flags(table), *_beyond(table), *_empty_keys(table)]


def _unreachable(table: MappingTable) -> list[Problem]:
    problems = []
    same: dict[str, Entry] = {}  # entries that always end, by their pattern
    general: list[Entry] = []  # those of them that match more than one text, from the top
    for entry in table.entries:
        earlier = same.get(entry.pattern) or _covering(general, entry.pattern)
        if earlier:
            problems.append(_never_matches(table, entry, earlier))
        elif _always_ends(entry):
            same[entry.pattern] = entry
            if "*" in entry.pattern and _is_plain(entry.pattern):
                general.append(entry)
            if len(general) > GENERAL_ENTRIES:
                general.remove(max(general, key=lambda one: len(one.pattern)))
        elif _may_go_on_with_another_text(entry):
            # The entries above were tried on another text than those below will be.
            same.clear()
            general.clear()
    return problems


def _never_matches(table: MappingTable, entry: Entry, earlier: Entry) -> Problem:
    place, other = entry.pattern_place, earlier.pattern_place
    where = f"line {other.line}" if other.file == place.file else f"{other.file}:{other.line}"
    return Problem(
        "SW204",
        f"table {table.name}: this entry can never match",
        place,
        f'{where}, "{earlier.pattern}", matches everything before it and ends',
        (f"Move line {place.line} above {where}. Entries are tried from the top.",),
        Severity.WARNING,
    )


def _always_ends(entry: Entry) -> bool:
    """Does the scan end here whenever this matches, whatever fails and whatever a callout answers?"""
    control = ""
    for part in entry.parts:
        if isinstance(part, _CAN_FAIL) and (control in _GOES_ON or _scanned_again(part)):
            return False
        if isinstance(part, Control):
            control = part.letter
    return control not in _GOES_ON


def _may_go_on_with_another_text(entry: Entry) -> bool:
    """May the entries below meet a text that the ones above were not tried on? ($R goes back to the top.)"""
    control = ""
    for part in entry.parts:
        if isinstance(part, Control):
            control = part.letter
        elif _scanned_again(part):
            control = _ANY
    return control in ("C", "L", _ANY)


def _scanned_again(part: Part) -> bool:
    return isinstance(part, Call) and part.bound is not None and part.bound.rescan


def _covering(general: list[Entry], pattern: str) -> Entry | None:
    """The first entry that matches all that the pattern does; sure only for literals and ``*``."""
    if not _is_plain(pattern):
        return None
    # Read the pattern as a text: if an entry matches it with its stars as plain letters, each star of it lies
    # inside a star of that entry.
    text = Probe(pattern)
    return next((entry for entry in general if entry.matches(text) is not None), None)


def _is_plain(pattern: str) -> bool:
    return "$" not in pattern and "%" not in pattern


def _flags(table: MappingTable) -> list[Problem]:
    known = next((flags for start, flags in FLAGS_OF_TABLES if table.name.upper().startswith(start)), None)
    if known is None:
        return []
    return [
        Problem(
            "SW215",
            f'flag "${part.letter}" has no meaning in table {table.name}',
            entry.place_in_template(part.offset, 2),
            f"known here: {' '.join(f'${letter}' for letter in known)}, and ${' $'.join(sorted(CONTROLS))}",
            severity=Severity.WARNING,
        )
        for entry in table.entries
        for part in entry.parts
        if isinstance(part, Flag) and part.letter not in known
    ]


def _beyond(table: MappingTable) -> Iterator[Problem]:
    """Captures beyond the wildcards of the pattern: nothing stands for them, and it is counted for nobody."""
    for entry in table.entries:
        for capture in _captures(entry.parts):
            if capture.index >= entry.saved:
                yield _beyond_problem(table, entry, capture)


def _captures(parts: tuple[Part, ...]) -> Iterator[Capture]:
    for part in parts:
        match part:
            case Capture():
                yield part
            case Call(arguments=arguments):
                yield from (
                    piece for argument in arguments for piece in argument if isinstance(piece, Capture)
                )
            case Table(argument=argument):
                yield from (piece for piece in argument if isinstance(piece, Capture))
            case _:  # of a look-up is known that it can only fail (SW214)
                pass


def _beyond_problem(table: MappingTable, entry: Entry, capture: Capture) -> Problem:
    last = entry.saved - 1
    known = {-1: "no wildcards", 0: "1 wildcard, $0"}.get(last, f"{entry.saved} wildcards, $0 to ${last}")
    not_counted = 'Not among them: networks like $(10.0.0.0/8), "$0*", and wildcards behind "$@".'
    return Problem(
        "SW217",
        f'table {table.name}: "${capture.index}" stands for nothing here',
        entry.place_in_template(capture.offset, 2),
        f'the pattern "{entry.pattern}" has {known}',
        (not_counted,) if "$" in entry.pattern else (),
        Severity.WARNING,
    )


def _empty_keys(table: MappingTable) -> Iterator[Problem]:
    """Calls whose key is empty whatever matches: MeterMaid counts no empty key, and says no each time."""
    for entry in table.entries:
        for part in entry.parts:
            if isinstance(part, Call) and part.bound and _has_empty_key(part):
                such = 'such as "$0"' if entry.saved else f'the pattern "{entry.pattern}" has no wildcards'
                yield Problem(
                    "SW218",
                    f"table {table.name}: {part.routine} has an empty key, so that it can only fail",
                    entry.place_in_template(part.offset, part.width),
                    f"write what is counted for, {such}",
                    severity=Severity.WARNING,
                )


def _has_empty_key(call: Call) -> bool:
    assert call.bound is not None
    arguments = zip(call.bound.arguments, call.arguments, strict=False)
    return any(
        name == "key" and all(isinstance(piece, Mode) for piece in argument) for name, argument in arguments
    )
