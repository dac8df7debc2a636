"""Exceptions from the limits: by account, domain or host, with an end and a reason."""

from dataclasses import dataclass, field

from sendwarden.core.identity import in_domains, split_address
from sendwarden.core.networks import Networks, in_networks

from .rules import UNLIMITED, Limits


@dataclass(frozen=True, slots=True)
class Override:
    """Other limits for some accounts: ``limits`` instead of all, or only of what they name."""

    reason: str
    source: str  # where it comes from: a place in a file, or who set it
    limits: Limits = UNLIMITED
    whole: bool = True
    accounts: frozenset[str] = field(default_factory=frozenset)  # as `core.identity` gives them
    domains: tuple[str, ...] = ()
    networks: Networks = ()
    channels: frozenset[str] = field(default_factory=frozenset)  # empty: all
    until: float | None = None  # seconds since the epoch

    def applies(self, channel: str, account: str, now: float) -> bool:
        if (self.channels and channel not in self.channels) or (self.until is not None and now >= self.until):
            return False
        if account in self.accounts:
            return True
        domain = split_address(account)[1]
        if domain and in_domains(domain, self.domains):
            return True
        return account.startswith("[") and in_networks(account[1:-1], self.networks)

    def changed(self, limits: Limits) -> Limits:
        return self.limits if self.whole else limits.replaced(self.limits)
