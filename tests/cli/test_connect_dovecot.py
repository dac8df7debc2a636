"""cli.connect_dovecot: the lines for each version. A real Dovecot reads them in tests/e2e."""

import json

import pytest

from sendwarden.cli import connect_dovecot
from sendwarden.cli.connect_dovecot import lines, lines_for
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.surroundings import Found
from tests.cli.command import Commands
from tests.config.folder import write

LOGIN = '[listen]\nlogin = "127.0.0.1:8601"\n'
WITH_SECRET = 'login_secret = "hunter2"\n'  # noqa: S105 - of this test alone
ATTRIBUTES = (
    "login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} device_id=%{client_id} "
    "protocol=%s session_id=%{session}"
)


def here(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found("Dovecot", bool(version), version)
    monkeypatch.setattr(connect_dovecot, "dovecot", lambda: found)


@pytest.mark.parametrize(
    ("version", "of"),
    [("2.2.27", "2.3"), ("2.3.4.1", "2.3"), ("2.3.19.1", "2.3"), ("2.4.0", "2.4"), ("2.4.1-4", "2.4"),
     ("3.0.0", "2.4"), ("2.10.0", "2.4"), ("odd", "2.4")],
)  # fmt: skip
def test_each_version_has_its_lines(version: str, of: str) -> None:
    assert lines_for(version) == of


def test_the_lines_of_2_3() -> None:
    assert lines("2.3", "127.0.0.1:8601", "f00", with_secret=True) == (
        "auth_policy_server_url = http://127.0.0.1:8601/",
        "auth_policy_hash_nonce = f00",
        "auth_policy_server_api_header = Authorization: Basic BASE64",
        "auth_policy_reject_on_fail = no",
        "auth_policy_server_timeout_msecs = 2000",
        f"auth_policy_request_attributes = {ATTRIBUTES}",
    )


def test_the_lines_of_2_4_have_nothing_that_2_4_does_not_know() -> None:
    """There the time-out is another setting, the attributes are a list, and %s is no variable."""
    assert lines("2.4", "[::]:8601", "f00", with_secret=False) == (
        "auth_policy_server_url = http://[::1]:8601/",
        "auth_policy_hash_nonce = f00",
        "auth_policy_reject_on_fail = no",
    )


@pytest.mark.parametrize(
    ("version", "words", "shown"),
    [
        ("2.3.19.1", (), ["2.3"]),
        ("2.4.1", (), ["2.4"]),
        ("2.3.19.1", ("--print",), ["2.3", "2.4"]),
        ("", (), ["2.3", "2.4"]),
    ],
)
def test_it_shows_the_lines_of_the_version_that_is_here_or_all(
    version: str,
    words: tuple[str, ...],
    shown: list[str],
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here(version, monkeypatch)
    write(commands.folder, {"sendwarden.toml": LOGIN})

    said = commands.on_folder("connect", "dovecot", *words)

    assert said.code == GOOD
    assert [of for of in ("2.3", "2.4") if f"For Dovecot {of}" in said.out] == shown
    assert said.out.count("  auth_policy_server_url = http://127.0.0.1:8601/\n") == len(shown)
    assert ("not tried on a running one" in said.out) is ("2.4" in shown)
    assert "lets everybody in" in said.out and "a contained account too" in said.out
    assert said.out.endswith(
        "To take it out again:\n  rm /etc/dovecot/conf.d/95-sendwarden.conf\n"
        "  doveadm reload\n  postfix reload\n"
    )


def test_the_secret_is_not_shown_and_how_to_write_it_is(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    here("2.3.19.1", monkeypatch)
    write(commands.folder, {"sendwarden.toml": LOGIN + WITH_SECRET})

    said = commands.on_folder("connect", "dovecot")
    as_json = commands.on_folder("connect", "dovecot", "--json")

    assert "printf 'wforce:%s' 'SECRET' | base64 -w0" in said.out and "Basic BASE64" in said.out
    assert "hunter2" not in said.out + as_json.out and "aHVudGVyMg" not in said.out + as_json.out
    record = json.loads(as_json.out)
    assert record["version"] == "2.3.19.1" and list(record["lines"]) == ["2.3"] and not record["changed"]


def test_two_runs_print_two_nonces(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": LOGIN})

    first, second = (commands.on_folder("connect", "dovecot").out for _ in range(2))

    assert "auth_policy_hash_nonce = " in first and first != second


def test_where_nobody_listens_there_is_nothing_to_ask(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": ""})

    said = commands.on_folder("connect", "dovecot")

    assert (said.code, said.out) == (CANNOT, "") and 'login = "127.0.0.1:8601" under [listen]' in said.err


def test_where_nobody_listens_the_lines_come_with_what_to_set(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": ""})

    said = commands.on_folder("connect", "dovecot", "--print")

    first, second, *rest = said.out.splitlines()
    assert said.code == NO
    assert first == (
        'Nothing to ask yet: set login = "127.0.0.1:8601" under [listen] in '
        f"{commands.folder}/sendwarden.toml, which is off by default;"
    )
    assert second == "then reload Sendwarden, and give Dovecot these lines."
    assert rest.count("  auth_policy_server_url = http://127.0.0.1:8601/") == len(connect_dovecot.LINES)


@pytest.mark.parametrize("words", [("--yes",), ("--folder", "/etc/dovecot")])
def test_it_changes_nothing_and_says_so(words: tuple[str, ...], commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": LOGIN})

    said = commands.on_folder("connect", "dovecot", *words)

    assert said.code == CANNOT and "not changed by this command" in said.err
