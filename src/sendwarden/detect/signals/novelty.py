"""N: recipients that the account never wrote to.

On the day of a theft there are seven times as many, while mail is up by a quarter only (Bursztein
2014).

Measured by the account's own share of new recipients, and only a little at a time: everybody writes to
somebody new. A list of strangers says more than one of them, and one that nobody at the site ever wrote
to, still more.
"""

from collections.abc import Iterable
from math import log2

from sendwarden.core.event import SubmissionEvent
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting
from sendwarden.detect.site import SiteContext

THIEF = 0.95
# Share of new recipients, weight of each: in a new place, and elsewhere.
STRANGE_PLACE, ELSEWHERE = (0.05, 0.7), (0.10, 0.35)
OLD_WEIGHT = 0.7
MOST_RECIPIENTS = 6
MOST, LEAST = (0.0, 1.0, 1.5, 2.0, 2.0, 2.5), -3.0
UNHEARD_SHARE, UNHEARD_LEAST, UNHEARD = 2 / 3, 3, 1.0
# Of an account of which little is known everybody is new.
UNKNOWN_ACCOUNT = 0.3
KNOWN_RECIPIENTS = 20
# Colleagues are in the address book of everybody.
INTERNAL = 0.5


def new_recipients(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    count = len(event.recipients)
    if seen.forwarded or not count:
        return NOTHING
    new = len(seen.strangers)
    least, weight = STRANGE_PLACE if seen.new_place else ELSEWHERE
    usual = min(max(least, profile.novelty.mean), THIEF)
    new_k = min(MOST_RECIPIENTS, new)
    old_k = min(MOST_RECIPIENTS - new_k, count - new)
    bits = new_k * log2(THIEF / usual) * weight + old_k * log2((1 - THIEF) / (1 - usual)) * OLD_WEIGHT
    bits = min(MOST[min(new, len(MOST) - 1)], max(LEAST, bits))
    if bits <= 0:
        return (Finding(Family.NOVELTY, bits, bits),) if profile.quiet[Family.NOVELTY] else NOTHING
    if count >= UNHEARD_LEAST and seen.unheard >= UNHEARD_SHARE * count and not site.learning(seen.at):
        bits += UNHEARD
    if profile.learning(seen.at) or profile.recipients < KNOWN_RECIPIENTS:
        bits *= UNKNOWN_ACCOUNT
    if seen.internal >= count - seen.internal:
        bits *= INTERNAL
    numbers = (("new", new), ("of", count), ("unheard", seen.unheard))
    return (Finding(Family.NOVELTY, bits, 0.0 if seen.much_is_usual else bits, "new-recipients", numbers),)
