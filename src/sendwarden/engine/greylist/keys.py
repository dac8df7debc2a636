"""Which questions are about the same triplet: networks instead of addresses, and one spelling of names.

A key is 60 bits of a hash: at a million triplets the chance that a new one is taken for a known one is below
one in 10**12. gross hashes what it was given, letter for letter; here the domains of addresses are folded.
"""

import re
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import IPV4LENGTH, IPV6LENGTH, IPv6Address, ip_address
from typing import Literal

from sendwarden.core.identity import fold_domain

from .question import Question

Tuple = Literal["user", "server", "account"]

# Bits of a key. An int of Python's that has no more of them takes 32 bytes.
KEY_BITS = 60
_DIGEST_BYTES = 8
_SPARE_BITS = 8 * _DIGEST_BYTES - KEY_BITS
# Addresses whose network is remembered, so that it is worked out once.
_MOST_KNOWN = 50_000
# The numbers of an IPv4 address as they are written: `ip_address` takes three times as long.
_OCTETS = {str(number): number for number in range(256)}
_SHIFTS = (24, 16, 8, 0)
_FOLDED = re.compile(r"(?:[a-z0-9._-]*[a-z0-9_-])?")

# What mailing lists, forwarders and signers write into a local part, anew for each message.
_VARIANTS = (
    (re.compile(r"^(srs0)[=+-][^=]+=[^=]+=", re.IGNORECASE), r"\1="),  # hash and day
    (re.compile(r"^(srs1)[=+-][^=]+=(.+?)=([=+-])[^=]+=[^=]+=", re.IGNORECASE), r"\1=\2=\3"),
    (re.compile(r"^(prvs)=[0-9][0-9]{3}[0-9a-f]{6}=", re.IGNORECASE), r"\1="),  # BATV
    (re.compile(r"[-+][^-+]*=[^=]*$"), ""),  # VERP: the recipient, @ written as =
    (re.compile(r"[0-9]+"), "#"),
)


@dataclass(frozen=True, slots=True)
class KeyRules:
    """``mask4`` and ``mask6``: leading bits of an address that count."""

    mask4: int = 24
    mask6: int = 64
    tuple: Tuple = "user"
    variants: bool = False  # are VERP, SRS and BATV forms of one sender the same?


@dataclass(slots=True)
class Keys:
    """Makes keys. Remembers the networks of addresses."""

    rules: KeyRules
    _known: dict[str, str] = field(default_factory=dict)

    def network(self, address: str) -> str:
        """The network of a client, as text; "" for what is no address."""
        found = self._known.get(address)
        if found is None:
            found = network_of(address, self.rules.mask4, self.rules.mask6)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[address] = found
        return found

    def key(self, network: str, asked: Question) -> int:
        """The triplet's key. ``network`` is that of its client."""
        rules = self.rules
        if asked.by_account or rules.tuple == "account":
            words = network, "", asked.account or self.mailbox(asked.sender)
        elif rules.tuple == "user":
            words = network, self.mailbox(asked.sender), folded(asked.recipient)
        else:
            domain = asked.sender.partition("@")[2]
            words = network, fold_domain(domain), fold_domain(asked.helo or "")
        return hash_of(*words)

    def mailbox(self, sender: str) -> str:
        """A sender in the one form that is compared."""
        if self.rules.variants:
            local, at, domain = sender.rpartition("@")
            return f"{plain(local)}@{fold_domain(domain)}" if at else sender
        return folded(sender)


def folded(mailbox: str) -> str:
    """Its domain in one spelling; ``<>`` and nothing are the null sender."""
    if mailbox.islower() and mailbox.isascii() and mailbox[-1] != ".":
        return mailbox  # nearly all are
    local, at, domain = mailbox.rpartition("@")
    if not at:
        return mailbox or "<>"
    return mailbox if _FOLDED.fullmatch(domain) else f"{local}@{fold_domain(domain)}"


def plain(local: str) -> str:
    """A local part without what changes from message to message."""
    for pattern, instead in _VARIANTS:
        local = pattern.sub(instead, local)
    return local


def network_of(address: str, mask4: int, mask6: int) -> str:
    """``192.0.2.0`` for 192.0.2.7 and 24 bits; "" for what is no address. A mapped address is IPv4."""
    octets = address.split(".")
    if len(octets) == len(_SHIFTS) and _OCTETS.keys() >= set(octets):
        a, b, c, d = map(_OCTETS.__getitem__, octets)
        return _dotted(_first(a << 24 | b << 16 | c << 8 | d, IPV4LENGTH - mask4))
    try:
        ip = ip_address(address)
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address):
        if ip.scope_id:
            return ""
        if ip.ipv4_mapped is None:
            return str(IPv6Address(_first(int(ip), IPV6LENGTH - mask6)))
        ip = ip.ipv4_mapped
    return _dotted(_first(int(ip), IPV4LENGTH - mask4))


def _dotted(address: int) -> str:
    return ".".join([str(address >> shift & 0xFF) for shift in _SHIFTS])


def _first(address: int, hosts: int) -> int:
    """The first address of its network. An `ip_network` would take ten times as long."""
    return address >> hosts << hosts


def hash_of(*words: str) -> int:
    """`KEY_BITS` that stand for these words."""
    whole = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(whole, digest_size=_DIGEST_BYTES).digest(), "big") >> _SPARE_BITS
