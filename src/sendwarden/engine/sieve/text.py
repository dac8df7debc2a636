"""String arguments: constants known when the script is compiled, or text with variables in it (RFC 5229).

Encoded characters (``${hex:24}``, ``${unicode:41}``, RFC 5228 section 2.4.2.4) are decoded first, at compile
time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .limits import MATCH_VARIABLES
from .run import Run

# Value of a variable of a namespace, ``${namespace.name}``, or None where there is none.
Namespace = Callable[[Run, str], str | None]

_VARIABLE = re.compile(
    r"\$\{(?:(?P<number>[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.(?:[0-9]+|[A-Za-z_][A-Za-z0-9_]*))*))\}"
)
_BLANK = "[ \\t\\r\\n]"
_ENCODED = re.compile(
    rf"\$\{{(?:hex:(?P<hex>{_BLANK}*[0-9a-f]{{1,2}}(?:{_BLANK}+[0-9a-f]{{1,2}})*{_BLANK}*)"
    rf"|unicode:(?P<unicode>{_BLANK}*[0-9a-f]+(?:{_BLANK}+[0-9a-f]+)*{_BLANK}*))\}}",
    re.IGNORECASE | re.ASCII,
)
_ESCAPE = "surrogateescape"  # how an octet that is no UTF-8 stands in a text
_OCTETS = re.compile("[\udc80-\udcff]+")
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class BadText(ValueError):
    """A string that may not stand in a script: its message says why."""


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


def parse_text(
    string: str, *, variables: bool, encoded: bool, namespace: Callable[[str], Namespace | None]
) -> Text:
    """Take a string apart; what only looks like a variable stays as it is.

    Raises `BadText` for a number that is no character, and for a namespace that ``namespace`` does not know.
    """
    if encoded and "${" in string:
        # Octets again at the end, since those of one letter may stand in two references.
        string = _OCTETS.sub(lambda octets: _letters(octets[0]), _ENCODED.sub(_decode, string))
    if not variables or "${" not in string:
        return constant(string)
    pieces: list[Piece] = []
    at = 0
    for found in _VARIABLE.finditer(string):
        piece = _piece(found, namespace)
        pieces += [string[at : found.start()], piece]
        at = found.end()
    if not pieces:
        return constant(string)
    pieces.append(string[at:])
    return Text(tuple(piece for piece in pieces if piece != ""))


def _piece(found: re.Match[str], namespace: Callable[[str], Namespace | None]) -> Piece:
    if found["number"] is not None:
        index = int(found["number"].lstrip("0")[:6] or "0")
        return MatchVariable(index) if index < MATCH_VARIABLES else ""
    name = found["name"].lower()
    first, dot, rest = name.partition(".")
    if not dot:
        return Variable(name)
    space = namespace(first)
    if space is None:
        raise BadText(f'no extension here has variables "{first}."')
    return NamespaceVariable(space, rest)


def _letters(octets: str) -> str:
    return octets.encode("utf-8", _ESCAPE).decode("utf-8", _ESCAPE)


def _decode(found: re.Match[str]) -> str:
    if found["hex"] is not None:
        return bytes(int(code, 16) for code in found["hex"].split()).decode("utf-8", _ESCAPE)
    codes = [int(code, 16) for code in found["unicode"].split()]
    for code in codes:
        if code > _LAST_CODE_POINT or code in _SURROGATES:
            raise BadText(f"{code:x}"[:20] + " is not a Unicode character")
    return "".join(map(chr, codes))
