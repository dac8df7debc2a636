"""Questions to the DNS and their answers, as the rest of the program sees them.

An answer is records, none at all, or trouble; whatever went wrong on the way is one sentence in it. Names of
questions may hold a secret (the key of a paid list), so that they are not for a log: what is told names the
`Route`.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

RecordKind = Literal["A", "AAAA", "PTR", "SOA", "TXT", "MX"]

# How long the absence of a name counts where its zone does not say (RFC 2308 section 5), in seconds.
NOTHING_S = 60.0


@dataclass(eq=False, slots=True)
class Route:
    """Whom to ask, and for how long; compared by identity, so that a question is found fast.

    ``name`` is what a log calls it. Without ``servers`` (``address:port``) the system's are asked.
    """

    name: str
    servers: tuple[str, ...] = ()
    patience_s: float = 2.0
    nothing_s: float = NOTHING_S  # how long the absence of a name counts; by the zone's SOA once it is known


class Question(NamedTuple):
    """One name, without a final dot, and the kind of its records."""

    name: str
    kind: RecordKind
    route: Route

    def __repr__(self) -> str:
        return f"Question({self.kind} by {self.route.name})"


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """Records as text: an address, a name without a final dot; of SOA the minimum in seconds, of MX the name.

    Empty: the name, or records of this kind, do not exist. With ``trouble`` nothing is known.
    """

    records: tuple[str, ...] = ()
    keep_s: float = field(default=0.0, compare=False)  # how long it counts, by its TTL
    trouble: str = ""
