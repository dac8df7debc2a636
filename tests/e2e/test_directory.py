"""Rows of limits from an SQL database at a running Sendwarden, which no answer waits for."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

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
[directory]
url = "sqlite:///{database}"
query = "SELECT limits FROM users WHERE login = :account"
keep = "30s"
[[limits]]
name = "external"
recipients = "5/10m"
[[limits]]
name = "small"
recipients = "2/10m"
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "users.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (login TEXT PRIMARY KEY, limits TEXT)")
    connection.executemany("INSERT INTO users VALUES (?, ?)", [("eve", "small"), ("bob", None)])
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def site(sink: Sink, dovecot: Dovecot, database: Path) -> Iterator[tuple[Sendwarden, Postfix]]:
    sendwarden = Sendwarden(SETTINGS.format(database=database))
    asked = {"smtpd_milters": f"inet:127.0.0.1:{sendwarden.milter}", "smtpd_sasl_auth_enable": "yes"}
    postfix = Postfix(sink.port, [Service("smtp", asked)], dovecot.sasl)
    yield sendwarden, postfix
    postfix.stop()
    sendwarden.stop()


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


def test_a_row_of_the_database_holds_and_stays_while_it_is_away(
    site: tuple[Sendwarden, Postfix], database: Path
) -> None:
    sendwarden, postfix = site
    assert sent(postfix, "eve", 1) == [250]
    wait_for("eve's row is known", lambda: rows(sendwarden, "eve") == {"small"})
    assert sent(postfix, "eve", 3) == [250, 450, 450]
    assert sent(postfix, "bob", 6) == [250] * 5 + [450]

    database.rename(database.with_suffix(".away"))
    assert sent(postfix, "carol", 6) == [250] * 5 + [450]
    wait_for("that it is away is told", lambda: sendwarden.warnings("directory-down"))
    assert rows(sendwarden, "eve") == {"small"}
    assert sent(postfix, "eve", 1) == [450]
