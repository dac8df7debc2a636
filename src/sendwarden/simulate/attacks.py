"""Ways to use a stolen account, each a row of figures. docs/simulate.md says what each is there for."""

from dataclasses import dataclass
from typing import Literal

Origins = Literal["botnet", "one-far", "near", "webmail", "few-far"]


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of abuse. Shares are of 1, times in seconds."""

    name: str
    weight: float  # how often, among all attacks
    origins: Origins
    messages: tuple[int, int]
    recipients: tuple[int, int]  # of one message
    gap_s: float  # between messages, on average
    score: tuple[float, float] | None = (4.5, 14.0)  # None: no scanner sees anything in it
    invalid: tuple[float, float] = (0.08, 0.3)  # of the list
    internal: float = 0.0  # share of recipients within the site
    refused: float = 0.08  # by content or reputation, of the recipients
    complaints: float = 0.004  # a recipient
    traps: float = 0.0008
    reports: float = 0.0  # by our own users, a recipient
    foreign_from: float = 0.3  # share of attacks that write another From
    tests: int = 0  # messages to a drop box first
    logs_in_days_before: float = 0.0  # silent logins that only try the password
    changes_directory: float = 0.1  # share of attacks that set a rule or a forward
    guesses: float = 0.0  # share of attacks that begin with guessed passwords
    accounts: int = 1  # used at the same time
    gangs: int = 1
    at_night: bool = True

    @property
    def scored(self) -> bool:
        return self.score is not None


ATTACKS: tuple[Attack, ...] = (
    Attack("botnet-blast", 3, "botnet", (300, 2500), (1, 20), 2.5, guesses=0.3),
    Attack("low-and-slow", 2, "one-far", (80, 300), (1, 6), 1500.0, logs_in_days_before=0.5),
    Attack("webmail-blast", 2, "webmail", (60, 400), (20, 90), 25.0),
    Attack("419", 2, "one-far", (80, 400), (10, 60), 40.0, score=None, foreign_from=0.6),
    Attack(
        "lateral-phishing",
        2,
        "near",
        (8, 40),
        (5, 40),
        60.0,
        score=(1.0, 8.0),
        invalid=(0.0, 0.04),
        internal=1.0,
        refused=0.0,
        complaints=0.0,
        traps=0.0,
        reports=0.03,
        foreign_from=0.1,
        changes_directory=0.4,
        at_night=False,
    ),
    Attack("limit-tester", 1, "one-far", (100, 500), (5, 30), 20.0, tests=4, logs_in_days_before=1.0),
    Attack("campaign", 1, "few-far", (40, 200), (5, 30), 30.0, accounts=4),
    Attack("several-gangs", 1, "few-far", (150, 600), (5, 30), 40.0, gangs=3, logs_in_days_before=0.7),
)
