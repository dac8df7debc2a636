"""Which triplets wait, and which have waited: exact, in generations that are forgotten whole.

As with gross's ring of filters a triplet lives for between ``generations`` - 1 and ``generations`` intervals
from when it was last tried or let through. One that is let through moves to the youngest generation, so that
who writes regularly never waits again. The clock of one that waits runs from its first try.

ARCHITECTURE.md says why this is no Bloom filter. Where there are too many triplets, one that waits in the
oldest generation makes room: a flood of names pushes itself out, not those who have waited.
"""

from collections import deque
from collections.abc import Iterator, Mapping

from sendwarden.engine.meters.keys import Change

# Rows of forgotten triplets that are taken out of the store in one batch.
GONE_AT_ONCE = 2000

_SECONDS_BYTES = 4
_MS_BYTES = 6
_HEX = 15


class Generation:
    """Triplets last seen in one interval. ``waiting``: when they were first tried, in milliseconds."""

    __slots__ = ("number", "passed", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.waiting: dict[int, int] = {}
        self.passed: set[int] = set()

    def __len__(self) -> int:
        return len(self.waiting) + len(self.passed)


class Triplets:
    """All triplets by their keys. Time is in seconds since the epoch."""

    def __init__(self, delay_s: float, interval_s: int, generations: int, most: int) -> None:
        self.most = most
        self.evicted = 0  # since somebody last looked
        self._generations: list[Generation] = []  # the youngest first
        self.interval_s = interval_s
        self.reconfigure(delay_s, interval_s, generations)
        self._changed: dict[int, None] = {}
        self._gone: deque[int] = deque()

    def reconfigure(self, delay_s: float, interval_s: int, generations: int) -> None:
        """Other times, from now on."""
        self.delay_s = delay_s
        self._delay_ms = round(delay_s * 1000)
        self._most_generations = generations
        if interval_s != self.interval_s:
            old, self._generations = self._generations, []
            for generation in old:
                same = self._generation(generation.number * self.interval_s // interval_s)
                same.waiting.update(generation.waiting)
                same.passed |= generation.passed
        self.interval_s = interval_s

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    # --- asking

    def has_waited(self, key: int, now: float) -> bool:
        """May it pass?"""
        self._rotate(now)
        for generation in self._generations:
            if key in generation.passed:
                return True
            first = generation.waiting.get(key)
            if first is not None:
                return now * 1000 >= first + self._delay_ms
        return False

    def free_at(self, key: int, now: float) -> float | None:
        """When it may pass, 0 for one that has; None: it was never tried."""
        self._rotate(now)
        for generation in self._generations:
            if key in generation.passed:
                return 0.0
            first = generation.waiting.get(key)
            if first is not None:
                return (first + self._delay_ms) / 1000
        return None

    def waiting(self, now: float) -> int:
        """How many were tried for the first time within the last delay."""
        since = now * 1000 - self._delay_ms
        count = 0
        for generation in self._generations:
            for first in reversed(generation.waiting.values()):
                if first <= since:
                    break
                count += 1
        return count

    # --- what happened

    def tried(self, key: int, now: float) -> None:
        """It is to wait, from its first try on."""
        youngest = self._rotate(now)
        if key in youngest.waiting:
            return
        for generation in self._generations:
            if key in generation.passed:
                self._move_passed(key, generation, youngest)
                return
            first = generation.waiting.pop(key, None)
            if first is not None:
                youngest.waiting[key] = first
                self._changed[key] = None
                return
        if len(self) >= self.most:
            self._make_room()
        youngest.waiting[key] = int(now * 1000)
        self._changed[key] = None

    def passed(self, key: int, now: float) -> bool:
        """It was let through, having waited. Is it the first time?"""
        youngest = self._rotate(now)
        if key in youngest.passed:
            return False
        for generation in self._generations:
            if key in generation.passed:
                self._move_passed(key, generation, youngest)
                return False
            if generation.waiting.pop(key, None) is not None:
                break
        youngest.passed.add(key)
        self._changed[key] = None
        return True

    def _move_passed(self, key: int, old: Generation, new: Generation) -> None:
        if old is not new:
            old.passed.discard(key)
            new.passed.add(key)
            self._changed[key] = None

    def forget(self, key: int) -> bool:
        """As if it had never been tried. Was it known?"""
        known = False
        for generation in self._generations:
            known |= generation.waiting.pop(key, None) is not None or key in generation.passed
            generation.passed.discard(key)
        if known:
            self._gone.append(key)
        return known

    def _rotate(self, now: float) -> Generation:
        """The youngest generation; those that are over are forgotten."""
        number = int(now // self.interval_s)
        generations = self._generations
        if generations and generations[0].number >= number:
            return generations[0]
        generations.insert(0, Generation(number))
        while generations[-1].number <= number - self._most_generations:
            over = generations.pop()
            self._gone.extend(over.waiting)
            self._gone.extend(over.passed)
        return generations[0]

    def _make_room(self) -> None:
        self.evicted += 1
        for generation in reversed(self._generations):
            if generation.waiting:
                self._gone.append(generation.waiting.popitem()[0])
                return
        oldest = next(generation for generation in reversed(self._generations) if generation.passed)
        self._gone.append(oldest.passed.pop())

    # --- for the store that keeps it

    def begin_loading(self) -> None:
        """Nothing to do: what is stored is put together with what came meanwhile."""

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        """Take one stored row in; one that cannot be read, or is over, is left out."""
        data = parts.get(0, b"")
        if len(data) not in (_SECONDS_BYTES, _SECONDS_BYTES + _MS_BYTES) or len(key) != _HEX:
            return
        try:
            name = int(key, 16)
        except ValueError:
            return
        seen = min(int.from_bytes(data[:_SECONDS_BYTES], "big"), int(now))
        number = seen // self.interval_s
        self._rotate(now)
        if number <= self._generations[0].number - self._most_generations:
            self._gone.append(name)
            return
        self._restore(name, int.from_bytes(data[_SECONDS_BYTES:], "big") or None, number, now)

    def _restore(self, key: int, first: int | None, number: int, now: float) -> None:
        """It may have been tried again meanwhile; what was known before counts."""
        for generation in self._generations:
            if key in generation.passed:
                return
            if key in generation.waiting:
                if first is None:
                    self.passed(key, now)
                else:
                    generation.waiting[key] = min(first, generation.waiting[key])
                    self._changed[key] = None
                return
        generation = self._generation(number)
        if first is None:
            generation.passed.add(key)
        else:
            generation.waiting[key] = min(first, int(now * 1000))

    def _generation(self, number: int) -> Generation:
        for generation in self._generations:
            if generation.number == number:
                return generation
        made = Generation(number)
        self._generations.append(made)
        self._generations.sort(key=lambda generation: -generation.number)
        return made

    def loaded(self, *, whole: bool) -> None:
        """Nothing to do: who is missing waits once more."""

    def changes(self, now: float) -> Iterator[Change]:
        del now
        for _ in range(min(GONE_AT_ONCE, len(self._gone))):
            key = self._gone.popleft()
            if not any(key in one.passed or key in one.waiting for one in self._generations):
                self._changed.pop(key, None)
                yield Change(_name(key), drop=True)
        changed, self._changed = self._changed, {}
        for key in changed:
            for generation in self._generations:
                if key in generation.passed or key in generation.waiting:
                    yield self._row(key, generation)
                    break

    def everything(self) -> Iterator[Change]:
        for generation in self._generations:
            for key in (*generation.passed, *generation.waiting):
                yield self._row(key, generation)

    def _row(self, key: int, generation: Generation) -> Change:
        seen = (generation.number * self.interval_s).to_bytes(_SECONDS_BYTES, "big")
        first = generation.waiting.get(key)
        data = seen if first is None else seen + first.to_bytes(_MS_BYTES, "big")
        return Change(_name(key), ((0, data),))


def _name(key: int) -> str:
    return f"{key:0{_HEX}x}"
