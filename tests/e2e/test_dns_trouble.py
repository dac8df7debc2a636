"""lookups.dns and service.reputation against a DNS server that lies, hangs or is slow, on both loops.

Whatever it does, a decision takes no longer than its time limit, and a list in trouble has no weight.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sendwarden.core.dns import DnsAnswer, Question, Route
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.lists import DnsList
from sendwarden.lookups import dns
from sendwarden.lookups.dns import LONGEST_S, DnsLookups
from sendwarden.service.reputation import About, Reputation
from tests.servers.liar import DAY_S, MODES, Liar
from tests.stores.around import HandClock, KeptLog

pytestmark = pytest.mark.e2e

PATIENCE_S = 0.5
# What a busy machine may add to a time limit.
BUSY_S = 1.0
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
LISTED, UNLISTED = "192.0.2.7", "192.0.2.8"

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    def of(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the test wants to know
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(work)

    return of


@pytest.fixture
def liar() -> Iterator[Liar]:
    server = Liar("bl.test", LISTED)
    yield server
    server.stop()


def route(server: Liar) -> Route:
    return Route("bl", (server.place,), PATIENCE_S)


def question(server: Liar, first: str = "7.2.0.192", by: Route | None = None) -> Question:
    return Question(f"{first}.bl.test", "A", by or route(server))


# Mode -> what is known of an address that is listed; "": trouble.
ANSWERS = {
    "honest": "127.0.0.2",
    "truncated": "127.0.0.2",
    "huge ttl": "127.0.0.2",
    "wildcard": "127.0.0.2",
    "refusing": "127.255.255.254",
    "sold": "203.0.113.9",
    "both": "127.0.0.2 127.255.255.252",
    "cname loop": "nothing",
    "empty": "nothing",
}


@pytest.mark.parametrize("mode", MODES)
def test_each_question_has_an_answer_or_a_trouble_within_its_time_limit(
    mode: str, liar: Liar, run: Run
) -> None:
    liar.mode = mode

    async def asked() -> tuple[DnsAnswer, float]:
        lookups = DnsLookups()
        begin = time.monotonic()
        answer = await lookups.ask(question(liar), 5.0)
        took_s = time.monotonic() - begin
        await lookups.close()
        return answer, took_s

    answer, took_s = run(asked())

    assert took_s < PATIENCE_S + BUSY_S
    if mode in ANSWERS:
        assert (" ".join(answer.records) or "nothing", answer.trouble) == (ANSWERS[mode], "")
    else:
        assert answer.trouble and not answer.records
    print(f"{mode}: {answer.records or answer.trouble} after {1000 * took_s:.0f} ms")


@pytest.mark.parametrize("mode", sorted(MODES.keys() - {"honest", "truncated", "huge ttl"}))
def test_a_list_in_trouble_is_out_of_service_and_an_honest_one_beside_it_counts(
    mode: str, liar: Liar, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = KeptLog()
    other = Liar("ok.test", LISTED)

    async def asked() -> tuple[list[Finding], float]:
        lookups = DnsLookups()
        lists = [
            DnsList("bl", "dnsbl", "bl.test", servers=(liar.place,), patience_s=PATIENCE_S),
            DnsList("ok", "dnsbl", "ok.test", servers=(other.place,), patience_s=PATIENCE_S),
        ]
        reputation = Reputation(lists, lookups, (HandClock(), log))
        await reputation.test()  # both are good
        liar.mode = mode
        begin = time.monotonic()
        first = await reputation.begin(About(UNLISTED), {"dnsbl"}).finish(2.0)
        took_s = time.monotonic() - begin
        monkeypatch.setattr(dns, "QUESTIONS_EACH", 0)  # c-ares has a cache of its own
        await reputation.test()
        if not reputation.watched[0].health.unfit:
            await reputation.test()  # of a good list one test may get lost
        found = await reputation.begin(About(LISTED), {"dnsbl"}).finish(2.0)
        await lookups.close()
        return [*first, *found], took_s

    found, took_s = run(asked())
    other.stop()

    assert took_s < 2.0 + BUSY_S
    of_list = {name: [one for one in found if one.name == name] for name in ("bl", "ok")}
    assert [one.said for one in of_list["ok"]] == [Said.CLEAR, Said.LISTED]
    first, after = of_list["bl"]
    assert (after.said, after.weight) == (Said.UNKNOWN, 0) and after.why.startswith("out of service: ")
    assert not first.weight or mode == "wildcard", (
        "between two tests nobody can tell that it lists everything"
    )
    assert log.about("dns-list-unfit") == [
        f"bl: out of service, {after.why.removeprefix('out of service: ')}"
    ]


@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=12),
    st.integers(0, 80),
    st.binary(max_size=9),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_an_answer_has_it_is_addresses_or_trouble_in_time(
    liar: Liar, changes: list[tuple[int, int]], cut: int, behind: bytes
) -> None:
    def spoil(answer: bytes) -> bytes:
        spoiled = bytearray(answer)
        for at, value in changes:
            spoiled[at % len(spoiled)] = value
        return bytes(spoiled[: len(spoiled) - cut % 40] + behind)

    async def asked() -> DnsAnswer:
        lookups = DnsLookups()
        begin = time.monotonic()
        answer = await lookups.ask(question(liar, by=Route("bl", (liar.place,), 0.1)), 1.0)
        assert time.monotonic() - begin < 0.1 + BUSY_S
        await lookups.close()
        return answer

    liar.spoil = spoil
    answer = asyncio.run(asked())

    assert not (answer.records and answer.trouble)
    DnsList("bl", "dnsbl", "bl.test").read(tuple(str(ip_address(one)) for one in answer.records))


def test_many_that_wait_for_one_question_ask_it_once(liar: Liar, run: Run) -> None:
    liar.mode = "slow"
    heard: list[str] = []

    async def asked() -> list[DnsAnswer]:
        lookups = DnsLookups()
        lookups.on_answer = lambda _question, answer: heard.append(answer.trouble)
        one = question(liar, by=Route("bl", (liar.place,), 5.0))
        answers = await asyncio.gather(*(lookups.ask(one, 5.0) for _ in range(50)), lookups.ask(one, 0.01))
        await lookups.close()
        return answers

    *answers, impatient = run(asked())

    assert {one.records for one in answers} == {("127.0.0.2",)} and impatient.trouble.startswith(
        "no answer within"
    )
    assert heard == [""]


def test_an_answer_is_remembered_for_its_ttl_and_an_absence_as_its_zone_says(
    liar: Liar, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def kept() -> list[object]:
        lookups = DnsLookups()
        at = 1000.0
        monkeypatch.setattr(lookups, "_time", lambda: at)
        by = Route("bl", (liar.place,), PATIENCE_S, nothing_s=7.0)
        listed, absent = question(liar, by=by), question(liar, "8.2.0.192", by)
        for one in (listed, absent):
            await lookups.ask(one, 1.0)
        found: list[object] = []
        for later in (6.0, 8.0, 59.0, 61.0):
            at = 1000.0 + later
            found.append([lookups.cached(one) is not None for one in (listed, absent)])
        liar.mode = "huge ttl"
        years = Question("2.0.0.127.bl.test", "A", by)
        await lookups.ask(years, 1.0)
        for later in (LONGEST_S - 1, LONGEST_S + 1, DAY_S):
            at = 1061.0 + later
            found.append(lookups.cached(years) is not None)
        await lookups.close()
        return found

    assert run(kept()) == [[True, True], [True, False], [True, False], [False, False], True, False, False]


def test_trouble_is_not_remembered(liar: Liar, run: Run) -> None:
    async def again() -> DnsAnswer:
        lookups = DnsLookups()
        one = question(liar)
        liar.mode = "failed"
        assert (await lookups.ask(one, 1.0)).trouble == "the server failed (SERVFAIL)"
        liar.mode = "honest"
        answer = await lookups.ask(one, 5.0)
        await lookups.close()
        return answer

    assert run(again()).records == ("127.0.0.2",)


def test_no_more_questions_than_the_limit_are_under_way_and_no_more_answers_kept(
    liar: Liar, run: Run
) -> None:
    async def many() -> tuple[int, int, int]:
        lookups = DnsLookups(most_questions=20, most_kept=10)
        by = Route("bl", (liar.place,), 5.0)
        answers = await asyncio.gather(*(lookups.ask(question(liar, f"x{n}", by), 5.0) for n in range(50)))
        refused = sum(one.trouble == "more than 20 questions at a time" for one in answers)
        kept = len(lookups._kept)  # noqa: SLF001 - there is no other way to see it
        assert not (await lookups.ask(question(liar, "later", by), 5.0)).trouble
        await lookups.close()
        return refused, lookups.turned_away, kept

    assert run(many()) == (30, 30, 10)


def test_resolvers_are_replaced_so_that_their_own_cache_does_not_grow(
    liar: Liar, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "QUESTIONS_EACH", 10)

    async def many() -> set[str]:
        lookups = DnsLookups()
        by = route(liar)
        troubles = set()
        for group in range(5):
            answers = await asyncio.gather(
                *(lookups.ask(question(liar, f"x{group}.{n}", by), 5.0) for n in range(15))
            )
            troubles |= {one.trouble for one in answers}
        assert len(lookups._retired) >= 5  # noqa: SLF001 - there is no other way to see it
        await asyncio.sleep(PATIENCE_S + 0.2)
        assert not lookups._retired  # noqa: SLF001
        await lookups.close()
        return troubles

    assert run(many()) == {""}


def test_renewed_resolvers_are_asked_and_what_is_under_way_still_ends(liar: Liar, run: Run) -> None:
    liar.mode = "slow"

    async def renewed() -> list[str]:
        lookups = DnsLookups()
        by = Route("bl", (liar.place,), 5.0)
        before = asyncio.ensure_future(lookups.ask(question(liar, by=by), 5.0))
        await asyncio.sleep(0.05)
        lookups.renew()
        after = await lookups.ask(question(liar, "8.2.0.192", by), 5.0)
        found = [(await before).trouble, after.trouble]
        await lookups.close()
        return found

    assert run(renewed()) == ["", ""]


def test_no_server_at_all_is_told_at_once(run: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]

    async def asked() -> DnsAnswer:
        lookups = DnsLookups()
        answer = await lookups.ask(Question("x.bl.test", "A", Route("bl", (f"127.0.0.1:{port}",), 5.0)), 5.0)
        await lookups.close()
        return answer

    assert run(asked()).trouble in ("no server is there", "no answer")


@pytest.mark.parametrize("each", [1000, 0])
def test_closing_ends_what_is_under_way(
    each: int, liar: Liar, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar.mode = "dead"
    monkeypatch.setattr(dns, "QUESTIONS_EACH", each)

    async def closed() -> str:
        lookups = DnsLookups()
        by = Route("bl", (liar.place,), 30.0)
        asking, _other = (asyncio.ensure_future(lookups.ask(question(liar, name, by), 60.0)) for name in "ab")
        await asyncio.sleep(0.05)
        await lookups.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                return (await asking).trouble
        return "it still waits"

    assert run(closed()) == "given up"
