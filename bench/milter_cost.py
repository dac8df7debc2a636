"""Messages per CPU second through the milter with the document's filter, table and meter, against pymilter.

Rounds of both alternate, so that what else the machine does hits both alike. CPU time is the server process's
own, user and system, from /proc.
"""

import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.milter_load import HEADERS, Connection, send
from tests.servers.sendwarden import Sendwarden, example
from tests.servers.space import SERVERS, free_port, listens, stop, wait_for

ROUNDS = 5
MESSAGES = 4000
CONNECTIONS = (20, 1)
UNMARKED, MARKED = "Sendwarden, authspam, unmarked", "Sendwarden, authspam, marked as spam"
KINDS = ("answers", "quiet", "asleep")  # of pymilter_idle
TICKS = os.sysconf("SC_CLK_TCK")

SETTINGS = """
mode = "enforce"
[[channel]]
name = "submission"
limits = "unlimited"
login = true
sourcefilter = "file:IMTA_TABLE:authspam.filter"
"""
# The document's table, wide enough that nothing is refused: the whole way is gone for each message.
WIDE = "metermaid.table.limitauthspam.quota = 100000\n"
SPAM = (*HEADERS[:-1], ("X-Spam-Score-Internal", "****"))


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def one_round(port: int, pid: int, headers: tuple[tuple[str, str], ...], at_a_time: int) -> float:
    """CPU microseconds a message, with so many connections at a time."""
    connections = [Connection(port) for _ in range(at_a_time)]
    before = cpu_s(pid)
    send(connections, MESSAGES, headers)
    used = cpu_s(pid) - before
    for connection in connections:
        connection.close()
    return used / MESSAGES * 1e6


class Peer:
    """pymilter in one of the forms of `pymilter_idle`."""

    def __init__(self, kind: str) -> None:
        root = SERVERS / "pymilter"
        self.port = free_port()
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(Path(__file__).with_name("pymilter_idle.py")), str(self.port), kind],
            env={
                "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
                "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu"),
            },
            stdout=sys.stderr,
        )
        wait_for("pymilter listens", lambda: listens(self.port))


def measured(close: ExitStack) -> dict[tuple[str, int], float]:
    """Start them all; for each, and for so many connections at a time, the median of CPU us a message."""
    runs = {}
    for kind in KINDS:
        peer = Peer(kind)
        close.callback(stop, peer.process)
        runs[f"pymilter doing nothing, {kind}"] = (peer.port, peer.process.pid, HEADERS)
    files = example("authspam")
    files["metermaid.options"] += WIDE
    sendwarden = Sendwarden(SETTINGS, files)
    close.callback(sendwarden.stop)
    ours = (sendwarden.milter, sendwarden.process.pid)
    runs[UNMARKED] = (*ours, HEADERS)
    runs[MARKED] = (*ours, SPAM)
    figures: dict[tuple[str, int], list[float]] = {(name, some): [] for some in CONNECTIONS for name in runs}
    for _ in range(ROUNDS):
        for (name, some), found in figures.items():
            found.append(one_round(*runs[name], some))
    return {which: statistics.median(found) for which, found in figures.items()}


def main() -> None:
    with ExitStack() as close:
        medians = measured(close)
    for some in CONNECTIONS:
        print(f"milter, {some} connections at a time; CPU us a message, median of {ROUNDS} x {MESSAGES}")
        for (name, at_a_time), own in medians.items():
            if at_a_time == some:
                print(f"  {name:<40} {own:4.0f}")
        print("  messages per CPU second, ours against pymilter's (target 3):")
        for kind in KINDS:
            theirs = medians[f"pymilter doing nothing, {kind}", some]
            unmarked, marked = (theirs / medians[name, some] for name in (UNMARKED, MARKED))
            print(f"    {kind:<8} unmarked {unmarked:.1f} x   marked as spam {marked:.1f} x")


if __name__ == "__main__":
    main()
