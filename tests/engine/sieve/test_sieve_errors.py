"""Errors of a script: all at once and in order, each at its place; and every error of syntax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.config.codes import CODES
from sendwarden.core.place import Severity
from sendwarden.engine.sieve.compile import compile_script
from sendwarden.engine.sieve.limits import ERRORS, NESTING, SCRIPT_BYTES
from sendwarden.engine.sieve.registry import Language
from tests.engine.sieve.scripts import PLAIN, administrator, all_shown, problems, shown, table
from tests.engine.sieve.test_sieve_lexer import TEXTS

SITE = administrator("FILTER_greylist\n* x$Y\n")

# Words of scripts, right and wrong, joined at random with blanks between them.
WORDS = [
    "keep", "discard", "stop", "if", "elsif", "else", "require", "not", "anyof", "allof", "true", "false",
    "header", "address", "envelope", "exists", "size", "string", "set", "fileinto", "redirect", "reject",
    "hold", "greylist", "nonsense", ";", ";", ";", "{", "}", "{", "}", "(", ")", "[", "]", ",", '"From"',
    '"x"', '""', '"${1}"', '"${a.b}"', '"variables"', '["a","b"]', "5", "5Kb", ":is", ":contains", ":count",
    '"ge"', ":comparator", '"i;octet"', ":over", ":all", ":copy", ":nonsense", '"', "/*", "text:\n",
    "\n", "$", "“a”",
]  # fmt: skip
SCRIPTS = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | TEXTS


@given(SCRIPTS, st.sampled_from([PLAIN, SITE]))
def test_any_text_compiles_or_has_errors_in_order_within_its_lines(text: str, language: Language) -> None:
    script, found = compile_script("f", text, language)
    lines = text.split("\n")
    places = [problem.place for problem in found if problem.place]

    assert (script is None) is any(problem.severity is Severity.ERROR for problem in found)
    assert len(places) == len(found) and all(problem.code in CODES for problem in found)
    assert places == sorted(places, key=lambda place: (place.line, place.column))
    for place in places:
        assert place.text == lines[place.line - 1].rstrip("\r")
        assert 1 <= place.column <= len(place.text) + 1 and place.width >= 1
        assert place.column + place.width <= len(place.text) + 2


@given(SCRIPTS)
def test_a_script_with_errors_still_has_them_when_a_good_line_stands_before_it(text: str) -> None:
    _script, found = compile_script("f", text, SITE)
    _script, later = compile_script("f", "# a comment\n" + text, SITE)
    by_line = [(p.code, p.sentence, p.place.line + 1, p.place.column) for p in found if p.place]

    if not text.startswith("\ufeff"):
        assert [(p.code, p.sentence, p.place.line, p.place.column) for p in later if p.place] == by_line


@given(SCRIPTS)
def test_the_number_of_syntax_errors_is_bounded(text: str) -> None:
    syntax = [problem for problem in problems(f"{text}\n" * 40, PLAIN) if problem.code == "SW300"]

    assert len(syntax) <= ERRORS + 1


def test_all_errors_of_a_script_are_found_at_once() -> None:
    script = """require ["fileinto", "nonsense"];
fileinto Junk;
if heder :contains "Subject" "x" {
    set "a" "b";
    keep
} elsif size 5Kb {
    redirect "nobody";
    reject "no" "more";
}
if true {
    stop;
} else {
    require "copy";
    foo;
}
}
elsif true { bar; }
keep "
"""

    assert all_shown(script) == [
        ("SW302", "1:22", '"nonsense"'),
        ("SW309", "2:10", "Junk"),
        ("SW303", "3:4", "heder"),
        ("SW301", "4:5", "set"),
        ("SW300", "5:9", ""),
        ("SW304", "6:9", "size"),
        ("SW300", "6:14", "5Kb"),
        ("SW304", "7:14", '"nobody"'),
        ("SW301", "8:5", "reject"),
        ("SW306", "8:17", '"more"'),
        ("SW307", "13:5", 'require "copy"'),
        ("SW303", "14:5", "foo"),
        ("SW300", "16:1", "}"),
        ("SW309", "17:1", "elsif"),
        ("SW303", "17:14", "bar"),
        ("SW300", "18:6", '"'),
    ]


# A script (⏎ ends a line), and for each error its place, what is underlined, and a part of its sentence.
SYNTAX = table(
    r"""
keep | 1:5  : ";" is expected, not the end of the script
keep⏎⏎⏎ | 1:5  : ";" is expected
if true { keep } | 1:15   : ";" is expected, not "}"
if anyof true, false {} | 1:14 , : ";" is expected, not ","
keep;; | 1:6 ; : a command is expected, not ";"
"x"; | 1:1 "x" : a command is expected, not "x"
{ keep; } foo; | 1:1 { : a command is expected
if true { keep; | 1:9 { : this block has no end
if true { if true { keep; | 1:9 { : this block has no end | 1:19 { : this block has no end
keep; } keep; } | 1:7 } : closes nothing | 1:15 } : closes nothing
exists ["a" "b"]; | 1:13 "b" : "," or "]" is expected, not "b"
exists ["a", ]; | 1:14 ] : a string is expected, not "]"
exists []; | 1:9 ] : a string is expected
exists ["a" | 1:12  : "," or "]" is expected, not the end
if anyof(true,) {} | 1:15 ) : a test is expected, not ")"
if anyof() {} | 1:10 ) : a test is expected
if ((true, false)) {} | 1:6 true, false : one test is expected
set "a" f("b" "c"); | 1:15 "c" : "," or ")"
set "a" f("b",); | 1:15 ) : an argument of f is expected
set "a" f("b", keep); | 1:16 keep : an argument of f
set "a" f("b" | 1:14  : "," or ")" is expected, not the end
keep; set "a" "b | 1:15 " : has no end
if true { /* keep; } | 1:11 /* : has no end
$ keep; $ stop; @ | 1:1 $ : no meaning | 1:9 $ : no meaning | 1:17 @ : no meaning
"""
)


@pytest.mark.parametrize(
    ("script", "errors"), [(row[0], row[1:]) for row in SYNTAX], ids=[r[0] for r in SYNTAX]
)
def test_syntax_errors(script: str, errors: list[str]) -> None:
    found = [problem for problem in problems(script, SITE) if problem.code == "SW300"]
    expected = [error.partition(" : ") for error in errors]

    assert [" ".join(shown(problem)[1:]).strip() for problem in found] == [
        where.strip() for where, _, _ in expected
    ]
    assert all(says in problem.sentence for problem, (_, _, says) in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("script", "remedy"),
    [
        pytest.param("keep", 'put ";" behind the command that begins with "keep"', id="semicolon"),
        pytest.param("exists [5];", 'a list is written ["one", "two"]', id="list"),
        pytest.param("if true {", 'add the closing "}"', id="block"),
        pytest.param("}", "take it out", id="brace"),
        pytest.param("if ((true, true)) {}", "join several with allof or anyof", id="group"),
        pytest.param("stop 'a';", 'write "a"', id="quotes"),
    ],
)
def test_what_to_write_instead_of_bad_syntax(script: str, remedy: str) -> None:
    (problem,) = (problem for problem in problems(script, SITE) if problem.code == "SW300")

    assert problem.remedy == remedy


# A script, and its errors, also those behind and within one of syntax.
FOUND = table(
    r"""
if anyof(true,) { foo; } else { bar; } | SW300 1:15 | SW303 1:19 | SW303 1:33
if true { foo } bar; | SW300 1:14 | SW303 1:17
if 'x' { } elsif true { } else { foo; } | SW309 1:1 | SW300 1:4 | SW303 1:34
require ["fileinto" "copy"]; fileinto "a"; set "a" "b"; foo; | SW300 1:21 | SW303 1:57
keep ]; foo; | SW300 1:5 | SW303 1:9
"""
)


@pytest.mark.parametrize(
    ("script", "errors"), [(row[0], row[1:]) for row in FOUND], ids=[r[0] for r in FOUND]
)
def test_errors_behind_and_within_a_syntax_error_are_found(script: str, errors: list[str]) -> None:
    assert [f"{code} {place}" for code, place, _ in all_shown(script)] == errors


def test_blocks_nest_only_so_deep_and_that_is_said_once() -> None:
    depth = NESTING + 10
    deep, later = problems("if true {" * depth + "keep;" + "}" * depth + "\nfoo;")

    assert deep.code == "SW300" and deep.sentence == "blocks and tests nest at most 32 deep"
    assert shown(later) == ("SW303", "2:1", "foo")


def test_tests_nest_only_so_deep() -> None:
    assert all_shown(f"if {'not ' * 40}true {{ foo; }}") == [
        ("SW300", "1:132", "not"),
        ("SW303", "1:171", "foo"),
    ]


def test_as_deep_as_allowed_is_fine() -> None:
    assert problems("if true {" * NESTING + "keep;" + "}" * NESTING) == []
    assert problems(f"if {'not ' * (NESTING - 1)}true {{ keep; }}") == []


def test_a_script_that_is_too_large_is_not_read() -> None:
    (problem,) = problems("#" * (SCRIPT_BYTES + 1))

    assert problem.code == "SW308" and problem.place is not None and problem.place.line == 0
    assert problems("#" * SCRIPT_BYTES) == []
