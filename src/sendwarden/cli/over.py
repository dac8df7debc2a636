"""``sendwarden limits over``: who was over a limit, or would have been where a channel only watches.

It is read from the event log, with the file that logrotate put aside last. At RCPT there is one answer for
each recipient, by milter one for each message.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sendwarden.cli.until import moment
from sendwarden.core.texts import channel_shown
from sendwarden.core.units import duration

# Reasons that name a limit, and the number of a reason that says whose it is.
REASONS: Mapping[str, str] = {
    "limit-over": "account",
    "limit-too-much": "account",
    "limit-message": "account",
    "incoming-over": "key",
}
# The window of a limit for each message.
PER_MESSAGE = 0


class Limit(NamedTuple):
    """One limit of one account on one channel; ``watched``: all of it passed."""

    account: str
    channel: str
    counted: str
    most: int
    window_s: int
    watched: bool


class Seen:
    """What was over one limit."""

    def __init__(self, at: float) -> None:
        self.answers = self.recipients = 0
        self.queue_ids: set[str] = set()
        self.first = self.last = at

    def add(self, event: Mapping[str, Any], at: float) -> None:
        self.answers += 1
        self.recipients += len(event.get("recipients") or ())
        if event.get("queue_id"):
            self.queue_ids.add(str(event["queue_id"]))
        self.first, self.last = min(self.first, at), max(self.last, at)


def over(events_file: Path, since: float) -> list[dict[str, object]]:
    """Each limit that somebody was over from ``since`` on, those of most recipients first."""
    found: dict[Limit, Seen] = {}
    for path in (events_file.with_name(f"{events_file.name}.1"), events_file):
        try:
            with path.open(encoding="utf-8", errors="replace") as lines:
                _read(lines, since, found)
        except FileNotFoundError:
            continue
    records = [
        {
            **limit._asdict(),
            "answers": seen.answers,
            "recipients": seen.recipients,
            "messages": len(seen.queue_ids),
            "first": seen.first,
            "last": seen.last,
        }
        for limit, seen in found.items()
    ]
    return sorted(records, key=lambda one: (-int(str(one["recipients"])), str(one["account"])))


def _read(lines: Iterable[str], since: float, found: dict[Limit, Seen]) -> None:
    for line in lines:
        if '"decision"' not in line:  # most lines are about mail that simply went on
            continue
        try:
            event = json.loads(line)
            at = datetime.fromisoformat(event["at"]).timestamp()
            limits = list(_limits(event)) if event["event"] == "decision" and at >= since else []
        except (ValueError, KeyError, TypeError, AttributeError):  # half a line, as a full disk leaves it
            continue
        for limit in limits:
            found.setdefault(limit, Seen(at)).add(event, at)


def _limits(event: Mapping[str, Any]) -> Iterator[Limit]:
    for reason in event.get("reasons") or ():
        if (whose := REASONS.get(reason["id"])) is None:
            continue
        incoming = whose == "key"
        yield Limit(
            str(reason[whose]),
            str(reason["row" if incoming else "channel"]),
            str(reason["counted"]),
            int(reason["most"]),
            int(reason.get("window", PER_MESSAGE)),
            bool(event.get("watched")),
        )


def over_line(one: Mapping[str, Any]) -> str:
    """One record as a line."""
    window = duration(one["window_s"]) if one["window_s"] else "message"
    passed = "   would have been limited: only watched" if one["watched"] else ""
    messages = f"{_so_many(one['messages'], 'message')}, " if one["messages"] else ""
    times = f"{moment(one['first'])} to {moment(one['last'])}"
    return (
        f"{one['account']}   {channel_shown(one['channel'])}   {one['counted']} {one['most']}/{window}: "
        f"{messages}{_so_many(one['recipients'], 'recipient')}, {times}{passed}"
    )


def _so_many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
