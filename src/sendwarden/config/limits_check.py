"""Limits and overrides checked against each other: rows that exist, windows that make sense."""

from collections.abc import Callable, Iterator

from sendwarden.config.limits import NO_LIMITS
from sendwarden.config.positions import Path
from sendwarden.config.schema import OverrideSettings, Settings
from sendwarden.config.values import shown
from sendwarden.core.place import Place, Problem, Severity, did_you_mean
from sendwarden.engine.limits.rules import Limit, Limits
from sendwarden.service.attributes import NAMES, names_in
from sendwarden.service.site import Site

PlaceOf = Callable[[Path], Place | None]


def check_limits(site: Site, settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    yield from _rows_named(site, settings, place_of)
    for number, row in enumerate(settings.limits):
        if own := site.rows.get(row.name):
            yield from _order(own, ("limits", number), place_of)
    yield from _directory(settings, place_of)
    for number, override in enumerate(settings.override):
        yield from _override(site, override, ("override", number), place_of)


def _rows_named(site: Site, settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    named: list[tuple[Path, str | None]] = []
    named += [(("channel", number), one.limits) for number, one in enumerate(settings.channel)]
    named += [(("override", number), one.limits) for number, one in enumerate(settings.override)]
    for path, name in named:
        if name and name != NO_LIMITS and name not in site.rows:
            remedy = did_you_mean(name, (*site.rows, NO_LIMITS))
            remedy = remedy or f'rows are {", ".join(site.rows)}; no limit is "{NO_LIMITS}"'
            says = f"there is no row of limits {shown(name)}"
            yield Problem("SW111", says, place_of((*path, "limits")), remedy)


def _directory(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    """A database without a query for an account would say the same of all, or nothing."""
    own = settings.directory
    names = names_in(own.query)
    example = 'write query = "SELECT limits FROM users WHERE login = :account"'
    if own.url and not names:
        says = "the query names no account" if own.query else "a database is named, and no query"
        yield Problem("SW114", says, place_of(("directory", "query" if own.query else "url")), example)
    for name in names:
        if name not in NAMES:
            says = f"nothing is known here that :{name} could stand for"
            remedy = did_you_mean(name, NAMES) or f"there are :{', :'.join(NAMES)}"
            yield Problem("SW114", says, place_of(("directory", "query")), remedy)


def _order(row: Limits, path: Path, place_of: PlaceOf) -> Iterator[Problem]:
    """A long window that allows no more than a short one leaves the short one without effect."""
    for long in row.limits:
        if short := next((one for one in row.limits if _without_effect(one, long)), None):
            says = f"{short} has no effect beside {long}"
            remedy = f"write more than {short.most} for {long.window_name}, or leave {short.window_name} out"
            place = place_of((*path, short.counted))
            yield Problem("SW140", says, place, remedy, severity=Severity.WARNING)


def _without_effect(short: Limit, long: Limit) -> bool:
    return short.counter == long.counter and short.window < long.window and short.most >= long.most


def _override(site: Site, own: OverrideSettings, path: Path, place_of: PlaceOf) -> Iterator[Problem]:
    known = [channel.name for channel in site.channels]
    for number, name in enumerate(own.channels):
        if name not in known:
            remedy = did_you_mean(name, known) or f"channels are {', '.join(known)}"
            place = place_of((*path, "channels", number))
            yield Problem("SW113", f"there is no channel {shown(name)}", place, remedy)
