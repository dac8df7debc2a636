"""Honest accounts: sessions over the day from the places where people are, and now and then mail to many.

Mail comes in sessions, not evenly (Malmgren 2008, Stouffer 2006): people sit down and write several.
"""

from dataclasses import dataclass, field, replace
from math import exp
from random import Random

from sendwarden.core.event import Origin
from sendwarden.simulate.archetypes import Archetype, Bulk
from sendwarden.simulate.draft import DAY_S, Content, Doings, Draft, Member, Place, missing, submission
from sendwarden.simulate.world import (
    FAR,
    FORWARDER,
    HOME,
    HOSTING,
    LIST_HOST,
    MOBILE,
    NEAR,
    RECEIVERS,
    SITE_DOMAIN,
    WEBMAIL,
    World,
    address_in,
    office,
    somewhere,
)

INTERNAL, EXTERNAL = "submission-auth-internal", "submission-auth-external"
NO_LOGIN, BY_WEBMAIL = "submission-noauth-internal", "webmail"

# Messages in a session, and seconds between them, on average.
SESSION = 3.0
GAP_S = 240.0
# Hours of a day at which sessions begin.
HOURS = (7, 8, 8, 9, 9, 9, 10, 10, 11, 11, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 18, 20, 21, 22)
WEEK = 7
WEEKEND = 5
# Recipients of an ordinary message, most often one.
AT_ONCE = (1,) * 70 + (2,) * 15 + (3,) * 7 + (4,) * 3 + (5,) * 2 + (8, 10, 12)
MOBILE_ADDRESSES = 400  # behind which a carrier hides all its customers
VPN_ADDRESSES = 20
OLD_CONTACTS = 200
OLD_INVALID = 0.12
_WEIGHTS = tuple(receiver.weight for receiver in RECEIVERS)


def poisson(chance: Random, mean: float) -> int:
    """A number of events (Knuth); for the small means that are used here."""
    limit, product, count = exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def outside_address(chance: Random) -> str:
    domain = chance.choices(RECEIVERS, _WEIGHTS)[0].domain
    return f"{chance.choice('abcdefghijklmnoprstvw')}{chance.getrandbits(36):x}@{domain}"


@dataclass(slots=True)
class Person:
    """One account with its habits. ``number`` is its own among ``accounts`` of the site."""

    account: str
    kind: Archetype
    chance: Random
    world: World
    number: int
    accounts: int
    days: int
    start: float
    doings: Doings
    contacts: list[str] = field(default_factory=list)
    homes: list[Origin] = field(default_factory=list)
    exits: list[Origin] = field(default_factory=list)
    trips: dict[int, Origin] = field(default_factory=dict)
    proxied: bool = False

    def live(self) -> None:
        """All days of this account into ``doings``."""
        chance = self.chance
        self.homes = [somewhere(chance, HOME) for _ in range(self.kind.people)]
        countries = chance.sample(NEAR + FAR, self.kind.vpn_countries)
        self.exits = [address_in(each, HOSTING, chance.randrange(VPN_ADDRESSES)) for each in countries]
        self.proxied = chance.random() < self.world.proxied_webmail
        if not self.kind.begins_late:
            self.contacts = [self.somebody() for _ in range(self.kind.contacts)]
        first = chance.randrange(3, 10) if self.kind.begins_late else 0
        self._plan_trips()
        for day in range(first, self.days):
            self._day(day)
        if self.kind.bulk:
            self._jobs(self.kind.bulk)
        if self.kind.failing_device:
            self._failing_device()
        if self.kind.farewell and self.days > WEEK:
            self._farewell()

    def somebody(self) -> str:
        """Someone to write to."""
        if self.chance.random() < self.kind.internal:
            return f"u{self.chance.randrange(self.accounts):05d}@{SITE_DOMAIN}"
        return outside_address(self.chance)

    @property
    def address(self) -> str:
        return f"{self.account}@{SITE_DOMAIN}"

    # --- days

    def _plan_trips(self) -> None:
        for day in range(self.days):
            if day not in self.trips and self.chance.random() < self.kind.travels:
                country = self.chance.choice(NEAR + FAR)
                for away in range(day, day + self.chance.randint(1, 5)):
                    self.trips[away] = somewhere(self.chance, country)

    def _day(self, day: int) -> None:
        if self.kind.srs:
            self._forward(day)
            return
        mean = self.kind.per_day * (self.kind.weekend if day % WEEK >= WEEKEND else 1.0)
        for _session in range(poisson(self.chance, mean / SESSION)):
            begins = self.start + day * DAY_S + self.chance.choice(HOURS) * 3600 + self.chance.random() * 3600
            place = self._place(day)
            self.doings.others.append(place.login(begins, self.account))
            at = begins
            for _message in range(1 + poisson(self.chance, SESSION - 1)):
                at += self.chance.expovariate(1 / GAP_S) + 5
                self._message(at, place)

    def _place(self, day: int) -> Place:
        kind, drawn = self.kind, self.chance.random()
        if away := self.trips.get(day):
            return Place(away, BY_WEBMAIL if drawn < kind.webmail and not self.proxied else EXTERNAL)
        vpn = min(0.9, kind.vpn * self.world.vpn)
        if drawn < vpn:
            return Place(self.chance.choice(self.exits), EXTERNAL)
        home = self.chance.choice(self.homes)
        drawn = (drawn - vpn) / (1 - vpn)
        if drawn < kind.office:
            return Place(office(self.number * 8 + self.chance.randrange(kind.people)), INTERNAL)
        if drawn < kind.office + kind.home:
            return Place(home, EXTERNAL)
        if drawn < kind.office + kind.home + kind.webmail:
            return Place(WEBMAIL if self.proxied else home, BY_WEBMAIL)
        return Place(address_in(HOME, MOBILE, self.chance.randrange(MOBILE_ADDRESSES)), EXTERNAL)

    def _message(self, at: float, place: Place) -> None:
        members = [self._recipient() for _ in range(self.chance.choice(AT_ONCE))]
        header = self.address
        if self.chance.random() < self.kind.aliases:
            header = f"{self.account}.team@{SITE_DOMAIN}"
        size = int(self.chance.lognormvariate(9, 1.2))
        self._send(at, place, Content(self.address, header, size, self._score()), members)

    def _recipient(self) -> Member:
        """Mostly one of the contacts. Somebody new may become one."""
        if self.contacts and self.chance.random() >= self.kind.novelty:
            return self.contacts[int(len(self.contacts) * self.chance.random() ** 2)], True
        recipient = self.somebody()
        if self.chance.random() < self.kind.invalid:
            return recipient, False
        if self.chance.random() < 0.5 or not self.contacts:
            self.contacts.append(recipient)
        return recipient, True

    def _score(self) -> float:
        if self.chance.random() < self.kind.flagged:
            return 5 + self.chance.expovariate(0.7)
        return min(4.9, max(-3.0, self.chance.gauss(self.kind.score, 1.1)))

    def _send(
        self, at: float, place: Place, content: Content, members: list[Member], complaints: float = 0.0
    ) -> None:
        if self.chance.random() >= self.world.scored:
            content = replace(content, score=None)
        event = submission(at, self.account, place, content, members, self.chance)
        self.doings.drafts.append(Draft(event, missing(members), None, complaints))

    # --- habits of some

    def _forward(self, day: int) -> None:
        target = self.contacts[0] if self.contacts else outside_address(self.chance)
        for _ in range(poisson(self.chance, self.kind.per_day)):
            at = self.start + day * DAY_S + self.chance.random() * DAY_S
            author = outside_address(self.chance)
            local, _at, domain = author.partition("@")
            envelope = f"SRS0={self.chance.getrandbits(16):04x}=T7={domain}={local}@{SITE_DOMAIN}"
            content = Content(envelope, author, int(self.chance.lognormvariate(9, 1.2)), self._score())
            self._send(at, Place(FORWARDER, NO_LOGIN), content, [(target, self._arrives())])

    def _arrives(self) -> bool:
        return self.chance.random() >= self.kind.invalid

    def _jobs(self, bulk: Bulk) -> None:
        chance = self.chance
        known = [self._list_member(bulk) for _ in range(bulk.list_size)]
        for _ in range(poisson(chance, bulk.per_week * self.days / WEEK)):
            day = chance.randrange(self.days)
            at = self.start + day * DAY_S + chance.choice(HOURS) * 3600 + chance.random() * 3600
            wanted = chance.randint(*bulk.recipients)
            if known:
                members = chance.sample(known, min(wanted, len(known)))
            else:
                members = [self._list_member(bulk) for _ in range(wanted)]
            place = self._bulk_place(bulk)
            size, score = int(chance.lognormvariate(10, 0.5)), chance.gauss(bulk.score, 0.8)
            content = Content(self.address, self.address, size, score)
            for begin in range(0, len(members), bulk.at_once):
                self._send(at, place, content, members[begin : begin + bulk.at_once], bulk.complaints)
                at += chance.expovariate(1 / bulk.gap_s) + 0.1

    def _list_member(self, bulk: Bulk) -> Member:
        if bulk.internal:
            address = f"u{self.chance.randrange(self.accounts):05d}@{SITE_DOMAIN}"
        else:
            address = outside_address(self.chance)
        return address, self.chance.random() >= bulk.invalid

    def _bulk_place(self, bulk: Bulk) -> Place:
        if self.kind.name == "newsletter":
            return Place(LIST_HOST, INTERNAL)
        if self.chance.random() < bulk.by_webmail:
            return Place(WEBMAIL if self.proxied else self.homes[0], BY_WEBMAIL)
        if self.chance.random() < self.kind.office:
            return Place(office(self.number * 8), INTERNAL)
        return Place(self.homes[0], EXTERNAL)

    def _farewell(self) -> None:
        chance = self.chance
        day = chance.randrange(WEEK // 2, self.days)
        old = [(self.somebody(), chance.random() >= OLD_INVALID) for _ in range(OLD_CONTACTS)]
        at = self.start + day * DAY_S + 15 * 3600 + chance.random() * 7200
        content = Content(self.address, self.address, int(chance.lognormvariate(8, 1)), chance.gauss(1, 1))
        self._send(at, Place(office(self.number * 8), INTERNAL), content, old)

    def _failing_device(self) -> None:
        at = self.start + self.chance.randrange(1, self.days) * DAY_S
        ends = at + 2 * DAY_S
        while at < ends:
            at += self.chance.uniform(300, 2400)
            failed = Place(self.homes[0], EXTERNAL).login(at, self.account, success=False)
            self.doings.others.append(failed)
