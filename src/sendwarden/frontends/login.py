"""Dovecot's auth policy over HTTP: Starlette says which question it is, uvicorn's protocol carries it.

Source: Dovecot "Authentication policy", weakforced's HTTP API. The sockets are those of all frontends
(`daemon.listeners`), so that uvicorn's own server with its signals, ticks and log is not needed: a connection
enters by the gate, and is drained like any other.

In case of trouble the answer is an HTTP error, which Dovecot logs; it then lets the login go on
(``auth_policy_reject_on_fail = no``, its default).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from sendwarden.core.login import Login, LoginResult
from sendwarden.core.texts import sentence
from sendwarden.service.connection import Served
from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.logins import Logins
from sendwarden.service.ports import EventLog
from sendwarden.wire import wforce
from sendwarden.wire.base import ProtocolError

# Dovecot drops an idle connection after 10 s. Ours waits longer, so that none is closed under a question.
KEEP_ALIVE_S = 75

# uvicorn's words about a peer are told by `EventLog`, once a minute.
_SILENT = logging.getLogger("sendwarden.frontends.login")
_SILENT.setLevel(logging.CRITICAL + 1)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What holds at the moment of a question: a reload changes it under open connections."""

    logins: Logins
    secret: str


class LoginServer:
    """All connections at all sockets for logins. ``asked`` gives what holds now."""

    def __init__(self, asked: Callable[[], Asked], gate: Gate, log: EventLog) -> None:
        self._asked = asked
        self._gate = gate
        self._log = log
        self._configs: dict[str, Config] = {}

    def connection(self, listener: str) -> "LoginConnection":
        """One connection at the socket of that name."""
        if listener not in self._configs:
            self._configs[listener] = self._config(listener)
        return LoginConnection(self._configs[listener], self._gate, self._log, listener)

    def _config(self, listener: str) -> Config:
        return Config(
            LoginApp(self._asked, self._log, listener),
            http=LoginConnection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )


class LoginConnection(H11Protocol, Served):
    """One connection of a mail server: HTTP/1.1, kept open between questions."""

    def __init__(self, config: Config, gate: Gate, log: EventLog, listener: str) -> None:
        super().__init__(config, ServerState(), {})
        self.logger = self.access_logger = _SILENT
        self._gate = gate
        self._log = log
        self._listener = listener
        self._entered = False

    @property
    def closed(self) -> bool:
        return not self._entered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        peer = transport.get_extra_info("peername")
        self._entered = bool(peer) and self._gate.enter(peer[0])
        if self._entered:
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._entered:
            self._gate.leave()
            self._entered = False
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._entered:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        self._log.warning("connection-closed", f"{self._listener}: no HTTP")
        super().send_400_response(msg)

    def drain(self, *, now: bool) -> None:
        if now:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.shutdown()


class LoginApp:
    """The questions of one socket. A bug is reported to the loop, and answered by HTTP's 500."""

    def __init__(self, asked: Callable[[], Asked], log: EventLog, listener: str) -> None:
        self._asked = asked
        self._log = log
        self._listener = listener
        self._routes = Starlette(routes=[Route("/", self._answer, methods=["GET", "POST"])])

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self._routes(scope, receive, send)
        except Exception as error:
            told = {"message": "error of ours in an answer", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)
            raise

    async def _answer(self, request: Request) -> Response:
        asked = self._asked()
        if not wforce.authorised(request.headers.get("authorization", ""), asked.secret):
            return self._refused(request, HTTPStatus.UNAUTHORIZED, "wrong secret")
        try:
            async with asyncio.timeout(DEADLINE_S):
                return _json(await _reply(asked.logins, request))
        except ProtocolError as error:
            return self._refused(request, HTTPStatus.BAD_REQUEST, str(error))
        except TimeoutError:
            return self._refused(request, HTTPStatus.REQUEST_TIMEOUT, "not all of it came in time")
        except ClientDisconnect:
            return self._refused(request, HTTPStatus.BAD_REQUEST, "went away")

    def _refused(self, request: Request, status: HTTPStatus, why: str) -> Response:
        """Told once a minute, and the connection ends: whoever asks so is not Dovecot, or set up wrongly."""
        peer = request.client.host if request.client else ""
        self._log.warning("login-question-refused", f"{self._listener}: {why}, from {peer}")
        return _json(wforce.encode_failure(why), status, {"Connection": "close"})


async def _reply(logins: Logins, request: Request) -> bytes:
    """Raises `ProtocolError`, or what `_body` raises."""
    command = request.query_params.get("command", "")
    if request.method == "GET" and command == wforce.PING:
        return wforce.OK
    if request.method != "POST" or command not in COMMANDS:
        raise ProtocolError("no such command")
    return COMMANDS[command](logins, await _body(request))


async def _body(request: Request) -> bytes:
    """Raises `ProtocolError` as soon as it is too long, `ClientDisconnect` where its end never came."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > wforce.MAX_BODY_BYTES:
            break
    return bytes(body)


def _json(body: bytes, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")


def _login(asked: wforce.Allow) -> Login:
    return Login(
        asked.login,
        remote=asked.remote,
        protocol=asked.protocol,
        device=asked.device_id,
        session=asked.session_id,
        tls=asked.tls,
    )


def _allow(logins: Logins, body: bytes) -> bytes:
    reason = logins.refusal(_login(wforce.decode_allow(body)))
    return (wforce.Answer(-1, sentence(reason)) if reason else wforce.GO_ON).encode()


def _report(logins: Logins, body: bytes) -> bytes:
    report = wforce.decode_report(body)
    logins.ended(LoginResult(_login(report.of), report.success, report.policy_reject, report.fail_type))
    return wforce.OK


# What may be asked: ``/?command=allow``.
COMMANDS: dict[str, Callable[[Logins, bytes], bytes]] = {"allow": _allow, "report": _report}
