"""The sjsms service: datagrams of ``grosscheck.so``, and our answers.

Nothing that arrives stops it: a datagram is answered, or dropped, logged and counted. A reply is never larger
than twice its request, so that a forged address gains nothing, and what could itself be a reply is never
answered, so that two servers never talk to each other for ever.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from sendwarden.engine.greylist.question import Action, Answer, Question
from sendwarden.service.connection import Served
from sendwarden.service.gate import Gate
from sendwarden.service.greylisting import Greylisting, Lookup
from sendwarden.service.ports import EventLog
from sendwarden.wire.sjsms import (
    FAILED,
    PENDING,
    Kind,
    Query,
    Refusal,
    Said,
    decode_datagram,
    decode_reply,
    encode_reply,
)

# When a client is told that we are still at work: it waits for two seconds.
PENDING_S = 1.0
# Addresses of peers of whom it is remembered whether they may ask.
MOST_PEERS = 10_000
# Datagrams that the kernel keeps for us while we are busy, in bytes.
BUFFER_BYTES = 4 * 1024 * 1024

_KINDS = {
    Action.TRUST: Kind.TRUST,
    Action.MATCH: Kind.MATCH,
    Action.GREY: Kind.GREY,
    Action.BLOCK: Kind.BLOCK,
}

Peer = tuple[str, int]


class SjsmsServer(asyncio.DatagramProtocol, Served):
    """One socket."""

    def __init__(self, greylisting: Greylisting, gate: Gate, log: EventLog, listener: str) -> None:
        self.listener = listener
        self._greylisting = greylisting
        self._gate = gate
        self._log = log
        self._transport: asyncio.DatagramTransport | None = None
        self._welcome: dict[str, bool] = {}
        self._allowed: object = None  # whom `_welcome` was worked out for
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def closed(self) -> bool:
        return self._transport is None

    def drain(self, *, now: bool) -> None:
        if self._transport is not None and (now or not self._answering):
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        bound = transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None

    def error_received(self, exc: Exception) -> None:
        """A peer has gone: nothing to do, but to tell."""
        self._log.warning("sjsms-error", f"{self.listener}: {exc}")

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        try:
            self._receive(data, addr)
        except Exception:
            self._greylisting.dropped += 1  # a bug: it is told, and its client goes without an answer
            raise

    def _receive(self, data: bytes, peer: Peer) -> None:
        if not self._may_ask(peer[0]):
            self._drop("from a stranger")
            return
        if self._gate.asleep():
            self._drop("asked too long ago")
            return
        query = decode_datagram(data)
        if isinstance(query, Query):
            for line in query.unknown:
                self._log.warning("sjsms-unknown-line", line[:80])
            self._answer(query, len(data), peer)
        elif isinstance(query, Said):
            self._log.warning("sjsms-client", f"{peer[0]} said: {query.text[:200]}")
        elif query is Refusal.EMPTY or decode_reply(data):
            self._drop("empty" if query is Refusal.EMPTY else "a reply")
        else:
            self._log.warning("sjsms-refused", f"{self.listener}: {query.value}")
            self._send(FAILED, peer)

    def _may_ask(self, address: str) -> bool:
        if self._allowed is not self._gate.allowed:
            self._welcome, self._allowed = {}, self._gate.allowed
        welcome = self._welcome.get(address)
        if welcome is None:
            if len(self._welcome) >= MOST_PEERS:
                self._welcome.clear()
            welcome = self._welcome[address] = self._gate.welcome(address)
        return welcome

    def _drop(self, why: str) -> None:
        self._greylisting.dropped += 1
        self._log.warning("sjsms-dropped", f"{self.listener}: {why}")

    def _send(self, reply: bytes, peer: Peer) -> None:
        if self._transport is not None:
            self._transport.sendto(reply, peer)

    def _answer(self, query: Query, size: int, peer: Peer) -> None:
        asked = Question(query.sender, query.recipient, query.client_address, query.helo)
        answer = self._greylisting.ask(asked)
        if isinstance(answer, Lookup):
            task = asyncio.get_running_loop().create_task(self._later(answer, size, peer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        else:
            self._send(self._reply(answer, size), peer)

    def _reply(self, answer: Answer, size: int) -> bytes:
        action = self._greylisting.action(answer)
        if action is Action.FAIL:
            return FAILED
        return encode_reply(_KINDS[action], self._greylisting.manner.sjsms_text(action, answer.reason), size)

    async def _later(self, lookup: Lookup, size: int, peer: Peer) -> None:
        wait_s = self._greylisting.manner.wait_s
        still = None
        if wait_s > PENDING_S:
            still = asyncio.get_running_loop().call_later(PENDING_S, self._send, PENDING, peer)
        try:
            answer = await self._greylisting.look(lookup, wait_s)
        finally:
            if still:
                still.cancel()
        self._send(self._reply(answer, size), peer)


def sjsms(greylisting: Greylisting, gate: Gate, log: EventLog) -> Callable[[str], Served]:
    """What makes a server of a socket's name."""
    return lambda listener: SjsmsServer(greylisting, gate, log, listener)
