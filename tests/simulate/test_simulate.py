"""The simulator: deterministic by seed, in order of time, with the truth about every account."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sendwarden.core.event import DeliveryEvent, Event, LoginEvent, Outcome, SubmissionEvent
from sendwarden.core.event_line import read_event, write_event
from sendwarden.simulate.archetypes import ARCHETYPES
from sendwarden.simulate.attacks import ATTACKS
from sendwarden.simulate.generate import Plan, simulate
from sendwarden.simulate.world import WORLDS
from tests.cli.command import Commands

PLAN = Plan(users=150, days=10, seed=3, world=WORLDS["ordinary"], stolen=0.1)
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(simulate(PLAN).events)


def test_events_are_in_order_of_time_and_read_again_from_lines(events: list[Event]) -> None:
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert all(read_event(write_event(event)) == (event,) for event in events[::50])


def test_the_same_plan_gives_the_same_events_whatever_the_hash_seed(tmp_path: Path) -> None:
    digests = set()
    for seed in ("0", "77"):
        out = tmp_path / f"{seed}.jsonl"
        words = ["simulate", "--users", "40", "--days", "6", "--stolen", "0.2", "--out", str(out)]
        subprocess.run(
            [sys.executable, "-m", "sendwarden", *words],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
        )
        files = out.read_bytes() + out.with_suffix(".truth.jsonl").read_bytes()
        digests.add(hashlib.sha256(files).hexdigest())

    assert len(digests) == 1


def test_another_seed_gives_another_site(events: list[Event]) -> None:
    assert list(simulate(replace(PLAN, seed=4)).events)[:100] != events[:100]


def test_every_message_has_an_id_of_its_own_and_every_outcome_a_message_of_its_account(
    events: list[Event],
) -> None:
    sent = {event.message: event for event in events if isinstance(event, SubmissionEvent)}

    assert len(sent) == sum(isinstance(event, SubmissionEvent) for event in events)
    for event in events:
        if isinstance(event, DeliveryEvent):
            message = sent[event.message]
            assert event.account == message.account and event.recipient in message.recipients
            assert event.at >= message.at


def test_the_truth_names_every_account_and_the_spam_of_the_stolen_ones(events: list[Event]) -> None:
    truths = simulate(PLAN).truths
    by_id = {event.message: event for event in events if isinstance(event, SubmissionEvent)}

    assert len(truths) == 150 and sum(truth.attack is not None for truth in truths) == 15
    for truth in truths:
        assert bool(truth.spam) is bool(truth.attack)
        for message in truth.spam:
            assert by_id[message].account == truth.account
            assert truth.compromised_from is not None and by_id[message].at >= truth.compromised_from


def test_nobody_but_thieves_and_owners_of_old_passwords_fails_often_from_one_address(
    events: list[Event],
) -> None:
    failed = Counter(
        (event.account, event.origin.address)
        for event in events
        if isinstance(event, LoginEvent) and not event.success
    )
    often = {account for (account, _address), count in failed.items() if count > 10}
    truths = {truth.account: truth for truth in simulate(PLAN).truths}

    assert often
    for account in often:
        assert truths[account].archetype == "failing-device" or truths[account].attack


def test_in_a_world_without_scanners_nothing_is_scored_and_with_clean_lists_little_is_invalid() -> None:
    unscored = simulate(replace(PLAN, world=WORLDS["unscored"])).events
    assert all(event.spam_score is None for event in unscored if isinstance(event, SubmissionEvent))

    def invalid(world: str) -> int:
        simulation = simulate(replace(PLAN, world=WORLDS[world]))
        events = list(simulation.events)
        spam = {message for truth in simulation.truths for message in truth.spam}
        return sum(
            isinstance(event, DeliveryEvent)
            and event.message in spam
            and event.outcome is Outcome.REJECTED
            and event.dsn == "5.1.1"
            for event in events
        )

    assert invalid("clean-lists") < invalid("ordinary") / 3


def test_archetypes_and_attacks_are_documented() -> None:
    text = (DOCS / "simulate.md").read_text()

    assert abs(sum(archetype.share for archetype in ARCHETYPES) - 1) < 0.05
    for name in (*(each.name for each in ARCHETYPES), *(each.name for each in ATTACKS), *WORLDS):
        assert f"| `{name}` |" in text


def test_the_command_writes_events_and_the_truth_beside_them(commands: Commands) -> None:
    out = commands.folder / "mail.jsonl"

    said = commands.run("simulate", "--users", "20", "--days", "5", "--stolen", "0.1", "--out", str(out))

    assert said.code == 0 and said.err == "" and "mail.truth.jsonl" in said.out
    truths = [json.loads(line) for line in (commands.folder / "mail.truth.jsonl").read_text().splitlines()]
    assert len(truths) == 20 and set(truths[0]) >= {"user", "attack", "compromised_from", "spam"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--users", "0"], "at least 1"),
        (["--users", "1000000"], "at most"),
        (["--stolen", "2"], "a share from 0 to 1"),
        (["--world", "unscore"], 'did you mean "unscored"?'),
        (["--out", "/nowhere/mail.jsonl"], "/nowhere/mail.jsonl: No such file"),
    ],
)
def test_wrong_words_say_what_to_write(commands: Commands, words: list[str], says: str) -> None:
    said = commands.run("simulate", "--out", str(commands.folder / "x.jsonl"), "--days", "2", *words)

    assert said.code == 2 and says in said.err
