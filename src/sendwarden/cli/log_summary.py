"""What `sendwarden log read` shows at its end: lines by daemon, events by kind, and who sent most."""

from collections import Counter
from datetime import UTC, datetime

from sendwarden.core.event import DeliveryEvent, Event, LoginEvent, Outcome, SubmissionEvent
from sendwarden.wire.postfix_log import PostfixLog

EXAMPLES = 5
SHOWN_ACCOUNTS = 10
# So many accounts are counted; those that nobody has heard of for long make room.
MOST_ACCOUNTS = 100_000
_EXAMPLE_LETTERS = 160


class Tally:
    """Counts over all files."""

    def __init__(self) -> None:
        self.lines = 0
        self._by_daemon: Counter[str] = Counter()
        self._not_understood: Counter[str] = Counter()
        self._foreign = self._broken = 0
        self._examples: list[str] = []
        self._kinds: Counter[str] = Counter()
        self._messages: Counter[str] = Counter()
        self._recipients: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._first = self._last = 0.0

    def add(self, log: PostfixLog) -> None:
        by_daemon = log.lines()
        self._by_daemon += by_daemon
        self._not_understood += log.not_understood
        self._foreign += log.foreign
        self._broken += log.broken
        self.lines += sum(by_daemon.values())

    def example(self, line: str) -> None:
        """Of a line that was not understood."""
        if len(self._examples) < EXAMPLES:
            self._examples.append(line[:_EXAMPLE_LETTERS])

    def event(self, event: Event) -> None:
        self._first = self._first or event.at
        self._last = max(self._last, event.at)
        match event:
            case LoginEvent():
                self._kinds["login" if event.success else "failed login"] += 1
            case SubmissionEvent():
                self._kinds["message"] += 1
                self._count(self._messages, event.account, 1)
                self._count(self._recipients, event.account, len(event.recipients))
            case DeliveryEvent():
                self._kinds[event.outcome.value] += 1
                if event.outcome is Outcome.BOUNCED or event.outcome is Outcome.REJECTED:
                    self._count(self._bad, event.account, 1)

    def _count(self, counter: Counter[str], account: str, number: int) -> None:
        if account not in counter and len(counter) >= MOST_ACCOUNTS:
            del counter[next(iter(counter))]
        counter[account] += number

    def shown(self, forgotten: int) -> list[str]:
        """Lines for people."""
        wrong = sum(self._not_understood.values())
        share = f" ({wrong / self.lines:.3%})" if self.lines else ""
        lines = [f"{self.lines} lines of Postfix, {wrong} not understood{share}"]
        daemons = ", ".join(f"{daemon} {number}" for daemon, number in self._by_daemon.most_common())
        lines += [f"  by daemon: {daemons}"] if daemons else []
        lines += [f"  of other programs: {self._foreign}"] if self._foreign else []
        lines += [f"  no lines of syslog or the journal: {self._broken}"] if self._broken else []
        if wrong:
            by = ", ".join(f"{daemon} {number}" for daemon, number in self._not_understood.most_common())
            lines += [f"  not understood: {by}; for example", *(f"    {line}" for line in self._examples)]
        lines += [f"  messages forgotten for want of room: {forgotten}"] if forgotten else []
        return lines + self._shown_events()

    def _shown_events(self) -> list[str]:
        if not self._kinds:
            return ["no message, no login: is this the log of a Postfix?"]
        span = " to ".join(
            datetime.fromtimestamp(at, UTC).astimezone().strftime("%d %b %Y %H:%M:%S")
            for at in (self._first, self._last)
        )
        kinds = ", ".join(f"{kind} {number}" for kind, number in self._kinds.most_common())
        lines = [f"{sum(self._kinds.values())} events from {span}", f"  by kind: {kinds}"]
        if self._messages:
            lines.append("accounts that sent most (recipients; messages; bounced or rejected)")
        for account, number in self._recipients.most_common(SHOWN_ACCOUNTS):
            lines.append(f"  {account}  {number}; {self._messages[account]}; {self._bad[account]}")
        return lines
