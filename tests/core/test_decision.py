"""core.decision: which answers need no explanation, and what a channel that only watches lets pass."""

from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Decision, Message, Reason, Request, Stage, Verdict

DECISIONS = st.builds(
    Decision,
    st.sampled_from(Verdict),
    st.just("local"),
    st.just("bob"),
    watched=st.booleans(),
    refused=st.sampled_from([(), ("a@example.org",)]),
    discarded=st.sampled_from([(), ("b@example.org",)]),
    copies_to=st.sampled_from([(), ("c@example.org",)]),
)


@given(DECISIONS)
def test_watching_lets_everything_pass_and_enforcing_does_what_it_says(decision: Decision) -> None:
    assert decision.in_effect is (Verdict.ACCEPT if decision.watched else decision.verdict)


@given(DECISIONS)
def test_only_an_acceptance_that_changes_no_recipient_is_plain(decision: Decision) -> None:
    changed = {*decision.refused, *decision.discarded, *decision.copies_to}

    assert decision.plain is (decision.verdict is Verdict.ACCEPT and not changed)


def test_a_watched_refusal_is_not_plain_so_that_the_log_shows_it() -> None:
    decision = Decision(Verdict.REFUSE, "local", "bob", watched=True)

    assert decision.in_effect is Verdict.ACCEPT and not decision.plain


def test_verdicts_stand_mildest_first() -> None:
    assert [verdict.value for verdict in Verdict] == ["accept", "discard", "hold", "defer", "refuse"]


def test_stages_stand_in_the_order_of_an_smtp_session() -> None:
    assert [stage.value for stage in Stage] == ["connect", "mail", "rcpt", "data", "end-of-message"]


def test_what_is_not_known_yet_is_empty_and_shared_by_nobody() -> None:
    first, second = Request(Stage.CONNECT), Request(Stage.CONNECT)

    assert (first.login, first.sender, first.recipients, dict(first.macros)) == ("", "", (), {})
    assert first.macros is not second.macros
    assert Reason("whole-message").numbers is not Reason("whole-message").numbers
    assert Message(first, ()).body == b""
