"""Asks a remote grossd or Sendwarden by UDP, as `grosscheck.so` does, and better.

Each question has a socket of its own that is connected to its server, so that nobody else's datagram and no
late answer to another question is taken for its reply. A server that was silent, or whose port is closed, is
left alone for `REST_S`: the original pays its two seconds for every message again.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing

from sendwarden.engine.world import GreylistCall
from sendwarden.service.ports import EventLog
from sendwarden.wire.sjsms import Kind, Query, Reply, decode_reply, encode_query

# How long a server may be silent, and how long once it said that it is at work.
SILENCE_S = 2.0
AT_WORK_S = 10.0
REST_S = 30.0
# Servers of whom it is remembered that they are dead. They come from mapping tables, which are few.
MOST_DEAD = 1000
_READ_BYTES = 2048


class UdpGreylist:
    """`RemoteGreylist`."""

    def __init__(self, now: Callable[[], float], log: EventLog) -> None:
        self._now = now
        self._log = log
        self._dead_until: dict[tuple[str, int], float] = {}

    async def ask(self, call: GreylistCall) -> Reply | None:
        """The first server that lives; with all of them dead, the first that answers all the same."""
        question = encode_query(Query(call.sender, call.recipient, call.client_address, call.helo))
        alive = [server for server in call.servers if not self._is_dead((server, call.port))]
        for server in alive or call.servers:
            place = (server, call.port)
            try:
                reply = await _asked(place, question)
            except OSError as error:
                why = f"silent for {SILENCE_S:g} s" if isinstance(error, TimeoutError) else error.strerror
                self._log.warning("greylist-server", f"{server}:{call.port}: {why}")
                if len(self._dead_until) >= MOST_DEAD:
                    self._dead_until.clear()
                self._dead_until[place] = self._now() + REST_S
                continue
            self._dead_until.pop(place, None)
            return reply
        return None

    def _is_dead(self, place: tuple[str, int]) -> bool:
        return self._now() < self._dead_until.get(place, 0.0)


async def _asked(place: tuple[str, int], question: bytes) -> Reply:
    """Raises `OSError`; `TimeoutError`, which is one, where nothing came in time."""
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.settimeout(0)
        peer.connect(place)
        await loop.sock_sendall(peer, question)
        within_s = SILENCE_S
        while True:
            async with asyncio.timeout(within_s):
                reply = decode_reply(await loop.sock_recv(peer, _READ_BYTES))
            if reply is None:
                continue  # nothing that this protocol knows
            if reply.kind is not Kind.PENDING:
                return reply
            within_s = AT_WORK_S
