"""An entry's left side, parsed to parts (AG63-bgaiz). Matching is ASCII case-blind, over the whole probe.

Whether ``$_`` and ``$@`` are sticky is not said in so many words; the manual's "succeeding wildcards" is
taken at its word: ``$_`` holds to the end of the pattern, ``$@`` until ``$^``. IP patterns are never saved as
captures.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, IPv6Network, NetmaskValueError

from sendwarden.core.ascii import ascii_lower

from .limits import PATTERN_PARTS


class BadPattern(ValueError):
    """What is wrong with a pattern or template, where in its text, and what to write instead."""

    def __init__(self, offset: int, width: int, says: str, remedy: str = "") -> None:
        super().__init__(says)
        self.offset, self.width, self.says, self.remedy = offset, width, says, remedy


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that must stand there, in ASCII lower case."""

    text: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``%`` (one letter) or ``*`` (many), of any letters or of a set of folded ones."""

    many: bool
    saved: bool
    minimal: bool = False
    letters: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class BackReference:
    """``$n*``: the text of the n-th capture again."""

    capture: int


@dataclass(frozen=True, slots=True)
class Network:
    """``$(..)``, ``$<..>``, ``${..}``: a whole address that lies in the network."""

    network: IPv4Network | IPv6Network


Part = Literal | Wildcard | BackReference | Network

_LETTERS = "abcdefghijklmnopqrstuvwxyz"

# $A% and so on. H and X are both hexadecimal.
LETTER_SETS: dict[str, frozenset[str]] = {
    "A": frozenset(_LETTERS),
    "B": frozenset("01"),
    "D": frozenset("0123456789"),
    "H": frozenset("0123456789abcdef"),
    "O": frozenset("01234567"),
    "S": frozenset("0123456789_$" + _LETTERS),
    "T": frozenset(" \t\v"),
    "X": frozenset("0123456789abcdef"),
}
_QUOTED = "*% \t$"
_NETWORK_ENDS = {"(": ")", "<": ">", "{": "}"}
_NETWORK_EXAMPLES = {"(": "10.0.0.0/8", "<": "192.0.2.4/2", "{": "2001:db8::/32"}
_KNOWN = '"%", "*", "$0*", "$A%", "$[a-z]*", "$(10.0.0.0/8)", "$_", "$@", "$^", "$" before * % $ or a blank'
# One letter of a set, or a range. A blank is quoted by "$" as everywhere, since a bare one ends the pattern.
_LETTER = r"(\\.|\$[ \t]|[^\]\\])"
_RANGE = re.compile(f"{_LETTER}(?:-{_LETTER})?", re.DOTALL)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.parts: list[Part] = []
        self.saving = True
        self.minimal = False
        self.saved = 0

    def parse(self) -> tuple[Part, ...]:
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == "$":
                self._dollar()
            elif letter in "%*":
                self._wildcard(None, self.at)
            else:
                self._literal(letter)
                self.at += 1
        if len(self.parts) > PATTERN_PARTS:
            says = f"a pattern of {len(self.parts)} parts, at most {PATTERN_PARTS} run"
            raise BadPattern(0, len(self.text), says, "let one star take what several do")
        return tuple(self.parts)

    def _literal(self, text: str) -> None:
        folded = ascii_lower(text)
        if self.parts and isinstance(last := self.parts[-1], Literal):
            self.parts[-1] = Literal(last.text + folded)
        else:
            self.parts.append(Literal(folded))

    def _wildcard(self, letters: frozenset[str] | None, start: int) -> None:
        kind = self.text[self.at : self.at + 1]
        if kind not in ("%", "*"):
            raise BadPattern(
                start,
                self.at - start,
                f'"{self.text[start : self.at]}" needs a wildcard',
                'write "%" or "*" behind it',
            )
        self.at += 1
        self.parts.append(Wildcard(kind == "*", self.saving, self.minimal and kind == "*", letters))
        self.saved += self.saving

    def _dollar(self) -> None:
        start = self.at
        letter = self.text[start + 1 : start + 2]
        self.at += 2
        if not letter:
            raise BadPattern(start, 1, 'a "$" at the end quotes nothing', 'a literal dollar is written "$$"')
        if letter in _QUOTED:
            self._literal(letter)
        elif letter.isdigit() and letter.isascii():
            self._back_reference(start, int(letter))
        elif letter.upper() in LETTER_SETS and letter.isascii():
            self._wildcard(LETTER_SETS[letter.upper()], start)
        elif letter == "[":
            self._wildcard(self._letter_set(start), start)
        elif letter in _NETWORK_ENDS:
            self._network(start, letter)
        elif letter == "_":
            self.minimal = True
        elif letter in "@^":
            self.saving = letter == "^"
        else:
            raise BadPattern(start, 2, f'"${letter}" means nothing in a pattern', f"known are {_KNOWN}")

    def _back_reference(self, start: int, capture: int) -> None:
        if self.text[self.at : self.at + 1] != "*":
            raise BadPattern(start, 2, f'"${capture}" in a pattern needs a star', f'write "${capture}*"')
        self.at += 1
        if capture >= self.saved:
            raise BadPattern(
                start,
                3,
                f"wildcard {capture} is not saved before this place",
                f"saved so far: {self.saved}, counted from 0",
            )
        self.parts.append(BackReference(capture))

    def _letter_set(self, start: int) -> frozenset[str]:
        letters: set[str] = set()
        while self.text[self.at : self.at + 1] != "]":
            found = _RANGE.match(self.text, self.at)
            if not found:
                raise BadPattern(
                    start, len(self.text) - start, '"$[" without "]"', 'close the set: "$[a-z]*"'
                )
            first, last = found[1][-1], (found[2] or found[1])[-1]
            if first > last:
                says = f'the range "{found[0]}" runs backwards'
                raise BadPattern(found.start(), len(found[0]), says, f'write "{last}-{first}"')
            letters.update(ascii_lower(chr(code)) for code in range(ord(first), ord(last) + 1))
            self.at = found.end()
        self.at += 1
        if not letters:
            raise BadPattern(
                start, self.at - start, "a set without letters matches nothing", 'write "$[a-z]*"'
            )
        return frozenset(letters)

    def _network(self, start: int, bracket: str) -> None:
        end = self.text.find(_NETWORK_ENDS[bracket], self.at)
        remedy = f'write "${bracket}{_NETWORK_EXAMPLES[bracket]}{_NETWORK_ENDS[bracket]}"'
        if end < 0:
            says = f'"${bracket}" without "{_NETWORK_ENDS[bracket]}"'
            raise BadPattern(start, len(self.text) - start, says, remedy)
        inside = self.text[self.at : end]
        self.at = end + 1
        try:
            self.parts.append(Network(_network_of(bracket, inside)))
        except (AddressValueError, NetmaskValueError, ValueError):
            says = f'"{inside}" is not a network'
            raise BadPattern(start, self.at - start, says, remedy) from None


def _network_of(bracket: str, inside: str) -> IPv4Network | IPv6Network:
    address, slash, bits = inside.partition("/")
    if slash and not (bits.isascii() and bits.isdigit()):
        raise ValueError(bits)
    if bracket == "{":
        return IPv6Network(f"{address}/{bits or 128}", strict=False)
    length = int(bits or 32) if bracket == "(" else 32 - int(bits or 0)
    return IPv4Network(f"{address}/{length}", strict=False)


def saved_wildcards(parts: tuple[Part, ...]) -> int:
    """How many captures a match gives: neither networks nor ``$n*`` are any, nor what is behind ``$@``."""
    return sum(isinstance(part, Wildcard) and part.saved for part in parts)


def parse_pattern(text: str) -> tuple[Part, ...]:
    """Parts of a pattern. Raises `BadPattern`, its offsets within ``text``."""
    return _Parser(text).parse()
