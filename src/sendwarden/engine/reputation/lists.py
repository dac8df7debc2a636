"""Lists in the DNS, and what their answers mean (RFC 5782).

Only answers in 127.0.0.0/8 are a list's, and of these only the codes that the settings name count. An answer
that says "I do not answer you" is a refusal and never a listing (`REFUSALS`). So is any other address: it
comes from a resolver that answers for names that do not exist, or from a domain that somebody else has
bought.
"""

from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from sendwarden.core.dns import Question, Route
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.names import NAME_LETTERS, address_name, domain_name

Kind = Literal["dnsbl", "dnswl", "rhsbl"]
HealthCheck = Literal["retire", "warn", "off"]

ANSWERS = IPv4Network("127.0.0.0/8")
# Answers that are none. The first is never a listing, whatever the settings say.
REFUSALS: tuple[tuple[IPv4Network, str], ...] = (
    (IPv4Network("127.255.255.0/24"), "refuses to answer"),  # Spamhaus, Abusix and others
    (IPv4Network("127.0.0.1/32"), "refuses to answer, or was taken over"),  # SURBL, URIBL
    (IPv4Network("127.0.0.255/32"), "refuses to answer"),  # dnswl.org: too many questions
)
# Different answers of one list of which the meaning is remembered.
REMEMBERED_ANSWERS = 1000
# Codes that a list answers and that are kept, at the most.
MOST_CODES = 20


@dataclass(frozen=True)
class DnsList:
    """One list. ``codes`` are networks of answers with their weights, the narrowest first.

    ``key`` is a secret: it stands before the zone in questions, and nowhere else.
    """

    name: str
    kind: Kind
    zone: str
    codes: tuple[tuple[IPv4Network, int], ...] = ((IPv4Network("127.0.0.2/32"), 1),)
    key: str = field(default="", repr=False)
    servers: tuple[str, ...] = ()
    patience_s: float = 2.0
    health_check: HealthCheck = "retire"

    @cached_property
    def whole_zone(self) -> str:
        """With the key: for questions alone."""
        return f"{self.key}.{self.zone}" if self.key else self.zone

    @property
    def shown_zone(self) -> str:
        """For people."""
        return f"***.{self.zone}" if self.key else self.zone

    def question(self, subject: str, route: Route) -> Question | None:
        """What is asked about an address or a domain; None: it is nothing for this list."""
        name = domain_name(subject) if self.kind == "rhsbl" else address_name(subject)
        return self.test(name, route) if name else None

    def test(self, name: str, route: Route) -> Question | None:
        """Ask for a name as the list has it; None: with the zone it is too long."""
        whole = f"{name}.{self.whole_zone}"
        return Question(whole, "A", route) if len(whole) <= NAME_LETTERS else None

    def read(self, records: tuple[str, ...]) -> Finding:
        """What the addresses of an answer mean."""
        found = self._meanings.get(records)
        if found is None:
            if len(self._meanings) >= REMEMBERED_ANSWERS:
                self._meanings.clear()
            found = self._meanings[records] = self._read(records)
        return found

    @cached_property
    def _meanings(self) -> dict[tuple[str, ...], Finding]:
        return {}

    def _read(self, records: tuple[str, ...]) -> Finding:
        codes = records[:MOST_CODES]
        addresses = [IPv4Address(record) for record in records]
        if refusal := next(filter(None, map(self._refusal, addresses)), ""):
            return Finding(self.kind, self.name, Said.UNKNOWN, codes=codes, why=refusal)
        weights = [weight for address in addresses if (weight := self._weight(address)) is not None]
        if not weights:
            return Finding(self.kind, self.name, Said.CLEAR, codes=codes)
        if self.kind == "dnswl":
            return Finding(self.kind, self.name, Said.PASS, codes=codes)
        return Finding(self.kind, self.name, Said.LISTED, max(weights), codes)

    def _refusal(self, address: IPv4Address) -> str:
        """Why an address is no answer; "": it is one."""
        if address not in ANSWERS:
            return f"answers {address}, which is no answer of a list"
        for number, (network, says) in enumerate(REFUSALS):
            if address in network and (number == 0 or IPv4Network(address) not in dict(self.codes)):
                return f"{says}: {address}"
        return ""

    def _weight(self, address: IPv4Address) -> int | None:
        return next((weight for network, weight in self.codes if address in network), None)
