"""The attributes that the quick answer needs, found by one expression in Postfix's order.

Source: Postfix 3.7 src/smtpd/smtpd_check.c, check_policy_service, and measurements: reading all attributes
into a dictionary takes six times as long. The order is Postfix's habit and no promise: what comes in another
one, or in pieces, is for `wire.policy.PolicyDecoder`, which is the reference for what the attributes mean.

The same in C (compiled/sendwarden_scan.c) is used where it is installed.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
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
_match = _SCAN.match

Found = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]


def plain(data: bytes, tail: bytes) -> Found | None:
    """The values of `Scanned` in its order; None where they do not stand so, with ``tail`` behind them."""
    found = _match(data)
    if found is None or data[found.end() :] != tail or b"\0" in data:
        return None
    return found.groups()  # type: ignore[return-value]


compiled: Callable[[bytes, bytes], Found | None] | None = None
with suppress(ImportError):
    compiled = import_module("sendwarden_scan").scan
scan = compiled or plain


def tail_of(data: bytes, request: Request) -> bytes | None:
    """What stands behind the scanned attributes of a request; None if the scan is not for it.

    ``request`` is what the decoder made of ``data``. Where a later request ends in the same bytes, the scan
    means the same as the decoder: nothing in them names a scanned attribute once more.
    """
    found = _match(data)
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
