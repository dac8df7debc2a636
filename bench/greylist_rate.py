"""How fast greylisting answers: Sendwarden against the real grossd on the same questions, in one run.

By sjsms (UDP, sjsmsload.c) and by Postfix's protocol (policyload.c, requests of 29 attributes). First neither
asks a DNS list; all triplets have waited, as most mail's have, or are new. Then both ask one, of a real
rbldnsd on this machine, that has none of the clients: 1,000 addresses over and over, or each once. Both write
a line for each answer. They are asked in turn, round by round; ratios are taken within a round, and the
median is shown.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.policy_rate import Driver, compiled
from bench.policy_servers import Running
from tests.servers.grossd import Grossd
from tests.servers.rbldnsd import TEST_ENTRY, Rbldnsd
from tests.servers.sendwarden import Sendwarden
from tests.servers.space import free_port, wait_for

DELAY_S = 1
# What we aim at: requests a second against grossd's.
TARGET_SJSMS, TARGET_POLICY, TARGET_LISTED, TARGET_NEW = 1.2, 8.0, 1.5, 0.7
ADDRESSES = 1000
SOCKETS = (8, 64)
CONNECTIONS = (10, 100)
# Its threads give grossd more of a machine that others use as well; on one core each gets as much.
SERVER_CORE, DRIVER_CORE = 1, 0
GROSSD, OURS = "grossd", "Sendwarden"
# Where the list is, and each of both where it is asked.
AT = "127.0.0.53"
THEIR_LIST = "check = dnsbl\ndnsbl = bl.test\n"
OUR_LIST = f'checks = ["bl"]\n[[dns_list]]\nname = "bl"\nkind = "dnsbl"\nzone = "bl.test"\nservers = "{AT}"\n'
# Answers count for an hour, as those of real lists mostly do.
ZONE = f"$TTL 3600\n$SOA 3600 ns.bl.test. me.bl.test. 0 600 300 86400 3600\n:127.0.0.2:listed\n{TEST_ENTRY}"
HOSTS = {GROSSD: "127.0.0.2", OURS: "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of sjsmsload measured."""

    per_second: float
    cpu_us: float
    lost: int
    letters: dict[str, int]


class Sjsms:
    """sjsmsload against one server."""

    def __init__(self, program: Path, port: int, pid: int, host: str = "127.0.0.1") -> None:
        self._host = host
        self._command = [str(program), "--pid", str(pid)]
        self._pid = pid
        self._port = str(port)

    def pin(self, core: int) -> None:
        """All its threads, and those that they start, on one core."""
        for task in Path(f"/proc/{self._pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})

    def run(self, *options: str, core: int | None = None) -> Load:
        """``core``: the one that the driver runs on."""
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        command = [*pinned, *self._command, *options, self._host, self._port]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        return Load(found["per_second"], found["cpu_us"], found["lost"], found["letters"])


def print_rounds(name: str, found: dict[str, list[Load]], target: float | None) -> None:
    pairs = zip(found[OURS], found[GROSSD], strict=True)
    ratio = statistics.median(ours.per_second / theirs.per_second for ours, theirs in pairs)
    rates = {who: statistics.median(load.per_second for load in loads) for who, loads in found.items()}
    cpu = {who: statistics.median(load.cpu_us for load in loads) for who, loads in found.items()}
    letters = {
        who: "".join(sorted({letter for load in loads for letter in load.letters}))
        for who, loads in found.items()
    }
    lost = {who: sum(load.lost for load in loads) for who, loads in found.items()}
    aim = f"   target {target} x" if target else ""
    print(f"  {name:<28}{ratio:6.2f} x{aim}")
    for who in (GROSSD, OURS):
        said = f"answers {letters[who]}   lost {lost[who]}"
        print(f"    {who:<12}{rates[who]:9.0f}/s   CPU {cpu[who]:6.1f} us   {said}")


def sjsms(servers: dict[str, Sjsms], options: argparse.Namespace) -> None:
    triplets = ("--triplets", str(options.triplets))
    new: dict[str, list[Load]] = {who: [] for who in servers}
    for who, server in servers.items():  # each for the first time
        new[who].append(server.run("--each-once", *triplets))
    print_rounds(f"{options.triplets} new triplets", new, None)
    time.sleep(DELAY_S + 1.2)
    asked = ("--seconds", str(options.seconds), *triplets)
    for some in SOCKETS:
        found = rounds(servers, options.rounds, None, "--sockets", str(some), *asked)
        print_rounds(f"{some} questions at a time", found, TARGET_SJSMS)
    for server in servers.values():
        server.pin(SERVER_CORE)
    for some in SOCKETS:
        found = rounds(servers, options.rounds, DRIVER_CORE, "--sockets", str(some), *asked)
        print_rounds(f"{some}, a core for each server", found, TARGET_SJSMS)


def listed(servers: dict[str, Sjsms], options: argparse.Namespace) -> None:
    """Of all clients a list is asked that has none of them: grossd asks it each time."""
    new: dict[str, list[Load]] = {who: [] for who in servers}
    for who, server in servers.items():
        new[who].append(server.run("--each-once", "--triplets", str(options.triplets)))
    print_rounds(f"a list, {options.triplets} new addresses", new, TARGET_NEW)
    asked = ("--seconds", str(options.seconds), "--triplets", str(ADDRESSES))
    for some in SOCKETS:
        found = rounds(servers, options.rounds, None, "--sockets", str(some), *asked)
        print_rounds(f"a list, {ADDRESSES} addresses, {some}", found, TARGET_LISTED)


def rounds(servers: dict[str, Sjsms], count: int, core: int | None, *asked: str) -> dict[str, list[Load]]:
    found: dict[str, list[Load]] = {who: [] for who in servers}
    for _ in range(count):
        for who, server in servers.items():
            found[who].append(server.run(*asked, core=core))
    return found


def policy(servers: dict[str, Running], program: Path, options: argparse.Namespace) -> None:
    accounts = ("--accounts", "1000")
    fill = Driver(program, [])
    for server in servers.values():
        fill.run(server, "--each-once", *accounts, "--recipients", "2")
    time.sleep(DELAY_S + 1.2)
    load = Driver(program, [*accounts, "--seconds", str(options.seconds), "--recipients", "1"])
    for some in CONNECTIONS:
        found: dict[str, list[Load]] = {who: [] for who in servers}
        for _ in range(options.rounds):
            for who, server in servers.items():
                got = load.run(server, "--connections", str(some))
                found[who].append(Load(got.per_second, got.cpu_us, got.reconnects, got.replies))
        print_rounds(f"policy, {some} connections", found, TARGET_POLICY)


@contextmanager
def both(
    settings: str, ours: str, host: str = "127.0.0.1"
) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Ports and process numbers of a grossd and a Sendwarden with the same settings."""
    with ExitStack() as close:
        grossd = Grossd(f"grey_delay = {DELAY_S}\n{settings}", AT, host)
        close.callback(grossd.stop)
        port = free_port()
        table = f'[greylist]\nlisten = "127.0.0.1:{port}"\ndelay = "{DELAY_S}s"\nexempt_recipients = []\n'
        sendwarden = Sendwarden(f'mode = "enforce"\n{table}{ours}')
        close.callback(sendwarden.stop)
        if ours:
            wait_for("the list is tested", lambda: sendwarden.events("dns-list"))
        pids = {GROSSD: grossd.process.pid, OURS: sendwarden.process.pid}
        yield {GROSSD: grossd.port, OURS: port}, pids


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.greylist_rate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--triplets", type=int, default=20_000)
    parser.add_argument("--part", choices=("policy", "sjsms", "lists"), action="append")
    options = parser.parse_args()
    parts = options.part or ["policy", "sjsms", "lists"]
    with tempfile.TemporaryDirectory(prefix="sendwarden-greylist-") as made:
        folder = Path(made)
        load, policyload = compiled(folder, "sjsmsload"), compiled(folder, "policyload")
        print("greylisting, Sendwarden against grossd")
        print(f"  {options.rounds} rounds of {options.seconds:g} s, the median")
        with both("", "") as (ports, pids):
            running = {who: Running(str(ports[who]), (pids[who],), lambda: None) for who in ports}
            if "policy" in parts:
                policy(running, policyload, options)
            if "sjsms" in parts:
                sjsms({who: Sjsms(load, ports[who], pids[who]) for who in ports}, options)
        if "lists" not in parts:
            return
        rbldnsd = Rbldnsd({"bl.test": [("ip4set", ZONE)]}, AT, 53)
        try:
            with both(THEIR_LIST, OUR_LIST, "127.0.0.2") as (ports, pids):
                listed({who: Sjsms(load, ports[who], pids[who], HOSTS[who]) for who in ports}, options)
        finally:
            rbldnsd.remove()


if __name__ == "__main__":
    main()
