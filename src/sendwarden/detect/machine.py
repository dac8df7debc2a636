"""Events in, changes of state out: evidence of all signals, what is learnt, and the state that follows.

`Machine` holds the profiles in memory. It looks at no clock: time is that of events and of `sweep`. An
event that lies before the last one of its account is taken for as late as that one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sendwarden.core.account import State
from sendwarden.core.event import DeliveryEvent, Event, LoginEvent, SubmissionEvent
from sendwarden.core.identity import split_address
from sendwarden.detect import evidence, states
from sendwarden.detect.breaker import Breaker
from sendwarden.detect.explain import Why, why
from sendwarden.detect.families import Family
from sendwarden.detect.learning import learn
from sendwarden.detect.memory import DAY_S
from sendwarden.detect.places import address_key
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting, sight
from sendwarden.detect.signals import infrastructure, novelty, rejections
from sendwarden.detect.signals.table import BY_EVENT
from sendwarden.detect.site import SiteContext

# A thief tries the password some time before there is evidence.
THIEF_S = DAY_S
SUSPECT = 2.0


@dataclass(frozen=True, slots=True)
class Change:
    """An account went from one state to another. ``capped``: the breaker kept it from being held."""

    at: float
    account: str
    before: State
    after: State
    why: Why
    capped: bool = False


class Machine:
    """All accounts of a site."""

    def __init__(self, site: SiteContext) -> None:
        self.site = site
        self.profiles: dict[str, Profile] = {}
        self.breaker = Breaker()
        self.corrections: dict[str, float] = {}  # reason -> bits, from reviewers' verdicts
        self._moved: dict[str, None] = {}  # accounts that are not normal

    def observe(self, event: Event) -> Change | None:
        """One event. The change of its account's state, if any."""
        site = self.site
        profile = self.profiles.get(event.account) or self._begin(event)
        if profile is None:
            return None
        if event.at < profile.evidence_at:
            event = replace(event, at=profile.evidence_at)
        evidence.decay(profile, event.at)
        seen = sight(profile, event, site)
        before = profile.quiet[Family.REJECTIONS], profile.bulk[Family.REJECTIONS]
        for look in BY_EVENT[type(event)]:
            for finding in look(profile, seen, site):
                correction = self.corrections.get(finding.reason, 0.0)
                evidence.add(profile, finding, event.at, correction)
        if isinstance(event, DeliveryEvent):
            self._refusals(profile, event, before)
        learn(profile, seen, site)
        if profile.state is State.NORMAL and not any(profile.quiet):
            return None
        change = self._judge(profile, event.at)
        if profile.state is not State.NORMAL:
            self._suspect(profile, seen)
        return change

    def _begin(self, event: Event) -> Profile | None:
        """Of an account that did nothing yet nothing is kept: strangers make up names, and fail as them."""
        site = self.site
        if isinstance(event, LoginEvent) and not event.success and event.origin.address is not None:
            site.failed(address_key(event.origin.address), event.account, event.at)
        if not isinstance(event, (LoginEvent, SubmissionEvent)):
            return None
        if isinstance(event, LoginEvent) and not event.success:
            return None
        site.accounts += 1
        site.first_at = site.first_at or event.at
        profile = self.profiles[event.account] = Profile(event.account, 0.0)
        return profile

    def sweep(self, at: float) -> Iterator[Change]:
        """Accounts that leave a state by time alone. To be called now and then."""
        for account in list(self._moved):
            profile = self.profiles[account]
            evidence.decay(profile, at)
            if change := self._judge(profile, at):
                yield change
            if profile.state is State.NORMAL:
                del self._moved[account]

    # --- states

    def _judge(self, profile: Profile, at: float) -> Change | None:
        total = evidence.score(profile)
        if profile.state is State.NORMAL and total < (1 - states.JITTER) * states.THRESHOLDS[State.WATCHED]:
            return None
        factor = states.factor(self.site, profile.account, at)
        held = states.RANK[profile.state] >= states.RANK[State.HELD]
        held_s = at - profile.state_at if held else 0.0
        wanted = states.called_for(evidence.acted_on(profile), profile.facts_outcome, factor, held_s)
        if states.RANK[wanted] > states.RANK[profile.state]:
            profile.low_since = 0.0
            return self._rise(profile, wanted, at, factor)
        if states.RANK[wanted] < states.RANK[profile.state] and profile.state is not State.CONTAINED:
            return self._fall(profile, wanted, at, factor)
        profile.low_since = 0.0
        return None

    def _rise(self, profile: Profile, wanted: State, at: float, factor: float) -> Change | None:
        capped = False
        if states.RANK[wanted] >= states.RANK[State.HELD] > states.RANK[
            profile.state
        ] and not self.breaker.allows(at, len(self.profiles)):
            wanted, capped = State.THROTTLED, True
            if profile.state is State.THROTTLED:
                return None
        if states.RANK[wanted] >= states.RANK[State.HELD]:
            self._incident(profile, at)
        self._moved[profile.account] = None
        if profile.state is State.NORMAL:
            profile.rose_at = at
        return self._move(profile, wanted, at, factor, capped=capped)

    def _fall(self, profile: Profile, wanted: State, at: float, factor: float) -> Change | None:
        threshold = states.THRESHOLDS[profile.state] * factor * states.LEAVE_SHARE
        if evidence.score(profile) >= threshold:
            profile.low_since = 0.0
            return None
        profile.low_since = profile.low_since or at
        if at - profile.low_since < states.LEAVE_S:
            return None
        profile.low_since = 0.0
        return self._move(profile, wanted, at, factor)

    @staticmethod
    def _move(profile: Profile, state: State, at: float, factor: float, *, capped: bool = False) -> Change:
        before, profile.state, profile.state_at = profile.state, state, at
        return Change(at, profile.account, before, state, why(profile, at, factor), capped)

    # --- what one account says of others

    def _suspect(self, profile: Profile, seen: Sighting) -> None:
        site, at, event = self.site, seen.at, seen.event
        if evidence.of_outcome(evidence.acted_on(profile)) >= SUSPECT:
            site.suspects[profile.account] = at
        if not isinstance(event, SubmissionEvent) or profile.state not in (State.HELD, State.CONTAINED):
            return
        count = len(event.recipients)
        if count >= infrastructure.LIST_LEAST and seen.unheard >= novelty.UNHEARD_SHARE * count:
            site.add_incident(infrastructure.list_key(event, site), at)

    def _incident(self, profile: Profile, at: float) -> None:
        """Addresses that are new since the evidence began are a thief's, if nobody else is at home there."""
        since = min(at, profile.rose_at or at) - THIEF_S
        for key in profile.addresses.new_since(since):
            use = self.site.addresses.get(key)
            honest = [who for who in use.accounts if who not in self.site.suspects] if use else []
            if len(honest) <= 1:
                self.site.add_incident(key, at)

    def _refusals(self, profile: Profile, event: DeliveryEvent, before: tuple[float, float]) -> None:
        """A domain that refuses several accounts lists the site: what came of it is taken back."""
        if event.dsn is None or not event.dsn.startswith(rejections.POLICY):
            return
        site, domain = self.site, split_address(event.recipient)[1].lower()
        quiet, bulk = (
            profile.quiet[Family.REJECTIONS] - before[0],
            profile.bulk[Family.REJECTIONS] - before[1],
        )
        site.note_refusal(domain, profile.account, event.at, (max(0.0, quiet), max(0.0, bulk)))
        if site.refused(domain, profile.account, event.at):
            for account, quiet, bulk in site.taken_back(domain, event.at):
                other = self.profiles[account]
                for values, bits in ((other.quiet, quiet), (other.bulk, bulk)):
                    values[Family.REJECTIONS] = max(0.0, values[Family.REJECTIONS] - bits)
