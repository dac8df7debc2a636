"""Lists in the DNS and the resolver that asks them, while the daemon runs."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sendwarden.config.load import Loaded
from sendwarden.lookups.dns import DnsLookups
from sendwarden.service.ports import Clock, EventLog
from sendwarden.service.reputation import Reputation

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class AskedLists:
    """The reputation that the settings name. Lists that stay keep their standing over a reload."""

    def __init__(self, clock: Clock, log: EventLog, start: Start) -> None:
        """``start`` begins a task of the daemon."""
        self._outside = clock, log
        self._start = start
        self._resolver: DnsLookups | None = None
        self._testing: asyncio.Task[None] | None = None
        self._reputation: Reputation | None = None

    @property
    def reputation(self) -> Reputation:
        """That of the settings that were last used."""
        assert self._reputation
        return self._reputation

    def use(self, configuration: Loaded) -> None:
        settings = configuration.settings
        if self._resolver is None:
            self._resolver = DnsLookups()
        self._resolver.renew()
        self._resolver.most_questions = settings.dns.questions
        self._resolver.most_kept = settings.dns.answers
        servers = tuple(settings.dns.servers)
        self._reputation = Reputation(
            configuration.dns_lists, self._resolver, self._outside, servers, before=self._reputation
        )
        if self._testing is not None:
            self._testing.cancel()
        self._testing = self._start(self.reputation.keep_testing()) if self.reputation.watched else None

    def tick(self) -> None:
        """Tell of questions that were not asked."""
        if self._resolver is not None and self._resolver.turned_away:
            self._outside[1].warning("dns-busy", f"more than {self._resolver.most_questions} (dns.questions)")
            self._resolver.turned_away = 0

    async def close(self) -> None:
        if self._resolver is not None:
            await self._resolver.close()
