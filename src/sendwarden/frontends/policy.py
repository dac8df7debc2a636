"""The Postfix policy service: one connection, its requests and our answers.

Source: SMTPD_POLICY_README. In case of trouble nothing is answered and the connection is closed; Postfix then
tries again (smtpd_policy_service_try_limit) and applies smtpd_policy_service_default_action.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.core.texts import refusal_text
from sendwarden.engine.limits.rules import Counts
from sendwarden.engine.senders import MISMATCHES
from sendwarden.service.allowance import Whole
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection, Ending, in_turn
from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.greychannel import Later
from sendwarden.service.judge import Judge
from sendwarden.service.memo import Memo
from sendwarden.service.owed import Answer, OwedSteps
from sendwarden.service.ports import EventLog
from sendwarden.service.quick import Quick
from sendwarden.service.senders import is_mismatch
from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.policy import DUNNO, Action, PolicyDecoder, encode_code, encode_reply
from sendwarden.wire.policy import Request as PolicyRequest
from sendwarden.wire.policy_scan import scan, tail_of

if TYPE_CHECKING:
    from sendwarden.engine.limits.charges import Charge

STAGES = {
    "CONNECT": Stage.CONNECT,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    "END-OF-MESSAGE": Stage.END_OF_MESSAGE,
}
# Steps at which a sender may be known that nothing was decided of yet.
_BEFORE_DATA = (Stage.CONNECT, Stage.MAIL, Stage.RCPT)
_REFUSALS = (Verdict.REFUSE, Verdict.DEFER)
# At the connection there is nothing to say but what access tables do.
_NOTHING = Decision(Verdict.ACCEPT, "", "")
# How long checks of greylisting are waited for: what is left of the deadline is for the answer.
CHECKS_WITHIN_S = DEADLINE_S - 0.1
# Digits of a number in a request that we believe.
_DIGITS = 15


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
            if decision.transport and not decision.watched:
                return encode_reply(Action.FILTER, decision.transport)
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
        self._quick: Quick | None = None
        self._tail: bytes | None = None  # what stands behind the scanned attributes of this peer's requests
        # That `_charge` is of: its instance, client and login, and when that was found out.
        self._message: tuple[bytes | int, ...] = ()
        self._charge: Charge | None = None
        self._server = listener
        self._last = b""
        # The message that was last found to be of a foreign sender, and what was decided of it.
        self._foreign: tuple[tuple[object, ...], Decision] = ((), _NOTHING)
        # The message told of last for its sender, and the reply to all its recipients.
        self._told: tuple[tuple[str, ...], bytes] = ((), DUNNO)

    def quicken(self, quick: Quick) -> None:
        """From now on what needs no look is answered at once."""
        self._quick = quick

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._server = f"{self.listener} {peer[0] if isinstance(peer, tuple) else ''}"

    @property
    def idle(self) -> bool:
        return self.answering is None and not self._decoder.unfinished

    def data_received(self, data: bytes) -> None:
        ready = self._tail is not None and self.answering is None and self.open
        if ready and not (self._decoder.unfinished or self._gate.asleep()) and self._answered_quickly(data):
            return
        super().data_received(data)

    def feed(self, data: bytes) -> None:
        self._decoder.feed(data)
        self._last = data

    def _answered_quickly(self, data: bytes) -> bool:
        found = scan(data, self._tail or b"")
        if found is None:
            return False
        quick = self._quick
        assert quick is not None
        state, address, sender, count, queue_id, instance, login = found
        quantum = quick.limiter.quantum
        message = (instance, address, login, quick.epoch)
        charge = quick.charges.find(instance)
        if charge is not self._charge or message != self._message:
            charge = None
        if state == b"RCPT":
            if charge and charge.quick(quantum):
                self.write(DUNNO)
                return True
            meter = quick.meter(address, login, sender)
            charge = quick.charges.quick(instance, meter, quantum, self._server) if meter else None
            if charge is None:
                return False
            self._message, self._charge = (instance, address, login, quick.epoch), charge
            self.write(DUNNO)
            return True
        if charge is None or not quick.charges.quick_end(charge, int(count), quantum):
            return False
        quick.charges.remember(queue_id, charge)
        self.write(DUNNO)
        return True

    def go_on(self) -> None:
        while self.open and self.answering is None:
            try:
                asked = self._decoder.next_request()
            except ProtocolError as error:
                self.abort(str(error))
                return
            if isinstance(asked, Need):
                return
            if self._quick:
                self._tail = tail_of(self._last, asked)
            self._answer(asked)

    def _answer(self, asked: PolicyRequest) -> None:
        request = to_request(asked, self.listener)
        if request is None:
            self.write(DUNNO)
            return
        judge = self._judge()
        sender = self._sender(judge, request, asked) if request.stage in _BEFORE_DATA else None
        asks = judge.tables.by_policy and sender and sender.in_effect is Verdict.ACCEPT
        if not asks:
            self._decide(judge, request, asked, sender, None)
            return
        memo = judge.memo(request)
        self.once_heard(
            memo,
            partial(self._tables, judge, request, memo),
            lambda tables, _took_s: self._decide(judge, request, asked, sender, tables),
            b"",
        )

    def _decide(
        self,
        judge: Judge,
        request: Request,
        asked: PolicyRequest,
        sender: Decision | None,
        tables: Answer | None,
    ) -> None:
        """Answer, with what the access tables have said."""
        first: Ending = None
        if tables and tables.decision.reference and not tables.again:
            first = self._conclusions.conclude(tables.request, tables.decision)
        if tables and tables.decision.in_effect in _REFUSALS:
            self.answer_soon(first, to_reply(tables.decision), tables.decision.delay_s)
            return

        def go_on() -> None:
            self.once_known(judge.room, partial(self._decision, judge, request, asked, sender), say)

        def say(decision: Decision) -> None:
            if decision.told:
                self._conclusions.tell(request, decision, judge.site)
            said_before = self._tell_of_sender(request, asked, decision)
            ending = None if decision.plain or said_before else self._conclusions.conclude(request, decision)
            said = [decision, *([tables.decision] if tables else [])]
            delay_s = max(0.0 if one.watched else one.delay_s for one in said)
            reply = said_before or next((one for one in map(to_reply, said) if one != DUNNO), DUNNO)
            self.answer_soon(in_turn(first, ending), reply, delay_s)

        if request.stage is Stage.RCPT and sender and sender.in_effect is Verdict.ACCEPT:
            self._unless_it_waits(judge.greylist(request), say, go_on)
        else:
            go_on()

    def _unless_it_waits(
        self, waits: Decision | Later | None, say: Callable[[Decision], None], go_on: Callable[[], None]
    ) -> None:
        """Say what greylisting says, if anything; what it has to look up within Postfix's second."""
        if waits is None:
            go_on()
        elif isinstance(waits, Decision):
            say(waits)
        else:
            known = waits(CHECKS_WITHIN_S)
            self.answer_when_known(
                known, lambda found, _took_s: self._unless_it_waits(found, say, go_on), CHECKS_WITHIN_S, b""
            )

    def _tell_of_sender(self, request: Request, asked: PolicyRequest, decision: Decision) -> bytes:
        """What is wrong with a message's sender is told once: the reply given before, if it is that again."""
        if not is_mismatch(decision.reasons):
            return b""
        message = (asked.get("instance"), request.login, request.sender)
        again = bool(message[0]) and message == self._told[0]
        about_sender = not decision.plain and decision.reasons[-1].id in MISMATCHES
        if again:
            return self._told[1] if about_sender else b""
        self._told = message, to_reply(decision) if about_sender else DUNNO
        if decision.plain:
            self._conclusions.tell_mismatches(request, decision)
        return b""

    def _sender(self, judge: Judge, request: Request, asked: PolicyRequest) -> Decision:
        """What is said of a message's sender: under one reference to all its recipients."""
        message = (asked.get("instance"), request.login, request.sender, judge)
        if message[0] and message == self._foreign[0]:
            return self._foreign[1]
        decision = judge.sender(request)
        if is_mismatch(decision.reasons):
            self._foreign = message, decision
        return decision

    def _tables(self, judge: Judge, request: Request, memo: Memo | None) -> Answer | None:
        """What the access tables say. May raise `Pending`; then nothing has happened."""
        owed = self._owed.copy() if memo else self._owed
        answer = owed.answer(request, judge.tables.by_policy, partial(judge.access, memo=memo))
        self._owed = owed
        if answer and answer.lost:
            self._log.warning("access-by-policy", f"{self.listener}: {answer.lost}")
        return answer

    def _decision(
        self, judge: Judge, request: Request, asked: PolicyRequest, sender: Decision | None
    ) -> Decision:
        name = (asked.get("instance") or asked.get("queue_id")).encode("utf-8", "surrogateescape")
        match request.stage:
            case Stage.MAIL:
                return sender or _NOTHING
            case Stage.RCPT:
                return judge.recipient(request, name, self._server, sender)
            case Stage.DATA | Stage.END_OF_MESSAGE:
                return judge.whole(request, whole_of(request, asked, name, self._server))
        return _NOTHING


def whole_of(request: Request, asked: PolicyRequest, name: bytes, server: str) -> Whole:
    """What the end of an envelope or of a message says of it."""
    count = _number(asked.get("recipient_count")) or len(request.recipients) or 1
    counts = Counts(messages=1, recipients=count, bytes=_number(asked.get("size")))
    end = request.stage is Stage.END_OF_MESSAGE
    # Postfix names the recipient only of a message that has but one.
    known = request.recipients if len(request.recipients) == count else ()
    return Whole(name, counts, server, end, known)


def _number(text: str) -> int:
    return int(text[:_DIGITS]) if text.isascii() and text.isdigit() else 0
