r"""For whom a webmail sends that relays without SMTP AUTH: a header field, its Received line, an address.

All of it can be written by anybody, so that it is believed only where the SMTP client is one of the webmail's
hosts. What the users of a webmail can choose is not believed from it either: only the topmost Received line
is read, as a whole and by a form of `FORMS`, so that no text that a browser brings along (a Host or
X-Forwarded-For of its own) can pass for another part of it.

Two things can be said: the login, or at least the address of the browser, which then stands in for one. Of a
field that stands there several times with different accounts none is believed, and the message is not let
through: it could be anybody's, of an account that is shut too.

Sources: Roundcube 1.6 `rcmail_sendmail::received_header` (http_received_header), SquirrelMail 1.4
`Deliver::prepareRFC822_Header`, Messaging Server's mshttpd (Forwarded-For, Proxy-ip). Not read: Roundcube's
encrypted form (http_received_header_encrypt).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address
from typing import Literal

from sendwarden.core.decision import Request
from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.core.networks import Networks, in_networks

Source = Literal["header", "received", "proxy-ip"]
# Where it says from which address its user came.
ClientSource = Literal["received", "proxy-ip", "x-originating-ip"]
Headers = Sequence[tuple[str, str]]

PROXY_IP, ORIGINATING_IP = "Proxy-ip", "X-Originating-IP"
# Letters of one field that are read; a longer one says nothing.
FIELD_LETTERS = 4_000

_HOST = r"[^\s;()]+"
_DATE = r"[\w ,:+-]+(?: \(\w+\))?"  # RFC 5322 section 3.3; a zone's name may stand behind it
_HTTP = rf"by {_HOST} with HTTPS?(?: \(HTTP/[\d.]+ [A-Z]+\))?; {_DATE}"
_IP = r"\[?(?:IPv6:)?(?P<{}>[0-9A-Fa-f.:]+)\]?"


def _peer(name: str) -> str:
    """An address, perhaps in parentheses behind the name that it resolves to."""
    return rf"(?:{_HOST} \({_IP.format(name)}\)|{_IP.format(name + '_alone')})"


# Whole Received lines of webmails, blanks made single. ``address`` is the browser's; ``via`` the proxy that
# told it, which must be one of the webmail's hosts to be believed; ``login`` who is logged in.
FORMS: dict[str, re.Pattern[str]] = {
    "Roundcube": re.compile(rf"from {_peer('address')}(?: via {_peer('via')})? {_HTTP}"),
    "SquirrelMail": re.compile(
        rf"from {_IP.format('address')}(?: \(proxying for [^()]*\))? "
        rf"\(SquirrelMail authenticated user (?P<login>[^\s()]+)\) {_HTTP}"
    ),
    "authenticated user": re.compile(
        rf"from {_peer('address')} \(auth(?:enticated)?[ -](?:user|sender):? (?P<login>[^\s()]+)\) {_HTTP}"
    ),
    "mshttpd": re.compile(
        rf"from {_IP.format('via')}(?: \(Forwarded-For: {_IP.format('address')}\))? "
        rf"by {_HOST} \(mshttpd\)(?: with HTTPS?)? ?; {_DATE}"
    ),
}


@dataclass(frozen=True, slots=True)
class Webmail:
    """What is believed of a site's webmail."""

    hosts: Networks = ()
    sources: tuple[Source, ...] = ()  # in this order; empty: only SMTP AUTH and XCLIENT name accounts
    header: str = "X-Authenticated-User"
    remove: Literal["never", "foreign", "always"] = "never"  # that header, from others' mail or all
    clients: tuple[ClientSource, ...] = ()  # of the browser's address, where it matters by itself

    @property
    def reads_headers(self) -> bool:
        return bool(self.hosts and (self.sources or self.clients)) or self.remove != "never"

    def names(self, request: Request) -> bool:
        """Will the header of this message say for whom it is?"""
        known = request.login or not self.sources
        return not known and in_networks(request.client_address, self.hosts)

    def removed(self, request: Request, headers: Headers) -> tuple[tuple[str, int], ...]:
        """Fields to take out: each name as written, and which of that name it is, from 1.

        The last one first, since some mail servers count on without what is gone.
        """
        if self.remove == "never":
            return ()
        if self.remove == "foreign" and in_networks(request.client_address, self.hosts):
            return ()
        found = [name for name, _value in headers if _is(name, self.header)]
        return tuple((name, number) for number, name in reversed([*enumerate(found, 1)]))


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom a webmail sends for. ``several``: accounts of which only one can be right."""

    login: str = ""
    login_from: str = ""  # the field that said so
    address: str = ""  # of the browser
    several: tuple[str, ...] = ()


def sender_of(headers: Headers, webmail: Webmail, rules: IdentityRules) -> Sender:
    """What the header of a webmail's message says. Total; linear in what is read."""
    found = [_READERS[source](headers, webmail, rules) for source in webmail.sources]
    named = next((one for one in found if one.login), Sender())
    address = next((one.address for one in found if one.address), "")
    several = next((one.several for one in found if one.several), ())
    return replace(named, address=address, several=several)


def client_behind(request: Request, headers: Headers, webmail: Webmail, rules: IdentityRules) -> str:
    """Whose address counts: that of the client, or of the browser behind a webmail; "" where it says none."""
    if not in_networks(request.client_address, webmail.hosts):
        return request.client_address
    found = (_CLIENTS[source](headers, webmail, rules).address for source in webmail.clients)
    return next(filter(None, found), "")


def _by_header(headers: Headers, webmail: Webmail, rules: IdentityRules) -> Sender:
    logins = _values(headers, webmail.header)
    accounts = dict.fromkeys(account_of(one, rules) for one in logins)
    if len(accounts) > 1:
        return Sender(several=tuple(accounts))
    return Sender(logins[0], webmail.header) if logins else Sender()


def _by_received(headers: Headers, webmail: Webmail, _rules: IdentityRules) -> Sender:
    top = next((value for name, value in headers if _is(name, "Received")), "")
    text = " ".join(top.split()) if len(top) <= FIELD_LETTERS else ""
    for form, pattern in FORMS.items():
        if found := pattern.fullmatch(text):
            parts = {name: value for name, value in found.groupdict().items() if value}
            login, address, via = parts.get("login", ""), _part(parts, "address"), _part(parts, "via")
            if via and not (address and in_networks(via, webmail.hosts)):
                address = via
            return Sender(login, f"Received ({form})" if login else "", address)
    return Sender()


def _by_proxy_ip(headers: Headers, _webmail: Webmail, _rules: IdentityRules) -> Sender:
    return _by_field(headers, PROXY_IP)


def _by_originating_ip(headers: Headers, _webmail: Webmail, _rules: IdentityRules) -> Sender:
    return _by_field(headers, ORIGINATING_IP)


def _by_field(headers: Headers, name: str) -> Sender:
    addresses = {_address(value) for value in _values(headers, name)}
    return Sender(address=addresses.pop()) if len(addresses) == 1 else Sender()


_READERS: Mapping[Source, Callable[[Headers, Webmail, IdentityRules], Sender]] = {
    "header": _by_header,
    "received": _by_received,
    "proxy-ip": _by_proxy_ip,
}
_CLIENTS: Mapping[ClientSource, Callable[[Headers, Webmail, IdentityRules], Sender]] = {
    "received": _by_received,
    "proxy-ip": _by_proxy_ip,
    "x-originating-ip": _by_originating_ip,
}


def _part(parts: dict[str, str], name: str) -> str:
    return _address(parts.get(name) or parts.get(f"{name}_alone") or "")


def _address(text: str) -> str:
    """An IP address in its own form, "" for what is none: neither with a scope, which may be any text."""
    try:
        found = ip_address(text.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return ""
    return "" if isinstance(found, IPv6Address) and found.scope_id else str(found)


def _values(headers: Headers, wanted: str) -> list[str]:
    """What the fields of a name say; folds make no difference, and what cannot be printed says nothing."""
    values: Iterable[str] = (" ".join(value.split()) for name, value in headers if _is(name, wanted))
    return [value for value in values if value and value.isprintable() and len(value) <= FIELD_LETTERS]


def _is(name: str, wanted: str) -> bool:
    return name.rstrip().lower() == wanted.lower()
