"""service.senders and judge: what becomes of a message whose sender is not the account's."""

from dataclasses import replace

import pytest

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.owners import SenderTable
from sendwarden.service.senders import TAG, ForeignSender
from tests.service.judging import ENFORCING, SITE, WHO, filtered, judge_of, message, said

OWN = replace(ENFORCING, senders="own", header_from="own")
EVE, BOSS = ("From", "Eve <eve@example.org>"), ("From", "boss@example.org")
SENTENCE = 'From names "boss@example.org", which does not belong to "eve"'
ENVELOPE = 'the envelope sender "boss@example.org" does not belong to "eve"'
ACTIONS: dict[ForeignSender, Verdict] = {
    "refuse": Verdict.REFUSE,
    "hold": Verdict.HOLD,
    "tag": Verdict.ACCEPT,
    "allow": Verdict.ACCEPT,
}


def judged(channel: Channel, header: tuple[str, str] = BOSS, **facts: str) -> Decision:
    return judge_of(channel).message(message(headers=(header,), **facts))


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_foreign_from_meets_what_the_channel_says(action: ForeignSender, mode: Mode) -> None:
    decision = judged(replace(OWN, foreign_sender=action, mode=mode))

    assert decision.verdict is ACTIONS[action] and said(decision) == [SENTENCE]
    assert decision.headers == (((TAG, "mismatch [SW-000001]"),) if action == "tag" else ())
    assert bool(decision.reference) is (action != "allow") is not decision.plain
    assert decision.watched is (mode is Mode.WATCH and action != "allow")
    assert decision.enhanced == ("5.7.1" if action == "refuse" else "")


@pytest.mark.parametrize("action", ACTIONS)
def test_her_own_from_is_nothing_to_tell(action: ForeignSender) -> None:
    assert judged(replace(OWN, foreign_sender=action), EVE) == Decision(Verdict.ACCEPT, "c", "eve")


@pytest.mark.parametrize("who", [who for who in WHO if not WHO[who].login])
def test_who_has_no_login_is_not_judged(who: str) -> None:
    assert judged(OWN, who=who).plain
    assert judge_of(OWN).sender(replace(WHO[who], stage=Stage.RCPT, sender="boss@example.org")).plain


def test_a_channel_that_does_not_look_at_headers_lets_them_be() -> None:
    assert judged(replace(OWN, header_from="any")).reasons == ()


# --- the envelope

# Action -> what is decided of a foreign envelope sender at MAIL, at RCPT, and at the end of the message.
STAGES: dict[ForeignSender, tuple[Verdict, Verdict, Verdict]] = {
    "refuse": (Verdict.REFUSE, Verdict.REFUSE, Verdict.ACCEPT),
    "hold": (Verdict.ACCEPT, Verdict.HOLD, Verdict.HOLD),
    "tag": (Verdict.ACCEPT, Verdict.ACCEPT, Verdict.ACCEPT),
    "allow": (Verdict.ACCEPT, Verdict.ACCEPT, Verdict.ACCEPT),
}


@pytest.mark.parametrize("action", STAGES)
def test_a_foreign_envelope_sender_is_refused_at_once_and_else_judged_when_it_can_be_done(
    action: ForeignSender,
) -> None:
    judge = judge_of(replace(OWN, foreign_sender=action))
    asked = Request(Stage.MAIL, login="eve", sender="boss@example.org")

    found = (
        judge.sender(asked),
        judge.sender(replace(asked, stage=Stage.RCPT)),
        judge.message(message(sender="boss@example.org", headers=(EVE,))),
    )

    assert tuple(decision.verdict for decision in found) == STAGES[action]
    refused = action == "refuse"
    assert [said(decision) for decision in found] == [
        [ENVELOPE] if refused else [],
        [ENVELOPE],
        [] if refused else [ENVELOPE],
    ]
    assert [bool(decision.headers) for decision in found] == [False, False, action == "tag"]


@pytest.mark.parametrize("action", STAGES)
def test_the_null_sender_is_nobodys(action: ForeignSender) -> None:
    judge = judge_of(replace(OWN, foreign_sender=action))

    assert judge.message(message(sender="", headers=(EVE,))).reasons == ()
    assert judge.sender(Request(Stage.RCPT, login="eve")).reasons == ()


def test_what_the_file_lends_may_be_used_in_envelope_and_header() -> None:
    lent = SenderTable({"boss@example.org": frozenset({"eve"})})
    judge = judge_of(OWN, site=replace(SITE, lent=lent))

    assert judge.message(message(sender="boss@example.org", headers=(BOSS,))).reasons == ()
    assert judge.sender(Request(Stage.MAIL, login="eve", sender="boss@example.org")).plain
    assert not judge.sender(Request(Stage.MAIL, login="bob", sender="boss@example.org")).plain


def test_a_login_without_a_domain_owns_its_name_at_our_domains_if_the_site_says_so() -> None:
    site = replace(SITE, domains=("example.net",), every_domain=True)
    asked = Request(Stage.MAIL, login="eve", sender="eve@example.net")

    assert judge_of(OWN, site=site).sender(asked).plain
    assert not judge_of(OWN, site=replace(site, every_domain=False)).sender(asked).plain


# --- together with filters

FATES = [
    # foreign_sender, what the filter does, verdict, is it tagged?
    ("refuse", "hold;", Verdict.REFUSE, False),
    ("refuse", "discard;", Verdict.REFUSE, False),
    ("hold", "keep;", Verdict.HOLD, False),
    ("hold", 'reject "No.";', Verdict.REFUSE, False),
    ("hold", "discard;", Verdict.DISCARD, False),
    ("tag", "keep;", Verdict.ACCEPT, True),
    ("tag", "hold;", Verdict.HOLD, True),
    ("tag", 'reject "No.";', Verdict.REFUSE, False),
    ("tag", "discard;", Verdict.DISCARD, False),
    ("allow", 'reject "No.";', Verdict.REFUSE, False),
    ("allow", "hold;", Verdict.HOLD, False),
]


@pytest.mark.parametrize(("action", "does", "verdict", "tagged"), FATES)
def test_what_filters_want_stays_and_the_mismatch_is_told_with_it(
    action: str, does: str, verdict: Verdict, tagged: bool
) -> None:
    decision = judged(filtered(does, header_from="own", foreign_sender=action))

    assert (decision.verdict, bool(decision.headers)) == (verdict, tagged)
    assert SENTENCE in said(decision) and decision.reference == "SW-000001"
    assert decision.text == ("No." if verdict is Verdict.REFUSE and action != "refuse" else "")


def test_what_is_refused_for_its_sender_runs_no_filter() -> None:
    trace: list[object] = []

    judge_of(filtered("keep;", header_from="own")).message(message(headers=(BOSS,)), trace)  # type: ignore[arg-type]

    assert trace == []


def test_a_message_that_was_sent_on_is_noted_and_goes_on() -> None:
    headers = (("Resent-From", "eve@example.org"), ("From", "a@mail.example"))

    decision = judge_of(OWN).message(message(headers=headers))

    assert decision.plain
    assert said(decision) == ['the message was sent on; its From names "a@mail.example", which is not judged']
