"""X: addresses that other stolen accounts are used from, or were.

Only addresses that are new to the account, and never a NAT's or a carrier's. Of the others only those
count that have evidence of outcome against them: colleagues at one conference all come from one new
address.
"""

from collections.abc import Iterable

from sendwarden.core.event import SubmissionEvent
from sendwarden.detect.families import Family
from sendwarden.detect.finding import Finding
from sendwarden.detect.memory import DAY_S
from sendwarden.detect.places import address_key
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Network, Sighting
from sendwarden.detect.site import SiteContext

EACH, INCIDENT, LIST = 1.5, 4.0, 4.0
ORDINARY = 0.5
# A list of recipients is one's own from so many on.
LIST_LEAST = 5


def shared_address(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """Others with evidence against them came from this address within a day."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    address = event.origin.address
    if address is None or seen.network in (Network.OWN, Network.HIDDEN):
        return ()
    key = address_key(address)
    use = site.addresses.get(key)
    if use is None or site.shared(key, seen.at) or len(use.accounts) < 2:  # noqa: PLR2004 - itself and another
        return ()
    others = sum(
        at >= seen.at - DAY_S
        and account != profile.account
        and site.suspects.get(account, 0.0) >= seen.at - DAY_S
        for account, at in use.accounts.items()
    )
    if not others:
        return ()
    bits = EACH * others * _share(event, site)
    numbers = (("address", str(address)), ("others", others))
    return (Finding(Family.INFRASTRUCTURE, bits, bits, "shared-address", numbers, key),)


def incident_address(_profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """The address, or the very list of recipients, was a thief's."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    if not site.incidents:
        return ()
    address = event.origin.address
    if address is not None and seen.new_place:
        key = address_key(address)
        if site.incident(key, seen.at) and not site.shared(key, seen.at):
            numbers = (("address", str(address)),)
            bits = INCIDENT * _share(event, site)
            return (Finding(Family.INFRASTRUCTURE, bits, bits, "incident-address", numbers, key),)
    if len(event.recipients) >= LIST_LEAST and not seen.may_be_bulk:
        key = list_key(event, site)
        if site.incident(key, seen.at):
            many = (("recipients", len(event.recipients)),)
            return (Finding(Family.INFRASTRUCTURE, LIST, LIST, "incident-list", many, key),)
    return ()


def _share(event: SubmissionEvent, site: SiteContext) -> float:
    """In a network of many of our accounts an address may be a VPN's, which a thief had before."""
    return ORDINARY if site.ordinary(event.origin) else 1.0


def list_key(event: SubmissionEvent, site: SiteContext) -> int:
    return site.digest("\n".join(sorted(event.recipients)))
