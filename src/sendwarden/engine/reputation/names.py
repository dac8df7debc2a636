"""Names to ask for: addresses and domains as lists have them (RFC 5782 sections 2.1, 2.4 and 3)."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, ip_address

from sendwarden.core.identity import fold_domain, split_address

# Addresses and domains of which the name is remembered: making it costs more than finding the answer.
REMEMBERED = 50_000
# Letters of a name of the DNS, without its final dot (RFC 1035 section 2.3.4).
NAME_LETTERS = 253
# A label of so many letters and digits in a zone is the key of a subscription: those of Spamhaus have 26,
# those of Abusix 32. No list has such a name of its own.
KEY_LETTERS = 20

_LABELS = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?!\d+\Z)[a-z0-9-]{1,63}")
_KEY = re.compile(rf"[A-Za-z0-9]{{{KEY_LETTERS},63}}")


@lru_cache(maxsize=REMEMBERED)
def address_name(address: str) -> str:
    """``192.0.2.7`` gives ``7.2.0.192``, an IPv6 address its 32 nibbles; "" for what is no address.

    ``::ffff:192.0.2.7`` is the IPv4 client that it stands for.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return ""
    ipv4 = ip if isinstance(ip, IPv4Address) else ip.ipv4_mapped
    return nibbles(int(ip)) if ipv4 is None else ".".join(reversed(str(ipv4).split(".")))


def nibbles(address: int) -> str:
    """An IPv6 address, the last nibble first."""
    return ".".join(reversed(f"{address:032x}"))


@lru_cache(maxsize=REMEMBERED)
def reverse_name(address: str) -> str:
    """The name that has the PTR records of an address; "" for what is no address."""
    name = address_name(address)
    return name and f"{name}.{'in-addr' if name.count('.') < len('....') else 'ip6'}.arpa"


@lru_cache(maxsize=REMEMBERED)
def domain_name(domain: str) -> str:
    """A domain as lists of domains have it: whole, folded, in its ASCII form.

    "" for what no such list can hold: a name without a dot, an address, letters that no host name has.
    """
    folded = fold_domain(domain)
    return folded if len(folded) <= NAME_LETTERS and _LABELS.fullmatch(folded) else ""


def sender_domain(sender: str) -> str:
    """What stands behind the last ``@``; "" where there is none, or nothing before it."""
    local, domain = split_address(sender)
    return domain_name(domain) if local else ""


def key_of(zone: str) -> str:
    """The label of a zone that looks like the key of a subscription; "" where none does."""
    labels = zone.split(".")
    return next((label for label in labels[:-1] if _KEY.fullmatch(label)), "")
