"""How fast policy requests are answered: Sendwarden against a server that does nothing, and its peers.

All servers run at once and are asked in turn, round by round, so that what else the machine does hits all
alike. Ratios are taken within a round, and the median over the rounds is shown. What is asked stands in
policyload.c.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.policy_servers import PEERS, Limit, Running, compiled_scan, plain_scan, sendwarden

CONNECTIONS = (10, 100)
# Ratio of requests a second that we aim at, against each; the limit's is meant at 100 connections.
TARGETS = {"postfwd": 15, "policyd-rate-limit": 25, "postgrey": 25, "gross": 8}
TARGET_OF_LIMIT, TARGET_COMPILED = 0.5, 0.65

LIMIT, LIMIT_UNIX = "the limit, TCP", "the limit, unix"
OURS, OURS_UNIX = "Sendwarden, TCP", "Sendwarden, unix"
# With the optional scan in C (scripts/compile).
OURS_C, OURS_C_UNIX = "Sendwarden and C, TCP", "Sendwarden and C, unix"
GREYLISTS = ("postgrey", "gross")
GREYLISTED_S = 1.5  # the greylists are told to wait for one second
IN_MEMORY = (OURS, OURS_C, "postfwd", "rspamd, HTTP and Redis")  # what they know of an account
NO_COMPILER = "bench.policy_rate needs a C compiler, and there is no cc here:  apt install gcc libc6-dev"


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the driver measured. Latencies in microseconds."""

    per_second: float
    cpu_us: float
    p50_us: float
    p99_us: float
    max_us: float
    rss_before_kib: int
    rss_after_kib: int
    reconnects: int
    stalled: bool
    replies: dict[str, int]


class Driver:
    """policyload, with what all its runs have in common."""

    def __init__(self, program: Path, common: Iterable[str]) -> None:
        self._program = program
        self._common = list(common)

    def run(self, server: Running, *options: str) -> Load:
        pids = [word for pid in server.pids() for word in ("--pid", str(pid))]
        command = [str(self._program), *self._common, *server.options, *pids, *options, server.place]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        return Load(**{name: found[name] for name in Load.__slots__})


def compiled(folder: Path, name: str) -> Path:
    if not (cc := shutil.which("cc")):
        sys.exit(NO_COMPILER)
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([cc, "-O2", "-Wall", "-Wextra", "-o", str(folder / name), str(source), "-lm"], check=True)
    return folder / name


def started(limit: Limit, peers: Iterable[str], close: ExitStack) -> dict[str, Running]:
    """Start all; a peer that cannot run here is named and left out."""
    servers = {LIMIT: limit.tcp(), LIMIT_UNIX: limit.unix()}
    servers[OURS], servers[OURS_UNIX] = sendwarden(plain_scan())
    servers[OURS_C], servers[OURS_C_UNIX] = sendwarden(compiled_scan())
    for server in servers.values():
        close.callback(server.stop)
    for name in peers:
        try:
            servers[name] = PEERS[name]()
        except (AssertionError, OSError, RuntimeError) as error:
            print(f"  {name} does not run here: {error}")
        else:
            close.callback(servers[name].stop)
    return servers


def filled(driver: Driver, servers: dict[str, Running], accounts: int) -> None:
    """Every account has written; for greylists to both of its correspondents, and again when they let it."""
    fill = ("--each-once", "--accounts", str(accounts))
    greylists = [servers[name] for name in GREYLISTS if name in servers]
    for greylist in greylists:
        driver.run(greylist, *fill, "--recipients", "2")
    begun = time.monotonic()
    for name in IN_MEMORY:
        if name in servers:
            driver.run(servers[name], *fill)
    time.sleep(max(0, begun + GREYLISTED_S - time.monotonic()))
    for greylist in greylists:
        driver.run(greylist, *fill, "--recipients", "2")


Rounds = dict[tuple[str, int], list[Load]]


def measured(driver: Driver, servers: dict[str, Running], rounds: int) -> Rounds:
    found: Rounds = {(name, some): [] for some in CONNECTIONS for name in servers}
    for _ in range(rounds):
        for (name, some), loads in found.items():
            loads.append(driver.run(servers[name], "--connections", str(some)))
    return found


def ratio(found: Rounds, some: int, name: str, other: str) -> float:
    """Requests a second of one against the other's in the same round, the median."""
    pairs = zip(found[name, some], found[other, some], strict=True)
    return statistics.median(one.per_second / its.per_second for one, its in pairs)


def median(loads: list[Load], field: str) -> float:
    return float(statistics.median(getattr(load, field) for load in loads))


def answers(loads: list[Load]) -> str:
    """The words of the answers, the commonest first, and whatever was not as it should be."""
    words: dict[str, int] = {}
    for load in loads:
        for word, count in load.replies.items():
            words[word] = words.get(word, 0) + count
    said = ", ".join(sorted(words, key=lambda word: -words[word]))
    reconnects = sum(load.reconnects for load in loads)
    return (
        said
        + (f"; {reconnects} connections lost" if reconnects else "")
        + ("; stopped answering" if any(load.stalled for load in loads) else "")
    )


def print_rounds(found: Rounds) -> None:
    for some in CONNECTIONS:
        print(f"  {some} connections        of the limit  CPU us  p50 ms  p99 ms  max ms     MiB  answers")
        for name in [name for name, connections in found if connections == some]:
            loads = found[name, some]
            limit = LIMIT_UNIX if name.endswith("unix") else LIMIT
            worst = max(load.max_us for load in loads)
            memory = max(load.rss_after_kib for load in loads)
            print(
                f"    {name:<24}"
                f"{ratio(found, some, name, limit):9.3f}"
                f"{median(loads, 'cpu_us'):8.1f}"
                f"{median(loads, 'p50_us') / 1e3:8.2f}"
                f"{median(loads, 'p99_us') / 1e3:8.2f}"
                f"{worst / 1e3:8.1f}"
                f"{memory / 1024:8.1f}"
                f"  {answers(loads)}"
            )


def print_targets(found: Rounds) -> None:
    print("  Sendwarden's requests a second against those of:   10    100 connections")
    for name, ours, target in (
        (LIMIT, OURS, TARGET_OF_LIMIT),
        (LIMIT_UNIX, OURS_UNIX, TARGET_OF_LIMIT),
        (LIMIT, OURS_C, TARGET_COMPILED),
        (LIMIT_UNIX, OURS_C_UNIX, TARGET_COMPILED),
    ):
        few, many = (ratio(found, some, ours, name) for some in CONNECTIONS)
        scan = "   compiled scan" if target == TARGET_COMPILED else ""
        print(f"    {name:<24} {few:27.2f}{many:7.2f}   target {target} at 100{scan}")
    for name in PEERS:
        if (name, CONNECTIONS[0]) in found:
            few, many = (ratio(found, some, OURS, name) for some in CONNECTIONS)
            aim = f"target {TARGETS[name]} x" if name in TARGETS else "no target"
            print(f"    {name:<24} {few:26.1f}x{many:6.1f}x   {aim}")


def run_with(
    accounts: int, peers: Iterable[str], limit: Limit, program: Path, options: argparse.Namespace
) -> None:
    """All of it with so many accounts, every server started anew."""
    shape = ["--accounts", str(accounts), "--seconds", str(options.seconds)]
    shape += ["--end-of-message"] * options.end_of_message
    load = Driver(program, [*shape, "--recipients", str(options.recipients)])
    print(
        f"policy, {accounts} accounts, messages of {options.recipients}; "
        f"{options.rounds} rounds of {options.seconds:g} s: median, worst of max and MiB"
    )
    with ExitStack() as close:
        servers = started(limit, peers, close)
        empty = {name: load.run(server, "--key-flood", "1").rss_after_kib for name, server in servers.items()}
        filled(Driver(program, []), servers, accounts)
        found = measured(load, servers, options.rounds)
        print_rounds(found)
        print_targets(found)
        grown = found[OURS, CONNECTIONS[-1]][-1].rss_after_kib - empty[OURS]
        print(
            f"  Sendwarden's memory: {empty[OURS] / 1024:.1f} MiB empty, {grown / 1024:+.1f} MiB at the end"
        )
        if options.key_flood:
            flood = load.run(servers[OURS], "--connections", "100", "--key-flood", str(options.key_flood))
            print(
                f"  {options.key_flood} logins that nobody has, each once: "
                f"memory {(flood.rss_after_kib - flood.rss_before_kib) / 1024:+.1f} MiB, "
                f"p99 {flood.p99_us / 1e3:.2f} ms, max {flood.max_us / 1e3:.1f} ms, {answers([flood])}"
            )


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.policy_rate", description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=3, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipients", type=int, default=1, help="RCPT requests a message")
    parser.add_argument("--end-of-message", action="store_true", help="and one at its end")
    parser.add_argument("--key-flood", type=int, default=100_000, help="logins that nobody has; 0: none")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument(
        "--fill-peers", action="store_true", help="peers too with more than 10000 accounts: slow"
    )
    parser.add_argument("--tmpfs", action="store_true", help="nobody waits for the disk: all files in memory")
    return parser.parse_args(words)


def lay_in_memory(folder: str) -> None:
    """Nothing below it waits for a disk; gone with our mount namespace."""
    if os.environ.get("SENDWARDEN_NAMESPACE") != "yes":
        sys.exit("--tmpfs only within scripts/namespace")
    subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "tmpfs", folder], check=True)


def main() -> None:
    options = parsed(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="sendwarden-policy-") as made, ExitStack() as close:
        if options.tmpfs:
            lay_in_memory(made)
            close.callback(subprocess.run, ["/usr/bin/umount", "--lazy", made], check=True)
        folder = Path(made)
        folder.chmod(0o755)  # the peers are users of their own
        tempfile.tempdir = made  # for the folders of all servers
        program, limit = compiled(folder, "policyload"), Limit(compiled(folder, "limit"))
        for accounts in options.accounts:
            few = accounts <= 10_000 or options.fill_peers
            run_with(accounts, options.peers if few else (), limit, program, options)


if __name__ == "__main__":
    main()
