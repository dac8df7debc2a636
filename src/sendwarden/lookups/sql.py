"""A directory of accounts in an SQL database: one query of the site's own, for one account at a time.

The query names `service.attributes.NAMES` as bound parameters (``:account``): what a login holds never
becomes part of it. It is run on a thread of its own, since drivers block (`aside`).
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DataError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from sendwarden.core.identity import split_address
from sendwarden.lookups.aside import Aside
from sendwarden.service.attributes import names_in
from sendwarden.service.ports import DirectoryDown, DirectoryUnclear, Entry

# Addresses of one account. Mailboxes have a few; more is a query that finds something else.
MOST_SENDERS = 1_000


# What Python's sqlite3 says of a column that is no UTF-8.
_NO_TEXT = "Could not decode to UTF-8"


class SqlDirectory:
    """`Directory`. ``url`` is SQLAlchemy's; its driver must be installed. A query that is "" is not asked."""

    def __init__(
        self, url: str, password: str, query: str, senders_query: str = "", timeout_s: float = 5.0
    ) -> None:
        self._url = url
        self._password = password
        self._query = query
        self._senders_query = senders_query
        self._engine: Engine | None = None
        self._aside = Aside("directory", timeout_s)

    async def entry_of(self, account: str) -> Entry:
        return await self._aside.call(partial(self._ask, account))

    def _ask(self, account: str) -> Entry:
        try:
            with self._connected().connect() as connection:
                rows = self._values(connection, self._query, account, 1)
                senders = self._values(connection, self._senders_query, account, MOST_SENDERS + 1)
        except (DataError, UnicodeError):  # no name that the database could hold
            return Entry()
        except SQLAlchemyError as error:
            if _NO_TEXT in str(error):
                raise DirectoryUnclear("what stands there is no UTF-8") from error
            raise DirectoryDown(_first_line(error)) from error
        except DirectoryDown:
            raise
        except Exception as error:  # of a driver, which may not understand an option of the URL
            raise DirectoryDown(f"{type(error).__name__}: {_first_line(error)}") from error
        if len(senders) > MOST_SENDERS:
            raise DirectoryUnclear(f"more than {MOST_SENDERS} addresses of senders")
        return Entry(rows[0] if rows else "", tuple(one for value in senders for one in _addresses(value)))

    def _values(self, connection: Connection, query: str, account: str, most: int) -> list[str]:
        """The first column of so many rows, without what is NULL."""
        if not query:
            return []
        found = connection.execute(text(query), self._parameters(query, account)).fetchmany(most)
        return [str(row[0]) for row in found if row[0] is not None]

    @staticmethod
    def _parameters(query: str, account: str) -> Mapping[str, str]:
        local, domain = split_address(account)
        known = {"account": account, "local": local, "domain": domain}
        return {name: known[name] for name in names_in(query)}

    def _connected(self) -> Engine:
        if self._engine is None:
            url = make_url(self._url)
            try:
                # A connection for each question: they are few, and none is of a file that was replaced.
                self._engine = create_engine(
                    url.set(password=self._password) if self._password else url, poolclass=NullPool
                )
            except ImportError as error:
                raise DirectoryDown(f"the driver of {self._url} is not installed: {error}") from error
        file = self._engine.url.database if self._engine.dialect.name == "sqlite" else ""
        if file and not file.startswith((":", "file:")) and not Path(file).exists():
            raise DirectoryDown(f"there is no {file}")  # SQLite would make an empty one
        return self._engine

    def close(self) -> None:
        """Give up; what is asked meanwhile may still be answered."""
        if self._engine is not None:
            self._engine.dispose()
        self._aside.leave()


def _addresses(value: str) -> list[str]:
    """One or several, parted by blanks or commas, as tables of aliases have them."""
    return re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^\s,"])+', value)


def _first_line(error: Exception) -> str:
    """What went wrong, without the query and its parameters."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]
