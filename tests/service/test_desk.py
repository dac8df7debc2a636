"""service.desk: many accounts are looked through in slices, between which everybody else has his turn."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.service.desk import SLICE, Desk
from sendwarden.service.gate import DEADLINE_S
from sendwarden.stores.memory import MemoryMeters
from tests.service.test_limits_at_work import Warden

MANY = 20_000


class Looked:
    """How many meters were looked at in each turn of the loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.turns = [0]
        sums = AccountMeter.sums

        def counting(meter: AccountMeter, quantum: int) -> list[list[int]]:
            self.turns[-1] += 1
            return sums(meter, quantum)

        monkeypatch.setattr(AccountMeter, "sums", counting)

    def run(self, coroutine: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """Each time that it gives way a new turn begins."""
        while True:
            try:
                coroutine.send(None)
            except StopIteration as end:
                return dict(end.value)
            self.turns.append(0)


def desk_over(accounts: int) -> tuple[Warden, Desk]:
    """Account n sent n % 5 recipients."""
    warden = Warden()
    limiter = warden.limiter
    for number in range(accounts):
        meter = limiter.table.get("c", f"a{number}", limiter.quantum)
        assert meter
        meter.roll(limiter.quantum)
        meter.recipients += number % 5
    return warden, Desk(limiter, warden.book, warden.clock, warden.log, MemoryMeters({}))


def test_top_gives_way_after_each_slice_and_finds_the_same_as_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, desk = desk_over(MANY)
    looked = Looked(monkeypatch)

    answer = looked.run(desk.ask({"verb": "top", "number": 3}))

    assert answer["counted"] == MANY * 4 // 5
    assert [(one["account"], one["recipients"], one["share"]) for one in answer["accounts"]] == [
        (name, 4, 0.8) for name in ("a10004", "a10009", "a10014")
    ]
    assert len(looked.turns) >= MANY // SLICE
    assert 0 < max(looked.turns) <= 2 * SLICE  # once for what was sent, once for the share


def test_who_comes_and_goes_meanwhile_does_no_harm() -> None:
    warden, desk = desk_over(3 * SLICE)
    table = warden.limiter.table
    walk = desk.ask({"verb": "top", "number": 1})
    walk.send(None)
    for number in range(3 * SLICE):
        table.reset("c", f"a{number}")
    table.get("c", "new", warden.limiter.quantum)

    assert asyncio.run(walk)["counted"] == SLICE * 4 // 5


def test_top_has_more_time_than_an_answer_to_a_mail_server() -> None:
    assert Desk.within_s({"verb": "top"}) > 10 > DEADLINE_S == Desk.within_s({"verb": "set"})
    assert asyncio.run(desk_over(0)[1].ask({"verb": "top"})) == {"accounts": [], "counted": 0}
