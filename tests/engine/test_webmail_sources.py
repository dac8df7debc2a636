"""engine.webmail: whom a webmail sends for, and what nobody can make us believe."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Request, Stage
from sendwarden.core.identity import IdentityRules
from sendwarden.engine.webmail import Sender, Source, Webmail, sender_of

HOST, PROXY, BROWSER = "192.0.2.80", "192.0.2.81", "198.51.100.7"
HOSTS = (ip_network("192.0.2.80/31"),)
WHEN = "Tue, 24 Nov 2026 18:40:00 +0000"
BY = f"by webmail.example.org\r\n\twith HTTP (HTTP/1.1 POST); {WHEN}"
SQUIRREL = "(SquirrelMail authenticated user {})"
EVE = ("X-Authenticated-User", "eve")


def found(
    *headers: tuple[str, str], sources: tuple[Source, ...] = ("header", "received", "proxy-ip")
) -> Sender:
    return sender_of(headers, Webmail(HOSTS, sources), IdentityRules())


# Received lines -> the login and the browser's address that they say.
LINES: dict[str, tuple[str, str, str]] = {
    "Roundcube": (f"from {BROWSER} {BY}", "", BROWSER),
    "Roundcube, a name": (f"from home.example.net\r\n\t({BROWSER}) {BY}", "", BROWSER),
    "Roundcube, IPv6": (f"from 2001:DB8::7 {BY}", "", "2001:db8::7"),
    "Roundcube, an address literal": (f"from [IPv6:2001:db8::7] {BY}", "", "2001:db8::7"),
    "Roundcube in brackets": (f"from [{BROWSER}] {BY}", "", BROWSER),
    "Roundcube by our proxy": (f"from {BROWSER} via proxy.example.org ({PROXY}) {BY}", "", BROWSER),
    "Roundcube by somebody's proxy": (f"from 203.0.113.1 via {BROWSER} {BY}", "", BROWSER),
    "SquirrelMail": (
        f"from {BROWSER}\r\n {SQUIRREL.format('eve@x.example')}\r\n by h with HTTP;\r\n {WHEN} (UTC)",
        "eve@x.example",
        BROWSER,
    ),
    "SquirrelMail by a proxy": (
        f"from {PROXY} (proxying for 203.0.113.1) {SQUIRREL.format('eve')} by h with HTTP; {WHEN}",
        "eve",
        PROXY,
    ),
    "another": (f"from [{BROWSER}] (authenticated user eve) by h with HTTPS; {WHEN}", "eve", BROWSER),
    "mshttpd": (f"from [{BROWSER}] by mail.example.org (mshttpd) ; {WHEN}", "", BROWSER),
    "mshttpd behind a front end": (
        f"from [{HOST}] (Forwarded-For: [{BROWSER}]) by mail.example.org (mshttpd) with HTTP; {WHEN}",
        "",
        BROWSER,
    ),
    "mshttpd, the browser's own Proxy-ip": (
        f"from [{BROWSER}] (Forwarded-For: [203.0.113.1]) by h (mshttpd); {WHEN}",
        "",
        BROWSER,
    ),
    # What a browser may bring along: X-Forwarded-For, Host, a name of its address.
    "X-Forwarded-For with a login": (
        f"from  (1.1.1.1 (SquirrelMail authenticated user bob)) via {BROWSER} {BY}",
        "",
        "",
    ),
    "X-Forwarded-For with a whole line": (
        f"from  (1.1.1.1 by h with HTTP; {WHEN}) via {BROWSER} {BY}",
        "",
        "",
    ),
    "Host with the end of a line": (
        f"from {BROWSER} by h with HTTP (HTTP/1.1 POST); {WHEN} with HTTP (HTTP/1.1 POST); {WHEN}",
        "",
        "",
    ),
    "SquirrelMail proxying for a login": (
        f"from {BROWSER} (proxying for x) {SQUIRREL.format('bob')} (x) by h with HTTP; {WHEN}",
        "",
        "",
    ),
    "a mail server's": (
        f"from h (h [{BROWSER}]) (Authenticated sender: bob) by mx with ESMTPA id 1; {WHEN}",
        "",
        "",
    ),
    "encrypted": (f"from PTBCDQJGhyHz (kMqVHSP1M34) {BY}", "", ""),
    "no address": (f"from 999.1.1.1 {BY}", "", ""),
    "nothing": ("", "", ""),
    "too long": (f"from {BROWSER} {BY}" + " " * 4000, "", ""),
}


@pytest.mark.parametrize("line", LINES)
def test_a_received_line_is_read_as_a_whole_or_not_at_all(line: str) -> None:
    text, login, address = LINES[line]

    said = found(("Received", text), sources=("received",))

    assert (said.login, said.address) == (login, address)


def test_only_the_topmost_received_line_counts() -> None:
    forged = f"from {BROWSER} (SquirrelMail authenticated user bob) by h with HTTP; {WHEN}"

    assert found(("Received", f"from 203.0.113.9 {BY}"), ("Received", forged)).login == ""
    assert found(("Received", "from mx by mx; x"), ("received", forged)) == Sender()


def test_the_field_names_the_login_whatever_its_case_and_folds() -> None:
    assert found(("x-authenticated-user", "\r\n\teve ")) == Sender("eve", "X-Authenticated-User")


def test_the_sources_are_tried_in_their_order() -> None:
    line = ("Received", f"from {BROWSER} (SquirrelMail authenticated user bob) by h with HTTP; {WHEN}")

    assert found(EVE, line) == Sender("eve", "X-Authenticated-User", BROWSER)
    assert found(EVE, line, sources=("received", "header")).login == "bob"
    assert found(EVE, line, sources=("proxy-ip",)) == Sender()


def test_several_spellings_of_one_account_are_one_and_two_accounts_are_none() -> None:
    assert found(EVE, ("X-Authenticated-User", "EVE")).login == "eve"
    assert found(EVE, ("X-Authenticated-User", "bob")) == Sender(several=("eve", "bob"))


@pytest.mark.parametrize("value", ["", "  ", "eve\0", "\udcff", "e" * 4001])
def test_a_field_that_cannot_be_a_login_says_nothing(value: str) -> None:
    assert found(("X-Authenticated-User", value)) == Sender()


def test_a_proxys_address_stands_in_unless_there_are_two() -> None:
    one, other = ("Proxy-ip", f" {BROWSER}"), ("Proxy-IP", "203.0.113.1")

    assert found(one).address == BROWSER
    assert found(one, other).address == found(("Proxy-ip", "x")).address == ""


CLIENTS: list[tuple[str, str, bool]] = [
    (HOST, "", True),
    (f"::ffff:{HOST}", "", True),
    (HOST, "bob", False),
    ("192.0.2.82", "", False),
    ("", "", False),
]


@pytest.mark.parametrize(("client", "login", "names"), CLIENTS)
def test_only_the_webmails_hosts_name_accounts_and_a_login_stands(
    client: str, login: str, names: bool
) -> None:
    request = Request(Stage.END_OF_MESSAGE, client_address=client, login=login)

    assert Webmail(HOSTS, ("header",)).names(request) is names
    assert not Webmail(HOSTS).names(request)


@given(st.lists(st.tuples(st.sampled_from(["Received", EVE[0], "Proxy-ip"]), st.text())))
def test_any_header_gives_some_answer(headers: list[tuple[str, str]]) -> None:
    said = found(*headers)

    assert not (said.login and said.several)
