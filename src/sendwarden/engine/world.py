"""What a decision in progress may ask of the world. The engine never reaches out itself."""

from typing import Protocol

from sendwarden.core.decision import Reason
from sendwarden.engine.meters.keys import MeterError, Reading


class MeterTables(Protocol):
    """MeterMaid's tables by name, shared by all decisions.

    Every method raises `MeterError` where the table is unknown or of another type, or the key or number is
    bad.
    """

    def throttle(self, table: str, key: str, now: float) -> Reading: ...

    def query(self, table: str, key: str, now: float) -> Reading: ...

    def fetch(self, table: str, key: str) -> str | int: ...

    def store(self, table: str, key: str, value: str) -> None: ...

    def adjust(self, table: str, key: str, delta: str) -> int: ...

    def remove(self, table: str, key: str) -> None: ...

    def defer(self, table: str, key: str, now: float) -> bool: ...

    def next_number(self, sequence: str) -> int:
        """The next number of a mapping table's sequence, from 0."""
        ...


class GreylistCall(Protocol):
    """What the callout ``grosscheck`` asks. ``servers``: one or two, literal addresses."""

    @property
    def servers(self) -> tuple[str, ...]: ...

    @property
    def port(self) -> int: ...

    @property
    def client_address(self) -> str: ...

    @property
    def recipient(self) -> str: ...

    @property
    def sender(self) -> str: ...

    @property
    def helo(self) -> str | None: ...


class World(Protocol):
    """One decision's view: its time, the meters, chance, and where it leaves reasons and warnings."""

    @property
    def now(self) -> float: ...

    @property
    def meters(self) -> MeterTables: ...

    def chance(self) -> float:
        """A number from 0 to just under 100, evenly."""
        ...

    def greylist(self, call: GreylistCall) -> str | None:
        """What the server says, as a template; None: nobody answers. May give up, to run again."""
        ...

    def note(self, reason: Reason) -> None:
        """A fact that belongs among the decision's reasons."""
        ...

    def warn(self, warning: str, about: str) -> None:
        """Something to tell the postmaster, once a minute with a count; ``warning`` is a message id."""
        ...


def not_asked(call: GreylistCall) -> str | None:
    """For a world that cannot wait for an answer. Raises `MeterError`: the call fails, and that is told."""
    del call
    raise MeterError("greylisting is not asked here, where nobody waits for an answer")
