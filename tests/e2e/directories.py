"""Directories of the tests, SQL and LDAP alike: what they say, and ways to be away."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.servers.certificates import Authority
from tests.servers.slapd import PASSWORD, PEOPLE, READER, Person, Slapd

# Account -> its row of limits, and what it may send as besides its own address.
Accounts = Mapping[str, tuple[str, Sequence[str]]]


class Kept(Protocol):
    """One of them. ``settings``: the table [directory] without its durations."""

    settings: str

    def lend(self, account: str, address: str) -> None: ...
    def go_away(self) -> None: ...
    def come_back(self) -> None: ...
    def remove(self) -> None: ...


class Sql:
    """A file of SQLite."""

    def __init__(self, accounts: Accounts, folder: Path) -> None:
        self._path = folder / "users.db"
        self.settings = (
            '[directory]\nurl = "sqlite:///{database}"\n'
            'query = "SELECT limits FROM users WHERE login = :account"\n'
            'senders_query = "SELECT address FROM aliases WHERE login = :account"\n'
        ).replace("{database}", str(self._path))
        with sqlite3.connect(self._path) as connection:
            connection.execute("CREATE TABLE users (login TEXT PRIMARY KEY, limits TEXT)")
            connection.execute("CREATE TABLE aliases (login TEXT, address TEXT)")
            rows = [(name, row or None) for name, (row, _senders) in accounts.items()]
            connection.executemany("INSERT INTO users VALUES (?, ?)", rows)
            pairs = [(name, one) for name, (_row, senders) in accounts.items() for one in senders]
            connection.executemany("INSERT INTO aliases VALUES (?, ?)", pairs)
        connection.close()

    def lend(self, account: str, address: str) -> None:
        with sqlite3.connect(self._path) as connection:
            connection.execute("INSERT INTO aliases VALUES (?, ?)", (account, address))
        connection.close()

    def go_away(self) -> None:
        self._path.rename(self._path.with_suffix(".away"))

    def come_back(self) -> None:
        self._path.with_suffix(".away").rename(self._path)

    def remove(self) -> None: ...


class Ldap:
    """A slapd, asked over TLS. Being away is hanging with all its connections."""

    def __init__(self, accounts: Accounts, folder: Path) -> None:
        authority = Authority(folder)
        people: dict[str, Person] = {
            name: {"mail": list(senders)} | ({"employeeType": row} if row else {})
            for name, (row, senders) in accounts.items()
        }
        self._numbers = {name: number for number, name in enumerate(people)}
        self.slapd = Slapd(people, authority)
        self.settings = (
            f'[directory]\nurl = "{self.slapd.url}"\nstarttls = true\nca_file = "{authority.certificate}"\n'
            f'bind_dn = "{READER}"\npassword_secret = "{PASSWORD}"\nbase = "{PEOPLE}"\n'
            'filter = "(uid=:account)"\nlimits_attribute = "employeeType"\nsenders_attributes = ["mail"]\n'
            'timeout = "1s"\n'
        )

    def lend(self, account: str, address: str) -> None:
        name = f"employeeNumber={self._numbers[account]},{PEOPLE}"
        self.slapd.change(f"dn: {name}\nchangetype: modify\nadd: mail\nmail: {address}\n")

    def go_away(self) -> None:
        self.slapd.pause()

    def come_back(self) -> None:
        self.slapd.go_on()

    def remove(self) -> None:
        self.slapd.remove()


KINDS: Mapping[str, Callable[[Accounts, Path], Kept]] = {"sql": Sql, "ldap": Ldap}
