"""engine.handover: what a scanner gets of a message, and whose score headers count."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from sendwarden.core.decision import Message, Request, Stage
from sendwarden.engine.handover import ScoreSource, handed_over, read_headers

OURS, RELAYS = (ip_network("10.0.0.0/8"),), (ip_network("10.9.0.0/16"),)
HOME = "198.51.100.7"
TRACED = (
    ("Received", f"from [{HOME}] by webmail via HTTP"),
    ("x-originating-ip", f"[{HOME}]"),
    ("Subject", "Gr\udcfc\udcdfe\n\tyou"),
)
REQUEST = Request(
    Stage.END_OF_MESSAGE,
    "m",
    HOME,
    "home.isp.example",
    "pc [1]\r\nX: y",
    "",
    "a@x.example",
    ("b@x.example",),
    "Q1",
)
MESSAGE = Message(REQUEST, TRACED, b"Text.\r\n")
EXPECTED = b"Subject: Gr\xfc\xdfe\r\n\tyou\r\n\r\nText.\r\n"


def handed(request: Request) -> bytes:
    made = handed_over(replace(MESSAGE, request=request), "mail.example.org", 0.0, OURS, RELAYS)
    assert (made.sender, made.recipients, made.queue_id) == ("a@x.example", ("b@x.example",), "Q1")
    known = (made.client_address, made.client_name)
    assert known == (("", "") if made.content == EXPECTED else (request.client_address, request.client_name))
    return made.content


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, login="eve"),
        replace(REQUEST, client_address="10.1.1.1"),
        replace(REQUEST, client_address=""),
    ],
    ids=["login", "internal host", "local program"],
)
def test_of_our_own_users_no_address_goes_out(request_: Request) -> None:
    assert handed(request_) == EXPECTED


@pytest.mark.parametrize("address", [HOME, "10.9.1.1"], ids=["stranger", "relay for others"])
def test_of_strangers_the_way_to_us_stands_on_top(address: str) -> None:
    content = handed(replace(REQUEST, client_address=address))

    assert content.startswith(
        f"Received: from pc[1]X:y (home.isp.example [{address}])\r\n\tby mail.example.org (Sendwarden) with "
        "ESMTP id Q1;\r\n\tThu, 01 Jan 1970 00:00:00 -0000\r\nReceived: from [".encode()
    )
    assert content.endswith(b"\r\n" + EXPECTED)


STATUS = ScoreSource("up", "x-spam-status", (ip_network("192.0.2.9/32"),), 5.0)
LEVEL = ScoreSource("level", "x-spam-level", (ip_network("192.0.2.8/32"),), 3.0)
SOURCES = {"up": STATUS, "level": LEVEL}
SCORED = Message(
    replace(REQUEST, client_address="192.0.2.9"),
    (
        ("X-Spam-Status", "No, score=-9 required=5.0"),
        ("X-SPAM-Status ", "Yes, score=6.5 required=6.0 tests=AA"),
        ("X-Spam-Level", "****"),
        ("Subject", "x"),
    ),
)


def test_of_a_writers_headers_the_highest_counts_and_others_are_forged() -> None:
    read, findings, forged = read_headers(SCORED, SOURCES)

    assert [name for name, _value in read.headers] == ["X-Spam-Status", "X-SPAM-Status ", "Subject"]
    assert [(one.scanner, one.score, one.threshold, one.spam, one.symbols) for one in findings] == [
        ("up", 6.5, 6.0, True, ("AA",))
    ]
    assert forged == (("x-spam-level", 1),)


@pytest.mark.parametrize(
    "request_", [REQUEST, replace(SCORED.request, login="eve")], ids=["stranger", "login"]
)
def test_from_all_others_and_with_a_login_every_one_is_forged(request_: Request) -> None:
    read, findings, forged = read_headers(replace(SCORED, request=request_), SOURCES)

    assert (read.headers, findings) == ((("Subject", "x"),), ())
    assert sorted(forged) == [("x-spam-level", 1), ("x-spam-status", 2)]


def test_a_threshold_that_no_header_says_is_the_settings() -> None:
    request = replace(REQUEST, client_address="192.0.2.8")
    _read, findings, _forged = read_headers(replace(SCORED, request=request), SOURCES)

    assert [(one.score, one.threshold, one.spam) for one in findings] == [(4.0, 3.0, True)]


def test_a_message_without_such_headers_is_handed_back_as_it_is() -> None:
    assert read_headers(MESSAGE, SOURCES) == (MESSAGE, (), ())
