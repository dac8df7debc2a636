"""What an event teaches about an account and the site, once all signals have looked at it.

What an account does becomes habit only while nothing is against it: a thief's places, names and rates
must not.
"""

from dataclasses import dataclass

from sendwarden.core.event import (
    ComplaintEvent,
    DeliveryEvent,
    DirectoryEvent,
    LoginEvent,
    Origin,
    Outcome,
    SubmissionEvent,
)
from sendwarden.detect.memory import DAY, DAY_S, DAYS, FIRST, LAST, SENT, Places
from sendwarden.detect.places import address_key, country_key, network_key, prefix_key
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import KNOWN_AFTER_S, SETTLED_DAYS, Network, Sighting, is_at_home
from sendwarden.detect.signals import content, rejections, velocity
from sendwarden.detect.site import OpenMessage, SiteContext, stranger_bit

# The busiest slot of twenty is what is usual.
_UP, _DOWN = 0.95, 0.05
_STEP = 0.2
_PREFIXES = 128


def learn(profile: Profile, seen: Sighting, site: SiteContext) -> None:
    match seen.event:
        case SubmissionEvent():
            _active(profile, seen.at)
            _submission(profile, seen, seen.event, site)
        case LoginEvent(success=True):
            _active(profile, seen.at)
            _used(profile, seen, seen.event.origin, site, sent=False)
        case LoginEvent():
            _failure(profile, seen, seen.event, site)
        case DeliveryEvent():
            _delivery(profile, seen, seen.event, site)
        case DirectoryEvent() | ComplaintEvent():
            pass


def _active(profile: Profile, at: float) -> None:
    if not profile.first_at:
        profile.first_at = at
    profile.last_at = at
    day = int(at // DAY_S)
    if day != profile.day:
        profile.day = day
        profile.days += 1


# --- what it sends


def _submission(profile: Profile, seen: Sighting, event: SubmissionEvent, site: SiteContext) -> None:
    mask = 0
    for digest in seen.strangers:
        mask |= stranger_bit(digest)
        profile.seen.add(digest)
        site.seen.add(digest)
    strange = seen.new_place
    count = len(event.recipients)
    opened = OpenMessage(
        seen.at, event.account, count, seen.may_be_bulk, strange, seen.forwarded, len(seen.strangers), mask
    )
    site.opened(event.message, opened)
    if seen.forwarded:
        if int(seen.at // DAY_S) != int(profile.sent_at // DAY_S):
            profile.forwards += 1
    else:
        _rate(profile, event)
        if profile.calm:
            _habits(profile, seen, event)
    profile.recipients += count
    profile.sent_day += count
    _header(profile, event, site)
    _used(profile, seen, event.origin, site, sent=True)
    profile.sent_at = seen.at
    if seen.network is not Network.HIDDEN and event.origin.country:
        profile.sent_country = event.origin.country


def _habits(profile: Profile, seen: Sighting, event: SubmissionEvent) -> None:
    count = len(event.recipients)
    if count:
        weight = min(count, rejections.ONE_LIST)
        profile.novelty.learn(weight * len(seen.strangers) / count, weight)
    if event.spam_score is not None:
        profile.flagged.learn(float(event.spam_score >= content.SPAM), 1)
        profile.scored.learn(float(content.NEAR <= event.spam_score < content.SPAM), 1)


def _rate(profile: Profile, event: SubmissionEvent) -> None:
    slot = int(event.at // velocity.SLOT_S)
    if slot != profile.slot:
        if profile.calm and profile.slot_count:
            step = _STEP * max(velocity.LEAST_BUSY, profile.busy)
            profile.busy += step * (_UP if profile.slot_count > profile.busy else -_DOWN)
        profile.slot, profile.slot_count, profile.slot_bits = slot, 0.0, 0.0
    profile.slot_count += velocity.weight(event)


def _header(profile: Profile, event: SubmissionEvent, site: SiteContext) -> None:
    """A From is the account's own from the beginning, or when nothing came of it until the next day."""
    if not event.header_from:
        return
    key, at = site.digest(event.header_from), int(event.at)
    row = profile.headers.find(key)
    if row < 0:
        row = profile.headers.add(key, at)
        profile.headers.rows[row + DAYS] = int(profile.learning(event.at) and profile.calm)
    elif profile.calm and at - profile.headers.rows[row + FIRST] >= KNOWN_AFTER_S:
        profile.headers.rows[row + DAYS] = 1
    profile.headers.rows[row + LAST] = at


# --- where it is


def _used(profile: Profile, seen: Sighting, origin: Origin, site: SiteContext, *, sent: bool) -> None:
    address, hidden = origin.address, seen.network is Network.HIDDEN
    if address is not None:
        site.used(address_key(address), profile.account, seen.at)
    if seen.new_place:
        profile.strange_at = seen.at
        if address is not None:
            _spread(profile, prefix_key(address), seen.at, site)
    elif not hidden:
        profile.at_home_at = seen.at
        profile.failures = 0
    if not hidden and (address or origin.asn):
        home = is_at_home(profile, origin, site, seen.at)
        _places(profile, origin, site, _Visit(int(seen.at), sent, home, profile.at_ease))


@dataclass(frozen=True, slots=True)
class _Visit:
    """One time at a place. ``home``: it is taken for the account's own at once."""

    at: int
    sent: bool
    home: bool
    calm: bool


def _places(profile: Profile, origin: Origin, site: SiteContext, visit: _Visit) -> None:
    if origin.address is not None:
        _touch(profile.addresses, address_key(origin.address), visit)
    key = network_key(origin)
    if _touch(profile.networks, key, visit) == SETTLED_DAYS:
        site.networks[key] = site.networks.get(key, 0) + 1
    country = origin.country
    if country and _touch(profile.countries, country_key(country), visit) == SETTLED_DAYS:
        site.countries[country] = site.countries.get(country, 0) + 1
        if not visit.home:
            profile.moves += 1


def _touch(places: Places, key: int, visit: _Visit) -> int:
    """The number of days that a place has just reached; 0 where none was added."""
    at, today = visit.at, visit.at // DAY_S
    row = places.find(key)
    if row < 0:
        row = places.add(key, at)
    rows = places.rows
    rows[row + LAST] = at
    if not visit.sent:
        return 0  # who only logs in may be trying a password
    if not rows[row + SENT]:
        rows[row + SENT] = at
        if visit.home:
            rows[row + DAYS], rows[row + DAY] = SETTLED_DAYS, today
            return SETTLED_DAYS
    if rows[row + DAY] == today or not visit.calm or rows[row + DAYS] >= SETTLED_DAYS:
        return 0
    rows[row + DAY] = today
    rows[row + DAYS] += 1
    return rows[row + DAYS]


def _spread(profile: Profile, prefix: int, at: float, site: SiteContext) -> None:
    if profile.spread_at < at - DAY_S:
        profile.spread, profile.spread_at = 0, at
    profile.spread |= 1 << site.digest(f"prefix {prefix}") % _PREFIXES


def _failure(profile: Profile, seen: Sighting, event: LoginEvent, site: SiteContext) -> None:
    """Of a device at home that keeps an old password nothing is learnt."""
    address = event.origin.address
    if address is not None:
        site.failed(address_key(address), event.account, seen.at)
        if profile.addresses.find(address_key(address)) >= 0:
            return
    if profile.failed_at < seen.at - 3600:
        profile.failures = 0
    profile.failures += 1
    profile.failed_at = seen.at


# --- what became of it


def _delivery(profile: Profile, seen: Sighting, event: DeliveryEvent, site: SiteContext) -> None:
    if seen.forwarded or event.outcome is Outcome.DEFERRED:
        return
    bad = event.dsn in rejections.NO_SUCH and event.outcome is not Outcome.DELIVERED
    message = seen.message
    if message is not None and message.strangers & stranger_bit(site.digest(event.recipient)):
        profile.outcomes_bad += bad
        profile.outcomes_all += 1
    if profile.calm:
        weight = 1.0 if message is None else 1 / max(1.0, message.count / rejections.ONE_LIST)
        profile.invalid.learn(weight * bad, weight)
