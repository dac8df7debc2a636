"""What a scanner found in a message, and what it was given to look at."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Levels of `virustest` (RFC 5235 section 3.2): not tested, clean, and for sure a virus.
NOT_TESTED, CLEAN, VIRUS = 0, 1, 5
PERCENT = 100
# Of `spamtest` without :percent (RFC 5235 section 2.1): 1 is clean, 10 spam for sure.
HIGHEST = 10
_PHISHING = "PHISH"


@dataclass(frozen=True, slots=True)
class Finding:
    """One scanner's answer. ``failed`` says why there is none; then nothing else counts.

    Raises `ValueError` for numbers that no score can be.
    """

    scanner: str
    score: float | None = None  # None: this scanner does not score
    threshold: float = 0.0  # the score from which mail is spam
    spam: bool = False
    virus: str | None = None  # "" is none; None: this scanner does not look for them
    symbols: tuple[str, ...] = ()  # the rules or signatures that hit
    failed: str = ""

    def __post_init__(self) -> None:
        if self.score is not None and not (math.isfinite(self.score) and math.isfinite(self.threshold)):
            raise ValueError(f"a score of {self.score} of {self.threshold}")
        if self.score is not None and self.threshold <= 0:
            raise ValueError(f"a threshold of {self.threshold} would make all mail spam")

    @property
    def percent(self) -> int | None:
        """The score as a share of the threshold, 0 to 100; None: there is none."""
        if self.failed or self.score is None:
            return None
        return PERCENT if self.spam else int(PERCENT * min(1.0, max(0.0, self.score / self.threshold)))

    @property
    def phishing(self) -> str:
        """The first rule or signature that calls it phishing."""
        named = (self.virus or "", *self.symbols)
        return next((name for name in named if _PHISHING in name.upper()), "")


def spam_percent(findings: Iterable[Finding]) -> int | None:
    """Of several scanners the highest counts; None: nobody scored it."""
    return max((found.percent for found in findings if found.percent is not None), default=None)


def spam_level(percent: int | None) -> int:
    """0 to 10, as `spamtest` has it."""
    return 0 if percent is None else 1 + (HIGHEST - 1) * percent // PERCENT


def virus_level(findings: Iterable[Finding]) -> int:
    """0 to 5, as `virustest` has it; what scanners cured in a message nobody hands to us."""
    levels = [VIRUS if found.virus else CLEAN for found in findings if found.virus is not None]
    return max(levels, default=NOT_TESTED)


@dataclass(frozen=True, slots=True)
class ToScan:
    """A message as a scanner gets it. Of our own users it has neither address nor trace fields."""

    content: bytes
    client_address: str = ""
    client_name: str = ""
    helo: str = ""
    login: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    queue_id: str = ""
