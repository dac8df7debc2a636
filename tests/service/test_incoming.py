"""Limits of mail that comes in: for networks, sender domains and mailboxes, never for our own senders."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.texts import refusal_text
from sendwarden.engine.limits.incoming import IncomingRules
from sendwarden.engine.limits.rules import Counts, Limit, Limits
from sendwarden.service.allowance import Allowance, Whole
from sendwarden.service.book import Book
from sendwarden.service.desk import Desk
from sendwarden.service.judge import Judge
from sendwarden.service.limiter import Limiter
from sendwarden.service.quick import Quick
from sendwarden.stores.memory import MemoryMeters
from tests.service.judging import ENFORCING, SITE, filtered
from tests.service.outside import KeptExceptions, outside
from tests.stores.around import HandClock, KeptLog

FIVE = Limits((Limit(0, 0, 5, "five"),))
STRANGER = Request(
    Stage.RCPT, client_address="192.0.2.7", sender="a@shop.example", recipients=("bob@example.org",)
)


class Gateway:
    """A judge with limits for incoming mail."""

    def __init__(self, *rows: str, watched: bool = False, channel: object = ENFORCING) -> None:
        rules = IncomingRules(
            dict.fromkeys(rows, FIVE), (ip_network("10.0.0.0/8"),), ("huge.example",), watched=watched
        )
        self.site = replace(SITE, channels=(channel,), incoming=rules)  # type: ignore[arg-type]
        self.clock = HandClock()
        self.limiter = Limiter(self.site, Book(self.clock, KeptExceptions()), self.clock)
        outer = outside(self.clock, KeptLog())
        self.judge = Judge(self.site, MemoryMeters({}), outer, Allowance(self.limiter, outer))
        self._number = 0

    def rcpt(self, name: str = "", **more: object) -> Decision:
        self._number += 1
        request = replace(STRANGER, **more)  # type: ignore[arg-type]
        return self.judge.recipient(request, (name or f"m{self._number}").encode(), "server")

    def mail(self, *to: str, queue_id: str = "", **more: object) -> Decision:
        request = replace(
            STRANGER, stage=Stage.END_OF_MESSAGE, recipients=to or STRANGER.recipients, queue_id=queue_id
        )
        return self.judge.message(Message(replace(request, **more), ()))  # type: ignore[arg-type]

    def used(self, kind: str, key: str) -> int:
        meter = self.limiter.incoming.find(kind, key)
        return meter.sums(self.limiter.quantum)[0][0] if meter else 0


def count(decisions: list[Decision]) -> int:
    """How many pass; those that do not are deferred, and all behind the last that passed."""
    passed = [decision.verdict is Verdict.ACCEPT for decision in decisions]
    assert {decision.verdict for decision in decisions} <= {Verdict.ACCEPT, Verdict.DEFER}
    assert sorted(passed, reverse=True) == passed
    return sum(passed)


@pytest.mark.parametrize("way", ["rcpt", "mail"])
def test_a_mail_bomb_stops_at_the_limit_of_its_mailbox_and_no_other(way: str) -> None:
    gate = Gateway("incoming-mailbox")
    send = getattr(gate, way)
    senders = [f"news{number}@shop{number}.example" for number in range(9)]
    assert (
        count([send(sender=sender, client_address=f"198.51.{n}.1") for n, sender in enumerate(senders)]) == 5
    )
    assert "too much mail for bob@example.org: 5 of 5 messages in 10m" in refusal_text(send())
    other = {"recipients": ("anna@example.org",)}
    assert send(**other).verdict is Verdict.ACCEPT
    assert send(recipients=("BOB+list@example.org",)).verdict is Verdict.DEFER, "the same mailbox"


@pytest.mark.parametrize("way", ["rcpt", "mail"])
def test_backscatter_stops_and_other_mail_goes_on(way: str) -> None:
    gate = Gateway("incoming-bounces")
    send = getattr(gate, way)
    assert count([send(sender="", client_address=f"198.51.{n}.1") for n in range(9)]) == 5
    assert send().verdict is Verdict.ACCEPT


@pytest.mark.parametrize("way", ["rcpt", "mail"])
def test_networks_count_as_a_whole(way: str) -> None:
    gate = Gateway("incoming-network")
    send = getattr(gate, way)
    assert count([send(client_address=f"192.0.2.{n}") for n in range(9)]) == 5
    assert send(client_address="192.0.3.1").verdict is Verdict.ACCEPT
    assert count([send(client_address=f"2001:db8::{n}") for n in range(9)]) == 5
    assert send(client_address="2001:db8:0:1::1").verdict is Verdict.ACCEPT


def test_a_sender_domain_is_counted_unless_it_is_excepted() -> None:
    gate = Gateway("incoming-domain")
    assert count([gate.rcpt(sender=f"{n}@SHOP.example") for n in range(9)]) == 5
    assert count([gate.rcpt(sender=f"{n}@huge.example") for n in range(9)]) == 9
    assert count([gate.rcpt(sender="") for n in range(9)]) == 9


def test_a_message_is_one_for_its_network_however_many_it_reaches_and_one_for_each_mailbox() -> None:
    gate = Gateway("incoming-network", "incoming-mailbox")
    for number in range(20):
        assert gate.rcpt("m", recipients=(f"u{number}@example.org",)).verdict is Verdict.ACCEPT
    assert gate.used("incoming-network", "192.0.2.0/24") == 1
    gate.mail("bob@example.org", "anna@example.org", "x@elsewhere.example")
    assert gate.used("incoming-network", "192.0.2.0/24") == 2
    assert [gate.used("incoming-mailbox", f"{who}@example.org") for who in ("bob", "anna")] == [1, 1]
    assert gate.used("incoming-mailbox", "x@elsewhere.example") == 0


def test_what_one_limit_stops_counts_for_no_other() -> None:
    gate = Gateway("incoming-network", "incoming-mailbox")
    for number in range(5):
        gate.rcpt(client_address=f"198.51.{number}.1")
    for _ in range(9):
        assert gate.rcpt().verdict is Verdict.DEFER
    assert gate.used("incoming-network", "192.0.2.0/24") == 0


def test_policy_and_milter_count_a_message_once() -> None:
    gate = Gateway("incoming-network", "incoming-mailbox")
    for number in range(5):
        name = f"i{number}"
        assert gate.rcpt(name).verdict is Verdict.ACCEPT
        end = replace(STRANGER, stage=Stage.END_OF_MESSAGE, queue_id=f"Q{number}")
        gate.judge.whole(end, Whole(name.encode(), Counts(1, 1), "server"))
        assert gate.mail(queue_id=f"Q{number}").verdict is Verdict.ACCEPT
    assert gate.used("incoming-mailbox", "bob@example.org") == 5


@pytest.mark.parametrize(
    "sender",
    [
        {"login": "eve"},
        {"client_address": "10.1.1.1"},
        {"client_address": "::ffff:10.1.1.1"},
        {"client_address": ""},
    ],
)
def test_our_own_senders_never_count(sender: dict[str, str]) -> None:
    gate = Gateway("incoming-network", "incoming-domain", "incoming-mailbox")
    assert count([gate.rcpt(**sender) for _ in range(9)]) == 9
    assert count([gate.mail(**sender) for _ in range(9)]) == 9
    assert len(gate.limiter.incoming) == 0


def test_what_a_filter_throws_away_does_not_count() -> None:
    gate = Gateway("incoming-mailbox", channel=filtered("discard;"))
    assert {gate.mail().verdict for _ in range(9)} == {Verdict.DISCARD}
    assert gate.used("incoming-mailbox", "bob@example.org") == 0


def test_while_it_only_watches_all_passes_and_is_told_once_a_moment() -> None:
    gate = Gateway("incoming-mailbox", watched=True)
    decisions = [gate.rcpt() for _ in range(9)]
    assert {decision.in_effect for decision in decisions} == {Verdict.ACCEPT}
    over = [decision for decision in decisions if decision.verdict is Verdict.DEFER]
    assert len({decision.reference for decision in over}) == 1
    assert [decision.repeated for decision in over] == [False, True, True, True]


def test_administrators_hear_that_a_limit_is_reached_and_strangers_never() -> None:
    gate = Gateway("incoming-mailbox")
    told = [reason for _ in range(5) for reason in gate.rcpt().told]
    assert [(reason.id, reason.numbers["percent"]) for reason in told] == [("incoming-share", 100)]
    assert told[0].numbers["account"] == "bob@example.org"


def test_names_that_strangers_choose_are_short_and_bounded() -> None:
    gate = Gateway("incoming-mailbox", "incoming-domain")
    gate.limiter.incoming.most = 100
    for number in range(2000):
        gate.rcpt(sender=f"a@{number}.example", recipients=(f"{'x' * 500}{number}\n@example.org",))
    assert len(gate.limiter.incoming) <= 200
    assert all(len(key) <= 255 for some in gate.limiter.incoming.slices(50) for _kind, key, _meter in some)


def test_the_quick_way_leaves_strangers_to_the_judge_and_only_where_they_are_counted() -> None:
    for rows, quick in ((("incoming-mailbox",), False), ((), True)):
        channel = replace(ENFORCING, limits=Limits((Limit(1, 0, 100, "row"),)))
        gate = Gateway(*rows, channel=channel)
        found = Quick(lambda gate=gate: gate.judge, gate.limiter, "").meter(b"192.0.2.7", b"", b"a@x.example")  # type: ignore[misc]
        assert (found is not None) is quick


def test_top_lists_what_is_nearest_to_its_limit() -> None:
    gate = Gateway("incoming-network", "incoming-mailbox")
    for number in range(4):
        gate.rcpt(recipients=(f"u{number}@example.org",))
    desk = Desk(gate.limiter, Book(gate.clock, KeptExceptions()), gate.clock, KeptLog(), MemoryMeters({}))
    listed = asyncio.run(desk.ask({"verb": "top", "by": "incoming", "number": 2}))["accounts"]
    assert [(one["account"], one["channel"], one["share"]) for one in listed] == [
        ("192.0.2.0/24", "incoming-network", 0.8),
        ("u0@example.org", "incoming-mailbox", 0.2),
    ]
    assert asyncio.run(desk.ask({"verb": "top"}))["accounts"] == []


def test_a_message_counts_once_for_a_mailbox_however_often_it_names_it() -> None:
    gate = Gateway("incoming-mailbox")
    assert count([gate.rcpt("one", recipients=(f"bob+{n}@example.org",)) for n in range(8)]) == 8
    assert gate.used("incoming-mailbox", "bob@example.org") == 1


@pytest.mark.parametrize("way", ["rcpt", "mail"])
def test_a_mailbox_in_quotes_is_no_other(way: str) -> None:
    gate = Gateway("incoming-mailbox")
    spelled = ["bob", '"bob"', '"b\\ob"', "\\bob", 'b"o"b', '"bob+x"', "BOB"]
    to = [f"{local}@example.org" for local in spelled]
    asked = [gate.rcpt(recipients=(one,)) if way == "rcpt" else gate.mail(one) for one in to]
    assert count(asked) == 5
