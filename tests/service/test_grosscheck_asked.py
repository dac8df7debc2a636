"""service.grosscheck: who is asked, what the entry yields, and that nothing happens twice."""

import asyncio
from dataclasses import dataclass, field

import pytest

from sendwarden.engine.greylist.decide import Greylister, GreylistRules
from sendwarden.engine.greylist.question import Findings, Found
from sendwarden.engine.mapping.grosscheck import read_call
from sendwarden.engine.meters.keys import MeterError
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.world import GreylistCall
from sendwarden.service.greylisting import Greylisting, Manner
from sendwarden.service.grosscheck import Grosscheck, said
from sendwarden.service.memo import Memo, Pending
from sendwarden.service.ports import AskLater, Known
from sendwarden.stores.memory import MemoryMeters
from sendwarden.wire.sjsms import Kind, Reply
from tests.service.checks import FakeChecks
from tests.stores.around import HandClock, KeptLog

GREY = "$X4.4.3|$NPlease$ try$ again$ later"
OURS = read_call(["127.0.0.1", "", "5525", "192.0.2.1", "b@example.net", "a@example.org"])
THEIRS = read_call(["192.0.2.5", "127.0.0.1", "5525", "192.0.2.1", "b@example.net", "a@example.org"])


@dataclass
class FakeRemote:
    """`RemoteGreylist` that answers as told."""

    reply: Reply | None = None
    asked: list[GreylistCall] = field(default_factory=list)

    async def ask(self, call: GreylistCall) -> Reply | None:
        self.asked.append(call)
        return self.reply


def asking(remote: FakeRemote, checks: FakeChecks | None = None) -> tuple[Grosscheck, Greylisting, HandClock]:
    clock = HandClock()
    rules = GreylistRules(checks=checks is not None)
    own = Greylisting(Greylister(rules), clock, KeptLog(), checks)
    return Grosscheck(own, frozenset({"127.0.0.1:5525"}), remote), own, clock


def later(found: Known | AskLater) -> Known:
    assert not isinstance(found, Known)
    known = asyncio.run(found())
    assert isinstance(known, Known)
    return known


def test_our_own_greylisting_answers_at_once() -> None:
    remote = FakeRemote()
    grosscheck, own, clock = asking(remote)

    assert grosscheck.ask(OURS, "") == Known(GREY)
    clock.at += 10
    assert grosscheck.ask(OURS, "") == Known("$Y")
    assert not remote.asked
    own.manner = Manner(watching=True)
    clock.at += 10**6
    assert grosscheck.ask(OURS, "") == Known("$Y")


def test_our_own_checks_are_waited_for() -> None:
    checks = FakeChecks(found={"192.0.2.1": Findings((Found("bl.test", 1),))})
    grosscheck, _, _ = asking(FakeRemote(), checks)

    assert later(grosscheck.ask(OURS, "")) == Known(GREY)


def test_a_bad_address_fails_the_call() -> None:
    grosscheck, _, _ = asking(FakeRemote())

    assert grosscheck.ask(read_call(["127.0.0.1", "", "5525", "x", "b", "a"]), "") == Known(None)


# A server's reply, and what the entry yields.
REPLIES: list[tuple[Reply | None, str | None]] = [
    (Reply(Kind.GREY, "$NWait"), "$NWait"),
    (Reply(Kind.GREY), GREY),
    (Reply(Kind.MATCH), "$Y"),
    (Reply(Kind.TRUST), "$Y"),
    (Reply(Kind.BLOCK), "$N"),
    (Reply(Kind.BLOCK, ""), ""),
    (Reply(Kind.TRUST, "$Y\0rest"), "$Y"),
    (Reply(Kind.GREY, "x" * 300), "x" * 252),
    (Reply(Kind.FAILED), None),
    (Reply(Kind.PENDING), None),
    (None, None),
]


@pytest.mark.parametrize(("reply", "text"), REPLIES)
def test_what_a_server_says_is_what_the_entry_yields(reply: Reply | None, text: str | None) -> None:
    remote = FakeRemote(reply)
    grosscheck, own, _ = asking(remote)

    assert later(grosscheck.ask(THEIRS, "")) == Known(text) == said(reply)
    assert remote.asked == [THEIRS]
    assert not own.said


def test_an_evaluation_that_runs_again_counts_draws_and_asks_nothing_twice() -> None:
    meters = MemoryMeters(
        {"t": TableOptions("t", quota=100), "s": TableOptions("s", type="simple", value_type="integer")}
    )
    drawn: list[float] = []
    asked: list[GreylistCall] = []

    def chance() -> float:
        drawn.append(7.0 * len(drawn))
        return drawn[-1]

    async def answer() -> Known:
        return Known("$Y")

    def ask(call: GreylistCall) -> Known | AskLater:
        asked.append(call)
        return answer

    memo = Memo(1000.0, meters, chance, ask)

    def evaluate() -> list[object]:
        found: list[object] = [memo.throttle("t", "eve", memo.now).used, memo.chance()]
        found.append(memo.adjust("s", "k", "+1"))
        try:
            memo.fetch("t", "k")
        except MeterError as error:
            found.append(str(error))
        found.append(memo.next_number("n"))
        found += [memo.greylist(OURS), memo.throttle("t", "eve", memo.now).used, memo.greylist(THEIRS)]
        return found

    runs = 0
    while True:
        try:
            found = evaluate()
        except Pending as pending:
            runs += 1
            memo.begin_again(asyncio.run(pending.ask()))
        else:
            break

    assert runs == 2 and len(asked) == 2 and len(drawn) == 1
    assert found == [0.0, 0.0, 1, "a throttle table, not a simple table", 0, "$Y", 1.0, "$Y"]
    assert meters.query("t", "eve", 1000.0).used == 2
    assert meters.fetch("s", "k") == 1
    assert not memo.replaying
