"""How good the detection is: recall by attack, false alarms by archetype, what got out before.

    python -m bench.detection_quality --write docs/detection-quality.md

All methods see the same events; nothing was tuned on the seeds that are used here. Intervals are
Wilson's, 95 %.
"""

import argparse
import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_network
from math import sqrt
from pathlib import Path

from bench.detection_baselines import BASELINES
from sendwarden.core.account import State
from sendwarden.core.event import SubmissionEvent
from sendwarden.core.identity import IdentityRules
from sendwarden.detect.families import WORDS
from sendwarden.detect.machine import Machine
from sendwarden.detect.site import SiteContext
from sendwarden.detect.states import RANK
from sendwarden.service.replay import Account, Replay
from sendwarden.simulate.archetypes import ARCHETYPES
from sendwarden.simulate.attacks import ATTACKS
from sendwarden.simulate.draft import Truth
from sendwarden.simulate.generate import Plan, simulate
from sendwarden.simulate.world import SITE_DOMAIN, WORLDS

SEEDS = (101, 102, 103, 104, 105)
USERS, DAYS = 1000, 14
INTERNAL = (ip_network("10.0.0.0/8"),)
NEVER_HELD = ("newsletter", "professor", "mail-merge", "forwarder", "helpdesk")
# Stolen accounts in a week in real life, for precision.
BASE_RATE = 1e-4
OURS = "Sendwarden"


@dataclass(slots=True)
class Theft:
    """One stolen account and what a method made of it. ``before``: spam messages, recipients, until held."""

    attack: str
    scored: bool
    held: bool
    minutes: float = 0.0  # from the first spam message
    messages_before: int = 0
    recipients_before: int = 0
    got_before: int = 0  # recipients, with the probe hold
    recipients: int = 0
    leading: str = ""


@dataclass(slots=True)
class Found:
    """One method on one simulated site."""

    thefts: list[Theft] = field(default_factory=list)
    accounts: Counter[str] = field(default_factory=Counter)  # by archetype
    held: Counter[str] = field(default_factory=Counter)  # innocents, or before they were stolen
    throttled: Counter[str] = field(default_factory=Counter)
    watched: Counter[str] = field(default_factory=Counter)
    longest_delay_s: float = 0.0
    days: int = DAYS

    def add(self, other: "Found") -> None:
        self.thefts += other.thefts
        for mine, theirs in (
            (self.accounts, other.accounts),
            (self.held, other.held),
            (self.throttled, other.throttled),
            (self.watched, other.watched),
        ):
            mine.update(theirs)
        self.longest_delay_s = max(self.longest_delay_s, other.longest_delay_s)

    @property
    def months(self) -> float:
        """Thousands of user months."""
        return self.accounts.total() * self.days / 30 / 1000


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


# --- figures


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Lower and upper end of the interval of a share."""
    if not count:
        return 0.0, 1.0
    share = hits / count
    middle = share + z * z / (2 * count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)
    return max(0.0, low), min(1.0, high)


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def share_of(hits: int, count: int) -> str:
    low, high = wilson(hits, count)
    if not count:
        return "-"
    return f"{hits} of {count} = {100 * hits / count:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def summary(found: Found) -> list[str]:
    """Cells of one method."""
    thefts, months = found.thefts, found.months
    held = [theft for theft in thefts if theft.held]
    false = found.held.total()
    weekly = false / months / 1000 * 7 / 30 if months else 0.0
    recall = len(held) / len(thefts) if thefts else 0.0
    precision = recall * BASE_RATE / (recall * BASE_RATE + weekly) if recall else 0.0
    total = sum(theft.recipients for theft in thefts) or 1
    return [
        share_of(len(held), len(thefts)),
        f"{false / months:.1f}",
        f"{100 * precision:.1f} %" if false else "no false alarm",
        (
            f"{quantile((t.messages_before for t in thefts), 0.5):.0f} / "
            f"{quantile((t.messages_before for t in thefts), 0.9):.0f}"
        ),
        f"{quantile((t.recipients_before for t in thefts), 0.5):.0f}",
        f"{quantile((t.got_before for t in thefts), 0.5):.0f}",
        f"{100 * sum(t.got_before for t in thefts) / total:.1f} %",
        f"{quantile((t.minutes for t in held), 0.5):.1f} / {quantile((t.minutes for t in held), 0.9):.0f}",
    ]


SUMMARY = (
    "recall at held",
    "innocents held, per 1000 users and month",
    "precision in life",
    "spam messages before held, median / p90",
    "spam recipients before, median",
    "with the probe hold",
    "of all spam recipients",
    "minutes to held, median / p90",
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def report(worlds: dict[str, dict[str, Found]], seeds: Sequence[int], users: int, days: int) -> list[str]:
    ordinary = worlds["ordinary"]
    ours = ordinary[OURS]
    lines = [
        f"{users} users, {days} days, 2 % stolen; seeds {', '.join(map(str, seeds))}.",
        "",
        "### All methods on the same events",
        "",
        *table(("method", *SUMMARY), ([name, *summary(found)] for name, found in ordinary.items())),
        "",
        "### Against the targets",
        "",
        *table(("measure", "target", "found", ""), targets(ours)),
        "",
        "### By attack",
        "",
        *table(
            (
                "attack",
                "recall at held",
                "messages before, median / p90",
                "with the probe hold, recipients",
                "leads",
            ),
            by_attack(ours),
        ),
        "",
        "### Scored and unscored attacks",
        "",
        *table(("", *SUMMARY), split(ours)),
        "",
        "### Innocents by archetype",
        "",
        *table(("archetype", "held", "throttled", "watched"), by_archetype(ours)),
        "",
        "### Other worlds",
        "",
    ]
    head = ("world", "seeds", *SUMMARY, "throttled")
    rows = []
    for world, found in worlds.items():
        mine = found[OURS]
        count = round(mine.accounts.total() / users)
        throttled = f"{mine.throttled.total() / mine.months:.1f}"
        rows.append([world, str(count), *summary(mine), throttled])
    return [*lines, *table(head, rows)]


def targets(found: Found) -> list[list[str]]:
    """The targets, and whether each is met."""
    thefts = found.thefts
    held = [theft for theft in thefts if theft.held]
    scored = [theft for theft in thefts if theft.scored]
    by = defaultdict(list)
    for theft in thefts:
        by[theft.attack].append(theft.held)
    worst = min((sum(each) / len(each), name) for name, each in by.items() if name != "lateral-phishing")
    lateral = by.get("lateral-phishing", [True])
    total = sum(theft.recipients for theft in thefts) or 1
    never = sum(found.held[name] for name in NEVER_HELD)

    def row(measure: str, target: str, value: float, met: bool, shown: str = "") -> list[str]:  # noqa: FBT001
        return [measure, target, shown or f"{value:.1f}", "met" if met else "**missed**"]

    recall = 100 * len(held) / len(thefts)
    months = found.months
    out = 100 * sum(theft.got_before for theft in thefts) / total
    median = quantile((t.messages_before for t in scored), 0.5)
    ninety = quantile((t.messages_before for t in scored), 0.9)
    median_got = quantile((t.got_before for t in thefts), 0.5)
    minutes, hours = quantile((t.minutes for t in held), 0.5), quantile((t.minutes for t in held), 0.9)
    throttled = found.throttled.total() / months
    return [
        row("recall", ">= 95 %", recall, recall >= 95),
        row(
            "the worst attack but lateral",
            ">= 90 %",
            100 * worst[0],
            worst[0] >= 0.9,
            f"{100 * worst[0]:.0f} ({worst[1]})",
        ),
        row(
            "lateral phishing",
            ">= 70 %",
            100 * sum(lateral) / len(lateral),
            sum(lateral) >= 0.7 * len(lateral),
        ),
        row(
            "innocents held, per 1000 and month",
            "<= 2",
            found.held.total() / months,
            found.held.total() <= 2 * months,
        ),
        row("of these newsletters, class lists, mail merge, forwarders, helpdesk", "0", never, not never),
        row("innocents throttled, per 1000 and month", "<= 10", throttled, throttled <= 10),
        row("longest delay, minutes", "< 30", found.longest_delay_s / 60, found.longest_delay_s < 1800),
        row("spam messages before held, scored attacks, median", "<= 2", median, median <= 2),
        row("the same, p90", "<= 15", ninety, ninety <= 15),
        row("spam recipients before held, median, with the probe hold", "<= 6", median_got, median_got <= 6),
        row("of all spam recipients, %", "<= 2", out, out <= 2),
        row("minutes from the first spam to held, median", "<= 5", minutes, minutes <= 5),
        row("the same, p90", "<= 120", hours, hours <= 120),
    ]


def by_attack(found: Found) -> list[list[str]]:
    rows = []
    for attack in ATTACKS:
        thefts = [theft for theft in found.thefts if theft.attack == attack.name]
        leads = Counter(theft.leading for theft in thefts if theft.held).most_common(2)
        rows.append(
            [
                attack.name,
                share_of(sum(theft.held for theft in thefts), len(thefts)),
                (
                    f"{quantile((t.messages_before for t in thefts), 0.5):.0f} / "
                    f"{quantile((t.messages_before for t in thefts), 0.9):.0f}"
                ),
                f"{quantile((t.got_before for t in thefts), 0.5):.0f}",
                ", ".join(f"{name} {count}" for name, count in leads),
            ]
        )
    return rows


def split(found: Found) -> list[list[str]]:
    rows = []
    for name, scored in (("scored", True), ("unscored", False)):
        part = Found(days=found.days, accounts=found.accounts, held=found.held)
        part.thefts = [theft for theft in found.thefts if theft.scored is scored]
        rows.append([name, *summary(part)])
    return rows


def by_archetype(found: Found) -> list[list[str]]:
    return [
        [
            archetype.name,
            *(
                share_of(counter[archetype.name], found.accounts[archetype.name])
                for counter in (found.held, found.throttled, found.watched)
            ),
        ]
        for archetype in ARCHETYPES
    ]


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
