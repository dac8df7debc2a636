"""The servers that `policy_rate` measures: each with its own settings, port and folder, stopped by its pid.

The peers are Debian's packages, as `scripts/servers --bench` unpacked them. Each does its own work: the rate
limiters count every login against a limit that nobody reaches, the greylists know their triplets. None logs
to syslog, which favours them: ours writes its event log.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers.space import Server, Space, free_port, listens, stop, wait_for

# What Sendwarden is measured with. All that decides stands in RULES; {tcp} and {unix} become its sockets.
RULES = """
mode = "enforce"

[site]
domains = ["example.org", ".example.org"]
internal = ["127.0.0.0/8", "::1/128", "10.0.0.0/8"]

# Messages and recipients in three windows, so high that no account of a run reaches them.
[[limits]]
name = "internal"
messages = ["90000000/10m", "95000000/1h", "99000000/24h"]
recipients = ["90000000/10m", "95000000/1h", "99000000/24h"]
[[limits]]
name = "external"
messages = ["90000000/10m", "95000000/1h", "99000000/24h"]
recipients = ["90000000/10m", "95000000/1h", "99000000/24h"]
[[limits]]
name = "device"
messages = ["90000000/10m", "95000000/1h", "99000000/24h"]
recipients = ["90000000/10m", "95000000/1h", "99000000/24h"]
[counting]
accounts = 10000000
"""
LISTEN = """
[listen]
policy = ["{tcp}", "{unix}"]
milter = []
"""

# A limit that no account reaches in a run, so that every answer is a go-ahead.
MANY = 100_000_000

POLICYD_RATE_LIMIT = """
debug: false
user: "policyd-rate-limit"
group: "policyd-rate-limit"
pidfile: "{folder}/pid"
sqlite_config: {{database: "{folder}/db.sqlite3"}}
backend: 0
SOCKET: ["127.0.0.1", {port}]
limits: [[{many}, 3600]]
limit_by_sasl: true
report: false
"""

GROSS = """
host = 127.0.0.1
port = {port}
protocol = postfix
log_level = error
grey_threshold = 0
grey_delay = 1
"""

# Nothing but the module that counts: no rule of rspamd's own looks at the message.
RSPAMD = """
options {{ filters = []; tempdir = "{folder}"; pidfile = "{folder}/pid"; control_socket = "{folder}/control";
    cache_file = "{folder}/cache"; hs_cache_dir = "{folder}"; local_addrs = [];
    dns {{ nameserver = ["127.0.0.1"]; }} }}
logging {{ type = "file"; filename = "{folder}/log"; level = "error"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
redis {{ servers = "127.0.0.1:{other}"; }}
ratelimit {{ rates {{ login = {{ selector = "user";
    bucket = {{ burst = {many}; rate = "{many} / 1h"; }} }} }} }}
modules {{ path = "/usr/share/rspamd/plugins/ratelimit.lua"; }}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: where it listens, and how the driver has to ask it."""

    place: str
    main_pids: tuple[int, ...]
    stop: Callable[[], object]
    options: tuple[str, ...] = ()

    def pids(self) -> list[int]:
        """Its processes and all that they have started."""
        found = list(self.main_pids)
        parents = _parents()
        for pid in found:  # it grows meanwhile
            found += [child for child, parent in parents.items() if parent == pid]
        return found


def _parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return found


def _stop_daemon(pid: int) -> None:
    """End a process that is not our child any more."""
    os.kill(pid, signal.SIGTERM)
    wait_for(f"process {pid} has ended", lambda: not Path(f"/proc/{pid}").exists())


def _start(command: list[str]) -> Server:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)


def _ended(process: Server | None) -> bool:
    return process is not None and process.poll() is not None


def _listening(name: str, port: int, process: Server | None, output: Path | None = None) -> None:
    wait_for(f"{name} listens", lambda: listens(port) or _ended(process))
    if process and _ended(process):
        said = output.read_text(errors="replace") if output and output.exists() else ""
        raise RuntimeError(f"{name} has ended with {process.returncode}: {said[-1000:].strip()}")


class Limit:
    """The least that a server can do, over TCP and over a unix socket."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def tcp(self) -> Running:
        port = free_port()
        process = _start([str(self._program), str(port)])
        _listening("the limit server", port, process)
        return Running(str(port), (process.pid,), lambda: stop(process))

    def unix(self) -> Running:
        path = Path(tempfile.mkdtemp(prefix="sendwarden-limit-")) / "socket"
        process = _start([str(self._program), str(path)])
        wait_for("the limit server listens", path.is_socket)
        return Running(str(path), (process.pid,), lambda: stop(process))


def plain_scan() -> Path:
    """A folder that hides a compiled scan, if .venv has one."""
    folder = Path(tempfile.mkdtemp(prefix="sendwarden-plain-"))
    (folder / "sendwarden_scan.py").write_text("raise ImportError\n")
    return folder


def compiled_scan() -> Path:
    """A folder with the compiled scan."""
    folder = Path(tempfile.mkdtemp(prefix="sendwarden-compiled-"))
    script = Path(__file__).parent.parent / "scripts" / "compile"
    subprocess.run([str(script), str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder


def sendwarden(scan: Path) -> tuple[Running, Running]:
    """One daemon with the scan in that folder; over TCP and over its unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="sendwarden-bench-"))
    port, path = free_port(), folder / "policy"
    listen = LISTEN.format(tcp=f"127.0.0.1:{port}", unix=f"unix:{path}")
    (folder / "sendwarden.toml").write_text(f'state = "var"\n{RULES}\n{listen}')
    program = Path(sys.executable).with_name("sendwarden")
    arguments = ["serve", "--quiet", "--config", str(folder)]
    process = _start(["env", f"PYTHONPATH={scan}", str(program), *arguments])
    _listening("Sendwarden", port, process)
    wait_for("Sendwarden's unix socket", path.is_socket)
    pids = (process.pid,)
    return Running(str(port), pids, lambda: stop(process)), Running(str(path), pids, lambda: None)


class Peer:
    """A peer's space with its settings file, in which {folder}, {port}, {other} and {many} are filled in."""

    def __init__(self, name: str, user: str, text: str) -> None:
        self.name = name
        self.space = Space(name, {user: 61130})
        self.folder = self.space.folder
        self.port, self.other = free_port(), free_port()
        self.settings = self.folder / "settings.yaml"  # policyd-rate-limit goes by the ending
        self.settings.write_text(text.format(folder=self.folder, port=self.port, other=self.other, many=MANY))
        self.space.run("chown", user, str(self.folder))

    def start(self, *command: str) -> Server:
        return self.space.start(*command)

    def listening(self, port: int, process: Server | None = None) -> None:
        """Wait until it listens. Raises `RuntimeError` with what it said if it has ended instead."""
        _listening(self.name, port, process, self.folder / "output")

    def run(self, *command: str) -> Running:
        process = self.start(*command)
        self.listening(self.port, process)
        return Running(str(self.port), (process.pid,), lambda: self.stop(process))

    def stop(self, *processes: Server) -> None:
        for process in processes:
            stop(process)
        self.space.remove()


def postfwd() -> Running:
    rule = "id=LOGINS; sasl_username=~.; action=rate(sasl_username/{many}/3600/450 4.7.1 too many)\n"
    peer = Peer("postfwd", "postfw", rule)
    pid_file = peer.folder / "pid"
    starter = peer.start(
        "postfwd1", "--daemon", "--nodns", "--norulelog", "--stdoutlog", "--interface", "127.0.0.1",
        "--port", str(peer.port), "--user", "postfw", "--group", "postfw",
        "--file", str(peer.settings), "--pidfile", str(pid_file),
    )  # fmt: skip
    starter.wait(30)  # it answers only as a daemon
    peer.listening(peer.port)
    pid = int(pid_file.read_text())

    def stop_it() -> None:
        _stop_daemon(pid)
        peer.stop()

    return Running(str(peer.port), (pid,), stop_it)


def policyd_rate_limit() -> Running:
    peer = Peer("policyd-rate-limit", "policyd-rate-limit", POLICYD_RATE_LIMIT)
    return peer.run("policyd-rate-limit", "--file", str(peer.settings))


def postgrey() -> Running:
    peer = Peer("postgrey", "postgrey", "")
    return peer.run(
        "postgrey", f"--inet=127.0.0.1:{peer.port}", f"--dbdir={peer.folder}", "--user=postgrey",
        "--group=postgrey", "--delay=1", "--quiet", "--hostname=mail.example.org",
    )  # fmt: skip


def gross() -> Running:
    peer = Peer("gross", "gross", GROSS)
    return peer.run("grossd", "-d", "-r", "-u", "gross", "-f", str(peer.settings))


def rspamd() -> Running:
    peer = Peer("rspamd", "_rspamd", RSPAMD)
    redis = peer.start("redis-server", "--bind", "127.0.0.1", "--port", str(peer.other), "--save", "")
    peer.listening(peer.other, redis)
    process = peer.start("rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", str(peer.settings))
    peer.listening(peer.port, process)
    pids = (process.pid, redis.pid)
    return Running(str(peer.port), pids, lambda: peer.stop(process, redis), ("--http",))


# Name -> how to start it.
PEERS: dict[str, Callable[[], Running]] = {
    "postfwd": postfwd,
    "policyd-rate-limit": policyd_rate_limit,
    "postgrey": postgrey,
    "gross": gross,
    "rspamd, HTTP and Redis": rspamd,
}
