"""Which state the evidence calls for, and when a state is left again.

Thresholds follow from error rates: one account of a thousand is stolen in a week (-10 bits), so that
13.3 bits are odds of ten to one. They differ a little by account and month, so that nobody can measure
them with one account and use them with another.
"""

from collections.abc import Sequence
from math import floor

from sendwarden.core.account import State
from sendwarden.detect.families import OUTCOMES
from sendwarden.detect.memory import DAY_S
from sendwarden.detect.site import SiteContext

THRESHOLDS = {State.WATCHED: 5.0, State.THROTTLED: 9.0, State.HELD: 13.3, State.CONTAINED: 18.4}
# Two families with so many bits each, or it is no more than watched; for holding, one of them about outcome.
STRONG, VERY_STRONG = 2.0, 2.5
FAMILIES_LEAST = 2
# Chance can do one thing to anybody: one bounce, one message that a scanner dislikes. Holding takes two such
# facts, not more than a day apart (the first of two is worth half by then), or three if only two families
# agree. Throttling takes them as well, unless three families agree, or two say nearly all that they can.
FACTS_LEAST, FACTS_OF_TWO = 1.5, 2.5
FAMILIES_AGREE, NEARLY_ALL = 3, 11.0
CONTAINED_FAMILIES, CONTAINED_AFTER_S = 3, 600.0
# A state is left below this share of its threshold, for so long.
LEAVE_SHARE, LEAVE_S = 0.6, 7200.0
JITTER = 0.2
MONTH_S = 30 * DAY_S
ORDER = (State.NORMAL, State.WATCHED, State.THROTTLED, State.HELD, State.CONTAINED)
RANK = {state: rank for rank, state in enumerate(ORDER)}


def called_for(bits: Sequence[float], facts: float, factor: float, held_s: float) -> State:
    """The state for evidence by family. ``held_s``: how long the account is held already."""
    total = sum(bits)
    if total < THRESHOLDS[State.WATCHED] * factor:
        return State.NORMAL
    families = sum(b >= STRONG for b in bits)
    if total < THRESHOLDS[State.THROTTLED] * factor or families < FAMILIES_LEAST:
        return State.WATCHED
    outcome = max([bits[family] for family in OUTCOMES])
    agreed = families >= FAMILIES_AGREE
    proven = facts >= (FACTS_LEAST if agreed else FACTS_OF_TWO) and outcome >= STRONG
    if not agreed and not proven and total < NEARLY_ALL * factor:
        return State.WATCHED
    strong = sum(b >= VERY_STRONG for b in bits)
    convicts = proven and outcome >= VERY_STRONG and strong >= FAMILIES_LEAST
    if total < THRESHOLDS[State.HELD] * factor or not convicts:
        return State.THROTTLED
    if total < THRESHOLDS[State.CONTAINED] * factor:
        return State.HELD
    return State.CONTAINED if strong >= CONTAINED_FAMILIES or held_s >= CONTAINED_AFTER_S else State.HELD


def factor(site: SiteContext, account: str, at: float) -> float:
    """What an account's thresholds are multiplied with in this month: 0.8 to 1.2."""
    drawn = site.digest(f"threshold {account} {floor(at / MONTH_S)}") / 2**64
    return 1 - JITTER + 2 * JITTER * drawn
