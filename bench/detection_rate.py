"""Events into evidence: how many a CPU second.

python -m bench.detection_rate [--profile]
"""

import argparse
import cProfile
import gc
import pstats
from collections import Counter
from ipaddress import ip_network
from time import process_time

from sendwarden.core.event import Event
from sendwarden.core.event_line import read_event, write_event
from sendwarden.detect.machine import Machine
from sendwarden.detect.site import SiteContext
from sendwarden.simulate.generate import Plan, simulate
from sendwarden.simulate.world import SITE_DOMAIN, WORLDS

TARGET = 20_000
ROUNDS = 3
LINES = 100_000


def machine() -> Machine:
    return Machine(SiteContext(b"bench", (SITE_DOMAIN,), (ip_network("10.0.0.0/8"),)))


def rate(events: list[Event]) -> float:
    """Events a CPU second, of a machine that knows nobody yet."""
    observe = machine().observe
    begins = process_time()
    for event in events:
        observe(event)
    return len(events) / (process_time() - begins)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--profile", action="store_true", help="where the time goes")
    arguments = parser.parse_args()
    gc.disable()
    events = list(simulate(Plan(arguments.users, arguments.days, 1, WORLDS["ordinary"])).events)
    kinds = Counter(type(event).__name__ for event in events)
    print(f"{len(events)} events: {', '.join(f'{count} {kind}' for kind, count in kinds.most_common())}")
    rates = sorted(rate(events) for _ in range(ROUNDS))
    print(f"events into evidence: {rates[ROUNDS // 2]:.0f} a CPU second (target {TARGET})")
    print(f"  rounds {rates[0]:.0f} to {rates[-1]:.0f}")
    lines = [write_event(event) for event in events[:LINES]]
    begins = process_time()
    for line in lines:
        read_event(line)
    print(f"lines into events: {len(lines) / (process_time() - begins):.0f} a CPU second")
    if arguments.profile:
        with cProfile.Profile() as profile:
            rate(events)
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
