"""Lines of cleanup(8), pickup(8), qmgr(8), bounce(8) and postsuper(1): a message's way through the queue."""

from sendwarden.wire.postfix_log.parts import bracketed, is_queue_id, status_of
from sendwarden.wire.postfix_log.records import (
    Active,
    Expired,
    Line,
    Named,
    Origin,
    PickedUp,
    Record,
    Refused,
    Removed,
    Returned,
)
from sendwarden.wire.postfix_log.smtpd import read_refusal

_MESSAGE_ID = "message-id="
_RESENT_ID = "resent-message-id="
_ACTIVE = " (queue active)"
_SIZE = ">, size="
_COUNT = ", nrcpt="
_RETURNED = "sender "
_NOTIFICATION = " notification: "

# What is said of a message and changes nothing here.
CLEANUP_NOTES = ("unix_", "reading ", "enabling ", "uid=")
QMGR_NOTES = ("skipped, still being delivered", "removed from ", "flushed ", "deferred ")
BOUNCE_NOTES = ("postmaster ", "sender delay ", "sender delivery ")
POSTSUPER_NOTES = (
    "placed on hold", "released from hold", "requeued", "expired", "renamed ", "Placed on hold",
    "Released from hold",
)  # fmt: skip
# Checks by header_checks and the like name where they hit, and the text, which strangers wrote.
CHECKED = ("header ", "body ", "mime-header ", "nested-header ", "content ")


def read_cleanup(at: float, origin: Origin, text: str) -> Record | Line:
    queue_id, colon, rest = text.partition(": ")
    if not colon or not is_queue_id(queue_id):
        return Line.UNKNOWN
    if rest.startswith(_MESSAGE_ID):
        return Named(at, origin, queue_id, rest[len(_MESSAGE_ID) :], resent=False)
    if rest.startswith(_RESENT_ID):
        return Named(at, origin, queue_id, rest[len(_RESENT_ID) :], resent=True)
    if rest.startswith(CLEANUP_NOTES):
        return Line.NOTED
    return _checked(at, origin, queue_id, rest)


def read_pickup(at: float, origin: Origin, text: str) -> Record | Line:
    """``ID: uid=1000 from=<eve>``; ``ID: sender=<eve> orig_id=..`` of a message that postsuper put back."""
    queue_id, colon, rest = text.partition(": ")
    if not colon or not is_queue_id(queue_id):
        return Line.UNKNOWN
    if not rest.startswith("uid="):
        return Line.NOTED if rest.startswith("sender=") else Line.UNKNOWN
    uid, found, sender = rest[len("uid=") :].partition(" from=<")
    if not found or not uid.isascii() or not uid.isdigit():
        return Line.UNKNOWN
    return PickedUp(at, origin, queue_id, int(uid[:10]), bracketed(sender)[0])


def read_qmgr(at: float, origin: Origin, text: str) -> Record | Line:
    queue_id, colon, rest = text.partition(": ")
    if not colon or not is_queue_id(queue_id):
        return Line.UNKNOWN
    if rest == "removed":
        return Removed(at, origin, queue_id)
    if rest.startswith("from=<"):
        return _from(at, origin, queue_id, rest[len("from=<") :])
    return Line.NOTED if rest.startswith(QMGR_NOTES) else Line.UNKNOWN


def _from(at: float, origin: Origin, queue_id: str, rest: str) -> Record | Line:
    """The sender may have written anything, so that what follows is found from the end."""
    sender, found, figures = rest.rpartition(_SIZE)
    if found and figures.endswith(_ACTIVE):
        size, _, count = figures[: -len(_ACTIVE)].partition(_COUNT)
        if size.isdecimal() and count.isdecimal() and len(size) + len(count) < _DIGITS:
            return Active(at, origin, queue_id, sender, int(size), int(count))
    sender, _, status = rest.rpartition(">, status=")
    if status in EXPIRED:
        return Expired(at, origin, queue_id, sender)
    return Line.UNKNOWN


_DIGITS = 30
EXPIRED = frozenset({"expired, returned to sender", "force-expired, returned to sender"})


def read_bounce(at: float, origin: Origin, text: str) -> Record | Line:
    queue_id, colon, rest = text.partition(": ")
    if not colon or not is_queue_id(queue_id):
        return Line.UNKNOWN
    kind, found, notice = rest.partition(_NOTIFICATION)
    if found and kind.startswith(_RETURNED) and is_queue_id(notice):
        return Returned(at, origin, queue_id, kind[len(_RETURNED) :], notice)
    return Line.NOTED if rest.startswith(BOUNCE_NOTES) else Line.UNKNOWN


def read_postsuper(at: float, origin: Origin, text: str) -> Record | Line:
    queue_id, colon, rest = text.partition(": ")
    if colon and is_queue_id(queue_id):
        if rest == "removed":
            return Removed(at, origin, queue_id)
        return Line.NOTED if rest.startswith(POSTSUPER_NOTES) else Line.UNKNOWN
    return Line.NOTED if text.endswith((" message", " messages")) else Line.UNKNOWN


def _checked(at: float, origin: Origin, queue_id: str, rest: str) -> Record | Line:
    """``ACTION: header Subject: TEXT from NAME[ADDRESS]; from=<..> to=<..> proto=.. helo=<..>: 5.7.1 WHY``.

    TEXT is the stranger's, so that client and envelope are found from the end, and the client is not told:
    the queue id says who it was.
    """
    action, colon, found = rest.partition(": ")
    if not colon or " " in action:
        return Line.UNKNOWN
    if not found.startswith(CHECKED):
        return read_refusal(at, origin, queue_id, rest)
    stage = found.partition(" ")[0]
    head, _, envelope = found.rpartition("; from=<")
    sender, _, envelope = envelope.partition("> to=<")
    recipient, more = bracketed(envelope)
    _, _, why = more.rpartition(">: ")
    code, dsn, text = status_of(why)
    return Refused(at, origin, queue_id, action, stage, "", code, dsn, text or head, sender, recipient)
