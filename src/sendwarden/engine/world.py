"""What a decision in progress may ask of the world. The engine never reaches out itself."""

from typing import Protocol

from sendwarden.core.decision import Reason
from sendwarden.engine.meters.keys import Reading


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


class World(Protocol):
    """One decision's view: its time, the meters, chance, and where it leaves reasons and warnings."""

    @property
    def now(self) -> float: ...

    @property
    def meters(self) -> MeterTables: ...

    def chance(self) -> float:
        """A number from 0 to just under 100, evenly."""
        ...

    def note(self, reason: Reason) -> None:
        """A fact that belongs among the decision's reasons."""
        ...

    def warn(self, warning: str, about: str) -> None:
        """Something to tell the postmaster, once a minute with a count; ``warning`` is a message id."""
        ...
