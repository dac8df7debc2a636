"""What a postmaster asks and does by hand about accounts: one use case behind the command line.

Questions and answers are plain dictionaries, since they travel as JSON between a command and the daemon. A
wrong question raises `Refusal`, whose text says what to write instead.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from heapq import nsmallest
from typing import NamedTuple

from sendwarden.core.account import State
from sendwarden.core.place import did_you_mean
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.limits.incoming import Key
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import Limit, Limits
from sendwarden.engine.limits.shared import SharedMeter
from sendwarden.engine.limits.windows import time_of
from sendwarden.service.acts import Acts
from sendwarden.service.book import Book
from sendwarden.service.filter_meters import FilterMeters
from sendwarden.service.gate import DEADLINE_S
from sendwarden.service.limiter import SPAM_SCORED, Limiter
from sendwarden.service.ports import Clock, EventLog, KeptMeters, SharedTables
from sendwarden.service.question import Answer, Names, Question, Refusal, Verb

# Accounts that `top` lists at the most.
MOST_LISTED = 1000
# With it `top` lists networks, domains and mailboxes of incoming mail, by their share.
INCOMING = "incoming"
# Meters that `top` looks at between two turns of the loop: a few milliseconds, also where each has to be
# told anew what holds for it.
SLICE = 200
# Verbs whose answer takes longer than that to a mail server may, in seconds.
WITHIN_S: Mapping[str, float] = {
    "top": 60.0,
    "show": 30.0,
    "reset": 30.0,
    "directory": 30.0,
    "dnsbl-check": 30.0,
}


class _Sender(NamedTuple):
    """What an account sent over a channel in the longest window; ``share`` of the fullest limit, from 0."""

    account: str
    channel: str
    messages: int
    recipients: int
    share: float


_BY: Mapping[str, Callable[[_Sender], tuple[float, str, str]]] = {
    "share": lambda one: (-one.share, one.channel, one.account),
    "recipients": lambda one: (-one.recipients, one.channel, one.account),
}


class Desk:
    """Answers questions by `ask`; each has a verb and its arguments."""

    def __init__(self, limiter: Limiter, book: Book, clock: Clock, log: EventLog, meters: KeptMeters) -> None:
        self._meters = FilterMeters(limiter, meters, clock)
        self._names = Names(limiter)
        self._limiter = limiter
        self._book = book
        self._clock = clock
        acts = Acts(limiter, book, clock, log, self._meters)
        self._verbs: dict[str, Verb] = {
            "show": self._show,
            "top": self._top,
            "list": self._list,
            "directory": self._directory,
            **acts.verbs,
        }

    def share(self, tables: SharedTables | None) -> None:
        """Other processes count in MeterMaid's tables too; None: they do not."""
        self._meters.shared = tables

    async def heard_of_reset(self, account: str) -> None:
        """Its limits were reset at another process: what filters counted for it here begins anew as well."""
        await self._meters.reset_here(account)

    def offer(self, verbs: Mapping[str, Verb]) -> None:
        """Answer these as well."""
        self._verbs.update(verbs)

    @staticmethod
    def within_s(question: Question) -> float:
        """How long the answer may take, in seconds."""
        return WITHIN_S.get(str(question.get("verb")), DEADLINE_S)

    async def ask(self, question: Question) -> Answer:
        """Raises `Refusal`, or `StoreDown` where it could not be kept and so does not count."""
        verb = self._verbs.get(str(question.get("verb")))
        if verb is None:
            raise Refusal(f"this daemon knows no verb {question.get('verb')!r}: is it of another version?")
        answer = await verb(question)
        others = await self._book.others_know()
        return answer if others is None else {**answer, "others_know": others}

    # --- looking

    async def _show(self, question: Question) -> Answer:
        if question.get("incoming"):
            return {"incoming": [self._key(key) for key in self._names.keys(question)]}
        account, only = self._names.account(question), self._names.channel(question)
        attributes = self._limiter.attributes
        directory = await attributes.look(account) if attributes and not account.startswith("[") else None
        now = self._clock.now()
        entry = self._book.entry(account, now)
        state = self._book.state(account, now)
        counted = list(self._counted_channels(account, only))
        everywhere = [await self._look(channel, account) for channel in counted]
        channels = [self._channel(channel, account) for channel in counted]
        if not only and self._limiter.table.find(SPAM_SCORED, account):
            channels.append(self._spam(account))
        return {
            "account": account,
            "shared": all(everywhere) if self._limiter.room else None,
            "state": state.value,
            "set": entry.record() if entry else None,
            **self._lasting(account, now),
            "directory": directory,
            "channels": channels,
            "meters": [one.record() for one in await self._meters.of(account)],
        }

    async def _directory(self, question: Question) -> Answer:
        attributes = self._limiter.attributes
        if attributes is None:
            raise Refusal("the running daemon knows no directory: it has other settings; reload it")
        return await attributes.look(self._names.account(question))

    def _key(self, key: Key) -> Answer:
        """What holds for one key of incoming mail; no limits: it is not counted."""
        incoming = self._limiter.site.incoming
        meter = self._limiter.incoming.find(key.kind, key.name)
        limits = self._limiter.incoming_limits(key.kind, key.name)
        return {
            "channel": key.kind,
            "key": key.name,
            "counted": limits is not None,
            "apart": incoming.leaves_out(key),
            "mode": (Mode.WATCH if incoming.watched else Mode.ENFORCE).value,
            "over_limit": incoming.verdict.value,
            "overrides": [_override(one) for one in self._limiter.incoming_overrides(key.kind, key.name)],
            "limits": [self._limit(limit, meter) for limit in sorted((limits or Limits()).limits)],
        }

    async def _look(self, channel: Channel, account: str) -> bool:
        """Where several processes count, what they counted is asked for. False: there was no answer."""
        room = self._limiter.room
        if room is None:
            return True
        meter = self._limiter.meter(channel, account)
        return isinstance(meter, SharedMeter) and await room.look(meter)

    def _lasting(self, account: str, now: float) -> Answer:
        """Why an account has less room for a while, whatever its channel."""
        incident = self._book.incident(account, now)
        return {
            "after_incident": incident.record() if incident else None,
            "new_until": self._limiter.ages.new_until(account, now),
            "learning_until": self._limiter.acquaintances.learning_until(now),
        }

    def _counted_channels(self, account: str, only: str) -> Iterator[Channel]:
        """Those on which the account sent, or, if it is nobody's host, could send with a login."""
        for channel in self._limiter.site.channels:
            if channel.limits is None or only not in ("", channel.name):
                continue
            host = account.startswith("[")
            if self._limiter.table.find(channel.name, account) or (channel.login is not False) != host:
                yield channel

    def _channel(self, channel: Channel, account: str) -> Answer:
        meter = self._limiter.table.find(channel.name, account)
        limits = self._limiter.limits_of(channel.name, account) or Limits()
        return {
            "channel": channel.name,
            "mode": channel.mode.value,
            "over_limit": channel.over_limit.verdict.value,
            "per_message": limits.per_message,
            "overrides": [_override(one) for one in self._limiter.overrides(channel.name, account)],
            "limits": [self._limit(limit, meter) for limit in sorted(limits.limits)],
        }

    def _spam(self, account: str) -> Answer:
        """What was counted of mail that scanners call spam, whatever channel it came by."""
        meter = self._limiter.table.find(SPAM_SCORED, account)
        limits = self._limiter.limits_of(SPAM_SCORED, account) or Limits()
        return {
            "channel": SPAM_SCORED,
            "mode": Mode.ENFORCE.value,
            "over_limit": "",
            "per_message": limits.per_message,
            "overrides": [],
            "limits": [self._limit(limit, meter) for limit in sorted(limits.limits)],
        }

    def _limit(self, limit: Limit, meter: AccountMeter | None) -> Answer:
        quantum = self._limiter.quantum
        used = meter.used(limit, quantum) if meter else 0
        answer: Answer = {
            "counted": limit.counted,
            "window": limit.window_name,
            "most": limit.most,
            "used": used,
            "row": limit.source,
        }
        if meter and meter.estimated(limit):
            answer["estimated"] = True
        if meter and used >= limit.most:
            answer["frees_at"] = time_of(meter.frees(limit, 1, quantum))
        return answer

    async def _list(self, question: Question) -> Answer:
        """What was set by hand and still holds: limits, or states and what they left behind."""
        now = self._clock.now()
        kind, wanted = question.get("kind"), str(question.get("state", ""))
        states = [state.value for state in State]
        if wanted not in ("", *states):
            raise Refusal(did_you_mean(wanted, states) or f"a state is one of {', '.join(states)}")
        found = [one for one in self._book.entries.values() if one.kind == kind and now < one.until]
        if kind == "state" and not wanted:
            accounts = {one.account for one in self._book.entries.values()}
            found += [incident for name in accounts if (incident := self._book.incident(name, now))]
        listed = [one.record() for one in found if wanted in ("", one.state)]
        return {"entries": sorted(listed, key=lambda one: (str(one["account"]), str(one["channel"])))}

    async def _top(self, question: Question) -> Answer:
        by = question.get("by", "share")
        number = min(int(question.get("number", 20)), MOST_LISTED)
        if number < 1:
            raise Refusal("a list has at least one line: --number 20")
        most: list[_Sender] = []
        counted = 0
        table = self._limiter.incoming if by == INCOMING else self._limiter.table
        for some in table.slices(SLICE):
            found = [sender for one in some if (sender := self._sender(*one))]
            counted += len(found)
            most = nsmallest(
                number, (*most, *found), key=_BY["recipients" if by == "recipients" else "share"]
            )
            await asyncio.sleep(0)  # mail goes before us
        now = self._clock.now()
        listed = [
            {**one._asdict(), "share": round(one.share, 3), "state": self._book.state(one.account, now).value}
            for one in most
        ]
        return {"accounts": listed, "counted": counted}

    def _sender(self, channel: str, account: str, meter: AccountMeter) -> "_Sender | None":
        """None: it sent nothing in the longest window."""
        quantum = self._limiter.quantum
        messages, recipients, *_ = meter.sums(quantum)[-1]
        if not recipients:
            return None
        return _Sender(account, channel, messages, recipients, meter.share(quantum))


def _override(one: Override) -> Answer:
    return {
        "reason": one.reason,
        "source": one.source,
        "until": one.until,
        "whole": one.whole,
        "limits": [str(limit) for limit in one.limits.limits],
        "per_message": one.limits.per_message,
    }
