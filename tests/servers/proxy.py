"""A TCP proxy that can be made to cut connections in the middle of a reply, with a reset."""

import random
import socket
import struct
import threading
from collections.abc import Callable

from tests.servers.space import free_port

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, and throw away what was not sent


class Proxy:
    """Forwards to a port of this machine until it is closed."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = free_port()
        self.cut = 0  # replies that were cut
        self._to = port
        self._chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
        self._cuts_wanted = 0
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self, replies: int) -> None:
        """The next replies end somewhere in their middle."""
        self._cuts_wanted = replies

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                if self._listener.fileno() < 0:
                    return
                client.close()
                continue
            for one, other, changed in ((client, server, _same), (server, client, self._maybe_cut)):
                threading.Thread(target=_pump, args=(one, other, changed), daemon=True).start()

    def _maybe_cut(self, data: bytes) -> tuple[bytes, bool]:
        if self._cuts_wanted <= 0:
            return data, False
        self._cuts_wanted -= 1
        self.cut += 1
        return data[: self._chance.randrange(len(data))], True


def _same(data: bytes) -> tuple[bytes, bool]:
    return data, False


def _pump(one: socket.socket, other: socket.socket, changed: Callable[[bytes], tuple[bytes, bool]]) -> None:
    try:
        while data := one.recv(65_536):
            data, cut = changed(data)
            other.sendall(data)
            if cut:
                break
    except OSError:
        pass
    for side in (other, one):
        try:
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        side.close()
