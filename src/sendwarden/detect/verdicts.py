"""What a reviewer's verdict changes: for the account, for others, and for how much a reason weighs here.

An approval of mail to many holds for one account from one network under one envelope sender. It is never a
free pass: an approved newsletter login from a new network has the full evidence against it.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from math import log2

from sendwarden.core.account import State
from sendwarden.core.event import SubmissionEvent
from sendwarden.detect import evidence, states
from sendwarden.detect.families import FAMILIES
from sendwarden.detect.memory import DAY_S, DAYS, Places
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import SETTLED_DAYS, approval_key
from sendwarden.detect.site import SiteContext

HALVED_S = 30 * DAY_S
MONTH_S = 30 * DAY_S
# A profile keeps so many approvals.
APPROVALS = 8
# Before any verdict: of 20 stolen accounts one has a reason, of 100 honest ones half a one.
STOLEN_WITH, STOLEN, HONEST_WITH, HONEST = 1, 20, 0.5, 100
# Bits that a month's verdicts can change, and all of them.
MOST_A_MONTH, MOST = 1.0, 3.0


class Verdict(Enum):
    """What a reviewer says of an account."""

    LEGIT = "legit"
    COMPROMISED = "compromised"
    BULK_APPROVED = "bulk-approved"


def legit(profile: Profile, at: float) -> None:
    """All was right: its places and names are its own, and the reasons that were wrong weigh less."""
    for family, bits in enumerate(evidence.acted_on(profile)):
        if bits >= states.STRONG:
            profile.halved[family] = at + HALVED_S
    _clear(profile, at)
    for places in (profile.countries, profile.networks, profile.addresses, profile.headers):
        _settle(places)


def compromised(profile: Profile, site: SiteContext, at: float) -> None:
    """A thief's addresses are those of an incident, whoever else was seen there."""
    for key in profile.addresses.new_since((profile.rose_at or at) - DAY_S):
        site.add_incident(key, at)


def bulk_approved(profile: Profile, event: SubmissionEvent, site: SiteContext, at: float) -> None:
    """Mail to many is all right from where, and as whom, this message was sent."""
    key = approval_key(event, site)
    if key not in profile.approved:
        profile.approved = [*profile.approved, key][-APPROVALS:]
    _clear(profile, at)


def _clear(profile: Profile, at: float) -> None:
    for family in range(len(FAMILIES)):
        profile.quiet[family] = profile.bulk[family] = 0.0
    profile.facts_outcome = profile.low_since = 0.0
    profile.told.clear()
    profile.state, profile.state_at = State.NORMAL, at


def _settle(places: Places) -> None:
    for row in places.used_since(0.0):
        places.rows[row + DAYS] = SETTLED_DAYS


@dataclass(slots=True)
class ReasonCounts:
    """In how many verdicts of each kind each reason stood, and what that made of its bits."""

    stolen: int = 0
    honest: int = 0
    stolen_with: Counter[str] = field(default_factory=Counter)
    honest_with: Counter[str] = field(default_factory=Counter)
    corrections: dict[str, float] = field(default_factory=dict)
    corrected_at: float = 0.0

    def count(self, profile: Profile, verdict: Verdict) -> None:
        """To be called before the verdict is carried out, which forgets the reasons."""
        reasons = {told.reason for told in profile.told}
        if verdict is Verdict.COMPROMISED:
            self.stolen += 1
            self.stolen_with.update(reasons)
        else:
            self.honest += 1
            self.honest_with.update(reasons)

    def correct(self, at: float) -> None:
        """Once a month: what each reason weighs more or less, at most a bit further than it was."""
        if at - self.corrected_at < MONTH_S:
            return
        self.corrected_at = at
        for reason in sorted({*self.stolen_with, *self.honest_with}):
            stolen = (self.stolen_with[reason] + STOLEN_WITH) / (self.stolen + STOLEN)
            honest = (self.honest_with[reason] + HONEST_WITH) / (self.honest + HONEST)
            wanted = log2(stolen / honest) - log2(STOLEN_WITH / STOLEN * HONEST / HONEST_WITH)
            was = self.corrections.get(reason, 0.0)
            step = min(MOST_A_MONTH, max(-MOST_A_MONTH, wanted - was))
            self.corrections[reason] = min(MOST, max(-MOST, was + step))
