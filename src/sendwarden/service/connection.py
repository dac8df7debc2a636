"""What all connections of mail servers share: entering by the gate, answers that wait, and the ways to end.

An answer that must be written down first is awaited within the deadline while nothing more is read from the
peer, nor is it while our answers are not taken. Trouble of any kind closes the connection without an answer,
so that the mail server's default decides.
"""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TypeVar, cast

from sendwarden.core.decision import Decision
from sendwarden.engine.limits.shared import NeedsRoom
from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.grosscheck import PATIENCE_S
from sendwarden.service.memo import Memo, Pending
from sendwarden.service.ports import EventLog, SharedRoom

# Where Linux's struct tcp_info has the milliseconds since data last arrived (tcpi_last_data_recv).
_DATA_AGE = struct.Struct("=52xI")

# While others take longer than this, the peer hears that we are still at it, in seconds.
PROGRESS_S = 1.0
# So often it is asked for room; then what is known here must do.
ROUNDS = 4

T = TypeVar("T")

# What must be awaited before an answer may go out.
Ending = Coroutine[None, None, None] | None


class Served(asyncio.BaseProtocol, ABC):
    """What the daemon asks of each connection, whatever it speaks."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Has it ended?"""

    @abstractmethod
    def drain(self, *, now: bool) -> None:
        """End if nobody waits for us, or ``now`` in any case."""


class DatagramServer(Served):
    """What answers datagrams at one socket."""

    @abstractmethod
    def serve(self, bound: socket.socket) -> None:
        """Answer what arrives at a bound socket, which is its own from now on."""


class Connection(asyncio.Protocol, Served):
    """One connection; a frontend says how bytes become questions (`feed`, `go_on`)."""

    def __init__(self, gate: Gate, log: EventLog, listener: str) -> None:
        self.listener = listener
        self.answering: asyncio.Task[None] | None = None
        self._gate = gate
        self._log = log
        self._transport: asyncio.Transport | None = None
        self._entered = False
        self._no_more = False
        self._full = False  # the peer does not take our answers

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
        peer = stream.get_extra_info("peername")  # None: it has gone again, whoever it was
        self._entered = peer is not None and self._gate.enter(peer[0] if isinstance(peer, tuple) else "")
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
        if self._gate.asleep() and self._asked_long_ago():
            self.abort("asked while we were asleep")
            return
        self.feed(data)
        self.go_on()

    def _asked_long_ago(self) -> bool:
        """Did the kernel keep what arrives for longer than we may take? Where it cannot say, it may have."""
        assert self._transport is not None
        stream = self._transport.get_extra_info("socket")
        try:
            info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_AGE.size)
        except (AttributeError, OSError):  # no socket at all, or a unix socket
            return True
        return bool(_DATA_AGE.unpack(info)[0] > 1000 * DEADLINE_S)

    def eof_received(self) -> bool:
        """The peer shut its side (Exim's readsocket does): what it asked is still answered, then we close."""
        self._no_more = True
        return self.answering is not None

    def pause_writing(self) -> None:
        self._full = True
        self._read_or_wait()

    def resume_writing(self) -> None:
        self._full = False
        self._read_or_wait()

    def _read_or_wait(self) -> None:
        if self._transport is None:
            return
        if self._full or self.answering is not None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

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

    def answer_soon(
        self, ending: Ending, reply: bytes, delay_s: float = 0.0, deadline_s: float = DEADLINE_S
    ) -> None:
        """Answer at once if nothing must be awaited before, and no ``delay_s``; else later."""
        if ending is None and not delay_s:
            self.write(reply)
        else:
            ending = _slowly(ending, delay_s) if delay_s or not ending else ending
            self.answer_later(ending, lambda: reply, deadline_s)

    def answer_later(
        self,
        ending: Coroutine[None, None, None],
        reply: Callable[[], bytes],
        within_s: float = DEADLINE_S,
    ) -> None:
        """Await ``ending``, then send what ``reply`` gives and go on."""
        concluded = self._concluded(ending, reply, within_s)
        self.answering = asyncio.get_running_loop().create_task(concluded)
        self._read_or_wait()

    def answer_when_known(
        self,
        asking: Coroutine[None, None, T],
        then: Callable[[T, float], None],
        within_s: float,
        still: bytes,
    ) -> None:
        """Go on when somebody has answered: ``then`` gets the answer, and the seconds that it took.

        ``still`` tells the peer each second that we are at work.
        """
        answers: list[T] = []
        began = asyncio.get_running_loop().time()

        async def asked() -> None:
            work = asyncio.get_running_loop().create_task(asking)
            try:
                while not (await asyncio.wait({work}, timeout=PROGRESS_S))[0]:
                    self.write(still)
                answers.append(work.result())
            finally:
                work.cancel()

        def go_on() -> bytes:
            if self.open:
                then(answers[0], asyncio.get_running_loop().time() - began)
            return b""  # the answer is on its way

        self.answer_later(asked(), go_on, within_s + DEADLINE_S)

    async def _concluded(
        self, ending: Coroutine[None, None, None], reply: Callable[[], bytes], within_s: float
    ) -> None:
        try:
            try:
                async with asyncio.timeout(within_s):
                    await ending
            finally:
                self.answering = None
            self.write(reply())
            self.go_on()
        except TimeoutError:
            self.abort("no answer within the deadline")
        except asyncio.CancelledError:
            self.abort("we end")
            raise
        except BaseException:  # a bug; it is passed on, and the peer's default decides
            self.abort("internal error")
            raise
        if self.answering is None:
            self._read_or_wait()
            if self._no_more:
                self.end()

    def once_heard(
        self,
        memo: Memo | None,
        decide: Callable[[], T],
        then: Callable[[T, float], None],
        still: bytes,
        took_s: float = 0.0,
    ) -> None:
        """``then`` gets what was decided, and the seconds that others took to answer first.

        ``decide`` uses the ``memo``, and may be called several times.
        """
        try:
            found = decide()
        except Pending as pending:
            assert memo is not None
            known = memo

            def again(answer: object, waited_s: float) -> None:
                known.begin_again(answer)
                self.once_heard(known, decide, then, still, took_s + waited_s)

            self.answer_when_known(pending.ask(), again, PATIENCE_S, still)
        else:
            then(found, took_s)

    def once_known(
        self, room: SharedRoom | None, decide: Callable[[], Decision], say: Callable[[Decision], None]
    ) -> None:
        """Say what was decided: at once, or when it is known whether there is room for it."""
        try:
            decision = decide()
        except NeedsRoom as need:
            assert room is not None
            self._ask_for_room(room, need, decide, say)
        else:
            say(decision)

    def _ask_for_room(
        self,
        room: SharedRoom,
        need: NeedsRoom,
        decide: Callable[[], Decision],
        say: Callable[[Decision], None],
        rounds: int = ROUNDS,
    ) -> None:
        answered = False

        def again() -> bytes:
            try:
                with need.meter.heard(answered=answered):
                    decision = decide()
            except NeedsRoom as more:
                self._ask_for_room(room, more, decide, say, rounds - 1)
            else:
                say(decision)
            return b""

        async def ask() -> None:
            nonlocal answered
            answered = await room.ask(need)

        if room.away or rounds < 1:
            again()
        else:
            self.answer_later(ask(), again)

    def drain(self, *, now: bool) -> None:
        if now or self.idle:
            self.end()


async def _slowly(ending: Ending, delay_s: float) -> None:
    """Both at a time, so that a delay costs no more than itself."""
    await asyncio.gather(asyncio.sleep(delay_s), *([ending] if ending else []))


def in_turn(first: Ending, second: Ending) -> Ending:
    """Two things to await, the one behind the other, of which either may be missing."""

    async def both() -> None:
        for ending in (first, second):
            if ending:
                await ending

    return both() if first and second else first or second
