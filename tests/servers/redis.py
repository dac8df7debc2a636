"""A real Redis from Debian's package, on a free port, that can be killed, stopped and started again."""

import signal
import socket
from contextlib import closing
from functools import partial

from tests.servers.space import Space, free_port, pause, stop, wait_for


class RedisServer:
    """Keeps everything in memory: after a restart it is empty. ``more``: words for its command line."""

    def __init__(self, *more: str) -> None:
        self.port = free_port()
        self._space = Space("redis", {})
        self._more = more
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = self._space.start(
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--dir", str(self._space.folder), "--unixsocket", self.socket, *self._more,
        )  # fmt: skip
        wait_for("Redis answers", self.answers)

    @property
    def socket(self) -> str:
        """The path of its unix socket."""
        return f"{self._space.folder}/socket"

    def answers(self) -> bool:
        return self.ask("PING").startswith(("+PONG", "-NOAUTH"))

    def join(self, *others: "RedisServer") -> None:
        """Make one cluster of these nodes."""
        nodes = [f"127.0.0.1:{node.port}" for node in (self, *others)]
        self._space.run("redis-cli", "--cluster", "create", *nodes, "--cluster-yes")
        for node in (self, *others):
            wait_for("the cluster is whole", partial(_whole, node))

    def ask(self, *words: str, lines: int = 1) -> str:
        """One command; the first lines of its reply, or "" where there is none."""
        try:
            with closing(socket.create_connection(("127.0.0.1", self.port), timeout=1)) as peer:
                peer.sendall(f"{' '.join(words)}\r\n".encode())
                return "\n".join(peer.recv(4096).decode().split("\r\n")[:lines])
        except OSError:
            return ""

    def kill(self) -> None:
        stop(self.process, signal.SIGKILL)

    def pause(self) -> None:
        """Hang: connections stay, nothing is answered."""
        pause(self.process)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        stop(self.process, signal.SIGKILL)
        self._space.remove()


def _whole(node: RedisServer) -> bool:
    return "cluster_state:ok" in node.ask("CLUSTER", "INFO", lines=2)
