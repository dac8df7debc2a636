"""Accounts with a past, and what happens to them: the events that tests of detection are made of."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import count

from sendwarden.core.event import (
    ComplaintEvent,
    ComplaintSource,
    DeliveryEvent,
    DirectoryEvent,
    Event,
    LoginEvent,
    Origin,
    Outcome,
    SubmissionEvent,
)
from sendwarden.detect.machine import Change, Machine
from sendwarden.detect.profile import Profile
from sendwarden.detect.site import SiteContext

DAY, HOUR, MINUTE = 86_400.0, 3600.0, 60.0
START = 1_700_006_400.0  # midnight, UTC
OWN = "example.org"
OFFICE = Origin(ip_address("10.0.0.7"))
HOME = Origin(ip_address("192.0.2.7"), "CH", 64500)
AWAY = Origin(ip_address("198.51.100.9"), "VN", 64510)
NEAR = Origin(ip_address("203.0.113.3"), "DE", 64520)


@dataclass(slots=True)
class Site:
    """A machine and a clock that goes on by what is told."""

    at: float = START
    machine: Machine = field(
        default_factory=lambda: Machine(SiteContext(b"key", (OWN,), (ip_network("10.0.0.0/8"),)))
    )
    changes: list[Change] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    def tell(self, event: Event) -> None:
        self.at = max(self.at, event.at)
        if change := self.machine.observe(event):
            self.changes.append(change)

    def wait(self, seconds: float) -> None:
        """Time passes, with a sweep every ten minutes."""
        ends = self.at + seconds
        while self.at < ends:
            self.at = min(ends, self.at + 600)
            self.changes += self.machine.sweep(self.at)

    def profile(self, account: str = "bob") -> Profile:
        return self.machine.profiles[account]

    def send(  # noqa: PLR0913 - all that a message may have
        self,
        recipients: Iterable[str] | int = 1,
        *,
        account: str = "bob",
        origin: Origin = OFFICE,
        channel: str = "submission-auth-external",
        score: float | None = 0.5,
        header: str | None = None,
        envelope: str | None = None,
        invalid: int = 0,
        deliver: bool = True,
    ) -> SubmissionEvent:
        """A message and its outcomes a second later. A number of recipients: so many strangers."""
        number = next(self.numbers)
        if isinstance(recipients, int):
            recipients = [f"s{number}x{each}@far.example" for each in range(recipients)]
        own = f"{account}@{OWN}"
        event = SubmissionEvent(
            self.at,
            account,
            f"m{number}",
            origin,
            "submission-auth-internal" if origin is OFFICE else channel,
            own if envelope is None else envelope,
            own if header is None else header,
            None,
            tuple(recipients),
            2000,
            score,
        )
        self.tell(event)
        self.at += 1
        for place, recipient in enumerate(event.recipients if deliver else ()):
            bad = place < invalid
            self.outcome(
                event, recipient, Outcome.REJECTED if bad else Outcome.DELIVERED, "5.1.1" if bad else "2.0.0"
            )
        return event

    def outcome(self, message: SubmissionEvent, recipient: str, outcome: Outcome, dsn: str) -> None:
        self.tell(DeliveryEvent(self.at, message.account, message.message, recipient, outcome, dsn))

    def login(self, *, success: bool = True, account: str = "bob", origin: Origin = HOME) -> None:
        self.tell(LoginEvent(self.at, account, success, origin, "submission-auth-external"))

    def complain(self, source: ComplaintSource, message: str | None, account: str = "bob") -> None:
        self.tell(ComplaintEvent(self.at, account, source, message))

    def change(self, attribute: str, origin: Origin = HOME, account: str = "bob") -> None:
        self.tell(DirectoryEvent(self.at, account, attribute, None, "new", account, origin))

    def past(self, days: int = 6, account: str = "bob", origin: Origin = HOME) -> None:
        """Ordinary days: some mail to the same few people, from the office and from home."""
        friends = [f"friend{number}@far.example" for number in range(8)]
        begins = self.at
        for day in range(days):
            self.at = begins + day * DAY + 9 * HOUR
            for number in range(10):
                self.send([friends[number % 8]], account=account, origin=OFFICE if number % 2 else origin)
                self.at += 20 * MINUTE
        self.at = begins + days * DAY


def with_past(days: int = 6) -> Site:
    site = Site()
    site.past(days)
    return site
