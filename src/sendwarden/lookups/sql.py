"""A directory of accounts in an SQL database: one query of the site's own, for one account at a time.

The query names `service.attributes.NAMES` as bound parameters (``:account``): what a login holds never
becomes part of it. It is run on a thread of its own, since drivers block. Known limit: one that hangs beyond
its own time limits keeps that thread, and all questions behind it are answered by `DirectoryDown`.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DataError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from sendwarden.core.identity import split_address
from sendwarden.service.attributes import names_in
from sendwarden.service.ports import DirectoryDown

# How long one answer may take.
ANSWER_S = 5.0


class SqlDirectory:
    """`Directory`. ``url`` is SQLAlchemy's; its driver must be installed."""

    def __init__(self, url: str, password: str, query: str) -> None:
        self._url = url
        self._password = password
        self._query = text(query)
        self._named = names_in(query)
        self._engine: Engine | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="directory")

    async def row_of(self, account: str) -> str:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_S):
                return await loop.run_in_executor(self._thread, self._ask, account)
        except TimeoutError:
            raise DirectoryDown(f"no answer within {ANSWER_S:g} s") from None

    def _ask(self, account: str) -> str:
        try:
            with self._connected().connect() as connection:
                found = connection.execute(self._query, self._parameters(account)).first()
        except (DataError, UnicodeError):  # no name that the database could hold
            return ""
        except SQLAlchemyError as error:
            raise DirectoryDown(_first_line(error)) from error
        return str(found[0]) if found is not None and found[0] is not None else ""

    def _parameters(self, account: str) -> Mapping[str, str]:
        local, domain = split_address(account)
        known = {"account": account, "local": local, "domain": domain}
        return {name: known[name] for name in self._named}

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
        self._thread.shutdown(wait=False, cancel_futures=True)


def _first_line(error: Exception) -> str:
    """What went wrong, without the query and its parameters."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]
