"""Servers that misbehave on purpose, in the place of ours, and ours stopped or suspended."""

import signal
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.sendwarden import Sendwarden
from tests.servers.space import pause

GARBAGE = b"\x00\x00\x00\x02?!action=\xff\r\nHTTP/1.1 200 OK\r\n\r\n" * 3


@contextmanager
def garbage_at(port: int) -> Iterator[None]:
    """Whoever connects and asks gets garbage."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65536):
                self.request.sendall(GARBAGE)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


@contextmanager
def stopped(sendwarden: Sendwarden) -> Iterator[None]:
    sendwarden.stop()
    yield
    sendwarden.restart()


@contextmanager
def suspended(sendwarden: Sendwarden) -> Iterator[None]:
    pause(sendwarden.process)
    yield
    sendwarden.process.send_signal(signal.SIGCONT)


@contextmanager
def mad(sendwarden: Sendwarden) -> Iterator[None]:
    sendwarden.stop()
    with garbage_at(sendwarden.milter), garbage_at(sendwarden.policy):
        yield
    sendwarden.restart()


FAULTS = {"stopped": stopped, "suspended": suspended, "garbage": mad}
