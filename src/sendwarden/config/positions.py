"""Where each setting of a TOML file stands: its key, and its value.

tomllib gives values without places, tree-sitter gives places. Both read the same lines: those that
`config.syntax` left.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from sendwarden.config.syntax import readable
from sendwarden.core.place import Place, Problem
from sendwarden.engine.reputation.names import KEY_LETTERS

Path = tuple[str | int, ...]

_PARSER = Parser(Language(tree_sitter_toml.language()))
# What follows a setting's name that ends so is nobody's business, where a line is shown as well.
_SECRET = re.compile(r"""(?P<name>[a-z_]*_secret["']?\s*=\s*)(?P<value>.*)""")
# So is a password in a URL, though none belongs there.
_PASSWORD = re.compile(r"""(?P<name>://[^\s"'/@:]*:)(?P<value>[^\s"']+)(?=@)""")
# So is the key of a list in the DNS, which looks so in its zone (`engine.reputation.names`).
_KEY_IN_ZONE = re.compile(
    rf"""(?P<name>zone["']?\s*=\s*["'](?:[^"']*\.)?)(?P<value>[A-Za-z0-9]{{{KEY_LETTERS},}})(?=\.)"""
)
_KEYS = frozenset({"bare_key", "quoted_key", "dotted_key"})


@dataclass(slots=True)
class TomlFile:
    """One file: values, places, and what is wrong with its syntax."""

    name: str
    values: dict[str, object] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)  # of values
    left_out: set[Path] = field(default_factory=set)  # what is wrong and was taken out of the values
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of a setting, or of the nearest one around it."""
        first, second = (self.keys, self.places) if key else (self.places, self.keys)
        while path:
            if found := first.get(path) or second.get(path):
                return found
            path = path[:-1]
        return Place(self.name)


def read_toml(name: str, text: str) -> TomlFile:
    """Values and places of all that can be read. Whatever cannot be is a problem."""
    read = readable(name, text)
    found = TomlFile(name, read.values, problems=list(_discreet(read.problems)))
    _Walk(found, read.written).document(_PARSER.parse("\n".join(read.lines).encode()).root_node)
    return found


def _discreet(problems: Iterable[Problem]) -> Iterable[Problem]:
    """Errors of syntax, of which those in a secret quote nothing of it."""
    for problem in problems:
        if problem.place and _SECRET.search(problem.place.text):
            place = replace(problem.place, text=without_secret(problem.place.text))
            says = "this is not TOML: a secret is text in quotes, on one line"
            yield Problem(problem.code, says, place, 'write "..."', severity=problem.severity)
        else:
            yield problem


def without_secret(line: str) -> str:
    """A line of the file as it may be shown, as long as before."""
    for pattern in (_SECRET, _PASSWORD, _KEY_IN_ZONE):
        line = pattern.sub(lambda found: found["name"] + "*" * len(found["value"]), line)
    return line


class _Walk:
    """Notes the places of all keys and values below a node."""

    def __init__(self, found: TomlFile, lines: list[str]) -> None:
        self.found = found
        self.lines = lines
        self.arrays: dict[Path, int] = {}  # tables in an array so far

    def document(self, root: Node) -> None:
        for child in root.children:
            if child.type == "pair":
                self.pair((), child)
            elif child.type in ("table", "table_array_element"):
                self.table(child)

    def table(self, node: Node) -> None:
        key = next((child for child in node.children if child.type in _KEYS), None)
        if key is None:
            return
        names = self.names(key)
        path: Path = ()
        for name in names[:-1]:
            path = (*path, name)
            self.found.keys.setdefault(path, self.at(key))
            path = self.within(path)
        path = (*path, names[-1])
        if node.type == "table_array_element":
            number = self.arrays.get(path, -1) + 1
            self.arrays[path] = number
            self.found.keys.setdefault(path, self.at(key))
            path = (*path, number)
        self.found.keys[path] = self.at(key)
        for child in node.children:
            if child.type == "pair":
                self.pair(path, child)

    def within(self, path: Path) -> Path:
        """``[channel.macros]`` belongs to the last ``[[channel]]``."""
        return (*path, self.arrays[path]) if path in self.arrays else path

    def pair(self, above: Path, node: Node) -> None:
        key = next((child for child in node.children if child.type in _KEYS), None)
        if key is None:
            return
        path = above
        for name in self.names(key):
            path = (*path, name)
            self.found.keys.setdefault(path, self.at(key))
        self.found.keys[path] = self.at(key)
        self.value(path, [child for child in node.children if child.type != "comment"][-1])

    def value(self, path: Path, node: Node) -> None:
        self.found.places[path] = self.at(node)
        if node.type == "array":
            items = [child for child in node.children if child.is_named and child.type != "comment"]
            for number, item in enumerate(items):
                self.value((*path, number), item)
        elif node.type == "inline_table":
            for child in node.children:
                if child.type == "pair":
                    self.pair(path, child)

    def names(self, key: Node) -> tuple[str, ...]:
        if key.type == "dotted_key":
            return tuple(name for child in key.children if child.type in _KEYS for name in self.names(child))
        raw = (key.text or b"").decode("utf-8", "replace")
        if key.type == "bare_key":
            return (raw,)
        parsed = next(iter(tomllib.loads(f"{raw} = 1")), raw)
        return (parsed,)

    def at(self, node: Node) -> Place:
        row, column = node.start_point
        line = self.lines[row] if row < len(self.lines) else ""
        start = len(line.encode()[:column].decode("utf-8", "ignore"))
        end_row, end_column = node.end_point
        end = (
            len(line.encode()[:end_column].decode("utf-8", "ignore"))
            if end_row == row
            else len(line.rstrip())
        )
        return Place(self.found.name, row + 1, start + 1, max(1, end - start), without_secret(line))
