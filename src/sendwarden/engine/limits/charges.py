"""What open messages were charged, so that it can be settled, met again by another question, or given back.

A message is known by a name: the policy request's ``instance``, its queue id, or both. Each recipient is
reserved when it is asked for; the end of the message says how many there were, and what was too much is given
back. A reservation whose end is never told stands, unless that mail server tells ends at all; then it is
given back after `KEPT_S`.

Names are kept in generations of `GENERATION_S`, shorter ones where many come. Of too many the oldest go
early, and what they were charged stands.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from .meter import ENDLESS, AccountMeter
from .outcome import NOTHING_CAME, Over, Taken
from .people import Name
from .rules import MESSAGE, NOTHING, RECIPIENTS, Counts, Limit
from .windows import QUANTUM_S

GENERATION_S = 60
KEPT_S = 600
# A message whose end was told is remembered for so long, for whoever asks about it next.
SETTLED_S = 60
# Names remembered at a time.
MOST = 500_000
# Generations that they make up at the least where there are so many.
GENERATIONS = 5
# Names forgotten in one turn, which takes some milliseconds.
FORGOTTEN_AT_ONCE = 10_000

_GENERATION = GENERATION_S // QUANTUM_S
_KEPT = KEPT_S // QUANTUM_S
_SETTLED = SETTLED_S // QUANTUM_S


class Charge:
    """What one message was charged to one meter.

    The first quantum's messages and recipients are plain numbers, for speed; all else is in ``parts``.
    """

    __slots__ = (
        "let_by",
        "messages",
        "meter",
        "names",
        "parts",
        "quantum",
        "recipient_room",
        "recipients",
        "server",
        "settled",
    )

    def __init__(self, meter: AccountMeter, quantum: int, server: str) -> None:
        """One message with one recipient, which the meter has counted in ``quantum``."""
        self.meter = meter
        self.quantum = quantum
        self.messages = self.recipients = 1
        cap = meter.limits.per_message
        self.recipient_room = ENDLESS if cap is None else cap - 1
        self.parts: list[tuple[int, Counts]] | None = None
        self.names: dict[Name, bool] | None = None  # its recipients, where they count: was it new?
        self.server = server
        self.settled = False
        self.let_by = 0  # recipients that went on though there was no room, and are not counted

    @classmethod
    def of(cls, asked: "Asked", counts: Counts, fresh: tuple[Name, ...] = ()) -> "Charge":
        charge = cls(asked.meter, asked.quantum, asked.server)
        charge.messages = charge.recipients = 0
        charge.recipient_room += 1 - counts.recipients
        if asked.meter.others:
            charge.add(asked.quantum, counts)
            charge.name(asked.names, fresh)
        else:  # nothing else is counted: the plain numbers are all there is to give back
            charge.messages, charge.recipients = counts.messages, counts.recipients
        return charge

    @property
    def total(self) -> Counts:
        whole = Counts(self.messages, self.recipients)
        for _quantum, counts in self.parts or ():
            whole = whole.plus(counts)
        return whole

    @property
    def so_far(self) -> Counts:
        """The same with its distinct recipients."""
        return self.total._replace(distinct=len(self.names or ()))

    def plainly(self, whole: Counts) -> bool:
        """Is it charged just so much, and nothing else of it is counted?"""
        plain = not (self.parts or self.let_by or self.meter.others)
        return plain and (self.messages, self.recipients) == (whole.messages, whole.recipients)

    def quick(self, quantum: int) -> bool:
        """One more recipient, if nothing can come of it. False: nothing was counted."""
        if self.settled or quantum != self.quantum or self.recipient_room < 1:
            return False
        if not self.meter.quick(quantum, 0, 1):
            return False
        self.recipients += 1
        self.recipient_room -= 1
        return True

    def add(self, quantum: int, counts: Counts) -> None:
        """The meter has counted so much more of this message."""
        if self.parts is None:
            self.parts = []
        elif self.parts[-1][0] == quantum:  # so that no message, however long, has many parts
            counts = self.parts.pop()[1].plus(counts)
        self.parts.append((quantum, counts))

    def name(self, names: Iterable[Name], fresh: tuple[Name, ...]) -> None:
        """The meter has counted these recipients, of them ``fresh`` as new ones."""
        if names and self.meter.people:
            self.names = {name: name in fresh for name in names} | (self.names or {})

    def others(self, names: Iterable[Name]) -> bool:
        """Are there recipients that it was not asked for one by one, and that count?"""
        known = self.names or {}
        return bool(self.meter.people) and not self.let_by and any(name not in known for name in names)

    def unname(self, names: Iterable[Name]) -> int:
        """These recipients are not of it after all; how many of them are new again."""
        known = self.names or {}
        gone = {name: known.pop(name) for name in names if name in known}
        fresh = [name for name, new in gone.items() if new]
        return self.meter.give_back_names(gone, fresh)

    def give_back(self, too_much: Counts, now: int) -> None:
        """Take back so much of it, what came last first."""
        kept = []
        for quantum, counts in reversed(self.parts or []):
            back = Counts(*map(min, counts, too_much))
            too_much = too_much.minus(back)
            if any(back):
                self.meter.give_back(quantum, back, now)
            if any(rest := counts.minus(back)):
                kept.append((quantum, rest))
        self.parts = kept[::-1] or None
        back = Counts(min(self.messages, too_much.messages), min(self.recipients, too_much.recipients))
        if any(back):
            self.meter.give_back(self.quantum, back, now)
            self.messages -= back.messages
            self.recipients -= back.recipients

    def release(self, now: int) -> None:
        again = self.unname(list(self.names or ()))
        self.give_back(self.total._replace(new=again), now)
        self.parts = None  # recipients that another message wrote to as well stay counted as new


class Asked(NamedTuple):
    """A question about a message: its name, whose meter, when, and which mail server asks."""

    name: bytes
    meter: AccountMeter
    quantum: int
    server: str = ""
    names: tuple[Name, ...] = ()  # recipients, where they are known; in a question about a whole all


class Charges:
    """Of all messages of the last minutes. Bounded; no I/O."""

    def __init__(self, quantum: int, most: int = MOST) -> None:
        self._most = most
        self.forget_all(quantum)

    def forget_all(self, quantum: int) -> None:
        """What was charged stays so, and ``quantum`` is the first of a new time."""
        self._charges: dict[bytes, Charge] = {}
        self._newest: list[bytes] = []
        # Names by the quantum in which their generation began: of the last minutes; older ones whose end was
        # not told; and those that are being forgotten: the settled ones of them, or all.
        self._young: deque[tuple[int, list[bytes]]] = deque([(quantum, self._newest)])
        self._open: deque[tuple[int, list[bytes]]] = deque()
        self._old: deque[tuple[int, list[bytes], bool]] = deque()
        self._ends_told_by: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._charges)

    def find(self, name: bytes) -> Charge | None:
        return self._charges.get(name)

    def remember(self, name: bytes, charge: Charge) -> None:
        if name:
            if name not in self._charges:
                self._newest.append(name)
            self._charges[name] = charge

    def quick(self, name: bytes, meter: AccountMeter, quantum: int, server: str) -> Charge | None:
        """A new message with its first recipient, if nothing can come of it. None: nothing was counted."""
        if name in self._charges:
            return None
        if not meter.quick(quantum, 1, 1) and not (meter.ready(quantum) and meter.quick(quantum, 1, 1)):
            return None
        charge = self._charges[name] = Charge(meter, quantum, server)
        self._newest.append(name)
        return charge

    def quick_whole(self, asked: Asked, counts: Counts) -> bool:
        """A message of which nobody has asked before, all at once, if nothing can come of it.

        False: nothing was counted.
        """
        meter, cap = asked.meter, asked.meter.limits.per_message
        if meter.others or asked.name in self._charges or (cap is not None and counts.recipients > cap):
            return False
        if not meter.quick(asked.quantum, counts.messages, counts.recipients):
            return False
        self._ends_told_by[asked.server] = asked.quantum
        if asked.name:
            charge = Charge.of(asked, counts)
            charge.settled = True
            self.remember(asked.name, charge)
        return True

    def quick_end(self, charge: Charge, recipients: int, quantum: int) -> bool:
        """The end of a message that has as many recipients as were asked for, all of them the quick way."""
        if charge.parts or charge.let_by or charge.recipients != recipients:
            return False
        charge.settled = True
        self._ends_told_by[charge.server] = quantum
        return True

    def reserve(self, asked: Asked, counts: Counts) -> Taken:
        """One more recipient of a message, or its first. ``counts`` is of the recipient alone."""
        charge = self._known(asked)
        if charge and charge.settled:  # its end was told: this is another message of the same name
            charge = None
        first = charge is None or not charge.total.messages
        return self._take(charge, asked, counts._replace(messages=1) if first else counts)

    def settle(self, asked: Asked, whole: Counts, *, end: bool) -> Taken:
        """A message has so much in all: charge what is missing, or give back what is too much."""
        if end:
            self._ends_told_by[asked.server] = asked.quantum
        charge = self._known(asked)
        if charge is None:
            taken = self._take(None, asked, whole)
            charge = self._known(asked)
        elif charge.plainly(whole):
            taken = NOTHING_CAME
        else:
            whole = self._named(charge, asked, _without(whole, charge.let_by))
            missing = _positive(whole.minus(charge.total))
            others = charge.others(asked.names)
            taken = self._take(charge, asked, missing) if others or any(missing) else NOTHING_CAME
            whole = whole._replace(new=charge.total.new)  # those that are too many were given back by name
            charge.give_back(_positive(charge.total.minus(whole)), asked.quantum)
        if charge and end:
            charge.settled = True
        return taken

    @staticmethod
    def _named(charge: Charge, asked: Asked, whole: Counts) -> Counts:
        """The whole with those of its recipients that were new; one that is not of it was not written to.

        What that gives back is given back at once: `_take` may have to be tried again (`NeedsRoom`).
        """
        gone = set(charge.names or ()) - set(asked.names) if asked.names else ()
        charge.give_back(Counts(new=charge.unname(gone)), asked.quantum)
        return whole._replace(new=charge.total.new)

    def let_by(self, asked: Asked, recipients: int) -> None:
        """Recipients without room that go on all the same: the end of the message asks no more about them."""
        charge = self._known(asked)
        if charge is None and asked.name:
            charge = Charge.of(asked, Counts())
            self.remember(asked.name, charge)
        if charge:
            charge.let_by += recipients

    def release(self, name: bytes, now: int) -> bool:
        """The message did not go on: give everything back. False: it is not known here (any more)."""
        charge = self.find(name)
        if charge is None:
            return False
        charge.release(now)
        return True

    def turn(self, quantum: int) -> int:
        """Begin a generation if it is time, and forget some of what is old; how many were given back by that.

        To be called several times a second, since it forgets no more than `FORGOTTEN_AT_ONCE` names, and as
        many as there are too many.
        """
        if quantum >= self._young[0][0] + _GENERATION or len(self._newest) >= self._most // GENERATIONS:
            self._newest = []
            self._young.appendleft((quantum, self._newest))
        self._find_old(quantum)
        left, back = FORGOTTEN_AT_ONCE + max(0, len(self) - self._most), 0
        while left and self._old:
            begun, names, whole = self._old[0]
            some = names[-left:]
            del names[-left:]
            left -= len(some)
            kept = [] if whole else [name for name in some if not self._charges[name].settled]
            if kept:
                self._open.append((begun, kept))
            back += sum(self._forget(name, quantum) for name in some if whole or self._charges[name].settled)
            if not names:
                self._old.popleft()
        return back

    def _find_old(self, quantum: int) -> None:
        """Generations of which the settled messages go, and then all; early, where there are too many."""
        while len(self._young) > 1 and self._young[-1][0] + _GENERATION + _SETTLED <= quantum:
            self._old.append((*self._young.pop(), False))
        while self._open and self._open[0][0] + _GENERATION + _KEPT <= quantum:
            self._old.append((*self._open.popleft(), True))
        if len(self) > self._most and not self._old:
            if self._open:
                self._old.append((*self._open.popleft(), True))
            elif len(self._young) > 1:
                self._old.append((*self._young.pop(), True))

    def _forget(self, name: bytes, quantum: int) -> bool:
        """True: it was given back, since its server told an end of others and never one of it."""
        charge = self._charges.pop(name)
        stands = charge.settled or self._ends_told_by.get(charge.server, -1) < charge.quantum
        if not stands and charge.quantum + _KEPT <= quantum:
            charge.settled = True  # another name of it may be here yet
            charge.release(quantum)
            return True
        return False

    def _known(self, asked: Asked) -> Charge | None:
        """The charge of that name. One of another account is of another message that had the same name."""
        charge = self.find(asked.name) if asked.name else None
        return charge if charge and charge.meter is asked.meter else None

    def _take(self, charge: Charge | None, asked: Asked, counts: Counts) -> Taken:
        so_far = charge.total.recipients if charge else 0
        cap = asked.meter.limits.per_message
        if cap is not None and so_far + counts.recipients > cap:
            return Taken(Over(Limit(RECIPIENTS, MESSAGE, cap), so_far, 0, wanted=so_far + counts.recipients))
        known = (charge.names or ()) if charge else ()
        names = tuple(name for name in asked.names if name not in known)
        # Which of the whole's recipients were let by is not known: none of them counts as a person.
        names = () if charge and charge.let_by else names
        taken = asked.meter.take(asked.quantum, counts, names, charge.so_far if charge else NOTHING)
        if taken.over:
            return taken
        counts = counts._replace(new=len(taken.fresh))
        if charge is None:
            self.remember(asked.name, Charge.of(asked, counts, taken.fresh))
        else:
            charge.add(asked.quantum, counts)
            charge.name(names, taken.fresh)
            charge.recipient_room -= counts.recipients
        return taken


def _without(whole: Counts, let_by: int) -> Counts:
    """What is left to count of a message some of whose recipients are not; nothing if none is."""
    left = max(0, whole.recipients - let_by)
    if not let_by or left == whole.recipients:
        return whole
    return Counts(
        min(whole.messages, left), left, min(whole.internal, left), min(whole.external, left), whole.bytes
    )


def _positive(counts: Counts) -> Counts:
    return Counts(*(max(0, number) for number in counts))
