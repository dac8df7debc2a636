"""What a postmaster asks and does by hand about accounts: one use case behind the command line.

Questions and answers are plain dictionaries, since they travel as JSON between a command and the daemon. A
wrong question raises `Refusal`, whose text says what to write instead.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import nsmallest
from typing import Any, Literal, NamedTuple

from sendwarden.core.account import State
from sendwarden.core.errors import SendwardenError, StoreDown
from sendwarden.core.identity import account_of
from sendwarden.core.place import did_you_mean
from sendwarden.core.units import parse_rate
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.rules import COUNTERS, Limit, Limits
from sendwarden.engine.limits.shared import SharedMeter
from sendwarden.engine.limits.table import key_of
from sendwarden.engine.limits.windows import WINDOWS, time_of, window_of
from sendwarden.service.book import AFTER_INCIDENT_S, INCIDENTS, Book, Entry
from sendwarden.service.gate import DEADLINE_S
from sendwarden.service.limiter import SPAM_SCORED, Limiter
from sendwarden.service.ports import Clock, EventLog

Question = Mapping[str, Any]
Answer = dict[str, Any]
Verb = Callable[[Question], Awaitable[Answer]]

# Accounts that `top` lists at the most.
MOST_LISTED = 1000
UNLIMITED = "unlimited"
# With it `top` lists networks, domains and mailboxes of incoming mail, by their share.
INCOMING = "incoming"
NO_REASON = "acts by hand have a reason: --reason 'why'"
# Of a text for whoever sends: an SMTP reply is a line, with help page and reference behind it.
TELL_LETTERS = 300
# Meters that `top` looks at between two turns of the loop: a few milliseconds, also where each has to be
# told anew what holds for it.
SLICE = 200
# Verbs whose answer takes longer than that to a mail server may, in seconds.
WITHIN_S: Mapping[str, float] = {"top": 60.0, "dnsbl-check": 30.0}
# An act by hand ends.
LONGEST_S = 10 * 366 * 86_400.0


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


class Refusal(SendwardenError):
    """What was asked cannot be done; the text says what to write instead."""


class Desk:
    """Answers questions by `ask`; each has a verb and its arguments."""

    def __init__(self, limiter: Limiter, book: Book, clock: Clock, log: EventLog) -> None:
        self._limiter = limiter
        self._book = book
        self._clock = clock
        self._log = log
        self._verbs: dict[str, Verb] = {
            "show": self._show,
            "set": self._set,
            "reset": self._reset,
            "state": self._state,
            "top": self._top,
        }

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
        account = self._account(question)
        now = self._clock.now()
        entry = self._book.entry(account, now)
        state = self._book.state(account, now)
        wanted = self._channel_name(question)
        counted = [one for one in self._counted_channels(account) if wanted in ("", one.name)]
        everywhere = [await self._look(channel, account) for channel in counted]
        channels = [self._channel(channel, account) for channel in counted]
        if not wanted and self._limiter.table.find(SPAM_SCORED, account):
            channels.append(self._spam(account))
        return {
            "account": account,
            "shared": all(everywhere) if self._limiter.room else None,
            "state": state.value,
            "set": entry.record() if entry else None,
            **self._lasting(account, now),
            "channels": channels,
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

    def _counted_channels(self, account: str) -> Iterator[Channel]:
        """Those on which the account sent, or, if it is nobody's host, could send with a login."""
        for channel in self._limiter.site.channels:
            if channel.limits is None:
                continue
            host = account.startswith("[")
            if self._limiter.table.find(channel.name, account) or (channel.login is not False) != host:
                yield channel

    def _channel(self, channel: Channel, account: str) -> Answer:
        meter = self._limiter.table.find(channel.name, account)
        limits = self._limiter.limits_of(channel.name, account) or Limits()
        override = self._limiter.override(channel.name, account)
        return {
            "channel": channel.name,
            "mode": channel.mode.value,
            "over_limit": channel.over_limit.verdict.value,
            "per_message": limits.per_message,
            "override": {"reason": override.reason, "source": override.source, "until": override.until}
            if override
            else None,
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
            "override": None,
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

    async def _top(self, question: Question) -> Answer:
        by = question.get("by", "share")
        number = min(int(question.get("number", 20)), MOST_LISTED)
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

    # --- doing

    async def _set(self, question: Question) -> Answer:
        account = self._account(question)
        if question.get("remove"):
            only = self._channel_name(question)
            names = [
                entry.name
                for entry in self._book.entries.values()
                if entry.kind == "limits" and entry.account == account and only in ("", entry.channel)
            ]
            if not names:
                raise Refusal(f"nothing was set for {account}{f' on {only}' if only else ''}")
            for name in names:
                await self._book.remove(name)
            self._log.event("limits-removed", {"account": account, **acted(question)})
            return {"account": account, "removed": True}
        rates = [str(rate) for rate in question.get("rates", ())]
        channel = self._channel_name(question)
        entry = self._entry("limits", question, account, channel=channel, **self._how_much(rates))
        if not rates:
            raise Refusal("say how much: recipients=500/1h, messages=100/24h, a row's name, or unlimited")
        try:
            await self._book.put(entry)
        except ValueError:
            raise Refusal("two rates count the same in the same window: leave one of them out") from None
        self._log.event("limits-set", entry.record())
        return {"account": account, "set": entry.record()}

    def _how_much(self, rates: list[str]) -> dict[str, Any]:
        """The fields of an `Entry` that say it."""
        rows = self._limiter.site.rows
        if rates == [UNLIMITED]:
            return {"unlimited": True}
        if len(rates) == 1 and rates[0] in rows:
            row = rows[rates[0]]
            found = tuple((one.counted, one.most, WINDOWS[one.window].seconds) for one in row.limits)
            return {"rates": found, "row": rates[0], "per_message": row.per_message}
        if alone := next((rate for rate in rates if rate == UNLIMITED or rate in rows), ""):
            raise Refusal(f"{alone} stands alone, without rates beside it")
        return {"rates": tuple(_rate(rate, rows) for rate in rates)}

    async def _reset(self, question: Question) -> Answer:
        account = self._account(question)
        only = self._channel_name(question)
        if not text_of(question, "reason"):
            raise Refusal(NO_REASON)
        channels = [channel.name for channel in self._limiter.site.channels if only in ("", channel.name)]
        channels += [SPAM_SCORED] * (not only)
        gone = self._limiter.reset(account, only)
        if room := self._limiter.room:
            away = [name for name in channels if not await room.forget(key_of(name, account))]
            if away:
                raise StoreDown("the shared counts are away: it begins at 0 here alone. Try again later")
        by, reason = acted(question).values()
        await self._book.say_reset(account, only, str(by), str(reason))
        self._log.event("limits-reset", {"account": account, "channels": gone, **acted(question)})
        return {"account": account, "channels": gone}

    async def _state(self, question: Question) -> Answer:
        account = self._account(question)
        wanted = str(question.get("state", ""))
        states = [state.value for state in State]
        if wanted not in states:
            raise Refusal(did_you_mean(wanted, states) or f"a state is one of {', '.join(states)}")
        now = self._clock.now()
        before, halved = self._book.state(account, now).value, self._book.incident_until(account, now)
        tell = " ".join(text_of(question, "tell").split())
        if tell and State(wanted) not in INCIDENTS:
            raise Refusal("only of an account that is held or contained is anybody told: leave out --tell")
        if len(tell) > TELL_LETTERS:
            raise Refusal(f"what whoever sends is told has {TELL_LETTERS} letters at the most")
        entry = self._entry("state", question, account, state=wanted, tell=tell)
        if wanted == State.NORMAL.value:
            await self._end_incident(account, before, entry)
            await self._book.remove(entry.name)
        else:
            await self._book.put(entry)
        self._log.event("state-set", {**entry.record(), "before": before})
        watching = [one.name for one in self._limiter.site.channels if one.mode is Mode.WATCH]
        done = {"account": account, "state": wanted, "before": before, "set": entry.record()}
        half = {"half_before": halved, "half_until": self._book.incident_until(account, now)}
        return {**done, **half, "watching": watching}

    async def _end_incident(self, account: str, before: str, entry: Entry) -> None:
        """From here on it has less room for a while; a second time: no more."""
        if State(before) in INCIDENTS:
            until = entry.at + AFTER_INCIDENT_S
            await self._book.put(replace(entry, kind="incident", until=until, state=before))
        else:
            await self._book.remove(Entry.name_of("incident", account))

    # --- what questions hold

    def _account(self, question: Question) -> str:
        written = text_of(question, "account")
        if not written:
            raise Refusal("an account has a name, such as bob@example.org")
        return written if written.startswith("[") else account_of(written, self._limiter.site.identity)

    def _channel_name(self, question: Question) -> str:
        wanted = str(question.get("channel", ""))
        known = [channel.name for channel in self._limiter.site.channels]
        if wanted and wanted not in known:
            close = did_you_mean(wanted, known)
            raise Refusal(f"there is no channel {wanted!r}; {close or 'channels are ' + ', '.join(known)}")
        return wanted

    def _entry(
        self,
        kind: Literal["state", "limits"],
        question: Question,
        account: str,
        **more: Any,  # noqa: ANN401
    ) -> Entry:
        now = self._clock.now()
        reason = text_of(question, "reason")
        if not reason:
            raise Refusal(NO_REASON)
        for_s = float(question.get("for_s", 0))
        if not 0 < for_s <= LONGEST_S:
            raise Refusal("acts by hand end, after ten years at the latest: --until 7d")
        return Entry(kind, account, reason, text_of(question, "by") or "unknown", now, now + for_s, **more)


def text_of(question: Question, name: str) -> str:
    """Raises `Refusal` for what no store could keep."""
    written = str(question.get(name, "")).strip()
    try:
        written.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Refusal(f"half a letter stands in {name}: take it out") from None
    return written


def _rate(text: str, rows: Iterable[str]) -> tuple[str, int, int]:
    counted, equals, rate_text = text.partition("=")
    if not equals:
        counted, rate_text = "recipients", text
        if "/" not in text and (meant := did_you_mean(text, (*rows, UNLIMITED))):
            raise Refusal(f"{text!r} is neither a rate nor a row of limits; {meant}")
    if counted not in COUNTERS:
        close = did_you_mean(counted, COUNTERS)
        raise Refusal(f"{counted!r} is not counted; {close or 'counted are ' + ', '.join(COUNTERS)}")
    try:
        rate = parse_rate(rate_text)
        window_of(rate)
    except ValueError as error:
        windows = "" if _WINDOWS in str(error) else f"; the windows are {_WINDOWS}"
        raise Refusal(f"{error}: write {counted}=500/1h{windows}") from None
    if not rate.amount:
        raise Refusal("a limit of nothing is a state: give the account the state contained")
    return counted, rate.amount, rate.window_s


_WINDOWS = ", ".join(window.name for window in WINDOWS)


def acted(question: Question) -> dict[str, object]:
    return {"by": str(question.get("by", "")), "reason": str(question.get("reason", ""))}
