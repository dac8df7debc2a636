"""The real grossd and Sendwarden, asked the same by a client of its own: the same bytes and log lines.

Each situation has its own recipient, so that all first questions are asked, then all second ones. Where both
must differ stands in a row of its own, with what each of them says.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from tests.servers.grossd import Grossd
from tests.servers.rbldnsd import Rbldnsd
from tests.servers.sendwarden import Sendwarden
from tests.servers.sjsms_client import SjsmsClient, body, framed, old_request, request
from tests.servers.space import free_port, wait_for

pytestmark = pytest.mark.e2e

DELAY_S = 1
# grossd counts in whole seconds.
WAITED_S = DELAY_S + 1.2
SILENCE_S = 0.3
ASKED = "192.0.2.1"
THREE = b"sender=a@example.org\nrecipient=%s\nclient_address=192.0.2.1\n"


@dataclass
class Pair:
    """Both, with the same grossd.conf."""

    theirs: Grossd
    ours: Sendwarden
    our_port: int

    def stop(self) -> None:
        self.theirs.stop()
        self.ours.stop()

    def udp(self, datagram: bytes) -> tuple[bytes, bytes]:
        """What grossd answers, and what we do."""
        return (
            _udp(self.theirs.host, self.theirs.port, datagram),
            _udp("127.0.0.1", self.our_port, datagram),
        )

    def tcp(self, sent: bytes) -> tuple[bytes, bytes]:
        return _tcp(self.theirs.host, self.theirs.port, sent), _tcp("127.0.0.1", self.our_port, sent)

    def our_status(self) -> str:
        place = re.search(r'status = "127.0.0.1:(\d+)"', (self.ours.folder / "sendwarden.toml").read_text())
        assert place
        with socket.create_connection(("127.0.0.1", int(place[1])), timeout=5) as peer:
            return peer.makefile().read()

    def our_decisions(self) -> list[str]:
        path = self.ours.folder / "var" / "greylist.log"
        text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        return [line.partition(": ")[2] for line in text.splitlines()]


def _udp(host: str, port: int, datagram: bytes) -> bytes:
    with closing(SjsmsClient(port, SILENCE_S, host)) as client:
        return client.ask(datagram)


def _tcp(host: str, port: int, sent: bytes) -> bytes:
    """All that comes back until it closes, or nothing more does. What is sent may be cut in two by a |."""
    with socket.create_connection((host, port), timeout=SILENCE_S) as peer:
        found = b""
        for part in sent.split(b"|"):
            peer.sendall(part)
            time.sleep(0.02)
        try:
            while more := peer.recv(4096):
                found += more
        except TimeoutError:
            return found
        return found + b"[closed]"


def pair(settings: str, host: str, resolver: str = "127.0.0.53", more: str = "") -> Pair:
    """``settings``: further lines of both's grossd.conf. ``more``: of our own settings."""
    theirs = Grossd(f"grey_delay = {DELAY_S}\n{settings}", resolver, host)
    port, status = free_port(), free_port()
    ours = f'mode = "enforce"\n[greylist]\ngrossd = "grossd.conf"\nstatus = "127.0.0.1:{status}"\n'
    ours += f'[dns]\nservers = "{resolver}"\n{more}'
    text = theirs.text.replace(str(theirs.port), str(port)).replace(host, "127.0.0.1")
    both = Pair(theirs, Sendwarden(ours, {"grossd.conf": text}), port)
    tested = 0 if more else len(re.findall(r"(?m)^(?:dnsbl|dnswl|rhsbl) =", settings))
    wait_for("our lists are tested", lambda: len(both.ours.events("dns-list")) == tested)
    return both


# --- without checks: every situation, first and second time

FIRST: dict[str, bytes] = {
    "with helo": request("a@example.org", "r1@example.net", ASKED, "mail.example.org"),
    "without helo": request("a@example.org", "r2@example.net", ASKED),
    "an empty helo": request("a@example.org", "r3@example.net", ASKED, ""),
    "the null sender": request("<>", "r4@example.net", ASKED, "h"),
    "no sender": request("", "r5@example.net", ASKED, "h"),
    "no recipient": request("a6@example.org", "", ASKED),
    "the document's": request("uwc", "user@example.com", "129.158.87.66"),
    "a sender without a domain": request("root", "r7@example.net", ASKED),
    "another order": framed(2, b"client_address=192.0.2.1\nhelo_name=h\nrecipient=r8\nsender=s\n\n"),
    "helo first": framed(2, b"helo_name=h\nsender=s\nrecipient=r9\nclient_address=192.0.2.1\n\n"),
    "a line that means nothing": framed(2, b"colour=blue\n" + THREE % b"r10" + b"\n"),
    "a line without an equals sign": framed(2, b"colour\n" + THREE % b"r11" + b"\n"),
    "the sender twice": framed(2, b"sender=z\n" + THREE % b"r12" + b"\n"),
    "no empty line": framed(2, THREE % b"r13"),
    "a last line without its end": framed(2, THREE % b"r14" + b"helo_name=x"),
    "bytes behind the empty line": framed(2, THREE % b"r15" + b"\nrecipient=z\n"),
    "bytes behind a NUL": framed(2, THREE % b"r16" + b"\n\0garbage"),
    "a length of 0": framed(2, body("a", "r17", ASKED), 0),
    "a length that is too large": framed(2, body("a", "r18", ASKED), 60_000),
    "a length that is too small": framed(2, body("a", "r19", ASKED), 10),
    "equals signs": request("srs0=ab=cd=example.org=a@example.com", "r20=x@example.net", ASKED),
    "bytes that are no UTF-8": request("\udce4@example.org", "r21@example.net", ASKED),
    "UTF-8": request("\u00e4@example.org", "r22@example.net", ASKED, "\u00fc.example"),
    "a sender of 300 bytes": request("s" * 288 + "@example.org", "r23", ASKED),
    "450 bytes twice": request("s" * 450, "r" * 450, ASKED),
    "the old type": old_request(b"a@example.org", b"r24@example.net", b"192.0.2.1"),
    "the old type with nothing in it": old_request(b"", b"r25", b"192.0.2.1"),
    "the lowest address": request("a", "r26", "0.0.0.0"),  # noqa: S104 - what a client may say
    "the highest address": request("a", "r27", "255.255.255.255"),
    "a private address": request("a", "r28", "10.0.0.1"),
    "a percent sign": request("%reason%", "r29", ASKED, "%s%s%n"),
    "a dollar sign": request("$Y|$N", "r30", ASKED),
    "brackets": request("<a@example.org>", "<r31@example.net>", ASKED),
    "capitals": request("A@example.org", "R32@example.net", ASKED),
    "no address": request("a", "r33", ""),
    "no address at all": request("a", "r34", "nonsense"),
    "three numbers": request("a", "r35", "192.0.2"),
    "a number too large": request("a", "r36", "192.0.2.256"),
    "a leading zero": request("a", "r37", "192.0.2.01"),
    "a blank before the address": request("a", "r38", " 192.0.2.1"),
    "a blank behind it": request("a", "r39", "192.0.2.1 "),
    "a network": request("a", "r40", "192.0.2.0/24"),
    "the old type with a bad address": old_request(b"a", b"r41", b"zz"),
    "carriage returns": framed(2, (THREE % b"r42").replace(b"\n", b"\r\n") + b"\r\n"),
    "a client's error": framed(1, b"bad argument\0"),
    "a client's error without its NUL": framed(1, b"bad argument"),
}
# Asked once the first were answered and the delay is over: of whom, and what changed.
SECOND: dict[str, bytes] = {
    "again": FIRST["with helo"],
    "another helo": request("a@example.org", "r1@example.net", ASKED, "other.example"),
    "another host of the network": request("a@example.org", "r1@example.net", "192.0.2.254"),
    "another network": request("a@example.org", "r1@example.net", "192.0.3.1"),
    "another sender": request("b@example.org", "r1@example.net", ASKED),
    "another recipient": request("a@example.org", "rr1@example.net", ASKED),
    "the local part in capitals": request("A@example.org", "r1@example.net", ASKED),
    "in the old type": old_request(b"a@example.org", b"r2@example.net", b"192.0.2.1"),
    "of the old type, in the new": request("a@example.org", "r24@example.net", ASKED),
    "the document's, again": FIRST["the document's"],
    "the null sender, again": FIRST["the null sender"],
    "no sender, again": FIRST["no sender"],
    "the last of two senders": request("a@example.org", "r12", ASKED),
    "without the line that was cut": request("a@example.org", "r14", ASKED),
    "up to the NUL": request("a@example.org", "r16", ASKED),
    "no UTF-8, again": FIRST["bytes that are no UTF-8"],
    "a long one, again": FIRST["450 bytes twice"],
    "the lowest network": request("a", "r26", "0.0.0.99"),
}
# Policy requests: | is where they are cut in two.
POLICY: dict[str, bytes] = {
    "policy": b"request=smtpd_access_policy\nsender=a\nrecipient=p1\nclient_address=192.0.2.1\n"
    b"helo_name=h\n\n",
    "policy without request": b"sender=a\nrecipient=p2\nclient_address=192.0.2.1\n\n",
    "policy in two pieces": b"sender=a\nrecip|ient=p3\nclient_address=192.0.2.1\n\n",
    "policy cut in its end": b"sender=a\nrecipient=p4\nclient_address=192.0.2.1\n|\n",
    "two requests at once": b"sender=a\nrecipient=p5\nclient_address=192.0.2.1\n\n"
    b"sender=a\nrecipient=p6\nclient_address=192.0.2.1\n\n",
    "policy with CRLF": b"sender=a\r\nrecipient=p7\r\nclient_address=192.0.2.1\r\n\r\n",
    "policy with a bad address": b"sender=a\nrecipient=p8\nclient_address=zz\n\n",
    "policy of the null sender": b"sender=\nrecipient=p9\nclient_address=192.0.2.1\n\n",
    "grossd_mode": b"sender=a\nrecipient=p10\nclient_address=192.0.2.1\ngrossd_mode=exim\n\n",
    "an empty line": b"\n",
    "policy without a recipient": b"sender=a\nclient_address=192.0.2.1\n\n",
    "policy without an address": b"sender=a\nrecipient=p11\n\n",
    "policy of what UDP has seen": b"sender=a@example.org\nrecipient=r1@example.net\n"
    b"client_address=192.0.2.1\n\n",
}
# Datagram, what grossd answers, and what we do.
DIFFERENT: dict[str, tuple[bytes, bytes, bytes]] = {
    "no sender line": (framed(2, b"recipient=d1\nclient_address=192.0.2.1\n\n"), b"", b"F"),
    "no recipient line": (framed(2, b"sender=a\nclient_address=192.0.2.1\n\n"), b"", b"F"),
    "no address line": (framed(2, b"sender=a\nrecipient=d2\n\n"), b"", b"F"),
    "an address line without its end": (framed(2, (THREE % b"d3")[:-1]), b"", b"F"),
    "an empty line first": (framed(2, b"\n" + THREE % b"d4" + b"\n"), b"", b"F"),
    "a NUL in the sender": (framed(2, b"sender=a\0b\nrecipient=d5\n\n"), b"", b"F"),
    "names in capitals": (framed(2, (THREE % b"d6").upper() + b"\n"), b"", b"F"),
    "type 3": (framed(3, b"x"), b"", b"F"),
    "type 65535": (framed(65_535, b"x"), b"", b"F"),
    "a head alone": (b"\0\2\0\0", b"", b"F"),
    "IPv6": (request("a", "d7", "2001:db8::1"), b"F", b"G $X4.4.3|$NPlease$ try$ again$ later"),
    "mapped": (request("a", "d8", "::ffff:192.0.2.1"), b"F", b"G $X4.4.3|$NPlease$ try$ again$ later"),
    "the domain in capitals": (
        request("a@EXAMPLE.org", "r1@example.net", ASKED),
        b"G $X4.4.3|$NPlease$ try$ again$ later",
        b"M $Y",
    ),
    "postmaster": (
        request("a@example.org", "postmaster@example.net", ASKED),
        b"G $X4.4.3|$NPlease$ try$ again$ later",
        b"T $Y",
    ),
    "a sender of 900 bytes": (request("s" * 1000, "d9", ASKED), b"", b"F"),
}


@dataclass
class Answers:
    """What both said, by situation."""

    both: Pair
    said: dict[str, tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    both = pair("", "127.0.0.2")
    said = {name: both.udp(datagram) for name, datagram in FIRST.items()}
    said |= {f"early: {name}": both.udp(FIRST[name]) for name in EARLY}
    said |= {name: both.tcp(sent) for name, sent in POLICY.items() if name != "policy of what UDP has seen"}
    time.sleep(WAITED_S)
    said |= {name: both.udp(datagram) for name, datagram in SECOND.items()}
    said |= {f"{name}, again": both.tcp(sent) for name, sent in POLICY.items()}
    said |= {f"different: {name}": both.udp(datagram) for name, (datagram, _, _) in DIFFERENT.items()}
    yield Answers(both, said)
    both.stop()


EARLY = ("with helo", "without helo", "the document's", "the old type")
SAME = [
    *FIRST,
    *(f"early: {name}" for name in EARLY),
    *(name for name in POLICY if name != "policy of what UDP has seen"),
    *SECOND,
    *(f"{name}, again" for name in POLICY),
]


@pytest.mark.parametrize("name", SAME)
def test_grossd_and_sendwarden_say_the_same(answers: Answers, name: str) -> None:
    theirs, ours = answers.said[name]

    assert ours == theirs


def test_so_many_situations_are_compared(answers: Answers) -> None:
    kinds = {name: ours for name in SAME for _, ours in [answers.said[name]]}
    print(f"{len(SAME)} situations without checks, {len(set(kinds.values()))} different answers")

    assert len(SAME) >= 60
    assert {b"M $Y", b"F", b"", b"G $X4.4.3|$NPlease$ try$ again$ later"} <= set(kinds.values())


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_is_different_is_meant_to_be(answers: Answers, name: str) -> None:
    assert answers.said[f"different: {name}"] == DIFFERENT[name][1:]


def test_the_log_lines_are_the_same(answers: Answers) -> None:
    """But for the time that an answer took, and for bad addresses, which grossd does not name."""
    both = answers.both
    theirs = [_without_time(line) for line in both.theirs.decisions()]
    wait_for("our log", lambda: len(both.our_decisions()) >= len(theirs))
    ours = [_without_time(line) for line in both.our_decisions()]
    known = {name for line in theirs for name in _recipient(line)} - {"d7", "d8", "postmaster@example.net"}
    compared = [line for line in ours if known.issuperset(_recipient(line)) and "a=fail" not in line]
    folded = [line for line in theirs if "EXAMPLE.org" not in line]
    compared = [line for line in compared if "EXAMPLE.org" not in line]

    assert len(compared) > 60
    assert sorted(compared) == sorted(
        line for line in folded if "c=N/A" not in line and "r=postmaster" not in line
    )


def _without_time(line: str) -> str:
    return re.sub(r" d=\d+", "", line)


def _recipient(line: str) -> list[str]:
    return re.findall(r" r=(\S*)", line)


def test_the_status_line_has_the_same_form(answers: Answers) -> None:
    theirs = answers.both.theirs.status()

    assert _shape(answers.both.our_status()) == _shape(theirs)


def _shape(line: str) -> str:
    return re.sub(r"\d+", "N", line.partition("Grossd")[2])


# --- an empty datagram ends grossd, and nothing ends us


HOSTILE = [
    *(b"", b"\0", b"\0\2\0", b"F", b"P", b"G $Y", b"\0\0\0\1x"),
    b"\xff" * 1500,
    b"\0\2\0\0" + b"a" * 60_000,
]


@pytest.mark.parametrize("datagram", HOSTILE)
def test_nothing_stops_us(answers: Answers, datagram: bytes) -> None:
    port = answers.both.our_port
    _udp("127.0.0.1", port, datagram)

    assert _udp("127.0.0.1", port, FIRST["with helo"]) == b"M $Y"


# --- with lists

REFUSED = "203.0.113.7 :127.255.255.254:"
CODED = "203.0.113.8 :127.0.0.77:"
LISTS: dict[str, tuple[str, list[str]]] = {
    "rh.test": ("dnset", ["test", "bad.example"]),
    "wl.test": ("ip4set", ["127.0.0.2", "198.51.100.1", "198.51.100.9"]),
    "bl.test": ("ip4set", ["127.0.0.2", "203.0.113.1", "203.0.113.3", "198.51.100.9", REFUSED, CODED]),
    "two.test": ("ip4set", ["127.0.0.2", "203.0.113.2", "203.0.113.3", "203.0.113.128/25"]),
    "good.test": ("ip4set", ["127.0.0.2", "203.0.113.129"]),
}
CHECKS = """
check = rhsbl
check = dnswl
check = dnsbl
rhsbl = rh.test
dnswl = wl.test
dnsbl = bl.test
dnsbl = two.test;2
dnsbl = good.test;-1
"""
LISTED: dict[str, bytes] = {
    "on no list": request("a@example.org", "l1", "192.0.2.1"),
    "on the list of weight 1": request("a@example.org", "l2", "203.0.113.1"),
    "on the list of weight 2": request("a@example.org", "l3", "203.0.113.2"),
    "on the white list": request("a@example.org", "l4", "198.51.100.1"),
    "on a black and the white list": request("a@example.org", "l5", "198.51.100.9"),
    "the sender's domain": request("a@bad.example", "l6", "192.0.2.1"),
    "no domain to ask for": request("uwc", "l7", "192.0.2.1"),
    "no domain, and listed": request("uwc", "l8", "203.0.113.1"),
    "the old type": old_request(b"a@example.org", b"l9", b"203.0.113.1"),
    "a bad address": request("a@example.org", "l10", "zz"),
    "on both lists": request("a@example.org", "l11", "203.0.113.3"),
    "on a list, and its sender": request("a@bad.example", "l12", "203.0.113.2"),
    "another code": request("a@example.org", "l13", "203.0.113.8"),
    "in a listed network": request("a@example.org", "l14", "203.0.113.200"),
    "a list that takes away": request("a@example.org", "l15", "203.0.113.129"),
    "the sender's domain, with a helo": request("a@bad.example", "l16", "192.0.2.1", "h"),
    "the second domain of a sender": request("a@bad.example@example.org", "l17", "192.0.2.1"),
    "below a listed domain": request("a@sub.bad.example", "l18", "192.0.2.1"),
    "nothing before the domain": request("@bad.example", "l19", "192.0.2.1"),
    "the null sender": request("<>", "l20", "203.0.113.1"),
    "the null sender, on no list": request("<>", "l21", "192.0.2.1"),
}
# Client, what grossd answers, and what we do.
READ_OTHERWISE: dict[str, tuple[bytes, bytes, bytes]] = {
    "a list that refuses to answer": (
        request("a@example.org", "m1", "203.0.113.7"), b"G $X4.4.3|$NPlease$ try$ again$ later", b"T $Y",
    ),
    "IPv6, on no list": (request("a@example.org", "m2", "2001:db8::1"), b"F", b"T $Y"),
}  # fmt: skip

LISTED_POLICY = {
    "policy, listed": b"sender=a\nrecipient=q1\nclient_address=203.0.113.1\n\n",
    "policy, on no list": b"sender=a\nrecipient=q2\nclient_address=192.0.2.1\n\n",
    "policy, on both lists": b"sender=a\nrecipient=q3\nclient_address=203.0.113.3\n\n",
}
OTHER_WORDS = """
block_threshold = 3
grey_reason = Please wait 10 seconds and try sending again
block_reason = You are $listed
sjsms_response_grey = $N%reason% %reason%
sjsms_response_match = $Y$T
sjsms_response_trust = $Yok
sjsms_response_block = $X5.7.1|$N%reason%
postfix_response_grey = action=defer 4.7.1 %reason%
postfix_response_block = action=550 %reason%
"""
THRESHOLDS = {
    "grey from 1": ("", "127.0.0.3"),
    "grey from 2": ("grey_threshold = 2\n", "127.0.0.4"),
    "block from 3": ("block_threshold = 3\n", "127.0.0.5"),
    "grey all": ("grey_threshold = 0\n", "127.0.0.6"),
    "other words": (OTHER_WORDS, "127.0.0.7"),
}


@pytest.fixture(scope="module")
def lists() -> Iterator[Rbldnsd]:
    zones = {
        zone: [(kind, "\n".join([":127.0.0.2:listed", *listed, ""]))]
        for zone, (kind, listed) in LISTS.items()
    }
    server = Rbldnsd(zones, at="127.0.0.53", port=53)
    yield server
    server.remove()


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_with_lists_both_say_the_same(threshold: str) -> None:
    settings, host = THRESHOLDS[threshold]
    both = pair(CHECKS + settings, host)
    try:
        said = {name: both.udp(datagram) for name, datagram in LISTED.items()}
        said |= {name: both.tcp(sent) for name, sent in LISTED_POLICY.items()}
        time.sleep(WAITED_S)
        said |= {f"{name}, again": both.udp(datagram) for name, datagram in LISTED.items()}
        said |= {f"{name}, again": both.tcp(sent) for name, sent in LISTED_POLICY.items()}
        theirs = sorted(map(_parts, both.theirs.decisions()))
        wait_for("our log", lambda: len(both.our_decisions()) >= len(said))
        ours = sorted(_parts(line) for line in both.our_decisions() if "a=fail" not in line)
    finally:
        both.stop()
    letters = {answer[:1] for _, answer in said.values()}
    print(f"{threshold}: {len(said)} situations with lists, {letters}")

    assert {name: ours for name, (_, ours) in said.items()} == {name: one for name, (one, _) in said.items()}
    # Where several lists say something grossd may stop at the first, and we say all.
    several = ("r=l5", "r=l11", "r=l12", "r=l15", "r=q3")
    assert [line for line in ours if not line[1].startswith(several)] == [
        line for line in theirs if not line[1].startswith(("r=N/A", *several))
    ]


def _parts(line: str) -> tuple[str, str]:
    """What was decided, then of whom."""
    action, _, about = _without_time(line).partition(" c=")
    return action, about[about.index("r=") :]


@pytest.mark.usefixtures("lists")
def test_weights_are_complete_where_grossds_are_not() -> None:
    both = pair(CHECKS, "127.0.0.8")
    try:
        both.udp(LISTED["on a list, and its sender"])
        wait_for("our log", both.our_decisions)
        line = both.our_decisions()[0]
        (event,) = both.ours.events("greylist")
    finally:
        both.stop()

    assert "w=3" in line and "m=two.test+2" in line and "m=rh.test+1" in line
    assert event["weight"] == 3 and set(event["found"]) == {"two.test+2", "rh.test+1"}  # type: ignore[call-overload]


@pytest.mark.usefixtures("lists")
def test_answers_that_are_none_count_with_grossd_alone() -> None:
    both = pair(CHECKS, "127.0.0.18")
    try:
        said = {name: both.udp(datagram) for name, (datagram, _, _) in READ_OTHERWISE.items()}
        wait_for("it is told", lambda: both.ours.warnings("check-unanswered"))
    finally:
        both.stop()

    assert said == {name: row[1:] for name, row in READ_OTHERWISE.items()}


@pytest.mark.usefixtures("lists")
def test_the_status_line_counts_what_lists_have_found() -> None:
    both = pair(CHECKS, "127.0.0.17")
    try:
        for datagram in LISTED.values():
            both.udp(datagram)
        theirs, ours = both.theirs.status(), both.our_status()
    finally:
        both.stop()
    lists = "rh.test, wl.test, bl.test, two.test, good.test"

    assert _shape(ours) == _shape(theirs) and f"({lists}):" in ours
    assert re.findall(r"(?:Trust|Match|Greylist|Block): \d+", ours) == re.findall(
        r"(?:Trust|Match|Greylist|Block): \d+", theirs
    )


def test_while_checks_take_their_time_both_say_that_they_are_at_work() -> None:
    """A list that never answers: P at one second, and at the time limit the answer without it."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.56", 53))
        settings = "check = dnsbl\ndnsbl = bl.test\nquery_timelimit = 1600\n"
        ours = '[[dns_list]]\nname = "bl.test"\nkind = "dnsbl"\nzone = "bl.test"\nhealth_check = "off"\n'
        both = pair(settings, "127.0.0.16", "127.0.0.56", ours)
        try:
            told = [_timed("127.0.0.1", both.our_port), _timed(both.theirs.host, both.theirs.port)]
        finally:
            both.stop()
    print("ours, grossd:", told)
    for (first, at), (last, then) in told:
        assert (first, last) == (b"P", b"T $Y")
        assert 0.9 < at < 1.3 and 1.4 < then < 2.1


def _timed(host: str, port: int) -> list[tuple[bytes, float]]:
    """Two answers to one question, and when they came, in seconds."""
    began = time.monotonic()
    with closing(SjsmsClient(port, 5.0, host)) as client:
        client.send(LISTED["on no list"])
        return [(client.receive(), round(time.monotonic() - began, 2)) for _ in range(2)]
