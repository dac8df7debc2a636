"""``sendwarden mapping TABLE PROBE``: a table at work on one probe, entry by entry. Nothing is counted."""

import argparse
from collections.abc import Iterable

from sendwarden.cli.access import effect_lines
from sendwarden.cli.configuration import NoSettings, add_config, copied_meters, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.cli.probe import MeterUse, ProbeWorld, WallClock, WatchedMeters
from sendwarden.cli.words import meant
from sendwarden.core.errors import StoreDown
from sendwarden.core.units import duration
from sendwarden.engine.mapping.run import TriedEntry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("table", help="name of the table; a filter's test x asks FILTER_x")
    parser.add_argument("probe", help="the text that goes in, as in 'bob@example.org|x@example.net'")
    parser.add_argument("--flags", default="", metavar="AT", help="input flags that are set, for $:x and $;x")
    parser.add_argument(
        "--chance", type=_chance, default=0.0, metavar="X", help="what chance says for $?x?, 0 to 100"
    )


def _chance(text: str) -> float:
    """Raises `ArgumentTypeError`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:  # noqa: PLR2004 - per cent; nan is none either
        raise argparse.ArgumentTypeError(f'"{text}" is no number from 0 to 100')
    return value


def run(arguments: argparse.Namespace, output: Output) -> int:
    now = WallClock().now()
    try:
        loaded = load_configuration(arguments)
        meters = WatchedMeters(copied_meters(loaded, now))
    except (NoSettings, StoreDown) as error:
        output.error(str(error))
        return CANNOT
    mappings = loaded.site.mappings
    if arguments.table not in mappings:
        known = [table.name for table in mappings.tables.values()]
        where = loaded.folder.name(loaded.folder.resolve(loaded.settings.mapping.file))
        read = "" if known else f" ({loaded.folder.path / where} has none; --config names other settings)"
        output.error(f"there is no mapping table {arguments.table}; {meant(arguments.table, known)}{read}")
        return CANNOT
    world = ProbeWorld(now, meters, arguments.chance)
    trace: list[TriedEntry] = []
    flags = frozenset(arguments.flags.upper())
    result = mappings.scan(arguments.table, arguments.probe, world, flags, trace)
    output.line(f"probe   {arguments.probe}")
    for line in entry_lines(trace):
        output.line(f"  {line}")
    for line in meter_lines(meters.uses):
        output.line(line)
    for warning in world.warnings.told:
        output.line(f"warning {warning}")
    output.line(f"text    {result.text}")
    output.line(f"flags   {' '.join(f'${flag}' for flag in sorted(result.flags)) or 'none'}")
    for line in effect_lines(arguments.table, result):
        output.line(f"effect  {line}")
    if not loaded.usable:
        check = command_for(arguments.config)("check")
        output.error(f"The configuration has errors, and tables may be incomplete: {check}")
    output.record({"text": result.text, "flags": "".join(sorted(result.flags)), "matched": result.matched})
    return GOOD if result.matched else NO


def entry_lines(trace: Iterable[TriedEntry]) -> list[str]:
    """One line for each entry tried, and one for each call it made."""
    lines = []
    for tried in trace:
        place = tried.entry.pattern_place
        what = f"{tried.table} {place.file}:{place.line}  {tried.entry.pattern}"
        if not tried.matched:
            lines.append(f"{what}   no match")
            continue
        lines += [f"    {call}" for call in tried.calls]
        if tried.failed:
            lines.append(f"{what}   matched, then failed: text and flags are dropped")
        else:
            lines.append(f'{what}   matched: text "{tried.text}" flags {tried.flags or "none"}')
    return lines


def meter_lines(uses: Iterable[MeterUse]) -> list[str]:
    """What each meter held before and after."""
    return [
        f"meter   {use.table} {use.key}: {use.before:g} -> {use.after:g} of {use.quota} in "
        f"{duration(use.window_s)}"
        f"{', over' if use.over else ''}"
        for use in uses
    ]
