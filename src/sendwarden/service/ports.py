"""What the service asks of the outside world. Adapters implement these, tests fake them."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from sendwarden.core import dns
from sendwarden.core.account import State
from sendwarden.core.errors import SendwardenError
from sendwarden.core.scan import Finding, ToScan
from sendwarden.engine.greylist.question import Answer, Findings, Question
from sendwarden.engine.limits.shared import NeedsRoom, SharedMeter
from sendwarden.engine.meters.keys import Reading
from sendwarden.engine.world import GreylistCall, MeterTables
from sendwarden.wire.sjsms import Reply

__all__ = [
    "AccountStates",
    "Act",
    "ActsAway",
    "Answered",
    "Checks",
    "Clock",
    "Directory",
    "DirectoryDown",
    "DirectoryUnclear",
    "Entry",
    "EventLog",
    "Exceptions",
    "Fields",
    "FinishChecks",
    "Ledger",
    "MeterTables",
    "News",
    "Outside",
    "QueryLog",
    "References",
    "RemoteGreylist",
    "Resolver",
    "Scanner",
    "SharedActs",
    "SharedRoom",
    "SharedTables",
    "SharedTime",
    "TableCall",
]


T = TypeVar("T")


class Clock(Protocol):
    """Time in seconds since the epoch. Never runs backwards while the process lives."""

    def now(self) -> float: ...


class References(Protocol):
    """Gives out references; none twice."""

    def next(self) -> str: ...


# What a line of the event log says; a function is asked for it a moment later, off the mail path.
Fields = Mapping[str, object] | Callable[[], Mapping[str, object]]


class AccountStates(Protocol):
    """The state of accounts. One that was never set is normal."""

    def state(self, account: str, now: float) -> State: ...

    def why(self, account: str) -> str:
        """The reason that was given for it; "" where it was never set."""
        ...

    def told(self, account: str) -> str:
        """What whoever sends is to be told of it; "": nothing of its own."""
        ...

    def incident_until(self, account: str, now: float) -> float | None:
        """Until when it has less room since it was held or contained; None: it has not."""
        ...

    def next_end(self, now: float) -> float:
        """When the next state ends, in seconds since the epoch; infinity: none does."""
        ...


class Exceptions(Protocol):
    """Where acts by hand are kept."""

    async def keep_exception(self, name: str, record: Mapping[str, object] | None) -> None:
        """Returns when it is durable; None: it is gone. Raises `StoreDown`."""
        ...


class Act(NamedTuple):
    """Something that was set by hand, or is gone, as several processes share it."""

    name: str
    record: Mapping[str, Any] | None  # None: it is gone
    until: float  # so long anybody has to know of it
    mark: str  # that no other act has
    version: int  # the later of two has the larger one; 0: it has none yet


class News(NamedTuple):
    """What came to the place where acts are shared."""

    place: str  # which it is; another one after it lost its memory
    upto: int  # so far of what came there was heard
    acts: tuple[Act, ...]
    more: bool  # is there more that came?


class ActsAway(SendwardenError):
    """The place where acts are shared gave no answer; the text says why."""


class SharedActs(Protocol):
    """Where several processes share what was set by hand."""

    @property
    def name(self) -> str:
        """Where it is, for the log."""
        ...

    async def exchange(self, acts: Sequence[Act], place: str, since: int, *, hear: bool) -> News:
        """Tell these, and ``hear`` what came ``since`` to that ``place``; of another one all.

        Raises `ActsAway`. What has no version is the latest and gets one, unless it was told before. What
        has one stands if that is the largest.
        """
        ...


class SharedTime(Protocol):
    """The time by which several processes count together."""

    @property
    def quantum(self) -> int:
        """That runs."""
        ...

    def own(self) -> float:
        """By this process' own clock, in seconds since the epoch."""
        ...

    def hear(self, asked: float, heard: float, there: float) -> None:
        """It was ``there`` where they count, between two times of our own."""
        ...


class KeptMeters(Protocol):
    """MeterMaid's throttle tables as a whole, for whoever looks through them."""

    @property
    def throttle_tables(self) -> tuple[str, ...]: ...

    def keys(self, table: str) -> list[str]:
        """All that are there now."""
        ...

    def query(self, table: str, key: str, now: float) -> Reading: ...

    def remove(self, table: str, key: str) -> None: ...


class SharedRoom(Protocol):
    """Where several processes count together. It may be away; nobody waits for it beyond its deadline."""

    @property
    def away(self) -> bool:
        """Does it not answer these days, so that nobody need ask?"""
        ...

    async def ask(self, need: NeedsRoom) -> bool:
        """Draw room for what could not be counted. False: there was no answer, and what is known must do."""
        ...

    async def look(self, meter: SharedMeter) -> bool:
        """Find out what others used. False: there was no answer."""
        ...

    async def forget(self, key: str) -> bool:
        """What one account sent over one channel counts no more. False: there was no answer."""
        ...


class DirectoryDown(SendwardenError):
    """The directory gave no answer; the text says why, without anything secret."""


class DirectoryUnclear(SendwardenError):
    """It did, and the answer could mean one thing or another; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a directory says of an account; empty: nothing."""

    row: str = ""  # the row of limits
    senders: tuple[str, ...] = ()  # addresses, ``@domain`` or local parts, as they stand there


class Directory(Protocol):
    """What a site knows of its accounts."""

    async def entry_of(self, account: str) -> Entry:
        """Raises `DirectoryDown` or `DirectoryUnclear`."""
        ...

    def close(self) -> None: ...


class EventLog(Protocol):
    """One line for each thing that happened.

    Never blocks and never raises: a line may be lost, mail may not.
    """

    def event(self, kind: str, fields: Fields) -> None: ...

    def warning(self, warning: str, about: str) -> None:
        """Told once a minute for each ``warning`` and ``about``, with a count."""
        ...


class Known(NamedTuple):
    """What a mapping entry that asks greylisting yields; None: the call fails."""

    text: str | None


# Gives what was asked for a little later.
AskLater = Callable[[], Coroutine[None, None, object]]
# What a callout asks, and the account that the mail is of ("": none).
AskGreylist = Callable[[GreylistCall, str], Known | AskLater]


class TableCall(NamedTuple):
    """A call of a MeterMaid table: a method of `MeterTables`, and what it is given."""

    method: str
    table: str
    key: str
    text: str = ""  # the value to store, or by how much to adjust
    now: float = 0.0


class SharedTables(Protocol):
    """MeterMaid's tables where several processes share them. Nobody waits for them beyond their deadline."""

    @property
    def away(self) -> bool:
        """Do they not answer these days, so that nobody need ask?"""
        ...

    async def ask(self, call: TableCall, here: Callable[[], T]) -> T:
        """What they say. ``here`` does the same in this process, and is the answer where they give none.

        Raises `MeterError` as `MeterTables` does.
        """
        ...

    def owe(self, call: TableCall) -> None:
        """Tell them when they answer again what was done here alone."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What a decision needs besides the configuration and the meters."""

    clock: Clock
    references: References
    log: EventLog
    chance: Callable[[], float]  # from 0 to just under 100, evenly
    greylist: AskGreylist | None = None  # what the callout grosscheck asks; None: it fails
    tables: SharedTables | None = None  # None: meters of callouts are this process' own


class Ledger(Protocol):
    """Where decisions are kept for `sendwarden why`."""

    async def keep(self, record: Mapping[str, object], notice: Mapping[str, object] | None = None) -> None:
        """Returns when the record is durable, and with it a message that must still be sent.

        Raises `StoreDown`; the caller answers all the same.
        """
        ...


class Scanner(Protocol):
    """Something that looks into messages."""

    @property
    def name(self) -> str:
        """As the settings call it."""
        ...

    async def scan(self, message: ToScan) -> Finding:
        """Raises `ScannerDown` for whatever is no answer. Takes as long as it takes: the caller gives up."""
        ...


# Who hears of an answer.
Answered = Callable[[dns.Question, dns.DnsAnswer], None]


class Resolver(Protocol):
    """The DNS. Trouble of any kind is in the answer; nothing raises."""

    on_answer: Answered  # told once of each question that was asked, however many waited for it

    def cached(self, question: dns.Question) -> dns.DnsAnswer | None:
        """What is known already."""
        ...

    async def ask(self, question: dns.Question, within_s: float) -> dns.DnsAnswer:
        """Ask, or wait with those who have asked already, for so long at the most."""
        ...

    async def close(self) -> None: ...


# Gives what checks find within so many seconds; who gives no answer is named. Never raises.
FinishChecks = Callable[[float], Coroutine[None, None, Findings]]


class Checks(Protocol):
    """What DNS lists and other checks say of a client, its sender and its HELO, for greylisting."""

    @property
    def lists(self) -> tuple[str, ...]:
        """Names of the lists as findings have them: rhsbl, dnswl, dnsbl."""
        ...

    @property
    def out_of_service(self) -> tuple[str, ...]:
        """Those that are not believed now, or do not answer."""
        ...

    def ask(self, asked: Question) -> Findings | FinishChecks:
        """What they found, where that is at hand; else what is to be awaited, once."""
        ...


class QueryLog(Protocol):
    """Greylisting's own log, of every answer. Never blocks and never raises: a line may be lost."""

    def add(self, now: float, asked: Question, answer: Answer, took_s: float) -> None: ...


class RemoteGreylist(Protocol):
    """Another server that greylists."""

    async def ask(self, call: GreylistCall) -> Reply | None:
        """What it says; None: nobody answers. Never raises, and has deadlines of its own."""
        ...
