"""service.judge: how often filters run, for whom, what they copy, and what becomes of one that stops."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sendwarden.core.decision import Verdict
from sendwarden.engine.channel import DestinationFilter
from tests.service.judging import ENFORCING, filtered, judge_of, message, said
from tests.service.outside import script
from tests.stores.around import KeptLog

if TYPE_CHECKING:
    from sendwarden.service.judge import ScriptRun

# --- how often a filter runs

LOOKS = 'if envelope :matches "to" "*" { transactionlog "${0}"; }'


@pytest.mark.parametrize(
    ("text", "count", "runs"),
    [
        (LOOKS, "recipient", [("a@x.example",), ("b@x.example",)]),
        (LOOKS, "message", [("a@x.example", "b@x.example")]),
        ("keep;", "recipient", [("a@x.example", "b@x.example")]),
        ("keep;", "message", [("a@x.example", "b@x.example")]),
    ],
)
def test_a_filter_runs_once_for_each_recipient_only_if_it_looks_at_him(
    text: str, count: str, runs: list[tuple[str, ...]]
) -> None:
    trace: list[ScriptRun] = []

    judge_of(filtered(text, count=count)).message(message(["a@x.example", "b@x.example"]), trace)

    assert [run.recipients for run in trace] == runs


# --- destination filters


def test_destination_filters_run_for_their_recipients_whom_the_source_filter_left() -> None:
    channel = replace(
        filtered('if envelope :is "to" "a@x.example" { discard; }'),
        destinationfilters=(
            DestinationFilter("external", script('reject "Not out.";', "out.filter")),
            DestinationFilter("internal", script("hold;", "in.filter")),
        ),
    )
    trace: list[ScriptRun] = []

    decision = judge_of(channel).message(message(["a@x.example", "b@x.example", "c@example.org"]), trace)

    assert [(run.script.name, run.recipients) for run in trace[3:]] == [
        ("out.filter", ("b@x.example",)),
        ("in.filter", ("c@example.org",)),
    ]
    assert (decision.verdict, decision.refused, decision.discarded) == (
        Verdict.HOLD,
        ("b@x.example",),
        ("a@x.example",),
    )


def test_a_destination_filter_without_recipients_does_not_run() -> None:
    channel = replace(ENFORCING, destinationfilters=(DestinationFilter("internal", script("hold;")),))

    assert judge_of(channel).message(message(["a@x.example"])).verdict is Verdict.ACCEPT


# --- copies


def test_a_copy_goes_to_nobody_who_gets_the_message_anyway_and_to_nobody_twice() -> None:
    text = 'capture "v@x.example"; capture "copy@y.example"; redirect :copy "copy@y.example";'

    decision = judge_of(filtered(text)).message(message(["v@x.example"]))

    assert decision.copies_to == ("copy@y.example",)
    assert said(decision) == ["filter a.filter line 2 sent a copy to copy@y.example"]


def test_a_refused_message_is_copied_to_nobody() -> None:
    decision = judge_of(filtered('capture "copy@y.example"; reject "No.";')).message(message())

    assert (decision.verdict, decision.copies_to) == (Verdict.REFUSE, ())


def test_what_all_recipients_lose_still_reaches_the_copy() -> None:
    decision = judge_of(filtered('capture "copy@y.example"; discard;')).message(message(["a@x", "b@x"]))

    assert (decision.verdict, decision.discarded, decision.copies_to) == (
        Verdict.ACCEPT,
        ("a@x", "b@x"),
        ("copy@y.example",),
    )


# --- filters that stop

ERRORS = {
    "too many variables": "".join(f'set "v{number}" "x";' for number in range(300)),
    "too many actions": "".join(f'capture "c{number}@x.example";' for number in range(40)),
    "a contradiction": 'redirect "a@y.example"; reject "No.";',
}


@pytest.mark.parametrize("error", ERRORS)
def test_a_filter_that_stops_keeps_the_message_does_nothing_and_is_told(error: str) -> None:
    log = KeptLog()

    decision = judge_of(filtered(ERRORS[error]), log).message(message())

    assert decision.verdict is Verdict.ACCEPT and decision.plain and not decision.reference
    (words,) = said(decision)
    assert words.startswith("filter a.filter line 2 stopped: ") and words.endswith("; the message is kept")
    assert [warning for warning, _about in log.warnings] == ["filter-failed"]


def test_of_several_filters_that_stop_each_is_named_and_those_behind_still_run() -> None:
    stops = ERRORS["a contradiction"]
    channel = replace(
        filtered(stops),
        destinationfilters=(
            DestinationFilter("external", script(stops, "b.filter")),
            DestinationFilter("x.example", script("hold;", "c.filter")),
        ),
    )

    decision = judge_of(channel).message(message())

    assert decision.verdict is Verdict.HOLD
    assert [words.split()[1] for words in said(decision)] == ["a.filter", "b.filter", "c.filter"]


def test_a_filter_that_stops_for_one_recipient_acts_for_the_others() -> None:
    stop = f'if envelope :is "to" "b@x.example" {{ {ERRORS["a contradiction"]} }} else {{ discard; }}'

    decision = judge_of(filtered(stop)).message(message(["a@x.example", "b@x.example"]))

    assert (decision.verdict, decision.discarded) == (Verdict.ACCEPT, ("a@x.example",))


def test_a_note_of_a_filter_is_among_the_reasons_of_a_message_that_passes() -> None:
    decision = judge_of(filtered('transactionlog "seen";')).message(message())

    assert decision.plain and said(decision) == ["filter a.filter line 2 notes: seen"]


def test_a_named_channel_judges_instead_of_the_one_that_fits() -> None:
    decision = judge_of(ENFORCING).message(message(), channel=replace(filtered("hold;"), name="other"))

    assert (decision.channel, decision.verdict) == ("other", Verdict.HOLD)
