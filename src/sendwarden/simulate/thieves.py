"""What is done with a stolen account. The owner goes on using it at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sendwarden.core.event import DirectoryEvent, Origin
from sendwarden.simulate.attacks import Attack
from sendwarden.simulate.draft import (
    DAY_S,
    Content,
    Doings,
    Draft,
    Member,
    Place,
    Truth,
    missing,
    submission,
)
from sendwarden.simulate.people import BY_WEBMAIL, EXTERNAL, outside_address
from sendwarden.simulate.world import HOME, NEAR, SITE_DOMAIN, THIEVES, WEBMAIL, World, somewhere

# A botnet sends so many messages from one address before it takes another.
FROM_ONE_ADDRESS = 3
# Nobody goes on longer.
LONGEST_S = 4 * DAY_S
GUESSES = 40


@dataclass(frozen=True, slots=True)
class Theft:
    """One abuse of some accounts, beginning at about ``at``."""

    attack: Attack
    chance: Random
    world: World
    accounts: int  # of the site
    doings: Doings

    def commit(self, victims: Sequence[Truth], at: float, until: float) -> None:
        """Use the victims; their truths are completed."""
        crews = [self._crew() for _ in range(self.attack.gangs)]
        for victim in victims:
            victim.attack, victim.scored = self.attack.name, self.attack.scored and self.world.scored > 0
            victim.compromised_from = self._prepare(victim.account, crews, at)
            for number, crew in enumerate(crews):
                begins = at + number * self.chance.uniform(600, 20_000)
                self._spam(victim, crew, begins, min(until, begins + LONGEST_S))
            at += self.chance.uniform(0, 3600)

    def _crew(self) -> list[Origin]:
        """Addresses that they use, in turn."""
        chance = self.chance
        match self.attack.origins:
            case "botnet":
                return [somewhere(chance, chance.choice(THIEVES)) for _ in range(chance.randint(60, 300))]
            case "near":
                return [somewhere(chance, chance.choice((HOME, *NEAR)))]
            case "few-far":
                country = self._far()
                return [somewhere(chance, country) for _ in range(chance.randint(2, 4))]
            case _:
                return [somewhere(chance, self._far())]

    def _far(self) -> str:
        return THIEVES[int(len(THIEVES) * self.chance.random() ** 2)]

    def _prepare(self, account: str, crews: Sequence[Sequence[Origin]], at: float) -> float:
        """Logins and changes before the first message. When the account was first theirs."""
        attack, chance, first = self.attack, self.chance, at
        origin = crews[0][0]
        if chance.random() < attack.logs_in_days_before:
            first = at - chance.uniform(0.5, 3) * DAY_S
            self.doings.others.append(Place(origin, EXTERNAL).login(first, account))
        if chance.random() < attack.guesses:
            for number in range(GUESSES):
                guessed = at - 600 + number * 10
                self.doings.others.append(Place(origin, EXTERNAL).login(guessed, account, success=False))
        self.doings.others.append(Place(origin, self._channel()).login(at - 60, account))
        if chance.random() < attack.changes_directory:
            what = chance.choice(("mailForwardingAddress", "sieveRule", "signature"))
            self.doings.others.append(DirectoryEvent(at - 30, account, what, None, "x", account, origin))
        return min(first, at - 600)

    def _channel(self) -> str:
        return BY_WEBMAIL if self.attack.origins == "webmail" else EXTERNAL

    def _spam(self, victim: Truth, crew: Sequence[Origin], at: float, until: float) -> None:
        attack, chance = self.attack, self.chance
        proxied = attack.origins == "webmail" and chance.random() < self.world.proxied_webmail
        own = f"{victim.account}@{SITE_DOMAIN}"
        foreign = chance.random() < attack.foreign_from
        header = outside_address(chance) if foreign else own
        invalid, size = chance.uniform(*attack.invalid), int(chance.lognormvariate(8.5, 0.8))
        invalid *= self.world.invalid
        score = chance.uniform(*attack.score) if attack.score else 0.0
        for _ in range(attack.tests):
            test = Content(own, own, 900, 0.2)
            self._send(victim, at, crew[0], test, [(outside_address(chance), True)])
            at += chance.uniform(300, 5400)
        for number in range(chance.randint(*attack.messages)):
            if at > until:
                return
            members = [
                (self._recipient(), chance.random() >= invalid)
                for _ in range(chance.randint(*attack.recipients))
            ]
            origin = WEBMAIL if proxied else crew[number // FROM_ONE_ADDRESS % len(crew)]
            seen = attack.score is not None and chance.random() < self.world.scored
            content = Content(
                own,
                header,
                int(size * chance.uniform(0.98, 1.02)),
                score + chance.gauss(0, 0.5) if seen else None,
            )
            self._send(victim, at, origin, content, members)
            at += chance.expovariate(1 / attack.gap_s)

    def _recipient(self) -> str:
        if self.chance.random() < self.attack.internal:
            return f"u{self.chance.randrange(self.accounts):05d}@{SITE_DOMAIN}"
        return outside_address(self.chance)

    def _send(
        self, victim: Truth, at: float, origin: Origin, content: Content, members: Sequence[Member]
    ) -> None:
        place = Place(origin, self._channel())
        event = submission(at, victim.account, place, content, members, self.chance)
        victim.spam.append(event.message)
        self.doings.drafts.append(Draft(event, missing(members), self.attack, self.attack.complaints))
