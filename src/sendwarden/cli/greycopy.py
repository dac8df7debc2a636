"""Greylisting for `explain`: what the daemon remembers, as a copy, asked as the daemon would be asked.

Lists and the DNS are asked, since nothing else knows what they say; a remote server is not, since it would
remember that it was.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sendwarden.cli.configuration import open_state
from sendwarden.cli.probe import NoReference, WallClock, Warnings
from sendwarden.config.greylist_rules import greylist_rules, manner
from sendwarden.config.load import Loaded
from sendwarden.engine.greylist.decide import Greylister
from sendwarden.engine.greylist.places import Places
from sendwarden.engine.greylist.question import Answer, Question
from sendwarden.engine.world import GreylistCall
from sendwarden.lookups.dns import DnsLookups
from sendwarden.service.greychannel import ChannelGreylisting, Kept
from sendwarden.service.greychecks import GreyChecks
from sendwarden.service.greylisting import Greylisting
from sendwarden.service.grosscheck import Grosscheck
from sendwarden.service.limiter import Limiter
from sendwarden.service.memo import Memo, Pending
from sendwarden.service.ports import AskGreylist
from sendwarden.service.reputation import Reputation
from sendwarden.stores.memory import CLIENTS, PLACES, TRIPLETS
from sendwarden.wire.sjsms import Reply

if TYPE_CHECKING:
    from sendwarden.engine.greylist.clients import Clients
    from sendwarden.engine.greylist.triplets import Triplets

T = TypeVar("T")


class GreylistCopy:
    """Use as a context. Where nothing of a site asks greylisting it costs nothing."""

    def __init__(self, loaded: Loaded, clock: WallClock, warnings: Warnings) -> None:
        """Raises `StoreDown` where the state cannot be read."""
        self._loaded = loaded
        self.clock = clock
        self.warnings = warnings
        self.asked: list[tuple[Question, Answer]] = []
        self._runner = asyncio.Runner()
        self._resolver: DnsLookups | None = None
        self._greylister = Greylister(greylist_rules(loaded.greylist, loaded.site.identity))
        self._places = Places(loaded.greylist.triplets)
        self._service = Greylisting(self._greylister, clock, warnings)
        self._service.lines = self
        self._service.manner = manner(loaded.greylist, watching=loaded.settings.mode == "watch")
        if loaded.site.greylists or loaded.site.asks_greylist:
            self._copy()
            if loaded.greylist.checks:
                self.run(self._ask_lists())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._resolver:
            self.run(self._resolver.close())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def heard(self, memo: Memo | None, decide: Callable[[], T]) -> T:
        """What was decided, once greylisting has answered all that it was asked meanwhile."""
        while True:
            try:
                return decide()
            except Pending as pending:
                assert memo is not None
                memo.begin_again(self.run(pending.ask()))

    def add(self, now: float, asked: Question, answer: Answer, took_s: float) -> None:
        """`QueryLog`: what is shown later."""
        del now, took_s
        self.asked.append((asked, answer))

    def callout(self) -> AskGreylist:
        """What the callout grosscheck asks."""
        settings = self._loaded.greylist
        places = frozenset(settings.listen if "sjsms" in settings.protocols else ())
        return Grosscheck(self._service, places, _NotAsked(self.warnings)).ask

    def channels(self, limiter: Limiter) -> ChannelGreylisting:
        kept = Kept(self._service, self._places, limiter)
        return ChannelGreylisting(self._loaded.site, kept, self.clock, NoReference())

    def _copy(self) -> None:
        state = open_state(self._loaded)
        if state is None:
            return
        kept: dict[str, Triplets | Clients] = {
            TRIPLETS: self._greylister.triplets,
            CLIENTS: self._greylister.clients,
            PLACES: self._places.kept,
        }
        now = self.clock.now()
        try:
            for group in state.meters():
                for table, key, parts, _damaged in group:
                    if (found := kept.get(table)) is not None:
                        found.restore(key, parts, now)
        finally:
            state.close()

    async def _ask_lists(self) -> None:
        """Lists must show first that they can be believed."""
        servers = tuple(self._loaded.settings.dns.servers)
        self._resolver = DnsLookups()
        outside = self.clock, self.warnings
        reputation = Reputation(self._loaded.dns_lists, self._resolver, outside, servers)
        await reputation.test()
        self._service.checks = GreyChecks(reputation, self._loaded.greylist.checks)


class _NotAsked:
    """`RemoteGreylist` for a command that changes nothing."""

    def __init__(self, warnings: Warnings) -> None:
        self._warnings = warnings

    async def ask(self, call: GreylistCall) -> Reply | None:
        place = f"{call.servers[0]}:{call.port}"
        self._warnings.warning("greylist-server", f"{place} is not asked: it would remember the question")
        return None
