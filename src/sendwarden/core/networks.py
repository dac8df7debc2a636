"""Addresses in networks."""

from ipaddress import IPv4Network, IPv6Network, ip_address

Networks = tuple[IPv4Network | IPv6Network, ...]


def in_networks(address: str, networks: Networks) -> bool:
    """Does the address lie in one of them? What is no address lies in none; ::ffff:a.b.c.d is IPv4."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if ip.version == 6 else None  # noqa: PLR2004 - the protocol's number
    return any((mapped or ip) in network for network in networks)
