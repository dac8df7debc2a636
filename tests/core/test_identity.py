"""core.identity: which spellings are one account, and that nothing else is."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.identity import (
    RULES,
    IdentityRules,
    account_of,
    bare_address,
    fold_domain,
    in_domains,
    resolve,
    split_address,
)

SHIPPED = IdentityRules()
CAMPUS = IdentityRules(
    realms=frozenset({"mail.example.org", ".ad.example.org"}), windows_domains=frozenset({"campus"})
)

# What logins are made of, and what breaks them: joined at random these hit every rule, and rules that uncover
# work for each other.
SCRAPS = [
    "bob", "Bob", "CAMPUS", "campus\\", "mail.example.org", ".ad.example.org", "bücher.example", "Ä",
    "@", "@", "+", "+", "\\", '"', '"', " ", ".", "。", "\0", "\n", "\xa0", "\u200d", "\u0308",
    "\N{FULLWIDTH COMMERCIAL AT}", "\N{FULLWIDTH PLUS SIGN}", "İ", "ẞ", "ς", "Σ", "Å", "xn--", "日本",
    "\udc80", "\ud800", "אב",
]  # fmt: skip
LOGINS = st.lists(st.sampled_from(SCRAPS) | st.text(max_size=3), max_size=9).map("".join) | st.text()
SITES = st.builds(
    IdentityRules,
    fold_case=st.booleans(),
    subaddress=st.sampled_from(["+", "-", "=", ""]),
    realms=st.sets(st.sampled_from(["mail.example.org", ".ad.example.org", "xn--4ca", ""])).map(frozenset),
    windows_domains=st.sets(st.sampled_from(["campus", "bob", ""])).map(frozenset),
)


@given(LOGINS, SITES)
def test_any_text_has_an_account_which_is_its_own_account(login: str, rules: IdentityRules) -> None:
    account = account_of(login, rules)

    assert account_of(account, rules) == account


@given(LOGINS, SITES)
def test_resolve_tells_the_way_step_by_step_and_ends_with_the_account(
    login: str, rules: IdentityRules
) -> None:
    account, steps = resolve(login, rules)

    assert account == account_of(login, rules)
    assert [step.rule for step in steps[: len(RULES)]] == [name for name, _fold, _says in RULES]
    assert [login, *(step.after for step in steps)] == [*(step.before for step in steps), account]
    assert all(step.says for step in steps)


@given(LOGINS, SITES)
def test_blanks_around_a_name_never_matter(login: str, rules: IdentityRules) -> None:
    assert account_of(f" \t{login}\n", rules) == account_of(login, rules)


LETTERS = st.text(string.ascii_letters + string.digits + "._-", min_size=1)
SUFFIXES = st.lists(st.text(string.ascii_lowercase + string.digits, min_size=1), min_size=1).map(".".join)


@given(LETTERS, st.sets(SUFFIXES, min_size=2, max_size=2))
def test_virtual_domains_stay_separate(local: str, domains: set[str]) -> None:
    accounts = {account_of(f"{local}@{domain}", CAMPUS) for domain in domains}

    assert len(accounts) == 2 and local.lower() not in accounts


@given(LETTERS, LETTERS)
def test_two_names_are_one_account_only_if_their_case_differs(one: str, other: str) -> None:
    assert (account_of(one, CAMPUS) == account_of(other, CAMPUS)) is (one.lower() == other.lower())


SPELLINGS_OF_BOB = [
    "bob", "BOB", " bob ", "bob+phone", "bob+a+b", '"bob"', '"b\\ob"', '"bob+x"', "bob@mail.example.org",
    "Bob@MAIL.example.org.", "bob@pc7.ad.example.org", "bob@pc7.ad.example.org@mail.example.org",
    "bob+x@mail.example.org", "CAMPUS\\bob", "campus\\Bob", "CAMPUS\\campus\\bob", "CAMPUS\\bob+x",
    "CAMPUS\\bob@mail.example.org", "CAMPUS\\ bob", 'CAMPUS\\"bob"', '"bob"@mail.example.org', "bob +x",
    "bob @mail.example.org", "bob@", "bob@.", "bob@@", "bob@mail.example.org@",
]  # fmt: skip


@pytest.mark.parametrize("login", SPELLINGS_OF_BOB)
def test_on_campus_these_are_all_bob(login: str) -> None:
    assert account_of(login, CAMPUS) == "bob"


@pytest.mark.parametrize(
    ("one", "other", "rules"),
    [
        pytest.param("Bob@Example.ORG", "bob@example.org", SHIPPED, id="case"),
        pytest.param("bob+x@example.org", "bob@example.org", SHIPPED, id="sub-address"),
        pytest.param('"bob"@example.org', "bob@example.org", SHIPPED, id="needless quotes"),
        pytest.param("bob@example.org.", "bob@example.org", SHIPPED, id="final dot"),
        pytest.param("bob@BÜCHER.example", "bob@xn--bcher-kva.example", SHIPPED, id="IDN"),
        pytest.param("bob@bu\u0308cher.example", "bob@bücher.example", SHIPPED, id="IDN, not composed"),
        pytest.param("bob@example。org", "bob@example.org", SHIPPED, id="ideographic full stop"),
        pytest.param("bob@example.org。", "bob@example.org", SHIPPED, id="ideographic final dot"),
        pytest.param(
            "bob@\N{FULLWIDTH LATIN SMALL LETTER E}xample.org",
            "bob@example.org",
            SHIPPED,
            id="full width domain",
        ),
        pytest.param("jose\u0301", "josé", SHIPPED, id="composed or not"),
        pytest.param("bob-x", "bob", IdentityRules(subaddress="-"), id="another separator"),
        pytest.param(
            "Bob@Example.ORG", "Bob@example.org", IdentityRules(fold_case=False), id="a domain has no case"
        ),
    ],
)
def test_one_account(one: str, other: str, rules: IdentityRules) -> None:
    assert account_of(one, rules) == account_of(other, rules)


@pytest.mark.parametrize(
    ("one", "other", "rules"),
    [
        pytest.param("bob", "bob@example.org", SHIPPED, id="a domain that nobody named a realm"),
        pytest.param("CAMPUS\\bob", "bob", SHIPPED, id="a Windows domain that nobody named"),
        pytest.param("OTHER\\bob", "bob", CAMPUS, id="another Windows domain"),
        pytest.param("OTHER\\bob", "CAMPUS\\bob", CAMPUS, id="two Windows domains"),
        pytest.param("bob@example.org", "bob@mail.example.org", CAMPUS, id="a parent of a realm"),
        pytest.param("bob@x.mail.example.org", "bob@mail.example.org", CAMPUS, id="below a realm"),
        pytest.param(
            "bob@ad.example.org", "bob@pc7.ad.example.org", CAMPUS, id="the name below which all count"
        ),
        pytest.param("bob@notmail.example.org", "bob", CAMPUS, id="a name that ends like a realm"),
        pytest.param("Bob", "bob", IdentityRules(fold_case=False), id="case, where it matters"),
        pytest.param("bob+x", "bob", IdentityRules(subaddress=""), id="sub-address, where there is none"),
        pytest.param("bob+x", "bob", IdentityRules(subaddress="-"), id="sub-address with another separator"),
        pytest.param("+x", "", SHIPPED, id="nothing before the separator"),
        pytest.param("bob", "bab", SHIPPED, id="two people"),
        pytest.param("b.ob", "bob", SHIPPED, id="a dot"),
        pytest.param('"b ob"@example.org', "bob@example.org", SHIPPED, id="needed quotes"),
        pytest.param('"bob+x y"@example.org', "bob@example.org", SHIPPED, id="quotes around a separator"),
        pytest.param(r'"a\\b"@example.org', "ab@example.org", SHIPPED, id="a backslash that is meant"),
        pytest.param("bob@example.org", "bob@example.com", SHIPPED, id="two virtual domains"),
        pytest.param("straße@example.org", "strasse@example.org", SHIPPED, id="sharp s"),
        pytest.param("bob@straße.example", "bob@strasse.example", SHIPPED, id="sharp s in a domain"),
        pytest.param(
            "b\N{CYRILLIC SMALL LETTER O}b", "bob", SHIPPED, id="a Cyrillic letter that looks alike"
        ),
    ],
)
def test_two_accounts(one: str, other: str, rules: IdentityRules) -> None:
    assert account_of(one, rules) != account_of(other, rules)


@pytest.mark.parametrize(
    ("login", "rule", "says"),
    [
        pytest.param("bob@x.org", "realm", 'accounts.realms = ["x.org"] would join it', id="realm"),
        pytest.param(
            "X\\bob", "windows domain", 'accounts.windows_domains = ["X"] would join it', id="Windows"
        ),
        pytest.param("Bob", "case", "accounts.fold_case = true", id="case"),
        pytest.param("bob+x", "subaddress", 'accounts.subaddress = "+"', id="sub-address"),
    ],
)
def test_resolve_names_the_setting_that_decides(login: str, rule: str, says: str) -> None:
    _account, steps = resolve(login, SHIPPED)

    assert [says in step.says for step in steps if step.rule == rule] == [True]


def test_a_rule_that_runs_again_is_listed_where_it_did_more() -> None:
    _account, steps = resolve('CAMPUS\\"Bob"', CAMPUS)

    assert [(step.rule, step.after) for step in steps[len(RULES) :]] == [("unquote", "bob")]


# Lower-case letters that IDNA takes as they are; RFC 3492 (the codec `punycode`) names their A-label.
LABELS = st.text("abcxyzäöüéñджи日本", min_size=1, max_size=8).filter(lambda label: not label.isascii())


@given(LABELS)
def test_the_forms_of_an_international_name_are_one_domain(label: str) -> None:
    ascii_form = "xn--" + label.encode("punycode").decode()

    assert fold_domain(f"{label}.example") == fold_domain(f"{ascii_form.upper()}.Example.")
    assert fold_domain(f"{label}.example") == f"{ascii_form}.example"


@pytest.mark.parametrize(
    ("domain", "folded"),
    [
        pytest.param("Example.ORG", "example.org", id="case"),
        pytest.param("example.org..", "example.org", id="final dots"),
        pytest.param("bücher。example。", "xn--bcher-kva.example", id="full stops of another script"),
        pytest.param("bücher..example", "bücher..example", id="no domain, left as it is"),
        pytest.param("BÜCHER_.example", "bücher_.example", id="not in IDNA, only lower case"),
        pytest.param("", "", id="nothing"),
        pytest.param(".", "", id="the root"),
    ],
)
def test_the_one_form_of_a_domain(domain: str, folded: str) -> None:
    assert fold_domain(domain) == folded


@given(LOGINS)
def test_folding_a_domain_twice_is_folding_it_once(domain: str) -> None:
    folded = fold_domain(domain)

    assert fold_domain(folded) == folded and not folded.endswith(".")


@given(SUFFIXES, SUFFIXES)
def test_a_domain_with_a_dot_in_front_stands_for_all_below_it(domain: str, host: str) -> None:
    assert in_domains(domain.upper(), [domain])
    assert in_domains(f"{host}.{domain}", [f".{domain}"])
    assert not in_domains(f"{host}.{domain}", [domain])
    assert not in_domains(domain, [f".{domain}"])
    assert not in_domains(domain, [])


@given(LOGINS)
def test_splitting_an_address_loses_nothing(address: str) -> None:
    local, domain = split_address(address)

    assert "@" not in domain
    assert address in {f"{local}@{domain}", local}


@given(LOGINS.filter(lambda address: address.strip() == address and address[:1] not in {"<", "@"}))
def test_the_bare_address_of_a_path_is_what_stands_between_the_brackets(address: str) -> None:
    assert bare_address(f" <{address}> ") == address


@pytest.mark.parametrize(
    ("path", "address"),
    [
        pytest.param("<bob@example.org>", "bob@example.org", id="brackets"),
        pytest.param("bob@example.org", "bob@example.org", id="no brackets"),
        pytest.param("<>", "", id="null sender"),
        pytest.param("", "", id="nothing"),
        pytest.param("<@a.org,@b.org:bob@example.org>", "bob@example.org", id="source route"),
        pytest.param("<@example.org>", "@example.org", id="no local part is not the null sender"),
        pytest.param('<"a>b:c"@example.org>', '"a>b:c"@example.org', id="brackets and colons in quotes"),
        pytest.param("<bob@[IPv6:2001:db8::1]>", "bob@[IPv6:2001:db8::1]", id="address literal"),
    ],
)
def test_paths_as_mail_servers_send_them(path: str, address: str) -> None:
    assert bare_address(path) == address


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        pytest.param("bob@example.org", "example.org", id="plain"),
        pytest.param('"a@b"@example.org', "example.org", id="an @ in quotes"),
        pytest.param("bob", "", id="no domain"),
        pytest.param("", "", id="null sender"),
        pytest.param("@example.org", "example.org", id="no local part"),
    ],
)
def test_the_domain_of_an_address_stands_behind_its_last_at_sign(address: str, domain: str) -> None:
    assert split_address(address)[1] == domain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mallory+" + "x" * 2000 + "1", "mallory"),
        ("MALLORY+" + "x" * 2000 + "@Example.ORG", "mallory@example.org"),
        ("a" * 1500 + "+1", "A" * 1500 + "+2"),
        ("a" * 1500 + "@example.org", "A" * 1500 + "@EXAMPLE.org"),
    ],
    ids=["sub-address", "with a domain", "longer than any name", "with a long name and a domain"],
)
def test_a_login_is_no_other_for_being_long(one: str, other: str) -> None:
    assert account_of(one, IdentityRules()) == account_of(other, IdentityRules())
