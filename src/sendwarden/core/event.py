"""What happened: a login, a submission, what became of it, a complaint, a change in the directory.

Logs are read into these, the simulator writes them, signals look at them. Times are Unix seconds. What is not
known is None (or empty, for text and sets of recipients), and is never taken for good or for bad.
"""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address


class Outcome(Enum):
    """What a server said in the end of one recipient."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"  # it was accepted, and came back
    DEFERRED = "deferred"
    REJECTED = "rejected"  # never accepted


class ComplaintSource(Enum):
    """By which way we heard of it."""

    ARF = "arf"  # RFC 5965
    USER_REPORT = "user-report"
    SPAMTRAP = "spamtrap"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where somebody came from. Country as ISO 3166 alpha-2, `asn` the number of the autonomous system."""

    address: IPv4Address | IPv6Address | None = None
    country: str | None = None
    asn: int | None = None


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class LoginEvent:
    """Somebody logged in, or tried to."""

    at: float
    account: str
    success: bool
    origin: Origin = NOWHERE
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class SubmissionEvent:
    """One message that was accepted. `spam_score` None: nobody scored it, which says nothing."""

    at: float
    account: str
    message: str  # ties outcomes to it; unique within the site
    origin: Origin = NOWHERE
    channel: str | None = None
    envelope_from: str | None = None
    header_from: str | None = None
    reply_to: str | None = None
    recipients: tuple[str, ...] = ()
    size: int | None = None  # bytes
    spam_score: float | None = None


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """What became of one recipient of a message. `dsn` as in RFC 3463: "5.1.1"."""

    at: float
    account: str
    message: str
    recipient: str
    outcome: Outcome
    dsn: str | None = None


@dataclass(frozen=True, slots=True)
class ComplaintEvent:
    """`message` None: nobody can say which it was."""

    at: float
    account: str
    source: ComplaintSource
    message: str | None = None


@dataclass(frozen=True, slots=True)
class DirectoryEvent:
    """One attribute of an account changed. None: not known, or not there."""

    at: float
    account: str
    attribute: str
    old: str | None = None
    new: str | None = None
    by: str | None = None
    origin: Origin = NOWHERE


Event = LoginEvent | SubmissionEvent | DeliveryEvent | ComplaintEvent | DirectoryEvent
