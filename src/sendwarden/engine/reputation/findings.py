"""What one check says: the vocabulary that lists and other checks share."""

from dataclasses import dataclass
from enum import Enum


class Said(Enum):
    """What a check is for. `PASS` beats everything, then `BLOCK`; weights of `LISTED` are added up."""

    PASS = "pass"  # noqa: S105 - let pass
    BLOCK = "block"
    LISTED = "listed"
    CLEAR = "not listed"
    UNKNOWN = "no answer"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. Only what is `LISTED` has a weight: nothing unknown is evidence."""

    check: str  # dnsbl, dnswl, rhsbl, reverse, helo
    name: str  # the list as the settings call it, or the check
    said: Said
    weight: int = 0
    codes: tuple[str, ...] = ()  # what a list answered
    why: str = ""  # what weighs, or why nothing is known

    def __post_init__(self) -> None:
        if self.weight and self.said is not Said.LISTED:
            raise ValueError(f"a weight of {self.weight} for {self.said}")
