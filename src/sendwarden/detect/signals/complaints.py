"""F: complaints (RFC 5965), reports of our own users, messages in spam traps.

Only about a message that we know the account sent: anybody can forge a From and have others complain. Of much
honest mail to many somebody always complains, below one in a thousand at good senders.
"""

from collections.abc import Iterable

from sendwarden.core.event import ComplaintEvent, ComplaintSource
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting
from sendwarden.detect.site import SiteContext

BITS = {ComplaintSource.ARF: 3.0, ComplaintSource.USER_REPORT: 4.0, ComplaintSource.SPAMTRAP: 6.0}
# To so many recipients a message is mail to many, and a complaint about it weighs half.
MANY = 50
# What is said of a message that we cannot find, whoever says it.
HEARSAY = 0.5
# Honest senders have a complaint from so many recipients of mail to many.
ONE_IN = 200


def complaint(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    event, message = seen.event, seen.message
    assert isinstance(event, ComplaintEvent)
    if seen.forwarded:
        return NOTHING
    if message is None:
        fact = site.digest(f"hearsay {event.source.value}")
        return (Finding(Family.FEEDBACK, HEARSAY, HEARSAY, "hearsay", (), fact),)
    bits = BITS[event.source]
    if event.source is ComplaintSource.ARF and message.count >= MANY:
        bits /= 2
    bulk = bits
    if seen.may_be_bulk:
        bulk = bits * min(1.0, ONE_IN / max(1.0, profile.sent_day)) / 2
    numbers = (("source", event.source.value), ("recipients", message.count))
    return (Finding(Family.FEEDBACK, bits, bulk, "complaint", numbers),)
