"""A table of meters, and what happens when it is full.

Of the keys that were quiet longest, the one that counts least goes. A key above half its quota never goes, or
an attacker with many names could wipe out his own count; when all are, the table grows to twice
``max_entries``, and beyond that new keys are not counted. Each of these is told to the caller in
`Reading.trouble`.
"""

from collections.abc import Iterator, Mapping

from .algorithms import Meter, Quota, new_meter
from .keys import EVICTION_SAMPLE, Change, Reading, normal_key, same_keys
from .options import TableOptions

# The whole table is searched for room at most this often.
SEARCH_INTERVAL_S = 1.0
# While the stored counts are still being read, a key counts as at this share of its quota.
PRESUMED_SHARE = 0.8


class ThrottleTable:
    """Hits per key against the table's quota. `loading`: a store still reads what was counted before."""

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        self.quota = options.limit
        self.loading = False
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
        if key not in self._unknown:
            return self.quota
        left = self.quota.hits - int(PRESUMED_SHARE * self.quota.hits)
        return Quota(max(1, left), self.quota.window_s, self.quota.penalize)

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

    def everything(self) -> Iterator[Change]:
        self._changed.clear()
        for key, meter in self._meters.items():
            yield Change(key, tuple(meter.changed_parts(everything=True)), meter.first_part())

    def reconfigure(self, options: TableOptions) -> bool:
        new = new_meter(options.algorithm, options.limit)
        old = new_meter(self.options.algorithm, self.quota)
        if not same_keys(self.options, options) or type(new) is not type(old):
            return False
        self.options, self.quota = options, options.limit
        return True

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
