"""How much one key did lately, against a quota: sliding (the default), leaky and fixed.

Each is a small state with the same methods; `ALGORITHMS` names them. Time is an argument and never runs
backwards within one key. In all of them hit number ``quota`` is the last that passes.

A stored part begins with a letter for its algorithm, so that a part written under other options is left
aside instead of being misread. Stamps are stored in the machine's own byte order.

A sliding meter keeps the time stamps of the last hits. It lets through at most ``quota`` hits in any window
of ``window_s``, and exactly ``quota`` from a standing start. Above `EXACT_QUOTA` it counts in buckets of a
120th of the window, a bucket leaving only when it is old as a whole: it may refuse early, by one bucket, and
never late.
"""

import struct
from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nextafter
from typing import ClassVar, Protocol

# Up to this quota a key's time stamps are kept one by one (80 kB at most); above, in buckets.
EXACT_QUOTA = 10_000
BUCKETS = 120
# Leaky and fixed meters with `penalize` cannot be filled beyond this many quotas, or nothing would ever drain
# them.
PENALTY_CAP = 10
# Hits in one stored segment of a sliding meter: what a flush rewrites at the most.
SEGMENT_HITS = 256

# Numbered pieces of a state, as a store keeps them.
Parts = Iterable[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``hits`` in ``window_s`` seconds; with ``penalize`` refused hits count as well."""

    hits: int
    window_s: float
    penalize: bool = False

    def __post_init__(self) -> None:
        if self.hits < 1 or self.window_s <= 0:
            raise ValueError(f"a quota needs at least one hit and a window, got {self}")


class Meter(Protocol):
    """One key's state."""

    def used(self, quota: Quota, now: float) -> float:
        """Hits that count at ``now``, this one not among them."""
        ...

    def hit(self, quota: Quota, now: float) -> bool:
        """Count one hit. True: it was over the quota."""
        ...

    def frees_at(self, quota: Quota, now: float) -> float:
        """When the next hit would pass; ``now`` if it already would."""
        ...

    def changed_parts(self, *, everything: bool = False) -> Parts:
        """What a store must write since the last call, or at all, to find the same state again."""
        ...

    def first_part(self) -> int:
        """The smallest part number still needed; a store may forget smaller ones."""
        ...

    def restore(self, parts: Mapping[int, bytes], quota: Quota, now: float) -> None:
        """Put stored parts before what was counted meanwhile. Later stamps count as ``now``."""
        ...


class Sliding:
    """Time stamps of the last hits, newest last.

    A stored part is the number of its first hit, then stamps.
    """

    __slots__ = ("_first", "_hits", "_saved")
    _LETTER = b"S"
    _HEAD = struct.Struct("!cQ")

    def __init__(self) -> None:
        self._hits: deque[float] = deque()
        self._first = 0  # how many hits have left; the number of the oldest one kept
        self._saved = 0  # hits with a smaller number are in the store

    def used(self, quota: Quota, now: float) -> int:
        hits, window_s = self._hits, quota.window_s
        while hits and hits[0] + window_s <= now:
            hits.popleft()
            self._first += 1
        return len(hits)

    def hit(self, quota: Quota, now: float) -> bool:
        over = self.used(quota, now) >= quota.hits
        hits = self._hits
        if not over or quota.penalize:
            hits.append(max(now, hits[-1]) if hits else now)
            if len(hits) > quota.hits + 1:
                hits.popleft()
                self._first += 1
        return over

    def frees_at(self, quota: Quota, now: float) -> float:
        surplus = self.used(quota, now) - quota.hits
        return self._hits[surplus] + quota.window_s if surplus >= 0 else now

    def changed_parts(self, *, everything: bool = False) -> Parts:
        end = self._first + len(self._hits)
        if everything:
            self._saved = self._first
        if self._saved >= end:
            return
        hits = list(self._hits)
        for number in range(max(self._saved, self._first) // SEGMENT_HITS, (end - 1) // SEGMENT_HITS + 1):
            start = max(self._first, number * SEGMENT_HITS)
            stamps = hits[start - self._first : (number + 1) * SEGMENT_HITS - self._first]
            yield number, self._HEAD.pack(self._LETTER, start) + array("d", stamps).tobytes()
        self._saved = end

    def first_part(self) -> int:
        return self._first // SEGMENT_HITS

    def restore(self, parts: Mapping[int, bytes], quota: Quota, now: float) -> None:
        meanwhile = self._hits
        first, stamps, gapless = self._joined(parts)
        self._hits = deque(sorted([*(min(now, stamp) for stamp in stamps), *meanwhile]))
        if meanwhile or not gapless:
            # Written anew, behind the stored segments, so that no new part takes the place of an old one.
            self._first = self._saved = (max(parts, default=-1) + 1) * SEGMENT_HITS
        else:
            self._first, self._saved = first, first + len(self._hits)
        while len(self._hits) > quota.hits + 1:
            self._hits.popleft()
            self._first += 1
        self.used(quota, now)

    def _joined(self, parts: Mapping[int, bytes]) -> tuple[int, "array[float]", bool]:
        """The number of the first stored hit, all stamps, and whether none is missing in between."""
        first = beyond = -1
        stamps: array[float] = array("d")
        gapless = True
        for number in sorted(parts):
            raw = parts[number]
            if len(raw) < self._HEAD.size or raw[:1] != self._LETTER:
                gapless = False
                continue
            _letter, start = self._HEAD.unpack_from(raw)
            if first < 0:
                first = start
            elif start != beyond:
                gapless = False
            whole = len(raw) - (len(raw) - self._HEAD.size) % stamps.itemsize
            stamps.frombytes(raw[self._HEAD.size : whole])
            beyond = first + len(stamps)
        return max(first, 0), stamps, gapless


class Bucketed:
    """Hits per 120th of the window, oldest first."""

    __slots__ = ("_buckets", "_changed", "_total")
    _LETTER = b"B"
    _BUCKET = struct.Struct("!dI")  # end of the bucket, hits

    def __init__(self) -> None:
        self._buckets: deque[list[float]] = deque()  # [end of the bucket, hits]
        self._total = 0
        self._changed = False

    def used(self, quota: Quota, now: float) -> int:
        while self._buckets and self._buckets[0][0] + quota.window_s <= now:
            self._total -= int(self._buckets.popleft()[1])
        return self._total

    def hit(self, quota: Quota, now: float) -> bool:
        over = self.used(quota, now) >= quota.hits
        if not over or quota.penalize:
            self._count(quota, now)
        return over

    def _count(self, quota: Quota, now: float) -> None:
        if not self._buckets or self._buckets[-1][0] <= now:
            self._buckets.append([self._end(quota, now), 0])
        self._buckets[-1][1] += 1
        self._total += 1
        while self._total > quota.hits + 1:
            self._buckets[0][1] -= 1
            self._total -= 1
            if not self._buckets[0][1]:
                self._buckets.popleft()
        self._changed = True

    @staticmethod
    def _end(quota: Quota, now: float) -> float:
        """The end of the bucket that a hit at ``now`` belongs to."""
        size = quota.window_s / BUCKETS
        return max((now // size + 1) * size, now)

    def frees_at(self, quota: Quota, now: float) -> float:
        surplus = self.used(quota, now) - quota.hits
        for end, hits in self._buckets:
            if surplus < 0:
                break
            surplus -= int(hits)
            if surplus < 0:
                return end + quota.window_s
        return now

    def changed_parts(self, *, everything: bool = False) -> Parts:
        if self._changed or everything:
            self._changed = False
            buckets = [self._BUCKET.pack(end, int(hits)) for end, hits in self._buckets]
            yield 0, b"".join([self._LETTER, *buckets])

    def first_part(self) -> int:
        return 0

    def restore(self, parts: Mapping[int, bytes], quota: Quota, now: float) -> None:
        raw = parts.get(0, b"")
        if raw[:1] != self._LETTER:
            return
        whole = raw[1 : len(raw) - (len(raw) - 1) % self._BUCKET.size]
        latest = self._end(quota, now)
        merged: dict[float, float] = {}
        for end, hits in [*self._BUCKET.iter_unpack(whole), *self._buckets]:
            end_then = min(latest, end)
            merged[end_then] = merged.get(end_then, 0) + hits
        self._changed = bool(self._buckets)
        self._buckets = deque([end, hits] for end, hits in sorted(merged.items()))
        self._total = int(sum(merged.values()))
        self.used(quota, now)


class _TwoNumbers(ABC):
    """What leaky and fixed meters share: an amount, the time it belongs to, and one stored part."""

    __slots__ = ("_amount", "_at", "_changed")
    _LETTER: ClassVar[bytes]
    _STATE = struct.Struct("!cdd")

    def __init__(self) -> None:
        self._amount = 0.0
        self._at = 0.0
        self._changed = False

    @abstractmethod
    def _state(self, quota: Quota, now: float) -> tuple[float, float]:
        """The amount at ``now`` and the time it belongs to. Looking changes nothing, not even by rounding."""

    def used(self, quota: Quota, now: float) -> float:
        return self._state(quota, now)[0]

    def _filled(self, quota: Quota) -> float:
        """The amount, as far as it counts: up to the cap of this quota, which may have changed meanwhile."""
        return min(self._amount, PENALTY_CAP * quota.hits)

    def _put(self, amount: float, at: float) -> None:
        self._amount, self._at = amount, at
        self._changed = True

    def changed_parts(self, *, everything: bool = False) -> Parts:
        if self._changed or everything:
            self._changed = False
            yield 0, self._STATE.pack(self._LETTER, self._amount, self._at)

    def first_part(self) -> int:
        return 0

    def restore(self, parts: Mapping[int, bytes], quota: Quota, now: float) -> None:
        raw = parts.get(0, b"")
        if len(raw) != self._STATE.size or raw[:1] != self._LETTER:
            return
        _letter, amount, at = self._STATE.unpack(raw)
        if not (amount >= 0 and isfinite(amount) and isfinite(at)):
            return
        own, own_at = self._state(quota, now)
        self._amount, self._at = amount, min(at, now)
        stored, stored_at = self._state(quota, now)
        if own:
            self._put(stored + own, stored_at if stored else own_at)


class Leaky(_TwoNumbers):
    """A bucket that drains ``quota.hits`` in ``window_s``, evenly: MeterMaid 6.3's weighted average."""

    __slots__ = ()
    _LETTER = b"L"

    def _state(self, quota: Quota, now: float) -> tuple[float, float]:
        drained = max(0.0, now - self._at) * quota.hits / quota.window_s
        return max(0.0, self._filled(quota) - drained), max(self._at, now)

    def hit(self, quota: Quota, now: float) -> bool:
        amount, at = self._state(quota, now)
        over = amount + 1 > quota.hits
        if not over or quota.penalize:
            self._put(amount + 1, at)
        return over

    def frees_at(self, quota: Quota, now: float) -> float:
        if self.used(quota, now) + 1 <= quota.hits:
            return now
        at = self._at + (self._filled(quota) + 1 - quota.hits) * quota.window_s / quota.hits
        step = nextafter(at, inf) - at
        while self.used(quota, at) + 1 > quota.hits:  # what rounding left over
            at, step = at + step, step * 2
        return at


class Fixed(_TwoNumbers):
    """Counts every attempt; each whole window takes all away, or with `penalize` one quota's worth."""

    __slots__ = ()
    _LETTER = b"F"

    def _state(self, quota: Quota, now: float) -> tuple[float, float]:
        amount = self._filled(quota)
        if not amount:
            return 0.0, now
        windows = (now - self._at) // quota.window_s
        if self._at + (windows + 1) * quota.window_s <= now:  # as `frees_at` reckons, to the last bit
            windows += 1
        if windows < 1:
            return amount, self._at
        amount = max(0.0, amount - windows * quota.hits) if quota.penalize else 0.0
        return amount, self._at + windows * quota.window_s if amount else now

    def hit(self, quota: Quota, now: float) -> bool:
        amount, at = self._state(quota, now)
        self._put(amount + 1, at)
        return amount >= quota.hits

    def frees_at(self, quota: Quota, now: float) -> float:
        if self.used(quota, now) < quota.hits:
            return now
        windows = (self._filled(quota) - quota.hits) // quota.hits + 1 if quota.penalize else 1
        return self._at + windows * quota.window_s


# metermaid.table.T.algorithm, our extension: which class keeps a throttle table's keys.
ALGORITHMS: Mapping[str, Sequence[type[Sliding | Bucketed | Leaky | Fixed]]] = {
    "sliding": (Sliding, Bucketed),
    "leaky": (Leaky,),
    "fixed": (Fixed,),
}


def new_meter(algorithm: str, quota: Quota) -> Meter:
    """A fresh meter; above `EXACT_QUOTA` the last class of the algorithm's row serves."""
    row = ALGORITHMS[algorithm]
    return row[-1]() if quota.hits > EXACT_QUOTA else row[0]()
