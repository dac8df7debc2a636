"""What a script tells about itself: the trace of a run, and the facts found while compiling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.sieve.compile import compile_script
from sendwarden.engine.sieve.outcome import TraceLine
from sendwarden.engine.sieve.registry import Facts
from tests.engine.sieve.scripts import PLAIN, REQUIRE_ALL, World, administrator, compiled, mail
from tests.engine.sieve.test_sieve_outcome import COMMANDS

SITE = administrator("FILTER_SAY\n  a*  <$0>$Y\n")


def trace(script: str) -> list[tuple[int, int, str, str, tuple[str, ...]]]:
    letter = mail([("Subject", "one"), ("Subject", "two")])
    outcome = compiled(script, SITE).run(letter, ("eve@example.net",), world=World(), trace=True)
    return [(line.line, line.column, line.source, line.result, line.values) for line in outcome.trace]


def test_each_test_and_action_leaves_a_line_with_what_it_saw() -> None:
    script = """require ["variables", "envelope"];
if allof(header :contains "Subject" "tw",
         not envelope "to" "x") {
    set "x" "1";
} elsif true { discard; }
if string "${x}" "2" { discard; }
keep;
"""

    assert trace(script) == [
        (2, 10, 'header :contains "Subject" "tw"', "yes", ("one", "two")),
        (3, 14, 'envelope "to" "x"', "no", ("eve@example.net",)),
        (3, 10, 'not envelope "to" "x"', "yes", ()),
        (2, 4, 'allof(header :contains "Subject" "tw", not envelope "to" "x")', "yes", ()),
        (4, 5, 'set "x" "1"', "done", ()),
        (6, 4, 'string "${x}" "2"', "no", ("1",)),
        (7, 1, "keep", "done", ()),
    ]


def test_a_counting_test_shows_the_number() -> None:
    (line,) = trace('require "relational"; if header :count "gt" "Subject" "5" {}')

    assert line[3:] == ("no", ("2",))


def test_a_table_shows_its_probe_and_the_entries_it_tried() -> None:
    script = compiled('require "variables"; set "x" say("abc"); if say "b" {}', SITE)

    call, command, test = script.run(mail(), (), world=World(), trace=True).trace

    assert (call.source, call.result, call.values) == ('say("abc")', '"<bc>"', ("abc",))
    assert [(entry.matched, entry.text) for entry in call.entries] == [(True, "<bc>")]
    assert (command.source, command.values, command.entries) == ('set "x" say("abc")', (), ())
    assert (test.result, test.values, [entry.matched for entry in test.entries]) == ("no", ("b",), [False])


def test_what_was_not_reached_leaves_no_line() -> None:
    assert [line[2] for line in trace("if anyof(true, false) { stop; } keep;")] == [
        "true",
        "anyof(true, false)",
        "stop",
    ]


def test_a_run_that_fails_leaves_the_lines_up_to_there() -> None:
    outcome = compiled('require "reject"; reject "x"; keep; stop;').run(mail(), (), trace=True)

    assert [line.source for line in outcome.trace] == ['reject "x"']
    assert outcome.error is not None and outcome.error.line == 1


def test_without_a_trace_there_are_no_lines() -> None:
    assert compiled("keep;").run(mail(), ()).trace == ()


@given(st.lists(COMMANDS, max_size=8))
def test_a_trace_changes_nothing(commands: list[str]) -> None:
    script = compiled('require ["fileinto","copy","reject","ereject"];' + "\n".join(commands), SITE)

    plain, traced = (script.run(mail(), (), trace=trace) for trace in (False, True))

    assert (plain.actions, plain.implicit_keep, plain.error) == (
        traced.actions,
        traced.implicit_keep,
        traced.error,
    )
    assert all(isinstance(line, TraceLine) and line.result == "done" for line in traced.trace)


FACTS = [
    pytest.param("keep;", Facts(actions={"keep"}), id="nothing"),
    pytest.param('if envelope "to" "x" {}', Facts(recipient=True), id="recipient"),
    pytest.param('if envelope ["from", "TO"] "x" {}', Facts(recipient=True, sender=True), id="both"),
    pytest.param('if envelope :domain "From" "x" {}', Facts(sender=True), id="sender"),
    pytest.param('if envelope "${x}" "y" {}', Facts(recipient=True, sender=True), id="who knows which"),
    pytest.param('if header ["Subject", "X-A"] "x" {}', Facts(headers={"subject", "x-a"}), id="headers"),
    pytest.param('if address "From" "x" {}', Facts(headers={"from"}), id="address"),
    pytest.param('if not exists ["To", "Cc"] {}', Facts(headers={"to", "cc"}), id="exists"),
    pytest.param('if header "X-${x}" "y" {}', Facts(), id="a header named by a variable is not known"),
    pytest.param("if false { discard; }", Facts(actions={"discard"}), id="also what is never reached"),
    pytest.param("if size :over 5 { stop; }", Facts(body=True), id="size: told only along with the body"),
    pytest.param('if say "a" {} set "x" say("b");', Facts(tables={"FILTER_SAY"}), id="tables"),
    pytest.param(
        'fileinto "a"; redirect "a@b"; hold; jettison; capture "a@b"; transactionlog "x"; keep; discard;',
        Facts(
            actions={
                "fileinto",
                "redirect",
                "hold",
                "jettison",
                "capture",
                "transactionlog",
                "keep",
                "discard",
            }
        ),
        id="actions",
    ),
    pytest.param(
        'reject "a"; ereject "b"; erejec "c"; refuse "d";', Facts(actions={"reject"}), id="refusals"
    ),
]


@pytest.mark.parametrize(("script", "facts"), FACTS)
def test_facts(script: str, facts: Facts) -> None:
    assert compiled(REQUIRE_ALL + script, SITE).facts == facts


def test_compiling_tells_the_tables_to_whoever_checks_the_whole_site() -> None:
    site = administrator("FILTER_A\n  *  $Y\nFILTER_B\n  *  $Y\n")
    compile_script("f", 'if a "x" {}', site)

    assert getattr(site.resolver, "used", None) == {"FILTER_A"}
    assert compile_script("f", 'if a "x" {}', PLAIN)[0] is None
