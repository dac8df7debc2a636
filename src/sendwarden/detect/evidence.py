"""Evidence of an account: bits by family, that decay, have caps and never fall below nothing.

Two sums are kept: against the account's own past, and against honest mail to many from its own network.
What is acted on is the milder one. Nothing is banked: good mail takes evidence back, down to zero, and
no further (CUSUM).
"""

from collections.abc import Sequence
from math import exp2

from sendwarden.detect.families import CAPS, OUTCOMES, Family
from sendwarden.detect.finding import Finding
from sendwarden.detect.memory import DAY_S
from sendwarden.detect.profile import REASONS, Profile, Told

HALF_LIFE_S = DAY_S
# Of the numbers of reasons; each is kept once for all profiles.
NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}
# Less is nothing.
LEAST = 0.02


def decay(profile: Profile, at: float) -> None:
    """Bring what decays to ``at``. Times that lie before the last are taken for it."""
    passed = at - profile.evidence_at
    if passed <= 0:
        return
    profile.evidence_at = at
    factor = exp2(-passed / HALF_LIFE_S)
    profile.outcomes_bad *= factor
    profile.outcomes_all *= factor
    profile.sent_day *= factor
    profile.facts_outcome *= factor
    for values in (profile.quiet, profile.bulk):
        if any(values):
            for family, bits in enumerate(values):
                values[family] = bits * factor if bits * factor >= LEAST else 0.0


def add(profile: Profile, finding: Finding, at: float, correction: float = 0.0) -> None:
    """One finding into both sums. ``correction``: what reviewers' verdicts made of its reason, in bits."""
    family, quiet, bulk, reason, numbers, fact = finding
    if correction and quiet > 0:
        quiet, bulk = max(0.0, quiet + correction), max(0.0, bulk + correction) if bulk > 0 else bulk
    heavier = max(quiet, bulk)
    if fact and heavier > 0:
        share = profile.facts.more(fact, heavier, int(at)) / heavier
        if not share:
            return
        quiet, bulk = quiet * share, bulk * share
    cap = CAPS[family]
    if profile.halved and profile.halved.get(family, 0.0) > at:
        cap /= 2
    profile.quiet[family] = min(cap, max(0.0, profile.quiet[family] + quiet))
    profile.bulk[family] = min(cap, max(0.0, profile.bulk[family] + bulk))
    if reason and heavier > 0:
        if family in OUTCOMES:
            profile.facts_outcome += min(1.0, heavier)
        names = tuple([name for name, _value in numbers])
        values = tuple([value for _name, value in numbers])
        _tell(profile, Told(family, reason, NAMES.setdefault(names, names), values, heavier, at))


def _tell(profile: Profile, told: Told) -> None:
    for kept in profile.told:
        if kept.family is told.family and kept.reason == told.reason:
            kept.bits = weight_of(kept, told.at) + told.bits
            kept.values, kept.at = told.values, told.at
            return
    if len(profile.told) >= REASONS:
        profile.told.remove(min(profile.told, key=lambda kept: weight_of(kept, told.at)))
    profile.told.append(told)


def weight_of(told: Told, at: float) -> float:
    """Bits of a reason today."""
    return told.bits * exp2((told.at - at) / HALF_LIFE_S)


def acted_on(profile: Profile) -> Sequence[float]:
    """The milder of both sums, by family."""
    return profile.quiet if sum(profile.quiet) <= sum(profile.bulk) else profile.bulk


def score(profile: Profile) -> float:
    """Bits that are acted on."""
    return min(sum(profile.quiet), sum(profile.bulk))


def of_outcome(values: Sequence[float]) -> float:
    """Bits of all families of outcome but that of shared addresses, which rests on others."""
    return float(sum(values[family] for family in OUTCOMES if family is not Family.INFRASTRUCTURE))
