"""The settings file and the files of ``conf.d``, read one after the other and merged into one `Settings`.

A later file counts over an earlier one, setting by setting; channels are appended. What is wrong is noted and
left out, so that the rest is checked all the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sendwarden.config.files import Folder, Unreadable, unreadable_problem
from sendwarden.config.positions import Path as KeyPath
from sendwarden.config.positions import TomlFile, read_toml
from sendwarden.config.schema import MUST_BE_SET, Settings
from sendwarden.config.translate import path_of, to_problem
from sendwarden.core.place import Place, Problem, Severity

MORE_FILES = "conf.d"


@dataclass(slots=True)
class Reading:
    """What is known while a configuration is read."""

    folder: Folder
    problems: list[Problem] = field(default_factory=list)
    files: list[TomlFile] = field(default_factory=list)
    origins: dict[KeyPath, Place] = field(default_factory=dict)  # of values, in the merged settings
    not_read: int = 0
    unread: set[str] = field(default_factory=set)  # kinds of files that are there and could not be read

    def place(self, path: KeyPath) -> Place | None:
        """The place of a setting, or of the nearest one around it."""
        while path:
            if path in self.origins:
                return self.origins[path]
            path = path[:-1]
        return None


def read_settings(reading: Reading, main: Path) -> Settings:
    """All settings of ``main`` and its ``conf.d``; what is wrong with them is noted."""
    for path in [main, *_more(reading, main.parent / MORE_FILES)]:
        _read(reading, path)
    return _merged(reading)


def _more(reading: Reading, folder: Path) -> Iterator[Path]:
    """The files of conf.d that are read, in the order of their names."""
    try:
        found = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        name = reading.folder.name(folder)
        reading.problems.append(unreadable_problem(name, Unreadable(str(error.strerror)), Place(name)))
        return
    for path in found:
        name = reading.folder.name(path)
        hidden = path.name.startswith(".")
        if path.suffix == ".toml" and not hidden:
            yield path
            continue
        reading.not_read += 1
        says = "hidden files are not" if hidden else "only *.toml files are"
        remedy = "move it away" if hidden else f"rename it to {path.stem}.toml, or move it away"
        reading.problems.append(
            Problem("SW130", f"{name} is not read: {says}", None, more=(remedy,), severity=Severity.WARNING)
        )


def _read(reading: Reading, path: Path) -> None:
    name = reading.folder.name(path)
    try:
        text = reading.folder.read(path, "TOML")
    except Unreadable as error:
        reading.problems.append(unreadable_problem(name, error, Place(name)))
        return
    file = read_toml(name, text)
    reading.problems += file.problems
    reading.files.append(file)
    _without_errors(reading, file)


def _without_errors(reading: Reading, file: TomlFile) -> None:
    """Note all wrong settings of one file and take them out of its values."""
    try:
        Settings.model_validate(file.values)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            reading.problems.append(to_problem(error, file))
            file.left_out.add(path_of(error))
        for path in file.left_out:
            _take_out(file.values, path)


def _take_out(values: Any, path: KeyPath) -> None:  # noqa: ANN401 - TOML values of any shape
    """Take out what stands at the path, or what stands in its way.

    Of a list its item becomes None, so that the others keep their numbers.
    """
    first, rest = path[0], path[1:]
    if isinstance(values, dict) and first in values:
        if rest and isinstance(values[first], dict | list):
            _take_out(values[first], rest)
        else:
            del values[first]
    elif isinstance(values, list) and isinstance(first, int) and first < len(values):
        if rest and isinstance(values[first], dict | list):
            _take_out(values[first], rest)
        else:
            values[first] = None


def _merged(reading: Reading) -> Settings:
    """All files as one."""
    values: dict[str, Any] = {}
    lists: dict[str, list[dict[str, Any]]] = {name: [] for name in MUST_BE_SET}
    for file in reading.files:
        numbers = {name: _own_tables(file, name, tables) for name, tables in lists.items()}
        _merge(reading, file, values, file.values, ())
        _note_origins(reading, file, numbers)
    values = _cleaned(values)
    values.update({name: tables for name, tables in lists.items() if tables})
    try:
        return Settings.model_validate(values)
    except ValidationError:  # everything that was wrong is noted already; nothing of it will be used
        return Settings()


def _own_tables(file: TomlFile, name: str, tables: list[dict[str, Any]]) -> dict[int, int]:
    """Move a file's ``[[name]]`` behind those of the files before it. Their numbers here, and there."""
    own = file.values.pop(name, [])
    numbers = {}
    for number, table in enumerate(own if isinstance(own, list) else []):
        if isinstance(table, dict):
            numbers[number] = len(tables)
            # What must be set and is missing or wrong is told already; all else is checked all the same.
            number_here = f"number {len(tables) + 1}"
            unnamed = {field: instead or number_here for field, instead in MUST_BE_SET[name].items()}
            tables.append({**unnamed, **_cleaned(table)})
    return numbers


def _cleaned(value: Any) -> Any:  # noqa: ANN401
    """Without the items that were taken out of lists."""
    if isinstance(value, dict):
        return {name: _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value if inner is not None] if isinstance(value, list) else value


def _merge(
    reading: Reading, file: TomlFile, into: dict[str, Any], values: Mapping[str, Any], path: KeyPath
) -> None:
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(reading, file, into[name], value, here)
            continue
        if name in into:
            says = f'"{name}" is set in two files; this one counts'
            place, remedy = file.place(here, key=True), f"the other stands in {reading.place(here)}"
            reading.problems.append(Problem("SW131", says, place, remedy, severity=Severity.WARNING))
        into[name] = value


def _note_origins(reading: Reading, file: TomlFile, numbers: Mapping[str, Mapping[int, int]]) -> None:
    for path, place in [*file.keys.items(), *file.places.items()]:
        if any(path[: number + 1] in file.left_out for number in range(len(path))):
            continue
        match path:
            case (str(name), int(number), *_) if name in numbers:
                if number in numbers[name]:
                    reading.origins[(name, numbers[name][number], *path[2:])] = place
            case _:
                reading.origins[path] = place
