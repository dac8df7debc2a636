"""Pydantic's errors in our words: no type name, no key path and no class name reaches people.

Each of pydantic's error types that these settings can raise has its sentence in `SENTENCES`; a test feeds
wrong values of all kinds and fails when one falls through to the last resort.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from sendwarden.config.positions import Path, TomlFile
from sendwarden.config.schema import Settings
from sendwarden.core.place import Problem, did_you_mean

# pydantic's error type -> what is expected, and what to write.
SENTENCES: Mapping[str, tuple[str, str]] = {
    "string_type": ("text is expected", 'write it in quotes: "text"'),
    "bool_type": ("yes or no is expected", "write true or false, without quotes"),
    "int_type": ("a whole number is expected", "write it without quotes, as in 50"),
    "list_type": ("a list is expected", 'write ["one", "two"]'),
    "dict_type": ("a table is expected", 'write { name = "value" }'),
    "model_type": ("a table is expected", "write its settings under [name]"),
    "model_attributes_type": ("a table is expected", "write its settings under [name]"),
    "greater_than_equal": ("this number is too small", ""),
    "less_than_equal": ("this number is too large", ""),
    "missing": ("something is missing here", ""),
}
LAST_RESORT = ("this value is not possible here", "")


def to_problem(error: ErrorDetails, file: TomlFile) -> Problem:
    """One error of pydantic, with its place in the file."""
    path: Path = tuple(part for part in error["loc"] if not _internal(part))
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path, file)
    if kind == "missing":
        place = file.place(path[:-1], key=True)
        return Problem("SW106", f'"{path[-1]}" is missing here', place, f'write {path[-1]} = "..."')
    place = file.place(path)
    if kind == "sendwarden":
        return Problem(str(context["code"]), str(context["says"]), place, str(context["remedy"]))
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", '"')
        says = f"{_shown(error['input'])} is not one of the possible values"
        words = [word.strip().strip('"') for word in expected.replace(" or ", ",").split(",")]
        remedy = did_you_mean(str(error["input"]), words) or f"write {expected}"
        return Problem("SW102", says, place, remedy)
    says, remedy = SENTENCES.get(kind, LAST_RESORT)
    bound = context.get("ge", context.get("le"))
    remedy = f"write {bound} or {'more' if 'ge' in context else 'less'}" if bound is not None else remedy
    return Problem("SW102", f"{says}, not {_shown(error['input'])}", place, remedy)


def _internal(part: object) -> bool:
    """Steps that pydantic adds to a path by itself, for unions and validators."""
    return isinstance(part, str) and ("[" in part or part in ("int", "str", "bool", "constrained-int"))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value[:60]}"'
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return str(value)


def _unknown(path: Path, file: TomlFile) -> Problem:
    model, title = _model_at(path[:-1])
    name = str(path[-1])
    known = list(model.model_fields)
    close = did_you_mean(name, known)
    where, topic = (f"a setting of {title}", title.split()[-1]) if title else ("a setting", "settings")
    remedy = f"{close}  All settings{f' of {title}' if title else ''}: sendwarden help {topic}".lstrip()
    return Problem("SW101", f'"{name}" is not {where}', file.place(path, key=True), remedy)


def _model_at(path: Path) -> tuple[type[BaseModel], str]:
    """The table a path leads into, and what it is called."""
    model: type[BaseModel] = Settings
    title = ""
    for part in path:
        if isinstance(part, int):
            title = f"a {title.strip('[]')}"
            continue
        annotation: Any = model.model_fields[part].annotation
        inner = getattr(annotation, "__args__", (annotation,))[0]
        model, title = inner, f"[{part}]"
    return model, title
