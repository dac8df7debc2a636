"""Comparators and match types (RFC 5228 2.7, RFC 4790): how a test's values are compared with its keys.

Everything known when a script is compiled is bound then: folded keys, patterns as regular expressions. A
pattern's ``*`` takes as little as it can (RFC 5229 section 3.2); written with atomic groups that is linear in
the value, where the naive regular expression is exponential.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sendwarden.core.ascii import ascii_lower, ascii_upper

from .mail import octets_of
from .run import Run

# Do these values match? Sets the match variables of the run where the match type does.
Matched = Callable[[Run, Sequence[str]], bool]

_DIGITS = re.compile(r"[0-9]+")
# Python converts no more digits than this; a longer number is larger than any other.
_MOST_DIGITS = 4000
_INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Comparator:
    """``fold`` is how values are made equal, ``order`` what they are sorted by."""

    name: str
    capability: str  # "" for those that need no `require`
    fold: Callable[[str], str]
    order: Callable[[str], bytes | float]
    folds_case: bool = False
    substrings: bool = True  # may it serve :contains and :matches?


def _as_is(text: str) -> str:
    return text


def _in_capitals(text: str) -> bytes:
    return octets_of(ascii_upper(text))


def number_of(text: str) -> float:
    """i;ascii-numeric (RFC 4790 section 9.1): the digits a value begins with, else larger than any number."""
    digits = _DIGITS.match(text)
    return int(digits[0]) if digits and digits.end() <= _MOST_DIGITS else _INFINITE


def _number_text(text: str) -> str:
    return str(number_of(text))


OCTET = Comparator("i;octet", "", _as_is, octets_of)
ASCII_CASEMAP = Comparator("i;ascii-casemap", "", ascii_lower, _in_capitals, folds_case=True)
ASCII_NUMERIC = Comparator(
    "i;ascii-numeric", "comparator-i;ascii-numeric", _number_text, number_of, substrings=False
)


@dataclass(frozen=True, slots=True)
class Keys:
    """A test's key list. ``constant`` if no key holds a variable; else `get` gives the texts of now."""

    constant: tuple[str, ...] | None
    get: Callable[[Run], Sequence[str]]


@dataclass(frozen=True, slots=True)
class MatchType:
    """``bind`` makes the matcher of one test; ``relation`` is the argument of :value and :count, else ""."""

    tag: str  # ":is"
    bind: "Callable[[Comparator, Keys, str, bool], Matched]"  # the last: are there variables to set?
    capability: str = ""
    substrings: bool = False  # needs a comparator that can do substrings
    relational: bool = False  # takes a relation


def _bind_is(comparator: Comparator, keys: Keys, _relation: str, _sets: bool) -> Matched:  # noqa: FBT001
    fold = comparator.fold
    if keys.constant is not None:
        wanted = frozenset(map(fold, keys.constant))

        def is_one(_run: Run, values: Sequence[str]) -> bool:
            return any(fold(value) in wanted for value in values)

        return is_one

    def is_one_of_now(run: Run, values: Sequence[str]) -> bool:
        now = {fold(key) for key in keys.get(run)}
        return any(fold(value) in now for value in values)

    return is_one_of_now


def _bind_contains(comparator: Comparator, keys: Keys, _relation: str, _sets: bool) -> Matched:  # noqa: FBT001
    fold = comparator.fold
    if keys.constant is not None:
        wanted = tuple(map(fold, keys.constant))

        def contains(_run: Run, values: Sequence[str]) -> bool:
            for value in values:
                folded = fold(value)
                for key in wanted:
                    if key in folded:
                        return True
            return False

        return contains

    def contains_now(run: Run, values: Sequence[str]) -> bool:
        now = [fold(key) for key in keys.get(run)]
        return any(key in folded for folded in map(fold, values) for key in now)

    return contains_now


def _bind_matches(comparator: Comparator, keys: Keys, _relation: str, sets: bool) -> Matched:  # noqa: FBT001
    folds_case = comparator.folds_case
    if keys.constant is not None and len(keys.constant) == 1:
        return _matches_one(keys.constant[0], folds_case, sets)

    def matches(run: Run, values: Sequence[str]) -> bool:
        patterns = keys.constant if keys.constant is not None else keys.get(run)
        for value in values:
            for pattern in patterns:
                groups = match_pattern(value, pattern, folds_case)
                if groups is not None:
                    if sets:
                        run.match_values = groups
                    return True
        return False

    return matches


def _matches_one(pattern: str, folds_case: bool, sets: bool) -> Matched:  # noqa: FBT001
    """`match_pattern` with a pattern that is known."""
    if pattern == "*":

        def anything(run: Run, values: Sequence[str]) -> bool:
            if not values:
                return False
            if sets:
                run.match_values = (values[0], values[0])
            return True

        return anything

    whole = _pattern_regex(pattern, folds_case).fullmatch

    def matches(run: Run, values: Sequence[str]) -> bool:
        for value in values:
            found = whole(value)
            if found is not None:
                if sets:
                    run.match_values = (value, *found.groups())
                return True
        return False

    return matches


IS = MatchType(":is", _bind_is)
CONTAINS = MatchType(":contains", _bind_contains, substrings=True)
MATCHES = MatchType(":matches", _bind_matches, substrings=True)


@lru_cache(maxsize=4096)
def _pattern_regex(pattern: str, folds_case: bool) -> re.Pattern[str]:  # noqa: FBT001
    r"""``*`` any letters, ``?`` one, ``\`` quotes. Groups are the match variables from ${1}."""
    segments: list[list[str]] = [[]]
    letters = iter(pattern)
    for letter in letters:
        if letter == "*":
            segments.append([])
        elif letter == "?":
            segments[-1].append("(.)")
        else:
            segments[-1].append(re.escape(next(letters, "\\") if letter == "\\" else letter))
    source, *rest = ("".join(segment) for segment in segments)
    for number, literal in enumerate(rest, start=1):
        source += f"(?>(.*?){literal})" if number < len(rest) else f"(.*){literal}"
    return re.compile(source, re.DOTALL | re.ASCII | (re.IGNORECASE if folds_case else 0))


def match_pattern(value: str, pattern: str, folds_case: bool) -> tuple[str, ...] | None:  # noqa: FBT001
    """The match variables from ${0} on, or None where the pattern does not match the whole value."""
    if pattern == "*":
        return value, value
    found = _pattern_regex(pattern, folds_case).fullmatch(value)
    return (value, *found.groups()) if found else None
