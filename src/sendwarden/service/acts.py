"""What a postmaster does by hand: other limits for an account, its state, and beginning anew.

What is done is durable before it is answered, and one line of the event log.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from sendwarden.core.account import State
from sendwarden.core.errors import StoreDown
from sendwarden.core.place import did_you_mean
from sendwarden.core.units import parse_rate
from sendwarden.engine.channel import Mode
from sendwarden.engine.limits.incoming import KINDS
from sendwarden.engine.limits.rules import COUNTERS
from sendwarden.engine.limits.table import key_of
from sendwarden.engine.limits.windows import WINDOWS, window_of
from sendwarden.service.book import AFTER_INCIDENT_S, INCIDENTS, Book, Entry
from sendwarden.service.filter_meters import FilterMeters
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, EventLog
from sendwarden.service.question import (
    Answer,
    Names,
    Question,
    Refusal,
    Verb,
    acted,
    end_of,
    reason_of,
    text_of,
)

UNLIMITED = "unlimited"
# How many recipients one message may have.
PER_MESSAGE = "per_message"
SAY_HOW_MUCH = (
    "say how much: recipients=500/1h, messages=100/24h, per_message=300, a row's name, or unlimited"
)
# Of a text for whoever sends: an SMTP reply is a line, with help page and reference behind it.
TELL_LETTERS = 300
# No number of recipients has more.
MOST_DIGITS = 9


class Acts:
    """Verbs of the desk that change something."""

    def __init__(
        self, limiter: Limiter, book: Book, clock: Clock, log: EventLog, meters: FilterMeters
    ) -> None:
        self._limiter = limiter
        self._book = book
        self._clock = clock
        self._log = log
        self._meters = meters
        self._names = Names(limiter)

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {"set": self._set, "reset": self._reset, "state": self._state}

    # --- other limits

    async def _set(self, question: Question) -> Answer:
        targets = self._names.targets(question)
        rates = [str(rate) for rate in question.get("rates", ())]
        if question.get("remove"):
            return await self._remove(question, targets, rates)
        now = self._clock.now()
        reason_of(question)
        if not rates:
            raise Refusal(SAY_HOW_MUCH)
        said = self._how_much(rates)
        if question.get("incoming") and any(_other_than_messages(one) for one in said):
            raise Refusal("of incoming mail messages are counted: messages=500/1h")
        done: dict[str, list[Entry]] = {"set": [], "replaced": [], "goes_on": []}
        for account, channel in targets:
            entries = [self._entry("limits", question, account, channel=channel, **more) for more in said]
            replaced, goes_on = await self._put(entries, now)
            done["set"] += entries
            done["replaced"] += replaced
            done["goes_on"] += goes_on
        for entry in done["set"]:
            self._log.event("limits-set", entry.record())
        found = {name: [one.record() for one in entries] for name, entries in done.items()}
        return {"account": targets[0][0], **found}

    async def _put(self, entries: list[Entry], now: float) -> tuple[list[Entry], list[Entry]]:
        """Keep what is set together; what it took the place of, and what goes on beside it."""
        parted = [(old, *_parted(old, entries)) for old in self._of(entries[0].account, entries[0].channel)]
        for entry in entries:
            await self._book.put(entry)
        for old, gone, left in parted:
            if gone and left:
                await self._book.put(left)
            elif gone and old.name not in [entry.name for entry in entries]:
                await self._book.remove(old.name)
        holding = [(gone, left) for old, gone, left in parted if now < old.until]
        replaced = [gone for gone, _left in holding if gone]
        goes_on = [left for _gone, left in holding if left]
        return replaced, goes_on

    def _of(self, account: str, channel: str) -> list[Entry]:
        """What was set by hand for the account, on this channel or on all."""
        return [one for one in self._book.limits_of(account) if one.channel == channel]

    async def _remove(self, question: Question, targets: list[tuple[str, str]], rates: list[str]) -> Answer:
        if rates:
            raise Refusal(f"--remove takes out all that was set: leave {rates[0]} out")
        account = targets[0][0]
        gone = [
            entry
            for name, only in targets
            for entry in self._book.limits_of(name)
            if (only == entry.channel) or (not only and entry.channel not in KINDS)
        ]
        if not gone:
            where = f" on {targets[0][1]}" if targets[0][1] else ""
            raise Refusal(f"nothing was set for {account}{where}")
        for entry in gone:
            await self._book.remove(entry.name)
        self._log.event("limits-removed", {"account": account, **acted(question)})
        return {"account": account, "removed": [entry.record() for entry in gone]}

    def _how_much(self, rates: list[str]) -> list[dict[str, Any]]:
        """The fields of each `Entry` that say it."""
        rows = self._limiter.site.rows
        if rates == [UNLIMITED]:
            return [{"unlimited": True}]
        if len(rates) == 1 and rates[0] in rows:
            row = rows[rates[0]]
            found = tuple((one.counted, one.most, WINDOWS[one.window].seconds) for one in row.limits)
            return [{"rates": found, "row": rates[0], "per_message": row.per_message}]
        if alone := next((rate for rate in rates if rate == UNLIMITED or rate in rows), ""):
            raise Refusal(f"{alone} stands alone, without rates beside it")
        said = [_said(rate, rows) for rate in rates]
        if len({one["counted"] for one in said}) != len(said):
            raise Refusal("two rates count the same in the same window: leave one of them out")
        return said

    # --- beginning anew

    async def _reset(self, question: Question) -> Answer:
        targets = self._names.targets(question)
        reason_of(question)
        if question.get("incoming"):
            return self._reset_incoming(question, targets)
        account, only = targets[0]
        gone = self._limiter.reset(account, only)
        if room := self._limiter.room:
            names = self._limiter.counted_on(only)
            away = [name for name in names if not await room.forget(key_of(name, account))]
            if away:
                raise StoreDown("the shared counts are away: it begins at 0 here alone. Try again later")
        # Filters count over all channels.
        keys, go_on = await self._meters.reset(account) if not only else ([], await self._meters.of(account))
        by, reason = acted(question).values()
        await self._book.say_reset(account, only, str(by), str(reason))
        done = {"channels": gone, "meters": [one.record() for one in keys]}
        self._log.event("limits-reset", {"account": account, **done, **acted(question)})
        return {"account": account, **done, "goes_on": [one.record() for one in go_on]}

    def _reset_incoming(self, question: Question, targets: list[tuple[str, str]]) -> Answer:
        gone = [kind for name, kind in targets if self._limiter.incoming.reset(kind, name)]
        self._limiter.changed()
        done = {"account": targets[0][0], "channels": gone}
        self._log.event("limits-reset", {**done, **acted(question)})
        return {**done, "meters": [], "goes_on": []}

    # --- states

    async def _state(self, question: Question) -> Answer:
        account = self._names.account(question)
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

    def _entry(
        self,
        kind: Literal["state", "limits"],
        question: Question,
        account: str,
        **more: Any,  # noqa: ANN401
    ) -> Entry:
        now = self._clock.now()
        until = end_of(question, now)
        return Entry(
            kind, account, reason_of(question), text_of(question, "by") or "unknown", now, until, **more
        )


def _parted(old: Entry, new: list[Entry]) -> tuple[Entry | None, Entry | None]:
    """What of an entry the new ones take the place of, and what is left of it."""
    if any(entry.whole for entry in new):
        return old, None
    if old.whole:
        return None, old
    named = {(counter, window) for entry in new for counter, _amount, window in entry.rates}
    gone = tuple(rate for rate in old.rates if (rate[0], rate[2]) in named)
    left = tuple(rate for rate in old.rates if (rate[0], rate[2]) not in named)
    cap = old.per_message if any(entry.per_message is not None for entry in new) else None
    kept = old.per_message if cap is None else None
    return (
        replace(old, rates=gone, per_message=cap) if gone or cap is not None else None,
        replace(old, rates=left, per_message=kept) if left or kept is not None else None,
    )


def _other_than_messages(said: Mapping[str, Any]) -> bool:
    rates = said.get("rates", ())
    return said.get("per_message") is not None or any(counted != COUNTERS[0] for counted, *_ in rates)


def _said(text: str, rows: Iterable[str]) -> dict[str, Any]:
    name, _, number = text.partition("=")
    if name != PER_MESSAGE:
        rate = _rate(text, rows)
        return {"rates": (rate,), "counted": f"{rate[0]}/{rate[2]}"}
    if not (number.isascii() and number.isdigit() and 0 < int(number[:MOST_DIGITS]) == int(number)):
        raise Refusal(f"how many recipients one message may have is a number: {PER_MESSAGE}=300")
    return {"per_message": int(number), "counted": PER_MESSAGE}


def _rate(text: str, rows: Iterable[str]) -> tuple[str, int, int]:
    counted, equals, rate_text = text.partition("=")
    if not equals:
        counted, rate_text = "recipients", text
        if "/" not in text and (meant := did_you_mean(text, (*rows, UNLIMITED))):
            raise Refusal(f"{text!r} is neither a rate nor a row of limits; {meant}")
    if counted not in COUNTERS:
        close = did_you_mean(counted, (*COUNTERS, PER_MESSAGE))
        raise Refusal(
            f"{counted!r} is not counted; {close or 'counted are ' + ', '.join((*COUNTERS, PER_MESSAGE))}"
        )
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
