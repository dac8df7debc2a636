"""What a replay found, as one record.

For each account that was more than watched what happened and why, and, where somebody knows the truth, false
alarms, what was missed, and the time until thieves were stopped.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sendwarden.core.account import State
from sendwarden.detect.explain import counterfactual, line
from sendwarden.detect.machine import Change
from sendwarden.detect.states import RANK
from sendwarden.service.replay import Account, Replay

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known to be true of an account. `since` None: it was never stolen. Unix seconds."""

    account: str
    since: float | None
    attack: str | None = None


def verdict_record(change: Change) -> Record:
    """One line of ``--verdicts``."""
    record: Record = {
        "user": change.account,
        "ts": change.at,
        "action": change.after.value,
        "before": change.before.value,
        "bits": round(change.why.bits, 2),
        "reasons": change.why.record(),
        "says": line(change.after, change.why),
    }
    return record | ({"breaker": True} if change.capped else {})


def report(replay: Replay, domains: Sequence[str], truth: Mapping[str, Known]) -> Record:
    accounts = sorted(replay.accounts.values(), key=lambda account: account.name)
    worst = Counter(account.worst for account in accounts)
    told = [account for account in accounts if RANK[account.worst] >= RANK[State.THROTTLED]]
    told.sort(key=lambda account: (-RANK[account.worst], account.changes[0].at, account.name))
    found: Record = {
        "events": replay.events,
        "late": replay.late,
        "accounts": len(replay.machine.profiles),
        "from": replay.first_at,
        "to": replay.last_at,
        "domains": list(domains),
        "breaker_tripped_at": replay.machine.breaker.tripped_at,
        "states": {state.value: worst[state] for state in RANK if worst[state] and state is not State.NORMAL},
        "stopped": [_account(account) for account in told],
    }
    return found | ({"truth": _judged(replay, truth)} if truth else {})


def _account(account: Account) -> Record:
    top = max(account.changes, key=lambda change: (RANK[change.after], -change.at))
    return {
        "user": account.name,
        "state": account.worst.value,
        "steps": [{"ts": change.at, "action": change.after.value} for change in account.changes],
        "says": line(top.after, top.why),
        "without": counterfactual(top.after, top.why),
        "messages": account.messages,
        "messages_before": account.messages_before,
        "recipients_before": account.recipients_before,
        "recipients_let_through": account.out_before,
        "longest_delay_s": round(account.waiting.longest_s) if account.waiting else 0,
    }


def _judged(replay: Replay, truth: Mapping[str, Known]) -> Record:
    false, missed, minutes = [], [], []
    for known in sorted(truth.values(), key=lambda known: known.account):
        account = replay.accounts.get(known.account)
        changes = account.changes if account else []
        early = [change for change in changes if known.since is None or change.at < known.since]
        alarm = max(early, key=lambda change: RANK[change.after], default=None)
        if alarm and RANK[alarm.after] >= RANK[State.THROTTLED]:
            false.append({"user": known.account, "state": alarm.after.value, "ts": alarm.at})
        if known.since is None:
            continue
        held = [c.at for c in changes if RANK[c.after] >= RANK[State.HELD] and c.at >= known.since]
        if held:
            minutes.append((held[0] - known.since) / 60)
        else:
            missed.append({"user": known.account, "attack": known.attack})
    return {
        "stolen": sum(known.since is not None for known in truth.values()),
        "held": len(minutes),
        "median_minutes_to_held": round(median(minutes), 1) if minutes else None,
        "missed": missed,
        "false_alarms": false,
    }
