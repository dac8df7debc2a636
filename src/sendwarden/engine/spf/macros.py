"""Macros in SPF records (RFC 7208 section 7): read once, and put in for one question."""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass

from sendwarden.core.dns import DnsAnswer, Question

# Letters of a name of the DNS (RFC 7208 section 7.3): what is longer loses labels from its left.
NAME_LETTERS = 253

_PART = re.compile(
    r"%\{(?P<letter>[slodiphcrtv])(?P<digits>[0-9]*)(?P<reverse>r?)(?P<at>[-.+,/_=]*)\}"
    r"|(?P<sign>%[%_-])"
    r"|(?P<plain>[\x21-\x24\x26-\x7e]+)",
    re.IGNORECASE,
)
_SIGNS = {"%%": "%", "%_": " ", "%-": "%20"}
# Letters that are known only where an explanation is told (section 7.2).
_OF_EXPLANATIONS = frozenset("crt")
_MOST_PARTS = 128
# What stands in a URL as it is (RFC 3986 section 2.3), and what does not.
_ESCAPED = re.compile(r"[^A-Za-z0-9._~-]")
_TOP = re.compile(r"\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?\Z")

# Gives the value of a letter; looking up the client's name asks the DNS.
Values = Callable[[str], Generator[Question, DnsAnswer, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """Plain text, or a letter with its transformers."""

    text: str = ""
    letter: str = ""
    keep: int = 0  # parts from the right; 0: all
    reverse: bool = False
    at: str = "."  # where the value is cut
    escape: bool = False  # for a URL


@dataclass(frozen=True, slots=True)
class Macros:
    """A text with macros in it."""

    parts: tuple[Part, ...]

    def expand(self, values: Values) -> Generator[Question, DnsAnswer, str]:
        """The text with all values in it."""
        text = ""
        for part in self.parts:
            text += _transformed((yield from values(part.letter)), part) if part.letter else part.text
        return text


def macro_string(text: str, *, explains: bool = False) -> Macros | None:
    """Text with macros; None: it is none. ``explains``: it is an explanation, which may have blanks."""
    parts: list[Part] = []
    at = 0
    while at < len(text):
        if explains and text[at] == " ":
            parts.append(Part(" "))
            at += 1
            continue
        found = _PART.match(text, at)
        part = _part(found, explains=explains) if found else None
        if found is None or part is None:
            return None
        parts.append(part)
        at = found.end()
    return Macros(tuple(parts))


def domain_spec(text: str) -> Macros | None:
    """A name with macros, which ends in one or in a top label (section 7.1); None: it is none."""
    found = macro_string(text)
    if found is None or not found.parts:
        return None
    last = found.parts[-1]
    ends = last.letter or text.endswith(("%%", "%_", "%-")) or _TOP.search(last.text)
    return found if ends else None


def _part(found: re.Match[str], *, explains: bool) -> Part | None:
    if found["plain"]:
        return Part(found["plain"])
    if found["sign"]:
        return Part(_SIGNS[found["sign"]])
    letter = found["letter"]
    if letter.lower() in _OF_EXPLANATIONS and not explains:
        return None
    keep = int(found["digits"][:4]) if found["digits"] else 0
    if found["digits"] and not 1 <= keep <= _MOST_PARTS:
        return None
    return Part("", letter.lower(), keep, bool(found["reverse"]), found["at"] or ".", letter.isupper())


def _transformed(value: str, part: Part) -> str:
    if part.keep or part.reverse or part.at != ".":
        pieces = re.split(f"[{re.escape(part.at)}]", value)
        if part.reverse:
            pieces.reverse()
        value = ".".join(pieces[-part.keep :])
    return _ESCAPED.sub(_escape, value) if part.escape else value


def _escape(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def shortened(name: str) -> str:
    """A name that fits into the DNS, without its final dot."""
    name = name.removesuffix(".")
    too_many = len(name) - NAME_LETTERS
    return name[name.find(".", too_many - 1) + 1 :] if too_many > 0 else name
