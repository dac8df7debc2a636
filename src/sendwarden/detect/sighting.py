"""One event as signals see it.

What several of them need is worked out once, from profile and site as they were before it.
"""

from dataclasses import dataclass
from enum import Enum

from sendwarden.core.event import (
    ComplaintEvent,
    DeliveryEvent,
    DirectoryEvent,
    Event,
    LoginEvent,
    Origin,
    SubmissionEvent,
)
from sendwarden.detect.memory import DAYS, SENT, Places
from sendwarden.detect.places import address_key, country_key, network_key
from sendwarden.detect.profile import Profile
from sendwarden.detect.site import OpenMessage, SiteContext

WEBMAIL = "webmail"
INTERNAL = "-internal"
# A place becomes known when it was sent from and nothing came of it until the next day.
KNOWN_AFTER_S = 20 * 3600
# And own, so that even mail to many is nothing new there, after so many days.
SETTLED_DAYS = 3


class Network(Enum):
    """How an account knows the network that it is used from."""

    OWN = "own"  # used for days, or the site's
    KNOWN = "known"
    NEW = "new"
    HIDDEN = "hidden"  # behind a proxy, or nobody knows: neither good nor bad


@dataclass(slots=True)
class Sighting:
    """See each member. Of events that have no origin the network is `HIDDEN`."""

    event: Event
    at: float
    network: Network
    new_country: bool  # known to be another than the account's
    may_be_bulk: bool  # honest mail to many could come from here
    much_is_usual: bool  # much mail to new people is nothing to wonder about, though it may be bad mail
    forwarded: bool  # mail of others under an SRS address
    strangers: tuple[int, ...]  # digests of recipients that the account never wrote to
    unheard: int  # how many of them nobody here ever wrote to
    internal: int  # how many recipients are our own
    message: OpenMessage | None  # that an outcome or a complaint is about

    @property
    def new_place(self) -> bool:
        return self.network is Network.NEW or self.new_country


def sight(profile: Profile, event: Event, site: SiteContext) -> Sighting:
    at = event.at
    match event:
        case SubmissionEvent():
            return _submission(profile, event, site)
        case LoginEvent() | DirectoryEvent():
            channel = event.channel if isinstance(event, LoginEvent) else None
            network = network_of(profile, event.origin, channel, site, at)
            new = is_new_country(profile, event.origin, network, site, at)
            return Sighting(event, at, network, new, False, False, False, (), 0, 0, None)  # noqa: FBT003
        case DeliveryEvent() | ComplaintEvent():
            message = site.messages.get(event.message) if event.message else None
            if message is not None and message.account != event.account:
                message = None  # somebody writes another's message id
            bulk = message is not None and message.bulk
            forwarded = message is not None and message.forwarded
            return Sighting(event, at, Network.HIDDEN, False, bulk, bulk, forwarded, (), 0, 0, message)  # noqa: FBT003


def _submission(profile: Profile, event: SubmissionEvent, site: SiteContext) -> Sighting:
    at = event.at
    network = network_of(profile, event.origin, event.channel, site, at)
    digests = [site.digest(recipient) for recipient in event.recipients]
    strangers = tuple([digest for digest in digests if digest not in profile.seen])
    unheard = sum(digest not in site.seen for digest in strangers) if strangers else 0
    internal = sum(map(site.is_own, event.recipients))
    bulk = (network is Network.OWN and event.channel != WEBMAIL and _at_home(profile, event, site)) or (
        bool(profile.approved) and approval_key(event, site) in profile.approved
    )
    new_country = is_new_country(profile, event.origin, network, site, at)
    forwarded = is_forwarded(profile, event, network)
    usual = bulk or (
        event.channel != WEBMAIL
        and (network is Network.OWN or (not new_country and site.ordinary(event.origin)))
    )
    return Sighting(
        event, at, network, new_country, bulk, usual, forwarded, strangers, unheard, internal, None
    )


def _at_home(profile: Profile, event: SubmissionEvent, site: SiteContext) -> bool:
    """Is it sent from a desk of ours, or an address that the account had on an earlier day?

    A network alone is not enough: thieves rent addresses near their victims.
    """
    address = event.origin.address
    if (event.channel or "").endswith(INTERNAL) or (address and site.is_internal(address)):
        return True
    row = profile.addresses.find(address_key(address)) if address else -1
    return row >= 0 and is_known(profile, profile.addresses, row, event.at)


def network_of(
    profile: Profile, origin: Origin, channel: str | None, site: SiteContext, at: float
) -> Network:
    """Which network it is to the account. A webmail that shows only itself says nothing."""
    address = origin.address
    inside = (channel is not None and channel.endswith(INTERNAL)) or (
        address is not None and site.is_internal(address)
    )
    if inside:
        return Network.HIDDEN if channel == WEBMAIL else Network.OWN
    key = network_key(origin)
    if not key or (address is not None and site.shared(address_key(address), at)):
        return Network.HIDDEN
    row = profile.networks.find(key)
    if row >= 0 and profile.networks.rows[row + DAYS] >= SETTLED_DAYS:
        return Network.OWN
    if row >= 0 and is_known(profile, profile.networks, row, at):
        return Network.KNOWN
    return Network.KNOWN if is_beginning(profile, origin, site, at) else Network.NEW


def is_known(profile: Profile, places: Places, row: int, at: float) -> bool:
    """Was it sent from on an earlier day, and nothing is against the account now?"""
    rows = places.rows
    if not rows[row + DAYS]:
        return False
    return rows[row + DAYS] > 1 or (profile.at_ease and at - rows[row + SENT] >= KNOWN_AFTER_S)


def is_beginning(profile: Profile, origin: Origin, site: SiteContext, at: float) -> bool:
    """Is the account, or the site, so new that nobody can say where it is usually?"""
    if not profile.learning(at):
        return False
    return site.learning(at) or is_at_home(profile, origin, site, at)


def is_at_home(profile: Profile, origin: Origin, site: SiteContext, at: float) -> bool:
    """Is an account that is still learnt in so likely a country that the place is its own at once?"""
    country = origin.country
    if not profile.learning(at):
        return False
    if country is None or site.common(country):
        return True
    if not len(profile.countries):
        return site.learning(at)
    row = profile.countries.find(country_key(country))
    return row >= 0 and profile.countries.rows[row + DAYS] >= SETTLED_DAYS


def is_new_country(profile: Profile, origin: Origin, network: Network, site: SiteContext, at: float) -> bool:
    if origin.country is None or network in (Network.OWN, Network.HIDDEN):
        return False
    row = profile.countries.find(country_key(origin.country))
    if row >= 0 and is_known(profile, profile.countries, row, at):
        return False
    return not (is_beginning(profile, origin, site, at) or site.home(origin.country))


def is_forwarded(profile: Profile, event: SubmissionEvent, network: Network) -> bool:
    """SRS0 and SRS1 addresses are made where mail is sent on.

    A thief could write them too, so that they count only from where the account is at home, or where it
    forwarded on earlier days.
    """
    envelope = event.envelope_from
    if not envelope or envelope[:4].upper() not in ("SRS0", "SRS1") or envelope[4:5] not in ("=", "+", "-"):
        return False
    return (network is not Network.NEW and event.channel != WEBMAIL) or profile.forwards > 0


def approval_key(event: SubmissionEvent, site: SiteContext) -> int:
    """What an approval of mail to many is tied to: network and envelope sender, never the account alone."""
    return site.digest(f"{network_key(event.origin)} {event.envelope_from or ''}")
