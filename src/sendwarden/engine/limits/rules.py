"""What limits there are for an account: rows of rates, and the lowest of all rows that apply."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import NamedTuple

from sendwarden.core.decision import Verdict

from .windows import WINDOWS

# What is counted, in the order in which a meter keeps it. The first two always are, the others only where a
# limit names them.
COUNTERS = ("messages", "recipients", "internal", "external", "bytes", "distinct", "new")
PLAIN = 2
RECIPIENTS = 1
BYTES = 4
# Recipients that differ, and those that the account never wrote to before (`people`).
DISTINCT = 5
NEW = 6
# Shares of a limit at which somebody is told.
LEVELS = (0.5, 0.8, 1.0)
# Stands for a window where a limit is one for each message.
MESSAGE = len(WINDOWS)


class Limit(NamedTuple):
    """At most ``most`` of a counter in a window."""

    counter: int  # of COUNTERS
    window: int  # of WINDOWS
    most: int
    source: str = ""  # which row it comes from, for people
    presumed: bool = False  # stands in while it is not known what was used

    @property
    def counted(self) -> str:
        return COUNTERS[self.counter]

    @property
    def window_name(self) -> str:
        return WINDOWS[self.window].name if self.window < MESSAGE else "message"

    def __str__(self) -> str:
        return f"{self.counted} {self.most}/{self.window_name}"


def amount(limit: Limit, level: float) -> int:
    """How many reach this share of a limit."""
    return max(1, ceil(limit.most * level))


class Counts(NamedTuple):
    """How much one message, or one recipient of it, adds to each of `COUNTERS`."""

    messages: int = 0
    recipients: int = 0
    internal: int = 0
    external: int = 0
    bytes: int = 0
    distinct: int = 0  # always 0: what it adds depends on the window
    new: int = 0

    def minus(self, other: "Counts") -> "Counts":
        return Counts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Counts()


@dataclass(frozen=True)
class Limits:
    """A set of limits: at most one for each counter and window. Empty: unlimited."""

    limits: tuple[Limit, ...] = ()
    per_message: int | None = None  # recipients

    def __post_init__(self) -> None:
        if len({(one.counter, one.window) for one in self.limits}) != len(self.limits):
            raise ValueError("two limits for one counter and window")

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Counters besides messages and recipients that a limit names."""
        return tuple(sorted({one.counter for one in self.limits if one.counter >= PLAIN}))

    @cached_property
    def marks(self) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
        """Window and counter of each limit, with how many reach each of `LEVELS`."""
        return tuple(
            (one.window, one.counter, tuple(amount(one, level) for level in LEVELS)) for one in self.limits
        )

    @cached_property
    def people(self) -> bool:
        """Does a limit ask who the recipients are?"""
        return DISTINCT in self.others or NEW in self.others

    def __bool__(self) -> bool:
        return bool(self.limits) or self.per_message is not None

    def of(self, counter: int, window: int) -> Limit | None:
        return next((one for one in self.limits if (one.counter, one.window) == (counter, window)), None)

    def scaled(self, share: float, source: str) -> "Limits":
        """All of them times ``share``, at least 1 each."""
        scaled = tuple(
            one._replace(most=max(1, floor(one.most * share)), source=f"{one.source}, {source}")
            for one in self.limits
        )
        cap = self.per_message
        return Limits(scaled, cap if cap is None else max(1, floor(cap * share)))

    def replaced(self, by: "Limits") -> "Limits":
        """What ``by`` names takes the place of ours."""
        named = {(one.counter, one.window) for one in by.limits}
        kept = tuple(one for one in self.limits if (one.counter, one.window) not in named)
        return Limits((*kept, *by.limits), self.per_message if by.per_message is None else by.per_message)


UNLIMITED = Limits()
# What stands for it where a row could be named.
NO_LIMITS = "unlimited"


@dataclass(frozen=True, slots=True)
class OverLimit:
    """What happens with what is over a limit."""

    verdict: Verdict = Verdict.DEFER
    transport: str = ""  # of the mail server; then the verdict is ACCEPT
    delay_s: float = 0.0  # the answer comes so much later; then the verdict is ACCEPT

    @property
    def name(self) -> str:
        """As the setting `over_limit` calls it, without the transport."""
        if self.verdict is not Verdict.ACCEPT:
            return str(self.verdict.value)
        return "filter" if self.transport else "slow"


DEFER = OverLimit()


def lowest(rows: Iterable[Limits]) -> Limits:
    """Of all rows that apply, the lowest limit for each counter and window."""
    found: dict[tuple[int, int], Limit] = {}
    caps = []
    for row in rows:
        if row.per_message is not None:
            caps.append(row.per_message)
        for one in row.limits:
            known = found.get((one.counter, one.window))
            if known is None or one.most < known.most:
                found[one.counter, one.window] = one
    return Limits(tuple(found[key] for key in sorted(found)), min(caps, default=None))
