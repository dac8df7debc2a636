"""What follows a Decision before the mail server hears of it: it is kept, told, and where needed sent on.

A decision that is not a plain go-ahead is durable before its reference is given out, so that `sendwarden why`
can explain it after a crash. If the store has failed, mail does not wait for it: the answer goes out, and the
log line holds the same facts.
"""

from functools import partial
from typing import Protocol

from sendwarden.core.decision import Decision, Message, Reason, Request, Verdict
from sendwarden.core.errors import StoreDown
from sendwarden.core.texts import refusal_text, sentence
from sendwarden.engine.channel import is_own
from sendwarden.engine.limits.windows import WINDOWS
from sendwarden.engine.senders import MISMATCHES
from sendwarden.service.notices import Notice, notice_recipient, refused_notice, share_notice
from sendwarden.service.ports import Clock, EventLog, Ledger
from sendwarden.service.scanned import PHISHING
from sendwarden.service.shares import ALL
from sendwarden.service.site import Site


class Outbox(Protocol):
    """Where notices go once they are durable."""

    def post(self, notice: Notice) -> None: ...


class Conclusions:
    """The last stage of *ask*. One for the whole daemon."""

    def __init__(self, clock: Clock, log: EventLog, ledger: Ledger, outbox: Outbox) -> None:
        self._clock = clock
        self._log = log
        self._ledger = ledger
        self._outbox = outbox

    def accepted(self, request: Request, decision: Decision) -> None:
        """A message that simply goes on: one line in the event log."""
        if decision.reasons:
            self.tell_mismatches(request, decision)
        self._log.event("message", partial(event_of, request, decision))

    def tell_mismatches(self, request: Request, decision: Decision) -> None:
        """One line in the event log for each thing about the sender that is not the account's."""
        for reason in decision.reasons:
            if reason.id in MISMATCHES:
                self._log.event("sender-mismatch", mismatch_event(request, decision, reason))

    def tell_received(self, request: Request, decision: Decision, site: Site) -> None:
        """Phishing that reached our own recipients, or is held for them: who may answer it."""
        rules = [reason.numbers["rule"] for reason in decision.reasons if reason.id == PHISHING]
        gone = () if decision.watched else (*decision.refused, *decision.discarded)
        reached = [one for one in request.recipients if is_own(one, site.domains) and one not in gone]
        if not rules or not reached or decision.in_effect not in (Verdict.ACCEPT, Verdict.HOLD):
            return
        event = {"rules": rules, "verdict": decision.in_effect.value, "recipients": reached}
        self._log.event("phishing-received", {**event, **_of_message(request, decision)})

    async def conclude(self, request: Request, decision: Decision) -> None:
        """Keep and tell a decision with a reference. Never raises for a store that is down."""
        await self._keep(request, decision, None)

    def tell(self, request: Request, decision: Decision, site: Site) -> None:
        """Shares of limits that were reached: its owner before a limit, the administrators at it."""
        for reason in decision.told:
            self._log.event("limit-share", {"login": request.login, **reason.numbers})
            for recipient in self._hearers(request, decision, reason, site):
                self._outbox.post(share_notice(reason, recipient, site.host, site.help, self._clock.now()))

    def _hearers(self, request: Request, decision: Decision, reason: Reason, site: Site) -> tuple[str, ...]:
        """While only watching, nobody. An owner does not hear of what is over before he has read it."""
        if reason.numbers["watched"]:
            return ()
        if reason.numbers["percent"] == ALL:
            return site.administrators
        if not site.tell_users or reason.numbers["window"] == WINDOWS[0].seconds:
            return ()
        owner = notice_recipient(request, decision.account, site.identity, site.domains)
        return (owner,) if owner else ()

    async def conclude_message(self, message: Message, decision: Decision, site: Site) -> None:
        """The same at the end of a message: who was refused in part is told."""
        await self._keep(message.request, decision, self._notice(message, decision, site))

    def _notice(self, message: Message, decision: Decision, site: Site) -> Notice | None:
        if not decision.refused or decision.watched:
            return None
        recipient = notice_recipient(message.request, decision.account, site.identity, site.domains)
        if not recipient:
            self._log.warning("nobody-told", _untold(message.request, decision))
            return None
        return refused_notice(message, decision, recipient, site.host, self._clock.now())

    async def _keep(self, request: Request, decision: Decision, notice: Notice | None) -> None:
        now = self._clock.now()
        event = event_of(request, decision)
        self.tell_mismatches(request, decision)
        self._log.event("decision", event)
        if decision.repeated:  # its record is kept already
            return
        record = {"at": now, **event, "says": [sentence(reason) for reason in decision.reasons]}
        if decision.text:
            record["text"] = refusal_text(decision)
        posted: dict[str, object] | None = None
        if notice:
            posted = {
                "id": notice.id,
                "at": now,
                "account": notice.account,
                "recipient": notice.recipient,
                "message": notice.message.decode("ascii", "replace"),
            }
        try:
            await self._ledger.keep(record, posted)
        except StoreDown as error:
            self._log.warning("record-late", str(error))
        if notice:
            self._outbox.post(notice)


def _untold(request: Request, decision: Decision) -> str:
    """What nobody was told, why, and what to do about it."""
    what = f"{decision.account or 'a sender without a login'}: some recipients of a message were refused"
    if not request.login:
        why = "who did not log in may have forged the sender; ask for a login there"
    else:
        why = (
            "neither the sender nor the login is an address of the account; set site.domains to your domains "
            'for logins that are addresses, or senders = "own" on its channel'
        )
    return f"{what}, and nobody was told which (events.json has them): {why}"


def event_of(request: Request, decision: Decision) -> dict[str, object]:
    """A decision as fields of an event line: facts of the envelope, verdict and reasons. No content."""
    event: dict[str, object] = {
        "reference": decision.reference,
        "stage": request.stage.value,
        "verdict": decision.verdict.value,
        "watched": decision.watched,
        "account": decision.account,
        "channel": decision.channel,
        "login": request.login,
        "login_from": request.login_from,
        "client": request.client_address,
        "origin": request.origin,
        "sender": request.sender,
        "recipients": list(request.recipients),
        "queue_id": request.queue_id,
    }
    if decision.reasons or decision.changes or not decision.plain:
        event |= {
            "reasons": [{"id": reason.id, **reason.numbers} for reason in decision.reasons],
            "refused": list(decision.refused),
            "discarded": list(decision.discarded),
            "copies_to": list(decision.copies_to),
            "headers": [f"{name}: {value}" for name, value in decision.headers],
            "removed": [name for name, _number in decision.removed],
        }
    return {name: value for name, value in event.items() if value}


def _of_message(request: Request, decision: Decision) -> dict[str, object]:
    """By which a message is found again."""
    event: dict[str, object] = {
        "reference": decision.reference,
        "queue_id": request.queue_id,
        "channel": decision.channel,
        "client": request.client_address,
        "sender": request.sender,
        "login": request.login,
    }
    return {name: value for name, value in event.items() if value}


def mismatch_event(request: Request, decision: Decision, reason: Reason) -> dict[str, object]:
    """A sender that is not the account's: ``header`` is the field that names it, or "envelope"."""
    event: dict[str, object] = {
        "reference": decision.reference,
        "queue_id": request.queue_id,
        "account": decision.account,
        "login": request.login,
        "channel": decision.channel,
        "client": request.client_address,
        "sender": request.sender,
        "reason": reason.id,
        "header": reason.numbers.get("header", "envelope"),
        "named": reason.numbers.get(MISMATCHES[reason.id], ""),
        "verdict": decision.verdict.value,
        "watched": decision.watched,
    }
    return {name: value for name, value in event.items() if value}
