"""``sendwarden settings``: every setting, its value, and where it comes from."""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.config.dns import DnsListSettings
from sendwarden.config.load import Loaded
from sendwarden.config.positions import Path
from sendwarden.config.schema import MUST_BE_SET
from sendwarden.config.shipped import SHIPPED_CHANNELS, SHIPPED_LIMITS
from sendwarden.config.traffic import ChannelSettings, LimitSettings, ScannerSettings, ScoreHeaderSettings
from sendwarden.core.place import Place
from sendwarden.core.units import Rate

# A setting's name, its value as the file would say it, and where it comes from.
Row = tuple[str, str, str]


def _as_is(value: Any) -> object:  # noqa: ANN401 - a setting of any type
    return value


# Settings that are kept in another form than the file has them -> how the file says them.
WRITTEN: Mapping[str, Callable[[Any], object]] = {
    "until": lambda moment: f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}",
    "timeout": lambda seconds: f"{1000 * seconds:.0f}ms",
    "largest": lambda size_bytes: f"{size_bytes // 1024} KiB",
}

DEFAULT = "default"
_WIDTH = 70


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--changed", action="store_true", help="only what is not at its default")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    rows = [row for row in _rows(loaded) if not arguments.changed or row[2] != DEFAULT]
    width = max((len(name) + len(value) for name, value, _ in rows), default=0) + 3
    for name, value, origin in rows:
        output.record({"setting": name, "value": value, "origin": origin})
        output.line(f"{f'{name} = {value}':<{min(width, _WIDTH)}}  {origin}")
    if not loaded.usable:
        check = command_for(arguments.config)("check")
        output.error(f"Some settings have errors and are left out here: {check}")
        return NO
    return GOOD


def _rows(loaded: Loaded) -> Iterator[Row]:
    yield from _table(loaded, loaded.settings, (), "")
    yield from _named(loaded, "scanner", loaded.settings.scanner, ())
    yield from _named(loaded, "dns_list", loaded.settings.dns_list, ())
    yield from _named(loaded, "score_header", loaded.settings.score_header, ())
    yield from _named(loaded, "limits", loaded.settings.limits, SHIPPED_LIMITS)
    for number, override in enumerate(loaded.settings.override):
        yield from _one(loaded, ("override", number), f"override.{number + 1}", override, {})
    yield from _named(loaded, "channel", loaded.settings.channel, SHIPPED_CHANNELS)
    for table in loaded.site.meters.values():
        for option, place in table.places.items():
            yield f"metermaid.table.{table.name}.{option}", shown(getattr(table, option)), _place(place)


def _named(
    loaded: Loaded,
    table: str,
    own: Sequence[ChannelSettings | DnsListSettings | LimitSettings | ScannerSettings | ScoreHeaderSettings],
    shipped: Iterable[Mapping[str, object]],
) -> Iterator[Row]:
    """Tables that have names: those of the settings, then those that are shipped and not changed."""
    left = {str(values["name"]): values for values in shipped}
    for number, one in enumerate(own):
        yield from _one(loaded, (table, number), f"{table}.{one.name}", one, left.pop(one.name, {}))
    for name, values in left.items():
        for setting, value in values.items():
            if setting != "name":
                yield f"{table}.{name}.{setting}", shown(value), DEFAULT


def _one(
    loaded: Loaded, path: Path, name: str, model: BaseModel, shipped: Mapping[str, object]
) -> Iterator[Row]:
    for setting in type(model).model_fields:
        if setting in model.model_fields_set:
            origin = _place(loaded.origins.get((*path, setting)))
            value = getattr(model, setting)
            yield f"{name}.{setting}", shown(WRITTEN.get(setting, _as_is)(value)), origin
        elif setting in shipped:
            yield f"{name}.{setting}", shown(shipped[setting]), DEFAULT


def _table(loaded: Loaded, model: BaseModel, path: Path, prefix: str) -> Iterator[Row]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _table(loaded, value, (*path, name), f"{prefix}{name}.")
        elif prefix or name not in MUST_BE_SET:
            yield f"{prefix}{name}", shown(value), _place(loaded.origins.get((*path, name)))


def _place(place: Place | None) -> str:
    return f"{place.file}:{place.line}" if place else DEFAULT


def shown(value: object) -> str:
    """A value as the file would say it."""
    if value is None:
        return "left out"
    if isinstance(value, list):
        value = [str(one) if isinstance(one, Rate) else one for one in value]
    if isinstance(value, frozenset):
        value = ",".join(sorted(map(str, value)))
    return json.dumps(value, default=str, ensure_ascii=False)
