"""The types of tables, and what each offers to a store that keeps it."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from .keys import Change
from .loading import Loading
from .options import TableOptions
from .throttle import ThrottleTable
from .values import GreylistTable, SimpleTable


class Table(Protocol):
    """What every table type offers to the store and to `Tables`."""

    options: TableOptions
    loading: Loading

    def changes(self, now: float) -> Iterator[Change]:
        """What changed since the last call."""
        ...

    def everything(self) -> Iterator[Change]:
        """All keys, for a store that has none of them."""
        ...

    def reconfigure(self, options: TableOptions) -> bool:
        """Take new options and keep what was counted; False where it would not mean the same any more."""
        ...

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        """Take a stored key in, below what was counted meanwhile."""
        ...

    def remove(self, key: str) -> None: ...

    def __len__(self) -> int: ...


TABLE_TYPES: dict[str, type[ThrottleTable | SimpleTable | GreylistTable]] = {
    "throttle": ThrottleTable,
    "simple": SimpleTable,
    "greylisting": GreylistTable,
}


def new_table(options: TableOptions) -> ThrottleTable | SimpleTable | GreylistTable:
    return TABLE_TYPES[options.type](options)
