"""Messages that a log tells of: found by queue id, told when complete or after a while, within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sendwarden.core.event import Event, Outcome
from sendwarden.engine.logs.message import Key, Message
from sendwarden.wire.postfix_log.records import Origin

_K = TypeVar("_K")
_V = TypeVar("_V")

NOTHING: Sequence[Event] = ()

# Daemons that begin messages and have no queue.
FRONTS = frozenset({"smtpd", "postscreen", "pickup", "qmqpd"})
_MOST_HOSTS = 256


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is remembered. A message costs about 1 KiB, and its letters."""

    patience_s: float = 30.0
    messages: int = 100_000
    sessions: int = 20_000
    letters: int = 32 * 1024 * 1024  # of recipients that are waited for
    recipients: int = 10_000  # of one message
    text_letters: int = 2000  # of one address: SMTP allows 320


class Messages:
    """Each is open from its first line to its removal, and known a while longer to lines that come late."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._open: dict[Key, Message] = {}
        self._gone: dict[Key, Message] = {}  # removed
        self._waiting: dict[Key, Message] = {}  # told when complete, or when patience ends
        self.next = float("inf")  # when it ends for the first of them
        self._expected: dict[Key, tuple[float, Message]] = {}  # goes on under a queue id not seen yet
        self._queues: dict[str, dict[str, bool]] = {}  # host -> instance -> has it a queue of its own?
        self.letters = 0
        self.forgotten = 0

    def wait_until(self, now: float) -> Sequence[Event]:
        """It is that late, even if no line says so."""
        events: list[Event] = []
        while self._waiting:
            first = next(iter(self._waiting.values()))
            if (ends := first.touched + self.bounds.patience_s) > now:
                self.next = ends
                break
            events += self.tell(first)
        else:
            self.next = float("inf")
        while self._gone:
            first = next(iter(self._gone.values()))
            if first.touched + self.bounds.patience_s > now:
                break
            events += self.tell(first)
            self.drop(first)
        return events

    def end(self) -> Sequence[Event]:
        """No more lines will come: tell what waits."""
        events: list[Event] = []
        for message in list(self._waiting.values()):
            events += self.tell(message)
        return events

    def find(self, origin: Origin, queue_id: str) -> Message | None:
        """Under the name of this queue, or of a daemon whose name has none."""
        key = (*origin.queue, queue_id)
        found = self._open.get(key) or self._gone.get(key)
        if found is not None:
            return found
        host, own = origin.queue
        instances = self._queues.get(host)
        if instances is None or len(instances) < 2 or origin.daemon in FRONTS:  # noqa: PLR2004 - another one
            return None
        for instance, has_queue in instances.items():
            if instance != own and not has_queue and (found := self._open.get((host, instance, queue_id))):
                return found
        return None

    def anywhere(self, host: str, queue_id: str) -> Message | None:
        for instance in self._queues.get(host, ()):
            key = (host, instance, queue_id)
            if (found := self._open.get(key) or self._gone.get(key)) is not None:
                return found
        return None

    def of(self, at: float, origin: Origin, queue_id: str) -> Message:
        """The message of a line in the middle."""
        key = (*origin.queue, queue_id)
        known = self._open.get(key)
        if known is not None:
            return known
        self._has_queue(origin)
        known = self.find(origin, queue_id)
        if known is not None and known.removed and at > known.touched + self.bounds.patience_s:
            self.drop(known)
            known = None
        return known or self.new(at, origin, queue_id)

    def begun(self, at: float, origin: Origin, queue_id: str) -> tuple[Message, Sequence[Event]]:
        """The message that begins here, or whose later lines came first."""
        known = self.find(origin, queue_id)
        if known is not None:
            if not known.account and not known.told and abs(at - known.started) <= self.bounds.patience_s:
                return known, NOTHING
            events = self.tell(known)  # its id is used again
            self.drop(known)
            return self.new(at, origin, queue_id), events
        return self.new(at, origin, queue_id), NOTHING

    def new(self, at: float, origin: Origin, queue_id: str) -> Message:
        if origin.daemon in FRONTS:
            self._has_queue(origin)
        key = (*origin.queue, queue_id)
        message = Message(key, f"{origin.host}/{origin.instance}/{queue_id}/{int(at)}", at, touched=at)
        if self._expected and origin.daemon not in FRONTS:
            other = self.expected(key, at)
            if other is not None:
                message.continue_(other)
        self._open[key] = message
        if len(self._open) > self.bounds.messages:
            self._forget_oldest()
        return message

    def _has_queue(self, origin: Origin) -> None:
        host, instance = origin.queue
        instances = self._queues.get(host)
        if instances is None:
            if len(self._queues) >= _MOST_HOSTS:
                self._queues.clear()
            instances = self._queues[host] = {}
        if instance not in instances and len(instances) >= _MOST_HOSTS:
            return
        instances[instance] = instances.get(instance, False) or origin.daemon not in FRONTS

    def expect(self, key: Key, at: float, message: Message) -> None:
        """The message goes on under this queue id, of which nothing was said yet."""
        keep(self._expected, key, (at, message), self.bounds.sessions)

    def expected(self, key: Key, at: float) -> Message | None:
        """The message that goes on under this queue id, if that was said a moment ago."""
        said_at, message = self._expected.pop(key, (at, None))
        return message if abs(at - said_at) <= self.bounds.patience_s else None

    def touch(self, message: Message) -> None:
        """It is the last to be forgotten."""
        if message.key in self._open:
            self._open[message.key] = self._open.pop(message.key)

    def remove(self, message: Message, at: float) -> Sequence[Event]:
        message.removed = True
        events = self.tell_complete(message)
        self.nobody_waits(message)
        self._open.pop(message.key, None)
        message.touched = at
        self._gone[message.key] = message
        if len(self._gone) > self.bounds.messages:
            first = next(iter(self._gone.values()))
            events = [*events, *self.tell(first)]
            self.drop(first)
        return events

    def wait(self, message: Message, at: float, *, again: bool = True) -> None:
        if not again and message.key in self._waiting:
            return
        message.touched = at
        self._waiting.pop(message.key, None)
        self._waiting[message.key] = message
        self.next = min(self.next, at + self.bounds.patience_s)

    def tell_complete(self, message: Message) -> Sequence[Event]:
        if message.told or message.inside or not message.complete:
            return NOTHING
        return self.tell(message)

    def tell(self, message: Message) -> Sequence[Event]:
        """Whatever waits of a message. One that never came into the queue was no submission."""
        self._waiting.pop(message.key, None)
        if message.told:
            return NOTHING
        if message.active_at is None and not message.tried:
            return NOTHING
        self.hold(message, sum(map(len, message.deferred)) - message.letters)
        return message.submission()

    def nobody_waits(self, message: Message) -> list[tuple[str, Outcome, str | None]]:
        """Whoever was still deferred will not be tried again."""
        deferred, message.deferred = message.deferred, {}
        self.hold(message, -sum(map(len, deferred)))
        return [(one, Outcome.BOUNCED, dsn) for one, dsn in deferred.items()]

    def room_for(self, message: Message) -> bool:
        return len(message.deferred) < self.bounds.recipients

    def hold(self, message: Message, letters: int) -> None:
        message.letters += letters
        self.letters += letters

    @property
    def full(self) -> bool:
        return self.letters > self.bounds.letters

    def make_room(self) -> Sequence[Event]:
        """Tell, and then forget, the oldest until the letters fit."""
        events: list[Event] = []
        while self.full:
            oldest = next(iter((self._waiting or self._open).values()))
            events += self.tell(oldest)
            self.forgotten += 1
            self.drop(oldest)
        return events

    def _forget_oldest(self) -> None:
        self.forgotten += 1
        self.drop(next(iter(self._open.values())))

    def drop(self, message: Message) -> None:
        self.hold(message, -message.letters)
        for table in (self._open, self._gone, self._waiting):
            if table.get(message.key) is message:
                del table[message.key]


def keep(table: dict[_K, _V], key: _K, value: _V, most: int) -> None:
    """Put last; the first goes where there are too many."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]
