"""Replay: old events in order, verdicts as lines, and a report of what got out."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from sendwarden.core.account import State
from sendwarden.core.event import DeliveryEvent, Event, LoginEvent, Outcome, SubmissionEvent
from sendwarden.core.identity import IdentityRules
from sendwarden.detect.machine import Machine
from sendwarden.detect.site import SiteContext
from sendwarden.service.replay import Replay, own_domains
from sendwarden.service.replay_report import Known, Record, report, verdict_record
from sendwarden.simulate.generate import Plan, simulate
from sendwarden.simulate.world import WORLDS

DOMAINS = ("example.org",)
PLAN = Plan(users=120, days=8, seed=5, world=WORLDS["ordinary"], stolen=0.06)


def replayed(events: Iterable[Event]) -> tuple[Replay, list[Record]]:
    replay = Replay(Machine(SiteContext(b"key", DOMAINS)), IdentityRules())
    return replay, [verdict_record(change) for change in replay.changes(events)]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(simulate(PLAN).events)


@pytest.fixture(scope="module")
def done(events: list[Event]) -> tuple[Replay, list[Record]]:
    return replayed(events)


def test_the_same_events_give_the_same_verdicts(
    events: list[Event], done: tuple[Replay, list[Record]]
) -> None:
    assert replayed(events)[1] == done[1]


def test_verdicts_are_in_order_and_each_goes_on_from_the_one_before(
    done: tuple[Replay, list[Record]],
) -> None:
    state: dict[str, str] = {}
    times = [record["ts"] for record in done[1]]
    assert times == sorted(times) and done[1]
    for record in done[1]:
        assert record["before"] == state.get(record["user"], "normal") != record["action"]
        state[record["user"]] = record["action"]
        if record["action"] != "normal":
            assert record["says"].startswith(record["action"]) and record["bits"] > 0


def test_the_report_says_what_was_missed_and_who_was_wronged(done: tuple[Replay, list[Record]]) -> None:
    truths = simulate(PLAN).truths
    truth = {each.account: Known(each.account, each.compromised_from, each.attack) for each in truths}

    found = report(done[0], DOMAINS, truth)

    judged = found["truth"]
    assert judged["stolen"] == 7 and judged["held"] + len(judged["missed"]) == 7
    assert judged["held"] >= 5 and json.dumps(found)
    innocent = {each.account for each in truths if each.attack is None}
    stopped = {account["user"]: account for account in found["stopped"]}
    for alarm in judged["false_alarms"]:
        assert alarm["user"] in stopped and (alarm["user"] in innocent or alarm["state"] != "held")
    assert "truth" not in report(done[0], DOMAINS, {})


def test_the_probe_hold_lets_less_through_than_was_submitted(done: tuple[Replay, list[Record]]) -> None:
    for account in done[0].accounts.values():
        assert account.out_before <= account.recipients_before
        if account.worst is State.NORMAL:
            assert account.out_before == account.recipients_before and account.held_at is None


def throttled(replay: Replay) -> None:
    """Make an account throttled: three families of context agree."""
    profile = replay.machine.profiles["bob"]
    for values in (profile.quiet, profile.bulk):
        values[5], values[6], values[7] = 7, 5, 5


def test_what_got_out_is_counted_from_the_first_suspicion_on(
    events: list[Event], done: tuple[Replay, list[Record]]
) -> None:
    for account in done[0].accounts.values():
        if account.held_at is None:
            continue
        rose = max(c.at for c in account.changes if c.before is State.NORMAL and c.at <= account.held_at)
        sent = [
            event for event in events if isinstance(event, SubmissionEvent) and event.account == account.name
        ]
        assert account.messages_before <= sum(rose <= event.at <= account.held_at for event in sent)


def message(at: float, number: int, count: int) -> SubmissionEvent:
    recipients = tuple(f"s{number}x{each}@far.example" for each in range(count))
    return SubmissionEvent(at, "bob", f"m{number}", recipients=recipients)


def test_strangers_of_a_throttled_account_go_out_as_outcomes_come_back() -> None:
    replay = Replay(Machine(SiteContext(b"key", DOMAINS)), IdentityRules())
    list(replay.changes([LoginEvent(1000, "bob", success=True)]))
    throttled(replay)
    first = message(1001, 1, 12)
    list(replay.changes([first]))
    account = replay.accounts["bob"]
    assert account.worst is State.THROTTLED and account.out_before == 5

    back = [
        DeliveryEvent(1002 + n, "bob", "m1", recipient, Outcome.DELIVERED, "2.0.0")
        for n, recipient in enumerate(first.recipients[:3])
    ]
    list(replay.changes(back))
    assert 8 <= account.out_before <= 10  # those that waited come back as fast as the others

    list(replay.changes([LoginEvent(1002 + 3000 + n * 700, "bob", success=True) for n in range(3)]))
    assert account.out_before == 12 and account.waiting and account.waiting.longest_s < 1500


def test_events_that_are_late_are_taken_for_as_late_as_the_one_before() -> None:
    replay, _verdicts = replayed(
        [LoginEvent(1000, "bob", success=True), LoginEvent(900, "eve", success=True)]
    )

    assert replay.late == 1 and replay.machine.profiles["eve"].first_at == 1000


def test_two_spellings_are_one_account(events: list[Event]) -> None:
    spelt = [replace(event, account=event.account.upper()) for event in events[:2000]]

    assert set(replayed(spelt)[0].machine.profiles) == set(replayed(events[:2000])[0].machine.profiles)


def test_own_domains_are_those_of_most_envelope_senders() -> None:
    sent = [SubmissionEvent(1, "b", str(n), envelope_from="b@Example.org") for n in range(50)]
    sent += [SubmissionEvent(1, "b", "x", envelope_from="b@elsewhere.example")]

    assert own_domains(sent) == ("example.org",)
    assert own_domains([]) == ()
