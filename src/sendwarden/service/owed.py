"""Access tables by the policy protocol: which steps of a session were not asked about yet.

With Postfix's smtpd_delay_reject = yes, the default, a policy server hears of a client, a sender and a
recipient only at RCPT, and of the first two once for each recipient. So at RCPT the steps before it are asked
too, and what was asked already is remembered. Postfix sends all requests about one message over one
connection, with one ``instance``. A client without one is asked about the step that it names alone. Exim
makes a connection for each question, so that all steps are asked with each recipient.

A policy reply is one action. What it cannot say is told as a warning, and the mail passes: a discard for one
recipient, which Postfix would do to all of them, a new sender, a header field in place of another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sendwarden.core.decision import Decision, Request, Stage, Verdict

_ORDER = (Stage.CONNECT, Stage.MAIL, Stage.RCPT)
_REFUSALS = (Verdict.REFUSE, Verdict.DEFER)
# Which of several answers is given, the first that there is.
PRECEDENCE: tuple[Callable[[Decision], bool], ...] = (
    lambda decision: decision.in_effect in _REFUSALS,
    lambda decision: decision.verdict in _REFUSALS,
    lambda decision: decision.verdict is Verdict.HOLD,
    lambda decision: decision.verdict is Verdict.DISCARD,
    lambda decision: decision.changes,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say. ``again``: it was said and kept before, for another recipient.

    ``lost``: what the tables ask for and a policy reply cannot say.
    """

    request: Request
    decision: Decision
    again: bool = False
    lost: str = ""


@dataclass(slots=True)
class OwedSteps:
    """What one policy connection has asked of its tables."""

    _asked: dict[Stage, tuple[object, Decision]] = field(default_factory=dict)

    def copy(self) -> "OwedSteps":
        """For a try that may have to be made again."""
        return OwedSteps(dict(self._asked))

    def answer(
        self, request: Request, stages: frozenset[Stage], ask: Callable[[Request], Decision]
    ) -> Answer | None:
        """Ask about this step and those before it, as far as there are tables; None: nothing to say."""
        if request.stage not in _ORDER:
            return None
        found: list[Answer] = []
        for stage in _ORDER[: _ORDER.index(request.stage) + 1]:
            if stage in stages and (stage is request.stage or _key(stage, request)):
                key = _mail_key(request) if request.stage is Stage.MAIL is stage else _key(stage, request)
                found.append(self._step(_at(stage, request), key, ask))
                if found[-1].decision.in_effect in _REFUSALS:
                    break
        lost = ", ".join(dict.fromkeys(one.lost for one in found if one.lost))
        for wanted in PRECEDENCE:
            for one in found:
                if wanted(one.decision):
                    return replace(one, decision=_slowest(one.decision, found), lost=lost)
        slow = next((one for one in found if one.decision.delay_s or one.lost), None)
        return replace(slow, lost=lost) if slow else None

    def _step(self, request: Request, key: object, ask: Callable[[Request], Decision]) -> Answer:
        said = self._said(request, key)
        if said is None:
            return self._fresh(request, key, ask(request))
        self._asked[request.stage] = key, said
        if said.in_effect not in _REFUSALS:  # what else it said is done for the whole message
            said = Decision(Verdict.ACCEPT, said.channel, said.account)
        return Answer(request, said, again=True)

    def _said(self, request: Request, key: object) -> Decision | None:
        """What was said about the same thing before."""
        before, said = self._asked.get(request.stage, (None, None))
        at_mail = _mail_key(request)
        return said if key and key != at_mail and before in (key, at_mail) else None

    def _fresh(self, request: Request, key: object, decision: Decision) -> Answer:
        lost = out_of_reach(decision)
        if decision.verdict is Verdict.DISCARD and not decision.whole:
            decision = replace(decision, verdict=Verdict.ACCEPT, reference="")
        self._asked[request.stage] = key, decision
        return Answer(request, decision, lost=lost)


def _slowest(decision: Decision, found: list[Answer]) -> Decision:
    return replace(decision, delay_s=max(one.decision.delay_s for one in found))


def _at(stage: Stage, request: Request) -> Request:
    """The request as it would have been at an earlier step."""
    recipients = request.recipients if stage is Stage.RCPT else ()
    return request if stage is request.stage else replace(request, stage=stage, recipients=recipients)


def _key(stage: Stage, request: Request) -> object:
    """What tells this client, message or recipient from the next; None: nothing does."""
    if stage is Stage.CONNECT:
        port = request.macros.get("client_port", "")
        return (request.client_address, port) if port not in ("", "0") else None
    instance = request.macros.get("instance", "")
    if not instance:
        return None
    return (instance, request.recipients) if stage is Stage.RCPT else (instance,)


def _mail_key(request: Request) -> object:
    """What a request at MAIL is remembered by until its first recipient names the message.

    Postfix makes a message's instance behind MAIL: there it still has that of the message before.
    """
    return ("mail", request.client_address, request.macros.get("client_port", ""), request.sender)


def out_of_reach(decision: Decision) -> str:
    """What a policy reply cannot say of a decision; "" if it can say all."""
    found = []
    if decision.verdict is Verdict.DISCARD and not decision.whole:
        found.append("a discard for one recipient")
    if decision.new_sender is not None:
        found.append("a new envelope sender")
    found += [f"the field {name}" for name, _value in decision.fields]
    if decision.headers and decision.verdict is not Verdict.ACCEPT:
        found.append("a header beside another action")
    return ", ".join(found) if not decision.watched else ""
