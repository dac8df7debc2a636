"""What greylisting is asked, what checks found, and what it answers."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple


class Action(StrEnum):
    """What becomes of the mail, in the words of gross's log."""

    TRUST = "trust"  # it need not wait
    MATCH = "match"  # it has waited
    GREY = "greylist"  # it shall be sent again later
    BLOCK = "block"
    FAIL = "fail"  # nobody can tell: the question names no client


class Question(NamedTuple):
    """One recipient of one message. ``helo`` None: not said. ``account``: the login, where there is one."""

    sender: str
    recipient: str
    client_address: str
    helo: str | None = None
    account: str = ""
    by_account: bool = False  # all that its account, or else its sender, sends from there waits once


class Word(Enum):
    """What a check says besides its weight."""

    NOTHING = "nothing"
    PASSED = "passed"  # trusted, whatever others say
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Found:
    """What one check or list found. ``name``: as logs show it, without any secret."""

    name: str
    weight: int = 0
    word: Word = Word.NOTHING
    reason: str = ""  # of a block

    def __str__(self) -> str:
        return f"{self.name}{self.weight:+d}" if self.weight else self.name


@dataclass(frozen=True, slots=True)
class Findings:
    """What all checks found, in the order of their answers. ``missing``: those that gave none in time."""

    found: tuple[Found, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        return sum(one.weight for one in self.found)


NOTHING = Findings()


class Answer(NamedTuple):
    """What becomes of it and why. ``exempt``: which rule spared it from waiting, if one did."""

    action: Action
    findings: Findings = NOTHING
    reason: str = ""  # of a delay or block, for people
    exempt: str = ""
