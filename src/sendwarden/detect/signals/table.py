"""All signals: pure functions of (Profile, Sighting of an Event, SiteContext). A new one is one more line."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sendwarden.core.event import ComplaintEvent, DeliveryEvent, DirectoryEvent, LoginEvent, SubmissionEvent
from sendwarden.detect.finding import Finding
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting
from sendwarden.detect.signals import (
    access,
    changes,
    complaints,
    content,
    dictionary,
    identity,
    infrastructure,
    novelty,
    phishers,
    rejections,
    velocity,
)
from sendwarden.detect.site import SiteContext

Look = Callable[[Profile, Sighting, SiteContext], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Signal:
    """One way to find something, and the kinds of events that it looks at."""

    name: str
    look: Look
    events: tuple[type, ...]


_USED = (LoginEvent, SubmissionEvent)
_SENT = (SubmissionEvent,)

SIGNALS: tuple[Signal, ...] = (
    Signal("no-such-recipients", rejections.no_such_recipient, (DeliveryEvent,)),
    Signal("policy-refusal", rejections.policy_refusal, (DeliveryEvent,)),
    Signal("spam-score", content.spam_score, _SENT),
    Signal("complaint", complaints.complaint, (ComplaintEvent,)),
    Signal("foreign-from", identity.foreign_from, _SENT),
    Signal("new-reply-to", identity.new_reply_to, _SENT),
    Signal("shared-address", infrastructure.shared_address, _SENT),
    Signal("incident-address", infrastructure.incident_address, _SENT),
    Signal("new-country", access.new_country, _USED),
    Signal("new-network", access.new_network, _USED),
    Signal("several-countries", access.several_countries, _USED),
    Signal("impossible-journey", access.impossible_journey, _SENT),
    Signal("two-places", access.two_places, _SENT),
    Signal("many-prefixes", access.many_prefixes, _USED),
    Signal("rate", velocity.rate, _SENT),
    Signal("new-recipients", novelty.new_recipients, _SENT),
    Signal("answered-phisher", phishers.answered_phisher, _SENT),
    Signal("changed", changes.changed, (DirectoryEvent,)),
    Signal("guessed", changes.guessed, (LoginEvent,)),
    Signal("sprayed", dictionary.sprayed, (LoginEvent,)),
)

# By kind of event what looks at it, in the order of the table.
BY_EVENT: dict[type, tuple[Look, ...]] = {
    kind: tuple(signal.look for signal in SIGNALS if kind in signal.events)
    for kind in (LoginEvent, SubmissionEvent, DeliveryEvent, ComplaintEvent, DirectoryEvent)
}
