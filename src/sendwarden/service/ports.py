"""What the service asks of the outside world. Adapters implement these, tests fake them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sendwarden.core.account import State
from sendwarden.engine.world import MeterTables

__all__ = ["AccountStates", "Clock", "EventLog", "Fields", "Ledger", "MeterTables", "Outside", "References"]


class Clock(Protocol):
    """Time in seconds since the epoch. Never runs backwards while the process lives."""

    def now(self) -> float: ...


class References(Protocol):
    """Gives out references; none twice."""

    def next(self) -> str: ...


# What a line of the event log says; a function is asked for it a moment later, off the mail path.
Fields = Mapping[str, object] | Callable[[], Mapping[str, object]]


class AccountStates(Protocol):
    """Where each account stands. Answers at once, from memory."""

    def state(self, account: str, now: float) -> State:
        """The state of an account as `core.identity.account_of` names it; NORMAL for one never heard of."""
        ...


class EventLog(Protocol):
    """One line for each thing that happened.

    Never blocks and never raises: a line may be lost, mail may not.
    """

    def event(self, kind: str, fields: Fields) -> None: ...

    def warning(self, warning: str, about: str) -> None:
        """Told once a minute for each ``warning`` and ``about``, with a count."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What a decision needs besides the configuration and the meters."""

    clock: Clock
    references: References
    log: EventLog
    chance: Callable[[], float]  # from 0 to just under 100, evenly


class Ledger(Protocol):
    """Where decisions are kept for `sendwarden why`."""

    async def keep(self, record: Mapping[str, object], notice: Mapping[str, object] | None = None) -> None:
        """Returns when the record is durable, and with it a message that must still be sent.

        Raises `StoreDown`; the caller answers all the same.
        """
        ...
