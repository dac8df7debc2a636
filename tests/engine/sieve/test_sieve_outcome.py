"""Outcomes: actions and the implicit keep, what is done once, what contradicts, and the limits of a run."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.sieve.limits import ACTIONS, REDIRECTS, STEPS
from sendwarden.engine.sieve.outcome import (
    Action,
    Capture,
    Discard,
    FileInto,
    Hold,
    Jettison,
    Keep,
    Outcome,
    Redirect,
    Reject,
    TransactionLog,
)
from tests.engine.sieve.scripts import administrator, compiled, mail, run

SITE = administrator()

ACTED = [
    pytest.param("", [], True, id="an empty script keeps"),
    pytest.param("keep;", [Keep(1)], False, id="keep"),
    pytest.param("discard;", [Discard(1)], False, id="discard"),
    pytest.param("stop; discard;", [], True, id="stop keeps"),
    pytest.param('fileinto "Junk";', [FileInto(1, "Junk")], False, id="fileinto"),
    pytest.param('fileinto :copy "Junk";', [FileInto(1, "Junk", copy=True)], True, id="fileinto :copy"),
    pytest.param('redirect "a@b";', [Redirect(1, "a@b")], False, id="redirect"),
    pytest.param('redirect :copy "a@b";', [Redirect(1, "a@b", copy=True)], True, id="redirect :copy"),
    pytest.param('redirect "A B <a@b>";', [Redirect(1, "a@b")], False, id="redirect takes the address alone"),
    pytest.param('redirect " a @ b ";', [Redirect(1, "a@b")], False, id="redirect takes out blanks"),
    pytest.param('reject "no";', [Reject(1, "no", in_protocol=False)], False, id="reject"),
    pytest.param('ereject "no";', [Reject(1, "no", in_protocol=True)], False, id="ereject"),
    pytest.param('erejec "no";', [Reject(1, "no", in_protocol=True)], False, id="erejec"),
    pytest.param('refuse "no";', [Reject(1, "no", in_protocol=True)], False, id="refuse"),
    pytest.param("hold;", [Hold(1)], True, id="hold"),
    pytest.param("jettison;", [Jettison(1)], False, id="jettison"),
    pytest.param('capture "a@b";', [Capture(1, "a@b")], True, id="capture"),
    pytest.param('transactionlog "x";', [TransactionLog(1, "x")], True, id="transactionlog"),
    pytest.param('keep; keep; fileinto "a";', [Keep(1), FileInto(1, "a")], False, id="keep twice is keep"),
    pytest.param('fileinto "a"; fileinto "a";', [FileInto(1, "a")], False, id="a mailbox twice"),
    pytest.param(
        'fileinto "a"; fileinto "A";', [FileInto(1, "a"), FileInto(1, "A")], False, id="mailboxes have case"
    ),
    pytest.param('redirect "a@b"; redirect "x <a@b>";', [Redirect(1, "a@b")], False, id="an address twice"),
    pytest.param(
        'fileinto :copy "a"; fileinto "a";',
        [FileInto(1, "a")],
        False,
        id="a copy and a move: once, and not kept",
    ),
    pytest.param('fileinto "a"; fileinto :copy "a";', [FileInto(1, "a")], False, id="the other way round"),
    pytest.param(
        'redirect :copy "a@b"; redirect "a@b";',
        [Redirect(1, "a@b")],
        False,
        id="redirect: once, and not kept",
    ),
    pytest.param(
        'ereject "a"; reject "b";', [Reject(1, "a", in_protocol=True)], False, id="the first refusal counts"
    ),
    pytest.param(
        'reject "a"; discard;',
        [Reject(1, "a", in_protocol=False), Discard(1)],
        False,
        id="refusal and discard",
    ),
    pytest.param(
        'reject "a"; fileinto :copy "b";',
        [Reject(1, "a", in_protocol=False), FileInto(1, "b", copy=True)],
        False,
        id="refusal and a copy",
    ),
    pytest.param(
        'discard; redirect "a@b";', [Discard(1), Redirect(1, "a@b")], False, id="discard undoes no other"
    ),
    pytest.param('capture "a@b"; keep;', [Capture(1, "a@b"), Keep(1)], False, id="capture and keep"),
]


def act(script: str) -> Outcome:
    requires = 'require ["fileinto","copy","reject","ereject","refuse","variables"]; '
    return run(requires + script, language=SITE)


@pytest.mark.parametrize(("script", "actions", "implicit_keep"), ACTED)
def test_actions_and_the_implicit_keep(script: str, actions: list[Action], implicit_keep: bool) -> None:
    outcome = act(script)

    assert outcome.error is None
    assert (list(outcome.actions), outcome.implicit_keep) == (actions, implicit_keep)


def test_an_action_knows_its_line_and_the_first_of_two_is_kept() -> None:
    assert act('\n\nkeep;\nfileinto "a";\nkeep;').actions == (Keep(3), FileInto(4, "a"))


CONTRADICTIONS = {"keep;": "keep", 'fileinto "a";': "fileinto", 'redirect "a@b";': "redirect"}


@pytest.mark.parametrize("refusal", ['reject "x";', 'ereject "x";', 'refuse "x";', 'erejec "x";'])
@pytest.mark.parametrize("delivery", CONTRADICTIONS)
def test_a_refusal_and_a_delivery_contradict_each_other(refusal: str, delivery: str) -> None:
    """RFC 5429 section 2.2. Whatever came first, nothing is done and the message is kept."""
    for first, second in permutations([refusal, delivery]):
        outcome = act(f"discard; {first}\n{second}")
        names = {refusal: "reject", delivery: CONTRADICTIONS[delivery]}

        assert (outcome.actions, outcome.implicit_keep) == ((), True)
        assert outcome.error is not None and outcome.error.line == 2
        assert outcome.error.says == f"{names[second]} contradicts {names[first]} (line 1)"


@pytest.mark.parametrize("script", ["{copy} {refusal}", "{refusal} {copy}"])
def test_a_copy_that_becomes_a_delivery_contradicts_a_refusal(script: str) -> None:
    both = script.format(copy='fileinto :copy "a";', refusal='reject "x";')

    assert act(both).error is None
    outcome = act(f'{both}\nfileinto "a";')
    assert outcome.error is not None and outcome.error.says == "fileinto contradicts reject (line 1)"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        pytest.param("redirect", f"more than {REDIRECTS} redirects", id="redirects"),
        pytest.param("fileinto", f"more than {ACTIONS} actions", id="actions"),
        pytest.param("transactionlog", f"more than {ACTIONS} actions", id="of any kind"),
    ],
)
def test_one_too_many_ends_the_run(script: str, says: str) -> None:
    most = REDIRECTS if script == "redirect" else ACTIONS
    lines = [f'{script} "x{number}@y";' for number in range(most + 1)]

    assert act("\n".join(lines[:-1])).error is None
    outcome = act("\n".join(lines))

    assert outcome.error is not None and (outcome.error.line, outcome.error.says) == (most + 1, says)
    assert (outcome.actions, outcome.implicit_keep) == ((), True)


def test_the_same_again_is_not_counted() -> None:
    assert act('redirect "a@b";' * (REDIRECTS + 10) + "keep;" * (ACTIONS + 10)).error is None


def test_a_run_has_a_budget_of_commands_and_tests() -> None:
    """An instruction count, not a clock: tests count, and what is not reached does not."""
    ifs_and_tests = 2 * 3
    script = compiled(
        'require "variables"; if header "X" "over" { keep; } if not not header "X" ["over", "exact"] {\n'
        + 'set "x" "";' * (STEPS - ifs_and_tests)
        + "}"
    )

    assert script.run(mail({"X": "none"}), ()).error is None
    assert script.run(mail({"X": "exact"}), ()).error is None
    outcome = script.run(mail({"X": "over"}), ())
    assert outcome.error is not None and outcome.error.line == 2
    assert outcome.error.says == f"more than {STEPS} commands and tests"


@pytest.mark.parametrize("address", ["", "nobody", "a@b, c@d", "a@b c@d", "<a@b"])
def test_to_redirect_to_no_address_is_an_error_of_the_run(address: str) -> None:
    outcome = run('if header :matches "X" "*" { discard; redirect "${1}"; }', mail({"X": address}))

    assert outcome.error is not None and outcome.error.says == f"{address!r} is not an address"
    assert (outcome.actions, outcome.implicit_keep) == ((), True)


@pytest.mark.parametrize("name", ["", "\udcff"])
def test_to_file_into_no_mailbox_is_an_error_of_the_run(name: str) -> None:
    outcome = run('if header :matches "X" "*" { fileinto "${1}"; }', mail({"X": name}))

    assert outcome.error is not None and outcome.error.says == f"{name!r} is not the name of a mailbox"


def test_variables_of_an_address_and_a_text_are_expanded_when_the_action_is_reached() -> None:
    outcome = act('set "a" "b"; redirect "x@${a}"; set "a" "c"; redirect "x@${a}";')

    assert outcome.actions == (Redirect(1, "x@b"), Redirect(1, "x@c"))


def test_a_text_of_several_lines_has_crlf() -> None:
    (action,) = act("reject text:\nNo.\n..\n.\n;").actions

    assert action == Reject(1, "No.\r\n.\r\n", in_protocol=False)


def test_an_error_of_the_run_keeps_the_variables_for_who_explains_it() -> None:
    outcome = act('set "a" "b"; reject "x"; keep;')

    assert outcome.error is not None and outcome.variables == {"a": "b"}


COMMANDS = st.sampled_from(
    [
        *("keep;", "discard;", "stop;", "hold;", "jettison;", 'fileinto "a";', 'fileinto :copy "a";'),
        *('redirect "a@b";', 'redirect :copy "c@d";', 'reject "x";', 'ereject "y";', 'capture "e@f";'),
    ]
)


@given(st.lists(COMMANDS, max_size=8))
def test_what_a_run_leaves_always_fits_together(commands: list[str]) -> None:
    outcome = act("\n".join(commands))
    kinds = [type(action) for action in outcome.actions]
    moved = [a for a in outcome.actions if isinstance(a, FileInto | Redirect) and not a.copy]
    ended = {Keep, Discard, Reject, Jettison} & set(kinds)

    assert outcome.implicit_keep is not bool(moved or ended)
    assert not (Reject in kinds and (Keep in kinds or moved))
    assert kinds.count(Reject) <= 1 and kinds.count(Keep) <= 1
    assert outcome.error is None or outcome.actions == ()


@given(st.lists(COMMANDS, max_size=8))
def test_a_run_leaves_nothing_behind_for_the_next(commands: list[str]) -> None:
    script = compiled('require ["fileinto","copy","reject","ereject"];' + "\n".join(commands), SITE)

    assert script.run(mail(), ()) == script.run(mail(), ())
