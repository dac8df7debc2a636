"""The daemon: configuration, store, frontends, signals, and the order in which they start and end.

Start: lock the state, open it, open the sockets, say that we are ready; stored counts are read behind that.
SIGHUP reads the configuration anew and keeps the old one if the new one has errors. SIGTERM and SIGINT: take
no more connections, answer what was asked, write the last batch, end.
"""

import asyncio
import random
import secrets
import signal
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from sendwarden.config.load import Loaded, load
from sendwarden.core.errors import StoreDown
from sendwarden.daemon.clock import AnchoredClock
from sendwarden.daemon.listeners import CannotListen, Listeners
from sendwarden.daemon.log import FileEventLog
from sendwarden.daemon.outbox import Outbox, RateOfNotices
from sendwarden.daemon.process import lock, most_connections, raise_descriptor_limit
from sendwarden.daemon.systemd import notify, watchdog_interval_s
from sendwarden.frontends.milter import MilterConnection
from sendwarden.frontends.policy import PolicyConnection
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection
from sendwarden.service.gate import Gate
from sendwarden.service.judge import Judge
from sendwarden.service.ports import Outside
from sendwarden.stores.journal import Journal
from sendwarden.stores.memory import MemoryMeters

TICK_S = 0.2
STATE_FILE = "state.db"
EVENTS_FILE = "events.json"
DAY_S = 86_400.0
# Letters of a traceback in the log; what made it is at its end.
TRACEBACK_LETTERS = 4000


class Daemon:
    """One running Sendwarden. ``configuration`` must be usable."""

    def __init__(self, settings_file: Path | None, configuration: Loaded, state: Path) -> None:
        self._settings_file = settings_file
        self._configuration = configuration
        self._state = state
        self._clock = AnchoredClock()
        self._log = FileEventLog(state / EVENTS_FILE, self._clock)
        self._meters = MemoryMeters(configuration.site.meters)
        self._journal = Journal(state / STATE_FILE, self._meters, self._clock, self._log)
        self._listeners = Listeners()
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._judge: Judge

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until told to stop; ``ready`` is called once sockets are open.

        Raises `StoreDown`, `CannotListen` or `AlreadyRunning` where it cannot start, with what to do.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        with lock(self._state):
            waiting = await self._journal.open(partial(secrets.token_bytes, 16))
            self._gate = self._new_gate(loop)
            self._use(self._configuration)
            settings = self._configuration.settings
            rate = RateOfNotices(settings.notify.per_account, settings.notify.in_all)
            self._outbox = Outbox(settings.notify.smtp, rate, self._journal, self._clock, self._log)
            self._conclusions = Conclusions(self._clock, self._log, self._journal, self._outbox)
            try:
                await self._open_listeners(self._configuration)
            except CannotListen:
                await self._journal.close()
                raise
            for work in (self._log.run(), self._tick(), self._load(), self._tidy()):
                self._start(work)
            writer = self._start(self._journal.run())
            for stored in waiting:
                self._outbox.post_again(stored)
            for number, handler in (
                (signal.SIGTERM, self._stop.set),
                (signal.SIGINT, self._stop.set),
                (signal.SIGHUP, self._reload_soon),
            ):
                loop.add_signal_handler(number, handler)
            self._log.event("started", {"mode": settings.mode, "listening": self._listeners.names})
            ready()
            notify("READY=1")
            await self._stop.wait()
            await self._end(writer)

    def _new_gate(self, loop: asyncio.AbstractEventLoop) -> Gate:
        settings = self._configuration.settings
        most = most_connections(settings.listen.connections, raise_descriptor_limit())
        return Gate(most, loop.time, self._configuration.allowed)

    def _use(self, configuration: Loaded) -> None:
        chance = random.SystemRandom()
        outside = Outside(self._clock, self._journal.references, self._log, lambda: 100 * chance.random())
        self._configuration = configuration
        self._judge = Judge(configuration.site, self._meters, outside)

    # --- sockets

    async def _open_listeners(self, configuration: Loaded) -> None:
        """Open what the settings name and is not open yet, then close what they no longer name."""
        listen = configuration.settings.listen
        wanted: dict[str, Callable[[str], Connection]] = {
            **dict.fromkeys(listen.policy, self._policy),
            **dict.fromkeys(listen.milter, self._milter),
        }
        for name, factory in wanted.items():
            if name not in self._listeners.names:
                await self._listeners.open(name, factory)
        for name in set(self._listeners.names) - set(wanted):
            self._listeners.close(name)

    def _policy(self, listener: str) -> Connection:
        return PolicyConnection(self._current_judge, self._conclusions, self._gate, self._log, listener)

    def _milter(self, listener: str) -> Connection:
        return MilterConnection(self._current_judge, self._conclusions, self._gate, self._log, listener)

    def _current_judge(self) -> Judge:
        return self._judge

    # --- background work

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Background work never ends with an exception; if it does, we are no longer sound, and stop."""
        if not task.cancelled() and (error := task.exception()):
            self._log.warning("bug", _shown(error))
            self._stop.set()

    async def _tick(self) -> None:
        beat = watchdog_interval_s()
        last_beat = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._gate.tick()
            if self._gate.turned_away:
                self._log.warning("connections-turned-away", f"more than {self._gate.most} or from strangers")
                self._gate.turned_away = 0
            if beat and loop.time() - last_beat >= beat:
                last_beat = loop.time()
                notify("WATCHDOG=1")
            await asyncio.sleep(TICK_S)

    async def _load(self) -> None:
        try:
            await self._journal.load_meters()
        except StoreDown as error:
            self._log.warning("store-failed", f"stored counts were not read: {error}")

    async def _tidy(self) -> None:
        """Once a day: forget decisions older than the settings say."""
        while True:
            await self._journal.forget_decisions(self._configuration.settings.keep_decisions)
            await asyncio.sleep(DAY_S)

    # --- reload and end

    def _reload_soon(self) -> None:
        self._start(self._reload())

    async def _reload(self) -> None:
        notify("RELOADING=1")
        fresh = await asyncio.to_thread(load, self._settings_file)
        if not fresh.usable:
            for problem in fresh.problems[:20]:
                self._log.warning("configuration-kept", f"{problem.code} {problem.place}: {problem.sentence}")
            notify("READY=1")
            return
        try:
            self._gate.allowed = fresh.allowed
            await self._open_listeners(fresh)
        except CannotListen as error:
            self._log.warning("configuration-kept", str(error))
            notify("READY=1")
            return
        for name in self._meters.reconfigure(fresh.site.meters):
            self._log.warning("meter-anew", name)
        self._use(fresh)
        self._log.event("reloaded", {"mode": fresh.settings.mode, "listening": self._listeners.names})
        notify("READY=1")

    async def _end(self, writer: asyncio.Task[None]) -> None:
        """The store goes last: what was answered while draining is still written."""
        notify("STOPPING=1")
        await self._listeners.drain()
        await self._outbox.close()
        others = [task for task in self._tasks if task is not writer]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        try:
            await self._journal.close()
        finally:
            await asyncio.gather(writer, return_exceptions=True)
            self._log.event("stopped", {})
            self._log.flush()

    def _unexpected(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Asyncio's own reports: once a minute for each kind, with a count, however many there are."""
        error = context.get("exception")
        about = _shown(error) if isinstance(error, BaseException) else str(context.get("message", ""))
        self._log.warning("unexpected", about)


def _shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACEBACK_LETTERS:]
