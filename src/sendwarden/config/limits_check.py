"""Limits and overrides checked against each other: rows that exist, windows that make sense."""

from collections.abc import Callable, Iterator

from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.config.traffic import LimitSettings, OverrideSettings
from sendwarden.config.values import shown
from sendwarden.core.identity import account_of
from sendwarden.core.place import Place, Problem, Severity, did_you_mean
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import NO_LIMITS, RECIPIENTS, Limit, Limits
from sendwarden.engine.limits.windows import window_of
from sendwarden.service.site import Site

PlaceOf = Callable[[Path], Place | None]


def check_limits(site: Site, settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    yield from _rows_named(site, settings, place_of)
    yield from _names_of_rows(settings, place_of)
    for number, row in enumerate(settings.limits):
        if own := site.rows.get(row.name):
            yield from _order(own, row, ("limits", number), place_of)
            yield from _per_message(own, row, ("limits", number), place_of)
    for number, override in enumerate(settings.override):
        yield from _override(site, override, ("override", number), place_of)
    yield from _counted_before(site, settings, place_of)


def _names_of_rows(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, row in enumerate(settings.limits):
        place = place_of(("limits", number, "name"))
        if row.name == NO_LIMITS:
            says = f'"{NO_LIMITS}" is no row: it stands for no limits at all'
            yield Problem("SW114", says, place, 'give the row another name, such as "bulk"')
        elif row.name in seen:
            remedy = "join the two, or give each its own name; the first one counts"
            yield Problem("SW107", f"there are two rows of limits {shown(row.name)}", place, remedy)
        seen.add(row.name)


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


def _order(row: Limits, own: LimitSettings, path: Path, place_of: PlaceOf) -> Iterator[Problem]:
    """A long window that allows no more than a short one leaves the short one without effect."""
    for long in row.limits:
        if short := next((one for one in row.limits if _without_effect(one, long)), None):
            says = f"{short} has no effect beside {long}"
            remedy = f"write more than {short.most} for {long.window_name}, or leave {short.window_name} out"
            windows = [window_of(rate) for rate in getattr(own, long.counted)]
            at = (windows.index(long.window),) if long.window in windows else ()
            place = place_of((*path, long.counted, *at))
            yield Problem("SW140", says, place, remedy, severity=Severity.WARNING)


def _per_message(row: Limits, own: LimitSettings, path: Path, place_of: PlaceOf) -> Iterator[Problem]:
    """More recipients of one message than a window lets through at all."""
    cap = row.per_message
    rates = (one for one in row.limits if one.counter == RECIPIENTS)
    lowest = min(rates, key=lambda one: one.most, default=None)
    if "per_message" in own.model_fields_set and lowest and cap and cap > lowest.most:
        says = f"per_message = {cap} is more than may go at all: {lowest}"
        remedy = f"write per_message = {lowest.most}, or more recipients for {lowest.window_name}"
        yield Problem("SW141", says, place_of((*path, "per_message")), remedy, severity=Severity.WARNING)


def _without_effect(short: Limit, long: Limit) -> bool:
    return short.counter == long.counter and short.window < long.window and short.most >= long.most


def _override(site: Site, own: OverrideSettings, path: Path, place_of: PlaceOf) -> Iterator[Problem]:
    known = [channel.name for channel in site.channels]
    for number, name in enumerate(own.channels):
        if name not in known:
            remedy = did_you_mean(name, known) or f"channels are {', '.join(known)}"
            place = place_of((*path, "channels", number))
            yield Problem("SW113", f"there is no channel {shown(name)}", place, remedy)


def _counted_before(site: Site, settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    """An account that an override names though one above it always counts for it."""
    for number, (override, own) in enumerate(zip(site.overrides, settings.override, strict=True)):
        for at, name in enumerate(own.accounts):
            account = account_of(name, site.identity)
            above = (one for one in site.overrides[:number] if account in one.accounts)
            first = next((one for one in above if _leaves_nothing(one, override)), None)
            if first:
                says = f"for {shown(name)} another override counts: the first that names it, {first.source}"
                place = place_of(("override", number, "accounts", at))
                remedy = "take it out of one of the two"
                yield Problem("SW115", says, place, remedy, severity=Severity.WARNING)


def _leaves_nothing(first: Override, second: Override) -> bool:
    """Wherever and whenever the second holds for an account of both, does the first?"""
    lasts = first.until is None or (second.until is not None and second.until <= first.until)
    return lasts and (not first.channels or frozenset() < second.channels <= first.channels)
