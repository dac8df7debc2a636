"""The Postfix policy service: one connection, its requests and our answers.

Source: SMTPD_POLICY_README. In case of trouble nothing is answered and the connection is closed; Postfix then
tries again (smtpd_policy_service_try_limit) and applies smtpd_policy_service_default_action.
"""

from collections.abc import Callable

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.core.texts import refusal_text
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection
from sendwarden.service.gate import Gate
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


class PolicyConnection(Connection):
    """One connection of Postfix, or of Exim's readsocket, which sends one request and shuts its side."""

    def __init__(
        self, judge: Callable[[], Judge], conclusions: Conclusions, gate: Gate, log: EventLog, listener: str
    ) -> None:
        super().__init__(gate, log, listener)
        self._judge = judge
        self._conclusions = conclusions
        self._decoder = PolicyDecoder()
        # The message told of last, and its reply: Postfix asks again for each recipient.
        self._told: tuple[tuple[str, ...], bytes] = ((), b"")

    @property
    def idle(self) -> bool:
        return self.answering is None and not self._decoder.unfinished

    def feed(self, data: bytes) -> None:
        self._decoder.feed(data)

    def go_on(self) -> None:
        while self.open and self.answering is None:
            try:
                asked = self._decoder.next_request()
            except ProtocolError as error:
                self.abort(str(error))
                return
            if isinstance(asked, Need):
                return
            self._answer(asked)

    def _answer(self, asked: PolicyRequest) -> None:
        request = to_request(asked, self.listener)
        if request is None or request.stage not in JUDGED:
            self.write(DUNNO)
            return
        decision = self._judge().sender(request)
        if not decision.reasons:
            self.write(DUNNO)
            return
        message = (asked.get("instance"), request.login, request.sender)
        if message == self._told[0] and asked.get("instance"):
            self.write(self._told[1])
            return
        self._told = message, to_reply(decision)
        if decision.plain:
            self._conclusions.tell_mismatches(request, decision)
            self.write(DUNNO)
        else:
            self.answer_later(self._conclusions.conclude(request, decision), lambda: to_reply(decision))
