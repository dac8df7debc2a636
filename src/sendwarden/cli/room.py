"""What a message would use of an account's limits: each limit before and after it, for `explain`."""

from collections.abc import Iterator
from dataclasses import dataclass

from sendwarden.core.decision import Decision, Request
from sendwarden.engine.channel import Channel
from sendwarden.engine.limits.rules import Limit
from sendwarden.service.limiter import Limiter


@dataclass(slots=True)
class LimitUse:
    """One limit: what was used of it before the message was judged, and after."""

    limit: Limit
    before: int
    after: int = 0

    def record(self) -> dict[str, object]:
        limit = self.limit
        named = {"counted": limit.counted, "window": limit.window_name, "most": limit.most}
        return {**named, "before": self.before, "after": self.after, "row": limit.source}


class Room:
    """The limits that a message would count against; of a copy, that judging the message changes."""

    def __init__(self, limiter: Limiter, channel: Channel, account: str, request: Request) -> None:
        self._quantum = limiter.quantum
        counted = limiter.counts(request, channel)
        self.charged = counted
        self._meter = limiter.meter(channel, account) if counted else None
        limits = sorted(self._meter.limits.limits) if self._meter else []
        self.per_message = self._meter.limits.per_message if self._meter else None
        self.uses = [LimitUse(limit, self._used(limit)) for limit in limits]

    def _used(self, limit: Limit) -> int:
        return self._meter.used(limit, self._quantum) if self._meter else 0

    def look_again(self) -> None:
        """The message was judged."""
        for use in self.uses:
            use.after = self._used(use.limit)

    def lines(self) -> Iterator[str]:
        if not self.charged:
            yield "nobody is charged for it: no limits on this channel, or mail of others that is passed on"
        elif not self.uses:
            yield "unlimited"
        for use in self.uses:
            limit = use.limit
            used = f"{limit.counted}: {use.before} -> {use.after} of {limit.most} in {limit.window_name}"
            yield f"{used}   (row {limit.source})"
        if self.per_message is not None:
            yield f"recipients of one message: at most {self.per_message}"


def over_lines(decision: Decision) -> Iterator[tuple[str, str]]:
    """What becomes of mail over a limit that passes all the same: a word, and what it stands for."""
    if decision.delay_s:
        yield "slow", f"each answer to it comes {decision.delay_s:g} s later"
    if decision.transport:
        yield "filter", f"it goes by {decision.transport} (policy service only; a milter cannot say so)"
