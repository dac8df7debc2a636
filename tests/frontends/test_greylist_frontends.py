"""The sjsms service, grossd's policy service and its status, with fake `Checks`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest

from sendwarden.engine.greylist.decide import Greylister, GreylistRules
from sendwarden.engine.greylist.question import Action, Answer, Findings, Found, Question, Word
from sendwarden.frontends import sjsms
from sendwarden.frontends.grosspolicy import GrossPolicyConnection
from sendwarden.frontends.grossstatus import GrossStatusConnection
from sendwarden.frontends.sjsms import SjsmsServer
from sendwarden.service import greylisting
from sendwarden.service.gate import Gate
from sendwarden.service.greylisting import Greylisting, Manner
from tests.frontends.around import LOOPBACK, MemoryTransport
from tests.servers.sjsms_client import framed, request
from tests.service.checks import FakeChecks
from tests.stores.around import HandClock, KeptLog, until

GREY = b"G $X4.4.3|$NPlease$ try$ again$ later"
ASKED = request("a@example.org", "b@example.net", "192.0.2.1", "h")
POLICY = b"sender=a@example.org\nrecipient=b@example.net\nclient_address=192.0.2.1\n\n"
LISTED = Findings((Found("bl.test", 1),))


@dataclass
class Lines:
    """`QueryLog` that keeps what it is told."""

    said: list[tuple[Question, Answer, float]] = field(default_factory=list)

    def add(self, now: float, asked: Question, answer: Answer, took_s: float) -> None:
        del now
        self.said.append((asked, answer, took_s))


class Around:
    """Greylisting with a clock and a log of the test's."""

    def __init__(self, checks: FakeChecks | None = None, rules: GreylistRules | None = None) -> None:
        self.clock, self.log, self.lines = HandClock(), KeptLog(), Lines()
        rules = rules or GreylistRules(checks=checks is not None)
        self.service = Greylisting(Greylister(rules), self.clock, self.log, checks)
        self.service.lines = self.lines
        self.monotonic = 0.0
        self.gate = Gate(10, lambda: self.monotonic)
        self.monotonic = 0.5

    @asynccontextmanager
    async def udp(self) -> AsyncIterator["Udp"]:
        """A real pair of sockets on loopback: what a datagram's reader does is the kernel's business."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("127.0.0.1", 0))
        server = SjsmsServer(self.service, self.gate, self.log, "udp:x")
        server.serve(bound)
        client = Udp(server, bound.getsockname())
        try:
            yield client
        finally:
            client.close()
            server.drain(now=True)
        assert server.closed

    def policy(self) -> tuple[GrossPolicyConnection, MemoryTransport]:
        connection = GrossPolicyConnection(self.service, self.gate, self.log, "127.0.0.1:5525")
        transport = MemoryTransport()
        connection.connection_made(transport)
        return connection, transport


class Udp:
    """A client in the server's own loop."""

    def __init__(self, server: SjsmsServer, place: tuple[str, int]) -> None:
        self.server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(place)
        self._socket.settimeout(0)

    def send(self, datagram: bytes) -> None:
        self._socket.send(datagram)

    async def receive(self) -> bytes:
        async with asyncio.timeout(20):
            return await asyncio.get_running_loop().sock_recv(self._socket, 4096)

    async def ask(self, datagram: bytes) -> bytes:
        self.send(datagram)
        return await self.receive()

    async def says_nothing(self, seen: Callable[[], object]) -> None:
        """Once the server has `seen` it, there is no answer."""
        await until("it was seen", seen)
        with pytest.raises(BlockingIOError):
            self._socket.recv(4096)

    def close(self) -> None:
        self._socket.close()


pytestmark = pytest.mark.e2e  # they open sockets


def test_mail_waits_and_passes() -> None:
    async def run() -> list[bytes]:
        around = Around()
        async with around.udp() as client:
            first = await client.ask(ASKED)
            around.clock.at += 10
            return [first, await client.ask(ASKED)]

    assert asyncio.run(run()) == [GREY, b"M $Y"]


def test_what_is_no_request_is_answered_or_dropped_and_counted() -> None:
    async def run() -> None:
        around = Around()
        async with around.udp() as client:
            for wrong in (b"\0", framed(3, b""), framed(2, b"sender=a\n\n"), b"\xff" * 2000):
                assert await client.ask(wrong) == b"F"
            assert around.service.dropped == 0
            for count, nothing in enumerate((b"", b"F", b"G $Y", b"P"), 1):
                client.send(nothing)
                await client.says_nothing(lambda count=count: around.service.dropped == count)  # type: ignore[misc]
            client.send(framed(1, b"bad argument\0"))
            await client.says_nothing(lambda: around.log.about("sjsms-client"))
            assert around.log.about("sjsms-client") == ["127.0.0.1 said: bad argument"]
            assert len(around.log.about("sjsms-refused")) == 4
            assert await client.ask(ASKED) == GREY

    asyncio.run(run())


def test_a_short_request_gets_no_long_reply() -> None:
    async def run() -> bytes:
        around = Around(rules=GreylistRules(grey_reason="x" * 300))
        async with around.udp() as client:
            return await client.ask(ASKED)

    assert asyncio.run(run()) == b"G"


def test_strangers_and_old_questions_get_no_answer() -> None:
    async def run() -> None:
        around = Around()
        async with around.udp() as client:
            client.server.receive(ASKED, ("192.0.2.99", 5))
            assert around.log.about("sjsms-dropped") == ["udp:x: from a stranger"]
            around.gate.allowed = (ip_network("192.0.2.0/24"),)
            client.server.receive(ASKED, ("192.0.2.99", 5))
            assert around.service.said.total() == 1
            around.monotonic = 7.0
            client.send(ASKED)
            await client.says_nothing(lambda: around.service.dropped == 2)

    asyncio.run(run())


def test_while_watching_all_may_pass_and_the_log_says_what_would_be() -> None:
    async def run() -> None:
        around = Around()
        around.service.manner = Manner(watching=True)
        async with around.udp() as client:
            assert await client.ask(ASKED) == b"T $Y"
            assert await client.ask(request("a", "b", "nonsense")) == b"F"
        assert [answer.action for _, answer, _ in around.lines.said] == [Action.GREY, Action.FAIL]
        assert around.log.events[0][1]["action"] == "greylist" and around.log.events[0][1]["watched"] is True
        assert around.service.said == {Action.TRUST: 1, Action.FAIL: 1}

    asyncio.run(run())


def test_what_checks_know_already_is_answered_at_once() -> None:
    async def run() -> list[float]:
        checks = FakeChecks(at_hand={"192.0.2.1": LISTED, "192.0.2.2": Findings()})
        async with Around(checks).udp() as client:
            assert await client.ask(ASKED) == GREY
            assert await client.ask(request("a", "b", "192.0.2.2")) == b"T $Y"
        return checks.looks

    assert asyncio.run(run()) == []


def test_who_waits_for_checks_is_told_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sjsms, "PENDING_S", 0.01)

    async def run() -> list[bytes]:
        checks = FakeChecks(found={"192.0.2.1": LISTED}, slow=True)
        async with Around(checks).udp() as client:
            first = await client.ask(ASKED)
            checks.released.set()
            return [first, await client.receive()]

    assert asyncio.run(run()) == [b"P", GREY]


def test_whose_time_is_short_is_not_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sjsms, "PENDING_S", 0.05)

    async def run() -> bytes:
        around = Around(FakeChecks(slow=True))
        around.service.manner = Manner(wait_s=0.05)
        async with around.udp() as client:
            return await client.ask(ASKED)

    assert asyncio.run(run()) == b"T $Y"


def test_who_gives_no_answer_has_found_nothing_and_that_is_told() -> None:
    async def run() -> None:
        around = Around(FakeChecks(slow=True))
        around.service.manner = Manner(wait_s=0.01)
        async with around.udp() as client:
            assert await client.ask(ASKED) == b"T $Y"
        assert around.log.about("check-unanswered") == ["bl.test"]
        assert around.service.unanswered == 1 and around.service.waiting == 0

    asyncio.run(run())


def test_too_many_that_wait_are_decided_without_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greylisting, "MOST_WAITING", 0)

    async def run() -> None:
        around = Around(FakeChecks(found={"192.0.2.1": LISTED}))
        async with around.udp() as client:
            assert await client.ask(ASKED) == b"T $Y"
        assert around.log.about("greylist-busy") and around.service.unanswered == 1

    asyncio.run(run())


def test_a_socket_closes_behind_the_last_answer() -> None:
    async def run() -> None:
        checks = FakeChecks(slow=True)
        async with Around(checks).udp() as client:
            client.send(ASKED)
            await until("it is looked up", lambda: checks.looks)
            client.server.drain(now=False)
            assert not client.server.closed
            checks.released.set()
            assert await client.receive() == b"T $Y"
            await until("it has closed", lambda: client.server.closed)

    asyncio.run(run())


def test_a_bug_is_told_and_the_next_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
        around = Around()
        async with around.udp() as client:
            with monkeypatch.context() as broken:
                broken.setattr(around.service, "ask", lambda _asked: 1 / 0)
                client.send(ASKED)
                await client.says_nothing(lambda: told)
            assert await client.ask(ASKED) == GREY
        assert around.service.dropped == 1

    asyncio.run(run())


# --- Postfix's protocol, and the status line


def test_postfix_is_told_to_defer_then_nothing() -> None:
    around = Around()
    connection, transport = around.policy()
    connection.data_received(POLICY)
    around.clock.at += 10
    connection.data_received(POLICY[:30])
    connection.data_received(POLICY[30:] + POLICY.replace(b"192.0.2.1", b"nonsense"))

    assert transport.written == (
        b"action=defer_if_permit Please try again later\n\naction=dunno\n\naction=dunno\n\n"
    )
    assert connection.idle


def test_a_block_is_a_reject_with_the_checks_own_reason() -> None:
    blocked = Findings((Found("spf", 0, Word.BLOCK, "not\nours"),))
    connection, transport = Around(FakeChecks(at_hand={"192.0.2.1": blocked})).policy()
    connection.data_received(POLICY)

    assert transport.written == b"action=reject not ours\n\n"


def test_exim_gets_one_answer_and_the_end() -> None:
    connection, transport = Around().policy()
    connection.data_received(POLICY[:-1] + b"grossd_mode=exim\n\n" + POLICY)

    assert transport.written.count(b"action=") == 1
    assert transport.closed and not transport.aborted


@pytest.mark.parametrize("wrong", [b"\n", b"sender=a\n\n"])
def test_what_is_no_request_ends_the_connection(wrong: bytes) -> None:
    around = Around()
    connection, transport = around.policy()
    connection.data_received(wrong)

    assert transport.aborted and not transport.written
    assert around.log.about("connection-closed")


def test_postfix_waits_for_checks_within_its_second() -> None:
    async def run() -> None:
        checks = FakeChecks(found={"192.0.2.1": LISTED}, slow=True)
        connection, transport = Around(checks).policy()
        connection.data_received(POLICY + POLICY)
        await until("it is looked up", lambda: checks.looks)
        assert not transport.written and not connection.idle
        checks.released.set()
        await until("both are answered", lambda: transport.written.count(b"\n\n") == 2)
        assert transport.written.count(b"defer_if_permit") == 2
        assert max(checks.looks) < 1.0

    asyncio.run(run())


def test_the_status_line_warns_while_a_list_is_out_of_service() -> None:
    around = Around(FakeChecks(out_of_service=("bl.test",)), replace(GreylistRules(), checks=True))

    assert around.service.status().startswith("1: Grossd asks without bl.test. Update queue: 0 ")


def test_the_status_line() -> None:
    checks = FakeChecks(at_hand={"192.0.2.1": LISTED})
    around = Around(checks, replace(GreylistRules(), checks=True))
    connection, _ = around.policy()
    connection.data_received(POLICY)
    around.clock.at += 2
    status, transport = (
        GrossStatusConnection(around.service, around.gate, around.log, "x"),
        MemoryTransport(LOOPBACK),
    )
    status.connection_made(transport)

    assert transport.closed and status.closed
    assert transport.written.decode() == (
        "0: Grossd OK. Update queue: 1 (In: 1 + Out: 0) Trust: 0 Match: 0 Greylist: 1 Block: 0 "
        "Queries/sec: 0.500000 Dnsbl matches: grossd dnsbl matches (bl.test): 1\n"
    )
