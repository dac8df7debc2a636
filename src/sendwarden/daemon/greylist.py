"""Greylisting in the daemon: its sockets, its log, and what a reload changes."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sendwarden.config.greylist_rules import greylist_rules, manner
from sendwarden.config.load import Loaded
from sendwarden.daemon.listeners import UDP
from sendwarden.daemon.querylog import FileQueryLog
from sendwarden.engine.greylist.clients import Clients
from sendwarden.engine.greylist.decide import Greylister
from sendwarden.engine.greylist.places import Places
from sendwarden.engine.greylist.triplets import Triplets
from sendwarden.frontends.grosspolicy import GrossPolicyConnection
from sendwarden.frontends.grossstatus import GrossStatusConnection
from sendwarden.frontends.sjsms import SjsmsServer
from sendwarden.lookups.grosscheck import UdpGreylist
from sendwarden.service.connection import Served
from sendwarden.service.gate import Gate
from sendwarden.service.greychecks import GreyChecks
from sendwarden.service.greydesk import GreyDesk
from sendwarden.service.greylisting import Greylisting
from sendwarden.service.grosscheck import Grosscheck
from sendwarden.service.ports import AskGreylist, Clock, EventLog
from sendwarden.service.reputation import Reputation
from sendwarden.stores.memory import CLIENTS, PLACES, TRIPLETS


class GreylistDaemon:
    """What the daemon has of greylisting, whether anybody asks or not. To be told what to `use`."""

    def __init__(self, configuration: Loaded, state: Path, clock: Clock, log: EventLog) -> None:
        self._state = state
        self._log = log
        self._remote = UdpGreylist(clock.now, log)
        self._lines: FileQueryLog | None = None
        self._lines_path: Path | None = None
        self._greylister = Greylister(greylist_rules(configuration.greylist, configuration.site.identity))
        self.places = Places(configuration.greylist.triplets)
        self.service = Greylisting(self._greylister, clock, log)
        self.verbs = GreyDesk(self.service, self.places, clock, log).verbs

    @property
    def kept(self) -> Mapping[str, Triplets | Clients]:
        """What the journal keeps, by name."""
        known = self._greylister
        return {TRIPLETS: known.triplets, CLIENTS: known.clients, PLACES: self.places.kept}

    def use(self, configuration: Loaded, reputation: Reputation) -> None:
        settings = configuration.greylist
        self._greylister.use(greylist_rules(settings, configuration.site.identity))
        self.places.kept.most = settings.triplets
        self.service.checks = GreyChecks(reputation, settings.checks) if settings.checks else None
        self.service.manner = manner(settings, watching=configuration.settings.mode == "watch")
        path = self._state / settings.log if settings.log else None
        if path != self._lines_path:
            self.flush()
            self._lines_path = path
            self._lines = FileQueryLog(path, self._log) if path else None
            self.service.lines = self._lines

    def sockets(self, configuration: Loaded, gate: Gate) -> dict[str, Callable[[str], Served]]:
        """What listens where: sjsms by UDP, Postfix's protocol by TCP, the status."""
        settings = configuration.greylist
        make = {
            kind: partial(kind, self.service, gate, self._log)
            for kind in (SjsmsServer, GrossPolicyConnection, GrossStatusConnection)
        }
        wanted: dict[str, Callable[[str], Served]] = {}
        for place in settings.listen:
            if "sjsms" in settings.protocols:
                wanted[UDP + place] = make[SjsmsServer]
            if "postfix" in settings.protocols:
                wanted[place] = make[GrossPolicyConnection]
        return wanted | dict.fromkeys(settings.status if settings.listen else (), make[GrossStatusConnection])

    def grosscheck(self, configuration: Loaded) -> AskGreylist:
        """What the callout of that name asks."""
        settings = configuration.greylist
        places = frozenset(settings.listen if "sjsms" in settings.protocols else ())
        return Grosscheck(self.service, places, self._remote).ask

    async def run(self) -> None:
        """Have lines written until cancelled, and tell of triplets that had no room."""
        while True:
            await asyncio.sleep(0.1)
            if self._lines:
                self._lines.start_writing()
            triplets = self._greylister.triplets
            if triplets.evicted:
                self._log.warning("triplets-full", f"more than {triplets.most} (greylist.triplets)")
                triplets.evicted = 0

    def flush(self) -> None:
        if self._lines:
            self._lines.flush()
