"""A message on its way through a queue, as far as the log has told of it."""

from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

from sendwarden.core.event import NOWHERE, DeliveryEvent, Event, Origin, Outcome, SubmissionEvent

# Host, instance and queue id.
Key = tuple[str, str, str]
# When, recipient, outcome, enhanced status.
Tried = tuple[float, str, Outcome, str | None]

_REMEMBERED = 1 << 14


@dataclass(slots=True)
class Message:
    """``account`` is empty while nobody knows whose it is. ``name`` is unique within the site."""

    key: Key
    name: str
    started: float
    account: str = ""
    origin: Origin = NOWHERE
    authenticated: bool = False
    inside: bool = False  # from this machine, so that it may be another message that a filter gave back
    continues: bool = False  # it is another message's, whose submission was told
    sender: str | None = None
    size: int | None = None
    active_at: float | None = None
    expected: int = 0  # recipients in the queue
    recipients: dict[str, str] = field(default_factory=dict)  # each as delivered to, and as addressed
    tried: list[Tried] = field(default_factory=list)  # not told yet
    deferred: dict[str, str | None] = field(default_factory=dict)  # who is still waited for
    named: bool = False  # has it a Message-ID?
    told: bool = False
    removed: bool = False
    touched: float = 0.0
    letters: int = 0

    def submission(self) -> list[Event]:
        """What is told when nothing more is waited for: the submission, and what became of it so far."""
        self.told = True
        tried, self.tried = self.tried, []
        recipients, self.recipients = self.recipients, {}
        if not self.account:
            return []
        events: list[Event] = []
        if not self.continues:
            addressed = tuple(dict.fromkeys(recipients.values()))
            at = self.started if self.active_at is None else self.active_at
            events.append(
                SubmissionEvent(
                    at,
                    self.account,
                    self.name,
                    self.origin,
                    None,
                    self.sender,
                    None,
                    None,
                    addressed,
                    self.size,
                )
            )
        events += [self.outcome(*one) for one in tried]
        return events

    def outcome(self, at: float, recipient: str, outcome: Outcome, dsn: str | None) -> DeliveryEvent:
        return DeliveryEvent(at, self.account, self.name, recipient, outcome, dsn)

    def continue_(self, other: "Message") -> None:
        """It is the other message, filtered or forwarded."""
        self.account, self.name, self.origin = other.account, other.name, other.origin
        self.continues = True

    @property
    def complete(self) -> bool:
        """Is everything known that a submission tells?"""
        return self.active_at is not None and bool(self.account) and len(self.recipients) >= self.expected


@lru_cache(maxsize=_REMEMBERED)
def origin_of(address: str) -> Origin:
    """``unknown`` is nowhere."""
    try:
        ip = ip_address(address.removeprefix("IPv6:").partition("%")[0])
    except ValueError:
        return NOWHERE
    return Origin(getattr(ip, "ipv4_mapped", None) or ip)


def is_loopback(address: str) -> bool:
    ip = origin_of(address).address
    return ip is not None and ip.is_loopback
