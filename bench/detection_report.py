"""The tables of docs/detection-quality.md, made of what `bench.detection_quality` found."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt

from sendwarden.simulate.archetypes import ARCHETYPES
from sendwarden.simulate.attacks import ATTACKS

DAYS = 14
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
