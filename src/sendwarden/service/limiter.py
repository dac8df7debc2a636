"""Counting what accounts send: the meters, the open messages, and what holds for whom.

One for the whole daemon; a new configuration is handed to `use`. Decisions are made in `service.judge`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from sendwarden.core.account import State
from sendwarden.core.decision import Request
from sendwarden.core.identity import split_address
from sendwarden.core.networks import in_networks
from sendwarden.engine.channel import Channel, is_own
from sendwarden.engine.limits.acquaintances import Acquaintances
from sendwarden.engine.limits.ages import Ages, hash_of
from sendwarden.engine.limits.charges import Asked, Charges
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.outcome import Taken
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import NO_LIMITS, UNLIMITED, Counts, Limits, lowest
from sendwarden.engine.limits.shared import SharedMeter
from sendwarden.engine.limits.table import LimitTable
from sendwarden.engine.limits.windows import quantum_of
from sendwarden.service.attributes import Attributes
from sendwarden.service.ports import AccountStates, Clock, SharedRoom
from sendwarden.service.site import Site

THROTTLED = "throttled"
NEW_ACCOUNT = "new-account"
# Row and, in brackets as what no channel is called, meter of mail that a scanner calls spam.
SPAM_ROW = "spam-scored"
SPAM_SCORED = f"[{SPAM_ROW}]"
# The part of its limits that an account has for a while after an incident.
AFTER_INCIDENT = 0.5
# Accounts of which it is remembered that they were seen, for each that is counted.
AGES_FOR_EACH = 4
# Signs of quoting in a local part, and what stays of them.
_QUOTED = re.compile(r'\\(.)|"')
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
        self.ages = Ages(site.new_account_s, AGES_FOR_EACH * site.most_accounts)
        self.acquaintances = Acquaintances(site.most_accounts)
        self.table = LimitTable(self.limits_of, site.most_accounts, self.acquaintances.of)
        self.room: SharedRoom | None = None
        self.charges = Charges(self.quantum)
        self.incoming = LimitTable(self.incoming_limits, site.most_accounts)
        self.incoming_charges = Charges(self.quantum)
        self.attributes: Attributes | None = None
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
        self.table.most = self.incoming.most = self.acquaintances.most = site.most_accounts
        self.ages.new_s, self.ages.most = site.new_account_s, AGES_FOR_EACH * site.most_accounts
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
        self._ends = min((*ends, self._states.next_end(now), self.ages.next_end(now)))
        self.acquaintances.tick(now)
        self.table.renew()
        self.incoming.renew()
        for forget in self.on_change:
            forget()

    def now(self) -> float:
        """By the clock that accounts are counted by."""
        return self._clock.now()

    def tick(self) -> None:
        """To be called several times a second."""
        now = self._clock.now()
        if now >= self._ends:
            self.changed()
        quantum = quantum_of(now)
        if quantum > self.quantum:
            self.quantum = quantum
            self.table.tidy(quantum)
            self.incoming.tidy(quantum)
            self.acquaintances.tick(now)
        if self.attributes is not None:
            self.attributes.refresh(self._in_use)
        self.charges.turn(quantum)
        self.incoming_charges.turn(quantum)

    def set_back(self) -> None:
        """The clock was ahead, and is set back. Accounts begin anew; what they sent is known where all count.

        Of open messages nothing is given back any more, and incoming mail is counted from 0.
        """
        before, self.quantum = self.quantum, quantum_of(self._clock.now())
        for meter in self.table.leave_all():
            if isinstance(meter, SharedMeter):
                meter.set_back(before - self.quantum)
        self.incoming.leave_all()
        self.charges.forget_all(self.quantum)
        self.incoming_charges.forget_all(self.quantum)
        self.changed()

    def reset(self, account: str, channel: str = "") -> list[str]:
        """What the account sent counts no more, on this channel or on all; on which there was something."""
        gone = [name for name in self.counted_on(channel) if self.table.reset(name, account)]
        self.changed()
        return gone

    def counted_on(self, channel: str = "") -> list[str]:
        """Where accounts have meters: on this channel, or on all, spam besides."""
        names = [one.name for one in self.site.channels if channel in ("", one.name)]
        return names if channel else [*names, SPAM_SCORED]

    def use_attributes(self, attributes: Attributes | None) -> None:
        """From now on a directory may name other rows; None: no more."""
        self.attributes = attributes
        if attributes is not None:
            attributes.rows = {*self.site.rows, NO_LIMITS}
            attributes.most = self.site.most_accounts
            attributes.on_change = self._renew
        self.changed()

    def _renew(self, account: str) -> None:
        for channel in self.site.channels:
            self.table.renew_one(channel.name, account)

    def _in_use(self, account: str) -> bool:
        return any(self.table.has(channel.name, account) for channel in self.site.channels)

    def overrides(self, channel: str, account: str) -> list[Override]:
        """What counts instead of the channel's limits, each laid over those before it.

        Of the settings that is the first that applies, and over it what was set by hand.
        """
        now = self._clock.now()
        of_settings = (one for one in self.site.overrides if one.applies(channel, account, now))
        return [*islice(of_settings, 1), *self._set_by_hand(channel, account, now)]

    def _set_by_hand(self, channel: str, account: str, now: float) -> Iterator[Override]:
        return (one for one in self._by_hand.get(account, ()) if one.applies(channel, account, now))

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
        now = self._clock.now()
        if self.attributes is not None and limits and not account.startswith("["):
            row = self.attributes.row(account)
            limits = UNLIMITED if row == NO_LIMITS else self.site.rows.get(row, limits)
        overrides = self.overrides(channel, account)
        for override in overrides:
            limits = override.changed(limits)
        if not overrides and limits and self.ages.new_until(account, now) is not None:
            limits = lowest([limits, self.site.rows.get(NEW_ACCOUNT, UNLIMITED)])
        if self._states.state(account, now) is State.THROTTLED:
            limits = lowest([limits, self.site.rows.get(THROTTLED, UNLIMITED)])
        if self._states.incident_until(account, now) is not None:
            limits = limits.scaled(AFTER_INCIDENT, "half after an incident")
        return limits

    def incoming_limits(self, kind: str, key: str) -> Limits | None:
        """What holds for incoming mail of a network, a domain or a mailbox; None: it is not counted."""
        limits = self.site.incoming.rows.get(kind)
        if limits is not None:
            for override in self.incoming_overrides(kind, key):
                limits = override.changed(limits)
        return limits

    def incoming_overrides(self, kind: str, key: str) -> list[Override]:
        """What was set for an account of that name is none of it."""
        return [one for one in self._set_by_hand(kind, key, self._clock.now()) if kind in one.channels]

    def state(self, account: str) -> State:
        return self._states.state(account, self._clock.now())

    def why(self, account: str) -> str:
        """The reason that was given for the account's state: for administrators alone."""
        return self._states.why(account)

    def told(self, account: str) -> str:
        """What whoever sends is to be told of the account's state; "": nothing of its own."""
        return self._states.told(account)

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
        found = self.table.find(channel.name, account)
        if found is None:
            self.seen(account)
        return found or self.table.get(channel.name, account, self.quantum)

    def seen(self, account: str) -> None:
        """The account has sent or logged in: from the first time on it is so old."""
        if not account.startswith("["):  # a host
            now = self._clock.now()
            self.ages.seen(account, now)
            self._ends = min(self._ends, self.ages.new_until(account, now) or self._ends)

    def asked(self, name: bytes, meter: AccountMeter, server: str, recipients: Iterable[str]) -> Asked:
        """A question about a message, with who its recipients are where a limit asks that."""
        names: tuple[int, ...] = ()
        if meter.people:
            account = meter.key.partition("\n")[2]
            mailboxes = dict.fromkeys(map(self.mailbox, recipients))
            names = tuple(hash_of(account, mailbox) for mailbox in mailboxes)
        return Asked(name, meter, self.quantum, server, names)

    def spam_meter(self, channel: Channel, account: str) -> AccountMeter | None:
        """None: on a channel without limits spam is the business of its filters."""
        return self.table.get(SPAM_SCORED, account, self.quantum) if channel.limits else None

    def reserve(self, request: Request, name: bytes, server: str, meter: AccountMeter) -> Taken:
        """One recipient was named."""
        counts = self.counted(request.recipients, messages=0)
        return self.charges.reserve(self.asked(name, meter, server, request.recipients), counts)

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
        domains, subaddress = self.site.domains, self.site.identity.subaddress
        internal = external = 0
        seen = set()
        for recipient in recipients:
            own = is_own(recipient, domains)
            key = _folded(recipient, subaddress if own else "")
            if key in seen:
                continue
            seen.add(key)
            internal, external = internal + own, external + (not own)
        return Counts(messages, internal + external, internal, external, size_bytes)

    def mailbox(self, address: str) -> str:
        """One spelling of an address. How strangers part theirs is not known."""
        own = is_own(address, self.site.domains)
        return _folded(address, self.site.identity.subaddress if own else "")


def _folded(address: str, subaddress: str) -> str:
    local, domain = split_address(address.lower())
    if '"' in local or "\\" in local:  # RFC 5321 section 4.1.2: the same mailbox, written in another way
        local = _QUOTED.sub(r"\1", local)
    base = local.partition(subaddress)[0] if subaddress else local
    return f"{base or local}@{domain}"
