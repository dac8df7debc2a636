"""The quick answer: most requests are of an account with room left, and nothing can come of them.

It finds the meter of a request by what stands in it, as bytes, and forgets that whenever anything that the
way there depends on may have changed. What it cannot answer at once it leaves to the judge; both count in the
same meters.
"""

from collections.abc import Callable

from sendwarden.core.account import State
from sendwarden.core.decision import Request, Stage
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.service.judge import Judge
from sendwarden.service.limiter import FORWARDED, Limiter

# Logins and addresses whose meter is remembered at a time.
REMEMBERED = 100_000

_FORWARDED = tuple(start.encode() for start in FORWARDED)


class Quick:
    """Finds meters for one listener."""

    def __init__(self, judge: Callable[[], Judge], limiter: Limiter, listener: str) -> None:
        self.limiter = limiter
        self.charges = limiter.charges
        self._judge = judge
        self._listener = listener
        self._of: Judge | None = None
        self._possible = False
        self._meters: dict[bytes, dict[bytes, AccountMeter]] = {}
        self._remembered = 0
        limiter.on_change.append(self.forget)

    def forget(self) -> None:
        """Whatever was found out may be different now."""
        self._meters = {}
        self._remembered = 0

    def meter(self, address: bytes, login: bytes, sender: bytes) -> AccountMeter | None:
        """Whose room it is; None: the judge has to look."""
        if not login and (not sender or sender[:5].lower() in _FORWARDED):
            return None
        if self._judge() is not self._of:
            self._renew(self._judge())
        of_address = self._meters.get(address)
        meter = of_address.get(login) if of_address else None
        return meter or self._found(address, login)

    def _renew(self, judge: Judge) -> None:
        self._of = judge
        channels = judge.site.channels
        # A channel chosen by more than the client and the login is none that can be remembered by them.
        by_more = any(channel.macros for channel in channels) or judge.site.judges_senders
        self._possible = not by_more and not judge.tables.by_policy
        self.forget()

    def _found(self, address: bytes, login: bytes) -> AccountMeter | None:
        judge = self._of
        if judge is None or not self._possible:
            return None
        request = Request(
            Stage.RCPT,
            self._listener,
            client_address=address.decode("utf-8", "surrogateescape"),
            login=login.decode("utf-8", "surrogateescape"),
            sender="anybody",
        )
        channel, account = judge.channel(request), judge.account(request)
        shut = login and self.limiter.state(account) in {State.HELD, State.CONTAINED}
        meter = self.limiter.meter(channel, account) if self.limiter.counts(request, channel) else None
        if shut or meter is None:
            return None
        if self._remembered >= REMEMBERED:
            self.forget()
        self._remembered += 1
        self._meters.setdefault(address, {})[login] = meter
        return meter
