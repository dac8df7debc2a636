"""What others do, with their published thresholds, on the same events.

For each account the times at which it would have been stopped. Newsletters are exempt from limits and bounce
counts, as they are at every site that has such rules.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from math import log

from sendwarden.core.event import DeliveryEvent, Event, LoginEvent, Outcome, SubmissionEvent
from sendwarden.simulate.world import SITE_DOMAIN

Flagged = dict[str, list[float]]
HOUR, DAY = 3600.0, 86_400.0
# Microsoft's example policy, as CIS has it: recipients outside and inside an hour, and a day.
OUTSIDE, INSIDE, IN_A_DAY = 500, 1000, 1000
# Duan et al. 2012, recalled values.
THETA0, THETA1, ALPHA, BETA = 0.2, 0.9, 0.01, 0.01
SPAM = 5.0
# pcc: three countries within two days.
COUNTRIES, COUNTRIES_S = 3, 2 * DAY
# Messaging Server's recipe: five bogus recipients of one login within a day.
BOGUS = 5


def plain_limits(events: Iterable[Event], exempt: frozenset[str]) -> Flagged:
    flagged: Flagged = defaultdict(list)
    windows = ((OUTSIDE, HOUR, False), (INSIDE, HOUR, True), (IN_A_DAY, DAY, None))
    seen: dict[tuple[str, int], deque[tuple[float, int]]] = defaultdict(deque)
    used: dict[tuple[str, int], int] = defaultdict(int)
    for event in events:
        if not isinstance(event, SubmissionEvent) or event.account in exempt:
            continue
        inside = sum(recipient.endswith(SITE_DOMAIN) for recipient in event.recipients)
        for number, (most, window_s, kind) in enumerate(windows):
            count = (
                len(event.recipients) if kind is None else inside if kind else len(event.recipients) - inside
            )
            key = (event.account, number)
            queue = seen[key]
            queue.append((event.at, count))
            used[key] += count
            while queue[0][0] <= event.at - window_s:
                used[key] -= queue.popleft()[1]
            if used[key] > most:
                flagged[event.account].append(event.at)
    return flagged


def spot(events: Iterable[Event], _exempt: frozenset[str]) -> Flagged:
    """The sequential test on what a scanner calls spam; unscored mail is no observation."""
    up, down = log(THETA1 / THETA0), log((1 - THETA1) / (1 - THETA0))
    above, below = log((1 - BETA) / ALPHA), log(BETA / (1 - ALPHA))
    flagged: Flagged = defaultdict(list)
    sums: dict[str, float] = defaultdict(float)
    for event in events:
        if isinstance(event, SubmissionEvent) and event.spam_score is not None:
            sums[event.account] += up if event.spam_score >= SPAM else down
            if sums[event.account] >= above:
                flagged[event.account].append(event.at)
            if sums[event.account] <= below or sums[event.account] >= above:
                sums[event.account] = 0.0
    return flagged


def countries(events: Iterable[Event], _exempt: frozenset[str]) -> Flagged:
    flagged: Flagged = defaultdict(list)
    seen: dict[str, dict[str, float]] = defaultdict(dict)
    for event in events:
        if not isinstance(event, (LoginEvent, SubmissionEvent)) or event.origin.country is None:
            continue
        if isinstance(event, LoginEvent) and not event.success:
            continue
        latest = seen[event.account]
        latest[event.origin.country] = event.at
        if sum(at > event.at - COUNTRIES_S for at in latest.values()) >= COUNTRIES:
            flagged[event.account].append(event.at)
    return flagged


def log_action(events: Iterable[Event], exempt: frozenset[str]) -> Flagged:
    flagged: Flagged = defaultdict(list)
    seen: dict[str, deque[float]] = defaultdict(deque)
    for event in events:
        if not isinstance(event, DeliveryEvent) or event.account in exempt:
            continue
        if event.outcome is Outcome.DELIVERED or not (event.dsn or "").startswith("5.1."):
            continue
        bogus = seen[event.account]
        bogus.append(event.at)
        while bogus[0] <= event.at - DAY:
            bogus.popleft()
        if len(bogus) >= BOGUS:
            flagged[event.account].append(event.at)
    return flagged


BASELINES: dict[str, Callable[[Iterable[Event], frozenset[str]], Flagged]] = {
    "plain limits (500 outside, 1000 inside an hour, 1000 a day)": plain_limits,
    "SPOT": spot,
    "three countries in two days": countries,
    "LOG_ACTION, five bogus recipients a day": log_action,
}
