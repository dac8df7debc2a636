r"""When two spellings are one account, and what an address is. Decided here and nowhere else.

The same person logs in as ``bob``, ``Bob``, ``bob@example.org``, ``CAMPUS\bob`` or ``bob+phone``; Sendmail
names him ``bob@mail.example.org`` after its SASL realm. One rule table (`RULES`) says what is folded. Only
case and sub-address are folded without being told: taking two people for one is worse than taking one person
for two, and `sendwarden account resolve` names the setting that joins them.

Addresses follow RFC 5321 4.1.2. They are compared, never checked for existence.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import idna

# So many logins have their account remembered, unless they are longer.
REMEMBERED_LOGINS = 50_000
REMEMBERED_LETTERS = 100

# A login that is longer without its sub-address is nobody's name, and stands for itself by its hash. RFC 4616
# asks servers for 1024 octets; the rules take time quadratic in the length.
LOGIN_LETTERS = 1024

# Letters of a local part that needs no quotes (RFC 5322 3.2.3 atext, with the dot).
_ATEXT = frozenset("!#$%&'*+-/=?^_`{|}~.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)  # RFC 5321 4.1.2, quoted-pairSMTP


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """The site's settings under ``[accounts]``. Domains are in lower case, in their ASCII form."""

    fold_case: bool = True
    subaddress: str = "+"  # one character; empty: sub-addresses are accounts of their own
    realms: frozenset[str] = frozenset()  # bob@realm is bob
    windows_domains: frozenset[str] = frozenset()  # DOMAIN\bob is bob; lower case


@dataclass(frozen=True, slots=True)
class RuleApplied:
    """One line of `resolve`: what a rule made of the name, or why it left it alone."""

    rule: str
    before: str
    after: str
    says: str


def split_address(address: str) -> tuple[str, str]:
    """Local part and domain, split at the last ``@``. No ``@``: the domain is empty."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (address, "")


def bare_address(path: str) -> str:
    """The address of an SMTP path: ``<bob@example.org>`` gives ``bob@example.org``, ``<>`` gives ``""``."""
    path = path.strip()
    if path.startswith("<"):
        path = path.removeprefix("<").removesuffix(">")
        route, colon, rest = path.partition(":")
        if colon and route.startswith("@"):  # a source route, RFC 5321 appendix C: ignore it
            path = rest
    return path


def fold_domain(domain: str) -> str:
    """A domain in the one form we compare: ASCII (A-labels), lower case, no final dot."""
    domain = unicodedata.normalize("NFC", domain).lower().rstrip(".")
    if domain.isascii():
        return domain
    try:
        # UTS 46 knows other full stops, so that a final one may stand there again.
        return idna.encode(domain, uts46=True).decode("ascii").lower().rstrip(".")
    except idna.IDNAError:
        return unicodedata.normalize("NFC", domain)


def in_domains(domain: str, domains: Iterable[str]) -> bool:
    """Is this one of the ``domains``? One that begins with a dot stands for every name below it."""
    folded = fold_domain(domain)
    return any(folded == known or (known.startswith(".") and folded.endswith(known)) for known in domains)


def account_of(login: str, rules: IdentityRules) -> str:
    r"""The account a login belongs to. Total and idempotent: any text gives some account.

    A rule may uncover work for one above it (``CAMPUS\"bob"``), so all run until none has anything to do.
    """
    return _account_of(login, rules) if len(login) > REMEMBERED_LETTERS else _remembered(login, rules)


def _account_of(login: str, rules: IdentityRules) -> str:
    while True:
        before = login
        for _name, fold, _says in RULES:
            login = fold(login, rules)
        if login == before:
            return login


# The same few send most of the mail.
_remembered = lru_cache(maxsize=REMEMBERED_LOGINS)(_account_of)


def host_account(address: str) -> str:
    """What stands in for a login: the host; of IPv6 its /64, in which it has all the addresses it likes."""
    try:
        ip = ip_address(address)
    except ValueError:
        return f"[{address}]"
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None and not ip.is_loopback:
        return f"[{IPv6Address(int(ip) >> 64 << 64)}]"
    return f"[{getattr(ip, 'ipv4_mapped', None) or ip}]"


def named_host(written: str) -> str:
    """The account of the host that an address means, in brackets or not; "": it is no address."""
    address = written.strip().removeprefix("[").removesuffix("]").removeprefix("IPv6:")
    try:
        ip_address(address)
    except ValueError:
        return ""
    return host_account(address)


def resolve(login: str, rules: IdentityRules) -> tuple[str, list[RuleApplied]]:
    """`account_of`, with what each rule did, in order. A rule that runs again is listed if it did more."""
    steps: list[RuleApplied] = []
    while True:
        before, first = login, not steps
        for name, fold, says in RULES:
            after = fold(login, rules)
            if first or after != login:
                steps.append(RuleApplied(name, login, after, says(login, rules)))
            login = after
        if login == before:
            return login, steps


def _trimmed(login: str, rules: IdentityRules) -> str:
    if len(login) > LOGIN_LETTERS:
        login = _shortened(login, rules)
    return unicodedata.normalize("NFC", login.strip())


def _shortened(login: str, rules: IdentityRules) -> str:
    """A long login without its sub-address, in time linear in it; still too long, its hash."""
    local, domain = split_address(unicodedata.normalize("NFC", login.strip()))
    if rules.subaddress and not local.startswith('"'):
        local = local.partition(rules.subaddress)[0] or local
    short = f"{local}@{domain}" if domain else local
    if len(short) <= LOGIN_LETTERS:
        return short
    folded = short.lower() if rules.fold_case else short
    return "sha256:" + hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()


def _unquoted(login: str, _rules: IdentityRules) -> str:
    local, domain = split_address(login)
    if len(local) > 1 and local[0] == local[-1] == '"':
        inner = _QUOTED_PAIR.sub(r"\1", local[1:-1])
        if inner and _ATEXT.issuperset(inner):
            return f"{inner}@{domain}" if domain else inner
    return login


def _without_windows_domain(login: str, rules: IdentityRules) -> str:
    while True:
        prefix, slash, rest = login.partition("\\")
        if not (slash and rest and prefix.lower() in rules.windows_domains):
            return login
        login = rest


def _folded_case(login: str, rules: IdentityRules) -> str:
    return unicodedata.normalize("NFC", login.lower()) if rules.fold_case else login


def _folded_domain(login: str, _rules: IdentityRules) -> str:
    local, domain = split_address(login)
    return f"{local}@{fold_domain(domain)}" if domain else login


def _without_realm(login: str, rules: IdentityRules) -> str:
    while True:
        local, domain = split_address(login)
        if not (local and domain and in_domains(domain, rules.realms)):
            return login
        login = local


def _without_subaddress(login: str, rules: IdentityRules) -> str:
    local, domain = split_address(login)
    base = local.partition(rules.subaddress)[0] if rules.subaddress else local
    if not base or local.startswith('"'):
        return login
    return f"{base}@{domain}" if domain else base


def _listed(names: Iterable[str]) -> str:
    """As the settings file has it."""
    quoted = (f'"{name}"' for name in sorted(names))
    return f"[{', '.join(quoted)}]"


Fold = Callable[[str, IdentityRules], str]

# Applied from the top; one loop (`account_of`) runs them. The third entry says what the rule is about for
# this login.
RULES: tuple[tuple[str, Fold, Fold], ...] = (
    ("trim", _trimmed, lambda _login, _rules: "blanks around a name mean nothing"),
    ("unquote", _unquoted, lambda _login, _rules: "quotes that a local part does not need mean nothing"),
    (
        "windows domain",
        _without_windows_domain,
        lambda login, rules: (
            f'accounts.windows_domains = ["{login.partition(chr(92))[0]}"] would join it with the bare name'
            if "\\" in login and login.partition("\\")[0].lower() not in rules.windows_domains
            else f"accounts.windows_domains = {_listed(rules.windows_domains)}"
        ),
    ),
    ("case", _folded_case, lambda _login, rules: f"accounts.fold_case = {str(rules.fold_case).lower()}"),
    ("domain", _folded_domain, lambda _login, _rules: "domains have no case and one ASCII form"),
    (
        "realm",
        _without_realm,
        lambda login, rules: (
            f'accounts.realms = ["{split_address(login)[1]}"] would join it with the bare name'
            if split_address(login)[1] and not in_domains(split_address(login)[1], rules.realms)
            else f"accounts.realms = {_listed(rules.realms)}"
        ),
    ),
    (
        "subaddress",
        _without_subaddress,
        lambda _login, rules: f'accounts.subaddress = "{rules.subaddress}"',
    ),
)
