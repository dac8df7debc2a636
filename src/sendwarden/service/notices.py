"""The message that tells an authenticated sender which recipients were refused while others were accepted.

A delivery status notification (RFC 3464) with null sender, one for each message. It goes to the account
itself and never to an address that a thief could have written into the envelope: to the envelope sender if
that is the account by the identity rules, else to the login if that is an address of one of our domains, else
to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message as EmailPart
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
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
    words = " ".join(refusal_text(decision).split())
    date = format_datetime(datetime.fromtimestamp(now, UTC))
    told = MIMEMultipart("report", report_type="delivery-status")
    told["From"] = f"Mail Delivery System <postmaster@{host}>"
    told["To"] = _header_text(recipient)
    told["Subject"] = "Some recipients did not get your message"
    told["Date"] = date
    told["Message-ID"] = f"<{decision.reference}.{int(now)}@{host}>"
    told["Auto-Submitted"] = "auto-replied"
    told.attach(_for_people(decision, words))
    told.attach(_for_programs(decision, words, host, date))
    told.attach(_headers(message))
    return Notice(decision.reference, decision.account, recipient, told.as_bytes(policy=SMTP))


def _header_text(text: str) -> str:
    """Text that may stand in a header field: ASCII, on one line."""
    return " ".join(text.encode("ascii", "replace").decode().split())


def _for_people(decision: Decision, words: str) -> MIMEText:
    lines = [
        "Your message was not delivered to:",
        "",
        *(f"    {_header_text(one)}" for one in decision.refused),
        "",
        words,
        "",
        "All other recipients were accepted. The reference in brackets tells your postmaster the details.",
        "",
    ]
    return MIMEText("\n".join(lines))


def _for_programs(decision: Decision, words: str, host: str, date: str) -> EmailPart:
    blocks: list[EmailPart | str] = []
    about = EmailPart()
    about["Reporting-MTA"] = f"dns; {host}"
    about["Arrival-Date"] = date
    blocks.append(about)
    for recipient in decision.refused:
        block = EmailPart()
        block["Final-Recipient"] = f"rfc822; {_header_text(recipient)}"
        block["Action"] = "failed"
        block["Status"] = decision.enhanced
        block["Diagnostic-Code"] = f"smtp; 550 {decision.enhanced} {_header_text(words)}"
        blocks.append(block)
    part = EmailPart()
    part["Content-Type"] = "message/delivery-status"
    part.set_payload(blocks)
    return part


def _headers(message: Message) -> EmailPart:
    part = EmailPart()
    part["Content-Type"] = "text/rfc822-headers"
    shown = [
        f"{name}: {_header_text(value)[:HEADER_LETTERS]}"
        for name, value in message.headers
        if name.lower() in SHOWN_HEADERS
    ]
    part.set_payload("\n".join(shown) + "\n")
    return part
