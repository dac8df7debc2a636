"""``sendwarden help``: codes of problems, and settings by table."""

import argparse
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from sendwarden.cli.exits import GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.config.codes import CODES
from sendwarden.config.schema import Settings
from sendwarden.core.place import did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "topic", nargs="?", default="", help="a code such as SW101, a table such as channel, or settings"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    topic = arguments.topic
    tables = dict(_tables(Settings, "settings"))
    if topic.upper() in CODES:
        code = topic.upper()
        output.line(f"{code}: {CODES[code]}")
        output.record({"code": code, "text": CODES[code]})
        return GOOD
    if topic in tables:
        _show_table(topic, tables[topic], output)
        return GOOD
    if topic:
        close = did_you_mean(topic, [*tables, *CODES])
        output.error(f'there is no help on "{topic}"; {close}'.removesuffix("; "))
    output.line(f"Tables of settings: {', '.join(tables)}")
    output.line(f"Codes: {', '.join(CODES)}")
    return NO if topic else GOOD


def _tables(model: type[BaseModel], name: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield name, model
    for field_name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner:
            yield from _tables(inner, field_name)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type as pydantic keeps it
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _show_table(topic: str, model: type[BaseModel], output: Output) -> None:
    heading = {"settings": "at the top of the file", "channel": "in a [[channel]]"}.get(
        topic, f"under [{topic}]"
    )
    output.line(f"Settings {heading}. {(model.__doc__ or '').splitlines()[0]}")
    for name, field in model.model_fields.items():
        if _model_in(field.annotation):
            continue
        text = field.description or ""
        values = _choices(field.annotation)
        output.line(f"  {name:<16} {text}{f'  One of: {values}.' if values else ''}")
        output.record({"table": topic, "setting": name, "text": text})


def _choices(annotation: Any) -> str:  # noqa: ANN401
    for one in (annotation, *get_args(annotation)):
        if str(get_origin(one)) == "typing.Literal":
            return ", ".join(map(str, get_args(one)))
    return ""
