"""Settings about access tables, and what can be wrong between them and the tables."""

from collections.abc import Callable, Iterator

from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.core.decision import Stage
from sendwarden.core.place import Place, Problem, Severity
from sendwarden.engine.access.effects import VOID
from sendwarden.engine.access.tables import AccessRules, present
from sendwarden.engine.channel import Mode
from sendwarden.engine.mapping.parse import Entry, MappingFile
from sendwarden.engine.mapping.template import Flag, Table

# The place of a setting, or of the nearest one around it.
PlaceOf = Callable[[Path], Place | None]

# Routines that count something for their key.
COUNTING = frozenset({"throttle", "adjust", "adjust_and_test"})
# Flags that a policy reply cannot carry out, by the step of their table.
NOT_BY_POLICY = {Stage.MAIL: frozenset("JK"), Stage.RCPT: frozenset("BJK")}


def access_rules(settings: Settings) -> AccessRules:
    access = settings.access
    return AccessRules(
        frontends=access.frontends,
        external=access.external_channel,
        internal=access.internal_channel,
        orcpt=access.orcpt,
        counts=access.counts,
        paranoia=settings.mapping.paranoia,
        mode=Mode(settings.mode),
    )


def access_problems(settings: Settings, found: MappingFile, place_of: PlaceOf) -> Iterator[Problem]:
    """What access tables ask for in vain, and what would count twice."""
    stages = present(found.tables.__contains__)
    for stage, names in stages.items():
        for name in names:
            if stage is not Stage.END_OF_MESSAGE:
                yield from _void(found, name)
            if settings.access.frontends == "policy":
                yield from _not_by_policy(found, stage, name)
    every = [name for names in stages.values() for name in names]
    if settings.access.frontends == "both":
        yield from _twice(settings, found, every, place_of)


def _flags(found: MappingFile, name: str) -> Iterator[tuple[Entry, Flag]]:
    for entry in found.tables[name].entries:
        for part in entry.parts:
            if isinstance(part, Flag):
                yield entry, part


def _void(found: MappingFile, name: str) -> Iterator[Problem]:
    for entry, flag in _flags(found, name):
        if flag.letter in VOID:
            says = f'flag "${flag.letter}" of table {name} has no effect here'
            place = entry.place_in_template(flag.offset, 2)
            yield Problem(
                "SW219", says, place, "its argument is taken all the same", severity=Severity.WARNING
            )


def _not_by_policy(found: MappingFile, stage: Stage, name: str) -> Iterator[Problem]:
    remedy = 'access.frontends = "milter" can'
    if stage is Stage.END_OF_MESSAGE:
        says = f"table {name} is never asked: a policy server sees no header"
        yield Problem("SW323", says, found.tables[name].place, remedy, severity=Severity.WARNING)
        return
    for entry, flag in _flags(found, name):
        if flag.letter in NOT_BY_POLICY.get(stage, ()):
            says = f'a policy reply cannot say flag "${flag.letter}" of table {name}'
            place = entry.place_in_template(flag.offset, 2)
            yield Problem("SW323", says, place, remedy, severity=Severity.WARNING)


def _twice(settings: Settings, found: MappingFile, names: list[str], place_of: PlaceOf) -> Iterator[Problem]:
    reached = _reached(found, names)
    counting = [call for call in found.calls if call.call.routine.lower() in COUNTING]
    call = next((call for call in counting if call.table.upper() in reached), None)
    if call and settings.listen.policy and settings.listen.milter:
        says = f"table {call.table} counts, and is asked by policy and by milter"
        remedy = 'write "milter" or "policy", unless no mail server uses both'
        place = place_of(("access", "frontends"))
        yield Problem("SW325", says, place, remedy, severity=Severity.WARNING)


def _reached(found: MappingFile, names: list[str]) -> set[str]:
    """These tables and all that they ask."""
    reached, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop().upper()
        if name in found.tables and name not in reached:
            reached.add(name)
            parts = (part for entry in found.tables[name].entries for part in entry.parts)
            waiting += [part.name for part in parts if isinstance(part, Table)]
    return reached
