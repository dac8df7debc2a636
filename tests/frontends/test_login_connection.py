"""frontends.login: questions over HTTP, wrong ones, the secret, the gate, and the end."""

import asyncio
import base64
import json
import time
from collections.abc import Coroutine
from typing import Any

import h11
import pytest

from sendwarden.core.account import State
from sendwarden.core.identity import IdentityRules
from sendwarden.core.login import Login
from sendwarden.frontends.login import KEEP_ALIVE_S, Asked, LoginConnection, LoginServer
from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.logins import Logins
from sendwarden.wire.wforce import MAX_BODY_BYTES
from tests.frontends.around import LOOPBACK, MemoryTransport
from tests.service.states import StatesInMemory
from tests.stores.around import HandClock, KeptLog, until

ASK = {"login": "bob", "remote": "192.0.2.7", "protocol": "imap", "tls": False}
REPORT = ASK | {"success": True, "policy_reject": False, "session_id": "a session"}


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


class Ground:
    """A server for logins where eve is contained; `peer` connects to it."""

    def __init__(self, secret: str = "", most: int = 100) -> None:
        self.log = KeptLog()
        self.gate = Gate(most, lambda: 0.0)
        self.secret = secret
        states = StatesInMemory({"eve": State.CONTAINED})
        self.logins = Logins(IdentityRules(), states, HandClock(), self.log, watching=False)
        self.server = LoginServer(lambda: Asked(self.logins, self.secret), self.gate, self.log)

    def peer(self, address: object = LOOPBACK) -> "Peer":
        return Peer(self.server.connection("login"), MemoryTransport(address))


class Peer:
    """The other end of one connection."""

    def __init__(self, connection: LoginConnection, transport: MemoryTransport) -> None:
        self.connection, self.transport = connection, transport
        self._heard = h11.Connection(h11.CLIENT)
        connection.connection_made(transport)

    def say(self, data: bytes) -> None:
        self.connection.data_received(data)

    def post(self, command: str, body: object, secret: str | None = None) -> bytes:
        """The bytes of a question."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", f"/?command={command}", text, secret)

    def request(self, method: str, target: str, body: bytes = b"", secret: str | None = None) -> bytes:
        token = base64.b64encode(f"wforce:{secret}".encode()).decode()
        header = f"Authorization: Basic {token}\r\n" if secret is not None else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def answer(self, *chunks: bytes) -> tuple[int, Any]:
        """Say something; status and JSON of the answer to it."""
        for chunk in chunks:
            self.say(chunk)
        await until("an answer", lambda: b"\r\n\r\n" in self.transport.written)
        await asyncio.sleep(0)
        head, _, body = bytes(self.transport.written).partition(b"\r\n\r\n")
        self.transport.written.clear()
        return int(head.split()[1]), json.loads(body) if b"json" in head else body


def test_who_may_go_on_is_told_so_and_who_is_contained_is_told_why() -> None:
    async def work() -> None:
        peer = Ground().peer()

        assert await peer.answer(peer.post("allow", ASK)) == (200, {"status": 0, "msg": ""})
        status, answer = await peer.answer(peer.post("allow", ASK | {"login": "EVE"}))

        assert (status, answer["status"]) == (200, -1)
        assert (
            answer["msg"] == "logging in to this account is stopped to protect it; please ask your postmaster"
        )
        assert not peer.transport.closed

    run(work())


def test_only_a_report_is_an_event() -> None:
    async def work() -> None:
        ground = Ground()
        peer = ground.peer()
        for _ in range(2):
            await peer.answer(peer.post("allow", ASK))
        assert ground.log.events == []

        assert await peer.answer(peer.post("report", REPORT)) == (200, {"status": "ok"})

        ((kind, fields),) = ground.log.events
        assert (kind, fields["account"], fields["success"]) == ("login", "bob", True)

    run(work())


def test_a_question_byte_by_byte_and_two_at_once_are_answered() -> None:
    async def work() -> None:
        peer = Ground().peer()
        asked = peer.post("allow", ASK)
        assert (await peer.answer(*(bytes([byte]) for byte in asked)))[0] == 200

        peer.say(asked + asked)
        await until("two answers", lambda: peer.transport.written.count(b'"status": 0') == 2)

    run(work())


# What is asked, the status of the answer, and its reason.
WRONG: dict[str, tuple[str, str, bytes, int, str]] = {
    "no JSON": ("POST", "/?command=allow", b"hello", 400, "not JSON"),
    "cut short": ("POST", "/?command=allow", b'{"login":"e', 400, "not JSON"),
    "no body": ("POST", "/?command=allow", b"", 400, "not JSON"),
    "deep": ("POST", "/?command=allow", b"[" * 60_000, 400, "nested too deep"),
    "of the wrong kind": ("POST", "/?command=allow", b'{"login":1}', 400, '"login" is not text'),
    "a report without an end": ("POST", "/?command=report", b'{"login":"e"}', 400, '"success" is missing'),
    "too long": ("POST", "/?command=allow", b" " * (MAX_BODY_BYTES + 1), 400, "longer than 65536 bytes"),
    "another command": ("POST", "/?command=reset", b"{}", 400, "no such command"),
    "no command": ("POST", "/", b"{}", 400, "no such command"),
    "allow by GET": ("GET", "/?command=allow", b"", 400, "no such command"),
    "ping by POST": ("POST", "/?command=ping", b"", 400, "no such command"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_question_is_refused_with_its_reason_and_told(case: str) -> None:
    method, target, body, status, reason = WRONG[case]

    async def work() -> None:
        ground = Ground()
        peer = ground.peer()

        found = await peer.answer(peer.request(method, target, body))

        assert found == (status, {"status": "failure", "reason": reason})
        assert ground.log.warnings == [("login-question-refused", f"login: {reason}, from 127.0.0.1")]
        await until("the end", lambda: peer.transport.closed)
        assert ground.log.events == []

    run(work())


@pytest.mark.parametrize(("target", "status"), [("/other", 404), ("/?command=allow", 405)])
def test_other_paths_and_methods_are_http_errors(target: str, status: int) -> None:
    async def work() -> None:
        peer = Ground().peer()

        assert (await peer.answer(peer.request("PUT" if status == 405 else "POST", target)))[0] == status

    run(work())


def test_what_is_no_http_ends_the_connection_and_is_told() -> None:
    async def work() -> None:
        ground = Ground()
        peer = ground.peer()

        assert (await peer.answer(b"\x00\x00\x00\x0dO hello\r\n\r\n"))[0] == 400

        assert peer.transport.closed
        assert ground.log.warnings == [("connection-closed", "login: no HTTP")]

    run(work())


@pytest.mark.parametrize(("secret", "status"), [(None, 401), ("", 401), ("wrong", 401), ("right: one", 200)])
@pytest.mark.parametrize("ask", ["ping", "allow", "report"])
def test_with_a_secret_only_who_shows_it_is_answered(secret: str | None, status: int, ask: str) -> None:
    async def work() -> None:
        ground = Ground("right: one")
        peer = ground.peer()
        ping = peer.request("GET", "/?command=ping", b"", secret)

        found, _answer = await peer.answer(ping if ask == "ping" else peer.post(ask, REPORT, secret))

        assert found == status
        told = [("login-question-refused", "login: wrong secret, from 127.0.0.1")] if status == 401 else []
        assert ground.log.warnings == told
        assert bool(ground.log.events) is (ask == "report" and status == 200)

    run(work())


def test_a_reload_holds_for_connections_that_are_open() -> None:
    async def work() -> None:
        ground = Ground()
        peer = ground.peer()
        eve = peer.post("allow", ASK | {"login": "eve"}, "new")
        assert (await peer.answer(eve))[1]["status"] == -1

        nobody = StatesInMemory({})
        ground.logins = Logins(IdentityRules(), nobody, HandClock(), ground.log, watching=False)
        ground.secret = "new"  # noqa: S105 - of this test alone

        assert (await peer.answer(eve))[1]["status"] == 0
        assert (await peer.answer(peer.post("allow", ASK)))[0] == 401

    run(work())


@pytest.mark.parametrize("address", [("192.0.2.9", 5), None])
def test_a_stranger_is_turned_away_without_a_word(address: object) -> None:
    async def work() -> None:
        ground = Ground()
        peer = ground.peer(address)

        assert peer.transport.aborted and peer.connection.closed
        peer.say(peer.post("allow", ASK))
        peer.connection.connection_lost(None)
        assert not peer.transport.written and (ground.gate.open, ground.gate.turned_away) == (
            0,
            1 if address else 0,
        )

    run(work())


def test_a_connection_counts_as_long_as_it_is_open() -> None:
    async def work() -> None:
        ground = Ground(most=1)
        peer = ground.peer()
        assert ground.gate.open == 1 and ground.peer().transport.aborted

        peer.connection.connection_lost(None)

        assert ground.gate.open == 0 and peer.connection.closed
        assert not ground.peer().transport.aborted

    run(work())


def test_a_question_that_does_not_come_whole_in_time_is_given_up() -> None:
    async def work() -> None:
        ground = Ground()
        peer = ground.peer()
        start = time.monotonic()

        status, _answer = await peer.answer(peer.post("report", REPORT)[:-1])

        assert status == 408 and DEADLINE_S - 0.1 < time.monotonic() - start < 10 * DEADLINE_S
        assert ground.log.events == []
        await until("the end", lambda: peer.transport.closed)

    run(work())


def test_who_goes_away_within_a_question_is_told_and_no_event() -> None:
    async def work() -> None:
        ground = Ground()
        peer = ground.peer()
        peer.say(peer.post("report", REPORT)[:-1])
        await asyncio.sleep(0)

        peer.transport.close()
        peer.connection.connection_lost(None)

        await until("it is told", lambda: ground.log.warnings)
        assert ground.log.warnings == [("login-question-refused", "login: went away, from 127.0.0.1")]
        assert ground.log.events == []

    run(work())


def test_draining_ends_an_idle_connection_at_once_and_a_busy_one_behind_its_answer() -> None:
    async def work() -> None:
        ground = Ground()
        idle, used, busy, stuck = (ground.peer() for _ in range(4))
        await used.answer(used.post("allow", ASK))
        asked = busy.post("allow", ASK)
        busy.say(asked[:-1])
        stuck.say(asked[:-1])
        await asyncio.sleep(0)

        for peer in (idle, used, busy, stuck):
            peer.connection.drain(now=False)
            peer.connection.drain(now=False)

        assert [peer.transport.closed for peer in (idle, used, busy, stuck)] == [True, True, False, False]
        assert (await busy.answer(asked[-1:]))[0] == 200
        await until("its end", lambda: busy.transport.closed)
        stuck.connection.drain(now=True)
        assert stuck.transport.aborted

    run(work())


def test_a_bug_of_ours_is_reported_and_answered_with_an_error() -> None:
    async def work() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: reported.append(context.get("exception"))
        )
        ground = Ground()

        class Broken(Logins):
            def refusal(self, login: Login) -> None:
                raise ZeroDivisionError(login)

        ground.logins = Broken(IdentityRules(), StatesInMemory({}), HandClock(), ground.log, watching=False)
        peer = ground.peer()

        assert (await peer.answer(peer.post("allow", ASK)))[0] == 500

        assert [type(error) for error in reported] == [ZeroDivisionError]
        await until("the end", lambda: peer.transport.closed)

    run(work())


def test_we_keep_a_connection_longer_than_dovecot_does() -> None:
    """Its http_client_max_idle_time is 10 s. Whoever closes first must not be us, or a question is lost."""
    assert KEEP_ALIVE_S > 10
