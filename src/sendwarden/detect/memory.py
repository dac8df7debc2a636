"""Small memories of fixed size: places, facts of a day, and whom somebody wrote to.

All of them are arrays, so that a profile stays small, and give their bytes for keeping.

Keys are 64-bit numbers (`site.SiteContext.digest`), so that no address is kept. Times are whole Unix
seconds.
"""

from array import array

DAY_S = 86_400

FIRST, SENT, LAST, DAYS, DAY = range(5)
_COLUMNS = 5


class Places:
    """Where an account was: when first, first sent from, last, on how many days, the latest of them."""

    __slots__ = ("keys", "most", "rows")

    def __init__(self, most: int, keys: bytes = b"", rows: bytes = b"") -> None:
        self.most = most
        self.keys = array("Q", keys)
        self.rows = array("I", rows)

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, key: int) -> int:
        """Where the row begins, -1: it is not there."""
        try:
            return self.keys.index(key) * _COLUMNS
        except ValueError:
            return -1

    def add(self, key: int, at: int) -> int:
        """A new row; of too many the one that was left longest ago gives way. Where it begins."""
        fresh = array("I", (at, 0, at, 0, 0))
        if len(self.keys) < self.most:
            self.keys.append(key)
            self.rows.extend(fresh)
            return len(self.rows) - _COLUMNS
        oldest = min(range(self.most), key=lambda number: self.rows[number * _COLUMNS + LAST])
        self.keys[oldest] = key
        self.rows[oldest * _COLUMNS : (oldest + 1) * _COLUMNS] = fresh
        return oldest * _COLUMNS

    def drop(self, key: int) -> None:
        row = self.find(key)
        if row >= 0:
            del self.keys[row // _COLUMNS]
            del self.rows[row : row + _COLUMNS]

    def new_since(self, at: float) -> list[int]:
        """Keys that were first seen since then, and on one day at the most."""
        return [
            key
            for number, key in enumerate(self.keys)
            if self.rows[number * _COLUMNS + FIRST] >= at and self.rows[number * _COLUMNS + DAYS] <= 1
        ]

    def used_since(self, at: float) -> list[int]:
        """Rows that were used since then."""
        return [row for row in range(0, len(self.rows), _COLUMNS) if self.rows[row + LAST] >= at]


class Facts:
    """Facts of the last 24 hours and the bits that each has given; the newest ``most`` are kept."""

    __slots__ = ("at", "given", "keys", "most", "turn")

    def __init__(
        self, most: int, keys: bytes = b"", at: bytes = b"", given: bytes = b"", turn: int = 0
    ) -> None:
        self.most = most
        self.keys = array("Q", keys)
        self.at = array("I", at)
        self.given = array("f", given)
        self.turn = turn

    def more(self, key: int, bits: float, at: int) -> float:
        """How much of ``bits`` this fact has not given in the last 24 hours; it has then."""
        try:
            row = self.keys.index(key)
        except ValueError:
            self._add(key, bits, at)
            return bits
        if self.at[row] + DAY_S <= at:
            self.at[row], self.given[row] = at, bits
            return bits
        left = bits - self.given[row]
        if left <= 0:
            return 0.0
        self.given[row] = bits
        return left

    def _add(self, key: int, bits: float, at: int) -> None:
        if len(self.keys) < self.most:
            self.keys.append(key)
            self.at.append(at)
            self.given.append(bits)
            return
        row = self.turn % self.most
        self.turn = row + 1
        self.keys[row], self.at[row], self.given[row] = key, at, bits


class Acquaintances:
    """Whom somebody wrote to: two Bloom filters, of which the older is dropped when the newer is full.

    Of ``size`` (a power of 2) bits each; ``most`` entries in one. With the sizes used here a stranger
    is taken for an acquaintance in less than 1 of 100 cases, and nobody is forgotten before ``most``
    others were written to.
    """

    __slots__ = ("before", "count", "most", "now", "shifts", "size")

    def __init__(self, size: int, most: int, now: bytes = b"", before: bytes = b"", count: int = 0) -> None:
        self.size = size
        self.most = most
        width = size.bit_length() - 1
        self.shifts = tuple(range(0, 64 - width + 1, width))
        self.now = bytearray(now)  # empty until somebody is added: most accounts write to few
        self.before = bytearray(before)
        self.count = count

    def __contains__(self, key: int) -> bool:
        return self._has(self.now, key) or self._has(self.before, key)

    def _has(self, bits: bytearray, key: int) -> bool:
        if not bits:
            return False
        mask = self.size - 1
        for shift in self.shifts:
            place = key >> shift & mask
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
        return True

    def add(self, key: int) -> None:
        if self._has(self.now, key):
            return
        if self.count >= self.most:
            self.before, self.now, self.count = self.now, bytearray(), 0
        if not self.now:
            self.now = bytearray(self.size >> 3)
        mask = self.size - 1
        for shift in self.shifts:
            place = key >> shift & mask
            self.now[place >> 3] |= 1 << (place & 7)
        self.count += 1
