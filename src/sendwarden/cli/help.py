"""``sendwarden help``: codes of problems, and settings by table."""

import argparse
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sendwarden.cli.exits import GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.cli.settings import shown
from sendwarden.config.codes import CODES
from sendwarden.config.schema import MUST_BE_SET, Settings
from sendwarden.core.place import did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "topic", nargs="?", default="", help="a code such as SW101, a table such as channel, or settings"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    topic = arguments.topic.strip("[]")
    known = dict(tables(Settings, "settings"))
    if topic.upper() in CODES:
        code = topic.upper()
        output.line(f"{code}: {CODES[code]}")
        output.record({"code": code, "text": CODES[code]})
        return GOOD
    if topic.lower() in known:
        _show_table(topic.lower(), known[topic.lower()], output)
        return GOOD
    if topic:
        close = did_you_mean(topic, known)
        output.error(f'there is no help on "{topic}"; {close}'.removesuffix("; "))
    output.line(f"Tables of settings: {', '.join(known)}")
    output.line(f"Codes: {', '.join(CODES)}")
    output.record({"tables": list(known), "codes": list(CODES)})
    return NO if topic else GOOD


def tables(model: type[BaseModel], name: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """All tables of settings by the word that `help` knows them by, the top of the file first."""
    yield name, model
    for field_name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner:
            yield from tables(inner, field_name)


def settings_of(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The settings that stand in a table itself."""
    return ((name, field) for name, field in model.model_fields.items() if not _model_in(field.annotation))


def default_of(field: FieldInfo) -> str:
    """The default as the file would say it, or a word for none."""
    if field.default is PydanticUndefined:
        return "must be set"
    return shown(field.default)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type as pydantic keeps it
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _show_table(topic: str, model: type[BaseModel], output: Output) -> None:
    heading = f"in a [[{topic}]]" if topic in MUST_BE_SET else f"under [{topic}]"
    heading = "at the top of the file" if topic == "settings" else heading
    output.line(f"Settings {heading}. {(model.__doc__ or '').splitlines()[0]}")
    for name, field in settings_of(model):
        text, example = field.description or "", f"{name} = {(field.examples or [''])[0]}"
        values = choices(field.annotation)
        default = default_of(field)
        output.line(f"  {name:<17} {text}{f'  One of: {values}.' if values else ''}")
        output.line(f"  {'':<17} default: {default}   example: {example}")
        record = {"table": topic, "setting": name, "text": text, "default": default, "example": example}
        output.record(record)


def choices(annotation: Any) -> str:  # noqa: ANN401
    """The words that a setting may be, "" where it is not one of a few."""
    for one in (annotation, *get_args(annotation)):
        if get_origin(one) is Literal:
            return ", ".join(map(str, get_args(one)))
    return ""
