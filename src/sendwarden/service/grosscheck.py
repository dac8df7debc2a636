"""The callout ``grosscheck``: asked of our own greylisting where the call names us, else of a remote server.

A filter cannot wait: it is given up with `Pending`, the answer awaited, and it runs again with a `Memo` of
all that it was told the first time, so that nothing is counted or asked twice. Without an answer the mapping
entry fails, as in the original; the document's table then lets the mail pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

from sendwarden.engine.greylist.question import Action, Answer, Question
from sendwarden.engine.meters.keys import MeterError, Reading
from sendwarden.engine.world import GreylistCall, MeterTables
from sendwarden.service.greylisting import Greylisting, Lookup
from sendwarden.service.ports import AskLater, Known, Outside, RemoteGreylist
from sendwarden.wire.sjsms import Kind, Reply

T = TypeVar("T")

# What the original's client says for a letter without words.
OWN_WORDS = {
    Kind.GREY: "$X4.4.3|$NPlease$ try$ again$ later",
    Kind.MATCH: "$Y",
    Kind.TRUST: "$Y",
    Kind.BLOCK: "$N",
}
# Letters of an answer that a mapping entry takes.
MOST_LETTERS = 252
# How long all of it may take: two servers, of whom one asked for patience.
PATIENCE_S = 15.0


class Pending(Exception):
    """No error: greylisting has to be asked before the evaluation can go on."""

    def __init__(self, ask: AskLater) -> None:
        super().__init__("greylisting is to be asked")
        self.ask = ask


class Grosscheck:
    """Asks. ``places``: where our own service listens, as ``address:port``."""

    def __init__(self, own: Greylisting, places: frozenset[str], remote: RemoteGreylist) -> None:
        self._own = own
        self._places = places
        self._remote = remote

    def ask(self, call: GreylistCall, account: str) -> Known | AskLater:
        """``account``: the login that the mail is of; "": none."""
        if f"{call.servers[0]}:{call.port}" not in self._places:
            return partial(self._asked_remotely, call)
        answer = self._own.ask(Question(call.sender, call.recipient, call.client_address, call.helo, account))
        return partial(self._looked_up, answer) if isinstance(answer, Lookup) else self._known(answer)

    def _known(self, answer: Answer) -> Known:
        action = self._own.action(answer)
        if action is Action.FAIL:
            return Known(None)
        return Known(self._own.manner.sjsms_text(action, answer.reason)[:MOST_LETTERS])

    async def _looked_up(self, lookup: Lookup) -> Known:
        return self._known(await self._own.look(lookup, self._own.manner.wait_s))

    async def _asked_remotely(self, call: GreylistCall) -> Known:
        return said(await self._remote.ask(call))


def said(reply: Reply | None) -> Known:
    """What a server's reply makes of the entry; None: there was none."""
    if reply is None or reply.kind not in OWN_WORDS:
        return Known(None)
    text = OWN_WORDS[reply.kind] if reply.text is None else reply.text.partition("\0")[0]
    return Known(text[:MOST_LETTERS])


@dataclass(slots=True)
class Memo:
    """What an evaluation was told, in order. It is the engine's meters, chance and greylisting."""

    now: float
    meters: MeterTables
    ask_chance: Callable[[], float]
    ask_greylist: Callable[[GreylistCall], Known | AskLater]
    _told: list[object] = field(default_factory=list)
    _at: int = 0

    def begin_again(self, answer: Known) -> None:
        """From the beginning, and now with this answer."""
        self._told.append(answer)
        self._at = 0

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

    def greylist(self, call: GreylistCall) -> str | None:
        """Raises `Pending` where nobody knows yet."""
        if self.replaying:
            return self._once(lambda: Known(None)).text
        found = self.ask_greylist(call)
        if not isinstance(found, Known):
            raise Pending(found)
        return self._once(lambda: found).text

    def chance(self) -> float:
        return self._once(self.ask_chance)

    def throttle(self, table: str, key: str, now: float) -> Reading:
        return self._once(lambda: self.meters.throttle(table, key, now))

    def query(self, table: str, key: str, now: float) -> Reading:
        return self._once(lambda: self.meters.query(table, key, now))

    def fetch(self, table: str, key: str) -> str | int:
        return self._once(lambda: self.meters.fetch(table, key))

    def store(self, table: str, key: str, value: str) -> None:
        self._once(lambda: self.meters.store(table, key, value))

    def adjust(self, table: str, key: str, delta: str) -> int:
        return self._once(lambda: self.meters.adjust(table, key, delta))

    def remove(self, table: str, key: str) -> None:
        self._once(lambda: self.meters.remove(table, key))

    def defer(self, table: str, key: str, now: float) -> bool:
        return self._once(lambda: self.meters.defer(table, key, now))

    def next_number(self, sequence: str) -> int:
        return self._once(lambda: self.meters.next_number(sequence))


def memo_of(outside: Outside, meters: MeterTables, account: str) -> Memo | None:
    """For an evaluation that may ask greylisting; None: nobody could be asked."""
    ask = outside.greylist
    if ask is None:
        return None
    return Memo(outside.clock.now(), meters, outside.chance, lambda call: ask(call, account))
