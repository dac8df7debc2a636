"""Pydantic's errors in our words: no type name, no key path and no class name reaches people.

Each of pydantic's error types that these settings can raise has its sentence here; a test feeds wrong values
of all kinds and fails when one falls through to the last resort.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sendwarden.config.positions import Path, TomlFile
from sendwarden.config.schema import MUST_BE_SET, Settings
from sendwarden.config.values import shown
from sendwarden.core.place import Problem, did_you_mean

_TRUTHS = {"true": "true", "yes": "true", "on": "true", "1": "true"}
_TRUTHS |= {"false": "false", "no": "false", "off": "false", "0": "false"}


def _quoted(value: object, example: str) -> str:
    if isinstance(value, dict | list):
        return example
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f'write it in quotes: "{text}"'


def _truth(value: object, _example: str) -> str:
    meant = _TRUTHS.get(str(value).lower())
    return f"write {meant}, without quotes" if meant else "write true or false, without quotes"


def _number(value: object, example: str) -> str:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return f"write {value.strip()}, without quotes"
    return example


def _as_example(_value: object, example: str) -> str:
    return example


# pydantic's error type -> what is expected, and how to write it.
EXPECTED: Mapping[str, tuple[str, Callable[[object, str], str]]] = {
    "string_type": ("text is expected", _quoted),
    "bool_type": ("yes or no is expected", _truth),
    "int_type": ("a whole number is expected", _number),
    "list_type": ("a list is expected", _as_example),
    "dict_type": ("a table is expected", _as_example),
    "model_type": ("a table is expected", _as_example),
}
# pydantic's error type -> what is wrong with a number, its bound in the context, and what may stand there.
BOUNDS: Mapping[str, tuple[str, str, str]] = {
    "greater_than_equal": ("too small", "ge", "more"),
    "less_than_equal": ("too large", "le", "less"),
}
LAST_RESORT = "this value is not possible here"


def to_problem(error: ErrorDetails, file: TomlFile) -> Problem:
    """One error of pydantic, with its place in the file."""
    path, kind, value = path_of(error), error["type"], error["input"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path, file)
    place = file.place(path, key=error["loc"][-1:] == ("[key]",))
    if kind == "missing":
        remedy = f"write {_example(path)}"
        return Problem("SW106", f'"{path[-1]}" is missing here', file.place(path[:-1], key=True), remedy)
    if kind == "sendwarden":
        return Problem(str(context["code"]), str(context["says"]), place, str(context["remedy"]))
    if kind == "literal_error":
        return Problem(
            "SW102", f"{shown(value)} is not one of the possible values", place, _choice(path, value)
        )
    if kind in BOUNDS:
        what, bound, direction = BOUNDS[kind]
        return Problem("SW102", f"{shown(value)} is {what}", place, f"write {context[bound]} or {direction}")
    says, written = EXPECTED.get(kind, (LAST_RESORT, _as_example))
    return Problem("SW102", f"{says}, not {shown(value)}", place, written(value, f"write {_example(path)}"))


def path_of(error: ErrorDetails) -> Path:
    """The path of an error in the file, without the steps that pydantic adds by itself."""
    return tuple(part for part in error["loc"] if part != "[key]")


def _field(path: Path) -> tuple[str, FieldInfo]:
    """The setting that a path leads to or into, and its name."""
    model: type[BaseModel] = Settings
    name, found = "", next(iter(Settings.model_fields.values()))
    for part in path:
        if isinstance(part, int):
            continue
        if part not in model.model_fields:  # a name of the user's own, as in `macros`
            break
        name, found = part, model.model_fields[part]
        inner = _model_in(found)
        if inner is None:
            break
        model = inner
    return name, found


def _model_in(field: FieldInfo) -> type[BaseModel] | None:
    """The table that a setting is, or is a list of."""
    for one in (field.annotation, *get_args(field.annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _example(path: Path) -> str:
    name, field = _field(path)
    if field.examples:
        return f"{name} = {field.examples[0]}"
    return f"[[{name}]]" if isinstance(field.default, list) else f"[{name}]"


def _choice(path: Path, value: object) -> str:
    words = _words(_field(path)[1].annotation)
    close = did_you_mean(value, words) if isinstance(value, str) else ""
    return close or "write " + " or ".join(f'"{word}"' for word in words)


def _words(annotation: Any) -> list[str]:  # noqa: ANN401 - an annotation may be anything
    """The words of a setting that is one of them, or a list of them."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    return [word for one in get_args(annotation) for word in _words(one)]


def _unknown(path: Path, file: TomlFile) -> Problem:
    model, where, topic = _table_at(path[:-1])
    name = str(path[-1])
    remedy = did_you_mean(name, model.model_fields) or _elsewhere(name)
    remedy = f"{remedy}  All settings{f' of {where}' if where else ''}: sendwarden help {topic}".lstrip()
    says = f'"{name}" is not a setting of {where}' if where else f'"{name}" is not a setting'
    return Problem("SW101", says, file.place(path, key=True), remedy)


def _table_at(path: Path) -> tuple[type[BaseModel], str, str]:
    """The table a path leads into, what it is called, and by which word `help` knows it."""
    model: type[BaseModel] = Settings
    where, topic = "", "settings"
    for part in path:
        if isinstance(part, int):
            where = f"an {topic}" if topic[0] in "aeiou" else f"a {topic}"
            continue
        model = _model_in(model.model_fields[part]) or model
        where, topic = f"[{part}]", part
    return model, where, topic


def _elsewhere(name: str) -> str:
    """Where a setting of this name belongs, if only in one place."""
    tables = {
        table: inner
        for table, field in Settings.model_fields.items()
        if (inner := _model_in(field)) is not None
    }
    if name in tables:
        return f"One begins with [[{name}]]." if name in MUST_BE_SET else f"[{name}] is a table of its own."
    if name in Settings.model_fields:
        return "it belongs at the top of the file, above the first [table]."
    found = [table for table, inner in tables.items() if name in inner.model_fields]
    if len(found) != 1:
        return ""
    (table,) = found
    return f"it belongs in a [[{table}]]." if table in MUST_BE_SET else f"it belongs under [{table}]."
