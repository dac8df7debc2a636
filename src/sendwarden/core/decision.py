"""What a mail server asks and what we answer: Request, Message, Reason, Decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from sendwarden.core.scan import Finding


class Stage(Enum):
    """When in an SMTP session the question is asked."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_MESSAGE = "end-of-message"


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of one SMTP transaction at one stage. What is not known yet is empty.

    ``login`` is the name as the mail server authenticated it, never anything that the client merely claims;
    or, at the end of a message, as a webmail of the site says it (``login_from``).
    Addresses are without angle brackets; an empty sender is the null sender.
    """

    stage: Stage
    listener: str = ""  # which of our sockets asked, as the settings name it
    client_address: str = ""  # "" for mail that was handed in by a local program
    client_name: str = ""
    helo: str = ""
    login: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    queue_id: str = ""
    macros: Mapping[str, str] = field(default_factory=dict)  # milter macros, or policy attributes
    parameters: tuple[str, ...] = ()  # ESMTP parameters of this MAIL or RCPT, as in "NOTIFY=NEVER"
    # At RCPT: the commands of this message so far with this one, and how many before it were accepted.
    counts: tuple[int, int] = (0, 0)
    login_from: str = ""  # where the webmail named the login; "" where the mail server authenticated it
    origin: str = ""  # the browser's address as the webmail names it; it stands in for a login
    program: str = ""  # on the mail server, that handed the message in, where it is known
    sender_open: bool = False  # at MAIL it was not known yet whether the login may use the sender


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message at its end: the envelope, and headers as they were sent (not decoded), in order."""

    request: Request
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""  # empty unless a filter of the channel asks for it
    size_bytes: int = 0
    cut: bool = False  # it has more headers than are looked at
    several: tuple[str, ...] = ()  # accounts that its webmail names, of which only one can be right
    body_cut: bool = False  # its body is longer than what is kept of it
    findings: tuple[Finding, ...] = ()  # of scanners


Numbers = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Reason:
    """A message id with its numbers. `core.texts` makes a sentence of it; nothing else words it."""

    id: str
    numbers: Numbers = field(default_factory=dict)


class Verdict(Enum):
    """What becomes of a message or a recipient, mildest first."""

    ACCEPT = "accept"
    DISCARD = "discard"
    HOLD = "hold"
    DEFER = "defer"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one Request or Message, with why.

    With ``refused`` or ``discarded`` the message goes on without these recipients. ``watched``: this is what
    would be done, but the channel only watches; the frontend must let everything pass (`in_effect`).
    """

    verdict: Verdict
    channel: str
    account: str
    reasons: tuple[Reason, ...] = ()
    text: str = ""  # the site's own words for a refusal, several lines allowed; "" lets `core.texts` speak
    enhanced: str = ""  # RFC 3463 code of a refusal, e.g. "5.7.1"
    refused: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    copies_to: tuple[str, ...] = ()  # recipients to add
    headers: tuple[tuple[str, str], ...] = ()  # fields to add, if the message goes on
    reference: str = ""
    watched: bool = False
    code: int = 0  # SMTP code of a refusal where the site names one, as 421; 0: 550 or 450
    fields: tuple[tuple[str, str], ...] = ()  # header fields to set, in place of those that are there
    removed: tuple[tuple[str, int], ...] = ()  # header fields to take out: name, and which of it, from 1
    new_sender: str | None = None  # of the envelope
    delays_on: bool = False  # the same before the later answers to this message
    whole: bool = True  # at RCPT: a discard is meant for all recipients
    tag: str = ""  # that PORT_ACCESS gave the connection
    transport: str = ""  # of the mail server, for the whole message
    delay_s: float = 0.0  # before the answer is given
    help: str = ""  # a page that a refusal names
    told: tuple[Reason, ...] = ()  # what somebody should hear of, whatever the verdict
    repeated: bool = False  # decided, kept and told a moment ago already, under the same reference

    @property
    def plain(self) -> bool:
        """A go-ahead without anything to explain: it has no reference, and nothing is kept."""
        return self.verdict is Verdict.ACCEPT and not (
            self.refused
            or self.discarded
            or self.copies_to
            or self.transport
            or self.delay_s
            or self.reference
        )

    @property
    def changes(self) -> bool:
        """Is something about the message to be changed?"""
        return bool(self.headers or self.fields or self.removed) or self.new_sender is not None

    @property
    def smtp_code(self) -> int:
        """The code of a refusal."""
        return self.code or (550 if self.verdict is Verdict.REFUSE else 450)

    @property
    def in_effect(self) -> Verdict:
        return Verdict.ACCEPT if self.watched else self.verdict


@lru_cache(maxsize=4096)
def go_ahead(channel: str, account: str) -> Decision:
    """A message goes on, and there is nothing to say of it: most decisions, made once for each account."""
    return Decision(Verdict.ACCEPT, channel, account)
