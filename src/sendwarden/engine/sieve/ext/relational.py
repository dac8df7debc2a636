"""RFC 5231: the match types :value and :count, with a relation such as "ge"."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from sendwarden.engine.sieve.matching import Comparator, Keys, Matched, MatchType
from sendwarden.engine.sieve.registry import Capability
from sendwarden.engine.sieve.run import Run

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}


def _bind(comparator: Comparator, keys: Keys, relation: str, _sets: bool) -> Matched:  # noqa: FBT001
    order, holds = comparator.order, RELATIONS[relation]

    def related(run: Run, values: Sequence[str]) -> bool:
        now = keys.constant if keys.constant is not None else keys.get(run)
        return any(holds(order(value), order(key)) for value in values for key in now)

    return related


# :count compares one number, which the test gives as the only value.
CAPABILITIES = (
    Capability(
        "relational",
        match_types=(
            MatchType(":value", _bind, "relational", relational=True),
            MatchType(":count", _bind, "relational", relational=True),
        ),
    ),
)
