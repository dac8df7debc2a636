"""Our sockets: opened, exchanged on a reload without losing a connection, and drained at the end."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

from sendwarden.core.errors import SendwardenError
from sendwarden.service.connection import DatagramServer, Served

# Connections that wait to be accepted, and how many are accepted in a row. asyncio takes one number for both,
# and tries as often when there is no descriptor, which would be all it does.
BACKLOG = 1024
AT_ONCE = 16
# A unix socket may be connected to by its owner and group: mode 0660.
UNIX_UMASK = 0o117
# How long connections may take to end by themselves when the daemon stops.
DRAIN_S = 4.0
DRAIN_STEP_S = 0.05


# What the name of a socket for datagrams begins with.
UDP = "udp:"


class CannotListen(SendwardenError):
    """A socket could not be opened; the text says which, and why."""


class Listeners:
    """All sockets of the daemon by the names that the settings give them."""

    def __init__(self) -> None:
        self._servers: dict[str, asyncio.Server] = {}
        self._datagrams: dict[str, DatagramServer] = {}
        self._paths: dict[str, tuple[Path, int]] = {}  # of unix sockets, with the inode
        self._connections: WeakSet[Served] = WeakSet()

    @property
    def names(self) -> list[str]:
        return [*self._servers, *self._datagrams]

    async def open(self, name: str, factory: Callable[[str], Served]) -> None:
        """Listen at ``name``. Raises `CannotListen`."""
        loop = asyncio.get_running_loop()

        def made() -> Served:
            connection = factory(name)
            self._connections.add(connection)
            return connection

        try:
            if name.startswith(UDP):
                server_of_datagrams = made()
                assert isinstance(server_of_datagrams, DatagramServer)
                server_of_datagrams.serve(_bound_udp(name.removeprefix(UDP)))
                self._datagrams[name] = server_of_datagrams
                return
            if name.startswith("unix:"):
                path = Path(name.removeprefix("unix:"))
                server = await loop.create_unix_server(made, sock=_bound(path), backlog=AT_ONCE)
                self._paths[name] = path, _inode(path)
            else:
                host, _, port = name.rpartition(":")
                server = await loop.create_server(made, host.strip("[]"), int(port), backlog=AT_ONCE)
        except OSError as error:
            raise CannotListen(_why_not(name, error)) from error
        for listening in server.sockets:
            with socket.fromfd(listening.fileno(), listening.family, listening.type) as same:
                same.listen(BACKLOG)
        self._servers[name] = server

    def close(self, name: str) -> None:
        """Take no more connections at ``name``; those that are open stay."""
        if name in self._datagrams:
            self._datagrams.pop(name).drain(now=False)
            return
        self._servers.pop(name).close()
        if name not in self._paths:
            return
        path, inode = self._paths.pop(name)
        try:
            if _inode(path) == inode:  # else another program has taken the place
                path.unlink()
        except OSError:
            pass

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


def _why_not(name: str, error: OSError) -> str:
    """Why we cannot listen there, and what to do. asyncio's own words name the place a second time."""
    setting = "greylist.listen" if name.startswith(UDP) else "listen.policy or listen.milter"
    elsewhere = f"set {setting} in sendwarden.toml to another place"
    if error.errno == errno.EADDRINUSE:
        kind = "x" if name.startswith("unix:") else "un" if name.startswith(UDP) else "tn"
        taken = f"{'answers' if kind == 'x' else 'listens'} there (ss -l{kind}p shows which)"
        return f"cannot listen at {name}: another program {taken}; stop it, or {elsewhere}"
    if error.errno == errno.EEXIST:
        return f"cannot listen at {name}: a file that is no socket stands there; move it away, or {elsewhere}"
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return f"cannot listen at {name}: {why}; {elsewhere}"


def _bound(path: Path) -> socket.socket:
    """A unix socket at ``path``, its folder made, one left by a daemon that was killed removed.

    One that somebody answers stays. asyncio's own way would take its place without asking.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        if _answered(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        path.unlink(missing_ok=True)
    elif os.path.lexists(path):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    bound = socket.socket(socket.AF_UNIX)
    before = os.umask(UNIX_UMASK)
    try:
        bound.bind(str(path))
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


def _bound_udp(place: str) -> socket.socket:
    host, _, port = place.rpartition(":")
    bound = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.bind((host.strip("[]"), int(port)))
    except OSError:
        bound.close()
        raise
    return bound


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _answered(path: Path) -> bool:
    """Does anybody listen there? One too busy to take us, or that we may not ask, does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
    return True
