"""Mail from strangers: deferred when a network, a domain or a mailbox has too much of it.

A message is counted once for its network and its sender's domain, and once for each of our mailboxes; all of
it or, over one limit, nothing. By policy service that is when its recipients are named, by milter at its end;
one that the policy service has counted is known by its queue id. Nothing is given back: what a mail server
refuses after us came in all the same.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from sendwarden.core.decision import Decision, Reason, Request, Verdict
from sendwarden.engine.channel import is_own
from sendwarden.engine.limits.ages import hash_of
from sendwarden.engine.limits.charges import Charge, Charges
from sendwarden.engine.limits.incoming import KINDS, Key
from sendwarden.engine.limits.outcome import Over, Taken
from sendwarden.engine.limits.rules import Counts, OverLimit
from sendwarden.engine.limits.windows import WINDOWS, time_of
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Outside
from sendwarden.service.repeats import Repeats
from sendwarden.service.shares import share_numbers

if TYPE_CHECKING:
    from sendwarden.engine.limits.meter import AccountMeter

# What a message counts for each key.
_ONE = Counts(1, 1)


class Incoming:
    """The use case over the limiter's table of incoming mail."""

    def __init__(self, limiter: Limiter, outside: Outside) -> None:
        self._limiter = limiter
        self._outside = outside
        self._repeats = Repeats(outside.references)

    @property
    def charges(self) -> Charges:
        """Messages that were counted; only their names matter."""
        return self._limiter.incoming_charges

    def counts(self, request: Request) -> bool:
        return self._limiter.site.incoming.counts(request.client_address, request.login)

    def recipient(self, request: Request, name: bytes) -> Decision | None:
        """At RCPT; None: nothing stands in its way, and nothing is to be told."""
        return self._taken(request, name, request.recipients)

    def ended(self, request: Request, name: bytes) -> None:
        """The policy service has counted a message: the milter will ask about it by its queue id."""
        if counted := self.charges.find(name):
            self.charges.remember(_queued(request), counted)

    def message(self, request: Request, recipients: Iterable[str]) -> Decision | None:
        """At the end, by milter."""
        if request.queue_id and self.charges.find(_queued(request)):
            return None
        return self._taken(request, b"", recipients)

    def keys(self, request: Request, recipients: Iterable[str], *, first: bool = True) -> list[Key]:
        """What a message counts for; not ``first``: for other recipients of one that was counted."""
        rules = self._limiter.site.incoming
        own = [one for one in recipients if is_own(one, self._limiter.site.domains)]
        of_recipients = rules.of_recipients(request.sender, own, self._limiter.mailbox)
        of_message = rules.of_message(request.client_address, request.sender) if first else ()
        return [*of_message, *of_recipients]

    def _taken(self, request: Request, name: bytes, recipients: Iterable[str]) -> Decision | None:
        limiter = self._limiter
        before = self.charges.find(name) if name else None
        first = before is None
        keys = self.keys(request, recipients, first=first)
        counted = (before.names or {}) if before else {}
        keys = [key for key in keys if hash_of(*key) not in counted]
        done: list[AccountMeter] = []
        told: list[Reason] = []
        for key in keys:
            meter = limiter.incoming.get(*key, limiter.quantum)
            if meter is None:
                continue
            taken = meter.take(limiter.quantum, _ONE)
            told += self._told(taken, key)
            if taken.over:
                for one in done:
                    one.give_back(limiter.quantum, _ONE, limiter.quantum)
                return replace(self._decision(request, key, taken.over), told=tuple(told))
            done.append(meter)
        if done and name:
            charge = before or Charge(done[0], limiter.quantum, "")
            charge.settled = True
            charge.names = {**counted, **{hash_of(*key): False for key in keys}}
            self.charges.remember(name, charge)
        return replace(self._plain(request), told=tuple(told)) if told else None

    def _told(self, taken: Taken, key: Key) -> list[Reason]:
        """Limits that were reached: nobody hears of less."""
        rules = self._limiter.site.incoming
        shared: dict[str, str | int | float] = {
            "account": key.name,
            "channel": key.kind,
            "whose": KINDS[key.kind],
        }
        action = OverLimit(rules.verdict)
        return [
            Reason("incoming-share", shared | share_numbers(one, action, watched=rules.watched))
            for one in taken.crossings
            if one.level == 1
        ]

    def _plain(self, request: Request) -> Decision:
        watched = self._limiter.site.incoming.watched
        return Decision(Verdict.ACCEPT, "", request.client_address, watched=watched)

    def _decision(self, request: Request, key: Key, over: Over) -> Decision:
        rules = self._limiter.site.incoming
        frees_at = time_of(over.frees)
        numbers: dict[str, str | int | float] = {
            "whose": KINDS[key.kind],
            "key": key.name,
            "row": key.kind,
            "counted": over.limit.counted,
            "most": over.limit.most,
            "used": over.used,
            "window": WINDOWS[over.limit.window].seconds,
            "frees_at": frees_at,
            "frees_in": max(1, round(frees_at - self._limiter.now())),
        }
        decision = replace(
            self._plain(request),
            verdict=rules.verdict,
            enhanced="4.7.1",
            reasons=(Reason("incoming-over", numbers),),
        )
        same = (key, over.limit.counter, over.limit.window)
        return self._repeats.once(same, decision, self._limiter.quantum)


def _queued(request: Request) -> bytes:
    return b"queued\n" + request.queue_id.encode("utf-8", "surrogateescape")
