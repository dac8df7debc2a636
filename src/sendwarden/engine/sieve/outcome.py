"""What a run of a script wants: actions in order, or the implicit keep.

The caller decides what becomes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sendwarden.engine.mapping.run import TriedEntry


@dataclass(frozen=True, slots=True)
class Keep:
    """Deliver as if there were no script."""

    line: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Drop silently."""

    line: int


@dataclass(frozen=True, slots=True)
class FileInto:
    """Deliver into a mailbox. ``copy`` (RFC 3894): besides whatever else happens."""

    line: int
    mailbox: str
    copy: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send on to another address. ``copy`` as above."""

    line: int
    address: str
    copy: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse (RFC 5429). ``in_protocol``: `ereject`, never a bounce where a bounce could be backscatter."""

    line: int
    text: str
    in_protocol: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """Messaging Server: keep it back until somebody releases it."""

    line: int


@dataclass(frozen=True, slots=True)
class Jettison:
    """Messaging Server: drop it, whatever another script says."""

    line: int


@dataclass(frozen=True, slots=True)
class Capture:
    """Messaging Server: a copy to an address, unseen by sender and recipients."""

    line: int
    address: str


@dataclass(frozen=True, slots=True)
class TransactionLog:
    """Messaging Server: a text for the transaction log."""

    line: int
    text: str


Action = Keep | Discard | FileInto | Redirect | Reject | Hold | Jettison | Capture | TransactionLog


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One test or action of a traced run: where it stands, as written, what it saw, what came of it."""

    line: int
    column: int
    source: str
    result: str  # "yes", "no", or what an action did
    values: tuple[str, ...] = ()
    entries: tuple[TriedEntry, ...] = ()  # of the mapping table that was asked


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run ended early. The actions are dropped and the message is kept."""

    line: int
    says: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run. ``implicit_keep``: no action took delivery over."""

    actions: tuple[Action, ...]
    implicit_keep: bool
    variables: Mapping[str, str] = field(default_factory=dict)
    error: RunError | None = None
    trace: tuple[TraceLine, ...] = ()
