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

# Addresses whose channel, and accounts whose meter is remembered at a time.
REMEMBERED_ADDRESSES = 100_000
REMEMBERED = 1_000_000

_FORWARDED = tuple(start.encode() for start in FORWARDED)


Meters = dict[bytes, AccountMeter]


class Quick:
    """Finds meters for one listener."""

    def __init__(self, judge: Callable[[], Judge], limiter: Limiter, listener: str) -> None:
        self.limiter = limiter
        self.charges = limiter.charges
        self._judge = judge
        self._listener = listener
        self._of: Judge | None = None
        self.epoch = 0  # counts up when what is remembered anywhere holds no more
        self._possible = False
        # By address, for mail with and without a login: the meters of its channel, by login or address.
        self._by_address: tuple[dict[bytes, Meters], dict[bytes, Meters]] = ({}, {})
        self._of_channel: dict[str, Meters] = {}
        self._remembered = 0
        limiter.on_change.append(self.forget)

    def forget(self) -> None:
        """Whatever was found out may be different now."""
        self._by_address = ({}, {})
        self._of_channel = {}
        self._remembered = 0
        self.epoch += 1

    def meter(self, address: bytes, login: bytes, sender: bytes) -> AccountMeter | None:
        """Whose room it is; None: the judge has to look."""
        if not login and (not sender or sender[:5].lower() in _FORWARDED):
            return None
        if self._judge() is not self._of:
            self._renew(self._judge())
        meters = self._by_address[not login].get(address)
        meter = meters.get(login or address) if meters is not None else None
        return meter if meter is not None and not meter.gone else self._found(address, login)

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
        counts_incoming = judge.site.incoming.counts(request.client_address, request.login)
        if counts_incoming or judge.site.webmail.names(request):
            return None
        channel, account = judge.channel(request), judge.account(request)
        if channel.greylist:
            return None
        shut = login and self.limiter.state(account) in {State.HELD, State.CONTAINED}
        meter = self.limiter.meter(channel, account) if self.limiter.counts(request, channel) else None
        if shut or meter is None:
            return None
        if self._remembered >= REMEMBERED or len(self._by_address[not login]) >= REMEMBERED_ADDRESSES:
            self.forget()
        self._remembered += 1
        meters = self._of_channel.setdefault(channel.name, {})
        self._by_address[not login][address] = meters
        meters[login or address] = meter
        return meter
