"""Variables (RFC 5229) and encoded characters (RFC 5228 section 2.4.2.4): what a string comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.ascii import ascii_lower, ascii_upper
from sendwarden.engine.sieve.ext import CAPABILITIES
from sendwarden.engine.sieve.ext.variables import MODIFIERS
from sendwarden.engine.sieve.limits import VARIABLE_BYTES, VARIABLES
from sendwarden.engine.sieve.matching import match_pattern
from sendwarden.engine.sieve.registry import Capability, Language
from sendwarden.engine.sieve.run import Run
from sendwarden.engine.sieve.text import BadText, parse_text
from tests.engine.sieve.scripts import at_most, mail, problems, run, table, value

# Text with octets that are no UTF-8 among its letters.
LETTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from("\udc80\udce4\udcff")
TEXTS = st.text(LETTERS)


def expand(text: str, *, variables: bool = True, encoded: bool = False) -> str:
    """With ${a} "A", ${b_2} "${a}", ${0} "zero", ${1} "one", and a namespace n that tells a name."""
    spaces = {"n": lambda _run, name: f"<{name}>" if name != "none" else None}
    made = parse_text(text, variables=variables, encoded=encoded, namespace=spaces.get)
    context = Run(mail(), ())
    context.variables.update({"a": "A", "b_2": "${a}"})
    context.match_values = ("zero", "one")
    return made.get(context)


EXPANDED = table(
    r"""
plain | plain
${a} | A
x${a}y${A}z | xAyAz
${a}${a} | AA
${b_2} | ${a}
${none} |
[${none}] | []
${0} ${1} ${2} ${31} ${32} ${999999999999} | zero one
${01} ${0001} | one one
${n.x} ${N.X.y} ${n.1} | <x> <x.y> <1>
${n.none} |
$ | $
${ | ${
${} | ${}
$${a} | $A
${${a}} | ${A}
${a | ${a
{a} | {a}
${a b} | ${a b}
${a-b} | ${a-b}
${1a} | ${1a}
${a.} | ${a.}
${.a} | ${.a}
${n.1x} | ${n.1x}
${0.x} | ${0.x}
${ä} | ${ä}
${hex:41} | ${hex:41}
"""
)


@pytest.mark.parametrize(("text", "expected"), EXPANDED, ids=[row[0] for row in EXPANDED])
def test_what_is_a_variable_and_what_only_looks_like_one(text: str, expected: str) -> None:
    assert expand(text).rstrip() == expected


@given(TEXTS)
def test_without_the_extension_nothing_is_a_variable(text: str) -> None:
    assert expand(f"{text}${{a}}", variables=False) == f"{text}${{a}}"


@given(st.lists(st.sampled_from(["$", "{", "}", "a", "1", ".", "n", "${a}", "${"]), max_size=10).map("".join))
def test_what_is_no_reference_stays_letter_for_letter(text: str) -> None:
    try:
        expanded = expand(text)
    except BadText:
        return
    if "${" not in text or "}" not in text:
        assert expanded == text
    assert expand(text.replace("$", "§")) == text.replace("$", "§")


@pytest.mark.parametrize("text", ["${x.y}", "${x.y.z}", "a${n.x}${X.1}"])
def test_a_namespace_that_nothing_has_is_an_error(text: str) -> None:
    """RFC 5229 section 3."""
    with pytest.raises(BadText, match=r'no extension here has variables "x\."'):
        expand(text)


def test_a_namespace_must_be_required() -> None:
    own = Capability("vnd.example", namespaces={"site": lambda _run, name: name.upper()})
    language = Language((*CAPABILITIES, own))

    assert value('require ["variables","vnd.example"]; set "x" "${site.name}";', language=language) == "NAME"
    (problem,) = problems('require "variables"; redirect "${site.name}@a";', language)
    assert problem.code == "SW301" and '"vnd.example"' in problem.remedy


ENCODED = table(
    r"""
${hex:24} | $
${HEX: 24 } | $
${hex:4 } | 4
${hex:41 42⏎43	44} | ABCD
${hex:c3 a4} | ä
${hex:c3}${hex:a4} | ä
${unicode:41} | A
${Unicode:0041 e4 1F600} | Aä😀
${unicode:0000000000000000041} | A
${unicode:10ffff} | 􏿿
${hex:400} | ${hex:400}
${hex:4142} | ${hex:4142}
${hex:} | ${hex:}
${hex: } | ${hex: }
${hex:4g} | ${hex:4g}
${hex:41,42} | ${hex:41,42}
${hex:40 | ${hex:40
${ hex:40} | ${ hex:40}
${hex :40} | ${hex :40}
$${hex:40} | $@
${hex:4${hex:30}} | ${hex:40}
${unicode:} | ${unicode:}
${unicode:cool} | ${unicode:cool}
${unicode:４1} | ${unicode:４1}
"""
)


@pytest.mark.parametrize(("text", "expected"), ENCODED, ids=[row[0] for row in ENCODED])
def test_encoded_characters(text: str, expected: str) -> None:
    expected = expected.replace("${hex:4 }", "\x04") if text != "${hex:4 }" else "\x04"

    assert expand(text, variables=False, encoded=True) == expected


def test_octets_that_are_no_letter_stay_octets() -> None:
    assert expand("${hex:ff}x${hex:c3}", variables=False, encoded=True) == "\udcffx\udcc3"


@pytest.mark.parametrize("code", ["d800", "dfff", "110000", "f" * 3000])
def test_a_number_that_is_no_character_is_an_error(code: str) -> None:
    with pytest.raises(BadText, match=f"^{code[:20]} is not a Unicode character$"):
        expand(f"${{unicode:{code}}}", encoded=True)


def test_encoded_characters_are_decoded_before_variables_are_looked_for() -> None:
    assert expand("${hex:24}{a}", encoded=True) == "A"
    assert expand("dear${hex:20 24 7b 41}}", encoded=True) == "dear A"
    assert expand("${hex:24}{hex:41}", encoded=True, variables=False) == "${hex:41}"


def test_hostile_encoded_characters_take_linear_time() -> None:
    with at_most(cpu_s=5):
        for text in (
            "${hex:" + "41 " * 100_000,
            "${hex:" + "4" * 300_000,
            "${unicode:" + "1" * 300_000 + "!",
        ):
            assert expand(text, encoded=True, variables=False) == text


@given(st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=3))
def test_any_octets_can_be_written(parts: list[bytes]) -> None:
    text = "".join(f"${{hex:{part.hex(' ')}}}" for part in parts)

    assert expand(text, encoded=True, variables=False).encode("utf-8", "surrogateescape") == b"".join(parts)


@given(TEXTS.filter(lambda text: "\n" not in text and "\r" not in text))
def test_what_is_set_is_what_is_read(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "")

    assert value(f'set "x" "{escaped}"; set "X" "<${{x}}>";') == f"<{text.replace('$', '')}>"


MODIFIED = table(
    r"""
:lower | juMBlEd Ärger | jumbled Ärger
:upper | straße | STRAßE
:lowerfirst | ABC | aBC
:upperfirst | juMBlEd | JuMBlEd
:upperfirst | äB | äB
:length | für | 3
:length |  | 0
:quotewildcard | Rock*?\\ | Rock\*\?\\
:upperfirst :lower | juMBlEd lETteRS | Jumbled letters
:lower :upperfirst | juMBlEd lETteRS | Jumbled letters
:lowerfirst :upper | abc | aBC
:upper :lowerfirst | abc | aBC
:length :quotewildcard | a*b | 4
:quotewildcard :length | a*b | 4
:length :upper :upperfirst :quotewildcard | *a | 3
:UPPER | a | A
"""
)


@pytest.mark.parametrize(
    ("tags", "text", "expected"), MODIFIED, ids=[f"{row[0]} {row[1]}" for row in MODIFIED]
)
def test_modifiers_are_applied_by_their_precedence(tags: str, text: str, expected: str) -> None:
    """RFC 5229 section 4.1: whatever the order in which they are written."""
    assert value(f'set {tags} "x" "{text}";') == expected


@given(st.text(LETTERS, max_size=20), st.sets(st.sampled_from(list(MODIFIERS))))
def test_modifiers_on_any_text_do_what_their_names_say(text: str, tags: set[str]) -> None:
    precedences = [MODIFIERS[tag][0] for tag in tags]
    if len(set(precedences)) < len(precedences):
        return
    wanted = text
    if tags & {":lower", ":upper"}:
        wanted = ascii_lower(wanted) if ":lower" in tags else ascii_upper(wanted)
    if tags & {":lowerfirst", ":upperfirst"}:
        wanted = (ascii_lower if ":lowerfirst" in tags else ascii_upper)(wanted[:1]) + wanted[1:]
    if ":quotewildcard" in tags:
        wanted = "".join(f"\\{letter}" if letter in "*?\\" else letter for letter in wanted)
    wanted = str(len(wanted)) if ":length" in tags else wanted

    letter = mail({"X": f"<{text}>".replace("=?", "")})
    script = f'if header :matches "X" "<*>" {{ set {" ".join(sorted(tags))} "x" "${{1}}"; }}'
    if not set("\r\n") & set(text) and "=?" not in text:
        assert value(script, letter) == wanted


@given(st.text(LETTERS, max_size=30))
def test_a_quoted_text_matches_itself_and_nothing_else(text: str) -> None:
    quoted = MODIFIERS[":quotewildcard"][1](text)

    assert match_pattern(text, quoted, False) == (text,)  # noqa: FBT003
    assert match_pattern(f"{text}x", quoted, False) is None  # noqa: FBT003


# --- match variables

CAPTURED = table(
    r"""
a1b2c3 | a?b?c? | a1b2c3 1 2 3
frop.......frop.........frop.... | ?*frop* | frop.......frop.........frop.... f rop....... .........frop....
the cat jumps | the * jumps | the cat jumps cat
coyote@ACME.Example.COM | coyote@**.com | coyote@ACME.Example.COM  ACME.Example
[acme-users] [fwd] x | [*] * | [acme-users] [fwd] x acme-users [fwd] x
abc | abc | abc
x | * | x x
"""
)


@pytest.mark.parametrize(("text", "pattern", "expected"), CAPTURED, ids=[row[1] for row in CAPTURED])
def test_match_variables(text: str, pattern: str, expected: str) -> None:
    script = f'if string :matches "{text}" "{pattern}" {{ set "x" "${{0}} ${{1}} ${{2}} ${{3}}"; }}'

    assert value(script).rstrip() == expected


def test_match_variables_stay_until_the_next_match_that_succeeds() -> None:
    script = """
if string :matches "ab" "*b" { }
if string :matches "cd" "*x" { }
if string :is "ef" "ef" { }
if string :contains "ef" "e" { }
set "x" "${1}";
"""

    assert value(script) == "a"


def test_match_variables_are_those_of_the_value_that_matched() -> None:
    letter = mail([("Received", "by a"), ("Received", "from b by c"), ("Received", "from d by e")])

    assert (
        value('if header :matches ["X", "Received"] ["x", "from * by *"] { set "x" "${1}${2}"; }', letter)
        == "bc"
    )


def test_a_failed_match_in_a_not_leaves_them_alone() -> None:
    assert value('if not string :matches "ab" "?b" {} set "x" "${1}"; ') == "a"


def test_there_are_match_variables_up_to_31() -> None:
    """RFC 5229 section 6 asks for 9."""
    text = "abcdefghijklmnopqrstuvwxyzABCDEFGH"
    script = f'if string :matches "{text}" "{"?" * len(text)}" {{ set "x" "${{30}}${{31}}${{32}}${{33}}"; }}'

    assert value(script) == "DE"


def test_names_have_no_case_and_values_have() -> None:
    assert value('set "FooBar" "Value"; set "X" "${foobar}${FOOBAR}";') == "ValueValue"


def test_a_variable_of_its_own_old_value() -> None:
    assert value('set "x" "a"; set "x" "${x}${x}b";') == "aab"


# --- limits


@given(st.text(LETTERS, min_size=1, max_size=8), st.integers(-8, 8))
def test_a_long_value_is_cut_at_the_edge_of_a_letter(end: str, surplus: int) -> None:
    """RFC 5229 section 6 asks for at least 4000 octets."""
    size = VARIABLE_BYTES + surplus - len(end.encode("utf-8", "surrogateescape"))
    text = "a" * size + end
    context = Run(mail(), ())

    context.set_variable("x", text, 1)

    kept = context.variables["x"]
    octets = text.encode("utf-8", "surrogateescape")
    assert octets.startswith(kept.encode("utf-8", "surrogateescape"))
    if len(octets) <= VARIABLE_BYTES:
        assert kept == text
    else:
        assert VARIABLE_BYTES - 3 <= len(kept.encode("utf-8", "surrogateescape")) <= VARIABLE_BYTES
        assert text.startswith(kept) or not end.isascii()


@pytest.mark.parametrize("letter", ["é", "日", "😀"])
def test_no_letter_is_cut_in_two(letter: str) -> None:
    size = len(letter.encode())
    for shift in range(size):
        kept = value(f'set "x" "{"a" * shift}{letter * VARIABLE_BYTES}";')
        assert kept == "a" * shift + letter * ((VARIABLE_BYTES - shift) // size)


def test_a_quoted_text_is_not_cut_within_a_quote() -> None:
    """Its last backslash would quote the star that a script writes behind it."""
    for shift in ("", "a"):
        kept = value(f'set :quotewildcard "x" "{shift}{"*" * VARIABLE_BYTES}";')
        assert len(kept) == VARIABLE_BYTES - (1 if shift else 0)
        assert kept == shift + r"\*" * ((VARIABLE_BYTES - 1) // 2 if shift else VARIABLE_BYTES // 2)


def test_a_value_with_octets_that_are_no_letters_is_kept_whole() -> None:
    letter = mail({"X": "\udce4" * 2000})

    assert value('if header :matches "X" "*" { set "x" "${1}"; }', letter) == "\udce4" * 2000


def test_too_many_variables_end_the_run() -> None:
    script = "".join(f'set "v{number}" "";' for number in range(VARIABLES))

    assert run(script).error is None
    assert run(script + 'set "v0" "again";').error is None
    ended = run(script + '\nset "one_more" ""; discard;')
    assert ended.error is not None and (ended.error.line, ended.error.says) == (3, "more than 256 variables")
    assert ended.implicit_keep and not ended.actions
