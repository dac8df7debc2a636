"""engine.sieve.ext.core: every test of RFC 5228 on the messages that tell right from wrong, and control."""

import re

import pytest

from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.outcome import Redirect
from tests.engine.sieve.scripts import compiled, holds, mail, run, table

LETTER = mail(
    [
        ("Received", "from b by c"),
        ("Received", "from a by b"),
        ("From", " Bob Smith <Bob@Example.ORG>"),
        ("To", 'Team: eve@example.net, "Mallory, M." <mal@example.com> (no;body);'),
        ("Cc", "<stephan@>, nonsense, <@cola.example:kim@example.net>, a@b c@d"),
        ("Bcc", ""),
        ("Subject", "=?utf-8?q?Caf=C3=A9?= =?utf-8?q?_au?= lait "),
        ("X-Folded", "one\n two\n\tthree"),
        ("X-Empty", ""),
        ("X-Blank", " \t "),
        ("X-Stars", "a * b ? c \\ d"),
        ("x-lower", "1"),
        ("X-Spaced ", "2"),
        ("Resent-To", "<jürgen@bücher.example>"),
    ],
    sender="Bob@Example.ORG",
    size_bytes=4000,
)  # fmt: skip

TRUE = table(
    r"""
header "Subject" "Café au lait"
header "subject" "CAFé AU LAIT"
header :is :comparator "i;octet" "Subject" "Café au lait"
not header :is :comparator "i;octet" "Subject" "café au lait"
not header "Subject" "CAFÉ AU LAIT"
header ["X-None", "Subject"] ["no", "Café au lait"]
not header "X-None" ""
not header "X-None" ["", "x"]
not header :contains "X-None" ""
not header :matches "X-None" "*"
header "X-Empty" ""
header "X-Blank" ""
header :contains "X-Empty" ""
header :contains "Subject" ""
not header "Subject" ""
header :contains "Subject" "AU"
not header :contains :comparator "i;octet" "Subject" "AU"
header :matches "Subject" "c?f* lait"
header :matches "Subject" "Café au lait"
not header :matches "Subject" "au"
header :matches "X-Empty" ""
not header :matches "X-Empty" "?*"
header "X-Folded" "one two	three"
header "Received" "from a by b"
header "x-LOWER" "1"
header "X-Spaced" "2"
not header "X-Spaced " "2"
not header "Subject:" "Café au lait"
header :is "From" "Bob Smith <Bob@Example.ORG>"
not header ["Subject", "From"] "Café au lait Bob Smith <Bob@Example.ORG>"
header :contains "X-Stars" "* b ?"
header :matches "X-Stars" "a \\* b \\? c \\\\ d"
address "From" "bob@example.org"
address :all "From" "Bob@Example.ORG"
not address :comparator "i;octet" "From" "bob@example.org"
address :localpart "From" "bob"
address :domain "From" "example.org"
not address :contains "From" "Smith"
not address :contains "To" "Mallory"
not address :contains "To" "Team"
not address :contains "To" "no;body"
address "To" "eve@example.net"
address :localpart "To" "mal"
address :matches :domain ["Cc", "To"] "*.com"
address :all "Cc" "<stephan@>"
address :all "Cc" "nonsense"
address :all "Cc" "a@b c@d"
not address :localpart "Cc" ["stephan", "nonsense", "a", "c"]
not address :domain "Cc" ["", "b", "d"]
address :localpart "Cc" "kim"
not address :contains "Cc" "cola"
not address :contains "Bcc" ""
not address "X-Original-To" ""
address :localpart "Resent-To" "jürgen"
exists "from"
exists ["From", "X-EMPTY", "x-spaced"]
not exists ["From", "X-None"]
not exists "X-None"
not exists "From:"
size :over 3999
not size :over 4000
not size :under 4000
size :under 4001
size :under 4K
not size :over 4k
not false
not not true
allof(true, true)
not allof(true, false)
anyof(false, true)
not anyof(false, false)
allof(anyof(false, true), not false)
envelope "from" "bob@example.org"
envelope :localpart "FROM" "bob"
envelope :domain "from" "example.org"
not envelope :comparator "i;octet" "from" "bob@example.org"
envelope "to" "eve@example.net"
envelope ["to", "from"] "bob@example.org"
envelope :matches "to" "*@example.net"
not envelope "to" "bob@example.org"
"""
)


@pytest.mark.parametrize("test", [row[0] for row in TRUE])
def test_these_are_true_of_the_letter(test: str) -> None:
    assert holds(test, LETTER)


@pytest.mark.parametrize("test", [row[0] for row in TRUE])
def test_and_with_not_before_them_they_are_false(test: str) -> None:
    assert not holds(f"not {test}", LETTER)


@pytest.mark.parametrize(
    ("path", "local", "domain"),
    [
        pytest.param("bob@example.org", "bob", "example.org", id="plain"),
        pytest.param("", "", "", id="null sender"),
        pytest.param("postmaster", "postmaster", "", id="no domain"),
        pytest.param(
            '"bob smith"@example.org', "bob smith", "example.org", id="quotes are no part of a name"
        ),
        pytest.param(r'"b\"o\\b"@x', r'b"o\b', "x", id="escapes"),
        pytest.param('"a@b"@example.org', "a@b", "example.org", id="an at sign in quotes"),
        pytest.param("..a..@x", "..a..", "x", id="dots anywhere"),
        pytest.param("bob@[192.0.2.1]", "bob", "[192.0.2.1]", id="literal"),
        pytest.param("bob@[IPv6:2001:db8::1]", "bob", "[IPv6:2001:db8::1]", id="IPv6 literal"),
        pytest.param("jürgen@bücher.example", "jürgen", "bücher.example", id="international"),
        pytest.param("bob@", None, None, id="no domain behind the at sign"),
        pytest.param("@example.org", None, None, id="no local part"),
        pytest.param("a@b@example.org", None, None, id="two at signs"),
        pytest.param("<bob@example.org>", None, None, id="brackets"),
        pytest.param("bob smith@example.org", None, None, id="blank"),
        pytest.param("bob@exa mple.org", None, None, id="blank in the domain"),
        pytest.param('"bob@example.org', None, None, id="quote without its end"),
        pytest.param("bob@[192.0.2.1", None, None, id="literal without its end"),
    ],
)
def test_parts_of_a_path(path: str, local: str | None, domain: str | None) -> None:
    """What is no address has no parts (RFC 5228 section 2.7.4), but is there as a whole."""
    letter = Mail((), path)
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')

    assert holds(f'envelope :all :comparator "i;octet" "from" "{escaped}"', letter)
    for part, expected in ((":localpart", local), (":domain", domain)):
        outcome = run(f'if envelope {part} :matches "from" "*" {{ set "x" "${{1}}"; }}', letter)
        assert outcome.variables.get("x") == expected


def test_the_recipient_of_this_run_counts_and_not_those_of_the_message() -> None:
    letter = Mail((), "a@b", ("one@example.org", "two@example.org"))

    assert holds('envelope "to" "two@example.org"', letter, "two@example.org")
    assert not holds('envelope "to" "one@example.org"', letter, "two@example.org")
    assert holds('envelope "to" "one@example.org"', letter, "two@example.org", "one@example.org")


BRANCHES = table(
    r"""
if true { A; } elsif true { B; } else { C; } | A
if false { A; } elsif true { B; } else { C; } | B
if false { A; } elsif false { B; } else { C; } | C
if false { A; } elsif false { B; } |
if false { A; } if true { B; } | B
if true { if false { A; } else { B; } } else { C; } | B
if true { } A; | A
A; if true { stop; } B; | A
A; if true { if true { stop; } B; } C; | A
A; stop; B; | A
if false { stop; } A; | A
IF TRUE { A; } ELSE { B; } STOP; C; | A
"""
)


@pytest.mark.parametrize(("script", "taken"), BRANCHES, ids=[row[0] for row in BRANCHES])
def test_branches(script: str, taken: str) -> None:
    actions = run(re.sub(r"\b([ABC]);", r'redirect "\1@x";', script)).actions

    assert [action.address for action in actions if isinstance(action, Redirect)] == [f"{t}@x" for t in taken]


def test_tests_stop_as_soon_as_the_answer_is_known() -> None:
    """RFC 5229 section 3.2: what is not evaluated sets no match variables."""
    matches = 'string :matches "abc" "a*c"'
    cut = f'if anyof(true, {matches}) {{ }} if allof(false, {matches}) {{ }} set "x" "<${{1}}>";'
    full = f'if anyof(false, {matches}) {{ }} set "x" "<${{1}}>";'

    assert run(cut).variables["x"] == "<>"
    assert run(full).variables["x"] == "<b>"


@pytest.mark.parametrize("name", ["From", "To", "Cc", "Bcc", "Sender", "Resent-From", "Resent-To"])
def test_address_takes_all_headers_that_it_must_take(name: str) -> None:
    """RFC 5228 section 5.1."""
    assert holds(f'address "{name}" "a@b"', mail({name: "A <a@b>"}))


def test_names_of_headers_and_envelope_parts_may_stand_in_variables() -> None:
    script = """
set "h" "subject"; set "e" "From"; set "n" "x y"; set "u" "auth";
if allof(header "${h}" "hi", exists ["${h}", "Subject"], envelope "${e}" "bob@example.org",
         address "${h}" "hi", not header "${n}" "", not envelope "${u}" "") { discard; }
"""

    assert run(script, mail({"Subject": "hi"})).actions


def test_a_header_that_is_asked_for_twice_is_decoded_once() -> None:
    letter = mail({"Subject": "=?utf-8?q?x?="})

    assert letter.values("subject") is letter.values("subject")


def test_a_script_runs_over_one_message_after_the_other() -> None:
    script = compiled('require "variables"; if header :matches "Subject" "*" { set "x" "${1}"; }')

    seen = [script.run(mail({"Subject": text}), ()).variables.get("x") for text in ("a", "b")]

    assert seen == ["a", "b"] and script.run(mail(), ()).variables.get("x") is None
