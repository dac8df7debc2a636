"""Without a running daemon the command line asks the directory itself, and says which row it used and why."""

import sqlite3
from typing import Any

import pytest

from sendwarden.cli.exits import GOOD
from tests.cli.command import Commands
from tests.config.folder import write

SETTINGS = """
state = "var"
mode = "enforce"
[site]
domains = ["example.org"]
[directory]
url = "sqlite:///{folder}/users.db"
query = "SELECT class FROM users WHERE login = :account"
"""
EVE = ("message", "--from", "eve@example.org", "--to", "v@x.example", "--client", "192.0.2.7", "--login")


@pytest.fixture
def site(commands: Commands) -> Commands:
    settings = SETTINGS.replace("{folder}", str(commands.folder))
    write(commands.folder, {"sendwarden.toml": settings, "message": "Subject: a\n\nText.\n"})
    with sqlite3.connect(commands.folder / "users.db") as users:
        users.execute("CREATE TABLE users (login TEXT, class TEXT)")
        users.execute("INSERT INTO users VALUES ('eve', 'bulk'), ('dan', 'blk')")
    users.close()
    return commands


def explained(site: Commands, login: str) -> str:
    message, *words = EVE
    said = site.on_folder("explain", str(site.folder / message), *words, login)
    assert said.code == GOOD
    return said.out


def test_the_row_of_the_directory_is_used_and_told(site: Commands) -> None:
    shown = site.on_folder("limits", "show", "eve")
    assert "\n  row bulk, which the directory names\n" in shown.out
    assert " of 3600 in 1h" in shown.out
    said = explained(site, "eve")
    assert "row       bulk, which the directory names (asked now)\n" in said
    assert "limit     recipients: 0 -> 1 of 3600 in 1h   (row bulk)\n" in said


@pytest.mark.parametrize(
    ("login", "says"),
    [
        ("bob", "of the channel: the directory names none"),
        ("dan", 'of the channel: "blk", which the directory names, is no row'),
    ],
)
def test_where_it_names_none_that_is_told(login: str, says: str, site: Commands) -> None:
    assert f"\n  row {says}\n" in site.on_folder("limits", "show", login).out
    said = explained(site, login)
    assert f"row       {says} (asked now)\n" in said
    assert "(row external)" in said


def test_a_directory_that_is_away_is_told_and_the_channels_row_used(site: Commands) -> None:
    (site.folder / "users.db").unlink()
    (record,) = site.on_folder("limits", "show", "eve", "--json").records
    said: Any = record["directory"]
    assert (said["row"], said["known"]) == ("", False) and "users.db" in said["trouble"]
    assert "row       of the channel; the directory gave no answer: there is no " in explained(site, "eve")
