"""An SPF record as written: all terms are read before any of them counts (RFC 7208 sections 4.6 and 12)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from sendwarden.engine.spf.macros import Macros, domain_spec, macro_string


class SpfResult(StrEnum):
    """What a check says (RFC 7208 section 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class BadRecord(ValueError):
    """A record is wrong; the text says how."""


QUALIFIERS: Mapping[str, SpfResult] = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}
# Mechanism -> must it name a domain, may it, and may it have prefix lengths?
_BY_DOMAIN: Mapping[str, tuple[bool, bool, bool]] = {
    "all": (False, False, False),
    "include": (True, True, False),
    "exists": (True, True, False),
    "a": (False, True, True),
    "mx": (False, True, True),
    "ptr": (False, True, False),
}
# Letters of a record, and of one name with macros. Real ones have some hundreds; more might keep us busy.
MOST_LETTERS = 4096
MOST_OF_A_NAME = 512
# Records of which it is remembered what they say.
REMEMBERED = 1000

_VERSION = re.compile(r"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9_-]*)(.*)", re.DOTALL)
_TARGET = re.compile(
    r"(?::(?P<domain>.+?))?(?:/(?P<four>0|[1-9][0-9]?))?(?://(?P<six>0|[1-9][0-9]{0,2}))?", re.DOTALL
)
_IP4_BITS, _IP6_BITS = 32, 128
_PREFIX = re.compile(r"[^/]+(?:/(?:0|[1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One condition, and what the client gets that meets it."""

    name: str
    result: SpfResult
    domain: Macros | None = None  # None: the one that is checked
    bits4: int = _IP4_BITS
    bits6: int = _IP6_BITS
    network: IPv4Network | IPv6Network | None = None


@dataclass(slots=True)
class Record:
    """All terms. Modifiers that nobody knows count for nothing."""

    mechanisms: list[Mechanism] = field(default_factory=list)
    redirect: Macros | None = None
    explanation: Macros | None = None


def is_record(text: str) -> bool:
    """Does a TXT record hold a policy?"""
    return bool(_VERSION.match(text))


@lru_cache(maxsize=REMEMBERED)
def read_record(text: str) -> Record:
    """Raises `BadRecord` for an error anywhere in it."""
    if len(text) > MOST_LETTERS:
        raise BadRecord(f"it has more than {MOST_LETTERS} letters")
    if not text.isascii():
        raise BadRecord("it has letters that are not ASCII")
    record = Record()
    for term in filter(None, text[len("v=spf1") :].split(" ")):
        if found := _MODIFIER.fullmatch(term):
            _modifier(record, found[1].lower(), found[2])
        else:
            record.mechanisms.append(_mechanism(term))
    return record


def _modifier(record: Record, name: str, value: str) -> None:
    if name == "redirect":
        if record.redirect is not None:
            raise BadRecord("redirect stands there twice")
        record.redirect = _domain(value)
    elif name == "exp":
        if record.explanation is not None:
            raise BadRecord("exp stands there twice")
        record.explanation = _domain(value)
    elif macro_string(value) is None:
        raise BadRecord(f"{name} has no value of the right form")


def _mechanism(term: str) -> Mechanism:
    found = _MECHANISM.fullmatch(term)
    name = found[2].lower() if found else ""
    if found and name in ("ip4", "ip6"):
        return Mechanism(name, _result(found[1]), network=_network(name, found[3]))
    if not found or name not in _BY_DOMAIN:
        raise BadRecord(f'"{term[:40]}" is no term')
    must, may, prefixes = _BY_DOMAIN[name]
    target = _TARGET.fullmatch(found[3])
    if target is None:
        raise BadRecord(f'"{term[:40]}" is no {name}')
    domain, four, six = target["domain"], target["four"], target["six"]
    if (must and not domain) or (domain and not may) or ((four or six) and not prefixes):
        raise BadRecord(f'"{term[:40]}" is no {name}')
    bits4, bits6 = int(four or _IP4_BITS), int(six or _IP6_BITS)
    if bits4 > _IP4_BITS or bits6 > _IP6_BITS:
        raise BadRecord(f'"{term[:40]}" has too long a prefix')
    return Mechanism(name, _result(found[1]), _domain(domain) if domain else None, bits4, bits6)


def _result(qualifier: str) -> SpfResult:
    return QUALIFIERS[qualifier or "+"]


def _network(name: str, rest: str) -> IPv4Network | IPv6Network:
    written = rest.removeprefix(":")
    try:
        if not rest.startswith(":") or not _PREFIX.fullmatch(written):
            raise BadRecord(f'"{name}{rest[:40]}" is no network')
        network = ip_network(written, strict=False)
    except ValueError:
        raise BadRecord(f'"{name}{rest[:40]}" is no network') from None
    if network.version != int(name[-1]):
        raise BadRecord(f'"{name}{rest[:40]}" is of the other kind of addresses')
    return network


def _domain(text: str) -> Macros:
    found = domain_spec(text) if len(text) <= MOST_OF_A_NAME else None
    if found is None:
        raise BadRecord(f'"{text[:40]}" is no domain')
    return found
