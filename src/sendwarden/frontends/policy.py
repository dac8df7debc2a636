"""The Postfix policy service: one connection, its requests and our answers.

Source: SMTPD_POLICY_README. In case of trouble nothing is answered and the connection is closed; Postfix then
tries again (smtpd_policy_service_try_limit) and applies smtpd_policy_service_default_action.
"""

import asyncio
from collections.abc import Callable

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.core.texts import refusal_text
from sendwarden.service.conclude import Conclusions
from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.judge import Judge
from sendwarden.service.ports import EventLog
from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.policy import DUNNO, Action, PolicyDecoder, encode_code, encode_reply
from sendwarden.wire.policy import Request as PolicyRequest

STAGES = {
    "CONNECT": Stage.CONNECT,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    "END-OF-MESSAGE": Stage.END_OF_MESSAGE,
}
# Stages at which the envelope sender is judged. At the others there is nothing to say yet.
JUDGED = (Stage.MAIL, Stage.RCPT)


def to_request(asked: PolicyRequest, listener: str) -> Request | None:
    """A policy request in our words; None for a stage that we have no word for (EHLO, VRFY, ETRN)."""
    stage = STAGES.get(asked.get("protocol_state"))
    if stage is None:
        return None
    recipient = asked.get("recipient")
    return Request(
        stage,
        listener,
        client_address=asked.get("client_address"),
        client_name=asked.get("client_name"),
        helo=asked.get("helo_name"),
        login=asked.get("sasl_username"),
        sender=asked.get("sender"),
        recipients=(recipient,) if recipient else (),
        queue_id=asked.get("queue_id"),
        macros=asked.attributes,
    )


def to_reply(decision: Decision) -> bytes:
    """A decision as a policy reply."""
    text = refusal_text(decision)
    match decision.in_effect:
        case Verdict.ACCEPT:
            return DUNNO
        case Verdict.REFUSE:
            return encode_code(550, f"{decision.enhanced or '5.7.1'} {text}")
        case Verdict.DEFER:
            return encode_code(450, f"{decision.enhanced or '4.7.1'} {text}")
        case Verdict.HOLD:
            return encode_reply(Action.HOLD, text)
        case Verdict.DISCARD:
            return encode_reply(Action.DISCARD, text)


class PolicyConnection(asyncio.Protocol):
    """One connection of Postfix, or of Exim's readsocket, which sends one request and shuts its side."""

    def __init__(
        self, judge: Callable[[], Judge], conclusions: Conclusions, gate: Gate, log: EventLog, listener: str
    ) -> None:
        self._judge = judge
        self._conclusions = conclusions
        self._gate = gate
        self._log = log
        self._listener = listener
        self._decoder = PolicyDecoder()
        self._transport: asyncio.Transport | None = None
        self._entered = False
        self._answering: asyncio.Task[None] | None = None
        self._no_more = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._entered = self._gate.enter()
        if not self._entered:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._entered:
            self._gate.leave()
            self._entered = False
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._gate.asleep():
            self._close("asleep")
            return
        self._decoder.feed(data)
        self._answer_all()

    def eof_received(self) -> bool:
        self._no_more = True
        return self._answering is not None  # keep the transport open for what is still being answered

    def _answer_all(self) -> None:
        while self._answering is None and self._transport is not None:
            try:
                asked = self._decoder.next_request()
            except ProtocolError as error:
                self._close(str(error))
                return
            if asked is Need.DATA:
                if self._no_more:
                    self._transport.close()
                return
            self._answer(asked)

    def _answer(self, asked: PolicyRequest) -> None:
        assert self._transport is not None
        request = to_request(asked, self._listener)
        if request is None or request.stage not in JUDGED:
            self._transport.write(DUNNO)
            return
        decision = self._judge().sender(request)
        if decision.plain:
            self._transport.write(DUNNO)
            return
        self._answering = asyncio.get_running_loop().create_task(self._conclude(request, decision))

    async def _conclude(self, request: Request, decision: Decision) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._conclusions.conclude(request, decision)
        except TimeoutError:
            self._close("no answer within the deadline")
            return
        except BaseException:  # a bug, or the daemon ends: the mail server's default decides
            self._close("internal error")
            raise
        self._answering = None
        if self._transport is not None:
            self._transport.write(to_reply(decision))
            self._answer_all()

    def _close(self, why: str) -> None:
        self._log.warning("policy-closed", f"{self._listener}: {why}")
        if self._transport is not None:
            self._transport.abort()
