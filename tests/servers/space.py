"""A server's space: its packages laid over /usr and /etc in a mount namespace that only it sees.

The machine's own files are never touched: what is written to /etc inside lands in a tmpfs that goes with the
process.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SERVERS = TOP / ".cache" / "servers"

# How long a server may take to do what a test waits for, in seconds. The machine is slow and busy.
PATIENCE_S = 30.0

_SCRIPT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$WORK"
mkdir "$WORK/up" "$WORK/work"
mount -t overlay overlay -o "lowerdir=$ROOT/usr:/usr" /usr
mkdir -p "$WORK/none"
if [ -d "$ROOT/etc" ]; then lower="$ROOT/etc:/etc"; else lower="$WORK/none:/etc"; fi
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$WORK/up,workdir=$WORK/work" /etc
printf '%s' "$PASSWD" >> /etc/passwd
printf '%s' "$GROUP" >> /etc/group
printf '%s' "$HOSTS" > /etc/hosts
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec "$@"
"""


# A server that runs.
Server = subprocess.Popen[bytes]


class Space:
    """One server's packages, and the users it needs."""

    def __init__(self, name: str, users: dict[str, int], hosts: str = "127.0.0.1 localhost\n") -> None:
        self.root = SERVERS / name
        self._users = users
        self._hosts = hosts
        self.folder = Path(tempfile.mkdtemp(prefix=f"sendwarden-{name}-"))
        self.folder.chmod(0o755)
        (self.folder / "space").mkdir()

    def _environment(self) -> dict[str, str]:
        passwd = "".join(f"{n}:x:{i}:{i}::{self.folder}:/usr/sbin/nologin\n" for n, i in self._users.items())
        group = "".join(f"{n}:x:{i}:\n" for n, i in self._users.items())
        return {
            "ROOT": str(self.root),
            "WORK": str(self.folder / "space"),
            "PASSWD": passwd,
            "GROUP": group,
            "HOSTS": self._hosts,
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
        }

    def _command(self, command: Sequence[str], more: Sequence[str]) -> list[str]:
        return ["unshare", "-m", *more, "sh", "-c", _SCRIPT, "sh", *command]

    def start(
        self, *command: str, unshare: Sequence[str] = (), output: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Run a server in the foreground; what it prints goes to a file, since a pipe can hold servers up."""
        with (output or self.folder / "output").open("ab") as log:
            return subprocess.Popen(
                self._command(command, unshare), env=self._environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def run(self, *command: str, unshare: Sequence[str] = (), stdin: bytes = b"") -> str:
        """Run one of the server's tools. Raises `AssertionError` with what it printed if it fails."""
        done = subprocess.run(
            self._command(command, unshare), env=self._environment(), input=stdin,
            capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert done.returncode == 0, f"{shlex.join(command)[:200]}: {said}"
        return done.stdout.decode("utf-8", "replace")

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    """End a process that we started, by its pid; its whole session if it will not. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(10)


def _ports() -> Iterator[int]:
    """Ports for servers: below those that the kernel gives to clients, and a range for each lane of tests."""
    lane = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        yield from range(10_000 + 5_000 * lane, 15_000 + 5_000 * lane)


_PORTS = _ports()


def free_port() -> int:
    """A port that nobody uses now. The tests have their own network namespace, so that it stays free."""
    for port in _PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def wait_for(what: str, holds: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds. Raises `AssertionError` naming it when that takes too long."""
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, f"not within {patience_s:g} s: {what}"
        time.sleep(0.02)


def pause(process: subprocess.Popen[bytes]) -> None:
    """Have a process hang, with all its threads: one of them may answer yet a moment after the signal."""
    process.send_signal(signal.SIGSTOP)
    wait_for(f"process {process.pid} has stopped", lambda: set(_thread_states(process.pid)) == {"T"})


def _thread_states(pid: int) -> Iterator[str]:
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        yield stat.read_text().rpartition(")")[2].split()[0]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
