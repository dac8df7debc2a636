"""Why an account is in its state: families with their bits and reasons, and what it would be without."""

from dataclasses import dataclass

from sendwarden.core.account import State
from sendwarden.core.decision import Reason
from sendwarden.core.texts import sentence
from sendwarden.detect import evidence, states
from sendwarden.detect.families import WORDS, Family
from sendwarden.detect.profile import Profile

# Families with less are not worth a word.
LEAST = 0.3
REASONS_OF_FAMILY = 2


@dataclass(frozen=True, slots=True)
class FamilyWhy:
    """One family: its bits, and the reasons that gave most of them."""

    family: Family
    bits: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """All of it. ``without``: the state that the account would be in without the heaviest family."""

    bits: float
    families: tuple[FamilyWhy, ...]
    without: State

    def record(self) -> list[dict[str, object]]:
        """Reasons for programs, the heaviest first."""
        return [
            {
                "family": WORDS[each.family],
                "bits": round(each.bits, 1),
                "reasons": [{"id": reason.id, **reason.numbers} for reason in each.reasons],
                "says": "; ".join(map(sentence, each.reasons)),
            }
            for each in self.families
        ]


def why(profile: Profile, at: float, factor: float) -> Why:
    values = list(evidence.acted_on(profile))
    families = sorted((family for family in Family if values[family] >= LEAST), key=lambda f: (-values[f], f))
    told = [FamilyWhy(family, values[family], _reasons(profile, family, at)) for family in families]
    total = sum(values)
    without = list(values)
    if families:
        without[families[0]] = 0.0
    state = states.called_for(without, profile.facts_outcome, factor, 0.0)
    return Why(total, tuple(told), state)


def _reasons(profile: Profile, family: Family, at: float) -> tuple[Reason, ...]:
    told = [one for one in profile.told if one.family is family]
    told.sort(key=lambda one: -evidence.weight_of(one, at))
    return tuple(Reason(one.reason, one.numbers) for one in told[:REASONS_OF_FAMILY])


def line(state: State, found: Why) -> str:
    """One sentence, as in "held: 14.1 bits = rejections 6.2 (...) + access 4.6 (...)"."""
    parts = [
        f"{WORDS[each.family]} {each.bits:.1f}"
        + (f" ({'; '.join(map(sentence, each.reasons))})" if each.reasons else "")
        for each in found.families
    ]
    return f"{state.value}: {found.bits:.1f} bits = {' + '.join(parts)}" if parts else state.value


def counterfactual(state: State, found: Why) -> str:
    """What it would be without the heaviest family; empty where that makes no difference."""
    if not found.families or found.without is state:
        return ""
    return f"without {WORDS[found.families[0].family]} this would be {found.without.value}"
