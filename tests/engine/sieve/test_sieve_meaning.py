"""What a script may not say, and what is legal and yet a mistake: one mistake is one error, with a remedy."""

from pathlib import Path

import pytest

from sendwarden.config.codes import CODES
from sendwarden.core.place import Severity
from sendwarden.engine.sieve.compile import compile_script
from tests.engine.sieve.scripts import PLAIN, REQUIRE_ALL, administrator, all_shown, problems, shown, table

SITE = administrator("FILTER_greylist\n* x$Y\n\nFILTER_limitauthspam\n* $Y\n")

# Code and place, what is underlined, the script (⏎ ends a line), and a part of the remedy.
MEANING = table(
    r"""
SW301 1:1 | fileinto | fileinto "a"; | line 1:  require ["fileinto"];
SW301 2:1 | set | require "copy";⏎set "a" "b"; | line 1:  require ["copy","variables"];
SW301 4:1 | set | ⏎⏎require ["copy", "reject"];⏎set "a" "b"; | 3:  require ["copy","reject","variables"];
SW301 1:10 | :copy | redirect :copy "a@b"; | require ["copy"];
SW301 1:11 | :count | if header :count "ge" "a" "1" {} | require ["relational"];
SW301 1:23 | "i;ascii-numeric" | if header :comparator "i;ascii-numeric" "a" "1" {} | ["comparator-i;ascii
SW302 1:9 | "variable" | require "variable"; | did you mean "variables"?
SW302 1:10 | "x" | require ["x"]; | known are comparator-i;ascii-casemap,
SW302 1:9 | "" | require ""; | known are
SW302 1:9 | "VARIABLES" | require "VARIABLES"; | did you mean "variables"?
SW303 1:1 | kep | kep; | did you mean "keep"?
SW303 1:1 | banana | banana; | docs/supported-sieve.md
SW303 1:4 | hedder | if hedder "a" "b" {} | did you mean "header"?
SW303 1:1 | header | header "a" "b"; | a test stands behind "if"
SW303 1:4 | keep | if keep {} | a command is no condition
SW303 1:1 | exist | exist "a"; | docs/
SW304 1:1 | require 5 | require 5; | write: require ["variables", "reject"];
SW304 1:1 | require "copy" "reject" | require "copy" "reject"; | write: require
SW304 1:1 | require "copy" | require "copy" { keep; } | write: require
SW304 1:10 | ["a@b", "c@d"] | redirect ["a@b", "c@d"]; |
SW304 1:11 | 5 | if exists 5 {} |
SW304 1:15 | "5" | if size :over "5" {} |
SW304 1:4 | size | if size 5 {} | write: size :over 100K
SW304 1:10 | "bob" | redirect "bob"; | write "user@example.org"
SW304 1:10 | "a@b, c@d" | redirect "a@b, c@d"; | user@example.org
SW304 1:12 | "Subject" | if address "Subject" "x" {} | use the test "header"
SW304 1:23 | "i;x" | if header :comparator "i;x" "a" "b" {} | known are i;octet
SW304 1:23 | 5 | if header :comparator 5 "a" "b" {} | known are i;octet
SW304 1:40 | "x" | require "relational"; if header :value "x" "a" "b" {} | as in :value "ge"
SW304 1:33 | "x" | require "envelope"; if envelope "x" "b" {} | its parts are from, to
SW304 1:26 | "a.b" | require "variables"; set "a.b" "c"; | letters, digits and _
SW304 1:26 | "1" | require "variables"; set "1" "c"; | letters
SW304 1:26 | "${a}" | require "variables"; set "${a}" "c"; | letters
SW304 1:31 | "${a.b}@c" | require "variables"; redirect "${a.b}@c"; |
SW304 1:39 | "${unicode:d800}" | require "encoded-character"; redirect "${unicode:d800}"; |
SW304 1:53 | "${hex:ff}" | require ["fileinto", "encoded-character"]; fileinto "${hex:ff}"; | names are UTF-8
SW304 1:30 | "" | require "fileinto"; fileinto ""; | not empty
SW305 1:11 | :contain | if header :contain "a" "b" {} | did you mean ":contains"?
SW305 1:11 | :all | if header :all "a" "b" {} | known are :is, :contains, :matches
SW305 1:6 | :copy | keep :copy; | it takes no tags
SW305 1:15 | :contains | if header :is :contains "a" "b" {} | keep one of them
SW305 1:21 | :is | if header :contains :is "a" "b" {} | keep one of them
SW305 1:15 | :is | if header :is :is "a" "b" {} | keep one of them
SW305 1:17 | :domain | if address :all :domain "From" "b" {} | keep one
SW305 1:33 | :comparator | if header :comparator "i;octet" :comparator "i;octet" "a" "b" {} | keep one
SW305 1:15 | :under | if size :over :under 5 {} | keep one
SW305 1:33 | :upper | require "variables"; set :lower :upper "a" "b"; | keep one
SW305 1:11 | :over | if size 5 :over {} | tags come first
SW306 1:1 | redirect | redirect; | write: redirect <address: string>
SW306 1:4 | header "a" | if header "a" {} | write: header <headers: strings> <keys: strings>
SW306 1:6 | 5 | keep 5; | write: keep
SW305 1:19 | :comparator | if header "a" "b" :comparator {} | tags come first
SW307 1:7 | require "copy" | keep; require "copy"; | move it to the top
SW307 1:11 | require "copy" | if true { require "copy"; } | move it
SW309 1:1 | if | if {} | join several
SW309 1:1 | if | if true; | write "{" ... "}" behind its test
SW309 1:1 | if "a" true | if "a" true {} | join several
SW309 1:1 | if (true, false) | if (true, false) {} | allof or anyof
SW309 1:1 | if (true) | if (true) {} | take the parentheses out
SW309 1:4 | not (true) | if not (true) {} | take the parentheses out
SW309 1:11 | true | if anyof((true), false) {} | take the parentheses
SW309 1:4 | not | if not {} |
SW309 1:4 | anyof true | if anyof true {} | write (true, false)
SW309 1:4 | allof | if allof {} | write (true, false)
SW309 1:6 | true | keep true; | is a ";" missing before it?
SW309 2:1 | discard | keep⏎discard; | is a ";" missing before it?
SW309 2:1 | if true | keep⏎if true { stop; } | is a ";" missing
SW309 1:12 | matches "From" "x" | if address matches "From" "x" {} | did you mean ":matches"?
SW309 1:10 | bob | redirect bob; | a text stands in double quotes
SW309 1:1 | keep | keep { stop; } | end it with ";"
SW309 1:1 | else | else { keep; } | it must follow the block of an "if"
SW309 1:7 | elsif | keep; elsif true { keep; } elsif true {} else {} | it must follow
SW309 1:20 | elsif | if true {} else {} elsif true {} | an "else" comes last
SW309 1:20 | else | if true {} else {} else {} | an "else" comes last
SW309 1:12 | else if false | if true {} else if false {} | write "elsif"
SW309 1:12 | else | if true {} else; | write "{"
SW309 1:15 | false | if anyof(true false) {} | is a ";" missing before it?
"""
)


@pytest.mark.parametrize(
    ("where", "underlined", "script", "remedy"), MEANING, ids=[row[2] for row in MEANING]
)
def test_one_mistake_is_one_error(where: str, underlined: str, script: str, remedy: str) -> None:
    (problem,) = problems(script)

    assert shown(problem) == (*where.split(), underlined)
    assert remedy in problem.remedy and bool(remedy) is bool(problem.remedy)


@pytest.mark.parametrize("match_type", [":contains", ":matches"])
def test_numbers_have_no_parts(match_type: str) -> None:
    test = f'address {match_type} :comparator "i;ascii-numeric" "To" "5"'
    (problem,) = problems(f"{REQUIRE_ALL}if {test} {{}}")

    assert shown(problem) == ("SW305", "2:4", test)
    assert problem.remedy == "it orders and compares whole values: use :is, :value or :count"


def test_every_code_of_the_engine_is_in_the_table_or_has_a_test_of_its_own() -> None:
    tested = {row[0].split()[0] for row in MEANING} | {"SW300", "SW308", "SW310", "SW322"}
    sources = Path(compile_script.__code__.co_filename).parent.rglob("*.py")
    written = {
        word for source in sources for word in CODES if f'"{word}"' in source.read_text(encoding="utf-8")
    }

    assert (
        written == tested == {code for code in CODES if code.startswith("SW30") or code in {"SW310", "SW322"}}
    )


UNKNOWN = table(
    r"""
1:4 | limitauthspm | if limitauthspm "a" {} | did you mean limitauthspam (mappings:4)?
1:4 | heder | if heder "a" "b" {} | did you mean "header"?  A test of this form asks the table
1:4 | banana | if banana "a" {} | A test of this form asks the table FILTER_<name>.
1:30 | greylst | require "variables"; set "a" greylst("b"); | did you mean greylist (mappings:1)?
1:30 | x | require "variables"; set "a" x("b"); | A function of this form asks the table
"""
)


@pytest.mark.parametrize(("place", "name", "script", "remedy"), UNKNOWN, ids=[row[2] for row in UNKNOWN])
def test_a_name_without_a_table_is_an_error_with_a_guess(
    place: str, name: str, script: str, remedy: str
) -> None:
    (problem,) = problems(script, SITE)

    assert shown(problem) == ("SW310", place, name)
    assert f'"{name}" belongs to no extension, and there is no table FILTER_{name}' in problem.sentence
    assert remedy in problem.remedy


def test_errors_within_what_is_unknown_are_found_as_well() -> None:
    script = "if banana anyof(foo, true) { bar; }"

    assert [found[2] for found in all_shown(script)] == ["banana", "foo", "bar"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param('if header "from:" "x" {}', ("SW304", "1:11", '"from:"'), id="colon"),
        pytest.param('if exists ["a b", "To"] {}', ("SW304", "1:11", '["a b", "To"]'), id="blank"),
        pytest.param('if address "from:" "x" {}', ("SW304", "1:12", '"from:"'), id="address"),
        pytest.param('if header "" "x" {}', ("SW304", "1:11", '""'), id="empty"),
        pytest.param(
            'if header :matches "From" "*<*>*" {}', ("SW322", "1:27", '"*<*>*"'), id="angle brackets"
        ),
    ],
)
def test_what_is_legal_and_yet_a_mistake_is_a_warning(script: str, expected: tuple[str, str, str]) -> None:
    """RFC 5228 section 2.4.2.2: names that no header can have must not be errors."""
    (problem,) = problems(f"{script}\n")

    assert shown(problem) == expected and problem.severity is Severity.WARNING and problem.remedy


def test_a_warning_takes_nothing_out_of_the_script() -> None:
    script, _ = compile_script("f", 'if true { if header "from:" "x" { discard; } redirect "a@b"; }', PLAIN)

    assert script is not None and script.facts.actions == {"discard", "redirect"}


def test_requires_may_be_one_or_many_and_name_the_same_twice() -> None:
    assert problems('require "copy"; require ["copy", "fileinto"];\nfileinto :copy "a";') == []
    assert problems(REQUIRE_ALL) == []
