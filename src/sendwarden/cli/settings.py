"""``sendwarden settings``: every setting, its value, and where it comes from."""

import argparse
import json
from collections.abc import Iterator

from pydantic import BaseModel

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.config.load import Loaded
from sendwarden.config.positions import Path
from sendwarden.config.schema import SHIPPED_CHANNELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--changed", action="store_true", help="only what is not at its default")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    rows = [row for row in _rows(loaded) if not arguments.changed or row[2] != "default"]
    width = max((len(name) + len(value) for name, value, _ in rows), default=0) + 3
    for name, value, origin in rows:
        output.record({"setting": name, "value": value, "origin": origin})
        output.line(f"{f'{name} = {value}':<{min(width, 70)}}  {origin}")
    if not loaded.usable:
        output.error("Some settings have errors and are left out here: sendwarden check")
        return NO
    return GOOD


def _rows(loaded: Loaded) -> Iterator[tuple[str, str, str]]:
    settings = loaded.settings
    yield from _table(loaded, settings, (), "")
    named = {channel.name for channel in settings.channel}
    for number, channel in enumerate(settings.channel):
        for name in channel.model_fields_set:
            value = getattr(channel, name)
            yield f"channel.{channel.name}.{name}", _shown(value), _origin(loaded, ("channel", number, name))
    for shipped in SHIPPED_CHANNELS:
        if shipped["name"] in named:
            continue
        for name, value in shipped.items():
            if name != "name":
                yield f"channel.{shipped['name']}.{name}", _shown(value), "default"
    for table in loaded.site.meters.values():
        for name, place in table.places.items():
            yield f"metermaid.table.{table.name}.{name}", _shown(getattr(table, name)), str(place)


def _table(loaded: Loaded, model: BaseModel, path: Path, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _table(loaded, value, (*path, name), f"{prefix}{name}.")
        elif name != "channel":
            yield f"{prefix}{name}", _shown(value), _origin(loaded, (*path, name))


def _origin(loaded: Loaded, path: Path) -> str:
    place = loaded.origins.get(path)
    return f"{place.file}:{place.line}" if place else "default"


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        value = ",".join(sorted(map(str, value)))
    return json.dumps(value, default=str, ensure_ascii=False)
