"""Notices on their way to the mail server: kept in the state file until taken, tried again, never a flood."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping

from sendwarden.connectors.notify import NotTaken, hand_over
from sendwarden.core.errors import StoreDown
from sendwarden.service.notices import Notice
from sendwarden.service.ports import Clock, EventLog
from sendwarden.stores.journal import Journal

HOUR_S = 3600.0
# Pauses between attempts, in seconds; after the last the notice is given up.
PAUSES_S = (1, 5, 30, 120, 600, 1800, 3600, 3600, 3600)
# Notices handed over at the same time; each takes a file descriptor.
AT_ONCE = 5


class RateOfNotices:
    """At most so many in an hour, to one account and in all."""

    def __init__(self, per_account: int, in_all: int) -> None:
        self.per_account = per_account
        self.in_all = in_all
        self._sent: deque[tuple[float, str]] = deque()

    def take(self, account: str, now: float) -> bool:
        while self._sent and self._sent[0][0] <= now - HOUR_S:
            self._sent.popleft()
        own = sum(1 for _, whom in self._sent if whom == account)
        if own >= self.per_account or len(self._sent) >= self.in_all:
            return False
        self._sent.append((now, account))
        return True


class Outbox:
    """`conclude.Outbox`: takes notices and hands them over in the background."""

    def __init__(self, smtp: str, rate: RateOfNotices, journal: Journal, clock: Clock, log: EventLog) -> None:
        self.smtp = smtp
        self.rate = rate
        self._room = asyncio.Semaphore(AT_ONCE)
        self._journal = journal
        self._clock = clock
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, notice: Notice) -> None:
        if not self.rate.take(notice.account, self._clock.now()):
            self._log.warning("notice-limited", notice.account)
            self._start(self._forget(notice.id))
            return
        self._start(self._deliver(notice))

    def post_again(self, stored: Mapping[str, object]) -> None:
        """One that was still waiting when the daemon ended."""
        raw = str(stored["message"]).encode("ascii", "replace")
        notice = Notice(str(stored["id"]), str(stored["account"]), str(stored["recipient"]), raw)
        self._start(self._deliver(notice))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, notice: Notice) -> None:
        for pause in (*PAUSES_S, 0):
            try:
                async with self._room:
                    await hand_over(self.smtp, notice.recipient, notice.message)
            except NotTaken as error:
                if error.final or not pause:
                    self._log.warning("notice-lost", f"{notice.id}: {error}")
                    break
                self._log.warning("notice-late", f"{self.smtp}: {error}")
                await asyncio.sleep(pause)
            else:
                self._log.event("notice-sent", {"reference": notice.id, "account": notice.account})
                break
        await self._forget(notice.id)

    async def _forget(self, notice_id: str) -> None:
        try:
            await self._journal.done(notice_id)
        except StoreDown as error:
            self._log.warning("store-failed", str(error))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
