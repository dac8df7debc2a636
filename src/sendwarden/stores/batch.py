"""What goes to the state file in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sendwarden.stores.memory import Changes


@dataclass(slots=True)
class Batch:
    """What one transaction writes."""

    changes: Changes = field(default_factory=Changes)
    anew: bool = False  # the meters are all there is: forget what the file holds of them
    decisions: list[Mapping[str, object]] = field(default_factory=list)  # with "reference", "at", "account"
    notices: list[Mapping[str, object]] = field(default_factory=list)  # with "id", "at"
    done_notices: list[str] = field(default_factory=list)
    exceptions: dict[str, Mapping[str, object] | None] = field(default_factory=dict)  # None: it is gone
    meta: dict[str, str] = field(default_factory=dict)

    def records(self) -> "Batch":
        """What of it is known nowhere else once it is written."""
        return Batch(
            decisions=[*self.decisions],
            notices=[*self.notices],
            done_notices=[*self.done_notices],
            exceptions=dict(self.exceptions),
        )

    def followed_by(self, later: "Batch") -> None:
        """What has come in later is part of it."""
        self.decisions += later.decisions
        self.notices += later.notices
        self.done_notices += later.done_notices
        self.exceptions |= later.exceptions

    @property
    def must_last(self) -> bool:
        """Does anything in it have to survive a power cut?"""
        return bool(self.decisions or self.notices or self.done_notices or self.exceptions or self.meta)

    def __bool__(self) -> bool:
        changes = self.changes
        return (
            self.must_last or self.anew or bool(changes.meters or changes.sequences or changes.dropped_tables)
        )
