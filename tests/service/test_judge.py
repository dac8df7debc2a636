"""service.judge, rulings and engine.backscatter: what becomes of a message, for each of its recipients."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.engine.backscatter import may_be_refused, sayable
from sendwarden.engine.channel import Channel, Mode
from sendwarden.service.judge import ADDRESS_LETTERS, ScriptRun
from sendwarden.service.rulings import NAMED, joined, named
from tests.service.judging import ENFORCING, HEARS, SITE, WHO, filtered, judge_of, message, said
from tests.stores.around import KeptLog

# --- no backscatter


@pytest.mark.parametrize("who", WHO)
def test_only_who_hears_a_refusal_himself_is_refused(who: str) -> None:
    assert may_be_refused(WHO[who], SITE.internal, SITE.relays) is HEARS[who]


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("instead", [Verdict.HOLD, Verdict.DISCARD])
@pytest.mark.parametrize("who", WHO)
def test_a_refusal_that_would_hit_a_stranger_becomes_what_the_channel_says_and_nothing_else_changes(
    who: str, instead: Verdict, verdict: Verdict
) -> None:
    channel = Channel("c", unauthenticated=instead)

    found = sayable(verdict, WHO[who], channel, SITE.internal, SITE.relays)

    refusal = verdict in (Verdict.REFUSE, Verdict.DEFER)
    assert found is (instead if refusal and not HEARS[who] else verdict)


SCRIPTS = {
    Verdict.ACCEPT: "keep;",
    Verdict.DISCARD: "discard;",
    Verdict.HOLD: "hold;",
    Verdict.REFUSE: 'reject "No.";',
    Verdict.DEFER: 'reject "Later.";',
}


@pytest.mark.parametrize("wanted", SCRIPTS)
@pytest.mark.parametrize("instead", [Verdict.HOLD, Verdict.DISCARD])
@pytest.mark.parametrize("who", WHO)
def test_what_a_filter_wants_becomes_what_may_be_said(who: str, instead: Verdict, wanted: Verdict) -> None:
    refusal = Verdict.DEFER if wanted is Verdict.DEFER else Verdict.REFUSE
    channel = filtered(SCRIPTS[wanted], unauthenticated=instead, refusal=refusal)

    decision = judge_of(channel).message(message(who=who))

    strangers = wanted in (Verdict.REFUSE, Verdict.DEFER) and not HEARS[who]
    assert decision.verdict is (instead if strangers else wanted)
    assert bool(decision.reference) is (wanted is not Verdict.ACCEPT)
    assert (
        f"a refusal could hit a stranger: {instead.value} instead" in " ".join(said(decision))
    ) is strangers
    assert (decision.refused, decision.discarded) == ((), ())
    if decision.verdict in (Verdict.REFUSE, Verdict.DEFER):
        assert decision.enhanced == ("4.7.1" if wanted is Verdict.DEFER else "5.7.1")


def test_a_refusal_without_words_is_no_backscatter_either() -> None:
    decision = judge_of(filtered('reject "";')).message(message(who="outside"))

    assert decision.verdict is Verdict.HOLD and "no-backscatter" in [reason.id for reason in decision.reasons]


# --- who sends, and as whom


@pytest.mark.parametrize(
    ("request_", "account"),
    [
        (Request(Stage.MAIL, login="Eve+x@Example.ORG", client_address="10.1.1.1"), "eve"),
        (Request(Stage.MAIL, client_address="10.1.1.1"), "[10.1.1.1]"),
        (Request(Stage.MAIL), "[local]"),
    ],
)
def test_an_account_is_the_login_or_what_stands_in_for_it(request_: Request, account: str) -> None:
    assert judge_of(ENFORCING).account(request_) == account


# Channel's `senders`, login, envelope sender -> is it refused?
SENDERS = [
    ("any", "eve", "bob@example.org", False),
    ("own", "eve", "bob@example.org", True),
    ("own", "eve", "eve@example.org", False),
    ("own", "eve", "EVE+list@example.org", False),
    ("own", "eve", "eve", False),
    ("own", "eve", "eve@example.net", True),
    ("own", "eve", "", False),
    ("own", "", "bob@example.org", False),
    ("own", "eve@example.net", "eve@example.org", True),
]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("senders", "login", "sender", "refused"), SENDERS)
def test_an_account_may_use_its_own_senders_where_the_channel_says_so(
    senders: str, login: str, sender: str, refused: bool, mode: Mode
) -> None:
    channel = replace(ENFORCING, senders=senders, mode=mode)  # type: ignore[arg-type]
    log = KeptLog()

    decision = judge_of(channel, log).sender(Request(Stage.MAIL, login=login, sender=sender))

    assert decision.verdict is (Verdict.REFUSE if refused else Verdict.ACCEPT)
    assert bool(decision.reference) is refused and decision.watched is (refused and mode is Mode.WATCH)
    assert decision.in_effect is (Verdict.REFUSE if refused and mode is Mode.ENFORCE else Verdict.ACCEPT)
    if refused:
        assert (
            said(decision) == [f'the envelope sender "{sender}" does not belong to "{decision.account}"']
            and decision.enhanced == "5.7.1"
        )


# --- a channel without filters, and one that only watches


def test_a_channel_without_filters_lets_everything_pass_without_a_word() -> None:
    decision = judge_of(ENFORCING).message(message())

    assert decision == Decision(Verdict.ACCEPT, "c", "eve")


@pytest.mark.parametrize("wanted", [verdict for verdict in SCRIPTS if verdict is not Verdict.ACCEPT])
def test_watching_decides_the_same_and_lets_it_pass(wanted: Verdict) -> None:
    enforced = judge_of(filtered(SCRIPTS[wanted])).message(message())

    watched = judge_of(filtered(SCRIPTS[wanted], mode=Mode.WATCH)).message(message())

    assert watched == replace(enforced, watched=True) and watched.in_effect is Verdict.ACCEPT


# --- each recipient for himself

RECIPIENTS = ["a@x.example", "b@x.example", "c@example.org", "d@example.org", '"e f"@x.example']
ACTIONS = {
    "keep": ("keep;", Verdict.ACCEPT),
    "nothing": ("", Verdict.ACCEPT),
    "refuse": ('reject "No.";', Verdict.REFUSE),
    "discard": ("discard;", Verdict.DISCARD),
    "jettison": ("jettison;", Verdict.DISCARD),
    "hold": ("hold;", Verdict.HOLD),
    "fileinto": ('fileinto "Junk";', Verdict.HOLD),
    "fileinto :copy": ('fileinto :copy "Junk";', Verdict.ACCEPT),
    "redirect": ('redirect "new@y.example";', Verdict.DISCARD),
    "redirect and keep": ('redirect "new@y.example"; keep;', Verdict.ACCEPT),
    "redirect :copy": ('redirect :copy "new@y.example";', Verdict.ACCEPT),
    "capture": ('capture "copy@y.example";', Verdict.ACCEPT),
    "hold and refuse": ('hold; reject "No.";', Verdict.REFUSE),
    "discard and hold": ("discard; hold;", Verdict.HOLD),
    "jettison and refuse": ('reject "No."; jettison;', Verdict.DISCARD),
}
COPIES = {"redirect": "new", "redirect and keep": "new", "redirect :copy": "new", "capture": "copy"}


def for_each(wishes: dict[str, str]) -> str:
    """A filter that does something else for each recipient."""
    tests = []
    for recipient, wish in wishes.items():
        quoted = recipient.replace("\\", "\\\\").replace('"', '\\"')
        tests.append(f'if envelope :is "to" "{quoted}" {{ {ACTIONS[wish][0]} }}')
    return "\n".join(tests)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_an_action_means_for_a_recipient(action: str) -> None:
    decision = judge_of(filtered(ACTIONS[action][0])).message(message())

    wanted = ACTIONS[action][1]
    if action == "redirect":  # it goes on, and only the copy does
        assert (decision.verdict, decision.discarded) == (Verdict.ACCEPT, ("v@x.example",))
    else:
        assert decision.verdict is wanted
    assert decision.copies_to == ((f"{COPIES[action]}@y.example",) if action in COPIES else ())


WISHES = st.dictionaries(st.sampled_from(RECIPIENTS), st.sampled_from(sorted(ACTIONS)), min_size=1)


@given(WISHES, st.sampled_from(sorted(WHO)), st.sampled_from(["hold", "discard"]), st.booleans())
def test_any_mixture_of_wishes_becomes_one_answer_that_a_mail_server_can_carry_out(
    wishes: dict[str, str], who: str, instead: str, defers: bool
) -> None:
    refusal = Verdict.DEFER if defers else Verdict.REFUSE
    channel = filtered(for_each(wishes), unauthenticated=Verdict(instead), refusal=refusal)

    decision = judge_of(channel).message(message(wishes, who))

    wanted = {one: ACTIONS[wish][1] for one, wish in wishes.items()}
    refused_as = refusal if HEARS[who] else Verdict(instead)
    each = {one: refused_as if verdict is Verdict.REFUSE else verdict for one, verdict in wanted.items()}
    copies = {f"{COPIES[wish]}@y.example" for wish in wishes.values() if wish in COPIES}
    found = set(each.values())
    if Verdict.HOLD in found:
        whole = Verdict.HOLD
    elif Verdict.ACCEPT in found or (copies and found == {Verdict.DISCARD}):
        whole = Verdict.ACCEPT
    elif refusal in found:
        whole = refusal
    else:
        whole = Verdict.DISCARD
    assert decision.verdict is whole
    if whole in (Verdict.ACCEPT, Verdict.HOLD):
        assert set(decision.refused) == {one for one, verdict in each.items() if verdict is refusal}
        assert set(decision.discarded) == {one for one, verdict in each.items() if verdict is Verdict.DISCARD}
        assert set(decision.copies_to) == copies
    else:
        assert (decision.refused, decision.discarded, decision.copies_to) == ((), (), ())
    assert decision.plain is (not decision.reference)


@given(st.lists(st.sampled_from(Verdict), max_size=6))
def test_a_hold_for_one_is_a_hold_for_all_and_nobody_is_refused_for_another(verdicts: list[Verdict]) -> None:
    whole = joined(verdicts)

    assert whole in verdicts or not verdicts
    assert (whole is Verdict.HOLD) is (Verdict.HOLD in verdicts)
    if Verdict.ACCEPT in verdicts:
        assert whole in (Verdict.ACCEPT, Verdict.HOLD)
    if whole is Verdict.DISCARD:
        assert set(verdicts) == {Verdict.DISCARD}


def test_a_hold_of_the_whole_message_for_one_recipient_says_so() -> None:
    wishes = {"a@x.example": "hold", "b@x.example": "keep"}

    decision = judge_of(filtered(for_each(wishes))).message(message(wishes))

    assert said(decision) == [
        "filter a.filter line 2 held it for a@x.example",
        "held as a whole: a mail server cannot hold single recipients",
    ]


def test_recipients_of_one_fate_share_one_reason_and_many_are_counted() -> None:
    recipients = [f"r{number}@x.example" for number in range(NAMED + 3)]

    decision = judge_of(filtered('if envelope :matches "to" "*" { reject "No."; }')).message(
        message(recipients)
    )

    assert said(decision) == [
        f"filter a.filter line 2 refused it for {', '.join(recipients[:NAMED])} and 3 more"
    ]
    assert named(recipients[:NAMED]) == ", ".join(recipients[:NAMED])


def test_the_words_of_the_first_refusal_are_said() -> None:
    text = 'if envelope :is "to" "b@x.example" { reject "Two."; } else { reject "One."; }'

    decision = judge_of(filtered(text)).message(message(["a@x.example", "b@x.example"]))

    assert decision.text == "One."


@pytest.mark.parametrize(
    "sender", ["eve@example.org", "eve+7@example.org", '"eve"@example.org', "x@y.example", ""]
)
def test_filters_see_the_account_of_a_login_where_the_channel_says_so(sender: str) -> None:
    text = 'if envelope :is "from" "eve" { reject "eve"; } else { reject "not eve"; }'
    by_account = judge_of(filtered(text, envelope_from="account"))

    assert by_account.message(message(sender=sender)).text == "eve"
    assert by_account.message(message(sender=sender, who="outside")).text == "not eve", "there is no login"
    assert judge_of(filtered(text)).message(message(sender=sender)).text == "not eve"


@pytest.mark.parametrize("part", ["from", "to"])
def test_an_address_without_end_is_cut_and_still_judged(part: str) -> None:
    """Whole, it would make every probe too long for a table, and nobody would count it."""
    long = "x" * 5000 + "@example.org"
    text = f'if envelope :matches "{part}" "*" {{ set "SEEN" "${{1}}"; }}'
    seen: list[ScriptRun] = []

    judge_of(filtered(text)).message(message([long], sender=long), seen)

    assert seen[0].outcome.variables["seen"] == long[:ADDRESS_LETTERS]


def test_tracing_changes_no_decision() -> None:
    channel = filtered(for_each({"a@x.example": "refuse", "b@x.example": "keep"}))

    plain, traced = judge_of(channel), judge_of(channel)

    assert plain.message(message(RECIPIENTS)) == traced.message(message(RECIPIENTS), [])
