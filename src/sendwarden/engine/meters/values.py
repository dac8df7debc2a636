"""Simple and greylisting tables: values by key, the quietest forgotten first."""

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from .keys import EVICTION_SAMPLE, Change, MeterError, normal_key, same_keys
from .options import TableOptions

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
Value = TypeVar("Value")


class _Values(ABC, Generic[Value]):
    """What simple and greylisting tables share: values by key, quietest first, and which of them changed."""

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        self._values: dict[str, Value] = {}
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._values)

    def remove(self, key: str) -> None:
        key = normal_key(self.options, key)
        if self._values.pop(key, None) is not None:
            self._changed[key] = None

    def _put(self, key: str, value: Value) -> None:
        self._values.pop(key, None)
        self._values[key] = value
        self._changed[key] = None
        if len(self._values) > self.options.max_entries:
            gone = self._least()
            del self._values[gone]
            self._changed[gone] = None

    def _least(self) -> str:
        """The key to forget when the table is full."""
        return next(iter(self._values))

    def changes(self, now: float) -> Iterator[Change]:
        del now  # values do not age
        changed, self._changed = self._changed, {}
        for key in changed:
            value = self._values.get(key)
            yield Change(key, drop=True) if value is None else Change(key, ((0, self._encoded(value)),))

    def everything(self) -> Iterator[Change]:
        self._changed.clear()
        for key, value in self._values.items():
            yield Change(key, ((0, self._encoded(value)),))

    def reconfigure(self, options: TableOptions) -> bool:
        same = same_keys(self.options, options)
        if same:
            self.options = options
        return same

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        if key in self._values or 0 not in parts or len(self._values) >= self.options.max_entries:
            return
        value = self._decoded(parts[0], now)
        if value is not None:
            self._values[key] = value

    @abstractmethod
    def _encoded(self, value: Value) -> bytes: ...

    @abstractmethod
    def _decoded(self, raw: bytes, now: float) -> Value | None:
        """The value, or None for what cannot be one."""


class SimpleTable(_Values[str | int]):
    """Strings or integers by key, forgotten in the order of their last use."""

    def fetch(self, key: str) -> str | int:
        """Raises `MeterError` where the key is not set."""
        key = normal_key(self.options, key)
        if key not in self._values:
            raise MeterError(f"{key!r} is not set")
        self._values[key] = value = self._values.pop(key)
        return value

    def store(self, key: str, value: str) -> None:
        key = normal_key(self.options, key)
        self._put(key, _integer(value) if self.options.value_type == "integer" else value)

    def adjust(self, key: str, delta: str) -> int:
        """Add ``n``, ``+n`` or ``-n``; a key that is not set starts at 0. Returns the new value."""
        key = normal_key(self.options, key)
        if self.options.value_type != "integer":
            raise MeterError(f"table {self.options.name} holds strings: nothing to adjust")
        value = int(self._values.get(key, 0)) + _integer(delta)
        self._put(key, value)
        return value

    def _encoded(self, value: str | int) -> bytes:
        return str(value).encode("utf-8", "surrogateescape")

    def _decoded(self, raw: bytes, now: float) -> str | int | None:
        del now
        text = raw.decode("utf-8", "surrogateescape")
        if self.options.value_type != "integer":
            return text
        try:
            return _integer(text)
        except MeterError:
            return None


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise MeterError(f"{text[:40]!r} is not a whole number")
    return int(text)


class GreylistTable(_Values[tuple[float, float]]):
    """First sight is put off; a second attempt in time passes, and goes on passing while it is used.

    A value is the time of the first attempt, and that of the last use once it has passed (else 0).
    """

    _TIMES = struct.Struct("!dd")

    def defer(self, key: str, now: float) -> bool:
        """Must this attempt be put off?"""
        key = normal_key(self.options, key)
        known = self._values.get(key)
        first, passed = known or (now, 0.0)
        if passed and now - passed > self.options.inactivity_time:
            first, passed = now, 0.0
        elif not passed and now - first > self.options.resubmit_time:
            first = now
        elif passed or (known and now - first >= self.options.block_time):
            passed = now
        self._put(key, (first, passed))
        return not passed

    def _least(self) -> str:
        """Of the quietest, one that has not passed goes first: strangers must not unseat the known."""
        quiet = [key for key, _ in zip(self._values, range(EVICTION_SAMPLE), strict=False)]
        return next((key for key in quiet if not self._values[key][1]), quiet[0])

    def _encoded(self, value: tuple[float, float]) -> bytes:
        return self._TIMES.pack(*value)

    def _decoded(self, raw: bytes, now: float) -> tuple[float, float] | None:
        if len(raw) != self._TIMES.size:
            return None
        first, passed = self._TIMES.unpack(raw)
        return min(first, now), min(passed, now)
