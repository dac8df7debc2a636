"""service.owed: by policy each step of a session is asked once, and what a reply cannot say is told."""

from dataclasses import replace

import pytest

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.service.owed import OwedSteps

REQUEST = Request(Stage.RCPT, client_address="192.0.2.7", login="eve", sender="eve@example.org")
ACCEPT = Decision(Verdict.ACCEPT, "c", "eve")
HOLD = replace(ACCEPT, verdict=Verdict.HOLD, reference="SW-000001")
BUCKET = replace(ACCEPT, verdict=Verdict.DISCARD, whole=False, reference="SW-000002")
REFUSED = replace(ACCEPT, verdict=Verdict.REFUSE)


class Asked:
    """Remembers what was asked, and answers by stage."""

    def __init__(self, **answers: Decision) -> None:
        self.answers = answers
        self.stages: list[str] = []

    def __call__(self, request: Request) -> Decision:
        self.stages.append(request.stage.value)
        return self.answers.get(request.stage.value, ACCEPT)


ALL = frozenset({Stage.CONNECT, Stage.MAIL, Stage.RCPT})


def by_policy(stage: Stage, instance: str = "i1", recipient: str = "a@x", port: str = "5000") -> Request:
    macros = {"instance": instance, "client_port": port}
    recipients = (recipient,) if stage is Stage.RCPT else ()
    return replace(REQUEST, stage=stage, macros=macros, recipients=recipients)


def test_at_rcpt_the_steps_before_it_are_asked_once() -> None:
    owed, ask = OwedSteps(), Asked()

    for recipient in ("a@x", "b@x", "b@x"):
        assert owed.answer(by_policy(Stage.RCPT, recipient=recipient), ALL, ask) is None
    owed.answer(by_policy(Stage.RCPT, "i2"), ALL, ask)
    owed.answer(by_policy(Stage.RCPT, "i3", port="5001"), ALL, ask)

    assert ask.stages == ["connect", "mail", "rcpt", "rcpt", "mail", "rcpt", "connect", "mail", "rcpt"]


def test_where_each_step_is_asked_by_itself_none_is_asked_twice() -> None:
    """At MAIL, Postfix still has the instance of the message before."""
    owed, ask = OwedSteps(), Asked()

    for number in range(2):
        for request in (
            by_policy(Stage.CONNECT, ""),
            by_policy(Stage.MAIL, f"i{number}"),
            by_policy(Stage.RCPT, f"i{number + 1}"),
        ):
            owed.answer(request, ALL, ask)

    assert ask.stages == ["connect", "mail", "rcpt", "mail", "rcpt"]


def test_a_refused_sender_is_refused_again_for_each_recipient_and_asked_once() -> None:
    refused = replace(REFUSED, reference="SW-000009")
    owed, ask = OwedSteps(), Asked(mail=refused)

    answers = [owed.answer(by_policy(Stage.RCPT, recipient=name), ALL, ask) for name in ("a@x", "b@x")]

    assert [(one.decision, one.again) for one in answers if one] == [(refused, False), (refused, True)]
    assert ask.stages == ["connect", "mail"]


def test_without_an_instance_only_the_step_itself_is_asked() -> None:
    owed, ask = OwedSteps(), Asked()

    for _ in range(2):
        owed.answer(by_policy(Stage.RCPT, "", port=""), ALL, ask)

    assert ask.stages == ["rcpt", "rcpt"]


def test_a_refusal_comes_before_a_hold_and_a_hold_before_a_header() -> None:
    header = replace(ACCEPT, headers=(("X", "1"),))
    request = by_policy(Stage.RCPT)

    answers = [
        OwedSteps().answer(request, ALL, Asked(mail=mail, rcpt=rcpt))
        for mail, rcpt in ((HOLD, REFUSED), (header, HOLD), (header, ACCEPT), (ACCEPT, header))
    ]

    assert [one.decision for one in answers if one] == [REFUSED, HOLD, header, header]


@pytest.mark.parametrize(
    ("decision", "lost"),
    [
        (BUCKET, "a discard for one recipient"),
        (replace(ACCEPT, new_sender="x@y"), "a new envelope sender"),
        (replace(ACCEPT, fields=(("Sender", "s"),)), "the field Sender"),
        (replace(HOLD, headers=(("X", "1"),)), "a header beside another action"),
        (replace(BUCKET, watched=True), ""),
    ],
)
def test_what_a_policy_reply_cannot_say_is_told_and_a_recipients_discard_passes(
    decision: Decision, lost: str
) -> None:
    answer = OwedSteps().answer(by_policy(Stage.RCPT), ALL, Asked(rcpt=decision))

    assert (answer.lost if answer else "") == lost
    assert answer is None or answer.decision.verdict in (Verdict.ACCEPT, Verdict.HOLD)
