"""A site's traffic by seed: the same plan gives the same events, in any process.

Each account has a `Random` of its own, made of seed and name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from sendwarden.core.event import Event, LoginEvent
from sendwarden.simulate.archetypes import ARCHETYPES
from sendwarden.simulate.attacks import ATTACKS, Attack
from sendwarden.simulate.draft import DAY_S, Doings, Truth
from sendwarden.simulate.people import EXTERNAL, Person
from sendwarden.simulate.receivers import Receivers, answered
from sendwarden.simulate.thieves import Theft
from sendwarden.simulate.world import THIEVES, World, somewhere

# A Monday.
START = 1_735_516_800.0
# Accounts are not stolen in the first days: nobody knows anything yet, and judges score these apart.
FIRST_THEFT_DAY = 3.5
LAST_THEFT_DAY = 1.0  # before the end
# Password guesses by strangers, for each account and day.
GUESSED_A_DAY = 0.3


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate. ``stolen`` is a share of the accounts."""

    users: int
    days: int
    seed: int
    world: World
    stolen: float = 0.02


@dataclass(frozen=True, slots=True)
class Simulation:
    """Events in order of time, to be read once, and what every account really is."""

    events: Iterator[Event]
    truths: list[Truth]


def simulate(plan: Plan) -> Simulation:
    doings = Doings()
    draw = Random(f"{plan.seed}/accounts")
    shares = [archetype.share for archetype in ARCHETYPES]
    truths = []
    for number in range(plan.users):
        kind = draw.choices(ARCHETYPES, shares)[0]
        account = f"u{number:05d}"
        truths.append(Truth(account, kind.name))
        chance = Random(f"{plan.seed}/{account}")
        Person(account, kind, chance, plan.world, number, plan.users, plan.days, START, doings).live()
    _thefts(plan, truths, doings)
    _guesses(plan, doings)
    receivers = Receivers(plan.world, Random(f"{plan.seed}/world"), START, plan.days)
    return Simulation(answered(doings, receivers), truths)


def _thefts(plan: Plan, truths: list[Truth], doings: Doings) -> None:
    chance = Random(f"{plan.seed}/thefts")
    if plan.days <= FIRST_THEFT_DAY + LAST_THEFT_DAY:
        return
    victims = [truth for truth in truths if truth.archetype != "forwarder"]
    victims = chance.sample(victims, min(len(victims), round(plan.users * plan.stolen)))
    until = START + plan.days * DAY_S
    while victims:
        attack = _next_attack(chance, len(victims))
        now, victims = victims[: attack.accounts], victims[attack.accounts :]
        at = START + chance.uniform(FIRST_THEFT_DAY, plan.days - LAST_THEFT_DAY) * DAY_S
        Theft(attack, chance, plan.world, plan.users, doings).commit(now, at, until)


def _next_attack(chance: Random, left: int) -> Attack:
    possible = [attack for attack in ATTACKS if attack.accounts <= left]
    return chance.choices(possible, [attack.weight for attack in possible])[0]


def _guesses(plan: Plan, doings: Doings) -> None:
    """Strangers who try passwords: nobody's fault, and no sign of anything."""
    chance = Random(f"{plan.seed}/guesses")
    for _ in range(round(plan.users * plan.days * GUESSED_A_DAY)):
        at = START + chance.random() * plan.days * DAY_S
        account = f"u{chance.randrange(plan.users):05d}"
        origin = somewhere(chance, chance.choice(THIEVES))
        doings.others.append(LoginEvent(at, account, success=False, origin=origin, channel=EXTERNAL))
