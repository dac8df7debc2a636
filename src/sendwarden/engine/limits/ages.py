"""Which accounts are new: when each was seen for the first time, for as long as that matters.

A site that has just begun to count does not know who was there before: whoever is first seen within `new_s`
of the beginning is not new. Accounts are kept as 64-bit hashes; of one that is no more new, nothing but that.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from math import ceil, inf

from sendwarden.engine.meters.keys import Change

HOUR_S = 3600
# Hashes of accounts that are not new lie in so many sorted arrays, by their first bits: one more is put in at
# once, however many there are.
SHELVES = 1024
# The row that holds when counting began.
BEGINNING = ""

_HOUR_BYTES = 4
_ALL_BITS = 2**64 - 1
_SHELF_BITS = 64 - (SHELVES.bit_length() - 1)


def hash_of(*words: str) -> int:
    """64 bits that stand for it."""
    whole = "\n".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(whole, digest_size=8).digest(), "big")


class Ages:
    """Of all accounts. Time is in seconds since the epoch, kept in whole hours."""

    def __init__(self, new_s: int, most: int) -> None:
        """An account is new for ``new_s``; 0: none is. At most ``most`` are remembered."""
        self.new_s = new_s
        self.most = most
        self._began: int | None = None  # hour
        self._young: dict[int, int] = {}  # hour of the first time
        self._old: list[array[int]] = [array("Q") for _ in range(SHELVES)]
        self._old_count = 0
        self._meanwhile: dict[int, int] = {}  # seen while the stored ones are being read
        self._loading = False
        self._changed: dict[int, int] = {}
        self._began_changed = False

    def __len__(self) -> int:
        return len(self._young) + self._old_count

    def seen(self, account: str, now: float) -> None:
        """The account has sent, or logged in."""
        name, hour = hash_of(account), int(now // HOUR_S)
        if self._loading:
            self._meanwhile.setdefault(name, hour)
        else:
            self._see(name, hour)

    def _see(self, name: int, hour: int) -> None:
        if self._began is None:
            self._began, self._began_changed = hour, True
        if name in self._young or self._is_old(name) or len(self) >= self.most:
            return
        learning = (hour - self._began) * HOUR_S < self.new_s
        hour = 0 if learning else hour
        self._take(name, hour)
        self._changed[name] = hour

    def _take(self, name: int, hour: int) -> None:
        if hour:
            self._young[name] = hour
        else:
            insort(self._old[name >> _SHELF_BITS], name)
            self._old_count += 1

    def _is_old(self, name: int) -> bool:
        shelf = self._old[name >> _SHELF_BITS]
        at = bisect_left(shelf, name)
        return at < len(shelf) and shelf[at] == name

    def new_until(self, account: str, now: float) -> float | None:
        """None: it is not new."""
        hour = self._young.get(hash_of(account)) if self._young else None
        end = self._end(hour) if hour is not None else 0.0
        return end if now < end else None

    def _end(self, hour: int) -> float:
        return float((hour + ceil(self.new_s / HOUR_S)) * HOUR_S)

    def next_end(self, now: float) -> float:
        """When the next account is no more new; infinity: none is. Those that are old are known as such."""
        grown = [name for name, hour in self._young.items() if self._end(hour) <= now]
        for name in grown:
            del self._young[name]
            self._take(name, 0)
            self._changed[name] = 0
        return min(map(self._end, self._young.values()), default=inf)

    # --- for the store that keeps it

    def begin_loading(self) -> None:
        self._loading = True

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        """Take one stored row in; one that cannot be read is left out."""
        hour = min(int.from_bytes(parts.get(0, b""), "big"), int(now // HOUR_S))
        try:
            if key == BEGINNING:
                self._began = hour or None
            else:
                self._restore(int(key, 16) & _ALL_BITS, hour)
        except ValueError:
            return

    def _restore(self, name: int, hour: int) -> None:
        if not (name in self._young or self._is_old(name)):
            self._take(name, hour)

    def loaded(self, *, whole: bool) -> None:
        """All that the store holds is in; not ``whole``: who is missing may have been there before."""
        self._loading = False
        if not whole:
            self._began = None
        meanwhile, self._meanwhile = self._meanwhile, {}
        for name, hour in meanwhile.items():
            self._see(name, hour)

    def changes(self, now: float) -> Iterator[Change]:
        del now
        changed, self._changed = self._changed, {}
        if self._began_changed and self._began is not None:
            self._began_changed = False
            yield _row(BEGINNING, self._began)
        for name, hour in changed.items():
            yield _row(f"{name:016x}", hour)

    def everything(self) -> Iterator[Change]:
        if self._began is not None:
            yield _row(BEGINNING, self._began)
        for name, hour in self._young.items():
            yield _row(f"{name:016x}", hour)
        for name in chain.from_iterable(self._old):
            yield _row(f"{name:016x}", 0)


def _row(key: str, hour: int) -> Change:
    return Change(key, ((0, hour.to_bytes(_HOUR_BYTES, "big")),))
