"""The message that tells an authenticated sender which recipients were refused while others were accepted.

A delivery status notification (RFC 3464) with null sender, one for each message. It goes to the account
itself and never to an address that a thief could have written into the envelope: to the envelope sender if
that is the account by the identity rules, else to the login if that is an address of one of our domains, else
to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from sendwarden.core.decision import Decision, Message, Request
from sendwarden.core.identity import IdentityRules, account_of, in_domains, split_address
from sendwarden.core.texts import refusal_text

# Headers of the refused message that are shown; the rest is nobody's business but the sender's own copy's.
SHOWN_HEADERS = ("from", "to", "cc", "subject", "date", "message-id")
HEADER_LETTERS = 998


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to hand to the mail server. ``id`` is the reference it is about."""

    id: str
    account: str
    recipient: str
    message: bytes


def notice_recipient(request: Request, account: str, rules: IdentityRules, domains: Sequence[str]) -> str:
    """Who is told, or "" for nobody."""
    if not request.login:
        return ""
    if request.sender and account_of(request.sender, rules) == account:
        return request.sender
    domain = split_address(request.login)[1]
    return request.login if domain and in_domains(domain, domains) else ""


def refused_notice(message: Message, decision: Decision, recipient: str, host: str, now: float) -> Notice:
    """Tell ``recipient`` that ``decision.refused`` did not get it. ``host`` is the name we sign with."""
    words = refusal_text(decision)
    told = EmailMessage(policy=SMTP)
    told["From"] = f"Mail Delivery System <postmaster@{host}>"
    told["To"] = recipient
    told["Subject"] = "Some recipients did not get your message"
    told["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    told["Message-ID"] = f"<{decision.reference}.{int(now)}@{host}>"
    told["Auto-Submitted"] = "auto-replied"
    told["MIME-Version"] = "1.0"
    told.make_mixed()
    text = EmailMessage(policy=SMTP)
    lines = [
        "Your message was not delivered to:",
        "",
        *(f"    {one}" for one in decision.refused),
        "",
        words,
        "",
        "All other recipients were accepted. The reference in brackets tells your postmaster the details.",
        "",
    ]
    text.set_content("\n".join(lines))
    told.attach(text)
    told.attach(_status(decision, words, host, now))
    told.attach(_headers(message))
    told.set_param("report-type", "delivery-status")
    raw = told.as_bytes().replace(b"multipart/mixed", b"multipart/report", 1)
    return Notice(decision.reference, decision.account, recipient, raw)


def _status(decision: Decision, words: str, host: str, now: float) -> EmailMessage:
    arrival = format_datetime(datetime.fromtimestamp(now, UTC))
    blocks = [f"Reporting-MTA: dns; {host}\nArrival-Date: {arrival}\n"]
    said = " ".join(words.split()).encode("ascii", "replace").decode()
    for recipient in decision.refused:
        shown = recipient.encode("ascii", "replace").decode().replace("\n", "?").replace("\r", "?")
        blocks.append(
            f"Final-Recipient: rfc822; {shown}\nAction: failed\nStatus: {decision.enhanced}\n"
            f"Diagnostic-Code: smtp; 550 {decision.enhanced} {said}\n"
        )
    part = EmailMessage(policy=SMTP)
    part["Content-Type"] = "message/delivery-status"
    part.set_payload("\n".join(blocks))
    return part


def _headers(message: Message) -> EmailMessage:
    part = EmailMessage(policy=SMTP)
    part["Content-Type"] = "text/rfc822-headers"
    shown = [
        f"{name}: {value[:HEADER_LETTERS]}"
        for name, value in message.headers
        if name.lower() in SHOWN_HEADERS
    ]
    part.set_payload("\n".join(shown).encode("ascii", "replace").decode() + "\n")
    return part
