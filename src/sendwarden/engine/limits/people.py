"""Whom an account wrote to: distinct recipients in the windows, and which of them are new to it.

Recipients are `Name`s, 64-bit hashes of their mailboxes that nobody can read back. Up to `EXACT` distinct
ones are known one by one, with the quantum in which each was named last. Of more, a sample is kept: those
whose hash ends in so many zero bits (`level`), and what is counted stands for 2**level times as many: an
estimate with a standard error below 5 % at `EXACT` / 2 kept. Once all that was left out counts no more in any
window, the count is exact again.

New recipients are those that the account's `Known` does not hold: the last `MOST_KNOWN` or so that it wrote
to, as 32-bit hashes (one in a million is mistaken for a known one).
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from struct import iter_unpack, pack

from .windows import WINDOWS, first_counted

# Distinct recipients of one account on one channel that are counted exactly.
EXACT = 1000
# Recipients that an account is known to have written to: at most so many segments of so many.
SEGMENT = 128
SEGMENTS = 32
MOST_KNOWN = SEGMENT * SEGMENTS

_NAME = "<QQI"
_HEAD = "<BQ"
_HEAD_BYTES = 9
_KNOWN_BITS = 0xFFFFFFFF
_MOST_LEVEL = 63
_MOST_TIMES = 0xFFFFFFFF

Name = int


class Known:
    """Recipients that an account has written to before. The longest unused are forgotten first."""

    __slots__ = ("account", "changed", "first", "learning", "segments", "touched", "used")

    def __init__(
        self,
        account: str = "",
        touched: "list[Known] | None" = None,
        used: "Callable[[Known], None]" = lambda _known: None,
    ) -> None:
        """``touched`` is a list that it enters when it changes, until a store takes what changed.

        ``used`` is told when the account writes to somebody.
        """
        self.used = used
        self.account = account
        self.first = 0  # number of the oldest segment
        self.segments: list[array[int]] = []
        self.changed: set[int] = set()  # numbers of segments that a store has not seen
        self.touched = [] if touched is None else touched
        self.learning = False  # nothing counts as new yet

    def __contains__(self, name: Name) -> bool:
        short = name & _KNOWN_BITS
        return any(short in segment for segment in self.segments)

    def __len__(self) -> int:
        return sum(map(len, self.segments))

    def add(self, name: Name) -> None:
        """It was written to. One that stands in the older half is written down anew, so that it stays."""
        short = name & _KNOWN_BITS
        if any(short in segment for segment in self.segments[-SEGMENTS // 2 :]):
            return
        if not self.segments or len(self.segments[-1]) >= SEGMENT:
            self.segments.append(array("I"))
            if len(self.segments) > SEGMENTS:
                del self.segments[0]
                self.first += 1
        self.segments[-1].append(short)
        self._change(self.first + len(self.segments) - 1)

    def forget(self, name: Name) -> None:
        """It was not written to after all."""
        short = name & _KNOWN_BITS
        for number, segment in enumerate(self.segments, self.first):
            if short in segment:
                segment.remove(short)
                self._change(number)

    def change_all(self) -> None:
        """A store does not know it any more."""
        for number in self.everything():
            self._change(number)

    def _change(self, number: int) -> None:
        if not self.changed:
            self.touched.append(self)
        self.changed.add(number)

    # --- as a store keeps it

    def parts(self, numbers: Iterable[int]) -> tuple[tuple[int, bytes], ...]:
        """Segments by their numbers; those forgotten meanwhile are left out."""
        return tuple((n, self.segments[n - self.first].tobytes()) for n in numbers if n >= self.first)

    def everything(self) -> range:
        """The numbers of all segments."""
        return range(self.first, self.first + len(self.segments))

    def restore(self, parts: Mapping[int, bytes]) -> None:
        """Put what was stored before what came in meanwhile. Raises `ValueError` for what is none of ours."""
        stored = [(number, array("I", parts[number])) for number in sorted(parts)][-SEGMENTS:]
        meanwhile, self.segments = self.segments, []
        self.first = stored[0][0] if stored else 0
        for number, segment in stored:
            # One in between was damaged; far more than there can be are none of ours.
            gap = min(number - self.first - len(self.segments), SEGMENTS)
            self.segments += [*(array("I") for _ in range(gap)), segment]
        if meanwhile:
            for name in (name for segment in meanwhile for name in segment):
                self.add(name)
            self.change_all()


class People:
    """Whom one meter counted in the last day."""

    __slots__ = ("known", "left_out", "level", "names")

    def __init__(self) -> None:
        self.names: dict[Name, tuple[int, int]] = {}  # quantum of the last time, and how many times
        self.level = 0
        self.left_out = 0  # the last quantum in which one was not kept
        self.known: Known | None = None  # only where a limit asks for new ones

    @property
    def estimated(self) -> bool:
        return self.level > 0

    def roll(self, quantum: int) -> None:
        """Forget who counts no more."""
        day = WINDOWS[-1]
        first = first_counted(day.length, day.step, quantum)
        self.names = {name: kept for name, kept in self.names.items() if kept[0] >= first}
        if self.level and self.left_out < first:
            self.level = 0

    def distinct(self, window: int, quantum: int) -> int:
        first = first_counted(WINDOWS[window].length, WINDOWS[window].step, quantum)
        return sum(last >= first for last, _times in self.names.values()) << self.level

    def more(self, names: Iterable[Name], window: int, quantum: int) -> int:
        """How many these would add to the distinct ones of a window.

        Of one that is not in the sample nobody knows whether it counts already: at the limit it is too much.
        """
        first = first_counted(WINDOWS[window].length, WINDOWS[window].step, quantum)
        every = set(names)
        kept = [name for name in every if self._kept(name)]
        added = sum(self.names.get(name, (-1, 0))[0] < first for name in kept) << self.level
        return max(added, len(kept) < len(every))

    def unknown(self, names: Iterable[Name]) -> tuple[Name, ...]:
        known = self.known
        if known is None or known.learning:
            return ()
        return tuple(name for name in dict.fromkeys(names) if name not in known)

    def frees(self, window: int, too_much: int, quantum: int) -> int:
        """The first quantum in which ``too_much`` fewer count, if nobody is written to meanwhile."""
        first = first_counted(WINDOWS[window].length, WINDOWS[window].step, quantum)
        counted = sorted(last for last, _times in self.names.values() if last >= first)
        place = min(-(-too_much >> self.level), len(counted)) - 1 if counted else -1
        return WINDOWS[window].leaves(counted[place] if place >= 0 else quantum)

    def add(self, names: Iterable[Name], quantum: int) -> None:
        known = self.known
        if known is not None:
            known.used(known)
        for name in names:
            if known is not None:
                known.add(name)
            if self._kept(name):
                self.names[name] = quantum, self.names.get(name, (0, 0))[1] + 1
            else:
                self.left_out = quantum
        self._thin(quantum)

    def give_back(self, names: Iterable[Name], fresh: Iterable[Name]) -> int:
        """Who was written to by nothing else counts no more; of them ``fresh`` are new again: how many."""
        for name in names:
            last, times = self.names.get(name, (0, 0))
            if times > 1:
                self.names[name] = last, times - 1
            else:
                self.names.pop(name, None)
        if self.known is None:
            return 0
        again = [name for name in fresh if self._kept(name) and name not in self.names]
        for name in again:
            self.known.forget(name)
        return len(again)

    def _kept(self, name: Name) -> bool:
        return not name & ((1 << self.level) - 1)

    def _thin(self, quantum: int) -> None:
        while len(self.names) > EXACT and self.level < _MOST_LEVEL:
            self.level += 1
            self.left_out = quantum
            self.names = {name: kept for name, kept in self.names.items() if self._kept(name)}

    # --- as a store keeps it

    def stored(self) -> bytes:
        rows = (
            pack(_NAME, name, last, min(times, _MOST_TIMES)) for name, (last, times) in self.names.items()
        )
        return pack(_HEAD, self.level, self.left_out) + b"".join(rows)

    def restore(self, stored: bytes, quantum: int) -> None:
        """Add what was stored to what was counted meanwhile. Raises `ValueError` for what is none of ours."""
        head, body = stored[:_HEAD_BYTES], stored[_HEAD_BYTES:]
        if len(head) < _HEAD_BYTES or len(body) % 20 or head[0] > _MOST_LEVEL:
            raise ValueError("not a stored memory of recipients of this version")
        level, left_out = head[0], int.from_bytes(head[1:], "little")
        self.level, self.left_out = max(self.level, level), max(self.left_out, min(left_out, quantum))
        for name, last, times in iter_unpack(_NAME, body):
            mine = self.names.get(name, (0, 0))
            self.names[name] = max(mine[0], min(last, quantum)), mine[1] + times
        self.names = {name: kept for name, kept in self.names.items() if self._kept(name)}
        self._thin(quantum)
        self.roll(quantum)
