"""How good the detection is: recall by attack, false alarms by archetype, what got out before.

    python -m bench.detection_quality --write docs/detection-quality.md

All methods see the same events; nothing was tuned on the seeds that are used here. Intervals are
Wilson's, 95 %.
"""

import argparse
import gc
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from ipaddress import ip_network
from pathlib import Path

from bench.detection_baselines import BASELINES
from bench.detection_report import DAYS, OURS, Found, Theft, report
from sendwarden.core.account import State
from sendwarden.core.event import SubmissionEvent
from sendwarden.core.identity import IdentityRules
from sendwarden.detect.families import WORDS
from sendwarden.detect.machine import Machine
from sendwarden.detect.site import SiteContext
from sendwarden.detect.states import RANK
from sendwarden.service.replay import Account, Replay
from sendwarden.simulate.draft import Truth
from sendwarden.simulate.generate import Plan, simulate
from sendwarden.simulate.world import SITE_DOMAIN, WORLDS

SEEDS = (101, 102, 103, 104, 105)
USERS = 1000
INTERNAL = (ip_network("10.0.0.0/8"),)


def run(job: tuple[str, int, int, int]) -> dict[str, Found]:
    """All methods on one site: (world, seed, users, days)."""
    world, seed, users, days = job
    gc.disable()  # nothing here goes round in a circle, and the simulator makes millions of objects
    simulation = simulate(Plan(users, days, seed, WORLDS[world]))
    events = list(simulation.events)
    sent = {event.message: event for event in events if isinstance(event, SubmissionEvent)}
    replay = Replay(Machine(SiteContext(b"bench", (SITE_DOMAIN,), INTERNAL)), IdentityRules())
    for _change in replay.changes(events):
        pass
    results = {OURS: _ours(replay, simulation.truths, sent, days)}
    exempt = frozenset(truth.account for truth in simulation.truths if truth.archetype == "newsletter")
    for name, baseline in BASELINES.items():
        flagged = baseline(events, exempt)
        results[name] = _theirs(flagged, simulation.truths, sent, days)
    gc.enable()
    return results


def _ours(replay: Replay, truths: Sequence[Truth], sent: dict[str, SubmissionEvent], days: int) -> Found:
    found = Found(days=days)
    for truth in truths:
        account = replay.accounts.get(truth.account) or Account(truth.account)
        since = truth.compromised_from
        found.accounts[truth.archetype] += 1
        early = [change for change in account.changes if since is None or change.at < since]
        worst = max((RANK[change.after] for change in early), default=0)
        for state, counter in (
            (State.WATCHED, found.watched),
            (State.THROTTLED, found.throttled),
            (State.HELD, found.held),
        ):
            counter[truth.archetype] += worst >= RANK[state]
        if since is None:
            if account.waiting:
                found.longest_delay_s = max(found.longest_delay_s, account.waiting.longest_s)
            continue
        held = [c for c in account.changes if RANK[c.after] >= RANK[State.HELD] and c.at >= since]
        theft = _theft(truth, sent, held[0].at if held else None)
        theft.leading = WORDS[held[0].why.families[0].family] if held else ""
        got = account.waiting.got if account.waiting else Counter[str]()
        for message in _before(truth, sent, held[0].at if held else None):
            theft.got_before += got[message.message] if message.message in got else len(message.recipients)
        found.thefts.append(theft)
    return found


def _theirs(
    flagged: dict[str, list[float]], truths: Sequence[Truth], sent: dict[str, SubmissionEvent], days: int
) -> Found:
    found = Found(days=days)
    for truth in truths:
        since, times = truth.compromised_from, flagged.get(truth.account, [])
        found.accounts[truth.archetype] += 1
        found.held[truth.archetype] += any(since is None or at < since for at in times)
        if since is not None:
            theft = _theft(truth, sent, next((at for at in times if at >= since), None))
            theft.got_before = theft.recipients_before
            found.thefts.append(theft)
    return found


def _before(truth: Truth, sent: dict[str, SubmissionEvent], held: float | None) -> list[SubmissionEvent]:
    spam = [sent[message] for message in truth.spam]
    return [message for message in spam if held is None or message.at < held]


def _theft(truth: Truth, sent: dict[str, SubmissionEvent], held: float | None) -> Theft:
    before = _before(truth, sent, held)
    theft = Theft(truth.attack or "", bool(truth.scored), held is not None)
    theft.messages_before = len(before)
    theft.recipients_before = sum(len(message.recipients) for message in before)
    theft.recipients = sum(len(sent[message].recipients) for message in truth.spam)
    if held is not None:
        theft.minutes = max(0.0, held - sent[truth.spam[0]].at) / 60
    return theft


def measure(jobs: Sequence[tuple[str, int, int, int]], processes: int) -> dict[str, dict[str, Found]]:
    """All jobs; by world and method."""
    pooled: dict[str, dict[str, Found]] = {}
    with ProcessPoolExecutor(processes, max_tasks_per_child=1) as pool:
        for job, results in zip(jobs, pool.map(run, jobs), strict=True):
            into = pooled.setdefault(job[0], {})
            for name, found in results.items():
                into.setdefault(name, Found(days=job[3])).add(found)
            print(f"  {job[0]}, seed {job[1]}: done", flush=True)
    return pooled


BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--worlds", nargs="*", default=[name for name in WORLDS if name != "ordinary"])
    parser.add_argument("--world-seeds", type=int, default=2, help="how many of the seeds in other worlds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", type=Path, help="put the figures into this page, between its marks")
    arguments = parser.parse_args()
    size = (arguments.users, arguments.days)
    jobs = [("ordinary", seed, *size) for seed in arguments.seeds]
    jobs += [
        (world, seed, *size)
        for world in arguments.worlds
        for seed in arguments.seeds[: arguments.world_seeds]
    ]
    lines = report(measure(jobs, arguments.processes), arguments.seeds, *size)
    print("\n".join(lines))
    if arguments.write:
        page = arguments.write.read_text()
        head, _mark, rest = page.partition(BEGIN)
        tail = rest.partition(END)[2]
        arguments.write.write_text(f"{head}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{tail}")


if __name__ == "__main__":
    main()
