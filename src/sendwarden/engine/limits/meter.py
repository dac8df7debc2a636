"""One account's meter: what it sent in three windows, exact, and how much room is left without a look.

The running quantum is counted in plain attributes; older ones are rows of a flat array, merged as they leave
the finer windows (at most 57). What makes it fast: once a quantum it is worked out how much may come before
anything could happen (`message_room`, `recipient_room`), and until then a hit is two comparisons and two
additions, however many windows and limits there are. Whatever should be looked at closely sets the room to
nothing.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from .outcome import NOTHING_CAME, Crossing, Over, Taken
from .people import Name, People
from .rows import merged, widened
from .rules import COUNTERS, DISTINCT, LEVELS, NOTHING, PLAIN, UNLIMITED, Counts, Limit, Limits, amount
from .windows import WINDOWS, first_counted, first_of_each

# Room where no limit applies.
ENDLESS = 1 << 60
# Version of the stored form.
_FORM = 1

Sums = list[list[int]]
Names = tuple[Name, ...]
Told = dict[tuple[int, int, float], int]


class AccountMeter:
    """What one account sent over one channel. Time is a quantum (`windows`) and never runs back."""

    __slots__ = (
        "changed",
        "gone",
        "key",
        "limits",
        "message_room",
        "messages",
        "others",
        "past",
        "people",
        "quantum",
        "recipient_room",
        "recipients",
        "told",
        "touched",
        "version",
    )

    def __init__(
        self, limits: Limits = UNLIMITED, key: str = "", changed: "list[AccountMeter] | None" = None
    ) -> None:
        """``changed`` is a list that the meter enters when it counts, until a store clears `touched`."""
        self.limits = limits
        self.gone = False
        self.version = -1  # of what holds for accounts, as the table counts it
        self.key = key
        self.changed = [] if changed is None else changed
        self.quantum = 0
        self.messages = 0
        self.recipients = 0
        self.others: list[int] = [0] * len(limits.others) if limits.others else _NONE
        self.past: array[int] = _EMPTY
        self.people: People | None = People() if limits.people else None
        self.message_room = 0
        self.recipient_room = 0
        self.told: Told | None = None
        self.touched = False

    def use(self, limits: Limits) -> None:
        """From now on these limits count. A counter that no limit named before begins at 0."""
        if limits.others != self.limits.others:
            kept = self.limits.others
            rows = list(self._rows())
            self.others = widened(self.others, kept, limits.others)
            self.past = _EMPTY
            self.limits = limits
            self._set_rows((q, [*row[:PLAIN], *widened(row[PLAIN:], kept, limits.others)]) for q, row in rows)
        self.limits = limits
        if not limits.people:
            self.people = None
        elif self.people is None:
            self.people = People()
        self.look_closely()

    def leave(self, *, reset: bool = False) -> None:
        """It is no more in the table: whoever still knows it counts nothing by it, and looks there again.

        ``reset``: what it counted counts no more, and never did.
        """
        if reset:
            self.messages = self.recipients = 0
            self.others = [0] * len(self.limits.others) if self.limits.others else _NONE
            self.past = _EMPTY
            self.people = People() if self.limits.people else None
        self.gone = True
        self.look_closely()

    def look_closely(self) -> None:
        """The next hit is to be checked against all limits."""
        self.message_room = self.recipient_room = 0

    # --- the path of every message

    def quick(self, quantum: int, messages: int, recipients: int) -> bool:
        """Count this, if nothing can come of it. False: nothing was counted, `take` has to look."""
        if quantum != self.quantum or messages > self.message_room or recipients > self.recipient_room:
            return False
        self.messages += messages
        self.recipients += recipients
        self.message_room -= messages
        self.recipient_room -= recipients
        if not self.touched:
            self._touch()
        return True

    def ready(self, quantum: int) -> bool:
        """Where the running quantum has ended: begin ``quantum``, and work out what may come without a look.

        False: something else than that asks for a look.
        """
        if quantum <= self.quantum or self.gone or self.version < 0 or self.others:
            return False
        self.roll(quantum)
        self._set_rooms(self.sums(quantum))
        return True

    def take(self, quantum: int, counts: Counts, names: Names = (), before: Counts = NOTHING) -> Taken:
        """Count this if every limit has room for all of it, and nothing of it otherwise.

        ``names`` are its recipients, where they are known; ``counts.new`` is found out here. ``before``: what
        the same message was counted already.
        """
        if not self.others and self.quick(quantum, counts.messages, counts.recipients):
            return NOTHING_CAME
        self.roll(quantum)
        people = self.people
        fresh = people.unknown(names) if people else ()
        counts = counts._replace(new=len(fresh)) if fresh else counts
        sums = self.sums(quantum)
        over = self._over(sums, counts, names, quantum, before)
        if over:
            if over.limit.presumed:  # it is not known that anything was reached
                return Taken(over)
            crossing = Crossing(over.limit, over.used, 1.0, over.estimated, over.wanted)
            return Taken(over, self._tell([crossing], quantum))
        self._add(counts)
        if people:
            people.add(names, quantum)
            after = self.sums(quantum)
        else:
            after = [
                [used + counts[c] for used, c in zip(of_window, self._counters, strict=True)]
                for of_window in sums
            ]
        self._set_rooms(after)
        return Taken(None, self._tell(self._reached(sums, after), quantum), fresh)

    def _add(self, counts: Counts) -> None:
        self.messages += counts.messages
        self.recipients += counts.recipients
        for place, counter in enumerate(self.limits.others):
            self.others[place] += counts[counter]
        self._touch()

    def _touch(self) -> None:
        if not self.touched:
            self.touched = True
            self.changed.append(self)

    def give_back(self, quantum: int, counts: Counts, now: int) -> None:
        """Take back what was counted in ``quantum``, as far as it still counts."""
        self.roll(now)
        if quantum >= self.quantum:
            self.messages = max(0, self.messages - counts.messages)
            self.recipients = max(0, self.recipients - counts.recipients)
            for place, counter in enumerate(self.limits.others):
                self.others[place] = max(0, self.others[place] - counts[counter])
        else:
            self._give_back_of_past(quantum, counts)
        self._touch()
        self.look_closely()

    def give_back_names(self, names: Iterable[Name], fresh: Iterable[Name]) -> int:
        """Take back that these were written to, ``fresh`` for the first time; how many are new again."""
        if not self.people:
            return 0
        again = self.people.give_back(names, fresh)
        self._touch()
        self.look_closely()
        return again

    def _give_back_of_past(self, quantum: int, counts: Counts) -> None:
        """A merged row bears the last quantum of those in it: the first that is not before ours has it."""
        stride = self._stride
        at = bisect_left(self.past[::stride], quantum) * stride
        longest = WINDOWS[-1].step
        if at >= len(self.past) or self.past[at] // longest != quantum // longest:
            return
        for place, counter in enumerate(self._counters, start=at + 1):
            self.past[place] = max(0, self.past[place] - counts[counter])

    # --- the windows

    def roll(self, quantum: int) -> None:
        """Begin ``quantum``: what ran before it becomes past, and what is too old is forgotten."""
        if quantum <= self.quantum:
            return
        running = [self.messages, self.recipients, *self.others]
        rows = list(self._rows())
        if any(running):
            rows.append((self.quantum, running))
        self.messages = self.recipients = 0
        if self.others:
            self.others = [0] * len(self.others)
        self.quantum = quantum
        if rows:
            self._set_rows(merged(rows, quantum))
        if self.people:
            self.people.roll(quantum)
        self.look_closely()

    def sums(self, quantum: int) -> Sums:
        """What counts now: for each window, messages, recipients and the other counters that limits name."""
        running = [self.messages, self.recipients, *self.others]
        if not (self.past or self.people):
            return [running[:] for _ in WINDOWS]
        stride = self._stride
        quanta = self.past[::stride]
        found = []
        for first in first_of_each(quantum):
            at = bisect_left(quanta, first) * stride
            found.append([now + sum(self.past[at + place :: stride]) for place, now in enumerate(running, 1)])
        if self.people and DISTINCT in self.limits.others:
            place = PLAIN + self.limits.others.index(DISTINCT)
            for number, of_window in enumerate(found):
                of_window[place] = self.people.distinct(number, quantum)
        return found

    def estimated(self, limit: Limit) -> bool:
        """Is what is used of this limit an estimate?"""
        return limit.counter == DISTINCT and self.people is not None and self.people.estimated

    def used(self, limit: Limit, quantum: int) -> int:
        """What counts against one limit now."""
        self.roll(quantum)
        return self.sums(quantum)[limit.window][self._place(limit)]

    def share(self, quantum: int) -> float:
        """How full the fullest limit is, 0 to 1."""
        self.roll(quantum)
        sums = self.sums(quantum)
        return max((sums[one.window][self._place(one)] / one.most for one in self.limits.limits), default=0.0)

    @property
    def weight(self) -> int:
        """Roughly how much it remembers, cheaply: of several meters the lightest may go first."""
        return self.recipients + sum(self.past[2 :: self._stride]) + self.messages

    def quiet(self, quantum: int) -> bool:
        """Does nothing count any more?"""
        self.roll(quantum)
        return not (
            self.messages
            or self.recipients
            or any(self.others)
            or self.past
            or (self.people and self.people.names)
        )

    def frees(self, limit: Limit, wanted: int, quantum: int) -> int:
        """The first quantum in which ``wanted`` more pass this limit; 0: never."""
        if wanted > limit.most:
            return 0
        window = WINDOWS[limit.window]
        place = self._place(limit)
        too_much = self.used(limit, quantum) + wanted - limit.most
        if too_much <= 0:
            return quantum
        if limit.counter == DISTINCT and self.people:
            return self.people.frees(limit.window, too_much, quantum)
        first = first_counted(window.length, window.step, quantum)
        for row_quantum, row in self._rows():
            if row_quantum >= first:
                too_much -= row[place]
                if too_much <= 0:
                    return window.leaves(row_quantum)
        return window.leaves(self.quantum)

    def _over(self, sums: Sums, counts: Counts, names: Names, quantum: int, before: Counts) -> Over | None:
        """Of all limits without room, the one that is in the way for longest."""
        found: list[Over] = []
        for limit in self.limits.limits:
            used, wanted = sums[limit.window][self._place(limit)], counts[limit.counter]
            if limit.counter == DISTINCT and self.people:
                wanted = self.people.more(names, limit.window, quantum)
            if wanted and used + wanted > limit.most:
                whole = before[limit.counter] + (len(names) if limit.counter == DISTINCT else wanted)
                if whole > limit.most:  # not even with nothing else counted
                    wanted, frees = whole, 0
                else:
                    frees = self.frees(limit, wanted, quantum)
                found.append(Over(limit, used, frees, self.estimated(limit), wanted))
        return max(found, key=lambda over: over.frees or ENDLESS, default=None)

    def _reached(self, before: Sums, after: Sums) -> Iterable[Crossing]:
        for limit in self.limits.limits:
            place = self._place(limit)
            was, used = before[limit.window][place], after[limit.window][place]
            level = max((level for level in LEVELS if was < amount(limit, level) <= used), default=None)
            if level is not None:
                yield Crossing(limit, used, level, self.estimated(limit))

    def _tell(self, crossings: Iterable[Crossing], quantum: int) -> tuple[Crossing, ...]:
        """Those that were not told within the window before."""
        fresh = []
        for one in crossings:
            key = (one.limit.counter, one.limit.window, one.level)
            told = self.told.get(key) if self.told else None
            if told is None or quantum >= told + WINDOWS[one.limit.window].length:
                self.told = {**(self.told or {}), key: quantum}
                fresh.append(one)
        return tuple(fresh)

    def _set_rooms(self, sums: Sums) -> None:
        """How much may come before a limit or a level of one is reached."""
        if self.limits.others:
            self.look_closely()
            return
        rooms = [ENDLESS] * PLAIN
        for window, counter, marks in self.limits.marks:
            used, room = sums[window][counter], 0
            for reached in marks:
                if reached > used:
                    room = reached - 1 - used
                    break
            rooms[counter] = min(rooms[counter], room)
        self.message_room, self.recipient_room = rooms

    # --- rows of the past: the quantum, then one number for each counter

    @property
    def _counters(self) -> tuple[int, ...]:
        return (0, 1, *self.limits.others)

    @property
    def _stride(self) -> int:
        return 1 + PLAIN + len(self.limits.others)

    def _place(self, limit: Limit) -> int:
        return limit.counter if limit.counter < PLAIN else PLAIN + self.limits.others.index(limit.counter)

    def _rows(self) -> Iterable[tuple[int, list[int]]]:
        stride, past = self._stride, self.past
        for at in range(0, len(past), stride):
            yield past[at], list(past[at + 1 : at + stride])

    def _set_rows(self, rows: Iterable[tuple[int, list[int]]]) -> None:
        flat = [number for quantum, row in rows for number in (quantum, *row)]
        self.past = array("Q", flat) if flat else _EMPTY

    # --- as a store keeps it

    def stored(self) -> bytes:
        """Everything counted. Told levels are not: after a restart somebody may be told once more."""
        running = [self.messages, self.recipients, *self.others]
        whole = array("Q", self.past)
        if any(running):
            whole.extend([self.quantum, *running])
        return bytes([_FORM, *self.limits.others]) + b"\xff" + whole.tobytes()

    def restore(self, stored: bytes, quantum: int) -> None:
        """Add what was stored to what was counted meanwhile. Raises `ValueError` for what is none of ours."""
        head, mark, body = stored.partition(b"\xff")
        kept = tuple(head[1:])
        stride = 1 + PLAIN + len(kept)
        if (
            not mark
            or head[:1] != bytes([_FORM])
            or any(c >= len(COUNTERS) for c in kept)
            or len(body) % (8 * stride)
        ):
            raise ValueError("not a stored meter of this version")
        numbers = array("Q", body)
        self.roll(quantum)
        rows: dict[int, list[int]] = dict(self._rows())
        for at in range(0, len(numbers), stride):
            # One from a clock that was ahead counts as of now.
            of = min(numbers[at], quantum - 1)
            plain = list(numbers[at + 1 : at + 1 + PLAIN])
            others = widened(list(numbers[at + 1 + PLAIN : at + stride]), kept, self.limits.others)
            row = rows.setdefault(of, [0] * (self._stride - 1))
            rows[of] = [mine + more for mine, more in zip(row, [*plain, *others], strict=True)]
        self._set_rows(merged(sorted(rows.items()), quantum))
        self.look_closely()


_EMPTY: "array[int]" = array("Q")
_NONE: list[int] = []
