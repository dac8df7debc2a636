"""engine.owners: an account may use its own address, and what a table of Postfix's form lends it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.core.place import Severity
from sendwarden.engine.owners import Owners, SenderTable, read_senders

RULES = IdentityRules(realms=frozenset({"example.org"}))
DOMAINS = ("example.org", "example.net", ".sub.example")
FILE = """\
# who may use what
info@example.org      bob, carol
INFO+list@example.org\tdave
sales                 carol
boss@example.org      BOSS@example.org
@shop.example         eve@example.com,
    bob

  # a comment ends no line
    frank
"some body"@shop.example  gina
@example.org          root
"""


def owners(text: str = FILE, rules: IdentityRules = RULES, *, every_domain: bool = False) -> Owners:
    table, problems = read_senders("senders", text, rules)
    assert problems == []
    return Owners(rules, DOMAINS, every_domain, table)


@pytest.mark.parametrize(
    ("account", "address", "may"),
    [
        pytest.param("eve", "eve@example.org", True, id="her own by the rules"),
        pytest.param("eve", "Eve+x@Example.ORG", True, id="her own, written otherwise"),
        pytest.param("eve", "eve", True, id="her own without a domain"),
        pytest.param("eve", "eve@example.net", False, id="another domain is somebody else"),
        pytest.param("bob", "info@example.org", True, id="lent to two, the first"),
        pytest.param("carol", "Info@example.org", True, id="lent to two, the second"),
        pytest.param("eve", "info@example.org", False, id="lent to others"),
        pytest.param("bob", "info+x@example.org", True, id="with a sub-address"),
        pytest.param("bob", "info+list@example.org", False, id="a closer line counts alone"),
        pytest.param("dave", "info+list@example.org", True, id="the closer line"),
        pytest.param("dave", "info@example.org", False, id="a line for a sub-address is for it alone"),
        pytest.param("carol", "sales@example.net", True, id="a local part at one of our domains"),
        pytest.param("carol", "sales+x@a.sub.example", True, id="a local part below one of our domains"),
        pytest.param("carol", "sales@elsewhere.example", False, id="a local part elsewhere"),
        pytest.param("boss", "boss@example.org", True, id="logins are folded as well"),
        pytest.param("eve@example.com", "any@Shop.Example", True, id="a whole domain"),
        pytest.param("bob", "any@shop.example", True, id="on the line that goes on"),
        pytest.param("frank", "any@shop.example", True, id="behind a comment and an empty line"),
        pytest.param("frank", "any@a.shop.example", False, id="nothing below a domain"),
        pytest.param("gina", '"some body"@shop.example', True, id="blanks in quotes"),
        pytest.param("bob", '"some body"@shop.example', False, id="an address is closer than its domain"),
        pytest.param("root", "x@example.org", True, id="the domain comes last"),
        pytest.param("root", "sales@example.org", False, id="a local part comes before the domain"),
        pytest.param("root", "info@example.org", False, id="an address comes before the domain"),
        pytest.param("bob", "info", False, id="no domain"),
    ],
)
def test_what_an_account_may_use(account: str, address: str, may: bool) -> None:
    assert owners().may_use(account, address) is may


@pytest.mark.parametrize(
    ("account", "address", "may"),
    [
        ("bob", "bob@example.net", True),
        ("bob", "Bob+x@a.sub.example", True),
        ("bob", "bob@elsewhere.example", False),
        ("bob", "eve@example.net", False),
        ("bob@example.org", "bob@example.net", False),
    ],
)
def test_a_login_without_a_domain_owns_its_name_everywhere_only_if_a_setting_says_so(
    account: str, address: str, may: bool
) -> None:
    bare = IdentityRules()

    assert owners("", bare, every_domain=True).may_use(account, address) is may
    assert not owners("", bare).may_use(account, address)


def test_ours_is_what_lies_in_our_domains_or_what_somebody_here_owns() -> None:
    lent = owners()

    assert lent.ours("x@example.net") and lent.ours("x@b.sub.example") and lent.ours("x@example.org")
    assert lent.ours("any@shop.example") and not lent.ours("x@elsewhere.example") and not lent.ours("x")


# Line of the file -> code and column of what is wrong.
WRONG: dict[str, tuple[str, int]] = {
    "info@example.org": ("SW601", 1),
    "info@example.org  ,": ("SW601", 1),
    "@  bob": ("SW602", 1),
    "info@  bob": ("SW602", 1),
    "a@b@c  bob": ("SW602", 1),
    "<info@example.org>  bob": ("SW602", 1),
    "a,b@example.org  bob": ("SW602", 1),
    '"info@example.org  bob': ("SW602", 1),
    "a\0b@example.org  bob": ("SW602", 1),
    "  bob": ("SW603", 1),
    "/^(.*)@example\\.org$/  ${1}": ("SW605", 1),
    "!/x/  bob": ("SW605", 1),
    "if /x/": ("SW605", 1),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_told_with_its_place_and_left_out(line: str) -> None:
    table, (problem,) = read_senders("senders", f"#\n{line}\ngood@example.org bob\n", RULES)

    assert problem.place and problem.remedy
    assert (problem.code, problem.place.line, problem.place.column) == (WRONG[line][0], 2, WRONG[line][1])
    assert table == SenderTable({"good@example.org": frozenset({"bob"})})


def test_of_two_lines_about_one_address_the_first_counts() -> None:
    table, (problem,) = read_senders("senders", "a@x.example bob\r\nA@X.example eve\r\n", RULES)

    assert (problem.code, problem.severity, str(problem.place)) == (
        "SW604",
        Severity.WARNING,
        "senders:2:1",
    )
    assert table.addresses == {"a@x.example": frozenset({"bob"})}


@given(st.lists(st.text(max_size=12) | st.sampled_from(FILE.splitlines()), max_size=8).map("\n".join))
def test_any_file_is_read_and_each_line_is_taken_or_told(text: str) -> None:
    table, problems = read_senders("senders", text, RULES)

    for problem in problems:
        assert problem.place and problem.place.line <= text.count("\n") + 1
    for lines in (table.addresses, table.locals, table.domains):
        for logins in lines.values():
            assert logins and all(account_of(login, RULES) == login for login in logins)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_address_has_an_answer_and_an_account_may_use_itself(login: str, address: str) -> None:
    lent = owners()

    assert lent.may_use(account_of(login, RULES), login)
    lent.may_use(account_of(login, RULES), address)
    lent.ours(address)


def test_the_file_that_the_documentation_shows_is_right() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "accounts-and-channels.md"
    (text,) = re.findall(r"```\n(# address.*?)```", page.read_text(), re.DOTALL)

    table, problems = read_senders("senders", text, IdentityRules())

    assert problems == [] and table.domains == {"shop.example": frozenset({"shop-admin", "dave"})}


# --- what a directory lends

GRANTED = (
    "info@example.org",
    "INFO+List@example.org",
    "sales",
    "@Shop.example",
    "@",
    "",
    "a b",
    "x@",
    "@a b",
    "\0",
)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("info@example.org", True),
        ("Info+x@EXAMPLE.org", True),
        ("info+list@example.org", True),
        ("info@example.net", False),
        ("sales@example.net", True),
        ("sales@elsewhere.example", False),
        ("any.body@shop.example", True),
        ("any.body@sub.shop.example", False),
        ("nobody", False),
        ("", False),
        ("x", False),
        ("a b@example.org", False),
        ("boss@example.org", False),
    ],
)
def test_all_that_a_directory_lends_counts_and_nothing_that_is_no_address(address: str, *, may: bool) -> None:
    assert Owners(RULES, DOMAINS, granted=GRANTED).may_use("eve", address) is may


def test_what_a_directory_lends_stands_beside_the_file() -> None:
    both = replace(owners(), granted=("boss@example.org",))
    assert both.may_use("bob", "boss@example.org")
    assert both.may_use("bob", "info@example.org")


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=4))
def test_a_directory_may_say_anything(address: str, granted: list[str]) -> None:
    may = Owners(RULES, DOMAINS, granted=tuple(granted)).may_use("eve", address)
    assert may in (True, False)
