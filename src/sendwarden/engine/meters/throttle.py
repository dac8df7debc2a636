"""A table of meters, and what happens when it is full.

Of the keys that were quiet longest, the one that counts least goes. A key above half its quota never goes, or
an attacker with many names could wipe out his own count; when all are, the table grows to twice
``max_entries``, and beyond that new keys are not counted. Each of these is told to the caller in
`Reading.trouble`.
"""

from collections.abc import Iterator, Mapping

from .algorithms import EXACT_QUOTA, Meter, Quota, new_meter
from .keys import EVICTION_SAMPLE, Change, Reading, normal_key, same_keys, stored_key
from .loading import Loading
from .options import TableOptions

# The whole table is searched for room at most this often.
SEARCH_INTERVAL_S = 1.0
# While the stored counts are still being read, a key counts as at this share of its quota.
PRESUMED_SHARE = 0.8


class ThrottleTable:
    """Hits per key against the table's quota."""

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        self.quota = options.limit
        self.loading = Loading()
        self._meters: dict[str, Meter] = {}  # quietest first
        self._changed: dict[str, bool] = {}  # True: what the store holds of the key is of no use any more
        self._searched_at: float | None = None

    def __len__(self) -> int:
        return len(self._meters)

    @property
    def keys(self) -> list[str]:
        """All that are there now, as they are kept."""
        return list(self._meters)

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
            self.loading.begins_key(key)
        self._meters[key] = meter
        self._changed.setdefault(key, False)
        quota = self._quota_of(key)
        used = meter.used(quota, now)
        over = meter.hit(quota, now)
        return Reading(over, used, self.quota, meter.frees_at(quota, now) if over else 0.0, trouble)

    def raise_to(self, key: str, used: float, now: float) -> None:
        """Others have counted ``used`` hits with ours, if that is more than is known here."""
        key = normal_key(self.options, key)
        meter = self._meters.get(key)
        if meter is not None and used <= EXACT_QUOTA:
            quota = self._quota_of(key)
            for _ in range(int(used - meter.used(quota, now))):
                meter.hit(quota, now)

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
        if self._meters.pop(key, None) is not None or self.loading.going_on:
            self._changed[key] = True
        self.loading.settle(key)

    def _quota_of(self, key: str) -> Quota:
        if key not in self.loading.unread:
            return self.quota
        left = self.quota.hits - int(PRESUMED_SHARE * self.quota.hits)
        return Quota(max(1, left), self.quota.window_s, self.quota.penalize)

    def _make_room(self, now: float) -> str:
        if len(self._meters) < self.options.max_entries:
            return ""
        evicted = self._evict(EVICTION_SAMPLE, now)
        if evicted is None and not self._searched_lately(now):
            evicted = self._evict(len(self._meters), now)
            if evicted is None:
                self._searched_at = now
        if evicted is not None:
            return "evicted" if evicted else ""
        return "grown" if len(self._meters) < 2 * self.options.max_entries else "full"

    def _searched_lately(self, now: float) -> bool:
        return self._searched_at is not None and 0 <= now - self._searched_at < SEARCH_INTERVAL_S

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
        if best in self.loading.unread:  # the store may still hold more of it, and keeps that
            self.loading.unread.discard(best)
            self._changed.pop(best, None)
        else:
            self._changed[best] = True
        return best_used

    def changes(self, now: float) -> Iterator[Change]:
        for key, useless in self._take_changed().items():
            meter = self._meters.get(key)
            if useless:
                yield Change(key, drop=True)
            if meter and (parts := tuple(meter.changed_parts())):
                yield Change(key, parts, meter.first_part())
        if not self.loading.going_on:
            yield from self._expired(now)

    def everything(self) -> Iterator[Change]:
        self._take_changed()
        for key, meter in self._meters.items():
            if key not in self.loading.unread:
                yield Change(key, tuple(meter.changed_parts(everything=True)), meter.first_part())

    def _take_changed(self) -> dict[str, bool]:
        """What changed since the last call; what may not be written yet stays for a later one."""
        changed, unread = self._changed, self.loading.unread
        self._changed = {key: changed.pop(key) for key in unread & changed.keys()} if unread else {}
        return changed

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
        stored, key = key, stored_key(self.options, key)
        if key != stored:
            self._changed[stored] = True
        if not key or key in self.loading.settled:
            return
        meter = self._meters.pop(key, None)
        if meter is None:
            if self._make_room(now) == "full":
                return
            meter = new_meter(self.options.algorithm, self.quota)
        meter.restore(parts, self.quota, now)
        self.loading.unread.discard(key)
        self._meters[key] = meter
        self._changed.setdefault(key, False)
