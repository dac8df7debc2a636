"""Postfix's records to events: lines that bear one queue id are one message.

An account is the login that SASL confirmed for the message, the uid that ran sendmail(1) (``uid:1000``), or
else the client's address (``[192.0.2.7]``). Nothing else in a line can name one. Where a content filter
gives a message back (XFORWARD told the old queue id, or "queued as" over loopback), where Postfix's
local(8) forwards it, and behind a proxy filter, it stays the first message and the first account.

Postfix does not log whom a message was addressed to, but whom it tries to deliver to. A submission is
therefore told when there was a first try for each of its recipients, or after `Bounds.patience_s` with
those who are known. Lines may come late or in another order within that time. Queue ids may be used again:
another client, or another user of sendmail, begins another message.

Limits: `Bounds`. Whatever is beyond them is told early or forgotten, oldest first, and counted. Known
faults: messages of nobody (notices about failed delivery, probes) have no events; with one queue in two
logs of different names the smtpd's name may differ from the queue's, as long as that name has no queue of
its own.
"""

from collections.abc import Callable, Sequence

from sendwarden.core.event import Event, LoginEvent, Outcome
from sendwarden.core.identity import host_account
from sendwarden.engine.logs.message import Message, is_loopback, origin_of
from sendwarden.engine.logs.messages import NOTHING, Bounds, Messages, keep
from sendwarden.wire.postfix_log.parts import is_queue_id, named_client
from sendwarden.wire.postfix_log.records import (
    Accepted,
    Active,
    Connected,
    Delivery,
    Disconnected,
    Expired,
    LoginFailed,
    Named,
    Origin,
    Passed,
    PickedUp,
    Record,
    Refused,
    Removed,
    Returned,
)

OUTCOMES = {"sent": Outcome.DELIVERED, "bounced": Outcome.BOUNCED, "deferred": Outcome.DEFERRED}
# What keeps a message out of the queue; others only note, hold or change it.
REFUSALS = frozenset({"reject", "milter-reject", "proxy-reject"})
# Of these the whole message is refused.
WHOLE = frozenset(
    {"DATA", "BDAT", "END-OF-MESSAGE", "header", "body", "mime-header", "nested-header", "content"}
)
# In place of an instance: a filter may give mail back to another one.
ANY = ""
_FORWARDED = "forwarded as "
_QUEUED = "queued as "


class PostfixJoin:
    """Feed it records in the order of the log. ``account_of`` folds a login into its account."""

    def __init__(self, account_of: Callable[[str], str], bounds: Bounds | None = None) -> None:
        self._account_of = account_of
        self._bounds = bounds or Bounds()
        self._messages = Messages(self._bounds)
        self._sessions: dict[Origin, str] = {}  # the account that a connection has logged in as
        self._proxied: dict[Origin, Accepted] = {}
        self._how: dict[type, Callable[..., Sequence[Event]]] = {
            Connected: self._session_ends,
            Disconnected: self._session_ends,
            Accepted: self._accepted,
            PickedUp: self._picked_up,
            Named: self._named,
            Active: self._active,
            Delivery: self._delivery,
            Expired: self._expired,
            Removed: self._removed,
            Refused: self._refused,
            Passed: self._passed,
            LoginFailed: self._login_failed,
            Returned: lambda _record: NOTHING,
        }

    def feed(self, record: Record) -> Sequence[Event]:
        """What is known now that was not before."""
        events = self._how[type(record)](record)
        if record.at >= self._messages.next:
            return [*self._messages.wait_until(record.at), *events]
        return events

    def wait_until(self, now: float) -> Sequence[Event]:
        """It is that late, even if no line says so."""
        return self._messages.wait_until(now)

    def end(self) -> Sequence[Event]:
        """No more lines will come: tell what waits."""
        return self._messages.end()

    @property
    def forgotten(self) -> int:
        """Messages that were dropped for want of room."""
        return self._messages.forgotten

    # --- sessions

    def _session_ends(self, record: Record) -> Sequence[Event]:
        self._sessions.pop(record.origin, None)
        self._proxied.pop(record.origin, None)
        return NOTHING

    def _login_failed(self, record: LoginFailed) -> Sequence[Event]:
        login = record.login[: self._bounds.text_letters]
        if not login:
            return NOTHING
        return [
            LoginEvent(record.at, self._account_of(login), success=False, origin=origin_of(record.address))
        ]

    def _logged_in(self, record: Accepted, account: str) -> Sequence[Event]:
        """The first message of a connection tells of its login."""
        if self._sessions.get(record.origin) == account:
            return NOTHING
        keep(self._sessions, record.origin, account, self._bounds.sessions)
        return [LoginEvent(record.at, account, success=True, origin=origin_of(record.address))]

    # --- where messages come from

    def _accepted(self, record: Accepted) -> Sequence[Event]:
        account = self._account_of(record.login) if record.login else host_account(record.address)
        events = self._logged_in(record, account) if record.login else NOTHING
        if not record.queue_id:
            keep(self._proxied, record.origin, record, self._bounds.sessions)
            return events
        message, ended = self._messages.begun(record.at, record.origin, record.queue_id)
        message.account, message.origin = account, origin_of(record.address)
        message.authenticated = bool(record.login)
        message.inside = not record.login and is_loopback(record.address)
        self._continue_another(message, record.before)
        return [*ended, *events, *self._messages.tell_complete(message)]

    def _picked_up(self, record: PickedUp) -> Sequence[Event]:
        message, ended = self._messages.begun(record.at, record.origin, record.queue_id)
        message.account, message.origin = f"uid:{record.uid}", origin_of("unknown")
        return [*ended, *self._messages.tell_complete(message)]

    def _continue_another(self, message: Message, before: str) -> None:
        """Is it another one that comes back from a filter?"""
        host = message.key[0]
        other = None
        if message.inside:
            other = self._messages.expected((host, ANY, message.key[2]), message.started)
        if before and before != message.key[2] and is_queue_id(before):
            other = self._messages.anywhere(host, before) or other
        if other is not None and other.account and not message.authenticated:
            message.continue_(other)

    def _passed(self, record: Passed) -> Sequence[Event]:
        """A proxy filter gave it back under this queue id; who sent it was said before."""
        before = self._proxied.pop(record.origin, None)
        message = self._messages.anywhere(record.origin.host, record.queue_id)
        if before is None or message is None or not message.inside or message.told:
            return NOTHING
        message.account = self._account_of(before.login) if before.login else host_account(before.address)
        message.origin, message.inside = origin_of(before.address), False
        return self._messages.tell_complete(message)

    # --- the queue

    def _named(self, record: Named) -> Sequence[Event]:
        """A second Message-ID, long after: the queue id is used again, and nobody said that it was free."""
        message = self._messages.of(record.at, record.origin, record.queue_id)
        active_at = message.active_at
        if message.named and active_at is not None and record.at > active_at + self._bounds.patience_s:
            events = self._messages.tell(message)
            self._messages.drop(message)
            self._messages.new(record.at, record.origin, record.queue_id).named = True
            return events
        message.named = True
        return NOTHING

    def _active(self, record: Active) -> Sequence[Event]:
        message = self._messages.of(record.at, record.origin, record.queue_id)
        if message.active_at is not None:  # tried again
            message.touched = record.at
            self._messages.touch(message)
            return NOTHING
        message.active_at, message.size = record.at, record.size
        message.sender = record.sender[: self._bounds.text_letters]
        message.expected = min(record.recipients, self._bounds.recipients)
        self._messages.wait(message, record.at)
        return self._messages.tell_complete(message)

    def _delivery(self, record: Delivery) -> Sequence[Event]:
        outcome = OUTCOMES.get(record.status)
        if outcome is None:  # address probes
            return NOTHING
        message = self._messages.of(record.at, record.origin, record.queue_id)
        recipient = record.recipient[: self._bounds.text_letters]
        passed_on = outcome is Outcome.DELIVERED and self._passed_on(message, record)
        if not message.told and len(message.recipients) < self._bounds.recipients:
            original = record.original[: self._bounds.text_letters]
            message.recipients[recipient] = original if "@" in original else recipient
            self._messages.hold(message, len(recipient) + len(original))
        if outcome is Outcome.DEFERRED:
            if recipient not in message.deferred and not message.removed and self._messages.room_for(message):
                message.deferred[recipient] = record.dsn or None
                self._messages.hold(message, len(recipient))
        elif recipient in message.deferred:
            del message.deferred[recipient]
            self._messages.hold(message, -len(recipient))
        tried = (record.at, recipient, outcome, record.dsn or None)
        if message.told:
            events: Sequence[Event] = (
                [message.outcome(*tried)] if message.account and not passed_on else NOTHING
            )
        else:
            if not passed_on and len(message.tried) < self._bounds.recipients:
                message.tried.append(tried)
            self._messages.wait(message, record.at, again=False)
            events = self._messages.tell_complete(message)
        return [*events, *self._messages.make_room()] if self._messages.full else events

    def _passed_on(self, message: Message, record: Delivery) -> bool:
        """Does the message go on under another queue id? Only this machine's own word counts."""
        forwarded = record.origin.daemon == "local" and record.reason.startswith(_FORWARDED)
        if not forwarded:
            if _QUEUED not in record.reason:
                return False
            relay = named_client(record.relay)
            if relay is None or not is_loopback(relay[1]):
                return False
        queue_id = record.reason.rpartition(_FORWARDED if forwarded else _QUEUED)[2]
        if not is_queue_id(queue_id) or queue_id == record.queue_id or not message.account:
            return False
        host, instance = record.origin.queue
        if forwarded:  # into the same queue
            other = self._messages.find(record.origin, queue_id)
        else:
            other, instance = self._messages.anywhere(host, queue_id), ANY
        if other is None:
            self._messages.expect((host, instance, queue_id), record.at, message)
            return False
        if other.continues:
            return other.name == message.name
        ours = not other.account if forwarded else other.inside
        if ours and not other.told:
            other.continue_(message)
        return ours

    def _expired(self, record: Expired) -> Sequence[Event]:
        message = self._messages.find(record.origin, record.queue_id)
        if message is None:
            return NOTHING
        events = list(self._messages.tell(message))
        if message.account:
            events += [message.outcome(record.at, *one) for one in self._messages.nobody_waits(message)]
        return events

    def _removed(self, record: Removed) -> Sequence[Event]:
        message = self._messages.find(record.origin, record.queue_id)
        if message is None or message.removed:
            return NOTHING
        return self._messages.remove(message, record.at)

    def _refused(self, record: Refused) -> Sequence[Event]:
        if record.action not in REFUSALS:
            return NOTHING
        message = self._messages.find(record.origin, record.queue_id) if record.queue_id else None
        if message is not None and record.stage in WHOLE:
            self._messages.drop(message)
        recipient = record.recipient[: self._bounds.text_letters]
        if not recipient:
            return NOTHING
        later = record.code.startswith("4") or (not record.code and record.dsn.startswith("4"))
        outcome = Outcome.DEFERRED if later else Outcome.REJECTED
        dsn = record.dsn or (f"{record.code[0]}.0.0" if record.code else None)
        if message is None:
            message = Message((*record.origin.queue, record.queue_id), _name(record), record.at)
            message.account = self._sessions.get(record.origin) or host_account(record.address)
        return [message.outcome(record.at, recipient, outcome, dsn)] if message.account else NOTHING

    # --- what is remembered


def _name(record: Refused) -> str:
    origin = record.origin
    return f"{origin.host}/{origin.instance}/{record.queue_id or f'NOQUEUE-{origin.pid}'}/{record.at:.6f}"
