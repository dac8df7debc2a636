"""P: mail to an address at which phishers collect answers: the password was probably just given away."""

from collections.abc import Iterable

from sendwarden.core.event import SubmissionEvent
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting
from sendwarden.detect.site import SiteContext

BITS = 6.0


def answered_phisher(_profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    if not site.phishers or seen.forwarded:
        return NOTHING
    found = next((each for each in event.recipients if each.lower() in site.phishers), None)
    if found is None:
        return NOTHING
    fact = site.digest(f"phisher {found}")
    return (Finding(Family.PHISHERS, BITS, BITS, "answered-phisher", (("address", found),), fact),)
