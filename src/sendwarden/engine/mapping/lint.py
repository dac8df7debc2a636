"""What is legal in a mapping table and yet surely a mistake: entries out of reach, flags without use."""

from sendwarden.core.place import Problem, Severity

from .match import Probe
from .parse import Entry, MappingTable
from .template import CONTROLS, Call, Chance, Control, Flag, InputFlag, Lookup, Table

# Parts that can fail, so that the scan may go on behind an entry with $C.
_CAN_FAIL = (Call, Chance, InputFlag, Lookup, Table)

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
)


def lint(table: MappingTable) -> list[Problem]:
    """Warnings about one table."""
    return [*_unreachable(table), *_flags(table)]


def _unreachable(table: MappingTable) -> list[Problem]:
    problems = []
    for number, entry in enumerate(table.entries):
        for earlier in table.entries[:number]:
            if _always_ends(earlier) and _covers(earlier, entry):
                line = earlier.pattern_place.line
                place = entry.pattern_place
                problems.append(
                    Problem(
                        "SW204",
                        f"table {table.name}: this entry can never match",
                        place,
                        f'line {line}, "{earlier.pattern}", matches everything before it and ends',
                        (f"Move line {place.line} above line {line}. Entries are tried from the top.",),
                        Severity.WARNING,
                    )
                )
                break
    return problems


def _always_ends(entry: Entry) -> bool:
    """Does the scan end here whenever this matches? A control left of what can fail lets it go on."""
    controls = [part.letter for part in entry.parts if isinstance(part, Control)]
    if not controls:
        return True
    can_fail = any(isinstance(part, _CAN_FAIL) for part in entry.parts)
    return controls[-1] == "E" and not (can_fail and controls[0] != "E")


def _covers(earlier: Entry, later: Entry) -> bool:
    """Does ``earlier`` match all that ``later`` does? Sure only where both hold just literals and ``*``."""
    if earlier.pattern == later.pattern:
        return True
    if any(sign in earlier.pattern + later.pattern for sign in "$%"):
        return False
    # Read the later pattern as a text: if the earlier one matches it with its stars as plain letters, each
    # star of the later one lies inside a star of the earlier one.
    return earlier.matches(Probe(later.pattern)) is not None


def _flags(table: MappingTable) -> list[Problem]:
    known = next((flags for start, flags in FLAGS_OF_TABLES if table.name.upper().startswith(start)), None)
    if known is None:
        return []
    return [
        Problem(
            "SW215",
            f'flag "${part.letter}" has no meaning in table {table.name}',
            entry.template_place,
            f"known here: {' '.join(f'${letter}' for letter in known)}, and ${' $'.join(sorted(CONTROLS))}",
            severity=Severity.WARNING,
        )
        for entry in table.entries
        for part in entry.parts
        if isinstance(part, Flag) and part.letter not in known
    ]
