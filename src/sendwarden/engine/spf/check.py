"""check_host (RFC 7208 section 4): a generator that yields questions, is sent answers and returns a result.

Limits are those of section 4.6.4: ten terms that ask the DNS, ten names of an MX or PTR, two answers that say
nothing. Trouble with the DNS is ``temperror``, and whatever is wrong with a record ``permerror``.
"""

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sendwarden.core.dns import DnsAnswer, Question, RecordKind, Route
from sendwarden.engine.reputation.names import reverse_name
from sendwarden.engine.spf.macros import Macros, macro_string, shortened
from sendwarden.engine.spf.record import (
    MOST_OF_A_NAME,
    BadRecord,
    Mechanism,
    Record,
    SpfResult,
    is_record,
    read_record,
)

# Terms that ask, names of one of them, and answers without anything, at the most (section 4.6.4).
MOST_TERMS = 10
MOST_NAMES = 10
MOST_VOID = 2
# Letters of an explanation that are told: it is a stranger's text.
MOST_EXPLAINED = 200

_LABEL = re.compile(r"[ -\[\]-~]{1,63}")

Asks = Generator[Question, DnsAnswer, "Outcome"]
Matches = Generator[Question, DnsAnswer, bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check says. ``why``: of an error, what is wrong; of a fail, the domain's own explanation."""

    result: SpfResult
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is checked: a client, the sender (``local@domain``), and what the client said in HELO."""

    client: str
    sender: str
    helo: str = ""
    receiver: str = "unknown"
    at: int = 0  # seconds since the epoch, for the letter t


class _Temporary(Exception):
    """The DNS gave no answer; the text says why."""


@dataclass(slots=True)
class _Check:
    """One check, through all records that it leads to."""

    sent: Sent
    ip: IPv4Address | IPv6Address
    route: Route
    local: str
    domain_of_sender: str
    terms: int = 0
    void: int = 0
    names: list[str] | None = None  # of the client, that lead back to it
    explains: list[tuple[str, Macros]] = field(default_factory=list)  # by domain: of the policy that failed

    @property
    def kind(self) -> RecordKind:
        """Of the addresses that the client's is compared with."""
        return "A" if isinstance(self.ip, IPv4Address) else "AAAA"


def check_host(sent: Sent, route: Route) -> Asks:
    """May the client send as the sender's domain, or as its HELO where there is no sender?"""
    local, at, domain = sent.sender.rpartition("@")
    if not sent.sender:
        local, at, domain = "", "@", sent.helo
    ip = ip_address(sent.client)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    domain = domain.removesuffix(".")
    if not at or not _is_domain(domain):
        return Outcome(SpfResult.NONE)
    check = _Check(sent, ip, route, local or "postmaster", domain)
    try:
        result = yield from _evaluated(check, domain, [])
        why = (yield from _explained(check)) if result is SpfResult.FAIL else ""
    except _Temporary as trouble:
        return Outcome(SpfResult.TEMPERROR, str(trouble))
    except BadRecord as wrong:
        return Outcome(SpfResult.PERMERROR, str(wrong))
    return Outcome(result, why)


def _evaluated(
    check: _Check, domain: str, explains: list[tuple[str, Macros]]
) -> Generator[Question, DnsAnswer, SpfResult]:
    """The policy of one domain. ``explains`` gets what explains its fail."""
    record = yield from _policy(check, domain)
    if record is None:
        return SpfResult.NONE
    for mechanism in record.mechanisms:
        if (yield from _matches(check, mechanism, domain)):
            if record.explanation is not None:
                explains[:] = [(domain, record.explanation)]
            check.explains = explains
            return mechanism.result
    if record.redirect is None:
        return SpfResult.NEUTRAL
    _count(check)
    target = yield from _name(check, record.redirect, domain)
    result = SpfResult.NONE
    if _is_domain(target):
        result = yield from _evaluated(check, target, explains)
    if result is SpfResult.NONE:
        raise BadRecord(f"{domain} redirects to {target[:60]}, which has no policy")
    return result


def _policy(check: _Check, domain: str) -> Generator[Question, DnsAnswer, Record | None]:
    texts = yield from _records(check, domain, "TXT")
    policies = [text for text in texts if is_record(text)]
    if not policies:
        return None
    if len(policies) > 1:
        raise BadRecord(f"{domain} has {len(policies)} policies")
    try:
        return read_record(policies[0])
    except BadRecord as wrong:
        raise BadRecord(f"{domain}: {wrong}") from None


def _matches(check: _Check, mechanism: Mechanism, domain: str) -> Matches:
    if mechanism.name == "all":
        return True
    if mechanism.network is not None:
        return check.ip.version == mechanism.network.version and check.ip in mechanism.network
    _count(check)
    target = (yield from _name(check, mechanism.domain, domain)) if mechanism.domain else domain
    return (yield from _ASKING[mechanism.name](check, mechanism, target))


def _exists(check: _Check, _mechanism: Mechanism, target: str) -> Matches:
    return bool((yield from _found(check, target, "A")))


def _included(check: _Check, _mechanism: Mechanism, target: str) -> Matches:
    result = SpfResult.NONE
    if _is_domain(target):
        result = yield from _evaluated(check, target, [])
        check.explains = []
    if result is SpfResult.NONE:
        raise BadRecord(f"{target[:60]} is included, and has no policy")
    return result is SpfResult.PASS


def _is_at(check: _Check, mechanism: Mechanism, target: str) -> Matches:
    found = yield from _found(check, target, check.kind)
    bits = mechanism.bits4 if check.kind == "A" else mechanism.bits6
    return any(check.ip in ip_network((address, bits), strict=False) for address in found)


def _is_mail_server(check: _Check, mechanism: Mechanism, target: str) -> Matches:
    names = yield from _found(check, target, "MX")
    if len(names) > MOST_NAMES:
        raise BadRecord(f"{target[:60]} has more than {MOST_NAMES} mail servers")
    for name in names:
        if name and (yield from _is_at(check, mechanism, name)):
            return True
    return False


def _has_name(check: _Check, _mechanism: Mechanism, target: str) -> Matches:
    try:
        names = yield from _names(check)
    except _Temporary:
        return False
    target = target.lower()
    return any(name == target or name.endswith(f".{target}") for name in names)


_ASKING: Mapping[str, Callable[[_Check, Mechanism, str], Matches]] = {
    "include": _included,
    "exists": _exists,
    "a": _is_at,
    "mx": _is_mail_server,
    "ptr": _has_name,
}


def _names(check: _Check) -> Generator[Question, DnsAnswer, list[str]]:
    """Names of the client that lead back to it (section 5.5). Raises `_Temporary`."""
    if check.names is None:
        check.names = []
        asked = yield from _found(check, reverse_name(str(check.ip)), "PTR")
        for name in asked[:MOST_NAMES]:
            try:
                found = yield from _records(check, name, check.kind)
            except _Temporary:
                continue
            if any(ip_address(address) == check.ip for address in found):
                check.names.append(name.lower())
    return check.names


# --- asking


def _count(check: _Check) -> None:
    check.terms += 1
    if check.terms > MOST_TERMS:
        raise BadRecord(f"more than {MOST_TERMS} terms ask the DNS")


def _found(check: _Check, name: str, kind: RecordKind) -> Generator[Question, DnsAnswer, tuple[str, ...]]:
    """Records that a term asks for: too many answers without any are an error."""
    records = yield from _records(check, name, kind)
    if not records:
        check.void += 1
        if check.void > MOST_VOID:
            raise BadRecord(f"more than {MOST_VOID} names are asked for that do not exist")
    return records


def _records(check: _Check, name: str, kind: RecordKind) -> Generator[Question, DnsAnswer, tuple[str, ...]]:
    if not _can_be_asked(name):
        return ()
    answer = yield Question(name.lower(), kind, check.route)
    if answer.trouble:
        raise _Temporary(answer.trouble)
    return answer.records


def _is_domain(name: str) -> bool:
    """Can it be a domain that has a policy (section 4.3)?"""
    return "." in name and _can_be_asked(name) and not name.startswith("[")


def _can_be_asked(name: str) -> bool:
    return len(name) <= len(shortened(name)) and all(map(_LABEL.fullmatch, name.split(".")))


# --- macros


def _name(check: _Check, macros: Macros, domain: str) -> Generator[Question, DnsAnswer, str]:
    return shortened((yield from macros.expand(lambda letter: _value(check, letter, domain))))


def _value(check: _Check, letter: str, domain: str) -> Generator[Question, DnsAnswer, str]:
    if letter == "p":
        return (yield from _client_name(check, domain))
    sent = check.sent
    return {
        "s": f"{check.local}@{check.domain_of_sender}",
        "l": check.local,
        "o": check.domain_of_sender,
        "d": domain,
        "i": _dotted(check.ip),
        "v": "in-addr" if check.kind == "A" else "ip6",
        "h": sent.helo,
        "c": str(check.ip),
        "r": sent.receiver,
        "t": str(sent.at),
    }[letter]


def _dotted(ip: IPv4Address | IPv6Address) -> str:
    return str(ip) if isinstance(ip, IPv4Address) else ".".join(f"{int(ip):032X}")


def _client_name(check: _Check, domain: str) -> Generator[Question, DnsAnswer, str]:
    """The client's name (section 7.3): that of the domain first, then one below it, then any."""
    try:
        names = yield from _names(check)
    except _Temporary:
        names = []
    domain = domain.lower()
    below = [name for name in names if name.endswith(f".{domain}")]
    if domain in names:
        return domain
    return next(iter([*below, *names]), "unknown")


def _explained(check: _Check) -> Generator[Question, DnsAnswer, str]:
    """What the domain says to whom it refused (section 6.2); "" where it says nothing that can be told."""
    if not check.explains:
        return ""
    domain, macros = check.explains[0]
    try:
        name = yield from _name(check, macros, domain)
        texts = yield from _records(check, name, "TXT")
        short = len(texts) == 1 and len(texts[0]) <= MOST_OF_A_NAME
        told = macro_string(texts[0], explains=True) if short else None
        text = (yield from told.expand(lambda letter: _value(check, letter, domain))) if told else ""
    except (_Temporary, BadRecord):
        return ""
    return text[:MOST_EXPLAINED] if text.isascii() and text.isprintable() else ""
