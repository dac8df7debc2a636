"""The world around a site: where people and thieves come from, who receives, what differs between worlds.

Networks are made up: no address or number here is anybody's. Chance comes from the `Random` that is given.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random

from sendwarden.core.event import Origin

SITE_DOMAIN = "example.org"
HOME = "CH"
NEAR = ("DE", "FR", "IT", "AT")
FAR = ("US", "GB", "ES", "NL", "SE", "PL", "JP", "CA", "PT", "GR")
# Where stolen accounts are used from, most often first.
THIEVES = ("NG", "VN", "BR", "RU", "ID", "IN", "CI", "UA", "TR", "MA", "ZA", "PH", "AR", "TH", "EG", "PK")

# Numbers of autonomous systems of each country begin here; `NETWORKS` in each.
_FIRST_ASN = 210_000
NETWORKS = 6
_FIRST_ADDRESS = 0x0B000000
_NETWORK_ADDRESSES = 1 << 14

COUNTRIES = (HOME, *NEAR, *FAR, *THIEVES)
HOSTING = 5  # which network of a country is rented machines: VPN exits stand there
MOBILE = 4


def asn_of(country: str, network: int) -> int:
    return _FIRST_ASN + COUNTRIES.index(country) * NETWORKS + network


def address_in(country: str, network: int, host: int) -> Origin:
    """One address; the same for the same numbers."""
    asn = asn_of(country, network)
    first = _FIRST_ADDRESS + (asn - _FIRST_ASN) * _NETWORK_ADDRESSES
    return Origin(IPv4Address(first + host % _NETWORK_ADDRESSES), country, asn)


def somewhere(chance: Random, country: str, network: int | None = None) -> Origin:
    """A new address of a country."""
    which = chance.randrange(MOBILE) if network is None else network
    return address_in(country, which, chance.randrange(_NETWORK_ADDRESSES))


def office(number: int) -> Origin:
    """A desk of our own: an internal address, whose country nobody looks up."""
    return Origin(IPv4Address(0x0A000000 + number + 1))


WEBMAIL = Origin(IPv4Address("10.0.250.1"))
FORWARDER = Origin(IPv4Address("10.0.250.2"))
LIST_HOST = Origin(IPv4Address("10.0.250.3"))


@dataclass(frozen=True, slots=True)
class Receiver:
    """A domain that takes our mail."""

    domain: str
    weight: float  # share of mail
    greylists: bool = False
    lists_us_after: int = 0  # spam recipients within an hour before it lists the whole site; 0: never


TREES = tuple(
    "alder aspen beech birch cedar elm fir hazel holly juniper larch laurel lime maple oak olive pear "  # noqa: SIM905
    "pine plane plum poplar rowan spruce sycamore tamarisk walnut willow yew".split()
)
RECEIVERS = (
    Receiver("gmail.example", 30, lists_us_after=400),
    Receiver("outlook.example", 18, lists_us_after=250),
    Receiver("yahoo.example", 8, lists_us_after=300),
    Receiver("gmx.example", 6, greylists=True, lists_us_after=500),
    *(
        Receiver(
            f"{name}.example",
            1.2,
            greylists=number % 5 == 0,
            lists_us_after=150 * (number % 3 == 0),
        )
        for number, name in enumerate(TREES)
    ),
)


@dataclass(frozen=True, slots=True)
class World:
    """What differs from one world to another. Shares are of 1, times in seconds."""

    name: str
    invalid: float = 1.0  # times the share of wrong addresses on the thieves' lists
    scored: float = 1.0  # share of messages that a scanner scores
    vpn: float = 1.0  # times the people who use a VPN
    dsn_delay_s: float = 1200.0  # until a bounce comes back, on average
    dsn_lost: float = 0.1
    proxied_webmail: float = 0.5  # share of accounts whose webmail shows only its own address


WORLDS = {
    world.name: world
    for world in (
        World("ordinary"),
        World("clean-lists", invalid=0.15),
        World("unscored", scored=0.0),
        World("many-vpn", vpn=5.0),
        World("late-dsn", dsn_delay_s=14_400.0, dsn_lost=0.3),
        World("proxied-webmail", proxied_webmail=1.0),
    )
}
