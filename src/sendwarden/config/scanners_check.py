"""Scanners checked against each other and against the channels that name them."""

from collections.abc import Callable, Iterator

from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.config.traffic import ChannelSettings
from sendwarden.config.values import shown
from sendwarden.core.place import Place, Problem, Severity, did_you_mean

PlaceOf = Callable[[Path], Place | None]

# Kinds of scanners that find viruses; all others, and headers, score.
FIND_VIRUSES = frozenset({"clamd"})


def check_scanners(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    yield from _twice(settings, place_of)
    viruses = {one.name for one in settings.scanner if one.kind in FIND_VIRUSES}
    names = [one.name for one in settings.scanner] + [one.name for one in settings.score_header]
    for number, channel in enumerate(settings.channel):
        yield from _named(channel, names, ("channel", number), place_of)
        yield from _without_effect(channel, viruses, ("channel", number), place_of)


def _twice(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    seen: set[str] = set()
    headers: set[str] = set()
    tables: list[tuple[Path, str]] = []
    tables += [(("scanner", number), one.name) for number, one in enumerate(settings.scanner)]
    tables += [(("score_header", number), one.name) for number, one in enumerate(settings.score_header)]
    for path, name in tables:
        if name in seen:
            says = f'there are two scanners or score headers "{name}"'
            yield Problem("SW117", says, place_of((*path, "name")), "give each its own name")
        seen.add(name)
    for number, one in enumerate(settings.score_header):
        if one.header.lower() in headers:
            place = place_of(("score_header", number, "header"))
            says = f"{one.header} is a score header already"
            yield Problem("SW117", says, place, "name all its writers in one table")
        headers.add(one.header.lower())


def _named(channel: ChannelSettings, names: list[str], path: Path, place_of: PlaceOf) -> Iterator[Problem]:
    for number, name in enumerate(channel.scan or ()):
        if name not in names:
            known = f"there are {', '.join(names)}" if names else "none is set: write a [[scanner]] table"
            remedy = did_you_mean(name, names) or known
            says = f"there is no scanner or score header {shown(name)}"
            yield Problem("SW118", says, place_of((*path, "scan", number)), remedy)


def _without_effect(
    channel: ChannelSettings, viruses: set[str], path: Path, place_of: PlaceOf
) -> Iterator[Problem]:
    asked = set(channel.scan or ())
    for name, found, what in (
        ("spam", asked - viruses, "scores mail"),
        ("virus", asked & viruses, "looks for viruses"),
    ):
        value = getattr(channel, name)
        if value in (None, "pass") or found:
            continue
        says = f'{name} = "{value}" has no effect on channel "{channel.name}"'
        remedy = f"name a scanner that {what} in its scan"
        yield Problem("SW119", says, place_of((*path, name)), remedy, severity=Severity.WARNING)
