"""The decision: as gross makes it (gross.md section 3), with exemptions before it.

Differences from gross: weights are complete, since all checks are waited for where one of them does not say
that the client is trusted; domains are folded; IPv6 clients are greylisted like others.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from sendwarden.core.networks import Networks, in_networks

from .clients import Clients
from .keys import KeyRules, Keys
from .question import Action, Answer, Findings, Question, Word
from .triplets import Triplets


@dataclass(frozen=True, slots=True)
class Exemptions:
    """Who need not wait. ``recipients``: addresses, or local parts at any domain, folded."""

    networks: Networks = ()
    accounts: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset({"postmaster", "abuse"})
    after_passes: int = 0  # a network whose triplets have waited so often; 0: none ever has


@dataclass(frozen=True, slots=True)
class GreylistRules:
    """What a site decides. ``checks``: is anything but the triplet asked?"""

    keys: KeyRules = field(default_factory=KeyRules)
    delay_s: float = 10.0
    interval_s: int = 3600
    generations: int = 8
    most: int = 1_000_000  # triplets
    checks: bool = False
    grey_threshold: int = 1  # 0: all mail waits that is not trusted
    block_threshold: int = 0  # 0: nothing is blocked for its weight
    always: bool = False  # is every triplet remembered, not only those that had to wait?
    grey_reason: str = "Please try again later"
    block_reason: str = "Bad reputation"
    exempt: Exemptions = field(default_factory=Exemptions)


_MATCH = Answer(Action.MATCH)


class Undecided(NamedTuple):
    """Checks must be asked first. ``required``: it waits whatever they weigh."""

    key: int
    network: str
    required: bool = False


class Greylister:
    """Decides, and remembers. ``now`` is in seconds since the epoch."""

    def __init__(self, rules: GreylistRules) -> None:
        self.rules = rules
        self.keys = Keys(rules.keys)
        self._grey = Answer(Action.GREY, reason=rules.grey_reason)
        self.triplets = Triplets(rules.delay_s, rules.interval_s, rules.generations, rules.most)
        self.clients = Clients(rules.most)

    def use(self, rules: GreylistRules) -> None:
        """Other rules; what is remembered stays, as far as keys are made alike."""
        if rules.keys != self.rules.keys:
            self.keys = Keys(rules.keys)
        self.rules = rules
        self._grey = Answer(Action.GREY, reason=rules.grey_reason)
        self.triplets.reconfigure(rules.delay_s, rules.interval_s, rules.generations)
        self.triplets.most = self.clients.most = rules.most

    def ask(
        self, asked: Question, now: float, *, checks: bool = True, required: bool = False
    ) -> Answer | Undecided:
        """An answer, where none of the checks can change it.

        ``checks``: may they be asked, where there are any? ``required``: it waits whatever they weigh.
        """
        network = self.keys.network(asked.client_address)
        if not network:
            return Answer(Action.FAIL)
        if spared := self.exempt(asked, network, now):
            return Answer(Action.TRUST, exempt=spared)
        rules = self.rules
        key = self.keys.key(network, asked)
        checks = checks and rules.checks
        if checks and rules.block_threshold:
            return Undecided(key, network, required)
        if self.triplets.has_waited(key, now):
            self._renew(key, network, now)
            return _MATCH
        if checks:
            return Undecided(key, network, required)
        self.triplets.tried(key, now)
        return self._grey

    def decide(self, undecided: Undecided, findings: Findings, now: float) -> Answer:
        """With what the checks found."""
        rules = self.rules
        words = {one.word for one in findings.found}
        if Word.PASSED in words:
            answer = Answer(Action.TRUST, findings)
        elif Word.BLOCK in words:
            reason = next(one.reason for one in findings.found if one.word is Word.BLOCK)
            # It may be a stranger's (SPF), and a mapping table reads it as a template.
            reason = reason.replace("$", "")
            answer = Answer(Action.BLOCK, findings, reason or rules.block_reason)
        elif rules.block_threshold and findings.weight >= rules.block_threshold:
            answer = Answer(Action.BLOCK, findings, rules.block_reason)
        elif undecided.required or findings.weight >= rules.grey_threshold:
            return self._waits(undecided.key, undecided.network, now, findings)
        else:
            answer = Answer(Action.TRUST, findings)
        if rules.always:
            self._remember(undecided.key, undecided.network, now)
        return answer

    def _waits(self, key: int, network: str, now: float, findings: Findings) -> Answer:
        if self._remember(key, network, now):
            return Answer(Action.MATCH, findings)
        return Answer(Action.GREY, findings, self.rules.grey_reason)

    def _remember(self, key: int, network: str, now: float) -> bool:
        """Has it waited?"""
        if not self.triplets.has_waited(key, now):
            self.triplets.tried(key, now)
            return False
        self._renew(key, network, now)
        return True

    def _renew(self, key: int, network: str, now: float) -> None:
        if self.triplets.passed(key, now) and self.rules.exempt.after_passes:
            self.clients.passed(network, now)

    def exempt(self, asked: Question, network: str, now: float) -> str:
        """Which rule spares it; "": none."""
        exempt = self.rules.exempt
        if exempt.networks and in_networks(asked.client_address, exempt.networks):
            return "network"
        if exempt.accounts and (asked.account or asked.sender) in exempt.accounts:
            return "account"
        if exempt.recipients:
            recipient = asked.recipient.lower()
            if recipient.partition("@")[0] in exempt.recipients or recipient in exempt.recipients:
                return "recipient"
        if exempt.after_passes and self.clients.count(network, now) >= exempt.after_passes:
            self.clients.seen(network, now)
            return "passes"
        return ""
