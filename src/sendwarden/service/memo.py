"""What an evaluation was told, so that it can be given up, and run again when more is known.

A filter cannot wait. Where somebody else has to be asked (greylisting; meters that several processes share),
it is given up with `Pending`, the answer awaited, and it runs again with a `Memo` of all that it was told, so
that nothing is counted or asked twice. Of a message with many recipients the runs that came to an end are not
run again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

from sendwarden.core.decision import Reason
from sendwarden.engine.meters.keys import MeterError, Reading
from sendwarden.engine.sieve.outcome import Outcome
from sendwarden.engine.world import GreylistCall, MeterTables, not_asked
from sendwarden.service.ports import AskLater, Known, Outside, SharedTables, TableCall

T = TypeVar("T")


class Pending(Exception):
    """No error: somebody has to be asked before the evaluation can go on."""

    def __init__(self, ask: AskLater) -> None:
        super().__init__("somebody is to be asked")
        self.ask = ask


@dataclass(slots=True)
class Memo:
    """What was told, in order. It is the engine's meters, chance and greylisting.

    ``meters`` are those of this process, ``shared`` the same where several share them; None: they do not.
    """

    now: float
    meters: MeterTables
    ask_chance: Callable[[], float]
    ask_greylist: Callable[[GreylistCall], Known | AskLater] | None  # None: nobody can be asked
    shared: SharedTables | None = None
    notes: dict[tuple[object, ...], Reason] = field(default_factory=dict)  # of all runs so far
    ended: list[Outcome] = field(default_factory=list)  # runs of filters that came to an end
    _told: list[object] = field(default_factory=list)
    _at: int = 0
    _begin: int = 0  # what was told from here on was told to the run that has not ended

    def begin_again(self, answer: object) -> None:
        """From where the last run ended, and now with this answer."""
        self._told.append(answer)
        self._at = self._begin

    def run(self, number: int, evaluate: Callable[[], Outcome]) -> Outcome:
        """Run of a filter number ``number``, from 0; once it has ended, what came of it."""
        if number == len(self.ended):
            self.ended.append(evaluate())
            self._begin = self._at
        return self.ended[number]

    @property
    def replaying(self) -> bool:
        """Was what is asked now asked before?"""
        return self._at < len(self._told)

    def _once(self, ask: Callable[[], T]) -> T:
        if not self.replaying:
            try:
                self._told.append(ask())
            except MeterError as error:
                self._told.append(error)
        told = self._told[self._at]
        self._at += 1
        if isinstance(told, MeterError):
            raise told
        return cast("T", told)

    def _table(self, call: TableCall, here: Callable[[], T]) -> T:
        """A call of a table, which ``here`` does in this process. Raises `Pending` where several share it."""
        shared = self.shared
        if shared is None or self.replaying:
            return self._once(here)
        if not shared.away:
            raise Pending(partial(_asked, shared, call, here))
        shared.owe(call)
        return self._once(here)

    def greylist(self, call: GreylistCall) -> str | None:
        """Raises `Pending` where nobody knows yet."""
        if self.replaying:
            return self._once(lambda: Known(None)).text
        if self.ask_greylist is None:
            return self._once(lambda: not_asked(call))
        found = self.ask_greylist(call)
        if not isinstance(found, Known):
            raise Pending(found)
        return self._once(lambda: found).text

    def chance(self) -> float:
        return self._once(self.ask_chance)

    def throttle(self, table: str, key: str, now: float) -> Reading:
        call = TableCall("throttle", table, key, now=now)
        return self._table(call, lambda: self.meters.throttle(table, key, now))

    def query(self, table: str, key: str, now: float) -> Reading:
        call = TableCall("query", table, key, now=now)
        return self._table(call, lambda: self.meters.query(table, key, now))

    def fetch(self, table: str, key: str) -> str | int:
        return self._table(TableCall("fetch", table, key), lambda: self.meters.fetch(table, key))

    def store(self, table: str, key: str, value: str) -> None:
        self._table(TableCall("store", table, key, value), lambda: self.meters.store(table, key, value))

    def adjust(self, table: str, key: str, delta: str) -> int:
        call = TableCall("adjust", table, key, delta)
        return self._table(call, lambda: self.meters.adjust(table, key, delta))

    def remove(self, table: str, key: str) -> None:
        self._table(TableCall("remove", table, key), lambda: self.meters.remove(table, key))

    def defer(self, table: str, key: str, now: float) -> bool:
        call = TableCall("defer", table, key, now=now)
        return self._table(call, lambda: self.meters.defer(table, key, now))

    def next_number(self, sequence: str) -> int:
        return self._once(lambda: self.meters.next_number(sequence))


async def _asked(shared: SharedTables, call: TableCall, here: Callable[[], object]) -> object:
    """What the table says, or the error."""
    try:
        return await shared.ask(call, here)
    except MeterError as error:
        return error


def memo_of(outside: Outside, meters: MeterTables, account: str) -> Memo:
    """For an evaluation that may be given up."""
    ask = outside.greylist
    asked = (lambda call: ask(call, account)) if ask else None
    return Memo(outside.clock.now(), meters, outside.chance, asked, outside.tables)
