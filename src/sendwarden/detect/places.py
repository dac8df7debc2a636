"""Keys of places: countries, networks and the prefixes that addresses lie in."""

from ipaddress import IPv4Address, IPv6Address

from sendwarden.core.event import Origin

Address = IPv4Address | IPv6Address

# Where no number of an autonomous system is known, a prefix stands in: /16, of IPv6 /32.
_PREFIX_SHIFT = {4: 16, 6: 96}
_PREFIX = 1 << 40


def country_key(country: str) -> int:
    return int.from_bytes(country.encode("utf-8", "surrogatepass")[:8], "big")


def network_key(origin: Origin) -> int:
    """0: nothing is known of the network."""
    if origin.asn:
        return origin.asn
    return prefix_key(origin.address) if origin.address else 0


def prefix_key(address: Address) -> int:
    prefix = int(address) >> _PREFIX_SHIFT[address.version]
    return _PREFIX * address.version | prefix


def address_key(address: Address) -> int:
    """The address; of IPv6 its /64, in which one machine has all the addresses it likes."""
    return int(address) if address.version == 4 else int(address) >> 64  # noqa: PLR2004 - the protocol's number
