"""What the world answers: deliveries, rejections, bounces that come late or never, complaints, listings.

Receivers that got much spam from us within an hour refuse everything of ours for a while: innocents too.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterator
from random import Random

from sendwarden.core.event import (
    ComplaintEvent,
    ComplaintSource,
    DeliveryEvent,
    DirectoryEvent,
    Event,
    LoginEvent,
    Outcome,
    SubmissionEvent,
)
from sendwarden.core.identity import split_address
from sendwarden.simulate.draft import DAY_S, Doings, Draft
from sendwarden.simulate.world import RECEIVERS, SITE_DOMAIN, Receiver, World

REJECTED_AT_ONCE = 0.75  # of invalid recipients; the rest bounce later
LISTED_S = 8 * 3600.0
LISTED_SHARE = 0.8  # of mail to a domain that lists us
OUTAGE_S = 3 * 3600.0
OUTAGES_A_DAY = 0.05  # of a domain
FULL = 0.004  # mailboxes
REPORTED_S = 2400.0  # until our own users report
COMPLAINT_S = 6 * 3600.0
UNTIED = 0.2  # complaints that do not say which message
HOUR_S = 3600.0


class Receivers:
    """All domains of the world, at their work."""

    def __init__(self, world: World, chance: Random, start: float, days: int) -> None:
        self.world = world
        self.chance = chance
        self.by_domain = {receiver.domain: receiver for receiver in RECEIVERS}
        self.spam: dict[str, deque[float]] = defaultdict(deque)
        self.listed_until: dict[str, float] = {}
        self.outages = {
            receiver.domain: [
                start + chance.random() * days * DAY_S
                for _ in range(round(OUTAGES_A_DAY * days + chance.random()))
            ]
            for receiver in RECEIVERS
        }

    def answers(self, draft: Draft) -> Iterator[Event]:
        """What becomes of a message, in no order."""
        event, attack, chance = draft.event, draft.attack, self.chance
        for recipient in event.recipients:
            domain = split_address(recipient)[1]
            receiver = self.by_domain.get(domain)
            at = event.at + (chance.uniform(0.1, 2) if receiver is None else chance.uniform(1, 20))
            if recipient in draft.invalid:
                yield from self._no_such(draft, recipient, at, at_once=receiver is None)
                continue
            refused = attack is not None and receiver is not None and chance.random() < attack.refused
            if refused or (receiver and self._lists(receiver, at, spam=attack is not None)):
                yield self._delivery(draft, recipient, at, Outcome.REJECTED, "5.7.1")
                continue
            yield from self._takes(draft, recipient, at, receiver)
            yield from self._says(draft, domain, at)

    def _no_such(self, draft: Draft, recipient: str, at: float, *, at_once: bool) -> Iterator[Event]:
        if at_once or self.chance.random() < REJECTED_AT_ONCE:
            yield self._delivery(draft, recipient, at, Outcome.REJECTED, "5.1.1")
            return
        yield self._delivery(draft, recipient, at, Outcome.DELIVERED, "2.0.0")
        if self.chance.random() >= self.world.dsn_lost:
            back = at + self.chance.expovariate(1 / self.world.dsn_delay_s)
            yield self._delivery(draft, recipient, back, Outcome.BOUNCED, "5.1.1")

    def _takes(self, draft: Draft, recipient: str, at: float, receiver: Receiver | None) -> Iterator[Event]:
        if receiver and any(began <= at < began + OUTAGE_S for began in self.outages[receiver.domain]):
            yield self._delivery(draft, recipient, at, Outcome.DEFERRED, "4.4.1")
            at += OUTAGE_S
        elif receiver and receiver.greylists and self.chance.random() < 0.3:
            yield self._delivery(draft, recipient, at, Outcome.DEFERRED, "4.7.1")
            at += self.chance.uniform(300, 1800)
        if self.chance.random() < FULL:
            yield self._delivery(draft, recipient, at, Outcome.BOUNCED, "5.2.2")
            return
        yield self._delivery(draft, recipient, at, Outcome.DELIVERED, "2.0.0")

    def _says(self, draft: Draft, domain: str, at: float) -> Iterator[Event]:
        """Complaints about a message that arrived."""
        attack, chance, event = draft.attack, self.chance, draft.event
        if attack and domain == SITE_DOMAIN and chance.random() < attack.reports:
            yield self._complaint(event, at + chance.expovariate(1 / REPORTED_S), ComplaintSource.USER_REPORT)
        if domain != SITE_DOMAIN and draft.complaints and chance.random() < draft.complaints:
            yield self._complaint(event, at + chance.expovariate(1 / COMPLAINT_S), ComplaintSource.ARF)
        if attack and domain != SITE_DOMAIN and chance.random() < attack.traps:
            yield self._complaint(event, at + chance.uniform(60, 3600), ComplaintSource.SPAMTRAP)

    def _complaint(self, event: SubmissionEvent, at: float, source: ComplaintSource) -> ComplaintEvent:
        untied = source is ComplaintSource.ARF and self.chance.random() < UNTIED
        return ComplaintEvent(at, event.account, source, None if untied else event.message)

    def _lists(self, receiver: Receiver, at: float, *, spam: bool) -> bool:
        """Does it refuse us now? Spam is counted."""
        if not receiver.lists_us_after:
            return False
        seen = self.spam[receiver.domain]
        if spam:
            seen.append(at)
            while seen[0] < at - HOUR_S:
                seen.popleft()
            if len(seen) >= receiver.lists_us_after:
                self.listed_until[receiver.domain] = at + LISTED_S
        return at < self.listed_until.get(receiver.domain, 0.0) and self.chance.random() < LISTED_SHARE

    @staticmethod
    def _delivery(draft: Draft, recipient: str, at: float, outcome: Outcome, dsn: str) -> DeliveryEvent:
        return DeliveryEvent(at, draft.event.account, draft.event.message, recipient, outcome, dsn)


def answered(doings: Doings, receivers: Receivers) -> Iterator[Event]:
    """All that was done and all answers, in order of time."""
    drafts = sorted(doings.drafts, key=lambda draft: (draft.event.at, draft.event.message))
    others = sorted(doings.others, key=_order)
    waiting: list[tuple[float, int, Event]] = []
    number = 0
    doing: Iterator[tuple[float, int, Draft | LoginEvent | DirectoryEvent]] = heapq.merge(
        ((draft.event.at, 1, draft) for draft in drafts),
        ((event.at, 0, event) for event in others),
        key=lambda each: each[:2],
    )
    for at, _kind, what in doing:
        while waiting and waiting[0][0] <= at:
            yield heapq.heappop(waiting)[2]
        if not isinstance(what, Draft):
            yield what
            continue
        yield what.event
        for answer in receivers.answers(what):
            number += 1
            heapq.heappush(waiting, (answer.at, number, answer))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _order(event: LoginEvent | DirectoryEvent) -> tuple[float, str]:
    return event.at, event.account
