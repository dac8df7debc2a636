"""Asking the desk: the running daemon by its control socket, or the state itself where none runs."""

import asyncio
import getpass
import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sendwarden.cli.configuration import STATE_FILE, open_state, state_folder
from sendwarden.cli.probe import WallClock, Warnings
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.daemon.process import CONTROL_SOCKET, AlreadyRunning, lock
from sendwarden.service.book import Book, Entry
from sendwarden.service.desk import Desk
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Exceptions
from sendwarden.service.question import Refusal
from sendwarden.service.sharing import Sharing, plain
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import AGES, INCOMING, KNOWN, MemoryMeters
from sendwarden.stores.sql import SqlState

# Longer than the daemon takes for an answer at the most, or gives none.
BEYOND_S = 9.0
# How long a command waits for another one that has the state, or for a daemon that is just starting, and how
# long between two tries.
STATE_WITHIN_S = 2.0
AGAIN_S = 0.05
# Verbs that change something.
DOING = frozenset({"set", "reset", "state"})


class NotAsked(SendwardenError):
    """The daemon is there and gave no answer that can be used."""


def ask(loaded: Loaded, question: Mapping[str, object]) -> Mapping[str, Any]:
    """The desk's answer. Raises `Refusal`, `NotAsked`, `StoreDown` or `NoStateFolder`."""
    folder = state_folder(loaded)
    asked = {**question, "by": question.get("by") or whoever()}
    gives_up = time.monotonic() + STATE_WITHIN_S
    while (answer := ask_daemon(loaded, asked)) is None:
        try:
            return asyncio.run(_asked_state(loaded, folder, asked))
        except AlreadyRunning as error:
            if time.monotonic() >= gives_up:
                says = f"{error}, or try again (it was waited for {STATE_WITHIN_S:g} s)"
                raise NotAsked(says) from None
        time.sleep(AGAIN_S)
    return answer


def ask_daemon(loaded: Loaded, question: Mapping[str, object]) -> Mapping[str, Any] | None:
    """The answer of the running daemon; None: there is none. Raises `Refusal`, `NotAsked`."""
    answer = _asked_daemon(state_folder(loaded) / CONTROL_SOCKET, question)
    if answer is not None and "error" in answer:
        raise Refusal(str(answer["error"]))
    return answer


def ask_running(loaded: Loaded, question: Mapping[str, object]) -> Mapping[str, Any]:
    """The same of a daemon that must run."""
    answer = ask_daemon(loaded, {**question, "by": whoever()})
    if answer is None:
        raise NotAsked("only a Sendwarden that runs knows that, and none does with these settings")
    return answer


def untold(answer: Mapping[str, Any]) -> list[str]:
    """What has to be said where several Sendwardens share what is set by hand, and do not know of it."""
    if answer.get("others_know") is not False:
        return []
    return ["  the other Sendwardens do not know this yet: they are told when Redis can be reached from here"]


def whoever() -> str:
    """Who gives the command, as far as the system knows."""
    with suppress(KeyError, OSError):
        return os.environ.get("SUDO_USER") or getpass.getuser()
    return f"uid {os.getuid()}"


def _asked_daemon(path: Path, question: Mapping[str, object]) -> dict[str, Any] | None:
    """None: no daemon is there."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(Desk.within_s(question) + BEYOND_S)
        try:
            peer.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise NotAsked(f"cannot ask the daemon by {path}: {error.strerror}") from None
        try:
            peer.sendall(json.dumps(question).encode() + b"\n")
            peer.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda: peer.recv(65536), b""))
            answer: dict[str, Any] = json.loads(said)
        except (OSError, ValueError):
            raise NotAsked(f"the daemon at {path} gave no answer; does it hang?") from None
    return answer


async def _asked_state(loaded: Loaded, folder: Path, question: Mapping[str, object]) -> Mapping[str, Any]:
    if question["verb"] not in DOING:
        state = open_state(loaded)
        try:
            desk, _meters = _desk(loaded, state, _Nowhere())
        finally:
            if state is not None:
                state.close()
        return await desk.ask(question)
    shared = bool(loaded.settings.counting.redis)
    if shared and question["verb"] == "reset":
        raise NotAsked("counts that are shared are reset by a Sendwarden that runs, and none does here")
    with lock(folder):  # so that no daemon starts meanwhile
        state = SqlState(folder / STATE_FILE)
        try:
            store: Exceptions = _Direct(state)
            if shared:  # the daemon tells the others when it runs
                store = Sharing(store, partial(secrets.token_hex, 8), WallClock(), Warnings())
            desk, meters = _desk(loaded, state, store)
            answer = await desk.ask(question)
            if shared:
                answer = {**answer, "others_know": False}
            state.write(Batch(meters.changes(WallClock().now())))
        finally:
            state.close()
    return answer


def _desk(loaded: Loaded, state: SqlState | None, store: Exceptions) -> tuple[Desk, MemoryMeters]:
    clock = WallClock()
    book, limiter, meters = copied_limits(loaded, state, store, clock)
    return Desk(limiter, book, clock, Warnings(), meters), meters


def copied_limiter(loaded: Loaded, clock: WallClock) -> Limiter:
    """What the daemon has counted, as a copy that nothing is written back from. Raises `StoreDown`."""
    state = open_state(loaded)
    try:
        return copied_limits(loaded, state, _Nowhere(), clock)[1]
    finally:
        if state is not None:
            state.close()


def copied_limits(
    loaded: Loaded, state: SqlState | None, store: Exceptions, clock: WallClock
) -> tuple[Book, Limiter, MemoryMeters]:
    """What the daemon has counted and what was set by hand, as a copy."""
    book = Book(clock, store)
    limiter = Limiter(loaded.site, book, clock)
    meters = MemoryMeters(loaded.site.meters)
    meters.limits = limiter.table
    meters.profiles = {AGES: limiter.ages, KNOWN: limiter.acquaintances, INCOMING: limiter.incoming}
    if state is not None:
        acts = state.exceptions()
        book.load(store.load(acts, Entry.name_of_record) if isinstance(store, Sharing) else plain(acts))
        limiter.set_by_hand(book.overrides())
        for group in state.meters():
            for table, key, parts, _damaged in group:
                meters.restore(table, key, parts, clock.now())
        limiter.table.loaded()
        limiter.changed()
        meters.changes(clock.now())  # it is kept already
    book.on_change.append(lambda _account: limiter.set_by_hand(book.overrides()))
    return book, limiter, meters


class _Nowhere:
    """`Exceptions` for a copy that nothing is written back from."""

    async def keep_exception(self, name: str, record: Mapping[str, object] | None) -> None:
        raise NotImplementedError(f"{name} is set in a copy")


class _Direct:
    """`Exceptions` straight into the file."""

    def __init__(self, state: SqlState) -> None:
        self._state = state

    async def keep_exception(self, name: str, record: Mapping[str, object] | None) -> None:
        self._state.write(Batch(exceptions={name: record}))
