"""A directory in SQL: asked with bound parameters, and never with anything secret in what it says."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from sendwarden.lookups.sql import MOST_SENDERS, SqlDirectory
from sendwarden.service.ports import DirectoryDown, DirectoryUnclear, Entry

QUERY = "SELECT limits FROM users WHERE login = :account"


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "users.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (login TEXT, domain TEXT, limits TEXT)")
        rows = [("bob", "", "bulk"), ("anna@example.org", "", None), ("carol", "a.example", "webmail")]
        connection.executemany("INSERT INTO users VALUES (?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


def asked(url: str, *accounts: str, query: str = QUERY) -> list[str]:
    async def work() -> list[str]:
        directory = SqlDirectory(url, "", query)
        try:
            return [(await directory.entry_of(account)).row for account in accounts]
        finally:
            directory.close()

    return asyncio.run(work())


def test_a_row_is_what_the_query_gives_and_nothing_where_it_gives_none(url: str) -> None:
    assert asked(url, "bob", "anna@example.org", "nobody") == ["bulk", "", ""]


def test_the_parts_of_an_account_can_be_asked_for(url: str) -> None:
    query = "SELECT limits FROM users WHERE login = :local AND domain = :domain"
    assert asked(url, "carol@a.example", "carol@b.example", "bob", query=query) == ["webmail", "", "bulk"]


@pytest.mark.parametrize("rows", ["", QUERY])
def test_all_addresses_that_a_query_gives_are_lent_and_a_field_may_hold_several(url: str, rows: str) -> None:
    aliases = (
        ("bob", "info@example.org"),
        ("bob", "a@x.example, b@x.example\t@y.example"),
        ("bob", None),
        ("bob", '"odd, one"@x.example'),
        ("eve", "eve@example.org"),
    )
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE aliases (login TEXT, alias TEXT)")
        connection.executemany("INSERT INTO aliases VALUES (?, ?)", aliases)
    connection.close()

    assert lent(url, "bob", rows) == Entry(
        "bulk" if rows else "",
        ("info@example.org", "a@x.example", "b@x.example", "@y.example", '"odd, one"@x.example'),
    )
    for odd in ODD:
        assert lent(url, odd, rows) == Entry()


def lent(url: str, account: str, rows: str = "") -> Entry:
    async def work() -> Entry:
        directory = SqlDirectory(url, "", rows, "SELECT alias FROM aliases WHERE login = :account")
        try:
            return await directory.entry_of(account)
        finally:
            directory.close()

    return asyncio.run(work())


def test_more_addresses_than_anybody_has_are_not_taken(url: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE aliases (login TEXT, alias TEXT)")
        many = [("bob", f"a{number}@example.org") for number in range(MOST_SENDERS + 1)]
        connection.executemany("INSERT INTO aliases VALUES (?, ?)", many)
    connection.close()
    with pytest.raises(DirectoryUnclear, match="more than 1000 addresses"):
        lent(url, "bob")


ODD = ["' OR 1=1 --", "x'; DROP TABLE users; --", ":account", "%", "bob\udcff", "\0"]


@pytest.mark.parametrize("account", ODD)
def test_what_stands_in_a_login_is_never_sql(url: str, account: str) -> None:
    assert asked(url, account, "bob") == ["", "bulk"]


def test_a_database_that_is_away_is_told_without_the_query(tmp_path: Path) -> None:
    with pytest.raises(DirectoryDown, match="there is no /") as told:
        asked(f"sqlite:///{tmp_path}/none/users.db", "bob")
    assert "SELECT" not in str(told.value)
    assert "bob" not in str(told.value)


def test_it_comes_back_by_itself_and_makes_no_file(tmp_path: Path, url: str) -> None:
    async def work() -> None:
        directory = SqlDirectory(url, "", QUERY)
        path = tmp_path / "users.db"
        assert await directory.entry_of("bob") == Entry("bulk")
        path.rename(tmp_path / "away")
        with pytest.raises(DirectoryDown, match="there is no"):
            await directory.entry_of("bob")
        assert not path.exists()
        path.touch()
        with pytest.raises(DirectoryDown, match="no such table"):
            await directory.entry_of("bob")
        (tmp_path / "away").rename(path)
        assert await directory.entry_of("bob") == Entry("bulk")
        directory.close()

    asyncio.run(work())


def test_what_is_no_text_is_that_accounts_trouble_alone(url: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("INSERT INTO users VALUES ('eve', '', CAST(x'ff62' AS TEXT))")
    connection.close()
    with pytest.raises(DirectoryUnclear, match="no UTF-8"):
        asked(url, "eve")
    assert asked(url, "bob") == ["bulk"]


def test_an_option_that_the_driver_does_not_understand_is_no_end_of_ours(url: str) -> None:
    with pytest.raises(DirectoryDown, match="could not convert"):
        asked(f"{url}?timeout=abc", "bob")
