"""``sendwarden simulate``: the traffic of a made-up site, with stolen accounts, and the truth beside it."""

import argparse
import json
from collections import Counter
from pathlib import Path

from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.output import Output
from sendwarden.cli.words import one_of
from sendwarden.core.event_line import write_event
from sendwarden.simulate.generate import Plan, simulate
from sendwarden.simulate.world import WORLDS

USERS, DAYS, SEED = 200, 14, 1
# Everything is in memory before the first line is written: about 250 bytes for each account and day.
MOST_ACCOUNT_DAYS = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the events go")
    parser.add_argument("--users", type=int, default=USERS, help=f"accounts; left out, {USERS}")
    parser.add_argument("--days", type=int, default=DAYS, help=f"left out, {DAYS}; none is stolen before 3.5")
    parser.add_argument("--seed", type=int, default=SEED, help="the same seed gives the same events")
    parser.add_argument("--stolen", type=float, default=0.02, help="share of the accounts; left out, 0.02")
    parser.add_argument(
        "--world",
        type=one_of("world", *WORLDS),
        default="ordinary",
        help=f"what differs: {', '.join(WORLDS)}",
    )


def truth_file(events: Path) -> Path:
    """Beside the events: ``mail.jsonl`` has ``mail.truth.jsonl``."""
    return events.with_suffix(f".truth{events.suffix}")


def run(arguments: argparse.Namespace, output: Output) -> int:
    if wrong := _wrong(arguments):
        output.error(wrong)
        return CANNOT
    plan = Plan(arguments.users, arguments.days, arguments.seed, WORLDS[arguments.world], arguments.stolen)
    simulation = simulate(plan)
    truths = truth_file(arguments.out)
    written = 0
    try:
        with arguments.out.open("w", encoding="ascii") as file:
            for event in simulation.events:
                file.write(write_event(event) + "\n")
                written += 1
        with truths.open("w", encoding="ascii") as file:
            file.writelines(json.dumps(truth.record()) + "\n" for truth in simulation.truths)
    except OSError as error:
        output.error(f"{error.filename or arguments.out}: {error.strerror}")
        return CANNOT
    stolen = Counter(truth.attack for truth in simulation.truths if truth.attack)
    output.record({"events": written, "file": str(arguments.out), "truth": str(truths), "stolen": stolen})
    output.line(f"{arguments.out}   {written} events of {plan.users} accounts in {plan.days} days")
    what = ", ".join(f"{count} {attack}" for attack, count in sorted(stolen.items())) or "none"
    output.line(f"{truths}   what they are; stolen: {what}")
    return GOOD


def _wrong(arguments: argparse.Namespace) -> str:
    if arguments.users < 1 or arguments.days < 1:
        return "--users and --days are at least 1"
    if arguments.users * arguments.days > MOST_ACCOUNT_DAYS:
        return f"--users times --days is at most {MOST_ACCOUNT_DAYS}: all of it has to fit into memory"
    if not 0 <= arguments.stolen <= 1:
        return "--stolen is a share from 0 to 1, such as 0.02"
    return ""
