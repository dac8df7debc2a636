"""What a signal found: bits of evidence for one family, and why."""

from typing import NamedTuple

from sendwarden.detect.families import Family

Number = str | int | float


class Finding(NamedTuple):
    """Bits under two hypotheses of honest use; what is acted on is the milder one of both (see `evidence`).

    ``reason`` and ``numbers`` make a Reason (`core.texts`); empty: nothing worth telling. A ``fact`` that is
    not 0 counts once a day: the same again adds only what it is heavier than before.
    """

    family: Family
    quiet: float  # against the account's own past
    bulk: float  # against honest mail to many
    reason: str = ""
    numbers: tuple[tuple[str, Number], ...] = ()
    fact: int = 0


NOTHING: tuple[Finding, ...] = ()
