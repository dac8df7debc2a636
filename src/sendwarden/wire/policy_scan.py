"""The attributes that the quick answer needs, found by one expression in Postfix's order.

Source: Postfix 3.7 src/smtpd/smtpd_check.c, check_policy_service, and measurements: reading all attributes
into a dictionary takes six times as long. The order is Postfix's habit and no promise: what comes in another
one, or in pieces, is for `wire.policy.PolicyDecoder`, which is the reference for what the attributes mean.
"""

import re
from typing import NamedTuple

from .policy import Request


class Scanned(NamedTuple):
    """What was found, as bytes."""

    protocol_state: bytes
    client_address: bytes
    sender: bytes
    recipient_count: bytes
    queue_id: bytes
    instance: bytes
    sasl_username: bytes


_SCAN = re.compile(
    rb"request=smtpd_access_policy\n"
    rb"protocol_state=(RCPT|END-OF-MESSAGE)\n"
    rb"protocol_name=[^\n]*+\n"
    rb"client_address=([^\n]*+)\n"
    rb"client_name=[^\n]*+\n"
    rb"(?:client_port=[^\n]*+\n)?"
    rb"reverse_client_name=[^\n]*+\n"
    rb"(?:server_address=[^\n]*+\nserver_port=[^\n]*+\n)?"
    rb"helo_name=[^\n]*+\n"
    rb"sender=([^\n]*+)\n"
    rb"recipient=[^\n]*+\n"
    rb"recipient_count=([0-9]{1,7}+)\n"
    rb"queue_id=([^\n]*+)\n"
    rb"instance=([^\n]++)\n"
    rb"size=[^\n]*+\n"
    rb"etrn_domain=[^\n]*+\n"
    rb"stress=[^\n]*+\n"
    rb"sasl_method=[^\n]*+\n"
    rb"sasl_username=([^\n]*+)\n"
)
scan = _SCAN.match


def tail_of(data: bytes, request: Request) -> bytes | None:
    """What stands behind the scanned attributes of a request; None if the scan is not for it.

    ``request`` is what the decoder made of ``data``. Where a later request ends in the same bytes, the scan
    means the same as the decoder: nothing in them names a scanned attribute once more.
    """
    found = scan(data)
    if found is None:
        return None
    names = Scanned._fields
    if any(
        request.get(name).encode("utf-8", "surrogateescape") != found[n] for n, name in enumerate(names, 1)
    ):
        return None
    tail = data[found.end() :]
    again = {line.partition(b"=")[0].decode("ascii", "surrogateescape") for line in tail.split(b"\n")}
    return (
        tail
        if tail.endswith(b"\n\n") and not again & set(names) and tail.find(b"\n\n") == len(tail) - 2
        else None
    )
