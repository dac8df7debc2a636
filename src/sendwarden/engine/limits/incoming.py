"""Mail that comes in: what of a message is counted for which network, domain and mailbox.

Incoming is what strangers hand in for our own recipients: without a login, from no network of ours. Each kind
of key has a row of limits; one that has none is not counted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from sendwarden.core.decision import Verdict
from sendwarden.core.identity import fold_domain, in_domains, split_address
from sendwarden.core.networks import Networks, in_networks

from .rules import Limits

# Kinds of keys, by the names of their rows, and what a key of theirs is called in a sentence.
KINDS: Mapping[str, str] = {
    "incoming-network": "from the network",
    "incoming-domain": "from the domain",
    "incoming-bounces": "without a sender for",
    "incoming-mailbox": "for",
}
NETWORK, DOMAIN, BOUNCES, MAILBOX = KINDS
# Letters of a key; a longer one is counted by its hash.
KEY_LETTERS = 255

_IPV4 = 4


class Key(NamedTuple):
    """What a message counts for. ``name`` is that of a network, a domain or a mailbox."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class IncomingRules:
    """Which kinds are counted, and what happens over a limit. Without rows: none."""

    rows: Mapping[str, Limits] = field(default_factory=dict)
    apart: Networks = ()  # whose mail is not counted
    domains_apart: tuple[str, ...] = ()  # sender domains that are not
    ipv4_prefix: int = 24
    ipv6_prefix: int = 64
    verdict: Verdict = Verdict.DEFER
    watched: bool = True

    def counts(self, address: str, login: str) -> bool:
        return bool(self.rows and address and not login) and not in_networks(address, self.apart)

    def of_message(self, address: str, sender: str) -> Iterator[Key]:
        """What a message counts for whoever gets it."""
        if NETWORK in self.rows:
            yield Key(NETWORK, self._network(address))
        domain = fold_domain(split_address(sender)[1])
        if DOMAIN in self.rows and domain and not in_domains(domain, self.domains_apart):
            yield _key(DOMAIN, domain)

    def of_recipients(
        self, sender: str, recipients: Iterable[str], mailbox: Callable[[str], str]
    ) -> Iterator[Key]:
        """What it counts for each of our own recipients; ``mailbox`` folds an address."""
        for name in dict.fromkeys(map(mailbox, recipients)):
            if MAILBOX in self.rows:
                yield _key(MAILBOX, name)
            if BOUNCES in self.rows and not sender:
                yield _key(BOUNCES, name)

    def named(self, written: str, mailbox: Callable[[str], str]) -> tuple[Key, ...]:
        """What a postmaster's word stands for: an address or network, a mailbox, or else a domain.

        Raises `ValueError` for a network that is no one that counts.
        """
        if "/" in written or _is_address(written):
            network = self._network(written.partition("/")[0])
            if "/" in written and str(ip_network(written, strict=False)) != network:
                raise ValueError(f"networks are counted as {network} here")
            return (Key(NETWORK, network),)
        local, domain = split_address(written)
        if local and domain:
            return tuple(_key(kind, mailbox(written)) for kind in (MAILBOX, BOUNCES))
        return (_key(DOMAIN, fold_domain(domain or local)),)

    def leaves_out(self, key: Key) -> bool:
        """Is mail of such a network or domain not counted, since it is one of ours or set apart?"""
        if key.kind == DOMAIN:
            return in_domains(key.name, self.domains_apart)
        return key.kind == NETWORK and in_networks(key.name.partition("/")[0], self.apart)

    def _network(self, address: str) -> str:
        try:
            ip = ip_address(address)
        except ValueError:
            return address[:KEY_LETTERS]
        ip = getattr(ip, "ipv4_mapped", None) or ip
        prefix = self.ipv4_prefix if ip.version == _IPV4 else self.ipv6_prefix
        return str(ip_network((ip, prefix), strict=False))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _key(kind: str, name: str) -> Key:
    """Names come from strangers: none may be long, or look like two."""
    if len(name) <= KEY_LETTERS and "\n" not in name:
        return Key(kind, name)
    return Key(kind, f"sha256:{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}")
