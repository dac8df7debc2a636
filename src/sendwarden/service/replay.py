"""Old events against the detection as it is: who would have been watched, throttled, held.

A replay cannot know what a thief would have done had he been held, so that it reports what was
*submitted* before. Beside that stands what the probe hold would have let through of it. Deterministic:
the same events and settings give the same verdicts.
"""

from bisect import insort
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sendwarden.core.account import State
from sendwarden.core.event import DeliveryEvent, Event, Outcome, SubmissionEvent
from sendwarden.core.identity import IdentityRules, account_of, split_address
from sendwarden.detect import probe
from sendwarden.detect.machine import Change, Machine
from sendwarden.detect.states import RANK

SWEEP_S = 600.0
# A domain is the site's own if so many of its envelope senders have it, where nobody named the domains.
DOMAIN_SHARE = 0.05
# How much of what outcomes took so far is kept when another one comes.
LATENCY_KEPT = 0.8


@dataclass(slots=True)
class Waiting:
    """The probe hold of one account."""

    queue: deque[tuple[float, str, int]] = field(default_factory=deque)  # when, which message, strangers
    # Strangers of whom no outcome has come: until when it is waited for, which message. "": they waited here,
    # so that their outcomes in the log are too early; one that takes as long as others stands in.
    out: list[tuple[float, str]] = field(default_factory=list)
    latency_s: float = probe.PATIENCE_S  # of outcomes of this account, lately
    longest_s: float = 0.0
    # By message since then how many recipients got it.
    got: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Account:
    """What a replay saw of one account.

    Numbers that end with ``_before`` begin when it last stopped being normal, and end when it is held.
    """

    name: str
    changes: list[Change] = field(default_factory=list)
    messages: int = 0
    messages_before: int = 0
    recipients_before: int = 0
    out_before: int = 0  # recipients that the probe hold would have let through
    held_at: float | None = None
    waiting: Waiting | None = None

    @property
    def worst(self) -> State:
        return max((change.after for change in self.changes), key=RANK.__getitem__, default=State.NORMAL)


class Replay:
    """One run over events. `changes` yields them; the rest is there afterwards."""

    def __init__(self, machine: Machine, identity: IdentityRules) -> None:
        self.machine = machine
        self.identity = identity
        self.accounts: dict[str, Account] = {}
        self.events = 0
        self.late = 0  # events that lay before the one before them, and were taken for as late
        self.first_at = self.last_at = 0.0
        self._waiting: dict[str, Account] = {}

    def changes(self, events: Iterable[Event]) -> Iterator[Change]:
        swept = 0.0
        for given in events:
            event = self._in_order(given)
            if event.at >= swept + SWEEP_S:
                swept = event.at
                yield from self._swept(event.at)
            if change := self.machine.observe(event):
                self._changed(change)
                yield change
            if isinstance(event, SubmissionEvent):
                self._submitted(event)
            elif isinstance(event, DeliveryEvent) and event.account in self._waiting:
                self._came_back(event)

    def account(self, name: str) -> Account:
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = Account(name)
        return found

    def _in_order(self, event: Event) -> Event:
        self.events += 1
        account = account_of(event.account, self.identity)
        if account != event.account:
            event = replace(event, account=account)
        if event.at < self.last_at:
            self.late += 1
            event = replace(event, at=self.last_at)
        self.first_at = self.first_at or event.at
        self.last_at = event.at
        return event

    def _swept(self, at: float) -> Iterator[Change]:
        for change in self.machine.sweep(at):
            self._changed(change)
            yield change
        for account in self._waiting.values():
            self._let(account, at)

    def _changed(self, change: Change) -> None:
        account = self.account(change.account)
        account.changes.append(change)
        if change.before is State.NORMAL and account.held_at is None:
            account.messages_before = account.recipients_before = account.out_before = 0
        if RANK[change.after] >= RANK[State.HELD] and account.held_at is None:
            account.held_at = change.at
        if RANK[change.after] >= RANK[State.THROTTLED] and account.waiting is None:
            account.waiting = Waiting()
            self._waiting[account.name] = account

    # --- what gets out

    def _submitted(self, event: SubmissionEvent) -> None:
        """Evidence of the message itself counts already: a mail server asks before it takes it."""
        account = self.account(event.account)
        account.messages += 1
        if account.held_at is not None:
            return
        count = len(event.recipients)
        account.messages_before += 1
        account.recipients_before += count
        strangers = self.machine.site.messages[event.message].new
        account.out_before += count - strangers
        if account.waiting is None:
            account.out_before += strangers
            return
        now = probe.let_through(
            self.machine.profiles[account.name].state, strangers, len(account.waiting.out)
        )
        account.out_before += now
        account.waiting.got[event.message] += count - strangers + now
        for _ in range(now):
            insort(account.waiting.out, (event.at + probe.PATIENCE_S, event.message))
        if strangers > now:
            account.waiting.queue.append((event.at, event.message, strangers - now))

    def _came_back(self, event: DeliveryEvent) -> None:
        """An outcome of a message of which strangers got some: the next may go."""
        account = self._waiting[event.account]
        waiting = account.waiting
        assert waiting is not None
        if event.outcome is Outcome.DEFERRED:
            return
        sent = self.machine.site.messages.get(event.message)
        if sent is not None:
            took = min(probe.PATIENCE_S, event.at - sent.at)
            known = waiting.latency_s < probe.PATIENCE_S
            waiting.latency_s = (
                waiting.latency_s * LATENCY_KEPT + took * (1 - LATENCY_KEPT) if known else took
            )
        for number, (_until, message) in enumerate(waiting.out):
            if message == event.message:
                del waiting.out[number]
                break
        self._let(account, event.at)

    def _let(self, account: Account, at: float) -> None:
        """Let through what could go by now, each when outcomes of others had come."""
        waiting = account.waiting
        assert waiting is not None
        state, then = self.machine.profiles[account.name].state, at
        while waiting.queue:
            submitted, message, strangers = waiting.queue[0]
            now = probe.let_through(state, strangers, len(waiting.out))
            if now:
                self._release(account, then, now, throttled=state is State.THROTTLED)
                if now == strangers:
                    waiting.queue.popleft()
                    waiting.longest_s = max(waiting.longest_s, then - submitted)
                else:
                    waiting.queue[0] = (submitted, message, strangers - now)
            elif waiting.out and waiting.out[0][0] <= at:
                then = max(submitted, waiting.out.pop(0)[0])
            else:
                return

    @staticmethod
    def _release(account: Account, at: float, count: int, *, throttled: bool) -> None:
        waiting = account.waiting
        assert waiting is not None
        if throttled:
            for _ in range(count):
                insort(waiting.out, (at + waiting.latency_s, ""))
        if account.held_at is None:
            account.out_before += count
            waiting.got[waiting.queue[0][1]] += count


def own_domains(events: Iterable[Event]) -> tuple[str, ...]:
    """The domains that most envelope senders have."""
    count: Counter[str] = Counter()
    for event in events:
        if isinstance(event, SubmissionEvent) and event.envelope_from:
            count[split_address(event.envelope_from)[1].lower()] += 1
    total = sum(count.values())
    return tuple(sorted(name for name, seen in count.items() if name and seen >= DOMAIN_SHARE * total))
