"""The engine against Pigeonhole's own test suite: every case passes, or stands below with the reason why not.

Left out are files about what this engine does not do at all: other extensions, the bytecode, delivery and
sending (execute/smtp, execute/mailstore, multiscript) and limits of time (execute/errors-cpu-limit).
"""

from pathlib import Path

import pytest

from tests.conformance.sources import NotFetched, sources
from tests.conformance.svtest import names_of, run_file

pytestmark = pytest.mark.e2e

FILES = (
    "testsuite",
    "lexer",
    "control-if",
    "control-stop",
    "test-address",
    "test-allof",
    "test-anyof",
    "test-exists",
    "test-header",
    "test-size",
    "comparators/i-ascii-casemap",
    "comparators/i-octet",
    "match-types/contains",
    "match-types/is",
    "match-types/matches",
    "compile/compile",
    "compile/errors",
    "compile/recover",
    "compile/warnings",
    "execute/actions",
    "execute/address-normalize",
    "execute/errors",
    "execute/examples",
    "extensions/encoded-character",
    "extensions/envelope",
    "extensions/reject/execute",
    "extensions/reject/smtp",
    "extensions/relational/basic",
    "extensions/relational/comparators",
    "extensions/relational/errors",
    "extensions/relational/rfc",
    "extensions/variables/basic",
    "extensions/variables/errors",
    "extensions/variables/limits",
    "extensions/variables/match",
    "extensions/variables/modifiers",
    "extensions/variables/quoting",
    "extensions/variables/regex",
    "extensions/variables/string",
)

CASE = (
    "RFC 5228, 2.7.3: without :comparator every test uses i;ascii-casemap; Pigeonhole's `string` uses "
    "i;octet, and the case wants capitals to make a difference"
)
WORDS = "compares the words of Pigeonhole's own error messages; the errors themselves are found"
LIMIT = "needs a setting for the size of variables; here it is 4096 octets for all (limits.py)"
OTHER = "requires an extension that is not here: "

# File and case -> why it does not pass.
LISTED = {
    ("test-address", "Invalid addresses"): (
        "wants jürgen@example.com to be invalid, which RFC 6532 made valid, and an empty header to hold an "
        "empty address, which the RFC does not say"
    ),
    ("compile/errors", "Header errors"): WORDS,
    ("compile/errors", "Address errors"): WORDS,
    ("compile/errors", "Typos"): WORDS
    + "; one of them says all about a forgotten colon, where they have two",
    ("compile/errors", "Outgoing address errors"): OTHER + "vacation",
    ("compile/errors", "Tagged argument errors"): "of an unrequired test we report unknown tags, too",
    ("compile/errors", "Unsupported language features"): OTHER + "include, regex",
    ("execute/actions", "Fileinto"): (
        'wants fileinto "INBOX" to be one with keep; which mailbox is the inbox, the engine does not know'
    ),
    ("execute/errors", "Action limit"): WORDS,
    ("execute/errors", "Redirect limit"): WORDS,
    ("execute/errors", "Fileinto invalid folder name"): OTHER + "mailbox",
    ("execute/errors", "Fileinto bad UTF-8 in folder name"): WORDS,
    ("execute/examples", "Elvey example"): OTHER + "vacation, regex",
    ("execute/examples", "M. Johnson example"): OTHER + "vacation, regex",
    ("execute/examples", "Vivil example"): OTHER + "vacation, regex",
    ("execute/examples", "Jerry example"): OTHER + "vacation, regex",
    ("execute/examples", "M. Klose example"): OTHER + "vacation, regex",
    ("execute/examples", "Subaddress (RFC5233) example"): OTHER + "subaddress",
    ("extensions/encoded-character", "HEX equality one"): CASE,
    ("extensions/encoded-character", "HEX equality one middle"): CASE,
    ("extensions/variables/basic", "Basic assignment"): CASE,
    ("extensions/variables/errors", "Limits"): (
        "wants limits on a variable's name and on ${33} while compiling; here an unknown variable is empty "
        "(RFC 5229, 3) and too many of them are an error of the run"
    ),
    ("extensions/variables/limits", "Variable size limit"): LIMIT,
    ("extensions/variables/limits", "Variable size limit UTF-8"): LIMIT,
    ("extensions/variables/limits", ":quotewildcard variable size limit"): LIMIT,
    ("extensions/variables/modifiers", "Modifiers :lower :upperfirst"): CASE,
    ("extensions/variables/modifiers", "Modifiers :upperfirst :lower"): CASE,
    ("extensions/variables/modifiers", "Modifiers :upper :lowerfirst"): CASE,
    ("extensions/variables/modifiers", "Modifiers :lowerfirst :upper"): CASE,
    ("extensions/variables/regex", "RFC - values overwrite"): OTHER + "regex",
}


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return sources("dovecot") / "tests"
    except NotFetched as error:
        pytest.fail(f"Pigeonhole's suite is needed and cannot be had:\n{error}")


def plain(case: str) -> str:
    return case.removesuffix(" (FIXME: count only)")


@pytest.mark.parametrize("name", FILES)
def test_all_cases_pass_but_those_listed_with_a_reason(folder: Path, name: str) -> None:
    cases = run_file(folder / f"{name}.svtest")

    failures = {plain(case.name): case.failure for case in cases if case.failure}
    assert failures.keys() == {case for file, case in LISTED if file == name}, failures


@pytest.mark.parametrize("name", FILES)
def test_every_case_of_a_file_is_run_once_and_in_order(folder: Path, name: str) -> None:
    file = folder / f"{name}.svtest"
    names = names_of(file)

    assert [case.name for case in run_file(file)] == names
    assert names and len(set(names)) == len(names)


def test_only_files_that_are_run_are_listed() -> None:
    assert {file for file, _ in LISTED} <= set(FILES)
