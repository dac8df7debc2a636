"""A thread beside the loop for calls that block, of which one may never come back.

One call at a time. A call that takes too long is left behind with its thread, and the next one has a new
thread; once too many are left that do not end, calls fail at once until one of them does. Threads end with
the process, whatever they wait for.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from sendwarden.service.ports import DirectoryDown

# Threads that are left behind at a time. Each may hold a connection.
MOST_LEFT = 4

T = TypeVar("T")


class Aside:
    """Calls functions on a thread. To be used from one loop, one call after the other."""

    def __init__(self, name: str, timeout_s: float) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._worker: _Worker | None = None
        self._left: list[_Worker] = []

    async def call(self, work: Callable[[], T]) -> T:
        """What ``work`` gives or raises. `DirectoryDown` if it takes too long, or too many never ended."""
        worker = self._worker = self._worker or self._new()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        worker.jobs.put(lambda: _run(work, future, loop))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await future
        except TimeoutError:
            self.leave()
            raise DirectoryDown(f"no answer within {self._timeout_s:g} s") from None

    def _new(self) -> "_Worker":
        self._left = [one for one in self._left if one.is_alive()]
        if len(self._left) >= MOST_LEFT:
            raise DirectoryDown(f"it hangs: {len(self._left)} questions were never answered")
        worker = _Worker(self._name)
        worker.start()
        return worker

    def leave(self) -> None:
        """The thread ends after what it does now, whenever that is."""
        if self._worker is not None:
            self._worker.jobs.put(None)
            self._left.append(self._worker)
            self._worker = None


class _Worker(threading.Thread):
    """Does one job after the other until there is a None."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self) -> None:
        while job := self.jobs.get():
            job()


def _run(work: Callable[[], T], future: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> None:
    try:
        given = work()
    except Exception as error:  # noqa: BLE001 - whoever awaits the call gets it
        settle = partial(_settle, future, future.set_exception, error)
    else:
        settle = partial(_settle, future, future.set_result, given)
    with suppress(RuntimeError):  # a loop that is closed waits for nothing any more
        loop.call_soon_threadsafe(settle)


def _settle(future: asyncio.Future[T], settle: Callable[[Any], None], given: object) -> None:
    """Unless nobody waits any more."""
    if not future.done():
        settle(given)
