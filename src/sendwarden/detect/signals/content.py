"""C: what a scanner thinks of a message.

A message that nobody scored says nothing, neither good nor bad. One template (score and size) is one opinion
where the scanner is not sure, and where honest mail to many may come from: it counts once a day.
"""

from collections.abc import Iterable
from math import log2

from sendwarden.core.event import SubmissionEvent
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting
from sendwarden.detect.site import SiteContext

# Scores are SpamAssassin's: 5 is where it calls a message spam.
SPAM, NEAR = 5.0, 3.5
THIEF_SPAM, THIEF_NEAR = 0.5, 0.3
LEAST = 0.01
MOST_SPAM, MOST_NEAR = 3.0, 1.0
CLEAN = -0.15
# Sizes within this many bytes of each other are one template's.
TEMPLATE_BYTES = 512


def spam_score(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """A score, against how often the account's messages have such scores."""
    event = seen.event
    assert isinstance(event, SubmissionEvent)
    score = event.spam_score
    if score is None or seen.forwarded:
        return NOTHING
    if score < NEAR:
        return (Finding(Family.CONTENT, CLEAN, CLEAN),) if profile.quiet[Family.CONTENT] else NOTHING
    if score >= SPAM:
        usual = profile.flagged.mean
        bits = min(MOST_SPAM, log2(THIEF_SPAM / max(LEAST, min(usual, THIEF_SPAM))))
    else:
        usual = profile.scored.mean
        bits = min(MOST_NEAR, log2(THIEF_NEAR / max(LEAST, min(usual, THIEF_NEAR))))
    numbers = (("score", round(score, 1)), ("usual", round(100 * usual, 1)))
    template = site.digest(f"template {round(score)} {(event.size or 0) // TEMPLATE_BYTES}")
    if score < SPAM:
        return (Finding(Family.CONTENT, bits, bits, "spam-score", numbers, template),)
    if seen.may_be_bulk:
        return (
            Finding(Family.CONTENT, bits, 0.0, "spam-score", numbers),
            Finding(Family.CONTENT, 0.0, bits, "", (), template),
        )
    return (Finding(Family.CONTENT, bits, bits, "spam-score", numbers),)
