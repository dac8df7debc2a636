"""engine.sieve.matching: comparators, match types, relations, and wildcards against a plain matcher."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendwarden.engine.sieve.mail import octets_of
from sendwarden.engine.sieve.matching import (
    ASCII_CASEMAP,
    ASCII_NUMERIC,
    CONTAINS,
    IS,
    MATCHES,
    OCTET,
    Comparator,
    Keys,
    MatchType,
    match_pattern,
    number_of,
)
from sendwarden.engine.sieve.run import Run
from tests.engine.sieve.scripts import at_most, holds, mail, table

# Letters that differ in every way that matters: case, lookalikes of ASCII letters, octets that are no UTF-8.
ALPHABET = "aAbBkKsS\u212a\u017fäÄé\u0130 \n\udce4*?\\"
TEXTS = st.text(ALPHABET, max_size=8)


def no_keys(_run: Run) -> tuple[str, ...]:
    return ()


def matches(match_type: MatchType, comparator: Comparator, values: list[str], keys: list[str]) -> bool:
    """With constant keys and with keys made of variables, which must be the same."""
    run = Run(mail(), ())
    constant = match_type.bind(comparator, Keys(tuple(keys), no_keys), "", True)(run, values)  # noqa: FBT003
    varying = match_type.bind(comparator, Keys(None, lambda _run: keys), "", True)(run, values)  # noqa: FBT003
    assert constant is varying
    return constant


def folded(text: str) -> str:
    return "".join(chr(ord(letter) + 32) if "A" <= letter <= "Z" else letter for letter in text)


FOLDS: list[tuple[Comparator, Callable[[str], str]]] = [(OCTET, str), (ASCII_CASEMAP, folded)]


@pytest.mark.parametrize(("comparator", "fold"), FOLDS, ids=["i;octet", "i;ascii-casemap"])
@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
def test_is_and_contains_find_any_value_with_any_key(
    comparator: Comparator, fold: Callable[[str], str], values: list[str], keys: list[str]
) -> None:
    pairs = [(fold(value), fold(key)) for value in values for key in keys]

    assert matches(IS, comparator, values, keys) is any(value == key for value, key in pairs)
    assert matches(CONTAINS, comparator, values, keys) is any(key in value for value, key in pairs)


# --- wildcards


def parsed(pattern: str) -> list[str]:
    """``*``, ``?`` and letters, each letter as ``=a``."""
    letters = iter(pattern)
    return [
        letter if letter in "*?" else "=" + (next(letters, "\\") if letter == "\\" else letter)
        for letter in letters
    ]


def ways(value: str, pattern: list[str], fold: Callable[[str], str]) -> Iterator[tuple[str, ...]]:
    """All ways to match, those first in which the stars to the left take least (RFC 5229 section 3.2)."""
    if not pattern:
        if not value:
            yield ()
        return
    first, *rest = pattern
    if first == "*":
        for length in range(len(value) + 1):
            yield from ((value[:length], *more) for more in ways(value[length:], rest, fold))
    elif value and first == "?":
        yield from ((value[0], *more) for more in ways(value[1:], rest, fold))
    elif value and fold(value[0]) == fold(first[1:]):
        yield from ways(value[1:], rest, fold)


SMALL = "abA?*\\äÄk\u212a"


@pytest.mark.parametrize(("comparator", "fold"), FOLDS, ids=["i;octet", "i;ascii-casemap"])
@given(st.text(SMALL, max_size=9), st.text(SMALL + "**??", max_size=7))
@example("aXaXa", "*a*a")
@example("abab", "*ab")
@example("aab", "*?ab")
@example("\n", "?")
@example("\u212a\u017fÄ", "ksä")
@example("k", "\u212a")
@example("a\\", "a\\")
def test_wildcards_match_as_the_plain_matcher_does_and_capture_the_same(
    comparator: Comparator, fold: Callable[[str], str], value: str, pattern: str
) -> None:
    wanted = next(ways(value, parsed(pattern), fold), None)

    found = match_pattern(value, pattern, comparator.folds_case)

    assert found == (None if wanted is None else (value, *wanted))


@given(TEXTS, TEXTS, TEXTS)
def test_a_quoted_text_between_stars_is_contains(before: str, text: str, behind: str) -> None:
    quoted = "".join(f"\\{letter}" for letter in text)

    assert match_pattern(before + text + behind, f"*{quoted}*", False) is not None  # noqa: FBT003
    assert match_pattern(text, quoted, False) == (text,)  # noqa: FBT003


@given(TEXTS, TEXTS)
def test_captures_and_letters_of_the_pattern_make_up_the_value(value: str, pattern: str) -> None:
    found = match_pattern(value, pattern, True)  # noqa: FBT003

    if found is not None:
        letters = sum(part[0] == "=" for part in parsed(pattern))
        assert found[0] == value and all(part in value for part in found)
        assert sum(map(len, found[1:])) + letters == len(value)
        assert len(found) - 1 + letters == len(parsed(pattern))


def test_the_first_value_with_the_first_key_sets_the_match_variables() -> None:
    run = Run(mail(), ())
    bound = MATCHES.bind(OCTET, Keys(("c*", "*b"), no_keys), "", True)  # noqa: FBT003

    assert bound(run, ["x", "ab", "cb"]) and run.match_values == ("ab", "a")
    assert not bound(run, ["x"]) and run.match_values == ("ab", "a")


def test_without_the_extension_variables_nothing_is_set() -> None:
    run = Run(mail(), ())

    assert MATCHES.bind(OCTET, Keys(("*",), no_keys), "", False)(run, ["x"])  # noqa: FBT003
    assert run.match_values == ()


HOSTILE = [
    pytest.param("a" * 200_000, "*a" * 30 + "b", id="many stars, no end"),
    pytest.param("a" * 200_000, "*" * 60 + "b", id="nothing but stars"),
    pytest.param("ab" * 100_000, "*ab*ab*ab*ba*ac", id="almost"),
    pytest.param("a" * 200_000, "*?" * 30 + "b", id="stars and questions"),
    pytest.param("a" * 200_000, "?*?*?*?*?*?*b", id="questions and stars"),
    pytest.param("a" * 200_000 + "b", "*a*a*a*a*c", id="the last letter decides"),
]


@pytest.mark.parametrize(("value", "pattern"), HOSTILE)
def test_no_pattern_takes_more_than_linear_time(value: str, pattern: str) -> None:
    """What is quadratic here takes minutes, and what is worse for ever."""
    with at_most(cpu_s=5):
        assert match_pattern(value, pattern, True) is None  # noqa: FBT003


# --- numbers and order


@given(
    st.integers(0, 10**30), st.integers(0, 10**30), st.integers(0, 5), st.sampled_from(["", "x", " 1", ".5"])
)
def test_numbers_are_ordered_as_numbers(one: int, other: int, zeros: int, behind: str) -> None:
    left, right = "0" * zeros + str(one) + behind, str(other)

    assert (number_of(left) < number_of(right)) is (one < other)
    assert matches(IS, ASCII_NUMERIC, [left], [right]) is (one == other)


@given(st.text("ax-. \u0661²", max_size=4), st.integers(0, 10**30))
def test_what_begins_with_no_digit_is_larger_than_any_number_and_equal_to_its_like(
    text: str, number: int
) -> None:
    """RFC 4790 section 9.1.1; only ASCII digits are digits."""
    assert number_of(text) > number_of(str(number))
    assert matches(IS, ASCII_NUMERIC, [text], ["", "x"])
    assert not matches(IS, ASCII_NUMERIC, [text], [str(number)])


def test_a_number_of_any_length_is_a_number() -> None:
    with at_most(cpu_s=5):
        assert number_of("9" * 200_000) > number_of("9" * 4000)
        assert holds('header :value "gt" :comparator "i;ascii-numeric" "X" "1"', mail({"X": "9" * 200_000}))


RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}
ORDERS: list[tuple[Comparator, Callable[[str], object]]] = [
    (OCTET, octets_of),
    (
        ASCII_CASEMAP,
        lambda text: octets_of("".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in text)),
    ),
    (ASCII_NUMERIC, number_of),
]
SIDES = st.lists(st.text("aZ[_0159ä", max_size=3), min_size=1, max_size=2)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize(("comparator", "order"), ORDERS, ids=[comparator.name for comparator, _ in ORDERS])
@given(SIDES, SIDES)
def test_a_relation_holds_between_any_value_and_any_key(
    relation: str, comparator: Comparator, order: Callable[[str], object], values: list[str], keys: list[str]
) -> None:
    quoted = ", ".join(f'"{key}"' for key in keys)
    test = f'header :value "{relation}" :comparator "{comparator.name}" "X" [{quoted}]'

    wanted = any(RELATIONS[relation](order(value), order(key)) for value in values for key in keys)

    assert holds(test, mail([("X", value) for value in values])) is wanted


COUNTED = mail(
    [("X", "a"), ("X", "b"), ("X", ""), ("To", "a@b, G: c@d, e@f;"), ("Cc", "nonsense, <g@h>"), ("Bcc", "")],
    sender="",
)

COUNTS = table(
    r"""
header :count "eq" "X" "3"
header :count "eq" ["X", "To", "None"] "4"
header :count "eq" "None" "0"
header :count "ge" :comparator "i;ascii-numeric" "X" ["9", "003"]
not header :count "gt" :comparator "i;ascii-numeric" "X" "3"
header :count "lt" :comparator "i;ascii-numeric" "X" "10"
not header :count "lt" "X" "10"
header :count "NE" "X" "2"
address :count "eq" "To" "3"
address :count "eq" ["To", "Cc"] "5"
address :count "eq" :domain "Cc" "1"
address :count "eq" "Bcc" "0"
envelope :count "eq" "from" "0"
envelope :count "eq" "to" "1"
envelope :count "eq" ["from", "to"] "1"
string :count "eq" ["a", "", "b"] "2"
string :count "eq" "" "0"
string :count "eq" ["${none}", "a"] "1"
header :value "ge" :comparator "i;octet" "X" "b"
not header :value "gt" "None" ""
"""
)


@pytest.mark.parametrize("test", [row[0] for row in COUNTS])
def test_counts(test: str) -> None:
    """RFC 5231 section 6, RFC 5229 section 5: an empty string and a null sender count for nothing."""
    assert holds(test, COUNTED)
