"""[directory]: where it may be, and settings that fit each other."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from sendwarden.core.place import has_errors
from tests.config.folder import load_folder

LDAP = {
    "url": '"ldap://127.0.0.1"',
    "base": '"dc=example"',
    "filter": '"(uid=:account)"',
    "limits_attribute": '"employeeType"',
}


@pytest.fixture(autouse=True)
def _python_ldap(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, whatever is installed here."""
    monkeypatch.setitem(sys.modules, "ldap", ModuleType("ldap"))


def problems(folder: Path, **changes: str) -> list[str]:
    lines = [f"{name} = {value}" for name, value in (LDAP | changes).items() if value]
    loaded = load_folder(folder, "[directory]\n" + "\n".join(lines) + "\n")
    for problem in loaded.problems:
        assert problem.remedy
        assert (
            "hush" not in f"{problem.place.text if problem.place else ''}{problem.sentence}{problem.remedy}"
        )
    return [f"{problem.code} {problem.sentence}" for problem in loaded.problems]


@pytest.mark.parametrize(
    "url",
    [
        "ldap://ldap.example.org",
        "ldap://[2001:db8::7]:389",
        "ldaps://ldap.example.org:636/",
        "ldapi://%2Frun%2Fslapd%2Fldapi",
        "ldapi:///",
        "ldap://a.example ldap://b.example",
    ],
)
def test_servers_are_named_by_urls(url: str, tmp_path: Path) -> None:
    assert problems(tmp_path, url=f'"{url}"') == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ldap://", "no URL of an LDAP server"),
        ("ldap://host:0", "no URL of an LDAP server"),
        ("ldap://host:66666", "no URL of an LDAP server"),
        ("ldapx://host", "no URL of an LDAP server"),
        ("ldap://bob@host", "no URL of an LDAP server"),
        ("ldap://bob:hush@host", "a password stands in this URL"),
        ("ldap://host/dc=example?uid", "more than a server"),
        ("ldap://host?", "more than a server"),
        ("ldap://a.example sqlite://", "no URL of an LDAP server"),
    ],
)
def test_what_is_no_url_of_servers_is_refused(url: str, says: str, tmp_path: Path) -> None:
    found = problems(tmp_path, url=f'"{url}"')
    assert any(one.startswith("SW102") and says in one for one in found)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"filter": ""}, "SW120 an LDAP server is named, and no filter"),
        ({"filter": '"(uid=bob)"'}, "SW120 the filter names no account"),
        ({"filter": '"(uid=:acount)"'}, "SW120 nothing is known here that :acount could stand for"),
        ({"filter": '"uid=:account"'}, 'SW120 a bracket is missing before "uid=:account"'),
        ({"filter": '"(uid=:account*)"'}, "SW120 where :account is empty or short, the * beside it"),
        ({"filter": '"(mail=*:domain)"'}, "SW120 where :domain is empty or short, the * beside it"),
        ({"base": ""}, "SW126 it is not said where accounts are"),
        ({"limits_attribute": ""}, "SW126 nothing is asked of this directory"),
        ({"limits_attribute": '"a b"'}, 'SW102 "a b" is not the name of an attribute'),
        ({"bind_dn": '"cn=x"'}, "SW126 bind_dn has no password"),
        ({"password_secret": '"hush"'}, "SW126 nobody is named whose password this is"),
        ({"query": '"SELECT 1"'}, "SW126 query is for SQL"),
        ({"senders_query": '"SELECT 1"'}, "SW126 senders_query is for SQL"),
        ({"starttls": "true", "url": '"ldaps://host"'}, 'SW126 starttls is for "ldap://..." alone'),
        ({"ca_file": '"/none/ca.pem"'}, 'SW126 there is no file "/none/ca.pem"'),
        ({"ca_file": '"ca.pem"'}, 'SW126 there is no file "ca.pem"'),
        (
            {"url": '"ldap://ldap.example.org"', "bind_dn": '"cn=x"', "password_secret": '"hush"'},
            "SW128 the password goes to ldap://ldap.example.org in the clear",
        ),
        ({"url": '"sqlite://"'}, "SW126 base is for LDAP"),
    ],
)
def test_settings_that_do_not_fit_are_told(changes: dict[str, str], says: str, tmp_path: Path) -> None:
    assert any(one.startswith(says) for one in problems(tmp_path, **changes))


def test_a_password_may_go_by_tls_or_within_the_machine(tmp_path: Path) -> None:
    who = {"bind_dn": '"cn=x"', "password_secret": '"hush"'}
    assert problems(tmp_path, **who) == []
    assert problems(tmp_path, **who, url='"ldap://ldap.example.org"', starttls="true") == []
    assert problems(tmp_path, **who, url='"ldaps://ldap.example.org"') == []


def test_without_the_library_ldap_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)
    lines = "\n".join(f"{name} = {value}" for name, value in LDAP.items())
    loaded = load_folder(tmp_path, f"[directory]\n{lines}\n")
    assert has_errors(loaded.problems)
    assert "libldap2-dev" in loaded.problems[0].remedy


def test_a_database_may_be_asked_for_senders_alone(tmp_path: Path) -> None:
    query = '"SELECT alias FROM aliases WHERE login = :account"'
    loaded = load_folder(tmp_path, f'[directory]\nurl = "sqlite://"\nsenders_query = {query}\n')
    assert loaded.problems == []
    assert loaded.settings.directory.lends
