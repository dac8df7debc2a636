"""Counting what accounts send: the meters, the open messages, and what holds for whom.

One for the whole daemon; a new configuration is handed to `use`. Decisions are made in `service.judge`.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from sendwarden.core.account import State
from sendwarden.core.decision import Request
from sendwarden.core.identity import split_address
from sendwarden.core.networks import in_networks
from sendwarden.engine.channel import Channel, is_own
from sendwarden.engine.limits.charges import Asked, Charges
from sendwarden.engine.limits.meter import AccountMeter, Taken
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import UNLIMITED, Counts, Limits, lowest
from sendwarden.engine.limits.shared import SharedMeter
from sendwarden.engine.limits.table import LimitTable
from sendwarden.engine.limits.windows import quantum_of
from sendwarden.service.ports import AccountStates, Clock, SharedRoom
from sendwarden.service.site import Site

THROTTLED = "throttled"
# Row and, in brackets as what no channel is called, meter of mail that a scanner calls spam.
SPAM_ROW = "spam-scored"
SPAM_SCORED = f"[{SPAM_ROW}]"
# Senders that programs use for the mail of others (SRS0 and SRS1 of the Sender Rewriting Scheme).
FORWARDED = ("srs0=", "srs0+", "srs0-", "srs1=", "srs1+", "srs1-")


class Limiter:
    """Meters of accounts by channel. Not safe for threads; takes no time but the clock's."""

    def __init__(self, site: Site, states: AccountStates, clock: Clock) -> None:
        self._clock = clock
        self._states = states
        self._by_hand: Mapping[str, tuple[Override, ...]] = {}
        self._ends: float = 0.0
        self.site = site
        self.quantum = quantum_of(clock.now())
        self.table = LimitTable(self.limits_of, site.most_accounts)
        self.room: SharedRoom | None = None
        self.charges = Charges(self.quantum)
        # Called when what was found out about accounts may hold no more.
        self.on_change: list[Callable[[], None]] = []

    def share(self, room: SharedRoom) -> None:
        """Count together with other processes from now on. To be called before anything is counted."""
        self.room = room
        self.table.new_meter = SharedMeter

    # --- what holds

    def use(self, site: Site) -> None:
        """Take a new configuration; what was counted stays."""
        self.site = site
        self.table.most = site.most_accounts
        self.changed()

    def set_by_hand(self, overrides: Mapping[str, tuple[Override, ...]]) -> None:
        """Take all overrides that were set by hand, by account: they count before those of the settings."""
        self._by_hand = overrides
        self.changed()

    def changed(self) -> None:
        """States or overrides may be others now."""
        now = self._clock.now()
        every = chain(self.site.overrides, *self._by_hand.values())
        ends = (one.until for one in every if one.until is not None and one.until > now)
        self._ends = min((*ends, self._states.next_end(now)))
        self.table.renew()
        for forget in self.on_change:
            forget()

    def tick(self) -> None:
        """To be called several times a second."""
        now = self._clock.now()
        if now >= self._ends:
            self.changed()
        quantum = quantum_of(now)
        if quantum > self.quantum:
            self.quantum = quantum
            self.table.tidy(quantum)
        self.charges.turn(quantum)

    def override(self, channel: str, account: str) -> Override | None:
        """What counts instead of the channel's limits."""
        now = self._clock.now()
        every = (*self._by_hand.get(account, ()), *self.site.overrides)
        return next((one for one in every if one.applies(channel, account, now)), None)

    def limits_of(self, channel: str, account: str) -> Limits | None:
        """What holds for an account on a channel; None: it is not counted there.

        Spam is counted besides, whatever channel it comes by, and no override lets more of it through.
        """
        if channel == SPAM_SCORED:
            return self.site.rows.get(SPAM_ROW, UNLIMITED)
        found = next((one for one in self.site.channels if one.name == channel), None)
        limits = found.limits if found else None
        if limits is None:
            return None
        override = self.override(channel, account)
        if override:
            limits = override.changed(limits)
        if self._states.state(account, self._clock.now()) is State.THROTTLED:
            return lowest([limits, self.site.rows.get(THROTTLED, UNLIMITED)])
        return limits

    def state(self, account: str) -> State:
        return self._states.state(account, self._clock.now())

    def why(self, account: str) -> str:
        """The reason that was given for the account's state."""
        return self._states.why(account)

    # --- counting

    def counts(self, request: Request, channel: Channel) -> bool:
        """Is this mail charged to anybody? With a login always; else not bounces, forwards and relays."""
        if channel.limits is None:
            return False
        if request.login:
            return True
        if not request.sender or request.sender.lower().startswith(FORWARDED):
            return False
        return not in_networks(request.client_address, self.site.relays)

    def meter(self, channel: Channel, account: str) -> AccountMeter | None:
        """None: there are too many accounts to count another one."""
        return self.table.get(channel.name, account, self.quantum)

    def spam_meter(self, channel: Channel, account: str) -> AccountMeter | None:
        """None: on a channel without limits spam is the business of its filters."""
        return self.table.get(SPAM_SCORED, account, self.quantum) if channel.limits else None

    def reserve(self, request: Request, name: bytes, server: str, meter: AccountMeter) -> Taken:
        """One recipient was named."""
        counts = self.counted(request.recipients, messages=0)
        return self.charges.reserve(Asked(name, meter, self.quantum, server), counts)

    def settle(self, asked: Asked, whole: Counts, *, end: bool, queue_id: bytes = b"") -> Taken:
        """A message has so much in all. Recipients of no class are of the class they were asked for."""
        if whole.internal + whole.external != whole.recipients:
            known = self.charges.find(asked.name)
            total = known.total if known and known.meter is asked.meter else Counts(external=whole.recipients)
            external = min(total.external, whole.recipients)
            internal = min(total.internal, whole.recipients - external)
            whole = whole._replace(external=external, internal=internal)
        taken = self.charges.settle(asked, whole, end=end)
        if queue_id and queue_id != asked.name and (charge := self.charges.find(asked.name)):
            self.charges.remember(queue_id, charge)
        return taken

    def counted(self, recipients: Sequence[str], *, messages: int = 1, size_bytes: int = 0) -> Counts:
        """Recipients as counts; one that differs only by case (of ours, or sub-address) is no other."""
        rules, domains = self.site.identity, self.site.domains
        internal = external = 0
        seen = set()
        for recipient in recipients:
            own = is_own(recipient, domains)
            # How strangers part their addresses is not known.
            key = _mailbox(recipient, rules.subaddress if own else "")
            if key in seen:
                continue
            seen.add(key)
            internal, external = internal + own, external + (not own)
        return Counts(messages, internal + external, internal, external, size_bytes)


def _mailbox(address: str, subaddress: str) -> str:
    local, domain = split_address(address.lower())
    base = local.partition(subaddress)[0] if subaddress and not local.startswith('"') else local
    return f"{base or local}@{domain}"
