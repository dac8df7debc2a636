"""What a daemon asks of its process: file descriptors, an end, and to be the only one over its state."""

import asyncio
import fcntl
import gc
import os
import resource
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

from sendwarden.core.errors import SendwardenError

# Descriptors kept for the store, the log, notices and the loop itself.
SPARE_DESCRIPTORS = 64
# We ask for so many if the hard limit allows.
WANTED_DESCRIPTORS = 65_536

# How long a task may take to end before it is told again.
CANCEL_AGAIN_S = 0.1

STATE_REMEDY = 'set state = "..." in sendwarden.toml to a folder that can be written'


class AlreadyRunning(SendwardenError):
    """Another process uses the same state."""


class NoStateFolder(SendwardenError):
    """The folder of the state cannot be made or written to."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit as far as is useful; the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft


def most_connections(configured: int | None, descriptors: int) -> int:
    """Fewer than there are descriptors, so that a flood of connections cannot starve the rest."""
    possible = max(1, descriptors - SPARE_DESCRIPTORS)
    return min(configured, possible) if configured else possible


# Where commands ask the daemon, in its state folder.
CONTROL_SOCKET = "control"


# Allocations before young objects are searched for garbage, young searches before older ones, and those
# before all of them.
COLLECT_AFTER = (10_000, 10, 1_000_000)


def collect_garbage_rarely() -> None:
    """What is there now is not searched any more, and all of what comes almost never.

    With a million meters a search of everything stops all answers for up to a second. What we make is freed
    by its reference counts; cycles are made by a reload, which searches once (`collect_garbage`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def collect_garbage() -> None:
    """Search everything: for when a configuration has been replaced."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def cancelled(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Have them end. One cancellation may get lost: redis-py swallows those that meet an answer."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _ended, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


def lock(folder: Path) -> FileIO:
    """Lock a state folder for this process. Keep what is returned open.

    Raises `AlreadyRunning` or `NoStateFolder`, with what to do.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = path.open("a+b", buffering=0)
    except OSError as error:
        why = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise NoStateFolder(f"{error.filename or path}: {why}; {STATE_REMEDY}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        pid = handle.read(20).decode("ascii", "replace").strip() or "unknown"
        handle.close()
        raise AlreadyRunning(f"{folder} is in use by process {pid}: stop that one first") from None
    try:
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n".encode())
    except OSError as error:
        handle.close()
        raise NoStateFolder(f"{path}: {error.strerror}; {STATE_REMEDY}") from error
    return handle
