"""Real scanners at a real Postfix: scores reach filters, forged headers go, and home addresses do not."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from tests.servers.clamd import EICAR, SIGNATURE, Clamd
from tests.servers.client import message
from tests.servers.dovecot import Dovecot
from tests.servers.front import Front
from tests.servers.rspamd import ZONE, Rspamd
from tests.servers.sink import Sink
from tests.servers.space import free_port, wait_for
from tests.servers.spamd import Spamd
from tests.servers.zone import Zone

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
HOME = "198.51.100.7"
VICTIM = ["v@victim.example"]
US = ["bob@example.org"]

SETTINGS = """
mode = "enforce"
[site]
host = "mail.example.org"
domains = ["example.org"]
[accounts]
realms = ["example.org"]
[[scanner]]
name = "spam"
kind = "spamd"
at = "127.0.0.1:{spamd}"
timeout = "20s"
[[scanner]]
name = "virus"
kind = "clamd"
at = "127.0.0.1:{clamd}"
timeout = "20s"
[[scanner]]
name = "rspamd"
kind = "rspamd"
at = "127.0.0.1:{rspamd}"
timeout = "20s"
[[score_header]]
name = "upstream"
header = "X-Spam-Status"
writers = ["203.0.113.9/32"]
"""
SUBMISSION = '[[channel]]\nname = "submission"\nlogin = true\n'
INCOMING = '[[channel]]\nname = "incoming"\nlogin = false\n'
FILTER = """
require ["spamtestplus", "virustest", "relational", "comparator-i;ascii-numeric", "reject"];
if virustest :value "ge" :comparator "i;ascii-numeric" "4" { reject "A virus."; stop; }
if spamtest :value "ge" :comparator "i;ascii-numeric" "10" { reject "Spam, says the filter."; stop; }
if spamtest :percent :count "eq" :comparator "i;ascii-numeric" "0" { reject "Nobody looked."; stop; }
"""


@pytest.fixture(scope="module")
def spamd() -> Iterator[Spamd]:
    server = Spamd()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    server = Clamd()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    server = Zone(ZONE, HOME)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def rspamd(zone: Zone) -> Iterator[Rspamd]:
    server = Rspamd(zone.port)
    yield server
    server.stop()


class Site:
    """Postfix, Dovecot and Sendwarden before the scanners."""

    def __init__(self, sink: Sink, dovecot: Dovecot, ports: dict[str, int]) -> None:
        self._sink, self._dovecot, self._ports = sink, dovecot, ports

    @contextmanager
    def with_channel(self, channel: str) -> Iterator[Front]:
        settings = SETTINGS
        for name, port in self._ports.items():
            settings = settings.replace(f"{{{name}}}", str(port))
        with Front(self._sink, self._dovecot, settings + channel, {"scores.sieve": FILTER}) as front:
            yield front


@pytest.fixture
def site(sink: Sink, dovecot: Dovecot, spamd: Spamd, clamd: Clamd, rspamd: Rspamd) -> Site:
    return Site(sink, dovecot, {"spamd": spamd.port, "clamd": clamd.port, "rspamd": rspamd.port})


def with_attachment(content: bytes) -> bytes:
    made = EmailMessage()
    made["From"], made["Subject"] = "eve@example.org", "an attachment"
    made.set_content("See there.\n")
    made.add_attachment(content, "application", "octet-stream", filename="a.com")
    return made.as_bytes(policy=SMTP)


def delivered(front: Front) -> list[str]:
    front.postfix.wait_until_delivered()
    return [received.text.decode() for received in front.sink.received]


def reasons(front: Front, kind: str, number: int = 1) -> list[dict[str, object]]:
    """Of the last event of that kind, when there are so many."""
    wait_for("the event log", lambda: len(front.sendwarden.events(kind)) >= number)
    found = front.sendwarden.events(kind)[-1].get("reasons", [])
    assert isinstance(found, list)
    return found


def test_scores_and_viruses_reach_a_sieve_filter(site: Site) -> None:
    channel = 'scan = ["spam", "virus"]\nsourcefilter = "scores.sieve"\n'
    with site.with_channel(SUBMISSION + channel) as front:
        eve = front.submission("eve")

        assert eve.send("eve@example.org", VICTIM, message()).code == 250
        spam = eve.send("eve@example.org", VICTIM, message() + GTUBE + b"\r\n")
        assert (spam.code, "Spam, says the filter." in spam.text) == (550, True)
        virus = eve.send("eve@example.org", VICTIM, with_attachment(EICAR))
        assert (virus.code, "A virus." in virus.text) == (550, True)

        assert len(delivered(front)) == 1
        found = reasons(front, "message")
        assert [reason["id"] for reason in found] == ["scored"] and found[0]["threshold"] == 5.0


def test_all_outbound_spam_is_refused_by_one_setting_and_inbound_spam_never_bounces(site: Site) -> None:
    spam = message() + GTUBE + b"\r\n"
    both = 'scan = ["spam", "virus"]\nspam = "refuse"\nvirus = "discard"\n'
    with site.with_channel(f"{SUBMISSION}{both}{INCOMING}{both}") as front:
        eve = front.submission("eve")
        refused = eve.send("eve@example.org", VICTIM, spam)
        assert refused.code == 550 and "the message looks like spam: spam gives it 1000" in refused.text
        assert eve.send("eve@example.org", VICTIM, with_attachment(EICAR)).code == 250

        assert front.relay("203.0.113.200").send("x@else.example", US, spam).code == 250
        wait_for("it is held", front.postfix.held)
        assert delivered(front) == []
        found = reasons(front, "decision", 3)
        decisions = front.sendwarden.events("decision")
        assert [one["verdict"] for one in decisions] == ["refuse", "discard", "hold"]
        assert any(one["id"] == "no-backscatter" for one in found)
        front.postfix.delete_held()
        assert any(
            one["id"] == "virus-found" and SIGNATURE in str(one["virus"])
            for one in decisions[1]["reasons"]  # type: ignore[attr-defined]
        )


def test_an_account_gets_not_far_with_mail_that_looks_like_spam(site: Site) -> None:
    row = '[[limits]]\nname = "spam-scored"\nrecipients = ["2/10m", "3/1h"]\n'
    with site.with_channel(f'{row}{SUBMISSION}scan = ["spam"]\n') as front:
        eve, spam = front.submission("eve"), message() + GTUBE + b"\r\n"

        answers = [eve.send("eve@example.org", VICTIM, spam) for _ in range(4)]

        assert [answer.code for answer in answers] == [250, 250, 450, 450]
        assert "eve has used 2 of 2 recipients in 10m, for mail that looks like spam" in answers[-1].text
        assert eve.send("eve@example.org", VICTIM, message()).code == 250
        assert len(delivered(front)) == 3


def test_a_score_header_counts_from_its_writer_and_is_taken_out_from_all_others(site: Site) -> None:
    forged = message(
        headers=[("X-Spam-Status", "No, score=-50.0 required=5.0 tests=FORGED"), ("X-Other", "1")]
    )
    high = message(headers=[("X-Spam-Status", "Yes, score=15.5 required=5.0 tests=A")])
    channels = f'{INCOMING}scan = ["upstream"]\nspam = "discard"\n'
    with site.with_channel(channels) as front:
        stranger, upstream = front.relay("203.0.113.200"), front.relay("203.0.113.9")
        twice = forged.replace(b"X-Other: 1", b"X-Spam-Status: No, score=-1\r\nX-Other: 1")
        assert stranger.send("x@else.example", US, twice).code == 250
        assert stranger.send("x@else.example", US, high).code == 250
        assert front.submission("eve").send("eve@example.org", VICTIM, forged).code == 250
        texts = delivered(front)
        assert len(texts) == 3 and not any("X-Spam-Status" in text for text in texts)
        assert ["X-Other: 1" in text for text in texts].count(True) == 2

        front.sink.clear()
        low = message(headers=[("X-Spam-Status", "No, score=1.5 required=5.0 tests=A")])
        assert upstream.send("x@else.example", US, low).code == 250
        assert upstream.send("x@else.example", US, high).code == 250
        texts = delivered(front)
        assert len(texts) == 1 and "X-Spam-Status: No, score=1.5" in texts[0]
        reasons(front, "decision")
        assert front.sendwarden.events("decision")[-1]["verdict"] == "discard"


@pytest.mark.parametrize("scanner", ["spam", "rspamd"])
def test_a_home_address_on_a_list_scores_for_strangers_and_not_for_our_own_users(
    site: Site, zone: Zone, scanner: str
) -> None:
    zone.asked.clear()
    channel = f'scan = ["{scanner}"]\nspam = "hold"\n'
    webmail = message(headers=[("X-Originating-IP", f"[{HOME}]")])
    webmail = f"Received: from [{HOME}] by webmail.example.org via HTTP\r\n".encode() + webmail
    with site.with_channel(f"{SUBMISSION}{channel}{INCOMING}{channel}") as front:
        eve = front.submission("eve")
        eve.xclient(ADDR=HOME, NAME="home.isp.example", LOGIN="eve")
        assert eve.send("eve@example.org", VICTIM, webmail).code == 250
        delivered(front)
        (scored,) = reasons(front, "message")
        assert scored["id"] == "scored" and not front.postfix.held()
        assert not zone.asked

        assert front.relay(HOME).send("x@else.example", US, message()).code == 250
        wait_for("it is held", front.postfix.held)
        front.postfix.delete_held()
        assert bool(zone.asked) is (scanner == "rspamd")


def test_rspamd_scores_what_goes_out_and_calls_phishing_what_comes_in(site: Site) -> None:
    asks = 'scan = ["rspamd"]\nspam = "refuse"\n'
    phish = message() + b"Please verify your account at phish.example now.\r\n"
    with site.with_channel(f"{SUBMISSION}{asks}{INCOMING}{asks}") as front:
        eve = front.submission("eve")
        assert eve.send("eve@example.org", VICTIM, message()).code == 250
        assert eve.send("eve@example.org", VICTIM, message() + GTUBE + b"\r\n").code == 550
        assert front.relay("203.0.113.200").send("x@else.example", US, phish).code == 250

        wait_for("it is told", lambda: front.sendwarden.events("phishing-received"))
        (event,) = front.sendwarden.events("phishing-received")
        assert (event["recipients"], event["rules"], event["verdict"]) == (US, ["LOCAL_PHISHING"], "hold")
        front.postfix.delete_held()


def test_inbound_phishing_is_recorded_with_who_received_it(site: Site) -> None:
    phish = message() + b"Please verify your account at phish.example now.\r\n"
    with site.with_channel(f'{INCOMING}scan = ["spam"]\n') as front:
        assert (
            front.relay("203.0.113.200").send("x@else.example", [*US, "carol@example.org"], phish).code == 250
        )
        wait_for("it is told", lambda: front.sendwarden.events("phishing-received"))

        (event,) = front.sendwarden.events("phishing-received")
        assert event["recipients"] == ["bob@example.org", "carol@example.org"]
        assert event["rules"] == ["LOCAL_PHISH"] and event["sender"] == "x@else.example"


def test_a_scanner_that_is_down_lets_mail_pass_and_is_told(sink: Sink, dovecot: Dovecot) -> None:
    dead = Site(sink, dovecot, {name: free_port() for name in ("spamd", "clamd", "rspamd")})
    with dead.with_channel(f'{SUBMISSION}scan = ["spam"]\nspam = "refuse"\n') as front:
        eve = front.submission("eve")
        for _ in range(5):
            assert eve.send("eve@example.org", VICTIM, message() + GTUBE + b"\r\n").code == 250

        assert len(delivered(front)) == 5
        assert "mail passes unscored" in str(front.sendwarden.warnings("scanner-down")[0])
        assert reasons(front, "message", 5)[0]["why"] == "left alone for 10 s after 3 failures"
