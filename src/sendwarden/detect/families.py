"""Families of evidence: what they are about, and how much each may say at the most.

Evidence within a family hangs together (a bad list bounces many times), so each has a cap. Families of
outcome are about what others made of the mail; families of context, about how the account was used.
Context alone never holds anybody: people travel, change networks and write to strangers.
"""

from dataclasses import dataclass
from enum import IntEnum


class Family(IntEnum):
    """Index into the evidence of a profile."""

    REJECTIONS = 0
    CONTENT = 1
    FEEDBACK = 2
    IDENTITY = 3
    INFRASTRUCTURE = 4
    ACCESS = 5
    RATE = 6
    NOVELTY = 7
    PHISHERS = 8
    CHANGES = 9


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One family. ``cap`` in bits; ``outcome``: may it be what holds an account?"""

    family: Family
    letter: str
    word: str  # as reasons name it
    cap: float
    outcome: bool


FAMILIES: tuple[FamilyRow, ...] = (
    FamilyRow(Family.REJECTIONS, "R", "rejections", 9, outcome=True),
    FamilyRow(Family.CONTENT, "C", "content", 7, outcome=True),
    FamilyRow(Family.FEEDBACK, "F", "complaints", 8, outcome=True),
    FamilyRow(Family.IDENTITY, "I", "identity", 4, outcome=True),
    FamilyRow(Family.INFRASTRUCTURE, "X", "shared addresses", 7, outcome=True),
    FamilyRow(Family.ACCESS, "G", "access", 7, outcome=False),
    FamilyRow(Family.RATE, "V", "rate", 5, outcome=False),
    FamilyRow(Family.NOVELTY, "N", "new recipients", 5, outcome=False),
    FamilyRow(Family.PHISHERS, "P", "mail to phishers", 6, outcome=False),
    FamilyRow(Family.CHANGES, "A", "account changes", 5, outcome=False),
)
CAPS = tuple(row.cap for row in FAMILIES)
OUTCOMES = tuple(row.family for row in FAMILIES if row.outcome)
WORDS = {row.family: row.word for row in FAMILIES}
