"""What a message would use of an account's limits: each limit before and after it, for `explain`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sendwarden.core.decision import Decision, Request
from sendwarden.engine.channel import Channel
from sendwarden.engine.limits.incoming import KINDS, Key
from sendwarden.engine.limits.rules import UNLIMITED, Limit
from sendwarden.service.limiter import Limiter


@dataclass(slots=True)
class LimitUse:
    """One limit: what was used of it before the message was judged, and after."""

    limit: Limit
    before: int
    after: int = 0
    key: Key | None = None  # of incoming mail

    def record(self) -> dict[str, object]:
        limit = self.limit
        named = {"counted": limit.counted, "window": limit.window_name, "most": limit.most}
        whose = {"key": self.key.name, "kind": self.key.kind} if self.key else {}
        return {**named, "before": self.before, "after": self.after, "row": limit.source, **whose}


class Room:
    """The limits that a message would count against; of a copy, that judging the message changes."""

    def __init__(
        self, limiter: Limiter, channel: Channel, account: str, request: Request, keys: Iterable[Key]
    ) -> None:
        self._limiter = limiter
        self._quantum = limiter.quantum
        counted = limiter.counts(request, channel)
        self.charged = counted
        self._meter = limiter.meter(channel, account) if counted else None
        limits = sorted(self._meter.limits.limits) if self._meter else []
        self.per_message = self._meter.limits.per_message if self._meter else None
        self.uses = [LimitUse(limit, self._used(limit)) for limit in limits]
        self.incoming = [
            LimitUse(limit, self._used(limit, key), key=key)
            for key in keys
            for limit in sorted((limiter.incoming_limits(*key) or UNLIMITED).limits)
        ]

    def _used(self, limit: Limit, key: Key | None = None) -> int:
        meter = self._limiter.incoming.find(*key) if key else self._meter
        return meter.used(limit, self._quantum) if meter else 0

    def look_again(self) -> None:
        """The message was judged."""
        for use in (*self.uses, *self.incoming):
            use.after = self._used(use.limit, use.key)

    def lines(self) -> Iterator[str]:
        for use in self.incoming:
            yield _line(use, f"incoming {KINDS[use.key.kind]} {use.key.name}, " if use.key else "")
        if self.incoming and not self.charged:
            return
        if not self.charged:
            yield "nobody is charged for it: no limits on this channel, or mail of others that is passed on"
        elif not self.uses:
            yield "unlimited"
        for use in self.uses:
            yield _line(use, "")
        if self.per_message is not None:
            yield f"recipients of one message: at most {self.per_message}"


def _line(use: LimitUse, whose: str) -> str:
    limit = use.limit
    used = f"{limit.counted}: {use.before} -> {use.after} of {limit.most} in {limit.window_name}"
    return f"{whose}{used}   (row {limit.source})"


def over_lines(decision: Decision) -> Iterator[tuple[str, str]]:
    """What becomes of mail over a limit that passes all the same: a word, and what it stands for."""
    if decision.delay_s:
        yield "slow", f"each answer to it comes {decision.delay_s:g} s later"
    if decision.transport:
        yield "filter", f"it goes by {decision.transport} (policy service only; a milter cannot say so)"
