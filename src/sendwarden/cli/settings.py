"""``sendwarden settings``: every setting, its value, and where it comes from."""

import argparse
import json
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.config.load import Loaded
from sendwarden.config.positions import Path
from sendwarden.config.schema import SHIPPED_CHANNELS, ChannelSettings
from sendwarden.core.place import Place

# A setting's name, its value as the file would say it, and where it comes from.
Row = tuple[str, str, str]

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
        output.error("Some settings have errors and are left out here: sendwarden check")
        return NO
    return GOOD


def _rows(loaded: Loaded) -> Iterator[Row]:
    yield from _table(loaded, loaded.settings, (), "")
    shipped = {str(values["name"]): values for values in SHIPPED_CHANNELS}
    for number, channel in enumerate(loaded.settings.channel):
        yield from _channel(loaded, number, channel, shipped.pop(channel.name, {}))
    for name, values in shipped.items():
        yield from (
            (f"channel.{name}.{setting}", shown(value), DEFAULT)
            for setting, value in values.items()
            if setting != "name"
        )
    for table in loaded.site.meters.values():
        for option, place in table.places.items():
            yield f"metermaid.table.{table.name}.{option}", shown(getattr(table, option)), _place(place)


def _channel(
    loaded: Loaded, number: int, channel: ChannelSettings, shipped: Mapping[str, object]
) -> Iterator[Row]:
    for name in ChannelSettings.model_fields:
        if name in channel.model_fields_set:
            origin = _place(loaded.origins.get(("channel", number, name)))
            yield f"channel.{channel.name}.{name}", shown(getattr(channel, name)), origin
        elif name in shipped:
            yield f"channel.{channel.name}.{name}", shown(shipped[name]), DEFAULT


def _table(loaded: Loaded, model: BaseModel, path: Path, prefix: str) -> Iterator[Row]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _table(loaded, value, (*path, name), f"{prefix}{name}.")
        elif name != "channel":
            yield f"{prefix}{name}", shown(value), _place(loaded.origins.get((*path, name)))


def _place(place: Place | None) -> str:
    return f"{place.file}:{place.line}" if place else DEFAULT


def shown(value: object) -> str:
    """A value as the file would say it."""
    if value is None:
        return "left out"
    if isinstance(value, frozenset):
        value = ",".join(sorted(map(str, value)))
    return json.dumps(value, default=str, ensure_ascii=False)
