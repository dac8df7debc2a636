"""Postfix's log: lines to records.

Source: the programs of Postfix 3.7, and its manuals smtpd(8), cleanup(8), qmgr(8), smtp(8), bounce(8),
postlogd(8). What a stranger can write (HELO, sender, login that failed, subject, replies) stands behind
what Postfix wrote, and a field is found from the side on which only Postfix can have written; each line
takes time linear in its length.

Known fault: a sender or a remote server can make a line about its own message read wrongly (a recipient
that looks like a reply). It is then wrong about that message alone, since the queue id stands first.
"""

from sendwarden.wire.postfix_log.reader import PostfixLog
from sendwarden.wire.postfix_log.records import (
    Accepted,
    Active,
    Connected,
    Delivery,
    Disconnected,
    Expired,
    Line,
    LoginFailed,
    Named,
    Origin,
    Passed,
    PickedUp,
    Record,
    Refused,
    Removed,
    Returned,
)

__all__ = [
    "Accepted",
    "Active",
    "Connected",
    "Delivery",
    "Disconnected",
    "Expired",
    "Line",
    "LoginFailed",
    "Named",
    "Origin",
    "Passed",
    "PickedUp",
    "PostfixLog",
    "Record",
    "Refused",
    "Removed",
    "Returned",
]
