"""Search filters of LDAP with names in them that stand for values: ``(&(objectClass=person)(uid=:account))``.

A name may stand in an assertion value alone, and what it stands for is escaped as RFC 4515 section 3 says, so
that nothing in a value can become part of the filter: not an end, not a wildcard, not another attribute.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sendwarden.core.place import did_you_mean

# Components of a filter within each other.
DEEPEST = 20
# Letters of what is wrong.
SHOWN = 20

_NAME = re.compile(r":(\w+)")
_ESCAPED = re.compile(r"\\[0-9A-Fa-f]{2}")
# All that is not escaped: everything else may be, and then no list of what must be can be incomplete.
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._-+")
# An attribute with options, then what an extensible match may have, then how values are compared; a rule
# alone will do (RFC 4515 section 3).
_OID = r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)"
_ITEM = re.compile(rf"{_OID}(?:;[A-Za-z0-9-]+)*(?:[~<>]?=|(?::dn)?(?::{_OID})?:=)|(?::dn)?:{_OID}:=")


class NotAFilter(ValueError):
    """Says what is wrong with a filter, and what to write instead."""

    def __init__(self, says: str, remedy: str) -> None:
        super().__init__(says)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class FilterTemplate:
    """Text, name, text, name, ..., text. Made by `read_filter` alone."""

    pieces: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.pieces[1::2]

    def filled(self, values: Mapping[str, str]) -> str:
        """The filter with values for all names."""
        return "".join(
            escaped(values[piece]) if number % 2 else piece for number, piece in enumerate(self.pieces)
        )


def escaped(value: str) -> str:
    """A value as it stands in a filter. Bytes that are no UTF-8 (``surrogateescape``) keep their value."""
    octets = value.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if octet in _PLAIN else f"\\{octet:02x}" for octet in octets)


def read_filter(text: str, names: Collection[str]) -> FilterTemplate:
    """Raises `NotAFilter`."""
    values: list[tuple[int, int]] = []
    end = _component(text, 0, values, 0)
    if end != len(text):
        says = f'after the end of the filter stands "{text[end:]}"'
        raise NotAFilter(says, f'write "(&{text[:end]}(...))" if both must hold')
    pieces, done = [], 0
    for start, stop in values:
        for found in _NAME.finditer(text, start, stop):
            if found[1] not in names:
                says = f"nothing is known here that {found[0]} could stand for"
                remedy = did_you_mean(found[1], names) or f"there are :{', :'.join(names)}"
                raise NotAFilter(says, f"{remedy}; a colon as such is \\3a")
            pieces += [text[done : found.start()], found[1]]
            done = found.end()
    return FilterTemplate((*pieces, text[done:]))


def _component(text: str, at: int, values: list[tuple[int, int]], depth: int) -> int:
    """The end of the component that begins at ``at``; where the values in it stand is added to ``values``."""
    if depth > DEEPEST:
        raise NotAFilter(f"there are more than {DEEPEST} components within each other", "write a flatter one")
    if text[at : at + 1] != "(":
        says = f'a bracket is missing before "{text[at : at + SHOWN]}"'
        raise NotAFilter(says, 'write "(uid=:account)"')
    operator = text[at + 1 : at + 2]
    if operator == "!":
        at = _component(text, at + 2, values, depth + 1)
    elif operator in ("&", "|"):
        at += 2
        while True:
            at = _component(text, at, values, depth + 1)
            if text[at : at + 1] != "(":
                break
    else:
        at = _item(text, at + 1, values)
    if text[at : at + 1] != ")":
        says = f'a bracket is missing at the end of "{text[:at]}"'
        raise NotAFilter(says, 'write "(uid=:account)"')
    return at + 1


def _item(text: str, at: int, values: list[tuple[int, int]]) -> int:
    compared = _ITEM.match(text, at)
    if compared is None:
        says = f'"{text[at : at + SHOWN]}" is no attribute with what it must be'
        raise NotAFilter(says, 'write "(uid=:account)"')
    end = compared.end()
    while end < len(text) and text[end] not in "()":
        if text[end] == "\\" and not _ESCAPED.match(text, end):
            raise NotAFilter("a backslash begins two hexadecimal digits", 'write "\\5c" for one as such')
        end += 1
    values.append((compared.end(), end))
    return end
