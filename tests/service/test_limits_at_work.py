"""What limits and states do to recipients and messages: exact, once, under one reference, given back."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.texts import refusal_text, sentence
from sendwarden.engine.channel import Mode
from sendwarden.engine.limits.rules import COUNTERS, Counts, Limit, Limits, OverLimit
from sendwarden.service.allowance import Allowance, Whole
from sendwarden.service.book import Book, Entry
from sendwarden.service.judge import Judge
from sendwarden.service.limiter import Limiter
from sendwarden.stores.memory import MemoryMeters
from tests.service.judging import ENFORCING, SITE, WHO, filtered, message
from tests.service.outside import KeptExceptions, outside
from tests.stores.around import HandClock, KeptLog

FIVE = Limits((Limit(1, 0, 5, "five"),), per_message=4)


class Warden:
    """A judge with limits, over one channel."""

    def __init__(self, limits: Limits | None = FIVE, **settings: object) -> None:
        channel = replace(ENFORCING, limits=limits, **settings)  # type: ignore[arg-type]
        self.site = replace(SITE, channels=(channel,), help="https://help.example.org")
        self.clock, self.log = HandClock(), KeptLog()
        self.book = Book(self.clock, KeptExceptions())
        self.limiter = Limiter(self.site, self.book, self.clock)
        self.book.on_change.append(lambda _account: self.limiter.set_by_hand(self.book.overrides()))
        outer = outside(self.clock, self.log)
        self.judge = Judge(self.site, MemoryMeters({}), outer, Allowance(self.limiter, outer))

    def later(self, seconds: float) -> None:
        for _ in range(int(seconds // 30)):
            self.clock.at += 30
            self.limiter.tick()

    def recipient(self, name: str, to: str = "v@x.example", who: str = "authenticated") -> Decision:
        request = replace(WHO[who], stage=Stage.RCPT, sender="eve@example.org", recipients=(to,))
        return self.judge.recipient(request, name.encode(), "server")

    def end(self, name: str, recipients: int, queue_id: str = "") -> Decision:
        request = replace(WHO["authenticated"], sender="eve@example.org", queue_id=queue_id)
        return self.judge.whole(request, Whole(name.encode(), Counts(1, recipients), "server"))

    def mail(self, number: int = 1, queue_id: str = "", **more: object) -> Message:
        mail = message([f"v{n}@x.example" for n in range(number)], **more)  # type: ignore[arg-type]
        return replace(mail, request=replace(mail.request, queue_id=queue_id))

    def message(self, number: int = 1, queue_id: str = "", **more: object) -> Decision:
        return self.judge.message(self.mail(number, queue_id, **more))

    def used(self, account: str = "eve") -> tuple[int, ...]:
        meter = self.limiter.table.find("c", account)
        return tuple(meter.sums(self.limiter.quantum)[-1][:2]) if meter else (0, 0)


def verdicts(decisions: list[Decision]) -> list[str]:
    return [decision.verdict.value for decision in decisions]


def test_the_sixth_recipient_waits_and_is_told_everything() -> None:
    warden = Warden()
    assert verdicts([warden.recipient(f"m{n}") for n in range(7)]) == ["accept"] * 5 + ["defer"] * 2
    said = warden.recipient("m8")
    assert refusal_text(said) == (
        "eve has used 5 of 5 recipients in 10m, on channel c; room again in 10m 10s, at 14 Nov 22:23 UTC; "
        "https://help.example.org [SW-000001]"
    )
    assert said.enhanced == "4.7.1"


def test_within_a_quantum_there_is_one_reference_however_often_it_is_tried() -> None:
    warden = Warden()
    for n in range(5):
        warden.recipient(f"m{n}")
    tried = [warden.recipient(f"n{n}") for n in range(1000)]
    assert {one.reference for one in tried} == {"SW-000001"}
    assert [one.repeated for one in tried] == [False] + [True] * 999
    warden.later(30)
    assert warden.recipient("later").reference == "SW-000002"


def test_room_comes_back_when_it_was_said() -> None:
    warden = Warden()
    for n in range(5):
        warden.recipient(f"m{n}")
    frees_at = float(str(warden.recipient("x").reasons[0].numbers["frees_at"]))
    while warden.clock.now() + 30 < frees_at:
        warden.later(30)
        assert warden.recipient("y").verdict is Verdict.DEFER
    warden.later(30)
    assert verdicts([warden.recipient(f"z{n}") for n in range(6)]) == ["accept"] * 5 + ["defer"]


def test_a_message_has_its_own_cap() -> None:
    warden = Warden()
    assert verdicts([warden.recipient("one") for _ in range(5)]) == ["accept"] * 4 + ["defer"]
    said = warden.recipient("one")
    assert (said.smtp_code, said.enhanced) == (450, "4.5.3")
    said = warden.message(5)
    assert (said.smtp_code, said.enhanced) == (550, "5.5.3")
    assert sentence(said.reasons[0]) == (
        "a message may have 4 recipients, on channel c; send it to fewer at a time"
    )


def test_a_message_that_could_never_go_is_told_so() -> None:
    warden = Warden(Limits((Limit(1, 0, 5, "five"),)))
    said = warden.message(6)
    assert (said.verdict, said.smtp_code, said.enhanced) == (Verdict.REFUSE, 550, "5.5.3")
    assert sentence(said.reasons[0]) == (
        "6 recipients in one message are more than the 5 that may go in 10m, on channel c; "
        "send it to fewer at a time"
    )


def test_a_throttled_account_may_send_again_what_is_too_much_only_now() -> None:
    warden = Warden(Limits((Limit(1, 0, 5, "five"),)))
    asyncio.run(warden.book.put(entry("state", state="throttled")))
    said = warden.message(6)
    assert (said.verdict, said.enhanced) == (Verdict.DEFER, "4.5.3")


def test_a_recipient_that_is_too_many_for_one_message_may_go_in_another() -> None:
    """RFC 5321 section 4.5.3.1.10; and where the end shows that all fit, none was refused for good."""
    warden = Warden(Limits((Limit(1, 0, 5, "ten minutes"), Limit(1, 1, 6, "hour"))))
    warden.recipient("another")
    warden.later(630)  # only the hour knows of it

    found = [warden.recipient("one") for _ in range(6)]

    assert verdicts(found) == ["accept"] * 5 + ["defer"]
    assert (found[-1].smtp_code, found[-1].enhanced) == (450, "4.5.3")
    assert found[-1].reasons[0].numbers["asked"] == 6
    later = warden.recipient("next")
    assert (later.verdict, later.enhanced) == (Verdict.DEFER, "4.7.1")
    assert later.reference != found[-1].reference


@pytest.mark.parametrize("recipients", [5, 6])
def test_its_end_says_the_same_as_its_recipients_would(recipients: int) -> None:
    warden = Warden(Limits((Limit(1, 0, 5, "ten minutes"),)))
    warden.recipient("one")
    said = warden.end("one", recipients)
    assert said.verdict is (Verdict.ACCEPT if recipients == 5 else Verdict.REFUSE)
    assert warden.used() == ((1, 5) if recipients == 5 else (0, 0))


# What a limit counts, and a message that is above it: its recipients, and its bytes.
TOO_MUCH = {
    "internal": (2, ["a@example.org", "b@example.org", "c@example.org"], 1, "5.5.3"),
    "external": (3, ["a@x.example", "b@x.example", "c@x.example"], 1, "5.5.3"),
    "bytes": (4, ["a@x.example"], 3, "5.3.4"),
    "distinct": (5, ["a@x.example", "b@x.example", "c@x.example"], 1, "5.5.3"),
}


@pytest.mark.parametrize("counted", TOO_MUCH)
def test_it_is_refused_for_good_whatever_is_counted(counted: str) -> None:
    counter, recipients, size_bytes, enhanced = TOO_MUCH[counted]
    warden = Warden(Limits((Limit(counter, 0, 2, counted),)))
    mail = warden.mail()
    mail = replace(mail, request=replace(mail.request, recipients=tuple(recipients)), size_bytes=size_bytes)

    said = warden.judge.message(mail)

    assert (said.verdict, said.enhanced) == (Verdict.REFUSE, enhanced)
    assert said.reasons[0].numbers["asked"] == 3
    assert " that may go in 10m" in sentence(said.reasons[0])


@pytest.mark.parametrize("counted", ["distinct", "new"])
def test_distinct_recipients_that_a_message_has_already_are_part_of_it(counted: str) -> None:
    warden = Warden(Limits((Limit(COUNTERS.index(counted), 0, 2, counted),)))
    warden.limiter.acquaintances.of("eve").learning = False
    found = [warden.recipient("one", f"v{n}@x.example") for n in range(3)]
    assert verdicts(found) == ["accept", "accept", "defer"]
    assert found[-1].reasons[0].numbers["asked"] == 3


@pytest.mark.parametrize("action", [Verdict.HOLD, Verdict.DISCARD, Verdict.REFUSE])
def test_what_else_a_channel_does_over_a_limit_stays(action: Verdict) -> None:
    warden = Warden(Limits((Limit(1, 0, 5, "ten minutes"),)), over_limit=OverLimit(action))
    assert warden.message(6).verdict is action


def test_where_it_is_not_known_what_was_used_nothing_is_refused_for_good() -> None:
    warden = Warden(Limits((Limit(1, 0, 5, "ten minutes", presumed=True),)))
    said = warden.message(6)
    assert (said.verdict, said.enhanced) == (Verdict.DEFER, "4.7.1")
    assert sentence(said.reasons[0]).startswith("it is not known yet how much eve has used")


def test_policy_and_milter_count_a_message_once() -> None:
    warden = Warden()
    for _ in range(3):
        warden.recipient("instance")
    assert warden.end("instance", 3, "4F2Q").verdict is Verdict.ACCEPT
    assert warden.message(3, "4F2Q").verdict is Verdict.ACCEPT
    assert warden.used() == (1, 3)


def test_what_a_filter_refuses_is_given_back() -> None:
    warden = Warden(sourcefilter=filtered('reject "no";').sourcefilter)
    for _ in range(3):
        warden.recipient("instance")
    warden.end("instance", 3, "4F2Q")
    assert warden.message(3, "4F2Q").verdict is Verdict.REFUSE
    assert warden.used() == (0, 0)
    assert warden.message(3, "").verdict is Verdict.REFUSE
    assert warden.used() == (0, 0)


def test_recipients_that_a_filter_drops_are_not_counted() -> None:
    dropping = filtered('if envelope "to" "v0@x.example" { reject "not to him"; }')
    warden = Warden(sourcefilter=dropping.sourcefilter)
    assert warden.message(4).refused == ("v0@x.example",)
    assert warden.used() == (1, 3)


def test_a_message_over_the_limit_is_not_counted() -> None:
    warden = Warden()
    assert verdicts([warden.message(3), warden.message(3), warden.message(2)]) == [
        "accept",
        "defer",
        "accept",
    ]
    assert warden.used() == (2, 5)


def test_case_and_sub_address_make_no_other_recipient() -> None:
    warden = Warden()
    mail = message(["a@example.org", "A@example.org", "a+1@Example.ORG", "b@x.example", "B@X.example"])
    assert warden.judge.message(mail).verdict is Verdict.ACCEPT
    assert warden.used() == (1, 2)


def test_how_strangers_part_their_addresses_is_not_known() -> None:
    warden = Warden()
    warden.judge.message(message(["a+1@x.example", "a+2@x.example"]))
    assert warden.used() == (1, 2)


ACTIONS = {
    "refuse": OverLimit(Verdict.REFUSE),
    "hold": OverLimit(Verdict.HOLD),
    "discard": OverLimit(Verdict.DISCARD),
    "elsewhere": OverLimit(Verdict.ACCEPT, transport="slow:"),
    "slow": OverLimit(Verdict.ACCEPT, delay_s=0.8),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_what_is_done_over_the_limit_is_the_channels_choice(name: str) -> None:
    warden = Warden(over_limit=ACTIONS[name])
    warden.message(3)
    over = warden.message(3)
    assert (over.verdict, over.transport, over.delay_s) == (
        ACTIONS[name].verdict,
        ACTIONS[name].transport,
        ACTIONS[name].delay_s,
    )
    assert not over.plain
    assert over.reference


def test_watching_decides_the_same_and_says_so() -> None:
    warden = Warden(mode=Mode.WATCH)
    warden.message(4)
    over = warden.message(4)
    assert (over.verdict, over.in_effect) == (Verdict.DEFER, Verdict.ACCEPT)


@pytest.mark.parametrize(
    ("who", "sender", "counted"),
    [
        ("authenticated", "eve@example.org", True),
        ("authenticated", "", True),
        ("internal", "eve@example.org", True),
        ("internal", "", False),
        ("internal", "SRS0=ab=cd=x.example=bob@example.org", False),
        ("internal", "srs1+x@example.org", False),
        ("relay", "eve@example.org", False),
    ],
)
def test_who_is_charged(who: str, sender: str, counted: bool) -> None:
    warden = Warden()
    request = replace(WHO[who], stage=Stage.RCPT, sender=sender, recipients=("v@x.example",))
    for n in range(10):
        assert (warden.judge.recipient(request, b"m%d" % n).verdict is Verdict.DEFER) is (counted and n >= 5)


def test_a_refusal_at_the_end_that_would_be_backscatter_is_held() -> None:
    warden = Warden()
    for _ in range(2):
        decision = warden.message(4, who="outside")
    assert decision.verdict is Verdict.HOLD


def test_a_channel_that_counts_nobody() -> None:
    warden = Warden(None)
    assert all(warden.message(100).plain for _ in range(10))
    assert len(warden.limiter.table) == 0


# --- states and overrides


def entry(kind: str, **more: object) -> Entry:
    return Entry(kind, "eve", "phished", "anna", 0.0, 4e9, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "verdict"), [("contained", Verdict.REFUSE), ("held", Verdict.HOLD)])
def test_an_account_that_is_shut_sends_nothing(state: str, verdict: Verdict) -> None:
    warden = Warden()

    async def work() -> None:
        await warden.book.put(entry("state", state=state))

    asyncio.run(work())
    assert warden.recipient("m").verdict is verdict
    assert warden.message().verdict is verdict
    assert "phished" in sentence(warden.message().reasons[-1])
    request = replace(WHO["authenticated"], stage=Stage.RCPT, login="bob", sender="b@x", recipients=("v@x",))
    assert warden.judge.recipient(request).verdict is Verdict.ACCEPT


def test_an_account_that_is_throttled_has_the_lower_row_besides() -> None:
    warden = Warden()
    warden.limiter.use(replace(warden.site, rows={"throttled": Limits((Limit(1, 1, 2, "throttled"),))}))

    async def work() -> None:
        await warden.book.put(entry("state", state="throttled"))

    asyncio.run(work())
    assert verdicts([warden.recipient(f"m{n}") for n in range(3)]) == ["accept", "accept", "defer"]


def test_an_override_by_hand_counts_until_it_ends() -> None:
    warden = Warden()
    until = warden.clock.now() + 3600

    async def work() -> None:
        more = replace(entry("limits", rates=(("recipients", 8, 600),)), until=until)
        await warden.book.put(more)

    asyncio.run(work())
    assert verdicts([warden.recipient(f"m{n}") for n in range(9)]) == ["accept"] * 8 + ["defer"]
    warden.later(3600)
    assert verdicts([warden.recipient(f"n{n}") for n in range(6)]) == ["accept"] * 5 + ["defer"]


def test_unlimited_by_hand() -> None:
    warden = Warden()

    async def work() -> None:
        await warden.book.put(entry("limits", unlimited=True))

    asyncio.run(work())
    assert all(warden.message(50).plain for _ in range(10))
    assert warden.used() == (10, 500)


def test_shares_are_told_with_the_decision() -> None:
    warden = Warden()
    told = [[reason.numbers["percent"] for reason in warden.recipient(f"m{n}").told] for n in range(7)]
    assert told == [[], [], [50], [80], [100], [], []]


def test_the_state_of_who_is_nobody_is_not_asked() -> None:
    """Mail of a host has no account that could be contained."""
    warden = Warden()

    async def work() -> None:
        await warden.book.put(replace(entry("state", state="contained"), account="[10.1.1.1]"))

    asyncio.run(work())
    request = Request(Stage.RCPT, client_address="10.1.1.1", sender="a@example.org", recipients=("v@x",))
    assert warden.judge.recipient(request).verdict is Verdict.ACCEPT


def test_what_is_let_by_is_told_once_and_not_counted() -> None:
    """By policy at RCPT, at the end, and by milter."""
    warden = Warden(mode=Mode.WATCH)
    for n in range(5):
        warden.recipient(f"m{n}")
    over = [warden.recipient("n"), warden.recipient("n")]
    assert verdicts(over) == ["defer"] * 2
    assert warden.end("n", 2, "4F2Q").plain
    assert warden.message(2, "4F2Q").plain
    assert warden.used() == (5, 5)
    assert warden.message(2, "").verdict is Verdict.DEFER


def test_of_a_message_that_is_let_by_in_part_the_rest_is_settled() -> None:
    warden = Warden(mode=Mode.WATCH)
    for n in range(3):
        warden.recipient(f"m{n}")
    assert verdicts([warden.recipient("n") for _ in range(4)]) == ["accept"] * 2 + ["defer"] * 2
    assert warden.end("n", 4).plain
    assert warden.used() == (4, 5)


def test_a_state_ends_when_it_was_said() -> None:
    warden = Warden()
    warden.limiter.use(replace(warden.site, rows={"throttled": Limits((Limit(1, 1, 2, "throttled"),))}))
    until = warden.clock.now() + 60

    async def work() -> None:
        await warden.book.put(replace(entry("state", state="throttled"), until=until))

    asyncio.run(work())
    assert verdicts([warden.recipient(f"m{n}") for n in range(3)]) == ["accept", "accept", "defer"]
    warden.later(60)
    assert verdicts([warden.recipient(f"n{n}") for n in range(4)]) == ["accept"] * 3 + ["defer"]


def test_two_limits_of_the_same_are_refused_and_stop_nothing_else() -> None:
    warden = Warden()

    async def work() -> None:
        with pytest.raises(ValueError, match="two limits"):
            await warden.book.put(entry("limits", rates=(("recipients", 5, 600), ("recipients", 6, 600))))
        await warden.book.put(entry("state", state="contained"))

    asyncio.run(work())
    assert warden.recipient("m").verdict is Verdict.REFUSE


def test_each_class_of_recipients_is_given_back_at_the_end() -> None:
    warden = Warden(Limits((Limit(3, 1, 20, "test"), Limit(1, 1, 100, "test"))))
    for number in range(4):
        for n in range(10):
            assert warden.recipient(f"m{number}", f"v{n}@x.example").verdict is Verdict.ACCEPT
        assert warden.end(f"m{number}", 1).plain
    meter = warden.limiter.table.find("c", "eve")
    assert meter is not None
    assert meter.sums(warden.limiter.quantum)[1] == [4, 4, 4]


def test_a_name_taken_again_after_the_end_is_another_message() -> None:
    warden = Warden()
    for _ in range(2):
        warden.recipient("same")
        warden.recipient("same")
        warden.end("same", 2)
    assert warden.used() == (2, 4)


def test_the_hosts_of_one_ipv6_network_are_one() -> None:
    warden = Warden()
    site = replace(warden.site, internal=(ip_network("2001:db8::/32"),))
    warden.limiter.use(site)
    judge = Judge(
        site, MemoryMeters({}), outside(warden.clock), Allowance(warden.limiter, outside(warden.clock))
    )
    found = [
        judge.recipient(
            Request(
                Stage.RCPT, client_address=f"2001:db8::{n:x}", sender="a@example.org", recipients=("v@x",)
            ),
            b"m%d" % n,
        )
        for n in range(1, 8)
    ]
    assert verdicts(found) == ["accept"] * 5 + ["defer"] * 2
    assert found[0].account == "[2001:db8::]"


def test_distinct_recipients_are_counted_by_mailbox_and_policy_and_milter_agree() -> None:
    warden = Warden(Limits((Limit(5, 0, 3, "three"),)))
    for to in ("a@x.example", "A@X.example", "b@x.example", "c@x.example"):
        assert warden.recipient("m", to).verdict is Verdict.ACCEPT
    said = warden.recipient("n", "d@x.example")
    assert said.verdict is Verdict.DEFER
    assert "has used 3 of 3 distinct recipients in 10m" in refusal_text(said)
    assert warden.recipient("m", "d@x.example").enhanced == "4.5.3", "no message has room for four"
    assert warden.recipient("m", "a@x.example").verdict is Verdict.ACCEPT
    assert warden.message(3).verdict is Verdict.DEFER
    assert warden.message(4).verdict is Verdict.REFUSE


# The text for whoever sends, as it was set -> what he reads of an account that is contained, and held.
TOLD = {
    "": (
        "the account eve is closed for sending; please ask your postmaster",
        "mail of the account eve waits",
    ),
    "Call 555-1234.": ("Call 555-1234.", "Call 555-1234."),
}


@pytest.mark.parametrize("tell", TOLD)
@pytest.mark.parametrize("state", ["contained", "held"])
def test_who_sends_reads_his_own_text_and_never_the_reason(state: str, tell: str) -> None:
    warden = Warden()
    now = warden.clock.now()
    why = "ticket 4711: a second time"
    entry = Entry("state", "eve", why, "anna", now, now + 86_400, state=state, tell=tell)
    asyncio.run(warden.book.put(entry))

    for said in (warden.recipient("m"), warden.message(1)):
        words = refusal_text(said)
        assert words.startswith(TOLD[tell][state == "held"])
        assert words.endswith(f"; https://help.example.org [{said.reference}]") and "4711" not in words
        assert why in sentence(said.reasons[0]), "for `why` and the log"


def test_another_text_is_said_at_once() -> None:
    warden = Warden()
    now = warden.clock.now()
    entry = Entry("state", "eve", "phished", "anna", now, now + 86_400, state="contained", tell="ring 1")
    asyncio.run(warden.book.put(entry))
    assert "ring 1;" in refusal_text(warden.recipient("m"))
    asyncio.run(warden.book.put(replace(entry, tell="ring 2")))
    assert "ring 2;" in refusal_text(warden.recipient("m"))


def test_an_estimate_is_marked_where_it_is_told() -> None:
    warden = Warden(Limits((Limit(5, 2, 2000, "many"),)))
    for number in range(2600):
        warden.recipient(f"m{number}", f"v{number}@x.example")
    said = next(one for n in range(100) if (one := warden.recipient(f"n{n}", f"w{n}@x.example")).reasons)
    assert said.reasons[0].numbers["estimated"] is True
    assert f"has used ~{said.reasons[0].numbers['used']} of 2000 distinct" in refusal_text(said)


def test_new_recipients_are_counted_once_learning_is_over_and_given_back_with_the_message() -> None:
    warden = Warden(Limits((Limit(6, 1, 2, "new"),)))
    assert warden.message(3).verdict is Verdict.ACCEPT, "nobody is new while it is learnt"
    warden.later(30)
    warden.clock.at += 8 * 86_400 + 3600
    warden.later(30)
    assert warden.message(3).verdict is Verdict.ACCEPT, "all three are known"
    for number in (0, 1):
        assert warden.recipient(f"n{number}", f"n{number}@x.example").verdict is Verdict.ACCEPT
    assert warden.recipient("n2", "n2@x.example").verdict is Verdict.DEFER
    warden.judge._allowance.release(b"n1")  # type: ignore[union-attr]  # noqa: SLF001
    assert warden.recipient("n2", "n2@x.example").verdict is Verdict.ACCEPT
    assert warden.recipient("n1", "n1@x.example").verdict is Verdict.DEFER


def test_an_account_that_appears_later_has_the_lower_row_until_it_is_old() -> None:
    warden = Warden(Limits((Limit(1, 0, 5, "five"),)))
    row = {"new-account": Limits((Limit(1, 0, 2, "new-account"),))}
    warden.limiter.use(replace(warden.site, rows=row, new_account_s=8 * 86_400))
    warden.message(1)
    assert warden.limiter.limits_of("c", "eve") == FIVE_PLAIN
    warden.clock.at += 20 * 86_400
    warden.limiter.seen("bob")
    assert [one.most for one in warden.limiter.limits_of("c", "bob").limits] == [2]  # type: ignore[union-attr]
    assert warden.limiter.limits_of("c", "eve") == FIVE_PLAIN
    epoch = warden.limiter.table._version  # noqa: SLF001
    warden.clock.at += 8 * 86_400
    warden.limiter.tick()
    assert warden.limiter.table._version > epoch  # noqa: SLF001
    assert warden.limiter.limits_of("c", "bob") == FIVE_PLAIN


FIVE_PLAIN = Limits((Limit(1, 0, 5, "five"),))


def test_after_an_incident_an_account_has_half_for_fourteen_days() -> None:
    warden = Warden(Limits((Limit(1, 0, 10, "ten"),)))
    now = warden.clock.at
    contained = Entry("state", "eve", "phished", "anna", now, now + 86_400, state="contained")
    asyncio.run(warden.book.put(contained))
    assert warden.limiter.limits_of("c", "eve").limits[0].most == 10  # type: ignore[union-attr]
    warden.clock.at += 86_400  # it ends by itself
    warden.limiter.tick()
    half = warden.limiter.limits_of("c", "eve")
    assert half is not None
    assert (half.limits[0].most, half.limits[0].source) == (5, "ten, half after an incident")
    assert verdicts([warden.recipient(f"m{n}") for n in range(6)]) == ["accept"] * 5 + ["defer"]
    warden.clock.at += 14 * 86_400
    warden.limiter.tick()
    assert verdicts([warden.recipient(f"n{n}") for n in range(11)]) == ["accept"] * 10 + ["defer"]


# --- other recipients at the end than were reserved


def ended(warden: Warden, *names: str) -> Decision:
    """By milter: the message that the policy service knows as ``one``, with these recipients in the end."""
    warden.end("one", len(names), "4F2Q")
    mail = warden.mail(queue_id="4F2Q")
    recipients = tuple(f"{name}@x.example" for name in names)
    return warden.judge.message(replace(mail, request=replace(mail.request, recipients=recipients)))


@pytest.mark.parametrize("counted", ["distinct", "new"])
def test_as_many_but_other_recipients_at_the_end_are_those_that_count(counted: str) -> None:
    warden = Warden(Limits((Limit(COUNTERS.index(counted), 0, 3, counted),)))
    warden.limiter.acquaintances.of("eve").learning = False
    for name in "abc":
        assert warden.recipient("one", f"{name}@x.example").verdict is Verdict.ACCEPT

    assert ended(warden, "a", "d", "e").verdict is Verdict.ACCEPT

    meter = warden.limiter.meter(warden.site.channels[0], "eve")
    assert meter is not None
    assert meter.sums(warden.limiter.quantum)[0] == [1, 3, 3]
    assert warden.recipient("two", "d@x.example").verdict is Verdict.ACCEPT, "d counts already"
    assert warden.recipient("three", "b@x.example").verdict is Verdict.DEFER, "b counts no more"


def test_other_recipients_at_the_end_need_room_like_any() -> None:
    warden = Warden(Limits((Limit(5, 0, 3, "three"),)))
    warden.recipient("one", "a@x.example")
    for name in "bc":
        warden.recipient("two", f"{name}@x.example")

    assert ended(warden, "a").verdict is Verdict.ACCEPT
    warden.end("two", 2, "5G3R")
    mail = warden.mail(queue_id="5G3R")
    over = replace(
        mail, request=replace(mail.request, recipients=("b@x.example", "d@x.example", "e@x.example"))
    )
    assert warden.judge.message(over).verdict is Verdict.DEFER
    assert warden.used() == (1, 1), "what is refused is given back"


def test_where_some_went_by_without_room_no_names_count() -> None:
    slow = OverLimit(Verdict.ACCEPT, delay_s=0.8)
    warden = Warden(Limits((Limit(5, 0, 2, "two"),)), over_limit=slow)
    for name in "abc":
        warden.recipient("one", f"{name}@x.example")
    ended(warden, "d", "e", "f")
    meter = warden.limiter.meter(warden.site.channels[0], "eve")
    assert meter is not None and meter.sums(warden.limiter.quantum)[0][2] <= 2
