"""I: names that are not the account's own: in From, and where replies go. Mail sent on (SRS) is left out."""

from collections.abc import Iterable

from sendwarden.core.event import SubmissionEvent
from sendwarden.core.identity import split_address
from sendwarden.detect.families import Family
from sendwarden.detect.finding import Finding
from sendwarden.detect.memory import DAYS
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting
from sendwarden.detect.site import SiteContext

FOREIGN_FROM, OWN_DOMAIN, REPLY_TO = 3.0, 1.0, 2.0
# Of an account that is still learnt: its names may be its own.
LEARNING = 0.5


def foreign_from(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """The first time for a From that the account did not use before."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    if seen.forwarded or not event.header_from or is_own_name(profile, event.header_from, site):
        return ()
    bits = OWN_DOMAIN if site.is_own(event.header_from) else FOREIGN_FROM
    if profile.learning(seen.at):
        bits *= LEARNING
    fact = site.digest(f"from {event.header_from}")
    return (Finding(Family.IDENTITY, bits, bits, "foreign-from", (("address", event.header_from),), fact),)


def new_reply_to(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """Replies go to somebody outside, which they did not before."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    address = event.reply_to
    if seen.forwarded or not address or site.is_own(address) or is_own_name(profile, address, site):
        return ()
    bits = REPLY_TO * (LEARNING if profile.learning(seen.at) else 1.0)
    fact = site.digest(f"reply-to {address}")
    return (Finding(Family.IDENTITY, bits, bits, "new-reply-to", (("address", address),), fact),)


def is_own_name(profile: Profile, address: str, site: SiteContext) -> bool:
    """The account's name at one of our domains, or one that it uses for longer."""
    local = split_address(address)[0].lower()
    if local == split_address(profile.account)[0].lower() and site.is_own(address):
        return True
    row = profile.headers.find(site.digest(address))
    return row >= 0 and bool(profile.headers.rows[row + DAYS])
