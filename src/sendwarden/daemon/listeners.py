"""Our sockets: opened, exchanged on a reload without losing a connection, and drained at the end."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

from sendwarden.core.errors import SendwardenError
from sendwarden.service.connection import Connection

BACKLOG = 1024
UNIX_MODE = 0o660
# How long connections may take to end by themselves when the daemon stops.
DRAIN_S = 4.0
DRAIN_STEP_S = 0.05


class CannotListen(SendwardenError):
    """A socket could not be opened; the text says which, and why."""


class Listeners:
    """All sockets of the daemon by the names that the settings give them."""

    def __init__(self) -> None:
        self._servers: dict[str, asyncio.Server] = {}
        self._connections: WeakSet[Connection] = WeakSet()

    @property
    def names(self) -> list[str]:
        return list(self._servers)

    async def open(self, name: str, factory: Callable[[str], Connection]) -> None:
        """Listen at ``name``. Raises `CannotListen`."""
        loop = asyncio.get_running_loop()

        def made() -> Connection:
            connection = factory(name)
            self._connections.add(connection)
            return connection

        try:
            if name.startswith("unix:"):
                path = _place_for_socket(name.removeprefix("unix:"))
                server = await loop.create_unix_server(made, str(path), backlog=BACKLOG)
                path.chmod(UNIX_MODE)
            else:
                host, _, port = name.rpartition(":")
                server = await loop.create_server(made, host.strip("[]"), int(port), backlog=BACKLOG)
        except OSError as error:
            raise CannotListen(f"cannot listen at {name}: {error.strerror or error}") from error
        self._servers[name] = server

    def close(self, name: str) -> None:
        """Take no more connections at ``name``; those that are open stay."""
        self._servers.pop(name).close()
        if name.startswith("unix:"):
            Path(name.removeprefix("unix:")).unlink(missing_ok=True)

    async def drain(self) -> None:
        """Close all sockets; give open connections a moment to end by themselves, then close them too."""
        for name in self.names:
            self.close(name)
        loop = asyncio.get_running_loop()
        end = loop.time() + DRAIN_S
        while left := [one for one in self._connections if not one.closed]:
            now = loop.time() >= end
            for connection in left:
                connection.drain(now=now)
            await asyncio.sleep(DRAIN_STEP_S)


def _place_for_socket(name: str) -> Path:
    """The path, its folder made, a socket left by a daemon that was killed removed.

    One that somebody answers stays, and opening it fails.
    """
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_socket():
        return path
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
    return path
