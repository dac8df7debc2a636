"""What a postmaster asks and does by hand about accounts: one use case behind the command line.

Questions and answers are plain dictionaries, since they travel as JSON between a command and the daemon. A
wrong question raises `Refusal`, whose text says what to write instead.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from sendwarden.core.account import State
from sendwarden.core.errors import SendwardenError
from sendwarden.core.identity import account_of
from sendwarden.core.place import did_you_mean
from sendwarden.core.units import parse_rate
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.rules import COUNTERS, Limit, Limits
from sendwarden.engine.limits.windows import WINDOWS, time_of, window_of
from sendwarden.service.book import AFTER_INCIDENT_S, INCIDENTS, Book, Entry
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, EventLog

Question = Mapping[str, Any]
Answer = dict[str, Any]

# Accounts that `top` lists at the most.
MOST_LISTED = 1000
UNLIMITED = "unlimited"
# With it `top` lists networks, domains and mailboxes of incoming mail, by their share.
INCOMING = "incoming"
NO_REASON = "acts by hand have a reason: --reason 'why'"
# An act by hand ends.
LONGEST_S = 10 * 366 * 86_400.0


class Refusal(SendwardenError):
    """What was asked cannot be done; the text says what to write instead."""


class Desk:
    """Answers questions by `ask`; each has a verb and its arguments."""

    def __init__(self, limiter: Limiter, book: Book, clock: Clock, log: EventLog) -> None:
        self._limiter = limiter
        self._book = book
        self._clock = clock
        self._log = log
        self._verbs: dict[str, Callable[[Question], Awaitable[Answer]]] = {
            "show": self._show,
            "set": self._set,
            "reset": self._reset,
            "state": self._state,
            "top": self._top,
        }

    async def ask(self, question: Question) -> Answer:
        """Raises `Refusal`, or `StoreDown` where it could not be kept and so does not count."""
        verb = self._verbs.get(str(question.get("verb")))
        if verb is None:
            raise Refusal(f"this daemon knows no verb {question.get('verb')!r}: is it of another version?")
        return await verb(question)

    # --- looking

    async def _show(self, question: Question) -> Answer:
        account = self._account(question)
        now = self._clock.now()
        entry = self._book.entry(account, now)
        state = self._book.state(account, now)
        channels = [self._channel(channel, account) for channel in self._counted_channels(account)]
        return {
            "account": account,
            "state": state.value,
            "set": entry.record() if entry else None,
            **self._lasting(account, now),
            "channels": channels,
        }

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
        quantum = self._limiter.quantum
        by = question.get("by", "share")
        number = min(int(question.get("number", 20)), MOST_LISTED)
        found = []
        table = self._limiter.incoming if by == INCOMING else self._limiter.table
        for channel, account, meter in list(table):
            messages, recipients, *_ = meter.sums(quantum)[-1]
            if recipients:
                share = meter.share(quantum)
                found.append(
                    (
                        recipients if by == "recipients" else share,
                        channel,
                        account,
                        messages,
                        recipients,
                        share,
                    )
                )
        found.sort(key=lambda one: (-one[0], *one[1:3]))
        now = self._clock.now()
        listed = [
            {
                "account": account,
                "channel": channel,
                "messages": messages,
                "recipients": recipients,
                "share": round(share, 3),
                "state": self._book.state(account, now).value,
            }
            for _, channel, account, messages, recipients, share in found[:number]
        ]
        return {"accounts": listed, "counted": len(found)}

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
            self._log.event("limits-removed", {"account": account, **_acted(question)})
            return {"account": account, "removed": True}
        rates = [str(rate) for rate in question.get("rates", ())]
        entry = self._entry(
            "limits",
            question,
            account,
            channel=self._channel_name(question),
            rates=() if rates == [UNLIMITED] else tuple(map(_rate, rates)),
            unlimited=rates == [UNLIMITED],
        )
        if not rates:
            raise Refusal("say how much: recipients=500/1h, messages=100/24h, or unlimited")
        try:
            await self._book.put(entry)
        except ValueError:
            raise Refusal("two rates count the same in the same window: leave one of them out") from None
        self._log.event("limits-set", entry.record())
        return {"account": account, "set": entry.record()}

    async def _reset(self, question: Question) -> Answer:
        account = self._account(question)
        only = self._channel_name(question)
        if not _text(question, "reason"):
            raise Refusal(NO_REASON)
        channels = [channel.name for channel in self._limiter.site.channels if only in ("", channel.name)]
        gone = [name for name in channels if self._limiter.table.reset(name, account)]
        self._limiter.changed()
        self._log.event("limits-reset", {"account": account, "channels": gone, **_acted(question)})
        return {"account": account, "channels": gone}

    async def _state(self, question: Question) -> Answer:
        account = self._account(question)
        wanted = str(question.get("state", ""))
        states = [state.value for state in State]
        if wanted not in states:
            raise Refusal(did_you_mean(wanted, states) or f"a state is one of {', '.join(states)}")
        before = self._book.state(account, self._clock.now()).value
        entry = self._entry("state", question, account, state=wanted)
        if wanted == State.NORMAL.value:
            await self._end_incident(account, before, entry)
            await self._book.remove(entry.name)
        else:
            await self._book.put(entry)
        self._log.event("state-set", {**entry.record(), "before": before})
        watching = [one.name for one in self._limiter.site.channels if one.mode is Mode.WATCH]
        done = {"account": account, "state": wanted, "before": before, "set": entry.record()}
        return {**done, "watching": watching}

    async def _end_incident(self, account: str, before: str, entry: Entry) -> None:
        """From here on it has less room for a while; a second time: no more."""
        if State(before) in INCIDENTS:
            until = entry.at + AFTER_INCIDENT_S
            await self._book.put(replace(entry, kind="incident", until=until, state=before))
        else:
            await self._book.remove(Entry.name_of("incident", account))

    # --- what questions hold

    def _account(self, question: Question) -> str:
        written = _text(question, "account")
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
        reason = _text(question, "reason")
        if not reason:
            raise Refusal(NO_REASON)
        for_s = float(question.get("for_s", 0))
        if not 0 < for_s <= LONGEST_S:
            raise Refusal("acts by hand end, after ten years at the latest: --until 7d")
        return Entry(kind, account, reason, _text(question, "by") or "unknown", now, now + for_s, **more)


def _text(question: Question, name: str) -> str:
    """Raises `Refusal` for what no store could keep."""
    written = str(question.get(name, "")).strip()
    try:
        written.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Refusal(f"half a letter stands in {name}: take it out") from None
    return written


def _rate(text: str) -> tuple[str, int, int]:
    counted, equals, rate_text = text.partition("=")
    if not equals:
        counted, rate_text = "recipients", text
    if counted not in COUNTERS:
        close = did_you_mean(counted, COUNTERS)
        raise Refusal(f"{counted!r} is not counted; {close or 'counted are ' + ', '.join(COUNTERS)}")
    try:
        rate = parse_rate(rate_text)
        window_of(rate)
    except ValueError as error:
        raise Refusal(f"{error}: write {counted}=500/1h; the windows are {_WINDOWS}") from None
    if not rate.amount:
        raise Refusal("a limit of nothing is a state: sendwarden account state ACCOUNT contained")
    return counted, rate.amount, rate.window_s


_WINDOWS = ", ".join(window.name for window in WINDOWS)


def _acted(question: Question) -> dict[str, object]:
    return {"by": str(question.get("by", "")), "reason": str(question.get("reason", ""))}
