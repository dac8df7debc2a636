"""How much one key did lately, against a quota: sliding (the default), leaky and fixed.

Each is a small state with the same five methods; `ALGORITHMS` names them. Time is an argument and never runs
backwards within one key. In all of them hit number ``quota`` is the last that passes.

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
from math import ceil
from typing import Protocol

# Up to this quota a key's time stamps are kept one by one (80 kB at most); above, in buckets.
EXACT_QUOTA = 10_000
BUCKETS = 120
# A leaky meter with `penalize` cannot be filled beyond this many quotas, or nothing would ever drain it.
LEAKY_CAP = 10
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
    _NUMBER = struct.Struct("!Q")

    def __init__(self) -> None:
        self._hits: deque[float] = deque()
        self._first = 0  # how many hits have left; the number of the oldest one kept
        self._saved = 0  # hits with a smaller number are in the store

    def used(self, quota: Quota, now: float) -> int:
        hits, oldest = self._hits, now - quota.window_s
        while hits and hits[0] <= oldest:
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
            yield number, self._NUMBER.pack(start) + array("d", stamps).tobytes()
        self._saved = end

    def first_part(self) -> int:
        return self._first // SEGMENT_HITS

    def restore(self, parts: Mapping[int, bytes], quota: Quota, now: float) -> None:
        meanwhile = self._hits
        stamps = array("d")
        for number in sorted(parts):
            raw = parts[number][self._NUMBER.size :]
            stamps.frombytes(raw[: len(raw) - len(raw) % stamps.itemsize])
        self._hits = deque(sorted([*(min(stamp, now) for stamp in stamps), *meanwhile])[-(quota.hits + 1) :])
        if meanwhile or len(self._hits) < len(stamps):
            # Written anew, behind the stored segments, so that no new part takes the place of an old one.
            self._first = self._saved = (max(parts, default=-1) + 1) * SEGMENT_HITS
        elif parts:
            self._first = int(self._NUMBER.unpack_from(parts[min(parts)])[0])
            self._saved = self._first + len(self._hits)
        self.used(quota, now)


class Bucketed:
    """Hits per 120th of the window, oldest first."""

    __slots__ = ("_buckets", "_changed", "_total")
    _BUCKET = struct.Struct("!dI")  # end of the bucket, hits

    def __init__(self) -> None:
        self._buckets: deque[list[float]] = deque()  # [end of the bucket, hits]
        self._total = 0
        self._changed = False

    def used(self, quota: Quota, now: float) -> int:
        while self._buckets and self._buckets[0][0] <= now - quota.window_s:
            self._total -= int(self._buckets.popleft()[1])
            self._changed = True
        return self._total

    def hit(self, quota: Quota, now: float) -> bool:
        over = self.used(quota, now) >= quota.hits
        if not over or quota.penalize:
            self._count(quota, now)
        return over

    def _count(self, quota: Quota, now: float) -> None:
        size = quota.window_s / BUCKETS
        if not self._buckets or self._buckets[-1][0] <= now:
            self._buckets.append([(now // size + 1) * size, 0])
        self._buckets[-1][1] += 1
        self._total += 1
        while self._total > quota.hits + 1:
            self._buckets[0][1] -= 1
            self._total -= 1
            if not self._buckets[0][1]:
                self._buckets.popleft()
        self._changed = True

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
            yield 0, b"".join(self._BUCKET.pack(end, int(hits)) for end, hits in self._buckets)

    def first_part(self) -> int:
        return 0

    def restore(self, parts: Mapping[int, bytes], quota: Quota, now: float) -> None:
        raw = parts.get(0, b"")
        whole = raw[: len(raw) - len(raw) % self._BUCKET.size]
        latest = now + quota.window_s / BUCKETS
        merged: dict[float, float] = {}
        for end, hits in [*self._BUCKET.iter_unpack(whole), *self._buckets]:
            merged[min(end, latest)] = merged.get(min(end, latest), 0) + hits
        self._buckets = deque([end, hits] for end, hits in sorted(merged.items()))
        self._total = int(sum(merged.values()))
        self._changed = True
        self.used(quota, now)


class _TwoNumbers(ABC):
    """What leaky and fixed meters share: an amount, the time it belongs to, and one stored part."""

    __slots__ = ("_amount", "_at", "_changed")
    _STATE = struct.Struct("!dd")

    def __init__(self) -> None:
        self._amount = 0.0
        self._at = 0.0
        self._changed = False

    @abstractmethod
    def used(self, quota: Quota, now: float) -> float: ...

    def changed_parts(self, *, everything: bool = False) -> Parts:
        if self._changed or everything:
            self._changed = False
            yield 0, self._STATE.pack(self._amount, self._at)

    def first_part(self) -> int:
        return 0

    def restore(self, parts: Mapping[int, bytes], quota: Quota, now: float) -> None:
        counted = self._amount
        raw = parts.get(0, b"")
        if len(raw) == self._STATE.size:
            self._amount, at = self._STATE.unpack(raw)
            self._at = min(at, now)
            self._amount = self.used(quota, now) + counted
        self._changed = True


class Leaky(_TwoNumbers):
    """A bucket that drains ``quota.hits`` in ``window_s``, evenly: MeterMaid 6.3's weighted average."""

    __slots__ = ()

    def used(self, quota: Quota, now: float) -> float:
        drained = max(0.0, now - self._at) * quota.hits / quota.window_s
        self._amount = max(0.0, self._amount - drained)
        self._at = max(self._at, now)
        return self._amount

    def hit(self, quota: Quota, now: float) -> bool:
        over = self.used(quota, now) + 1 > quota.hits
        if not over or quota.penalize:
            self._amount = min(self._amount + 1, LEAKY_CAP * quota.hits)
        self._changed = True
        return over

    def frees_at(self, quota: Quota, now: float) -> float:
        surplus = self.used(quota, now) + 1 - quota.hits
        return now + max(0.0, surplus) * quota.window_s / quota.hits


class Fixed(_TwoNumbers):
    """Counts every attempt; each whole window takes all away, or with `penalize` one quota's worth."""

    __slots__ = ()

    def used(self, quota: Quota, now: float) -> float:
        windows = (now - self._at) // quota.window_s
        if windows >= 1:
            self._amount = max(0.0, self._amount - windows * quota.hits) if quota.penalize else 0.0
            self._at = self._at + windows * quota.window_s if self._amount else now
        return self._amount

    def hit(self, quota: Quota, now: float) -> bool:
        over = self.used(quota, now) >= quota.hits
        if not self._amount:
            self._at = now
        self._amount += 1
        self._changed = True
        return over

    def frees_at(self, quota: Quota, now: float) -> float:
        used = self.used(quota, now)
        if used < quota.hits:
            return now
        windows = ceil((used - quota.hits + 1) / quota.hits) if quota.penalize else 1
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
