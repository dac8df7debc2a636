"""The daemon: configuration, store, frontends, signals, and the order in which they start and end.

Start: lock the state, open it, open the sockets, say that we are ready; stored counts are read behind that.
SIGHUP reads the configuration anew and keeps the old one if the new one has errors. SIGTERM and SIGINT: take
no more connections, answer what was asked, write the last batch, end.
"""

import asyncio
import errno
import os
import random
import secrets
import signal
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from sendwarden.config.addresses import UNIX_PATH_BYTES
from sendwarden.config.load import Loaded, load
from sendwarden.config.scanners import scanning_of
from sendwarden.core.errors import SendwardenError
from sendwarden.core.place import Problem, Severity
from sendwarden.daemon.byhand import ByHand
from sendwarden.daemon.clock import AnchoredClock
from sendwarden.daemon.directory import AskedDirectory
from sendwarden.daemon.greylist import GreylistDaemon
from sendwarden.daemon.listeners import CannotListen, Listeners
from sendwarden.daemon.log import FileEventLog
from sendwarden.daemon.outbox import Outbox, RateOfNotices
from sendwarden.daemon.process import (
    CONTROL_SOCKET,
    cancelled,
    collect_garbage,
    collect_garbage_rarely,
    lock,
    most_connections,
    raise_descriptor_limit,
)
from sendwarden.daemon.reputation import AskedLists
from sendwarden.daemon.shared import Shared
from sendwarden.daemon.systemd import notify, notify_reloading, watchdog_interval_s
from sendwarden.frontends.control import ControlConnection
from sendwarden.frontends.milter import MilterConnection
from sendwarden.frontends.policy import PolicyConnection
from sendwarden.service.allowance import Allowance
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection, Served
from sendwarden.service.desk import Desk
from sendwarden.service.gate import Gate
from sendwarden.service.greychannel import ChannelGreylisting, Kept
from sendwarden.service.judge import Judge
from sendwarden.service.limiter import Limiter
from sendwarden.service.logins import Logins
from sendwarden.service.ports import Outside
from sendwarden.service.quick import Quick
from sendwarden.service.reputation_desk import verbs as dnsbl_verbs
from sendwarden.stores.journal import Journal
from sendwarden.stores.memory import AGES, INCOMING, KNOWN, MemoryMeters

TICK_S = 0.2
STATE_FILE = "state.db"
EVENTS_FILE = "events.json"
# How long the sockets wait for the stored counts. What is not read by then is read behind the first answers,
# and whoever is not read yet has a part of his limits.
LOAD_FIRST_S = 0.5
DAY_S = 86_400.0
# Letters of a traceback in the log; what made it is at its end.
TRACEBACK_LETTERS = 4000
# Errors of settings that were not taken over, told one by one.
MOST_ERRORS_TOLD = 20


class Broken(SendwardenError):
    """Background work ended by a bug; a new start may help."""


class Daemon:
    """One running Sendwarden. ``configuration`` must be usable; ``check`` is the command that checks it."""

    def __init__(
        self, settings_file: Path | None, configuration: Loaded, state: Path, check: str = "sendwarden check"
    ) -> None:
        self._settings_file = settings_file
        self._check = check
        self._configuration = configuration
        self._state = state
        self._clock = AnchoredClock()
        self._log = FileEventLog(state / EVENTS_FILE, self._clock)
        self._meters = MemoryMeters(configuration.site.meters)
        self._journal = Journal(state / STATE_FILE, self._meters, self._clock, self._log)
        counting = configuration.settings.counting
        shared = Shared(counting, self._clock, self._log) if counting.redis else None
        self._by_hand = ByHand(self._journal, self._clock, self._log, shared)
        self._book = self._by_hand.book
        self._limiter = Limiter(configuration.site, self._book, self._book.clock)
        self._room = shared.room(self._limiter) if shared else None
        sharing = shared and configuration.settings.metermaid.redis
        self._tables = shared.tables(self._meters) if shared and sharing else None
        if self._room:
            self._limiter.share(self._room)
        else:
            self._meters.limits = self._limiter.table
        self._greylist = GreylistDaemon(configuration, state, self._clock, self._log)
        self._meters.profiles = {
            **self._greylist.kept,
            AGES: self._limiter.ages,
            INCOMING: self._limiter.incoming,
            KNOWN: self._limiter.acquaintances,
        }
        self._listeners = Listeners()
        self._stop = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._broken = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._judge: Judge
        self._directory = AskedDirectory(self._limiter, self._clock, self._log, self._start)
        self._lists = AskedLists(self._clock, self._log, self._start)
        self._quick: dict[str, Quick] = {}  # by listener

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until told to stop; ``ready`` is called once sockets are open.

        Raises `StoreDown`, `CannotListen`, `AlreadyRunning` or `NoStateFolder` where it cannot start, with
        what to do; `StoreDown` or `Broken` where the end was no good one.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        for number, handler in (
            (signal.SIGTERM, self._stop.set),
            (signal.SIGINT, self._stop.set),
            (signal.SIGHUP, self._reload_wanted.set),
        ):
            loop.add_signal_handler(number, handler)
        with lock(self._state):
            waiting = await self._journal.open(partial(secrets.token_bytes, 16))
            await self._by_hand.open(self._limiter, self._room)
            self._put_together(loop)
            loading = self._start(self._load())
            await asyncio.wait({loading}, timeout=LOAD_FIRST_S)
            try:
                await self._open_listeners(self._configuration)
            except CannotListen:
                loading.cancel()
                await self._lists.close()
                await asyncio.gather(loading, return_exceptions=True)
                await self._journal.close()
                raise
            for work in (self._log.run(), self._greylist.run(), self._tick(), self._tidy(), self._reloads()):
                self._start(work)
            if self._room:
                self._start(self._room.run())
            if self._tables:
                self._start(self._tables.run())
            if self._by_hand.sharing:
                self._start(self._by_hand.sharing.run())
            writer = self._start(self._journal.run())
            for stored in waiting:
                self._outbox.post_again(stored)
            self._log.event(
                "started", {"mode": self._configuration.settings.mode, "listening": self._listeners.names}
            )
            ready()
            notify("READY=1")
            await self._stop.wait()
            await self._end(writer)
            if self._broken:
                raise Broken(f"stopped by an error of ours: {self._broken.splitlines()[-1]}")

    def _put_together(self, loop: asyncio.AbstractEventLoop) -> None:
        self._gate = Gate(1, loop.time)
        notices = self._configuration.settings.notify
        rate = RateOfNotices(notices.per_account, notices.in_all)
        self._outbox = Outbox(notices.smtp, rate, self._journal, self._clock, self._log)
        self._desk = Desk(self._limiter, self._book, self._book.clock, self._log, self._meters)
        self._desk.offer(dnsbl_verbs(lambda: self._lists.reputation))
        self._desk.share(self._tables)
        self._book.on_reset.append(self._reset_too)
        self._desk.offer(self._greylist.verbs)
        self._conclusions = Conclusions(self._clock, self._log, self._journal, self._outbox)
        self._use(self._configuration)

    def _use(self, configuration: Loaded) -> None:
        chance = random.SystemRandom()
        asking = self._greylist.grosscheck(configuration)
        numbers = self._journal.references
        outside = Outside(
            self._clock, numbers, self._log, lambda: 100 * chance.random(), asking, self._tables
        )
        self._configuration = configuration
        notices = configuration.settings.notify
        self._outbox.smtp = notices.smtp
        self._outbox.rate.per_account, self._outbox.rate.in_all = notices.per_account, notices.in_all
        self._gate.allowed = configuration.allowed
        most = configuration.settings.listen.connections
        self._gate.most = most_connections(most, raise_descriptor_limit())
        self._limiter.use(configuration.site)
        self._directory.use(configuration.settings.directory)
        self._lists.use(configuration)
        self._greylist.use(configuration, self._lists.reputation)
        allowance = Allowance(self._limiter, outside)
        scanning = scanning_of(configuration.settings, configuration.site, self._clock, self._log)
        kept = Kept(self._greylist.service, self._greylist.places, self._limiter)
        self._judge = Judge(configuration.site, self._meters, outside, allowance, scanning)
        self._judge.greylisting = ChannelGreylisting(configuration.site, kept, self._clock, numbers)
        watching = configuration.settings.mode == "watch"
        self._logins = Logins(
            configuration.site.identity, self._book, self._book.clock, self._log, watching=watching
        )
        self._logins.on_login.append(self._limiter.seen)

    # --- sockets

    async def _open_listeners(self, configuration: Loaded) -> None:
        """Open what the settings name and is not open yet, then close what they no longer name.

        Raises `CannotListen`; then all is as it was.
        """
        listen = configuration.settings.listen
        wanted: dict[str, Callable[[str], Served]] = {
            **dict.fromkeys(listen.policy, self._policy),
            **dict.fromkeys(listen.milter, self._milter),
            **(dict.fromkeys(listen.login, self._login_connections()) if listen.login else {}),
            **self._greylist.sockets(configuration, self._gate),
        }
        control = str(self._state.absolute() / CONTROL_SOCKET)
        if len(os.fsencode(control)) <= UNIX_PATH_BYTES:
            wanted[f"unix:{control}"] = self._control
        else:
            self._log.warning("no-control-socket", f"{control} is too long a path for one")
        before = self._listeners.names
        try:
            for name, factory in wanted.items():
                if name not in before:
                    await self._listeners.open(name, factory)
        except CannotListen:
            for name in set(self._listeners.names) - set(before):
                self._listeners.close(name)
            raise
        for name in set(before) - set(wanted):
            self._listeners.close(name)

    def _policy(self, listener: str) -> Connection:
        made = PolicyConnection(self._current_judge, self._conclusions, self._gate, self._log, listener)
        quick = self._quick.get(listener)
        if quick is None:
            quick = self._quick[listener] = Quick(self._current_judge, self._limiter, listener)
        made.quicken(quick)
        return made

    def _milter(self, listener: str) -> Connection:
        return MilterConnection(self._current_judge, self._conclusions, self._gate, self._log, listener)

    def _login_connections(self) -> Callable[[str], Served]:
        from sendwarden.frontends.login import Asked, LoginServer  # noqa: PLC0415 - half a second, if asked for

        def asked() -> Asked:
            return Asked(self._logins, self._configuration.settings.listen.login_secret.get_secret_value())

        return LoginServer(asked, self._gate, self._log).connection

    def _control(self, listener: str) -> Connection:
        return ControlConnection(self._desk, self._gate, self._log, listener)

    def _current_judge(self) -> Judge:
        return self._judge

    # --- background work

    def _reset_too(self, account: str, channel: str) -> None:
        if not channel:
            self._start(self._desk.heard_of_reset(account))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.add(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Background work never ends with an exception; if it does, we are no longer sound, and stop."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._broken = _shown(error)
            self._log.warning("bug", self._broken)
            self._stop.set()

    async def _tick(self) -> None:
        beat = watchdog_interval_s()
        last_beat = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._gate.tick()
            self._limiter.tick()
            self._lists.tick()
            for table, what in ((self._limiter.table, "accounts"), (self._limiter.incoming, "incoming")):
                if table.full:
                    self._log.warning(f"{what}-full", f"more than {table.most} (counting.accounts)")
                    table.full = 0
            if self._gate.turned_away:
                self._log.warning("connections-turned-away", f"more than {self._gate.most} or from strangers")
                self._gate.turned_away = 0
            if beat and loop.time() - last_beat >= beat:
                last_beat = loop.time()
                notify("WATCHDOG=1")
            await asyncio.sleep(TICK_S)

    async def _load(self) -> None:
        await self._journal.load_meters()
        self._limiter.changed()  # who is new is known by now
        collect_garbage_rarely()

    async def _tidy(self) -> None:
        """Once a day: forget decisions older than the settings say."""
        while True:
            await self._journal.forget_decisions(self._configuration.settings.keep_decisions)
            await asyncio.sleep(DAY_S)

    # --- reload and end

    async def _reloads(self) -> None:
        """One after another; of many SIGHUPs that come meanwhile, one more is enough."""
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            notify_reloading()
            try:
                await self._reload()
            except Exception as error:  # noqa: BLE001 - a bug; what works goes on working
                self._log.warning("bug", _shown(error))
                self._log.warning("configuration-kept", "because of an error of ours")
            notify("READY=1")

    async def _reload(self) -> None:
        fresh = await asyncio.to_thread(load, self._settings_file)
        if not fresh.usable:
            errors = [problem for problem in fresh.problems if problem.severity is Severity.ERROR]
            for problem in errors[:MOST_ERRORS_TOLD]:
                self._log.warning("configuration-kept", _with_remedy(problem))
            count = f"{len(errors)} error{'' if len(errors) == 1 else 's'}"
            self._log.say(f"not reloaded: {count}, the settings in force stay; see all: {self._check}")
            return
        try:
            await self._open_listeners(fresh)
        except CannotListen as error:
            self._log.warning("configuration-kept", str(error))
            self._log.say("not reloaded: the settings in force stay")
            return
        if fresh.settings.state != self._configuration.settings.state:
            self._log.warning("restart-needed", "state = names another folder: it is used after a restart")
        if fresh.shared_where != self._configuration.shared_where:
            self._log.warning("restart-needed", "another Redis, or use of it: it counts after a restart")
        for name in self._meters.reconfigure(fresh.site.meters):
            self._log.warning("meter-anew", name)
        self._use(fresh)
        collect_garbage()
        self._log.event("reloaded", {"mode": fresh.settings.mode, "listening": self._listeners.names})
        enforcing = ", ".join(fresh.enforcing)
        self._log.say(f"reloaded: enforcing: {enforcing}" if enforcing else "reloaded: watching only")

    async def _end(self, writer: asyncio.Task[None]) -> None:
        """The store goes last: what was answered while draining is still written."""
        notify("STOPPING=1")
        await self._listeners.drain()
        await self._outbox.close()
        self._directory.close()
        await cancelled(self._tasks - {writer})
        await self._lists.close()
        if self._room:
            await self._room.close()
        try:
            await self._journal.close()
        finally:
            await asyncio.gather(writer, return_exceptions=True)
            self._greylist.flush()
            self._log.event("stopped", {})
            self._log.flush()

    def _unexpected(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Asyncio's own reports: once a minute for each kind, with a count, however many there are."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            # asyncio before 3.14 reports it a thousand times a second; a traceback each would be a load.
            self._log.warning("no-descriptors", str(error.strerror))
            return
        about = _shown(error) if isinstance(error, BaseException) else str(context.get("message", ""))
        self._log.warning("unexpected", about)


def _with_remedy(problem: Problem) -> str:
    """A problem on one line."""
    where = f" {problem.place}" if problem.place else ""
    return (
        f"{problem.code}{where}: {'; '.join(filter(None, (problem.sentence, problem.remedy, *problem.more)))}"
    )


def _shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACEBACK_LETTERS:]
