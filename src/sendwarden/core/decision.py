"""What a mail server asks and what we answer: Request, Message, Reason, Decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


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

    ``login`` is the name as the mail server authenticated it, never anything that the client merely claims.
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


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message at its end: the envelope, and headers as they were sent (not decoded), in order."""

    request: Request
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""  # empty unless a filter of the channel asks for it
    size_bytes: int = 0
    cut: bool = False  # it has more headers than are looked at


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
    transport: str = ""  # of the mail server, for the whole message
    delay_s: float = 0.0  # before the answer is given
    help: str = ""  # a page that a refusal names
    told: tuple[Reason, ...] = ()  # what somebody should hear of, whatever the verdict
    repeated: bool = False  # decided, kept and told a moment ago already, under the same reference

    @property
    def plain(self) -> bool:
        """A go-ahead without anything to explain: it gets no reference, and nothing is kept."""
        changed = (self.refused, self.discarded, self.copies_to, self.headers, self.transport, self.delay_s)
        return self.verdict is Verdict.ACCEPT and not any(changed)

    @property
    def in_effect(self) -> Verdict:
        return Verdict.ACCEPT if self.watched else self.verdict
