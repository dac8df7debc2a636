"""service.access, owed and carried: the tables of a step as one decision, by milter and by policy."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.config.load import load
from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.texts import SENTENCES, refusal_text, sentence
from sendwarden.engine.access.tables import AccessRules
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.meters.options import TableOptions
from sendwarden.service.access import TableRun
from sendwarden.service.carried import with_carried
from sendwarden.service.judge import Judge
from sendwarden.stores.memory import MemoryMeters
from tests.config.folder import EXAMPLES
from tests.engine.mapping.worlds import tables
from tests.service.judging import ENFORCING, SITE, said
from tests.service.outside import outside
from tests.stores.around import KeptLog

METER = TableOptions("t", quota=2, quota_time=3600)
COUNT = "$[IMTA_LIB:check_metermaid.so,throttle,t,{}]"
REQUEST = Request(
    Stage.RCPT,
    client_address="192.0.2.7",
    login="eve",
    sender="eve@example.org",
    recipients=("v@x.example",),
)
BOTH = AccessRules(frontends="both", mode=Mode.ENFORCE)


def judge_of(
    mappings: str, log: KeptLog | None = None, rules: AccessRules = BOTH, channel: Channel = ENFORCING
) -> Judge:
    site = replace(SITE, channels=(channel,), mappings=tables(mappings), access=rules, meters={"t": METER})
    return Judge(site, MemoryMeters(site.meters), outside(log=log))


def table(name: str, *entries: str) -> str:
    return f"\n{name}\n\n" + "".join(f"  {entry}\n" for entry in entries)


def at(stage: Stage, **changed: object) -> Request:
    recipients = REQUEST.recipients if stage is Stage.RCPT else ()
    return replace(REQUEST, stage=stage, **{"recipients": recipients, **changed})  # type: ignore[arg-type]


# --- one step

FATES = {
    "$Y": (Verdict.ACCEPT, ""),
    "$H": (Verdict.HOLD, "access-held"),
    "$B": (Verdict.DISCARD, "access-discarded"),
    "$V": (Verdict.DISCARD, "access-discarded"),
    "$Nno": (Verdict.REFUSE, "access-refused"),
    "$X4.7.1|$Nno": (Verdict.DEFER, "access-refused"),
}


@pytest.mark.parametrize("template", FATES)
@pytest.mark.parametrize("mode", Mode)
def test_an_answer_becomes_a_decision_with_reason_and_reference(template: str, mode: Mode) -> None:
    verdict, why = FATES[template]
    judge = judge_of(table("MAIL_ACCESS", f"* {template}"), channel=replace(ENFORCING, mode=mode))

    decision = judge.access(REQUEST)

    assert decision.verdict is verdict and decision.watched is (mode is Mode.WATCH)
    assert bool(decision.reference) is (verdict is not Verdict.ACCEPT)
    assert [reason.id for reason in decision.reasons] == ([why] if why else [])
    if why:
        (reason,) = decision.reasons
        assert "MAIL_ACCESS (mappings:4)" in sentence(reason) and "|eve@example.org|" in sentence(reason)


def test_a_refusal_says_the_tables_words_then_the_reference() -> None:
    decision = judge_of(table("MAIL_ACCESS", "* $X4.7.1|$NToo$ many")).access(REQUEST)

    assert (decision.smtp_code, decision.enhanced) == (450, "4.7.1")
    assert refusal_text(decision) == "Too many [SW-000001]"


@pytest.mark.parametrize(
    ("template", "code"), [("$Nno", 554), ("$X4.7.1|$Nno", 421), ("$N421$ no", 421), ("$N550$ no", 550)]
)
def test_a_connection_is_refused_with_a_code_behind_which_it_ends(template: str, code: int) -> None:
    decision = judge_of(table("PORT_ACCESS", f"* {template}")).access(at(Stage.CONNECT))

    assert decision.smtp_code == code


@pytest.mark.parametrize("mode", Mode)
def test_at_the_connection_the_mode_of_the_site_counts(mode: Mode) -> None:
    judge = judge_of(table("PORT_ACCESS", "* $Nno"), rules=replace(BOTH, mode=mode))

    assert judge.access(at(Stage.CONNECT)).watched is (mode is Mode.WATCH)


def test_tables_of_recipients_are_asked_in_their_order_and_a_refusal_ends_it() -> None:
    names = ["MAIL_ACCESS", "SEND_ACCESS", "ORIG_MAIL_ACCESS", "ORIG_SEND_ACCESS"]
    mappings = "".join(table(name, "* $<asked") for name in names[2:]) + table("SEND_ACCESS", "* $Nno")
    log, runs = KeptLog(), list[TableRun]()

    judge = judge_of(mappings + table("MAIL_ACCESS", "* $<asked"), log)
    decision = judge.tables.step(REQUEST, judge.channel(REQUEST), judge.account(REQUEST), runs)

    assert [run.table for run in runs] == ["ORIG_SEND_ACCESS", "ORIG_MAIL_ACCESS", "SEND_ACCESS"]
    assert decision.verdict is Verdict.REFUSE
    assert [fields["table"] for kind, fields in log.events if kind == "access"] == [
        "ORIG_SEND_ACCESS",
        "ORIG_MAIL_ACCESS",
    ]


def test_effects_of_several_tables_are_joined() -> None:
    mappings = table("ORIG_SEND_ACCESS", "* 20|X-One:$ 1|$D$A$H") + table(
        "MAIL_ACCESS", "* 40|X-Two:$ 2|$D$A"
    )

    decision = judge_of(mappings).access(REQUEST)

    assert decision.verdict is Verdict.HOLD and decision.whole
    assert decision.headers == (("X-One", "1"), ("X-Two", "2")) and decision.delay_s == pytest.approx(0.4)


def test_a_counter_counts_each_question_once_and_tells_its_numbers() -> None:
    judge = judge_of(table("FROM_ACCESS", f"*|eve $C{COUNT.format('eve')}$NEnough$E", "* $Y"))

    verdicts = [judge.access(at(Stage.MAIL)) for _ in range(4)]

    assert [one.verdict for one in verdicts] == [Verdict.ACCEPT] * 2 + [Verdict.REFUSE] * 2
    assert "eve used 2 of 2 in table t within 1h" in said(verdicts[-1])[0]


def test_flags_without_effect_are_told() -> None:
    log = KeptLog()

    decision = judge_of(table("FROM_ACCESS", "* $I$Ya|b"), log).access(at(Stage.MAIL))

    assert said(decision) == ["table FROM_ACCESS (mappings:4): flag $I has no effect here"]
    assert log.about("access-flag") == ["FROM_ACCESS mappings:4 $I"]


def test_no_login_leaves_the_last_field_empty_and_the_channel_has_its_other_name() -> None:
    runs = list[TableRun]()
    judge = judge_of(table("FROM_ACCESS", "* $Y"), channel=replace(ENFORCING, mta_channel="tcp_submit"))

    request = at(Stage.MAIL, login="")
    judge.tables.step(request, judge.channel(request), judge.account(request), runs)

    assert runs[0].probe == "TCP|||192.0.2.7||SMTP/|MAIL|tcp_submit|eve@example.org|"


@pytest.mark.parametrize("frontends", ["milter", "policy", "both"])
def test_only_the_frontend_of_the_settings_asks(frontends: str) -> None:
    rules = replace(BOTH, frontends=frontends)  # type: ignore[arg-type]
    judge = judge_of(table("FROM_ACCESS", "* $Y") + table("SEND_ACCESS", "* $Y"), rules=rules)
    stages = {Stage.MAIL, Stage.RCPT}

    assert judge.tables.by_milter == (stages if frontends != "policy" else set())
    assert judge.tables.by_policy == (stages if frontends != "milter" else set())


# --- AUTH_REWRITE


def message(request: Request, *headers: tuple[str, str]) -> Message:
    return Message(replace(request, stage=Stage.END_OF_MESSAGE), headers)


REWRITE = table("AUTH_REWRITE", "*|*|boss@*|* $NNot$ yours", "*|*|*|* $3@example.org|$Y")


def test_auth_rewrite_sets_the_sender_field_of_mail_with_a_login() -> None:
    judge = judge_of(REWRITE)

    assert judge.rewrite(message(REQUEST, ("From", "x@y"))).fields == (("Sender", "eve@example.org"),)
    assert not judge.rewrite(message(replace(REQUEST, login=""), ("From", "x@y"))).changes


def test_its_refusal_is_said() -> None:
    decision = judge_of(REWRITE).rewrite(message(REQUEST, ("From", "boss@y")))

    assert (decision.verdict, decision.text) == (Verdict.REFUSE, "Not yours")


def test_a_header_too_long_to_be_read_hides_no_sender_from_it() -> None:
    unread = replace(message(REQUEST, ("From", "x@y")), cut=True)

    assert [reason.id for reason in judge_of(REWRITE).rewrite(unread).reasons] == ["too-many-headers"]


# --- at the end of a message

ACCEPT = Decision(Verdict.ACCEPT, "c", "eve")
HOLD = replace(ACCEPT, verdict=Verdict.HOLD, reference="SW-000001")
BUCKET = replace(ACCEPT, verdict=Verdict.DISCARD, whole=False, reference="SW-000002")
GONE = replace(BUCKET, whole=True)
REFUSED = replace(ACCEPT, verdict=Verdict.REFUSE)


@pytest.mark.parametrize(
    ("at_end", "earlier", "verdict", "discarded"),
    [
        (ACCEPT, [], Verdict.ACCEPT, ()),
        (ACCEPT, [("", ACCEPT), ("a", ACCEPT)], Verdict.ACCEPT, ()),
        (ACCEPT, [("", HOLD)], Verdict.HOLD, ()),
        (ACCEPT, [("a", HOLD)], Verdict.HOLD, ()),
        (ACCEPT, [("a", BUCKET)], Verdict.ACCEPT, ("a",)),
        (ACCEPT, [("a", BUCKET), ("b", BUCKET)], Verdict.DISCARD, ("a", "b")),
        (replace(ACCEPT, discarded=("b",)), [("a", BUCKET)], Verdict.DISCARD, ("b", "a")),
        (ACCEPT, [("a", GONE)], Verdict.DISCARD, ()),
        (ACCEPT, [("", GONE), ("a", HOLD)], Verdict.HOLD, ()),
        (HOLD, [("", GONE)], Verdict.HOLD, ()),
        (HOLD, [("", replace(REFUSED, reference="SW-000003"))], Verdict.REFUSE, ()),
        (REFUSED, [("", HOLD), ("a", BUCKET)], Verdict.REFUSE, ()),
    ],
)
def test_what_came_before_is_joined_with_the_end(
    at_end: Decision, earlier: list[tuple[str, Decision]], verdict: Verdict, discarded: tuple[str, ...]
) -> None:
    decision = with_carried(at_end, earlier, ("a", "b"))

    assert (decision.verdict, decision.discarded) == (verdict, discarded)
    assert bool(decision.reference) is (decision.verdict is not Verdict.ACCEPT or bool(discarded)) or (
        at_end is REFUSED
    )


def test_changes_of_all_steps_are_kept_each_once() -> None:
    one = replace(ACCEPT, headers=(("X", "1"),), new_sender="a@x")
    two = replace(ACCEPT, headers=(("X", "1"), ("Y", "2")), fields=(("Sender", "s"),), new_sender="b@x")

    decision = with_carried(ACCEPT, [("", one), ("a", two)], ("a",))

    assert decision.headers == (("X", "1"), ("Y", "2"))
    assert (decision.fields, decision.new_sender) == ((("Sender", "s"),), "b@x")
    assert decision.plain and decision.changes


# --- the shipped ladder

LADDER = load(EXAMPLES / "trust-ladder" / "sendwarden.toml")
# Who sends -> table of the level, its key, and the quota.
LEVELS: dict[str, tuple[Request, str, str, int]] = {
    "inside, with a login": (at(Stage.MAIL, client_address="10.1.2.3"), "send_int_auth", "eve", 500),
    "inside, without": (
        at(Stage.MAIL, client_address="10.1.2.3", login=""),
        "send_int_noauth",
        "10.1.2.3/eve@example.org",
        300,
    ),
    "outside, with a login": (at(Stage.MAIL), "send_ext_auth", "eve", 150),
    "by webmail": (at(Stage.MAIL, client_address="192.0.2.80"), "send_webmail", "eve", 60),
}


@pytest.fixture
def ladder() -> tuple[Judge, MemoryMeters]:
    assert LADDER.problems == []
    meters = MemoryMeters(LADDER.site.meters)
    return Judge(LADDER.site, meters, outside()), meters


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_lets_through_its_quota_and_counts_on_no_other(
    level: str, ladder: tuple[Judge, MemoryMeters]
) -> None:
    judge, meters = ladder
    request, name, key, quota = LEVELS[level]

    verdicts = [judge.access(request).verdict for _ in range(quota + 3)]

    assert verdicts == [Verdict.ACCEPT] * quota + [Verdict.DEFER] * 3
    keys = ("eve", "10.1.2.3/eve@example.org")
    used = {t: sum(meters.query(t, k, 0.0).used for k in keys) for t in LADDER.site.meters}
    assert {t for t, hits in used.items() if hits} == {name} and used[name] == quota
    assert meters.query(name, key, 0.0).over


def test_the_quotas_grow_with_trust_and_strangers_are_not_counted(
    ladder: tuple[Judge, MemoryMeters],
) -> None:
    judge, _meters = ladder
    quotas = [quota for _request, _name, _key, quota in LEVELS.values()]

    assert quotas == sorted(quotas, reverse=True)
    assert all(
        judge.access(at(Stage.MAIL, login="", client_address="203.0.113.9")).verdict is Verdict.ACCEPT
        for _ in range(1000)
    )


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(["10.1.2.3", "192.0.2.80", "192.0.2.7"]))
def test_no_helo_and_no_sender_escapes_the_level_of_its_login(helo: str, sender: str, client: str) -> None:
    meters = MemoryMeters(LADDER.site.meters)
    judge = Judge(LADDER.site, meters, outside())

    judge.access(at(Stage.MAIL, helo=helo, sender=sender, client_address=client))

    assert sum(meters.query(t, "eve", 0.0).used for t in LADDER.site.meters) == 1


def test_every_reason_of_an_access_table_is_in_the_catalogue() -> None:
    everything = "1|j@x|k@x|u|g|seen|denied|10|tag|X-A:$ b|4.7.2|s|$U$J$K$I$<$>$D$T$A$X$S$H"
    decision = judge_of(table("FROM_ACCESS", f"* {everything}")).access(at(Stage.MAIL))

    missing = {"access-refused", "access-discarded"}
    known = {name for name in SENTENCES if name.startswith("access-")}
    assert {reason.id for reason in decision.reasons} == known - missing
    assert all(said(decision))
