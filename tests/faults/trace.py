"""strace on the running daemon: which of its calls fail, and what it did around that."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.load import REFERENCE
from tests.servers.space import SERVERS, wait_for

STRACE = SERVERS / "strace" / "usr" / "bin" / "strace"
# Its libraries are unpacked beside it, not installed.
LIBRARIES = SERVERS / "strace" / "usr" / "lib" / "x86_64-linux-gnu"
# What touches files, and how an answer leaves.
TRACED = "fdatasync,fsync,pwrite64,openat,close,ftruncate,unlink,write"
# Enough of a page for the references in it.
LETTERS = "6000"

# A number of a process of fewer digits than five is followed by more than one blank.
_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(.*)")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>")
_ENDED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)(.*)")
_FILE = re.compile(r"(?:\d+<(/[^>]*)>|[^,]*, \"([^\"]*)\")")


@dataclass(frozen=True, slots=True)
class Call:
    """One call, in the order in which they ended."""

    name: str
    file: str  # the path that it is about, or ""
    descriptor: str
    arguments: str
    failed: bool


@contextmanager
def traced(pid: int, inject: str, log: Path) -> Iterator[None]:
    """Trace a process and all its threads, with one fault (strace's words) injected."""
    error = log.with_suffix(".err")
    with error.open("wb") as said:
        tracer = subprocess.Popen(
            [str(STRACE), "-f", "-y", "-s", LETTERS, "-e", f"trace={TRACED}", "-e", f"inject={inject}",
             "-o", str(log), "-p", str(pid)],
            stderr=said, env={"LD_LIBRARY_PATH": str(LIBRARIES)},
        )  # fmt: skip
    try:
        wait_for("strace is attached", lambda: b"attached" in error.read_bytes() or tracer.poll() is not None)
        assert tracer.poll() is None, error.read_text()
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)


def calls(log: Path) -> list[Call]:
    """What strace has written so far."""
    return parsed(log.read_text(errors="replace") if log.exists() else "")


def parsed(text: str) -> list[Call]:
    found = []
    begun: dict[str, str] = {}
    for line in text.splitlines():
        if match := _BEGUN.match(line):
            begun[match[1]] = match[3]
        elif match := _ENDED.match(line):
            found.append(_call(match[2], begun.pop(match[1], "") + match[3], match[4]))
        elif match := _CALL.match(line):
            found.append(_call(match[2], match[3], match[4]))
    return found


def _call(name: str, arguments: str, result: str) -> Call:
    match = _FILE.match(arguments)
    file = (match[1] or match[2]) if match else ""
    return Call(name, file, arguments.partition("<")[0], arguments, failed=int(result) < 0)


def trusted_again(found: list[Call]) -> list[Call]:
    """What was written or synced through a file after one of its writes or syncs had failed."""
    failed: set[tuple[str, str]] = set()
    wrong = []
    for call in found:
        key = call.file, call.descriptor
        if call.name == "close":
            failed.discard(key)
        elif call.name in ("pwrite64", "fdatasync", "fsync", "ftruncate"):
            if any(file == call.file for file, _descriptor in failed):
                wrong.append(call)
            if call.failed:
                failed.add(key)
    return wrong


def said_too_early(found: list[Call]) -> list[str]:
    """References that an answer gave out before they were durable, though nothing had failed just then.

    Durable: written to a file, and that file synced after it with success.
    """
    written: set[str] = set()
    durable: set[str] = set()
    failing = False
    early = []
    for call in found:
        database = "/state.db" in call.file
        if database and call.failed:
            failing = True
            written.clear()
        elif database and call.name == "pwrite64":
            written |= set(REFERENCE.findall(call.arguments))
        elif database and call.name == "fdatasync":
            if call.file.endswith(("-wal", ".db")) and written:
                failing = False
            durable |= written
        elif call.name == "write" and "socket" in call.arguments:
            early += [ref for ref in REFERENCE.findall(call.arguments) if ref not in durable and not failing]
    return early
