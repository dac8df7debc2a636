"""Simple and greylisting tables: values by key, the quietest forgotten first."""

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import ClassVar, Generic, TypeVar

from .keys import EVICTION_SAMPLE, Change, MeterError, NothingThere, normal_key, same_keys, stored_key
from .loading import Loading
from .options import TableOptions

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
# What adjusting may reach: larger numbers could not be read again.
_BEYOND = 10**18
Value = TypeVar("Value")


class _Values(ABC, Generic[Value]):
    """What simple and greylisting tables share: values by key, quietest first, and which of them changed.

    A stored value begins with the letter of its type, so that one of another type is not misread.
    """

    _LETTER: ClassVar[bytes]

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        self.loading = Loading()
        self._values: dict[str, Value] = {}
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._values)

    def remove(self, key: str) -> None:
        key = normal_key(self.options, key)
        if self._values.pop(key, None) is not None or self.loading.going_on:
            self._changed.add(key)
        self.loading.settle(key)

    def _put(self, key: str, value: Value) -> None:
        if self._values.pop(key, None) is None:
            self.loading.begins_key(key)
        self._values[key] = value
        self._changed.add(key)
        if len(self._values) > self.options.max_entries:
            gone = self._least()
            del self._values[gone]
            self._changed.add(gone)

    def _least(self) -> str:
        """The key to forget when the table is full."""
        return next(iter(self._values))

    def changes(self, now: float) -> Iterator[Change]:
        del now  # values do not age
        for key in self._take_changed():
            value = self._values.get(key)
            yield Change(key, drop=True) if value is None else Change(key, self._parts(value))

    def everything(self) -> Iterator[Change]:
        self._take_changed()
        for key, value in self._values.items():
            if key not in self.loading.unread:
                yield Change(key, self._parts(value))

    def _take_changed(self) -> set[str]:
        """What changed since the last call; what may not be written yet stays for a later one."""
        changed = self._changed
        self._changed = changed & self.loading.unread
        return changed - self._changed

    def reconfigure(self, options: TableOptions) -> bool:
        same = same_keys(self.options, options)
        if same:
            self.options = options
        return same

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        stored, key = key, stored_key(self.options, key)
        if key != stored:
            self._changed.add(stored)
        raw = parts.get(0, b"")
        if not key or key in self.loading.settled or raw[:1] != self._LETTER:
            return
        value = self._decoded(raw[1:], now)
        if value is None:
            return
        meanwhile = self._values.get(key)
        if meanwhile is not None:
            self._values[key] = self._joined(value, meanwhile, now)
            self._changed.add(key)
        elif len(self._values) < self.options.max_entries:
            self._values[key] = value
            if key != stored:
                self._changed.add(key)
        self.loading.unread.discard(key)

    def _parts(self, value: Value) -> tuple[tuple[int, bytes], ...]:
        return ((0, self._LETTER + self._encoded(value)),)

    @abstractmethod
    def _encoded(self, value: Value) -> bytes: ...

    @abstractmethod
    def _decoded(self, raw: bytes, now: float) -> Value | None:
        """The value, or None for what cannot be one."""

    @abstractmethod
    def _joined(self, stored: Value, meanwhile: Value, now: float) -> Value:
        """One value of a stored one, and of one that began anew before the stored one was read."""


class SimpleTable(_Values[str | int]):
    """Strings or integers by key, forgotten in the order of their last use."""

    _LETTER = b"V"

    def fetch(self, key: str) -> str | int:
        """Raises `NothingThere` where the key is not set."""
        key = normal_key(self.options, key)
        if key not in self._values:
            raise NothingThere("a key that is not set")
        self._values[key] = value = self._values.pop(key)
        return value

    def store(self, key: str, value: str) -> None:
        key = normal_key(self.options, key)
        new = integer(value) if self.options.value_type == "integer" else writable(value)
        self.loading.settle(key)
        self._put(key, new)

    def adjust(self, key: str, delta: str) -> int:
        """Add ``n``, ``+n`` or ``-n``; a key that is not set starts at 0. Returns the new value."""
        key = normal_key(self.options, key)
        if self.options.value_type != "integer":
            raise MeterError("this table holds strings: nothing to adjust")
        value = int(self._values.get(key, 0)) + integer(delta)
        if abs(value) >= _BEYOND:
            raise MeterError("the number would be too large")
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
            return integer(text)
        except MeterError:
            return None

    def _joined(self, stored: str | int, meanwhile: str | int, now: float) -> str | int:
        """What was adjusted meanwhile goes on top. What was set is settled, and does not come here."""
        del now
        if isinstance(stored, int) and isinstance(meanwhile, int) and abs(stored + meanwhile) < _BEYOND:
            return stored + meanwhile
        return meanwhile


def integer(text: str) -> int:
    """Raises `MeterError`."""
    if not _INTEGER.fullmatch(text):
        raise MeterError("a whole number is expected, of at most 18 digits")
    return int(text)


def writable(text: str) -> str:
    """The text, if a store can write it: not with half a surrogate pair, as a decoded header may hold.

    Raises `MeterError`.
    """
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise MeterError("a value that is no text") from None
    return text


class GreylistTable(_Values[tuple[float, float]]):
    """First sight is put off; a second attempt in time passes, and goes on passing while it is used.

    A value is the time of the first attempt, and that of the last use once it has passed (else 0).
    """

    _LETTER = b"G"
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
        """Of the quietest sixteen, one that has not passed; the known go only where all of them are known."""
        quiet = list(islice(self._values, min(EVICTION_SAMPLE, len(self._values) - 1)))
        return next((key for key in quiet if not self._values[key][1]), quiet[0])

    def _encoded(self, value: tuple[float, float]) -> bytes:
        return self._TIMES.pack(*value)

    def _decoded(self, raw: bytes, now: float) -> tuple[float, float] | None:
        if len(raw) != self._TIMES.size:
            return None
        first, passed = self._TIMES.unpack(raw)
        return min(first, now), min(passed, now)

    def _joined(
        self, stored: tuple[float, float], meanwhile: tuple[float, float], now: float
    ) -> tuple[float, float]:
        (first, passed), (_first_here, passed_here) = stored, meanwhile
        lasts = self.options.inactivity_time if passed else self.options.resubmit_time
        return meanwhile if now - (passed or first) > lasts else (first, max(passed, passed_here))
