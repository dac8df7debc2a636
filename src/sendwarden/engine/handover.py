"""A message as it is handed to a scanner, and what scanners before us wrote into it.

Scanners look the client's address up in lists of the whole world, and every dynamic address stands in some.
So of mail of our own users neither the address nor a field that could name it is handed over: the reputation
of somebody's line at home says nothing about his mail. Of everybody else's mail the client is told.

A score header counts only where one of its writers hands the message over, and nobody logged in; from all
others it is forged, and neither filters nor recipients shall see it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate

from sendwarden.core.decision import Message, Request
from sendwarden.core.networks import Networks, in_networks
from sendwarden.core.scan import Finding, ToScan
from sendwarden.wire.score_header import read_score

# Fields in which servers and webmails write where a message came from.
TRACE_FIELDS = frozenset(
    {
        *("received", "x-received", "x-originating-ip", "x-originating-client", "x-original-ip"),
        *("x-client-ip", "x-client-addr", "x-client-hostname", "x-sender-ip", "x-sender-host", "x-source-ip"),
        *("x-remote-ip", "x-real-ip", "x-forwarded-for", "forwarded-for", "proxy-ip", "x-user-ip"),
        *("x-php-originating-script", "x-http-remote-addr", "x-mailer-ip", "x-authentication-warning"),
    }
)
# What may stand in the words of a Received field of ours; the rest was said by a stranger.
_WORD_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")


@dataclass(frozen=True, slots=True)
class ScoreSource:
    """A header that ``writers`` may write: its name in lower case, and what to call it."""

    name: str
    header: str
    writers: Networks
    threshold: float  # where the header does not say it


def handed_over(message: Message, host: str, now: float, ours: Networks, relays: Networks) -> ToScan:
    """The message for a scanner, with a Received field for the way to us where the client is to be known.

    ``ours``: networks of our own users; ``relays``: hosts in them that pass on mail of others.
    """
    request = message.request
    if is_own(request, ours, relays):
        headers = [field for field in message.headers if field[0].strip().lower() not in TRACE_FIELDS]
        request = replace(request, client_address="", client_name="", helo="")
    else:
        headers = [("Received", _received(request, host, now)), *message.headers]
    return ToScan(
        _content(headers, message.body),
        request.client_address,
        request.client_name,
        request.helo,
        request.login,
        request.sender,
        request.recipients,
        request.queue_id,
    )


def is_own(request: Request, ours: Networks, relays: Networks) -> bool:
    """Is it mail of one of our own users?"""
    if request.login or not request.client_address:
        return True
    return in_networks(request.client_address, ours) and not in_networks(request.client_address, relays)


def _content(headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"{name}: {value}\n" for name, value in headers]
    head = "".join(lines).replace("\r\n", "\n").replace("\n", "\r\n")
    return head.encode("utf-8", "surrogateescape") + b"\r\n" + body


def _received(request: Request, host: str, now: float) -> str:
    """As Postfix writes it (RFC 5321 section 4.4), so that scanners find the client there."""
    helo, name, queue_id = map(_word, (request.helo, request.client_name, request.queue_id))
    address = request.client_address
    address = f"IPv6:{address}" if ":" in address else address
    return (
        f"from {helo or 'unknown'} ({name or 'unknown'} [{_word(address)}])\n"
        f"\tby {host} (Sendwarden) with ESMTP id {queue_id or 'unknown'};\n\t{formatdate(now)}"
    )


def _word(text: str) -> str:
    return "".join(letter for letter in text[:255] if letter in _WORD_LETTERS)


def read_headers(
    message: Message, sources: Mapping[str, ScoreSource]
) -> tuple[Message, tuple[Finding, ...], tuple[tuple[str, int], ...]]:
    """The message without forged score headers, what the others say, and how many of each were forged.

    No two sources have the same header. Of several trusted ones the highest counts: a stranger can add a low
    score, and no more.
    """
    wanted = {source.header for source in sources.values()}
    there = {name for name, _value in message.headers if name.strip().lower() in wanted}
    if not there:
        return message, (), ()
    findings: list[Finding] = []
    forged: dict[str, int] = {}
    for source in sources.values():
        values = [value for name, value in message.headers if name.strip().lower() == source.header]
        if not message.request.login and in_networks(message.request.client_address, source.writers):
            findings += _finding(source, values)
        elif values:
            forged[source.header] = len(values)
    kept = tuple(field for field in message.headers if field[0].strip().lower() not in forged)
    return replace(message, headers=kept), tuple(findings), tuple(forged.items())


def _finding(source: ScoreSource, values: Iterable[str]) -> list[Finding]:
    scores = [score for value in values if (score := read_score(value))]
    if not scores:
        return []
    highest = max(scores, key=lambda score: score.score)
    threshold = highest.threshold if highest.threshold and highest.threshold > 0 else source.threshold
    spam = highest.score >= threshold
    return [Finding(source.name, highest.score, threshold, spam, symbols=highest.symbols)]
