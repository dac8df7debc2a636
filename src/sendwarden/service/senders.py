"""What becomes of a message whose sender is not the account's: the channel says refuse, hold, tag or allow.

Only a login is judged, and never the null sender of an envelope. What filters decide stays: a hold for a
foreign sender undoes no refusal of theirs, and a message that they hold or let pass gets its tag. While a
directory that lends addresses has not answered for an account yet, nothing is held against it that an answer
could undo.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from sendwarden.core.decision import Decision, Message, Reason, Request, Verdict
from sendwarden.engine.channel import Channel
from sendwarden.engine.owners import Owners
from sendwarden.engine.senders import MISMATCHES, header_reasons
from sendwarden.service.ports import References

ForeignSender = Literal["refuse", "hold", "tag", "allow"]

# The header that "tag" adds.
TAG = "X-Sendwarden-Sender"
# Mismatches that a directory could undo, by lending the address.
COULD_BE_LENT = ("foreign-sender", "foreign-header", "no-from", "display-name")
NOT_KNOWN = "sender-not-known"


def envelope_mismatch(request: Request, channel: Channel, account: str, owners: Owners) -> tuple[Reason, ...]:
    if channel.senders == "any" or not request.login or not request.sender:
        return ()
    if owners.may_use(account, request.sender):
        return ()
    return (Reason("foreign-sender", {"sender": request.sender, "account": account}),)


def message_mismatch(message: Message, channel: Channel, account: str, owners: Owners) -> tuple[Reason, ...]:
    """At the end of a message. A refusal for the envelope was said at MAIL, if the login was known then."""
    request = message.request
    found: tuple[Reason, ...] = ()
    if channel.foreign_sender != "refuse" or request.login_from or request.sender_open:
        found = envelope_mismatch(request, channel, account, owners)
    if channel.header_from == "own" and request.login:
        found += header_reasons(message.headers, request.sender, account, owners)
    return found


def undecided(found: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """What was found, while it is not known what a directory lends to the account."""
    return tuple(
        Reason(NOT_KNOWN, {"sender": one.numbers[MISMATCHES[one.id]], "account": one.numbers["account"]})
        if one.id in COULD_BE_LENT
        else one
        for one in found
    )


def is_open(found: Iterable[Reason]) -> bool:
    return any(reason.id == NOT_KNOWN for reason in found)


def is_mismatch(found: Iterable[Reason]) -> bool:
    return any(reason.id in MISMATCHES for reason in found)


def with_mismatch(
    decision: Decision,
    found: tuple[Reason, ...],
    action: ForeignSender,
    references: References,
    *,
    watched: bool,
) -> Decision:
    """A decision with what was found about the sender. The last reason is the one that is said."""
    if not is_mismatch(found):
        return replace(decision, reasons=(*found, *decision.reasons)) if found else decision
    changed = replace(decision, reasons=(*found, *decision.reasons))
    match action:
        case "refuse":
            changed = replace(changed, verdict=Verdict.REFUSE, enhanced="5.7.1")
        case "hold" if decision.verdict is Verdict.ACCEPT:
            changed = replace(decision, verdict=Verdict.HOLD, reasons=(*decision.reasons, *found))
        case "tag" if decision.verdict in (Verdict.ACCEPT, Verdict.HOLD):
            changed = replace(changed, headers=((TAG, "mismatch"),))
    if changed.plain and not changed.headers:
        return changed
    reference = changed.reference or references.next()
    tags = tuple((name, f"{value} [{reference}]" if reference else value) for name, value in changed.headers)
    return replace(changed, reference=reference, headers=tags, watched=watched)
