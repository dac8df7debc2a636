"""Rows of limits from SQL and LDAP at a running Sendwarden, which no answer waits for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.directories import KINDS, Accounts, Kept
from tests.servers.client import Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix, Service
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
{directory}
keep = "30s"
[[limits]]
name = "external"
recipients = "5/10m"
[[limits]]
name = "small"
recipients = "2/10m"
"""


ACCOUNTS: Accounts = {"eve": ("small", []), "bob": ("", []), "dave": ("small", [])}


@pytest.fixture(params=KINDS)
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    kept = KINDS[request.param](ACCOUNTS, tmp_path)
    yield kept
    kept.remove()


@pytest.fixture
def site(sink: Sink, dovecot: Dovecot, directory: Kept) -> Iterator[tuple[Sendwarden, Postfix]]:
    sendwarden = Sendwarden(SETTINGS.replace("{directory}", directory.settings))
    asked = {"smtpd_milters": f"inet:127.0.0.1:{sendwarden.milter}", "smtpd_sasl_auth_enable": "yes"}
    postfix = Postfix(sink.port, [Service("smtp", asked)], dovecot.sasl)
    yield sendwarden, postfix
    postfix.stop()
    assert sendwarden.stop() == 0


def rows(sendwarden: Sendwarden, account: str) -> set[str]:
    """Which rows the limits of an account come from."""
    code, said = sendwarden.command("limits", "show", account, "--json")
    assert code == 0, said
    channels = {one["channel"]: one["limits"] for one in json.loads(said)["channels"]}
    return {limit["row"] for limit in channels["submission-auth-external"]}


def sent(postfix: Postfix, login: str, number: int) -> list[int]:
    client = Client(postfix.ports["smtp"])
    client.xclient(ADDR="198.51.100.7", NAME="[UNAVAILABLE]", LOGIN=login)
    codes = [client.send(f"{login}@example.org", ["v@x.example"], message()).code for _ in range(number)]
    client.quit()
    return codes


def test_a_row_of_the_directory_holds_and_stays_while_it_is_away(
    site: tuple[Sendwarden, Postfix], directory: Kept
) -> None:
    sendwarden, postfix = site
    assert sent(postfix, "eve", 1) == [250]
    wait_for("eve's row is known", lambda: rows(sendwarden, "eve") == {"small"})
    assert sent(postfix, "eve", 3) == [250, 450, 450]
    assert sent(postfix, "bob", 6) == [250] * 5 + [450]

    directory.go_away()
    assert sent(postfix, "carol", 6) == [250] * 5 + [450]
    wait_for("that it is away is told", lambda: sendwarden.warnings("directory-down"))
    assert rows(sendwarden, "eve") == {"small"}
    (sendwarden.folder / "message").write_text("Subject: a\n\nText.\n")
    explained = sendwarden.command(
        *("explain", str(sendwarden.folder / "message"), "--login", "eve", "--from", "eve@example.org"),
        *("--to", "v@x.example", "--client", "198.51.100.7"),
    )[1]
    assert "row       small, which the directory names (as the running daemon knows it)\n" in explained
    assert "(row small)" in explained
    assert "of the channel; the directory gave no answer: " in sendwarden.command("limits", "show", "zoe")[1]
    assert sent(postfix, "eve", 1) == [450]
    assert sent(postfix, "dave", 1) == [250]
    assert rows(sendwarden, "dave") == {"external"}

    directory.come_back()
    wait_for("dave's row is known", lambda: rows(sendwarden, "dave") == {"small"})
