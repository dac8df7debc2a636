"""Lines a second of Postfix's log to events, against pflogsumm on the same file.

Ours is the command's own way: lines of the file, records, events joined by queue id, and each event written as a
line of JSON into nothing. pflogsumm reads the same file and counts; its output goes nowhere too. CPU time
of each process from its start to its end, in turns; the ratio is the median of the ratios within a round. With
``--lines 10000000`` the memory of ours at its end shows that it is bounded.
"""

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.pflogsumm import COMMAND, ENVIRONMENT

ROUNDS = 5
LINES_OF_A_MESSAGE = 7.6
STATUSES = (
    ("2.0.0", "sent", "250 2.0.0 Ok: queued as 7F{0:08X}"),
    ("5.1.1", "bounced", "host mx.d{1}.example[192.0.2.7] said: 550 5.1.1 <u{1}@d{1}.example>: Recipient address "
     "rejected: User unknown in virtual mailbox table (in reply to RCPT TO command)"),
    ("4.4.1", "deferred", "connect to mx.d{1}.example[192.0.2.7]:25: Connection timed out"),
)  # fmt: skip


def message(number: int, chance: random.Random) -> Iterator[str]:
    """What one message of one to three recipients leaves behind."""
    second, queue_id = number // 3, f"{0x4000000000 + number * 7919:X}"
    day, hour, minute = 1 + second // 86400 % 28, second // 3600 % 24, second // 60 % 60
    head = f"Nov {day:2} {hour:02}:{minute:02}:{second % 60:02} mx1 postfix"
    pid, account, recipients = 1000 + number % 40, chance.randrange(500), chance.choice([1, 1, 1, 2, 3])
    client = f"h{account}.example.net[198.51.100.{account % 250}]"
    smtpd, qmgr = f"{head}/submission/smtpd[{pid}]:", f"{head}/qmgr[900]:"
    yield f"{smtpd} connect from {client}"
    yield f"{smtpd} {queue_id}: client={client}, sasl_method=PLAIN, sasl_username=user{account}@example.org"
    yield f"{head}/cleanup[{pid + 100}]: {queue_id}: message-id=<{number}.abc@h.example.net>"
    size = chance.randrange(900, 90000)
    yield f"{qmgr} {queue_id}: from=<user{account}@example.org>, size={size}, nrcpt={recipients} (queue active)"
    yield f"{smtpd} disconnect from {client} ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8"
    for _ in range(recipients):
        domain = chance.randrange(3000)
        dsn, status, said = chance.choices(STATUSES, (90, 5, 5))[0]
        relay = f"relay=mx.d{domain}.example[192.0.2.7]:25, delay=1.2, delays=0.1/0.01/0.5/0.6"
        reason = said.format(number, domain)
        yield (
            f"{head}/smtp[{pid + 200}]: {queue_id}: to=<u{domain}@d{domain}.example>, {relay}, dsn={dsn}, "
            f"status={status} ({reason})"
        )
    yield f"{qmgr} {queue_id}: removed"


def written(path: Path, lines: int) -> int:
    """A log of about so many lines; gives how many."""
    chance, count = random.Random(1), 0
    with path.open("w") as file:
        for number in range(int(lines / LINES_OF_A_MESSAGE)):
            made = list(message(number, chance))
            count += len(made)
            file.write("\n".join([*made, ""]))
    return count


def cpu_s(command: list[str], environment: dict[str, str]) -> float:
    """CPU time of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "mail.log"
        lines = written(log, arguments.lines)
        reads = [sys.executable, "-m", "sendwarden", "log", "read", str(log)]
        rates: dict[str, list[float]] = {"pflogsumm": [], "summary": [], "events as JSON": []}
        commands = (
            ("summary", reads, dict(os.environ)),
            ("events as JSON", [*reads, "--json"], dict(os.environ)),
            ("pflogsumm", [*COMMAND, str(log)], ENVIRONMENT),
        )
        for _ in range(arguments.rounds):
            for name, command, environment in commands:
                rates[name].append(lines / cpu_s(command, environment))
    print(f"Postfix's log, {lines} lines, {arguments.rounds} rounds (median), lines a CPU second:")
    for name, found in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(found, rates["pflogsumm"], strict=True)]
        print(f"  {name:<16} {statistics.median(found):9.0f}   of pflogsumm {statistics.median(ratios):.2f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"  most memory of a process: {peak:.0f} MiB; target: at least 1.00 x pflogsumm")


if __name__ == "__main__":
    main()
