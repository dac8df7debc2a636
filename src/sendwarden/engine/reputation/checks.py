"""What the DNS says about a client itself: the checks ``reverse`` and ``helo``, with gross's weights.

Each check is a generator: it yields questions, is sent their answers, and returns its `Finding`. Trouble with
the DNS is no opinion. Unlike gross, all addresses of a name count and not the first alone, names have no
case, and a client that said no HELO is none to judge by it.
"""

import re
from collections.abc import Generator
from ipaddress import ip_address

from sendwarden.core.dns import DnsAnswer, Question, RecordKind, Route
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.names import domain_name, reverse_name

Asking = Generator[Question, DnsAnswer, Finding]

REVERSE, HELO = "reverse", "helo"
# Names of a client that are looked up; mass hosters give one address thousands.
MOST_NAMES = 5
# What gross adds for a HELO that cannot be a host name, and for each thing else that is wrong.
BAD_NAME, WRONG = 2, 1

_HOST_NAME = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


class _NoAnswer(Exception):
    """The DNS did not answer; its text says why."""


def reverse(client: str, route: Route) -> Asking:
    """Does a name of the client lead back to it (forward-confirmed reverse DNS)?"""
    try:
        names = yield from _names(client, route)
        why = "has no name" if not names else "none of its names leads back to it"
        for name in names[:MOST_NAMES]:
            if (yield from _leads_to(name, client, route)):
                return Finding(REVERSE, REVERSE, Said.CLEAR)
    except _NoAnswer as trouble:
        return Finding(REVERSE, REVERSE, Said.UNKNOWN, why=str(trouble))
    return Finding(REVERSE, REVERSE, Said.LISTED, WRONG, why=why)


def helo(client: str, name: str, route: Route) -> Asking:
    """Is the name that the client gave its own? Without a name nothing is asked."""
    if not name:
        return Finding(HELO, HELO, Said.CLEAR)
    if not _HOST_NAME.fullmatch(name):
        return Finding(HELO, HELO, Said.LISTED, BAD_NAME, why="is no host name")
    try:
        leads = yield from _leads_to(name, client, route)
        names = yield from _names(client, route)
    except _NoAnswer as trouble:
        return Finding(HELO, HELO, Said.UNKNOWN, why=str(trouble))
    wrong = [] if leads else ["does not lead to the client"]
    if name.lower() not in names:
        wrong.append("is not the client's name in the DNS")
    if not wrong:
        return Finding(HELO, HELO, Said.CLEAR)
    return Finding(HELO, HELO, Said.LISTED, WRONG * len(wrong), why=" and ".join(wrong))


def _names(client: str, route: Route) -> Generator[Question, DnsAnswer, list[str]]:
    asked = reverse_name(client)
    return [name.lower() for name in (yield from _records(asked, "PTR", route))] if asked else []


def _leads_to(name: str, client: str, route: Route) -> Generator[Question, DnsAnswer, bool]:
    ip = ip_address(client)
    mapped = getattr(ip, "ipv4_mapped", None)
    kind: RecordKind = "A" if "." in str(mapped or ip) else "AAAA"
    if not (asked := domain_name(name)):
        return False  # a name without a dot is nobody's
    found = yield from _records(asked, kind, route)
    return any(ip_address(record) == (mapped or ip) for record in found)


def _records(name: str, kind: RecordKind, route: Route) -> Generator[Question, DnsAnswer, tuple[str, ...]]:
    answer = yield Question(name, kind, route)
    if answer.trouble:
        raise _NoAnswer(answer.trouble)
    return answer.records
