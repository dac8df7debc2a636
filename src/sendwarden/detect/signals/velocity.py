"""V: more mail in ten minutes than the account ever has.

A CUSUM of Poisson counts over slots of ten minutes. People write in bursts, so that no slot says more
than a little, and slots without mail say nothing at all. A message to many is one act, not many.
"""

from collections.abc import Iterable
from math import log

from sendwarden.core.event import SubmissionEvent
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Network, Sighting
from sendwarden.detect.site import SiteContext

SLOT_S = 600
FASTER = 4.0
MOST = 1.5
KNOWN = 0.6
LEAST_BUSY = 3.0
# Recipients beyond these make a message no more of an act, and ten of them one.
MOST_RECIPIENTS = 50
RECIPIENTS = 10
_LN2 = log(2)


def weight(event: SubmissionEvent) -> float:
    """How much of an act a message is."""
    return 1 + min(len(event.recipients), MOST_RECIPIENTS) / RECIPIENTS


def rate(profile: Profile, seen: Sighting, _site: SiteContext) -> Iterable[Finding]:
    """What this message adds to the evidence of its slot."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    if seen.forwarded:
        return NOTHING
    same = profile.slot == seen.at // SLOT_S
    count = (profile.slot_count if same else 0.0) + weight(event)
    usual = max(LEAST_BUSY, profile.busy)
    bits = min(MOST, (count * log(FASTER) - (FASTER - 1) * usual) / _LN2)
    if seen.network in (Network.OWN, Network.KNOWN):
        bits *= KNOWN
    more = bits - (profile.slot_bits if same else 0.0)
    if bits <= 0 or more <= 0:
        return NOTHING
    numbers = (("messages", round(count)), ("usual", round(usual)))
    return (Finding(Family.RATE, more, 0.0 if seen.much_is_usual else more, "rate", numbers),)
