"""What all connections of mail servers share: entering by the gate, answers that wait, and the ways to end.

An answer that must be written down first is awaited within the deadline while nothing more is read from the
peer's requests; trouble of any kind closes the connection without an answer, so that the mail server's
default decides.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import cast

from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.ports import EventLog


class Connection(asyncio.Protocol, ABC):
    """One connection; a frontend says how bytes become questions (`feed`, `go_on`)."""

    def __init__(self, gate: Gate, log: EventLog, listener: str) -> None:
        self.listener = listener
        self.answering: asyncio.Task[None] | None = None
        self._gate = gate
        self._log = log
        self._transport: asyncio.Transport | None = None
        self._entered = False
        self._no_more = False

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Take bytes in."""

    @abstractmethod
    def go_on(self) -> None:
        """Work through what has arrived, as long as `open` and nothing is being answered."""

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Is nobody waiting for us, so that the connection may end here?"""

    @property
    def open(self) -> bool:
        return self._transport is not None

    @property
    def closed(self) -> bool:
        return self._transport is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        peer = stream.get_extra_info("peername")
        self._entered = self._gate.enter(peer[0] if isinstance(peer, tuple) and peer else "")
        if self._entered:
            self._transport = stream
        else:
            stream.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._entered:
            self._gate.leave()
            self._entered = False
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._gate.asleep():
            self.abort("asked while we were asleep")
            return
        self.feed(data)
        self.go_on()

    def eof_received(self) -> bool:
        """The peer shut its side (Exim's readsocket does): what it asked is still answered, then we close."""
        self._no_more = True
        return self.answering is not None

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def end(self) -> None:
        """Close behind what was written."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def abort(self, why: str) -> None:
        """Close at once, without an answer, and tell why."""
        self._log.warning("connection-closed", f"{self.listener}: {why}")
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def answer_later(self, ending: Coroutine[None, None, None], reply: Callable[[], bytes]) -> None:
        """Await ``ending``, then send what ``reply`` gives and go on."""
        self.answering = asyncio.get_running_loop().create_task(self._concluded(ending, reply))

    async def _concluded(self, ending: Coroutine[None, None, None], reply: Callable[[], bytes]) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await ending
            self.write(reply())
        except TimeoutError:
            self.abort("no answer within the deadline")
        except BaseException:  # a bug, or the daemon ends; it is passed on, and the peer's default decides
            self.abort("internal error")
            raise
        finally:
            self.answering = None
        self.go_on()
        if self._no_more and self.answering is None:
            self.end()

    def drain(self, *, now: bool) -> None:
        """End if nobody waits for us, or ``now`` in any case."""
        if now or self.idle:
            self.end()
