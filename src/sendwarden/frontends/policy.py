"""The Postfix policy service: one connection, its requests and our answers.

Source: SMTPD_POLICY_README. In case of trouble nothing is answered and the connection is closed; Postfix then
tries again (smtpd_policy_service_try_limit) and applies smtpd_policy_service_default_action.
"""

from collections.abc import Callable

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.core.texts import refusal_text
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection, Ending, in_turn
from sendwarden.service.gate import Gate
from sendwarden.service.judge import Judge
from sendwarden.service.owed import OwedSteps
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
            added = "" if decision.watched else ": ".join(next(iter(decision.headers), ()))
            return encode_reply(Action.PREPEND, added) if added else DUNNO
        case Verdict.REFUSE:
            return encode_code(decision.smtp_code, f"{decision.enhanced or '5.7.1'} {text}")
        case Verdict.DEFER:
            return encode_code(decision.smtp_code, f"{decision.enhanced or '4.7.1'} {text}")
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
        self._owed = OwedSteps()

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
        judge = self._judge()
        if request is None or request.stage not in JUDGED:
            self._answer_tables(judge, request)
            return
        decision = judge.sender(request)
        ending = None if decision.plain else self._conclusions.conclude(request, decision)
        if decision.in_effect is Verdict.ACCEPT:
            self._answer_tables(judge, request, ending)
        else:
            self.answer_soon(ending, to_reply(decision))

    def _answer_tables(self, judge: Judge, request: Request | None, first: Ending = None) -> None:
        """Answer by what the access tables say, if this frontend asks them."""
        stages = judge.tables.by_policy
        answer = self._owed.answer(request, stages, judge.access) if request and stages else None
        if answer is None:
            self.answer_soon(first, DUNNO)
            return
        decision = answer.decision
        if answer.lost:
            self._log.warning("access-by-policy", f"{self.listener}: {answer.lost}")
        kept = decision.plain or answer.again
        ending = None if kept else self._conclusions.conclude(answer.request, decision)
        delay_s = 0.0 if decision.watched else decision.delay_s
        self.answer_soon(in_turn(first, ending), to_reply(decision), delay_s)
