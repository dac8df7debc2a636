"""service.scanned and judge: what becomes of spam and viruses, and of forged score headers."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from sendwarden.core.decision import Decision, Verdict
from sendwarden.core.scan import Finding
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.handover import ScoreSource
from tests.service.judging import ENFORCING, HEARS, SITE, filtered, judge_of, message, said

SPAM, HAM = Finding("s", 15.0, 5.0, spam=True), Finding("s", 1.0, 5.0)
VIRUS = Finding("c", virus="Eicar")
STRICT = replace(ENFORCING, scan=("s", "c"), spam=Verdict.REFUSE, virus=Verdict.DISCARD)


def judged(channel: Channel, *findings: Finding, who: str = "authenticated") -> Decision:
    return judge_of(channel).message(replace(message(who=who), findings=findings))


@pytest.mark.parametrize("who", HEARS)
def test_spam_is_refused_where_the_sender_hears_it_and_else_held(who: str) -> None:
    decision = judged(STRICT, SPAM, who=who)

    assert decision.verdict is (Verdict.REFUSE if HEARS[who] else Verdict.HOLD)
    assert decision.reference and ("no-backscatter" in [r.id for r in decision.reasons]) is not HEARS[who]


def test_the_severer_of_two_counts_and_the_refusal_says_what_for() -> None:
    decision = judged(STRICT, VIRUS, SPAM)

    assert (decision.verdict, decision.enhanced) == (Verdict.REFUSE, "5.7.1")
    assert said(decision)[-1] == "the message looks like spam: s gives it 15.0 of 5.0"
    assert judged(STRICT, VIRUS).verdict is Verdict.DISCARD


@pytest.mark.parametrize("findings", [(HAM,), (Finding("s", failed="down"),), ()])
def test_what_is_no_spam_passes_with_what_was_found(findings: tuple[Finding, ...]) -> None:
    decision = judged(STRICT, *findings)

    assert decision.plain and len(decision.reasons) == len(findings)


def test_left_out_it_passes_and_filters_judge() -> None:
    assert judged(replace(STRICT, spam=Verdict.ACCEPT, virus=Verdict.ACCEPT), SPAM, VIRUS).plain
    test = 'require ["spamtest", "virustest"]; if allof(spamtest "10", virustest "5") { discard; }'
    assert judged(filtered(test), SPAM, VIRUS).verdict is Verdict.DISCARD


def test_a_filters_milder_verdict_gives_way_and_a_severer_stays() -> None:
    held = filtered("hold;", spam=Verdict.REFUSE)
    refused = filtered('reject "No.";', spam=Verdict.HOLD)

    assert judged(held, SPAM).verdict is Verdict.REFUSE
    assert (judged(refused, SPAM).verdict, judged(refused, SPAM).text) == (Verdict.REFUSE, "No.")


def test_while_watching_it_is_only_told() -> None:
    decision = judged(replace(STRICT, mode=Mode.WATCH), SPAM)

    assert (decision.verdict, decision.in_effect) == (Verdict.REFUSE, Verdict.ACCEPT)


@pytest.mark.parametrize("who", HEARS)
def test_a_message_with_headers_without_end_does_not_get_by_the_scanners(who: str) -> None:
    cut = replace(message(who=who), cut=True)
    judge = judge_of(STRICT)

    assert judge.scan(cut) is None
    assert judge.message(cut).verdict is (Verdict.REFUSE if HEARS[who] else Verdict.HOLD)
    assert judge_of(ENFORCING, site=HEADED).message(cut).verdict is judge.message(cut).verdict
    assert judge_of(ENFORCING).message(cut).plain


HEADERS = (("X-Spam-Score", "-9"), ("X-Spam-Score", "15"), ("Subject", "x"))
HEADED = replace(
    SITE, score_headers={"up": ScoreSource("up", "x-spam-score", (ip_network("192.0.2.7/32"),), 5.0)}
)
TRUSTING = replace(ENFORCING, scan=("up",), spam=Verdict.HOLD)


@pytest.mark.parametrize(
    ("who", "verdict", "without"),
    [
        ("outside", Verdict.HOLD, ()),
        ("authenticated", Verdict.ACCEPT, (("x-spam-score", 2), ("x-spam-score", 1))),
        ("relay", Verdict.ACCEPT, (("x-spam-score", 2), ("x-spam-score", 1))),
    ],
)
def test_a_score_header_counts_from_its_writer_and_is_else_taken_out(
    who: str, verdict: Verdict, without: tuple[tuple[str, int], ...]
) -> None:
    decision = judge_of(TRUSTING, site=HEADED).message(message(who=who, headers=HEADERS))

    assert (decision.verdict, decision.removed) == (verdict, without)


def test_filters_do_not_see_a_forged_header_and_watching_leaves_it_in() -> None:
    sees = replace(filtered('if exists "x-spam-score" { discard; }'), mode=Mode.WATCH)
    decision = judge_of(sees, site=HEADED).message(message(headers=HEADERS))

    assert (decision.verdict, decision.removed) == (Verdict.ACCEPT, ())
    assert said(decision) == ["2 x-spam-score fields were written by none of its writers, and do not count"]


def test_a_channel_that_does_not_name_a_header_takes_no_score_from_it() -> None:
    decision = judge_of(replace(TRUSTING, scan=()), site=HEADED).message(
        message(who="outside", headers=HEADERS)
    )

    assert decision.plain and not decision.reasons
