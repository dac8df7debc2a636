"""String arguments: constants known when the script is compiled, or text with variables in it (RFC 5229).

Encoded characters (``${hex:24}``, ``${unicode:41}``, RFC 5228 section 2.4.2.4) are decoded first, at compile
time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .limits import MATCH_VARIABLES
from .run import Run

# Value of a variable of a namespace, ``${namespace.name}``, or None where there is none.
Namespace = Callable[[Run, str], str | None]

_VARIABLE = re.compile(r"\$\{(?:(?P<number>[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*))\}")
_ENCODED = re.compile(
    r"\$\{(?:(?i:hex):(?P<hex>[ \t\r\n]*(?:[0-9A-Fa-f]{1,2}[ \t\r\n]*)+)"
    r"|(?i:unicode):(?P<unicode>[ \t\r\n]*(?:[0-9A-Fa-f]{1,6}[ \t\r\n]*)+))\}"
)
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class BadCharacter(ValueError):
    """``${unicode:...}`` names no character."""


@dataclass(frozen=True, slots=True)
class MatchVariable:
    """``${n}``."""

    index: int


@dataclass(frozen=True, slots=True)
class Variable:
    """``${name}``, in lower case."""

    name: str


@dataclass(frozen=True, slots=True)
class NamespaceVariable:
    """``${namespace.name}``."""

    namespace: Namespace
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function's text (Messaging Server)."""

    function: Callable[[Run], str]


Piece = str | MatchVariable | Variable | NamespaceVariable | Call


class Text:
    """A string argument. ``constant`` is its text if it holds no variable; `get` is its text in a run."""

    __slots__ = ("_getters", "constant", "get")

    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        self.constant = "".join(map(str, pieces)) if all(isinstance(piece, str) for piece in pieces) else None
        self._getters = tuple(_getter(piece) for piece in pieces)
        self.get: Callable[[Run], str] = self._joined() if self.constant is None else _always(self.constant)

    def _joined(self) -> Callable[[Run], str]:
        if len(self._getters) == 1:
            return self._getters[0][0]
        getters = tuple(get for get, _ in self._getters)
        return lambda run: "".join([get(run) for get in getters])

    def cleaned(self, clean: Callable[[str], str]) -> Callable[[Run], str]:
        """`get` with ``clean`` applied to what variables give, and not to what the script itself says."""
        getters = self._getters
        return lambda run: "".join([clean(get(run)) if varies else get(run) for get, varies in getters])


def constant(text: str) -> Text:
    return Text((text,))


def _always(text: str) -> Callable[[Run], str]:
    return lambda _run: text


def _getter(piece: Piece) -> tuple[Callable[[Run], str], bool]:
    """How a piece gets its text, and whether that comes from outside the script."""
    match piece:
        case MatchVariable(index):
            return lambda run: run.match_values[index] if index < len(run.match_values) else "", True
        case Variable(name):
            return lambda run: run.variables.get(name, ""), True
        case NamespaceVariable(namespace, name):
            return lambda run: namespace(run, name) or "", True
        case Call(function):
            return function, True
        case str(text):
            return _always(text), False


def parse_text(string: str, *, variables: bool, encoded: bool, namespaces: Mapping[str, Namespace]) -> Text:
    """Take a string apart. Raises `BadCharacter`; everything else that is no variable stays as it is."""
    if encoded and "${" in string:
        string = _ENCODED.sub(_decode, string)
    if not variables or "${" not in string:
        return constant(string)
    pieces: list[Piece] = []
    at = 0
    for found in _VARIABLE.finditer(string):
        piece = _piece(found, namespaces)
        if piece is None:
            continue
        pieces += [string[at : found.start()], piece]
        at = found.end()
    if not pieces:
        return constant(string)
    pieces.append(string[at:])
    return Text(tuple(piece for piece in pieces if piece != ""))


def _piece(found: re.Match[str], namespaces: Mapping[str, Namespace]) -> Piece | None:
    if found["number"] is not None:
        index = int(found["number"][:6])
        return MatchVariable(index) if index < MATCH_VARIABLES else ""
    name = found["name"].lower()
    first, dot, rest = name.partition(".")
    if not dot:
        return Variable(name)
    return NamespaceVariable(namespaces[first], rest) if first in namespaces else None


def _decode(found: re.Match[str]) -> str:
    if found["hex"] is not None:
        return bytes(int(code, 16) for code in found["hex"].split()).decode("utf-8", "surrogateescape")
    codes = [int(code, 16) for code in found["unicode"].split()]
    for code in codes:
        if code > _LAST_CODE_POINT or code in _SURROGATES:
            raise BadCharacter(f"{code:x} is not a Unicode character")
    return "".join(map(chr, codes))
