"""G: from where an account is used: new countries, new networks, impossible journeys.

People travel, and a VPN is a journey without travelling: this can warn, and never hold by itself. A
country that is behind a proxy, a carrier or nobody's knowledge is no country. Where colleagues are at
home weighs half. Who often turns up somewhere new is measured by that.
"""

from collections.abc import Iterable
from math import log2

from sendwarden.core.event import LoginEvent, Origin, SubmissionEvent
from sendwarden.detect.countries import distance_km
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding, Number
from sendwarden.detect.memory import DAY_S
from sendwarden.detect.places import country_key, network_key
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Network, Sighting, is_known
from sendwarden.detect.site import SiteContext

THIEF_MOVES = 0.5
COUNTRY, COUNTRY_LEARNING = 3.0, 1.5
NETWORK, NETWORK_LEARNING = 1.2, 0.7
# A prefix that stands in for a network: providers have many.
PREFIX = 0.5
# A login alone sends nothing.
LOGIN = 0.5
FURTHER = 1.6
COUNTRIES_LEAST = 3
SPEED = 2.5
# What is known of where countries are is good for no less.
SLACK_KM = 500.0
FASTEST_KM_H = 1000.0
TOGETHER = 1.5
TOGETHER_S = 900.0
ORDINARY = 0.5
# Prefixes of a day, and bits (tiers for distinct addresses are 6 to 10; thieves have hundreds).
SPREADS = ((30, 4.0), (12, 2.0))
_SPREAD_BITS = 128


def new_country(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    event = seen.event
    assert isinstance(event, (LoginEvent, SubmissionEvent))
    if not seen.new_country or not _succeeded(event):
        return NOTHING
    country = event.origin.country
    assert country is not None
    bits = _habit(profile, COUNTRY_LEARNING if profile.learning(seen.at) else COUNTRY)
    bits *= _share(event, event.origin, site)
    numbers = (("country", country), *_asn(event.origin))
    fact = country_key(country) + 1
    return (Finding(Family.ACCESS, bits, bits, "new-country", numbers, fact),)


def new_network(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """A new network in a country that is known."""
    event = seen.event
    assert isinstance(event, (LoginEvent, SubmissionEvent))
    if seen.network is not Network.NEW or seen.new_country or not _succeeded(event):
        return NOTHING
    bits = _habit(profile, NETWORK_LEARNING if profile.learning(seen.at) else NETWORK)
    bits *= _share(event, event.origin, site)
    if event.origin.asn is None:
        bits *= PREFIX
    fact = site.digest(f"network {network_key(event.origin)}")
    return (Finding(Family.ACCESS, bits, bits, "new-network", _asn(event.origin), fact),)


def several_countries(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """Each further new country of a day, where there are three in all."""
    event = seen.event
    assert isinstance(event, (LoginEvent, SubmissionEvent))
    if not seen.new_country or not _succeeded(event):
        return NOTHING
    places, day_ago = profile.countries, seen.at - DAY_S
    today = places.used_since(day_ago)
    own = country_key(event.origin.country or "")
    here = places.find(own)
    fresh = sum(not is_known(profile, places, row, seen.at) for row in today if row != here)
    if not fresh or len(today) + (here not in today) < COUNTRIES_LEAST:
        return NOTHING
    bits = FURTHER * min(fresh, 3) * _share(event, event.origin, site)
    numbers = (("countries", len(today) + (here not in today)),)
    return (Finding(Family.ACCESS, bits, bits, "several-countries", numbers, site.digest("countries")),)


def impossible_journey(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """Mail from a new country, sooner after the last one than anybody can be there."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    if not seen.new_country or not profile.sent_country or profile.learning(seen.at):
        return NOTHING
    country = event.origin.country or ""
    distance = distance_km(profile.sent_country, country)
    hours = max(60.0, seen.at - profile.sent_at) / 3600
    if (distance - SLACK_KM) / hours <= FASTEST_KM_H:
        return NOTHING
    bits = _habit(profile, SPEED) * _share(event, event.origin, site)
    numbers = (("from", profile.sent_country), ("to", country), ("km", int(round(distance, -2))))
    fact = site.digest(f"journey {country}")
    return (Finding(Family.ACCESS, bits, bits, "impossible-journey", numbers, fact),)


def two_places(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """The owner is active from a place that is known, at the same time."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    if not seen.new_country or seen.at - profile.at_home_at > TOGETHER_S or profile.learning(seen.at):
        return NOTHING
    bits = _habit(profile, TOGETHER) * _share(event, event.origin, site)
    numbers = (("minutes", round((seen.at - profile.at_home_at) / 60)),)
    return (Finding(Family.ACCESS, bits, bits, "two-places", numbers, site.digest("two-places")),)


def many_prefixes(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """Strange prefixes within a day: a botnet has hundreds, a person with a phone some."""
    event = seen.event
    assert isinstance(event, (LoginEvent, SubmissionEvent))
    if seen.network is not Network.NEW or not profile.spread or not _succeeded(event):
        return NOTHING
    if profile.spread_at < seen.at - DAY_S:
        return NOTHING
    count = spread(profile.spread)
    for least, bits in SPREADS:
        if count >= least:
            numbers = (("prefixes", round(count)),)
            return (Finding(Family.ACCESS, bits, bits, "many-prefixes", numbers, site.digest("prefixes")),)
    return NOTHING


def spread(bitmap: int) -> float:
    """How many different ones set these bits (linear counting, Whang 1990)."""
    free = _SPREAD_BITS - bitmap.bit_count()
    return _SPREAD_BITS * log2(_SPREAD_BITS / max(1, free)) * _LN2


_LN2 = 0.6931471805599453


def _succeeded(event: LoginEvent | SubmissionEvent) -> bool:
    return isinstance(event, SubmissionEvent) or event.success


def _habit(profile: Profile, bits: float) -> float:
    """How new a new place is to somebody who often has one."""
    usual = (1 + profile.moves) / (16 + profile.days)
    return bits * min(1.0, max(0.0, log2(THIEF_MOVES / min(usual, THIEF_MOVES))) / COUNTRY)


def _share(event: LoginEvent | SubmissionEvent, origin: Origin, site: SiteContext) -> float:
    share = LOGIN if isinstance(event, LoginEvent) else 1.0
    return share * ORDINARY if site.ordinary(origin) else share


def _asn(origin: Origin) -> tuple[tuple[str, Number], ...]:
    return (("asn", f"AS{origin.asn}" if origin.asn else "an unknown network"),)
