"""What lines of Postfix say, as records. Texts are as they stand in the line: nothing is folded or trimmed.

Of all members only `origin`, `queue_id`, `address`, `uid` and, where Postfix has checked it, `login` are
Postfix's own words. Senders, recipients, HELO, message ids and replies are what strangers wrote.
"""

from enum import Enum
from typing import NamedTuple


class Line(Enum):
    """A line that is no record."""

    NOTED = "noted"  # understood; it says nothing of a message or a login
    UNKNOWN = "unknown"  # Postfix's, and not understood
    FOREIGN = "foreign"  # another program's
    BROKEN = "broken"  # no line of syslog or the journal


class Origin(NamedTuple):
    """Who wrote a line. ``postfix-out/submission/smtpd[12]``: instance, service, daemon, pid."""

    host: str
    instance: str
    service: str
    daemon: str
    pid: str
    queue: tuple[str, str]  # host and instance: where queue ids are unique, for a time


class Connected(NamedTuple):
    """smtpd or postscreen: a client came."""

    at: float
    origin: Origin
    address: str


class Disconnected(NamedTuple):
    """smtpd or postscreen: it went."""

    at: float
    origin: Origin
    address: str


class Accepted(NamedTuple):
    """smtpd: a message begins. ``queue_id`` is empty before a proxy filter, which gets it first."""

    at: float
    origin: Origin
    queue_id: str
    client: str  # its name, or "unknown"
    address: str
    login: str = ""  # whom SASL has confirmed
    before: str = ""  # the queue id it had before a content filter, "NOQUEUE" before a proxy filter


class PickedUp(NamedTuple):
    """pickup: a local user ran sendmail(1)."""

    at: float
    origin: Origin
    queue_id: str
    uid: int
    sender: str


class Named(NamedTuple):
    """cleanup: the Message-ID."""

    at: float
    origin: Origin
    queue_id: str
    message_id: str
    resent: bool


class Active(NamedTuple):
    """qmgr: the message goes into the active queue, for the first time or again."""

    at: float
    origin: Origin
    queue_id: str
    sender: str
    size: int  # bytes
    recipients: int


class Delivery(NamedTuple):
    """One recipient, one try. ``original`` is empty unless an alias led to the recipient."""

    at: float
    origin: Origin
    queue_id: str
    recipient: str
    original: str
    relay: str
    dsn: str
    status: str  # sent, bounced, deferred, expired; deliverable, undeliverable: of address probes
    reason: str


class Expired(NamedTuple):
    """qmgr: recipients that are still deferred come back."""

    at: float
    origin: Origin
    queue_id: str
    sender: str


class Removed(NamedTuple):
    """qmgr or postsuper: the message left the queue."""

    at: float
    origin: Origin
    queue_id: str


class Returned(NamedTuple):
    """bounce: the sender is told. ``kind``: non-delivery, delay, delivery status."""

    at: float
    origin: Origin
    queue_id: str
    kind: str
    notice: str  # the queue id of what the sender is sent


class Refused(NamedTuple):
    """smtpd, postscreen, cleanup: what an access check, a header check or a milter did, other than going on.

    ``action``: reject, milter-reject, proxy-reject, hold, discard, reject_warning and so on. ``stage``:
    CONNECT, HELO, MAIL, RCPT, DATA, END-OF-MESSAGE, header, body. ``code`` and ``dsn`` are empty where none
    are given.
    """

    at: float
    origin: Origin
    queue_id: str  # empty before the first recipient was accepted
    action: str
    stage: str
    address: str  # the client's
    code: str
    dsn: str
    text: str
    sender: str
    recipient: str


class Passed(NamedTuple):
    """smtpd: the proxy filter took the message, and it is in the queue under this id."""

    at: float
    origin: Origin
    queue_id: str


class LoginFailed(NamedTuple):
    """smtpd: SASL said no. ``login`` is what was tried, or empty where nobody says (an older Postfix)."""

    at: float
    origin: Origin
    address: str
    mechanism: str
    login: str
    reason: str


Record = (
    Connected
    | Disconnected
    | Accepted
    | PickedUp
    | Named
    | Active
    | Delivery
    | Expired
    | Removed
    | Returned
    | Refused
    | Passed
    | LoginFailed
)
