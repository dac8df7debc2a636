"""engine.mapping.pattern and .match: every form of a pattern, what it matches and what it saves."""

import contextlib
import ipaddress
import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.ascii import ascii_upper
from sendwarden.engine.mapping.limits import MATCH_STEPS
from sendwarden.engine.mapping.match import Backtracker, Probe, TooManySteps, compile_pattern
from sendwarden.engine.mapping.pattern import Literal, Part, Wildcard, parse_pattern

PROBE_LETTERS = st.text("abA1.|*%@$ é\n\udc80")
LITERALS = st.text("aAb|1é", min_size=1, max_size=3).map(str.casefold).map(Literal)
PLAIN_WILDCARDS = st.builds(Wildcard, many=st.booleans(), saved=st.booleans())
PLAIN_PARTS = st.lists(LITERALS | PLAIN_WILDCARDS, min_size=1, max_size=7).map(tuple)


def matched(pattern: str, probe: str) -> tuple[str, ...] | None:
    """The captures, or None; the fast matcher and the backtracker are always of one mind."""
    parts = parse_pattern(pattern)
    found = compile_pattern(parts)(Probe(probe))
    if parts:
        assert Backtracker(parts).match(Probe(probe)) == found
    return found


def naive(parts: tuple[Part, ...], probe: str) -> tuple[str, ...] | None:
    """The greedy regular expression that a pattern of literals, ``%`` and ``*`` stands for."""
    forms = {(True, True): "(.*)", (True, False): ".*", (False, True): "(.)", (False, False): "."}
    source = ""
    for part in parts:
        if isinstance(part, Literal):
            source += re.escape(part.text)
        elif isinstance(part, Wildcard):
            source += forms[part.many, part.saved]
    found = re.fullmatch(source, probe, re.DOTALL | re.IGNORECASE | re.ASCII)
    return found.groups() if found else None


# --- the linear form


@given(PLAIN_PARTS, PROBE_LETTERS)
def test_the_linear_form_is_the_greedy_regular_expression(parts: tuple[Part, ...], probe: str) -> None:
    assert compile_pattern(parts)(Probe(probe)) == naive(parts, probe)


@given(PLAIN_PARTS, PROBE_LETTERS)
def test_the_backtracker_is_the_greedy_regular_expression(parts: tuple[Part, ...], probe: str) -> None:
    assert Backtracker(parts).match(Probe(probe)) == naive(parts, probe)


@given(PLAIN_PARTS, st.data())
def test_what_a_pattern_stands_for_matches_it(parts: tuple[Part, ...], data: st.DataObject) -> None:
    texts = {True: st.text("ab|1", max_size=4), False: st.sampled_from("ab|1")}
    probe = "".join(
        ascii_upper(part.text) if isinstance(part, Literal) else data.draw(texts[part.many])
        for part in parts
        if isinstance(part, Literal | Wildcard)
    )

    captures = compile_pattern(parts)(Probe(probe))

    assert captures is not None
    assert captures == naive(parts, probe)


HEAVY = [
    pytest.param("*a*a*a*a*a*ab", "a" * 4000, id="stars and one letter"),
    pytest.param("*a*a*a*a*a*ab", "a" * 3999 + "c", id="stars, and another end"),
    pytest.param("x*a*a*a*a*a*ab", "y" + "a" * 3990 + "ab", id="stars, and another beginning"),
    pytest.param("*|*|*|*|*|*|*|*|x", "|" * 4000, id="bars"),
    pytest.param("x|*|*|*|*|*|*|*|", "y" + "|" * 4000, id="bars, and another beginning"),
    pytest.param("*%*%*%*%*a", "b" * 4000, id="stars and single letters"),
    pytest.param("*ab*ab*ab*abc", "ab" * 2000, id="stars and words"),
]


@pytest.mark.parametrize(("pattern", "probe"), HEAVY)
def test_stars_cost_linear_time(pattern: str, probe: str) -> None:
    match, started = compile_pattern(parse_pattern(pattern)), time.process_time()

    for _ in range(5):
        assert match(Probe(probe)) is None

    assert time.process_time() - started < 1


# --- the backtracker

SETS = st.sampled_from([None, frozenset("ab"), frozenset("1a"), frozenset("|")])
MANY, ONE = st.just(value=True), st.just(value=False)
ANY_PARTS = st.lists(
    LITERALS
    | st.builds(Wildcard, many=MANY, saved=st.booleans(), minimal=st.booleans(), letters=SETS)
    | st.builds(Wildcard, many=ONE, saved=st.booleans(), letters=SETS),
    min_size=1,
    max_size=6,
).map(tuple)


def regex_of(parts: tuple[Part, ...]) -> str:
    source = ""
    for part in parts:
        if isinstance(part, Literal):
            source += re.escape(part.text)
        elif isinstance(part, Wildcard):
            letter = "." if part.letters is None else f"[{re.escape(''.join(sorted(part.letters)))}]"
            many = ("*?" if part.minimal else "*") if part.many else ""
            source += f"({letter}{many})" if part.saved else f"{letter}{many}"
    return source


@given(ANY_PARTS, st.text("abA1|", max_size=14))
def test_sets_and_minimal_stars_are_those_of_a_backtracking_regular_expression(
    parts: tuple[Part, ...], probe: str
) -> None:
    found = re.fullmatch(regex_of(parts), probe, re.DOTALL | re.IGNORECASE | re.ASCII)

    assert compile_pattern(parts)(Probe(probe)) == (found.groups() if found else None)


@pytest.mark.parametrize(
    ("pattern", "probe"),
    [
        pytest.param("*$D*x", "1" * 4096, id="a set behind a star"),
        pytest.param("*$D*$D*$D*$D*x", "1" * 4096, id="sets"),
        pytest.param("*$(10.0.0.0/8)*", "1" * 4096, id="a network that never begins"),
        pytest.param("*$(10.0.0.0/8)*", "1," * 2048, id="networks that are none"),
        pytest.param("*${2001:db8::/32}*", "1" * 4096, id="an IPv6 network"),
        pytest.param("$_*|*|*|*|*|*|*x", "|" * 4096, id="minimal stars"),
        pytest.param("*$A*$0*x", "a" * 4096, id="a back reference"),
        pytest.param("*$0*$0*$0*$0*x", "a" * 4096, id="back references to a star"),
        pytest.param("*$[a-z]*" * 40 + "1", "a" * 4096, id="many sets"),
    ],
)
def test_the_backtracker_gives_up_instead_of_working_on(pattern: str, probe: str) -> None:
    match, started = compile_pattern(parse_pattern(pattern)), time.process_time()

    with contextlib.suppress(TooManySteps):
        assert match(Probe(probe)) is None

    assert time.process_time() - started < 0.5


def test_a_pattern_that_needs_more_than_the_allowed_steps_is_given_up() -> None:
    match = compile_pattern(parse_pattern("*$A*$0*x"))

    with pytest.raises(TooManySteps):
        match(Probe("a" * MATCH_STEPS))


@pytest.mark.parametrize("pattern", ["$_*|*|*|*|*|*|x", "*$A*|*$A*|*x", "*|$[a-z0-9.@]*|*|$D*|x"])
def test_without_back_references_no_probe_of_a_mail_system_is_too_long(pattern: str) -> None:
    longest_path = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.example|"

    assert compile_pattern(parse_pattern(pattern))(Probe(longest_path * 4)) is None


# --- forms, one by one


@pytest.mark.parametrize(
    ("pattern", "probe", "captures"),
    [
        pytest.param("", "", (), id="the empty pattern"),
        pytest.param("abc", "abc", (), id="a literal"),
        pytest.param("AbC", "aBc", (), id="case"),
        pytest.param("É", "é", None, id="case of letters beyond ASCII"),
        pytest.param("é", "é", (), id="letters beyond ASCII"),
        pytest.param("k", "\N{KELVIN SIGN}", None, id="a letter that Unicode folds to k"),
        pytest.param("*k", "\N{KELVIN SIGN}", None, id="the same behind a star"),
        pytest.param("k|*|ab", "\N{KELVIN SIGN}|x|ab", None, id="the same before a star"),
        pytest.param("s*", "\N{LATIN SMALL LETTER LONG S}", None, id="the long s"),
        pytest.param("abc", "abcd", None, id="the end is anchored"),
        pytest.param("bc", "abc", None, id="the beginning is anchored"),
        pytest.param("%", "a", ("a",), id="one letter"),
        pytest.param("%", "", None, id="one letter is not none"),
        pytest.param("%", "ab", None, id="one letter is not two"),
        pytest.param("a%c", "aBc", ("B",), id="case of a capture"),
        pytest.param("*", "", ("",), id="no letters"),
        pytest.param("*", "a\nb", ("a\nb",), id="a line end is a letter"),
        pytest.param("%", "\n", ("\n",), id="also for one letter"),
        pytest.param("*|*", "a|b|c", ("a|b", "c"), id="the first star takes what it can"),
        pytest.param("$_*|*", "a|b|c", ("a", "b|c"), id="a minimal star"),
        pytest.param("*|$_*|*", "a|b|c|d", ("a|b", "c", "d"), id="minimal from there on"),
        pytest.param("$_*|*|*", "a|b|c|d", ("a", "b", "c|d"), id="minimal to the end of the pattern"),
        pytest.param("**", "ab", ("ab", ""), id="two stars"),
        pytest.param("$@*$^|*", "a|b", ("b",), id="a star that is not saved"),
        pytest.param("$@%*$^%", "abc", ("c",), id="not saving holds until it is ended"),
        pytest.param("$@$@*|*", "a|b", (), id="not saving to the end"),
        pytest.param("$^*", "a", ("a",), id="saving is the default"),
        pytest.param("*|$0*", "ab|AB", ("ab",), id="the same text again, in any case"),
        pytest.param("*|$0*", "ab|ac", None, id="not the same text again"),
        pytest.param("%*$1*$0*", "abba", ("a", "b"), id="two back references"),
        pytest.param("$@*$^|*|$0*", "x|y|y", ("y",), id="numbers count saved wildcards alone"),
        pytest.param("é|*|$0*", "é|É|É", ("É",), id="again beyond ASCII"),
        pytest.param("é|*|$0*", "é|É|é", None, id="again, but case beyond ASCII"),
        pytest.param("$*$%$ $\t$$", "*% \t$", (), id="quoted letters"),
        pytest.param("a$*b", "axb", None, id="a quoted star is no star"),
        pytest.param("(a)", "(a)", (), id="parentheses"),
        pytest.param('"a"', '"a"', (), id="quotes"),
        pytest.param("a.c", "abc", None, id="a dot is a dot"),
        pytest.param("[a]*", "[a]x", ("x",), id="brackets without a dollar"),
        pytest.param("$A*", "aZ", ("aZ",), id="letters"),
        pytest.param("$A*", "a1", None, id="letters only"),
        pytest.param("$A%", "é", None, id="ASCII letters only"),
        pytest.param("$B*", "0110", ("0110",), id="binary"),
        pytest.param("$B*", "012", None, id="binary only"),
        pytest.param("$D*", "0189", ("0189",), id="decimal"),
        pytest.param("$D%", "\N{ARABIC-INDIC DIGIT THREE}", None, id="ASCII digits only"),
        pytest.param("$H*", "09afAF", ("09afAF",), id="hexadecimal"),
        pytest.param("$X*", "09afAF", ("09afAF",), id="hexadecimal by its other name"),
        pytest.param("$H*", "g", None, id="hexadecimal only"),
        pytest.param("$O*", "017", ("017",), id="octal"),
        pytest.param("$O*", "8", None, id="octal only"),
        pytest.param("$S*", "aZ09_$", ("aZ09_$",), id="symbols"),
        pytest.param("$S*", "-", None, id="symbols only"),
        pytest.param("$T*", " \t\v", (" \t\v",), id="blanks"),
        pytest.param("$T*", "\n", None, id="a line end is no blank"),
        pytest.param("$d*", "12", ("12",), id="a set's letter in lower case"),
        pytest.param("$D*$A*", "12ab", ("12", "ab"), id="two sets"),
        pytest.param("$D*%", "123", ("12", "3"), id="a set gives back what the rest needs"),
        pytest.param("$_$D*%*", "123", ("", "1", "23"), id="a minimal set"),
        pytest.param("$@$D*$^*", "12a", ("a",), id="a set that is not saved"),
        pytest.param("$[abc]*", "cabX", None, id="listed letters only"),
        pytest.param("$[abc]*", "cABa", ("cABa",), id="listed letters in any case"),
        pytest.param("$[A-C]%", "b", ("b",), id="a range in upper case"),
        pytest.param("$[a-c0-2]*", "a2c0", ("a2c0",), id="ranges"),
        pytest.param("$[^a]*", "^a", ("^a",), id="a caret is a letter"),
        pytest.param("$[\\]\\-]*", "]-", ("]-",), id="a quoted bracket and hyphen"),
        pytest.param("$[a\\-c]*", "b", None, id="a quoted hyphen is no range"),
        pytest.param("$[-a]*", "a-", ("a-",), id="a hyphen in front"),
        pytest.param("$[a-]*", "a-", ("a-",), id="a hyphen at the end"),
        pytest.param("$[\\\\]*", "\\", ("\\",), id="a quoted backslash"),
        pytest.param("$[a$ ]*", "a a", ("a a",), id="a blank is quoted as everywhere"),
        pytest.param("$[a$ ]*", "a$", None, id="and its dollar is then no letter"),
        pytest.param("$[a$]*", "a$", ("a$",), id="a dollar"),
        pytest.param("$[é]%", "é", ("é",), id="a listed letter beyond ASCII"),
        pytest.param("$[A-z]*", "A_z", ("A_z",), id="a range over both cases"),
    ],
)
def test_what_a_pattern_matches_and_saves(pattern: str, probe: str, captures: tuple[str, ...] | None) -> None:
    assert matched(pattern, probe) == captures


def test_captures_number_from_the_left_and_may_be_more_than_ten() -> None:
    assert matched("|".join("*" * 12), "|".join("abcdefghijkl")) == tuple("abcdefghijkl")


# --- networks


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        pytest.param("$(10.0.0.0/8)", "10.255.0.1", "11.0.0.0", id="significant bits"),
        pytest.param("$(10.1.2.3/8)", "10.0.0.0", "11.1.2.3", id="host bits are ignored"),
        pytest.param("$(192.0.2.4)", "192.0.2.4", "192.0.2.5", id="one address"),
        pytest.param("$(0.0.0.0/0)", "255.255.255.255", "256.0.0.1", id="all addresses"),
        pytest.param("$<123.45.67.4/2>", "123.45.67.7", "123.45.67.8", id="ignored bits"),
        pytest.param("$<123.45.67.4/2>", "123.45.67.4", "123.45.67.3", id="ignored bits, below"),
        pytest.param("$<192.0.2.4>", "192.0.2.4", "192.0.2.5", id="one address, no bits ignored"),
        pytest.param("$<0.0.0.0/32>", "9.9.9.9", "9.9.9", id="all bits ignored"),
        pytest.param("${2001:db8::/32}", "2001:DB8:1::2", "2001:db9::", id="IPv6"),
        pytest.param("${::1}", "0:0:0:0:0:0:0:1", "::2", id="one IPv6 address, spelt otherwise"),
        pytest.param("${::ffff:0:0/96}", "::ffff:192.0.2.1", "192.0.2.1", id="IPv6 with a dotted end"),
        pytest.param("$(10.0.0.0/8)", "10.0.0.1", "::ffff:10.0.0.1", id="IPv4 is not IPv6"),
        pytest.param("$(10.0.0.0/8)", "10.0.0.1", "010.0.0.1", id="no octal guesses"),
        pytest.param("$(10.0.0.0/8)", "10.0.0.1", "10.0.0.1.", id="a dot too many"),
    ],
)
def test_a_network_matches_the_addresses_inside_and_saves_none(
    pattern: str, inside: str, outside: str
) -> None:
    assert (matched(pattern, inside), matched(pattern, outside)) == ((), None)


@pytest.mark.parametrize(
    ("pattern", "probe", "captures"),
    [
        pytest.param("*$(10.0.0.0/8)", "a10.1.2.3", ("a",), id="letters before an address"),
        pytest.param("*$(10.0.0.0/8)", "210.1.2.3", None, id="no part of a longer address"),
        pytest.param("*$(10.0.0.0/8)", "a3.10.1.2.3", None, id="no part of a longer run of address letters"),
        pytest.param("$(10.0.0.0/8)*", "10.1.2.34", ("",), id="never less than the whole address"),
        pytest.param("$(10.0.0.0/8)4", "10.1.2.34", None, id="not even where the rest would match"),
        pytest.param("TCP|$(10.0.0.0/8)|*", "TCP|10.1.2.3|25", ("25",), id="between bars"),
        pytest.param("*|${2001:db8::/32}|*", "a|2001:db8::1|25", ("a", "25"), id="IPv6 between bars"),
        pytest.param(
            "$_*$(10.0.0.0/8)*", "9.9.9.9,10.1.1.1,10.2.2.2", ("9.9.9.9,", ",10.2.2.2"), id="the first"
        ),
        pytest.param("*$(10.0.0.0/8)*", "10.1.1.1,10.2.2.2,", ("10.1.1.1,", ","), id="the last"),
    ],
)
def test_a_network_takes_a_whole_address(pattern: str, probe: str, captures: tuple[str, ...] | None) -> None:
    assert matched(pattern, probe) == captures


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_ipv4_networks_are_those_of_the_bits(
    network: ipaddress.IPv4Address, bits: int, address: ipaddress.IPv4Address
) -> None:
    inside = int(network) >> (32 - bits) == int(address) >> (32 - bits)

    assert (matched(f"$({network}/{bits})", str(address)) == ()) is inside
    assert (matched(f"$<{network}/{32 - bits}>", str(address)) == ()) is inside


@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_ipv6_networks_are_those_of_the_bits(network: ipaddress.IPv6Address, bits: int) -> None:
    last = int(network) | ((1 << (128 - bits)) - 1)

    assert matched(f"${{{network}/{bits}}}", str(ipaddress.IPv6Address(last))) == ()
    beyond = ipaddress.IPv6Address((last + 1) % (1 << 128))
    assert (matched(f"${{{network}/{bits}}}", str(beyond)) is None) is (bits > 0)


# --- a probe is any text


@given(st.text("*%$ab|\t ", max_size=12), st.text(string.printable, max_size=20))
def test_a_quoted_text_matches_itself_alone(text: str, probe: str) -> None:
    quoted = re.sub(r"[*%$ \t]", r"$\g<0>", text)

    assert matched(quoted, text) == ()
    assert (matched(quoted, probe) == ()) is (probe.lower() == text.lower())
