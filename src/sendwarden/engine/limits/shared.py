"""An account's meter where several processes count together, and what they tell each other about it.

A *pool*, which all of them reach, holds what each used in each quantum. A process draws room from it in
leases: a tenth of what is left, at the end one by one. What it tells is never "so much more" but "so much in
this quantum, by me": told twice, or told again after an answer that was lost, it comes out the same. What was
drawn and not used goes back when the quantum ends. Who tells is one meter, not its process: a meter that left
the table and one that was begun anew for the same account stand beside each other.

A meter knows what the others used as of its last look, adds what it used itself, and counts on like any other
as long as its lease lasts. Then `take` raises `NeedsRoom`; whoever catches it asks the pool and tries again
(`heard`). Where the pool does not answer, the meter *borrows*: the room of one lease for ten minutes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import count
from typing import NamedTuple

from .meter import ENDLESS, AccountMeter, Names
from .outcome import NOTHING_CAME, Over, Taken
from .rows import merged
from .rules import COUNTERS, NOTHING, PLAIN, UNLIMITED, Counts, Limit, Limits
from .windows import WINDOWS

# A lease is one part in so many of what is left.
PARTS = 10
# Quanta for which the pool keeps what each process used: a message may be given back so long after it came.
RECENT = WINDOWS[0].length
# Quanta for which what was borrowed must do.
BORROWED_FOR = WINDOWS[0].length

Row = tuple[int, Counts]

_NUMBERS = count()


class Question(NamedTuple):
    """What one process tells a pool about one account, and what it wants to know."""

    key: str
    teller: int  # the meter, by a number that no other of this process has
    quantum: int
    rows: tuple[Row, ...]  # what it used in quanta that changed; of the running one, with what it holds
    want: Counts = Counts()  # to be granted, with a lease on top
    whole: bool = True  # all of that or nothing; else as far as there is room
    limits: tuple[Limit, ...] = ()
    look: bool = False  # or does it only tell?


class Answer(NamedTuple):
    """What the pool holds of the account."""

    granted: Counts
    first: int  # the quantum from which on it knows who used what
    old: tuple[Row, ...]  # of all processes, before that
    others: tuple[Row, ...]  # of the other processes, from then on
    anew: bool = False  # what it held before could not be read, and is gone
    off: bool = False  # it lives in another quantum than was asked in: nothing else in here means anything


class NeedsRoom(Exception):
    """No error: the pool has to be asked before this can be counted, and nothing was."""

    def __init__(self, meter: "SharedMeter", counts: Counts) -> None:
        super().__init__(meter.key)
        self.meter = meter
        self.counts = counts


class SharedMeter(AccountMeter):
    """What one account sent over one channel, by all processes."""

    __slots__ = (
        "_asked",
        "_borrowed",
        "_borrowed_until",
        "_changed_rows",
        "_foreign",
        "_held",
        "_number",
        "_own",
        "_pool_answers",
        "_promised",
    )

    def __init__(
        self, limits: Limits = UNLIMITED, key: str = "", changed: "list[AccountMeter] | None" = None
    ) -> None:
        super().__init__(limits, key, changed)
        self._number = next(_NUMBERS)
        self._own: dict[int, Counts] = {}  # what we used, by quantum, before the running one
        self._changed_rows: set[int] = set()  # of those, what the pool was not told yet
        self._foreign = Counts()  # what others used or hold of the running quantum
        self._held = Counts()  # what is charged to us in the pool for the running quantum
        self._promised = Counts()  # of that, what those are waiting for who asked
        self._asked = False  # whoever counts now has waited for the pool
        self._pool_answers = True
        self._borrowed = Counts()
        self._borrowed_until = 0

    @contextmanager
    def heard(self, *, answered: bool) -> Iterator[None]:
        """In here counts somebody who waited for the pool, whether it ``answered`` or not."""
        self._asked, self._pool_answers = True, answered
        try:
            yield
        finally:
            self._asked, self._pool_answers = False, True

    # --- counting

    def take(self, quantum: int, counts: Counts, names: Names = (), before: Counts = NOTHING) -> Taken:
        """As `AccountMeter.take`. Raises `NeedsRoom` where the lease does not reach.

        Who the recipients are, each process knows of its own messages alone.
        """
        plain = not self._asked and not self.others
        if plain and self.quick(quantum, counts.messages, counts.recipients):
            return NOTHING_CAME
        self.roll(quantum)
        limited = {limit.counter for limit in self.limits.limits if counts[limit.counter]}
        lacking = [counter for counter in limited if counts[counter] > self._lease(counter)]
        if lacking and not self._asked and not self._never(counts, before):
            raise NeedsRoom(self, counts)
        known = lacking and self._pool_answers
        if known and self._over(self.sums(quantum), counts, names, quantum, before) is None:
            raise NeedsRoom(self, counts)  # what was granted has gone with its quantum
        if self._asked:
            self._promised = _positive(self._promised.minus(counts))
        if lacking and not self._pool_answers:
            self._borrow()
            short = [counter for counter in limited if counts[counter] > self._lease(counter)]
            if short:
                return Taken(self._not_known(short, quantum))
        return super().take(quantum, counts, names, before)

    def _never(self, counts: Counts, before: Counts) -> bool:
        """Is a message larger than a limit, so that the pool need not be asked?"""
        whole = counts.plus(before)
        return any(whole[limit.counter] > limit.most for limit in self.limits.limits)

    def _lease(self, counter: int) -> int:
        """What is left of what was drawn; what was promised only for those who were promised."""
        left = self._held[counter] - self._mine()[counter] + self._borrowed[counter]
        return left if self._asked else left - self._promised[counter]

    def _set_rooms(self, sums: list[list[int]]) -> None:
        super()._set_rooms(sums)
        asked, self._asked = self._asked, False
        limited = {limit.counter for limit in self.limits.limits}
        rooms = [max(0, self._lease(c)) if c in limited else ENDLESS for c in range(PLAIN)]
        self.message_room = min(self.message_room, rooms[0])
        self.recipient_room = min(self.recipient_room, rooms[1])
        self._asked = asked

    def give_back(self, quantum: int, counts: Counts, now: int) -> None:
        super().give_back(quantum, counts, now)
        if quantum in self._own and quantum < self.quantum:
            self._own[quantum] = _positive(self._own[quantum].minus(counts))
            self._changed_rows.add(quantum)

    def roll(self, quantum: int) -> None:
        if quantum <= self.quantum:
            return
        mine = self._mine()
        if any(mine) or any(self._held):
            self._own[self.quantum] = mine
            self._changed_rows.add(self.quantum)
        left = self._borrowed.minus(_positive(mine.minus(self._held)))
        self._borrowed = _positive(left) if quantum < self._borrowed_until else Counts()
        self._foreign = self._held = self._promised = Counts()
        self._own = {q: row for q, row in self._own.items() if q >= quantum - RECENT}
        self._changed_rows &= self._own.keys()
        super().roll(quantum)

    def leave(self, *, reset: bool = False) -> None:
        if reset:  # it is told that nothing was used
            self._own = dict.fromkeys((*self._own, self.quantum), Counts())
            self._changed_rows = set(self._own)
            self._foreign = self._held = self._promised = Counts()
            self._touch()
        super().leave(reset=reset)

    def use(self, limits: Limits) -> None:
        """As `AccountMeter.use`; what was drawn for other limits is not used any more."""
        mine = self._mine()
        if limits != self.limits:
            self._held = mine
        super().use(limits)
        self._run(self._foreign.plus(mine))

    # --- the pool

    def question(self, quantum: int, wanted: Sequence[Counts]) -> Question:
        """What to tell the pool, and ask for several who wait for it."""
        self.roll(quantum)
        every = reduce(Counts.plus, wanted)
        free = self._held.minus(self._mine()).minus(self._promised)
        self._promised = self._promised.plus(every)
        held = Counts(*map(max, self._held, self._mine()))
        rows = (*self._rows_to_tell(), (quantum, held))
        want = _limited(_positive(every.minus(_positive(free))), self.limits)
        return Question(
            self.key, self._number, quantum, rows, want, len(wanted) == 1, self.limits.limits, look=True
        )

    def telling(self, *, running: bool = False) -> Question:
        """What to tell the pool of quanta that have ended, or of the ``running`` one too."""
        now = [(self.quantum, self._mine())] if running else []
        return Question(self.key, self._number, self.quantum, (*self._rows_to_tell(), *now))

    def _rows_to_tell(self) -> Iterator[Row]:
        return ((quantum, self._own[quantum]) for quantum in sorted(self._changed_rows))

    def was_told(self, question: Question) -> None:
        """The pool has heard it. What is held of the running quantum must be told when that has ended."""
        self._changed_rows -= {q for q, row in question.rows if self._own.get(q) == row}
        if any(self._held) or any(self._mine()):
            self._touch()

    def tell_again(self) -> None:
        """The pool does not know any more what it was told: it is to hear all of it once more."""
        self._changed_rows |= self._own.keys()

    def set_back(self, quanta: int) -> None:
        """The clock by which it counted was so far ahead. To be called when it has left the table."""
        self.roll(self.quantum + 1)  # what was drawn and not used goes back
        self._own = {quantum - quanta: row for quantum, row in self._own.items()}
        self._changed_rows = {quantum - quanta for quantum in self._changed_rows}
        self.quantum -= quanta
        self._set_rows(())
        self._touch()

    def learn(self, question: Question, answer: Answer) -> None:
        """Take in what the pool answered."""
        if answer.off:
            self._promised = Counts()
            return
        if answer.anew:
            self.tell_again()
        self.was_told(question)
        if question.quantum == self.quantum:
            self._held = question.rows[-1][1].plus(answer.granted)
            self._borrowed = Counts()
        else:
            self._own.setdefault(question.quantum, Counts())
            self._changed_rows.add(question.quantum)
        self._see(answer)
        self._touch()

    def _see(self, answer: Answer) -> None:
        """From now on the others have used what the pool says."""
        mine = self._mine()
        rows: dict[int, Counts] = dict(answer.old)
        own = ((q, row) for q, row in self._own.items() if q >= answer.first)
        for quantum, row in (*answer.others, *own):
            rows[quantum] = rows.get(quantum, Counts()).plus(row)
        ahead = [q for q in rows if q >= self.quantum]  # or later, of a process whose clock is ahead
        self._foreign = reduce(Counts.plus, (rows.pop(q) for q in ahead), Counts())
        past = [(q, [row[c] for c in self._counters]) for q, row in sorted(rows.items())]
        self._set_rows(merged(past, self.quantum))
        self._run(self._foreign.plus(mine))

    def _run(self, running: Counts) -> None:
        """The running quantum has so much."""
        self.messages, self.recipients = running.messages, running.recipients
        if self.limits.others:
            self.others = [running[counter] for counter in self.limits.others]
        self.look_closely()

    def _mine(self) -> Counts:
        """What we used in the running quantum."""
        numbers = [0] * len(COUNTERS)
        for counter, number in zip(
            self._counters, (self.messages, self.recipients, *self.others), strict=True
        ):
            numbers[counter] = max(0, number - self._foreign[counter])
        return Counts(*numbers)

    # --- without it

    def _borrow(self) -> None:
        """The room of one lease, once in a while."""
        if self.quantum < self._borrowed_until:
            return
        sums = self.sums(self.quantum)
        left = [ENDLESS] * len(COUNTERS)
        for limit in self.limits.limits:
            room = max(0, limit.most - sums[limit.window][self._place(limit)])
            left[limit.counter] = min(left[limit.counter], room)
        lease = [min(room, max(1, room // PARTS)) if room < ENDLESS else 0 for room in left]
        self._borrowed = Counts(*lease)
        self._borrowed_until = self.quantum + BORROWED_FOR

    def _not_known(self, short: Iterable[int], quantum: int) -> Over:
        """Nobody knows whether there is room, and what could be borrowed is used."""
        sums = self.sums(quantum)
        limits = [limit for limit in self.limits.limits if limit.counter in short]
        nearest = min(limits, key=lambda one: one.most - sums[one.window][self._place(one)])
        used = sums[nearest.window][self._place(nearest)]
        return Over(nearest._replace(presumed=True), used, self._borrowed_until)


def _limited(counts: Counts, limits: Limits) -> Counts:
    """Those that a limit names."""
    named = {limit.counter for limit in limits.limits}
    return Counts(*(number if counter in named else 0 for counter, number in enumerate(counts)))


def _positive(counts: Counts) -> Counts:
    return Counts(*(max(0, number) for number in counts))
