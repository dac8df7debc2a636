"""What is known of one account: its habits, the evidence against it, and its state.

Small (at most 8 KB when everything is full, which a test measures) and without addresses: whom it wrote
to and where it was are keyed hashes. `detect.keeping` makes bytes of it.
"""

from array import array
from dataclasses import dataclass, field

from sendwarden.core.account import State
from sendwarden.detect.families import FAMILIES, OUTCOMES, Family
from sendwarden.detect.finding import Number
from sendwarden.detect.memory import Acquaintances, Facts, Places

COUNTRIES, NETWORKS, ADDRESSES, HEADERS, FACTS = 8, 12, 16, 6, 32
SEEN_BITS, SEEN_MOST = 4096, 340
# Reasons that are kept, the heaviest.
REASONS = 6
# A habit is halved when it is made of so many.
FORGETS = 400
# Bits of outcome that are more than an accident.
SOMETHING = 1.0
# So long an account is learnt before what is new about it says much.
LEARNING_S = 3 * 86_400


@dataclass(slots=True)
class Told:
    """A reason that was given: the bits that came with it, decayed with its family's."""

    family: Family
    reason: str
    names: tuple[str, ...]  # of the numbers; a few that all profiles share
    values: tuple[Number, ...]
    bits: float
    at: float

    @property
    def numbers(self) -> dict[str, Number]:
        return dict(zip(self.names, self.values, strict=True))


class Habit:
    """How often something happens to this account: a Beta mean that forgets by halves."""

    __slots__ = ("count", "hits")

    def __init__(self, hits: float, count: float) -> None:
        self.hits = hits
        self.count = count

    @property
    def mean(self) -> float:
        return self.hits / self.count

    def learn(self, hits: float, count: float) -> None:
        self.hits += hits
        self.count += count
        if self.count > FORGETS:
            self.hits /= 2
            self.count /= 2


def _zeros() -> "array[float]":
    return array("d", bytes(8 * len(FAMILIES)))


@dataclass(slots=True)
class Profile:
    """One account. Times are Unix seconds, 0.0 where something has not happened."""

    account: str
    first_at: float
    last_at: float = 0.0
    # Evidence in bits by family, under two hypotheses of honest use.
    quiet: "array[float]" = field(default_factory=_zeros)
    bulk: "array[float]" = field(default_factory=_zeros)
    facts_outcome: float = 0.0  # how many facts of outcome there were, decayed likewise
    evidence_at: float = 0.0
    told: list[Told] = field(default_factory=list)
    facts: Facts = field(default_factory=lambda: Facts(FACTS))
    halved: dict[int, float] = field(default_factory=dict)  # family -> until when its cap is halved
    # The state, since when, and since when it could be left.
    state: State = State.NORMAL
    state_at: float = 0.0
    low_since: float = 0.0
    rose_at: float = 0.0  # when it was last normal
    # Where it is used.
    countries: Places = field(default_factory=lambda: Places(COUNTRIES))
    networks: Places = field(default_factory=lambda: Places(NETWORKS))
    addresses: Places = field(default_factory=lambda: Places(ADDRESSES))
    moves: float = 0.0  # countries that became known after the beginning
    days: int = 0  # on which it did something
    day: int = 0
    at_home_at: float = 0.0  # last done from a place that is known
    strange_at: float = 0.0  # last done from one that is not
    sent_at: float = 0.0
    sent_country: str = ""
    spread: int = 0  # bits for prefixes of today
    spread_at: float = 0.0
    # How it writes.
    seen: Acquaintances = field(default_factory=lambda: Acquaintances(SEEN_BITS, SEEN_MOST))
    headers: Places = field(default_factory=lambda: Places(HEADERS))
    novelty: Habit = field(default_factory=lambda: Habit(2, 20))
    flagged: Habit = field(default_factory=lambda: Habit(1, 100))
    scored: Habit = field(default_factory=lambda: Habit(5, 100))  # in the band below
    invalid: Habit = field(default_factory=lambda: Habit(1, 100))
    recipients: int = 0
    outcomes_bad: float = 0.0  # of the last day, decayed: new recipients that do not exist
    outcomes_all: float = 0.0
    sent_day: float = 0.0  # recipients of the last day, decayed
    slot: int = 0
    slot_count: float = 0.0
    slot_bits: float = 0.0
    busy: float = 3.0  # what a busy slot has, the 95th of a hundred
    forwards: int = 0  # messages under SRS on earlier days
    failures: int = 0  # logins that failed from strange addresses, in a row
    failed_at: float = 0.0
    approved: list[int] = field(default_factory=list)  # (network, envelope sender) allowed to be bulk

    @property
    def calm(self) -> bool:
        """Is there nothing against it? Only then what it does becomes habit."""
        return self.state is State.NORMAL

    @property
    def at_ease(self) -> bool:
        """May its places become known? Travel alone must not keep them strange for ever."""
        if self.state is State.WATCHED:
            return not any(self.quiet[family] >= SOMETHING for family in OUTCOMES)
        return self.calm

    def learning(self, at: float) -> bool:
        return not self.first_at or at - self.first_at < LEARNING_S
