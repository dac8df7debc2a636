"""One address tries the passwords of many accounts, and gets in with one of them.

Counted to the family of changes.

What it tries says nothing about those accounts: anybody can fail to log in as somebody.
"""

from collections.abc import Iterable

from sendwarden.core.event import LoginEvent
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.memory import DAY_S
from sendwarden.detect.places import address_key
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Network, Sighting
from sendwarden.detect.site import SiteContext

ACCOUNTS = 10
SPRAYED = 4.0


def sprayed(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    event = seen.event
    assert isinstance(event, LoginEvent)
    address = event.origin.address
    if not event.success or address is None or seen.network is not Network.NEW:
        return NOTHING
    use = site.addresses.get(address_key(address))
    if use is None or site.shared(address_key(address), seen.at):
        return NOTHING
    tried = sum(at >= seen.at - DAY_S and account != profile.account for account, at in use.failing.items())
    if tried < ACCOUNTS:
        return NOTHING
    numbers = (("address", str(address)), ("accounts", tried))
    fact = site.digest(f"sprayed {address}")
    return (Finding(Family.CHANGES, SPRAYED, SPRAYED, "sprayed", numbers, fact),)
