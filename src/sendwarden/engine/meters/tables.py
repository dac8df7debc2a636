"""Tables of keys: throttle, simple and greylisting, with what happens when one is full.

Eviction (throttle): of the keys that were quiet longest, the one that counts least goes. A key above half its
quota never goes, or an attacker with many names could wipe his own count; when all are, the table grows to
twice ``max_entries``, and beyond that new keys are not counted. Each of these is told to the caller in
`Reading.trouble`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple, Protocol

from .algorithms import Meter, Quota, new_meter
from .options import TableOptions

# A longer key, in bytes after folding, is counted under its hash (the original's limit for string keys).
MAX_KEY_BYTES = 255
# Keys looked at to find one to evict, before the whole table is.
EVICTION_SAMPLE = 16
# The whole table is searched for room at most this often.
SEARCH_INTERVAL_S = 1.0
# While the stored counts are still being read, a key counts as at this share of its quota.
PRESUMED_SHARE = 0.8


class MeterError(ValueError):
    """A request that the table cannot answer: wrong type, bad number, empty key. The callout fails."""


class Reading(NamedTuple):
    """What a throttle table says about a key."""

    over: bool
    used: float  # hits that counted before this one
    quota: Quota
    frees_at: float = 0.0  # when the next hit would pass; only where `over`
    trouble: str = ""  # "", "evicted" (a key that counted), "grown", "full" (not counted)


@dataclass(frozen=True, slots=True)
class Change:
    """What a store must do about one key to find it again: drop it, or write parts and forget older ones."""

    key: str
    parts: tuple[tuple[int, bytes], ...] = ()
    first_part: int = 0
    drop: bool = False


class Table(Protocol):
    """What every table type offers to the store and to `Tables`."""

    options: TableOptions

    def changes(self, now: float) -> Iterator[Change]:
        """What changed since the last call."""
        ...

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        """Take a stored key in, below what was counted meanwhile."""
        ...

    def remove(self, key: str) -> None: ...

    def __len__(self) -> int: ...


def normal_key(options: TableOptions, key: str) -> str:
    """The key as it is kept. Raises `MeterError` for an empty one, or no address in an ipv4 table."""
    if not key:
        raise MeterError("an empty key (the null sender) is not counted")
    if options.data_type == "ipv4":
        try:
            return str(ip_address(key.removeprefix("IPv6:")))
        except ValueError:
            raise MeterError(f"{key!r} is not an IP address") from None
    folded = key.casefold() if "nocase" in options.options else key
    raw = folded.encode("utf-8", "surrogateescape")
    return folded if len(raw) <= MAX_KEY_BYTES else "sha256:" + hashlib.sha256(raw).hexdigest()


class ThrottleTable:
    """Hits per key against the table's quota. `loading`: a store still reads what was counted before."""

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        self.quota = options.limit
        self.loading = False
        self._presumed = Quota(
            max(1, self.quota.hits - int(PRESUMED_SHARE * self.quota.hits)),
            self.quota.window_s,
            self.quota.penalize,
        )
        self._meters: dict[str, Meter] = {}  # quietest first
        self._unknown: set[str] = set()  # met while loading, not yet found in the store
        self._changed: dict[str, None] = {}
        self._search_again_at = 0.0

    def __len__(self) -> int:
        return len(self._meters)

    def throttle(self, key: str, now: float) -> Reading:
        """Count one hit of ``key``."""
        key = normal_key(self.options, key)
        meter = self._meters.pop(key, None)
        trouble = ""
        if meter is None:
            trouble = self._make_room(now)
            if trouble == "full":
                return Reading(over=False, used=0, quota=self.quota, trouble=trouble)
            meter = new_meter(self.options.algorithm, self.quota)
            if self.loading:
                self._unknown.add(key)
        self._meters[key] = meter
        self._changed[key] = None
        quota = self._quota_of(key)
        used = meter.used(quota, now)
        over = meter.hit(quota, now)
        return Reading(over, used, self.quota, meter.frees_at(quota, now) if over else 0.0, trouble)

    def query(self, key: str, now: float) -> Reading:
        """What `throttle` would say, without counting."""
        key = normal_key(self.options, key)
        meter = self._meters.get(key)
        if meter is None:
            return Reading(over=False, used=0, quota=self.quota)
        quota = self._quota_of(key)
        frees_at = meter.frees_at(quota, now)
        return Reading(frees_at > now, meter.used(quota, now), self.quota, frees_at)

    def remove(self, key: str) -> None:
        key = normal_key(self.options, key)
        if self._meters.pop(key, None) is not None:
            self._changed[key] = None
        self._unknown.discard(key)

    def loaded(self) -> None:
        """All stored keys are in: no key is presumed to have used anything any more."""
        self.loading = False
        self._unknown.clear()

    def _quota_of(self, key: str) -> Quota:
        return self._presumed if key in self._unknown else self.quota

    def _make_room(self, now: float) -> str:
        if len(self._meters) < self.options.max_entries:
            return ""
        evicted = self._evict(EVICTION_SAMPLE, now)
        if evicted is None and now >= self._search_again_at:
            evicted = self._evict(len(self._meters), now)
            if evicted is None:
                self._search_again_at = now + SEARCH_INTERVAL_S
        if evicted is not None:
            return "evicted" if evicted else ""
        return "grown" if len(self._meters) < 2 * self.options.max_entries else "full"

    def _evict(self, candidates: int, now: float) -> float | None:
        """Drop the key that counts least among the quietest ``candidates``; what it counted, or None."""
        best, best_used = "", self.quota.hits / 2
        protected = []
        for number, (key, meter) in enumerate(self._meters.items()):
            used = meter.used(self.quota, now)
            if used > self.quota.hits / 2:
                protected.append(key)
            elif not best or used < best_used:
                best, best_used = key, used
            if number + 1 >= candidates or (best and (not best_used or number >= EVICTION_SAMPLE)):
                break
        for key in protected:  # looked at and kept: they go to the end, so that the next search meets others
            self._meters[key] = self._meters.pop(key)
        if not best:
            return None
        del self._meters[best]
        self._changed[best] = None
        return best_used

    def changes(self, now: float) -> Iterator[Change]:
        changed, self._changed = self._changed, {}
        for key in changed:
            meter = self._meters.get(key)
            if meter is None:
                yield Change(key, drop=True)
            elif parts := tuple(meter.changed_parts()):
                yield Change(key, parts, meter.first_part())
        yield from self._expired(now)

    def _expired(self, now: float) -> Iterator[Change]:
        """Forget a few of the quietest keys whose count has run out."""
        gone = []
        for number, (key, meter) in enumerate(self._meters.items()):
            if number >= EVICTION_SAMPLE or meter.used(self.quota, now):
                break
            gone.append(key)
        for key in gone:
            del self._meters[key]
            yield Change(key, drop=True)

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        meter = self._meters.pop(key, None)
        if meter is None:
            if self._make_room(now) == "full":
                return
            meter = new_meter(self.options.algorithm, self.quota)
        meter.restore(parts, self.quota, now)
        self._unknown.discard(key)
        self._meters[key] = meter
        self._changed[key] = None


class SimpleTable:
    """Values by key, forgotten in the order of their last use."""

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        self._values: dict[str, str | int] = {}
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._values)

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
        value = self._values.get(key, 0)
        assert isinstance(value, int)
        self._put(key, value + _integer(delta))
        return value + _integer(delta)

    def remove(self, key: str) -> None:
        key = normal_key(self.options, key)
        if self._values.pop(key, None) is not None:
            self._changed[key] = None

    def _put(self, key: str, value: str | int) -> None:
        self._values.pop(key, None)
        self._values[key] = value
        self._changed[key] = None
        if len(self._values) > self.options.max_entries:
            oldest = next(iter(self._values))
            del self._values[oldest]
            self._changed[oldest] = None

    def changes(self, now: float) -> Iterator[Change]:
        del now  # values do not age
        changed, self._changed = self._changed, {}
        for key in changed:
            value = self._values.get(key)
            if value is None:
                yield Change(key, drop=True)
            else:
                yield Change(key, ((0, str(value).encode("utf-8", "surrogateescape")),))

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        del now
        if key not in self._values and 0 in parts:
            raw = parts[0].decode("utf-8", "surrogateescape")
            self._values = {
                key: _integer(raw) if self.options.value_type == "integer" else raw
            } | self._values


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise MeterError(f"{text!r} is not a whole number") from None


class GreylistTable:
    """First sight is put off; a second attempt in time passes, and goes on passing while it is used."""

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        # key -> (first attempt, last use once passed, else 0), quietest first
        self._entries: dict[str, tuple[float, float]] = {}
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def defer(self, key: str, now: float) -> bool:
        """Must this attempt be put off?"""
        key = normal_key(self.options, key)
        first, passed = self._entries.pop(key, (now, 0.0))
        if passed and now - passed > self.options.inactivity_time:
            first, passed = now, 0.0
        elif not passed and now - first > self.options.resubmit_time:
            first = now
        elif passed or now - first >= self.options.block_time > 0:
            passed = now
        self._entries[key] = (first, passed)
        self._changed[key] = None
        if len(self._entries) > self.options.max_entries:
            self._evict()
        return not passed

    def _evict(self) -> None:
        """Of the quietest, one that has not passed goes first: strangers must not unseat the known."""
        quiet = [key for key, _ in zip(self._entries, range(EVICTION_SAMPLE), strict=False)]
        gone = next((key for key in quiet if not self._entries[key][1]), quiet[0])
        del self._entries[gone]
        self._changed[gone] = None

    def remove(self, key: str) -> None:
        key = normal_key(self.options, key)
        if self._entries.pop(key, None) is not None:
            self._changed[key] = None

    def changes(self, now: float) -> Iterator[Change]:
        del now
        changed, self._changed = self._changed, {}
        for key in changed:
            entry = self._entries.get(key)
            if entry is None:
                yield Change(key, drop=True)
            else:
                yield Change(key, ((0, f"{entry[0]!r} {entry[1]!r}".encode()),))

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        words = parts.get(0, b"").decode("ascii", "replace").split()
        if key not in self._entries and words:
            first, passed = (min(float(word), now) for word in words)
            self._entries[key] = (first, passed)


TABLE_TYPES: dict[str, type[ThrottleTable | SimpleTable | GreylistTable]] = {
    "throttle": ThrottleTable,
    "simple": SimpleTable,
    "greylisting": GreylistTable,
}


def new_table(options: TableOptions) -> ThrottleTable | SimpleTable | GreylistTable:
    return TABLE_TYPES[options.type](options)
