"""The sjsms service: datagrams of ``grosscheck.so``, and our answers.

Nothing that arrives stops it: a datagram is answered, or dropped, logged and counted. A reply is never larger
than twice its request, so that a forged address gains nothing, and what could itself be a reply is never
answered, so that two servers never talk to each other for ever.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any

from sendwarden.engine.greylist.question import Action, Answer, Question
from sendwarden.service.connection import DatagramServer
from sendwarden.service.gate import Gate
from sendwarden.service.greylisting import Greylisting, Lookup, Manner
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
    fitting,
    whole_reply,
)

# When a client is told that we are still at work: it waits for two seconds.
PENDING_S = 1.0
# Addresses of peers of whom it is remembered whether they may ask.
MOST_PEERS = 10_000
MOST_REASONS = 100
# Bytes of a datagram that are looked at, and datagrams that are read in a row.
MOST_BYTES = 2048
AT_ONCE = 64
# Datagrams that the kernel keeps for us while we are busy, in bytes.
BUFFER_BYTES = 4 * 1024 * 1024

_KINDS = {
    Action.TRUST: Kind.TRUST,
    Action.MATCH: Kind.MATCH,
    Action.GREY: Kind.GREY,
    Action.BLOCK: Kind.BLOCK,
}

# Address, port, and of IPv6 more.
Peer = tuple[Any, ...]


class SjsmsServer(DatagramServer):
    """One socket."""

    def __init__(self, greylisting: Greylisting, gate: Gate, log: EventLog, listener: str) -> None:
        self.listener = listener
        self._greylisting = greylisting
        self._gate = gate
        self._log = log
        self._socket: socket.socket | None = None
        self._welcome: dict[str, bool] = {}
        self._manner: Manner | None = None  # that `_texts` are of
        self._texts: dict[tuple[Action, str], bytes] = {}
        self._allowed: object = None  # whom `_welcome` was worked out for
        self._answering: set[asyncio.Task[None]] = set()
        self._ending = False

    @property
    def closed(self) -> bool:
        return self._socket is None

    def drain(self, *, now: bool) -> None:
        """Nothing more is read; the socket closes behind the last answer."""
        if self._socket is None:
            return
        self._ending = True
        asyncio.get_running_loop().remove_reader(self._socket)
        if now or not self._answering:
            self._socket.close()
            self._socket = None

    def serve(self, bound: socket.socket) -> None:
        """Answer what arrives at a bound socket, which is ours from now on."""
        bound.settimeout(0)
        with suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._socket = bound
        asyncio.get_running_loop().add_reader(bound, self._read)

    def _read(self) -> None:
        """Some of what has arrived; there may be more, and others want their turn."""
        for _ in range(AT_ONCE):
            if self._socket is None or self._ending:
                return
            try:
                data, peer = self._socket.recvfrom(MOST_BYTES)
            except BlockingIOError:
                return
            except OSError as error:  # of an answer before: its client has gone
                self._log.warning("sjsms-error", f"{self.listener}: {error.strerror}")
                return
            try:
                self.receive(data, peer)
            except Exception:
                self._greylisting.dropped += 1  # a bug: it is told, and its client goes without an answer
                raise

    def receive(self, data: bytes, peer: Peer) -> None:
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
        if self._socket is None:
            return
        try:
            self._socket.sendto(reply, peer)
        except OSError as error:
            self._drop(f"no answer could be sent: {error.strerror}")

    def _answer(self, query: Query, size: int, peer: Peer) -> None:
        asked = Question(query.sender, query.recipient, query.client_address, query.helo)
        answer = self._greylisting.ask(asked)
        if isinstance(answer, Lookup):
            task = asyncio.get_running_loop().create_task(self._later(answer, size, peer))
            self._answering.add(task)
            task.add_done_callback(self._answered)
        else:
            self._send(self._reply(answer, size), peer)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        if self._ending:
            self.drain(now=False)

    def _reply(self, answer: Answer, size: int) -> bytes:
        manner = self._greylisting.manner
        if manner is not self._manner:
            self._manner, self._texts = manner, {}
        action = self._greylisting.action(answer)
        if action is Action.FAIL:
            return FAILED
        said = self._texts.get((action, answer.reason))
        if said is None:
            # Reasons are ours, but for what a check says of a block.
            if len(self._texts) >= MOST_REASONS:
                self._texts.clear()
            said = whole_reply(_KINDS[action], manner.sjsms_text(action, answer.reason))
            self._texts[action, answer.reason] = said
        return fitting(said, size)

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
