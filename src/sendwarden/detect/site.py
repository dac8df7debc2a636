"""What signals know of the site as a whole.

Which networks are ordinary here, who shares an address, which receivers list us, what incidents there
were. Everything in it is bounded; of too many the oldest
is forgotten.
"""

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from sendwarden.core.event import Origin
from sendwarden.core.identity import in_domains, split_address
from sendwarden.detect.memory import DAY_S, Acquaintances
from sendwarden.detect.places import Address, network_key

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN_MESSAGES = 200_000
# Outcomes that come later are not tied to their message any more. Mail servers give up after five days.
OPEN_S = 5 * DAY_S
ADDRESSES = 100_000
INCIDENTS = 10_000
DOMAINS = 10_000
REFUSALS = 1000
REMEMBERED_DIGESTS = 1 << 16
# An address with more accounts is a NAT, a proxy or a carrier: who shares it says nothing.
SHARED = 12
# A network is ordinary at a site when so many accounts are used from it day by day.
ORDINARY = 5
# A country likewise, with a share of the accounts.
COMMON_SHARE = 0.01
COMMON = 3
HOME_SHARE = 0.5
# A site is learnt so long before what is new to all of it says anything.
LEARNING_S = 3 * DAY_S
SITE_SEEN_BITS, SITE_SEEN_MOST = 1 << 21, 200_000
LISTED_S = 7200.0
LISTED_BY = 3  # accounts refused by one domain: it is the site that is listed
INCIDENT_S = 30 * DAY_S


# When, whose mail, and the bits that came of it (quiet, bulk).
Refusal = tuple[float, str, float, float]


@dataclass(slots=True)
class OpenMessage:
    """A message whose outcomes are waited for."""

    at: float
    account: str
    count: int  # recipients
    bulk: bool  # could it be honest mail to many?
    strange: bool  # did it come from a place that is not known?
    forwarded: bool
    new: int  # recipients that the account had never written to
    strangers: int  # a bit for each of them, by its digest


@dataclass(slots=True)
class AddressUse:
    """Who uses an address. Of the accounts at most `SHARED` are named."""

    first_at: float
    accounts: dict[str, float] = field(default_factory=dict)
    failing: dict[str, float] = field(default_factory=dict)  # accounts at which a login failed


class SiteContext:
    """One site. ``key`` makes its hashes its own; domains may begin with a dot."""

    def __init__(
        self,
        key: bytes,
        domains: tuple[str, ...] = (),
        internal: tuple[IPv4Network | IPv6Network, ...] = (),
        phishers: frozenset[str] = frozenset(),
    ) -> None:
        self.key = key
        self.internal = internal
        self.phishers = phishers
        self.first_at = 0.0
        self.accounts = 0
        self.countries: dict[str, int] = {}  # accounts in each
        self.networks: dict[int, int] = {}  # accounts that are at home in each
        self.messages: OrderedDict[str, OpenMessage] = OrderedDict()
        # By `places.address_key`.
        self.addresses: OrderedDict[int, AddressUse] = OrderedDict()
        self.incidents: OrderedDict[int, float] = OrderedDict()  # digests of addresses and lists
        self.suspects: dict[str, float] = {}  # accounts with evidence of outcome, and when that was
        # By domain who was refused for policy lately, and the evidence that came of it.
        self.refusals: OrderedDict[str, deque[Refusal]] = OrderedDict()
        self.seen = Acquaintances(SITE_SEEN_BITS, SITE_SEEN_MOST)
        self.digest: Callable[[str], int] = lru_cache(maxsize=REMEMBERED_DIGESTS)(self._digest)
        self.is_own: Callable[[str], bool] = lru_cache(maxsize=REMEMBERED_DIGESTS)(
            lambda address: in_domains(split_address(address)[1], domains)
        )
        self.is_internal: Callable[[Address], bool] = lru_cache(maxsize=REMEMBERED_DIGESTS)(self._is_internal)

    def _digest(self, text: str) -> int:
        data = text.lower().encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self.key).digest(), "big")

    def _is_internal(self, address: Address) -> bool:
        return any(address in network for network in self.internal)

    # --- questions of signals

    def learning(self, at: float) -> bool:
        return at - self.first_at < LEARNING_S

    def common(self, country: str) -> bool:
        """Is this a country that many accounts are in?"""
        count = self.countries.get(country, 0)
        return count >= COMMON and count >= COMMON_SHARE * self.accounts

    def home(self, country: str) -> bool:
        """Is this where most are? Nobody is there for the first time."""
        return self.common(country) and self.countries[country] >= HOME_SHARE * sum(self.countries.values())

    def ordinary(self, origin: Origin) -> bool:
        """Is this a network that many accounts are at home in?"""
        return self.networks.get(network_key(origin), 0) >= ORDINARY

    def shared(self, address: int, at: float) -> bool:
        """Is this a NAT, a proxy or a carrier?

        One that many accounts came from only lately may be a thief's.
        """
        use = self.addresses.get(address)
        return (
            use is not None
            and len(use.accounts) >= SHARED
            and (use.first_at <= at - LEARNING_S or self.learning(use.first_at))
        )

    def incident(self, key: int, at: float) -> bool:
        return self.incidents.get(key, 0.0) > at - INCIDENT_S

    # --- what it is told

    def used(self, address: int, account: str, at: float) -> None:
        use = self._use(address, at)
        if account in use.accounts or len(use.accounts) < SHARED:
            use.accounts[account] = at

    def failed(self, address: int, account: str, at: float) -> None:
        use = self._use(address, at)
        if account in use.failing or len(use.failing) < SHARED:
            use.failing[account] = at

    def _use(self, address: int, at: float) -> AddressUse:
        use = self.addresses.get(address)
        if use is None:
            if len(self.addresses) >= ADDRESSES:
                self.addresses.popitem(last=False)
            use = self.addresses[address] = AddressUse(at)
        else:
            self.addresses.move_to_end(address)
        return use

    def opened(self, message: str, opened: OpenMessage) -> None:
        while self.messages and (
            len(self.messages) >= OPEN_MESSAGES or next(iter(self.messages.values())).at < opened.at - OPEN_S
        ):
            self.messages.popitem(last=False)
        self.messages[message] = opened

    def refused(self, domain: str, account: str, at: float) -> bool:
        """A refusal for policy. Is it the whole site that this domain refuses?"""
        recent = self._refusals(domain, at)
        return len({who for _at, who, _quiet, _bulk in recent if who != account}) >= LISTED_BY - 1

    def note_refusal(self, domain: str, account: str, at: float, bits: tuple[float, float]) -> None:
        self._refusals(domain, at).append((at, account, *bits))

    def taken_back(self, domain: str, at: float) -> list[tuple[str, float, float]]:
        """Once a domain lists the site: what evidence to take back from whom."""
        recent = self._refusals(domain, at)
        back = [(account, quiet, bulk) for _at, account, quiet, bulk in recent if quiet or bulk]
        for number, (seen, account, _quiet, _bulk) in enumerate(recent):
            recent[number] = (seen, account, 0.0, 0.0)
        return back

    def _refusals(self, domain: str, at: float) -> deque[Refusal]:
        recent = self.refusals.get(domain)
        if recent is None:
            if len(self.refusals) >= DOMAINS:
                self.refusals.popitem(last=False)
            recent = self.refusals[domain] = deque(maxlen=REFUSALS)
        while recent and recent[0][0] < at - LISTED_S:
            recent.popleft()
        return recent

    def add_incident(self, key: int, at: float) -> None:
        if len(self.incidents) >= INCIDENTS:
            self.incidents.popitem(last=False)
        self.incidents[key] = at
        self.incidents.move_to_end(key)


def stranger_bit(digest: int) -> int:
    """Which bit of `OpenMessage.strangers` stands for a recipient."""
    return 1 << digest % 1021
