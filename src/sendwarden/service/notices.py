"""Messages of our own: recipients that were refused while others were accepted; an account near a limit.

The first goes to the authenticated sender as a delivery status notification (RFC 3464) with null sender, one
for each message. It goes to the account itself and never to an address that a thief could have written into
the envelope: to the envelope sender if that is the account by the identity rules, else to the login if that
is an address of one of our domains, else to nobody.
"""

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message as EmailPart
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime

from sendwarden.core.ascii import printable
from sendwarden.core.decision import Decision, Message, Reason, Request
from sendwarden.core.identity import IdentityRules, account_of, in_domains, split_address
from sendwarden.core.limit_words import limit_paragraphs, limit_subject
from sendwarden.core.texts import refusal_text

# Headers of the refused message that are shown; the rest is nobody's business but the sender's own copy's.
SHOWN_HEADERS = ("from", "to", "cc", "subject", "date", "message-id")
# Letters of one field of ours. RFC 5322 section 2.1.1 allows a line of 998 with the field's name.
FIELD_LETTERS = 900
# Fields are written as they are: to fold them again could change an address.
_UNFOLDED = compat32.clone(linesep="\r\n", max_line_length=None)
_COLUMNS = 75


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
    date = format_datetime(datetime.fromtimestamp(now, UTC))
    told = MIMEMultipart("report", report_type="delivery-status")
    told["From"] = f"Mail Delivery System <postmaster@{host}>"
    told["To"] = field(recipient)
    told["Subject"] = "Some recipients did not get your message"
    told["Date"] = date
    told["Message-ID"] = f"<{decision.reference}.{int(now)}@{host}>"
    told["Auto-Submitted"] = "auto-replied"
    told.attach(_for_people(decision, words))
    told.attach(_for_programs(decision, words, host, date))
    told.attach(_headers(message))
    return Notice(decision.reference, decision.account, recipient, told.as_bytes(policy=_UNFOLDED))


def share_notice(reason: Reason, recipient: str, host: str, help_page: str, now: float) -> Notice:
    """Tell ``recipient`` how much of a limit was used, and what happens with more.

    ``host`` is the name we sign with. The reason is never one of a channel that only watches: nothing happens
    there that anybody should be told of.
    """
    numbers = reason.numbers
    account = str(numbers["account"])
    told = MIMEText("")
    told["From"] = f"Mail system <postmaster@{host}>"
    told["To"] = field(recipient)
    told["Subject"] = field(limit_subject(reason))
    told["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    told["Auto-Submitted"] = "auto-generated"
    which = "-".join(str(numbers[name]) for name in ("counted", "window", "percent"))
    name = f"{field(account)}-{numbers['channel']}-{which}-{int(now)}"
    told["Message-ID"] = f"<{hashlib.sha256(f'{name}{recipient}'.encode()).hexdigest()[:24]}@{host}>"
    paragraphs = (*limit_paragraphs(reason, now), help_page)
    lines = [line for one in paragraphs if one for line in ("", *textwrap.wrap(printable(one), _COLUMNS))]
    told.set_payload("\n".join([*lines[1:], ""]).encode("ascii", "replace").decode())
    return Notice(name, account, recipient, told.as_bytes(policy=_UNFOLDED))


def field(text: str) -> str:
    """Any text as it may stand in a field: ASCII on one line, control characters as codes, not too long."""
    one_line = " ".join(text.split())
    return printable(one_line.encode("ascii", "replace").decode())[:FIELD_LETTERS].rstrip()


def _for_people(decision: Decision, words: str) -> MIMEText:
    said = textwrap.wrap(printable(" ".join(words.split())), _COLUMNS)
    lines = [
        "Your message was not delivered to:",
        "",
        *(f"    {field(one)}" for one in decision.refused),
        "",
        *said,
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
    code = 450 if decision.enhanced.startswith("4") else 550
    for recipient in decision.refused:
        block = EmailPart()
        block["Final-Recipient"] = f"rfc822; {field(recipient)}"
        block["Action"] = "failed"
        block["Status"] = decision.enhanced
        block["Diagnostic-Code"] = f"smtp; {code} {decision.enhanced} {field(words)}"
        blocks.append(block)
    part = EmailPart()
    part["Content-Type"] = "message/delivery-status"
    part.set_payload(blocks)
    return part


def _headers(message: Message) -> EmailPart:
    part = EmailPart()
    part["Content-Type"] = "text/rfc822-headers"
    shown = [f"{name}: {field(value)}" for name, value in message.headers if name.lower() in SHOWN_HEADERS]
    part.set_payload("\n".join(shown) + "\n")
    return part
