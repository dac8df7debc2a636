"""A wire tap: a proxy that passes every byte on and keeps it, so that a session can be replayed."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field

from tests.servers.space import free_port


@dataclass(slots=True)
class Session:
    """One connection: what each side said, whole, and in which order the pieces came."""

    asked: bytes = b""
    answered: bytes = b""
    pieces: list[tuple[str, bytes]] = field(default_factory=list)  # "asked" or "answered"


class Tap:
    """Listens at ``port`` and connects to ``target``; `stop` it."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.sessions: list[Session] = []
        self._target = target
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            session = Session()
            self.sessions.append(session)
            threading.Thread(target=self._carry, args=(client, server, session), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket, session: Session) -> None:
        answers = threading.Thread(target=self._pass, args=(server, client, session, "answered"), daemon=True)
        with client, server:
            answers.start()
            self._pass(client, server, session, "asked")
            answers.join()

    def _pass(self, source: socket.socket, sink: socket.socket, session: Session, name: str) -> None:
        """Until the source shuts its side; then ours to the sink is shut."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    session.pieces.append((name, data))
                    setattr(session, name, getattr(session, name) + data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
