"""What simulated accounts do before the world has answered, with what only the simulator knows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from sendwarden.core.event import DirectoryEvent, LoginEvent, Origin, SubmissionEvent
from sendwarden.simulate.attacks import Attack

DAY_S = 86_400.0


# A recipient, and whether it exists.
Member = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody sits, and by which channel mail from there comes."""

    origin: Origin
    channel: str

    def login(self, at: float, account: str, *, success: bool = True) -> LoginEvent:
        return LoginEvent(at, account, success, self.origin, self.channel)


@dataclass(frozen=True, slots=True)
class Content:
    """What a message is like. `score` None: a scanner sees nothing, or there is none."""

    envelope_from: str
    header_from: str
    size: int
    score: float | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A message, which of its recipients do not exist, and what it is."""

    event: SubmissionEvent
    invalid: frozenset[str] = frozenset()
    attack: Attack | None = None
    complaints: float = 0.0  # a recipient


def submission(  # noqa: PLR0913, PLR0917 - all of a message
    at: float, account: str, place: Place, content: Content, members: Sequence[Member], chance: Random
) -> SubmissionEvent:
    """A message by any account; its id says nothing."""
    score = None if content.score is None else round(content.score, 1)
    return SubmissionEvent(
        at,
        account,
        f"{chance.getrandbits(56):014x}",
        place.origin,
        place.channel,
        content.envelope_from,
        content.header_from,
        None,
        tuple(dict.fromkeys(address for address, _exists in members)),
        content.size,
        score,
    )


def missing(members: Sequence[Member]) -> frozenset[str]:
    return frozenset(address for address, exists in members if not exists)


@dataclass(slots=True)
class Doings:
    """Everything that accounts do, in no order yet."""

    drafts: list[Draft] = field(default_factory=list)
    others: list[LoginEvent | DirectoryEvent] = field(default_factory=list)


@dataclass(slots=True)
class Truth:
    """What an account really is. Times are Unix seconds."""

    account: str
    archetype: str
    attack: str | None = None
    scored: bool | None = None  # does a scanner see its spam?
    compromised_from: float | None = None
    spam: list[str] = field(default_factory=list)  # message ids

    def record(self) -> dict[str, object]:
        """One line of the truth file."""
        return {
            "user": self.account,
            "archetype": self.archetype,
            "attack": self.attack,
            "scored": self.scored,
            "compromised_from": self.compromised_from,
            "spam": self.spam,
        }
