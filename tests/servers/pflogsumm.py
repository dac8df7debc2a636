"""pflogsumm on a log: what it counted, to be compared with ours."""

import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.space import SERVERS

ROOT = SERVERS / "pflogsumm" / "usr"
PERL = ":".join(map(str, [ROOT / "share/perl5", *ROOT.glob("lib/*/perl5/5.*")]))
COMMAND = ["perl", str(ROOT / "sbin" / "pflogsumm")]
ENVIRONMENT = {"PERL5LIB": PERL, "PATH": os.environ["PATH"], "LC_ALL": "C"}


@dataclass(slots=True)
class Sums:
    """Of one log."""

    totals: dict[str, int] = field(default_factory=dict)
    senders: Counter[str] = field(default_factory=Counter)
    recipients: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)  # by reason
    bounced: Counter[str] = field(default_factory=Counter)


def pflogsumm(log: Path, name: str) -> Sums:
    """Its sums of the instance with this syslog name; lines of others in the file must have another name."""
    options = ["--verbose-msg-detail", "--syslog-name", name, "-i"]
    said = subprocess.run(
        [*COMMAND, *options, str(log)], env=ENVIRONMENT, capture_output=True, check=True, timeout=120
    ).stdout.decode("utf-8", "surrogateescape")
    head = said.partition("Per-Hour")[0].partition("Per-Day")[0]
    totals = {words[1]: int(words[0]) for words in re.findall(r"^ +(\d+) +([a-z]+)", head, re.MULTILINE)}
    if deferrals := re.search(r"\((\d+) +deferrals\)", said):
        totals["deferrals"] = int(deferrals[1])
    return Sums(
        totals,
        _counts(_section(said, "Senders by message count")),
        _counts(_section(said, "Recipients by message count")),
        _reasons(_section(said, "message deferral detail")),
        _reasons(_section(said, "message bounce detail (by relay)")),
    )


def _section(said: str, title: str) -> str:
    found = re.search(rf"^{re.escape(title)}[^\n]*\n-+\n(.*?)(?=\n\n\S|\Z)", said, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _counts(section: str) -> Counter[str]:
    return Counter(
        {name: int(number) for number, name in re.findall(r"^ +(\d+) +(.*)$", section, re.MULTILINE)}
    )


def _reasons(section: str) -> Counter[str]:
    """Below its daemon or relay, each with its count, in one line or in a line of its own."""
    found: Counter[str] = Counter()
    for number, reason in re.findall(r"^ {4,} *(\d+) +(.*)$", section, re.MULTILINE):
        found[reason] += int(number)
    return found
