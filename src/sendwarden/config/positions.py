"""Where each setting of a TOML file stands: its key, and its value.

tomllib gives values without places; tree-sitter gives places and reads on behind an error. Both read the same
text.
"""

import tomllib
from dataclasses import dataclass, field

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from sendwarden.core.place import Place, Problem

Path = tuple[str | int, ...]

_PARSER = Parser(Language(tree_sitter_toml.language()))
_KEYS = frozenset({"bare_key", "quoted_key", "dotted_key"})
# Lines with syntax errors that are taken out one after the other, so that the rest can be checked.
SYNTAX_ERRORS = 20


@dataclass(slots=True)
class TomlFile:
    """One file: values, places, and what is wrong with its syntax."""

    name: str
    values: dict[str, object] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)  # of values
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of a setting, or of the nearest one around it."""
        wanted = self.keys if key else self.places
        while path:
            if path in wanted:
                return wanted[path]
            if path in self.keys:
                return self.keys[path]
            path = path[:-1]
        return Place(self.name, 1, 1, 1, "")


def read_toml(name: str, text: str) -> TomlFile:
    """Values and places of all that can be read. Every line with a syntax error is a problem."""
    found = TomlFile(name)
    lines = text.split("\n")
    for _ in range(SYNTAX_ERRORS):
        try:
            found.values = tomllib.loads("\n".join(lines))
            break
        except tomllib.TOMLDecodeError as error:
            line = _line_of(str(error), len(lines))
            while line > 0 and not lines[line].strip():
                line -= 1
            found.problems.append(_syntax_problem(name, lines[line], line + 1, str(error)))
            lines[line] = ""
    _Walk(found, text.split("\n")).document(_PARSER.parse("\n".join(lines).encode()).root_node)
    return found


def _line_of(message: str, lines: int) -> int:
    """Line number from 0 in ``... (at line 14, column 7)``; at the end of the document, the last."""
    _, at, rest = message.rpartition("(at line ")
    number = rest.partition(",")[0]
    return int(number) - 1 if at and number.isdigit() else lines - 1


def _syntax_problem(name: str, line: str, number: int, message: str) -> Problem:
    quote = next((sign for sign in ('"', "'") if line.count(sign) % 2), "")
    if quote:
        column = line.index(quote)
        says = "this is not TOML: the text that starts here has no end on its line"
        remedy = f"add the closing {quote} . The rest of the file was checked as far as it can be read."
        return Problem("SW103", says, Place(name, number, column + 1, 1, line), remedy)
    if "Cannot" in message and ("declare" in message or "overwrite" in message or "mutate" in message):
        says = "this is set twice in the same file"
        return Problem("SW103", says, Place(name, number, 1, len(line), line), "take one of them out")
    stripped = line.lstrip()
    place = Place(name, number, len(line) - len(stripped) + 1, max(1, len(stripped)), line)
    return Problem("SW103", "this is not TOML", place, 'write: name = "text", name = true, or name = 50')


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
            path = self.within((*path, name))
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
        path = (*above, *self.names(key))
        self.found.keys[path] = self.at(key)
        self.value(path, node.children[-1])

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
        return Place(self.found.name, row + 1, start + 1, max(1, end - start), line.rstrip("\r"))
