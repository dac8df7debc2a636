"""Our callout asks a real grossd, dead servers are remembered; the document's session through Postfix."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from sendwarden.engine.mapping.grosscheck import read_call
from sendwarden.lookups import grosscheck
from sendwarden.lookups.grosscheck import UdpGreylist
from sendwarden.service.grosscheck import said
from sendwarden.service.ports import Known
from tests.servers.dovecot import Dovecot
from tests.servers.front import Front
from tests.servers.grossd import Grossd
from tests.servers.rbldnsd import EVERYTHING, Rbldnsd
from tests.servers.sendwarden import example
from tests.servers.sink import Sink
from tests.servers.space import free_port, wait_for
from tests.stores.around import KeptLog

pytestmark = pytest.mark.e2e

GREY = "$X4.4.3|$NPlease$ try$ again$ later"


@pytest.fixture(scope="module")
def grossd() -> Iterator[Grossd]:
    server = Grossd("grey_delay = 1\n", host="127.0.0.9")
    yield server
    server.stop()


def client() -> tuple[UdpGreylist, KeptLog]:
    log = KeptLog()
    return UdpGreylist(time.monotonic, log), log


def ask(asking: UdpGreylist, port: int, first: str, second: str = "", sender: str = "uwc") -> Known:
    call = read_call([first, second, str(port), "192.0.2.1", "eve@example.org", sender, "mail.example.org"])
    return said(asyncio.run(asking.ask(call)))


def test_a_real_grossd_makes_mail_wait_and_lets_it_pass(grossd: Grossd) -> None:
    asking, log = client()
    assert ask(asking, grossd.port, grossd.host) == Known(GREY)
    time.sleep(2.2)
    assert ask(asking, grossd.port, grossd.host) == Known("$Y")
    assert ask(asking, grossd.port, grossd.host, sender="") == Known(GREY)
    assert not log.warnings
    wait_for("grossd's lines", lambda: len(grossd.decisions()) >= 3)
    lines = [re.sub(r" d=\d+", "", line) for line in grossd.decisions()]
    about = "w=0 c=192.0.2.1 s={} r=eve@example.org h=mail.example.org"
    assert lines[:3] == [
        f"a=greylist {about.format('uwc')}",
        f"a=match {about.format('uwc')}",
        f"a=greylist {about.format('<>')}",
    ]


def test_a_dead_server_costs_its_time_once(grossd: Grossd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is there and silent; the original would wait two seconds for it with each message."""
    monkeypatch.setattr(grosscheck, "SILENCE_S", 0.3)
    asking, log = client()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.10", grossd.port))
        took = []
        for number in range(5):
            began = time.monotonic()
            assert ask(asking, grossd.port, "127.0.0.10", grossd.host, f"{number}@silent") == Known(GREY)
            took.append(time.monotonic() - began)
    print("with a silent first server, s:", " ".join(f"{one:.2f}" for one in took))

    assert took[0] >= 0.3 and max(took[1:]) < 0.25
    assert len(log.about("greylist-server")) == 1


def test_a_closed_port_is_known_at_once_and_a_server_that_comes_back_is_asked_again(
    grossd: Grossd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grosscheck, "REST_S", 0.5)
    asking, log = client()
    began = time.monotonic()
    assert ask(asking, grossd.port, "127.0.0.10", grossd.host, "a@closed") == Known(GREY)
    assert time.monotonic() - began < 1.0
    assert "refused" in log.about("greylist-server")[0]
    time.sleep(0.6)
    with answering("127.0.0.10", grossd.port, [b"T"]) as answers:
        assert ask(asking, grossd.port, "127.0.0.10", grossd.host, "a@closed") == Known("$Y")
        assert answers == []


def test_where_all_are_dead_the_call_fails_and_goes_on_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grosscheck, "SILENCE_S", 0.1)
    asking, _ = client()
    port = free_port()
    assert ask(asking, port, "127.0.0.10", "127.0.0.11") == Known(None)
    with answering("127.0.0.11", port, [b"M"]):
        assert ask(asking, port, "127.0.0.10", "127.0.0.11") == Known("$Y")


class answering:  # noqa: N801 - used like a function
    """A server that answers each question with what comes next of a list, several datagrams parted by |."""

    def __init__(self, host: str, port: int, answers: list[bytes], pause_s: float = 0.0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._answers, self._pause_s = answers, pause_s

    def __enter__(self) -> list[bytes]:
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self._answers

    def _serve(self) -> None:
        while self._answers:
            _, peer = self._socket.recvfrom(4096)
            for part in self._answers.pop(0).split(b"|"):
                self._socket.sendto(part, peer)
                time.sleep(self._pause_s)

    def __exit__(self, *_error: object) -> None:
        self._thread.join(10)
        self._socket.close()


def test_who_says_that_it_is_at_work_gets_more_time_and_nonsense_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grosscheck, "SILENCE_S", 0.3)
    asking, log = client()
    port = free_port()
    with answering("127.0.0.10", port, [b"nonsense|P|G $NWait"], pause_s=0.2):
        assert ask(asking, port, "127.0.0.10") == Known("$NWait")
    with answering("127.0.0.10", port, [b"P|P|M $Y"], pause_s=0.5):
        assert ask(asking, port, "127.0.0.10") == Known("$Y")
    with answering("127.0.0.10", port, [b"F"]):
        assert ask(asking, port, "127.0.0.10", "127.0.0.11") == Known(None)
    assert not log.warnings


def test_a_late_or_forged_answer_is_not_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question has a port of its own, and hears its own server alone."""
    monkeypatch.setattr(grosscheck, "SILENCE_S", 0.2)
    asking, _ = client()
    port = free_port()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.10", port))
        server.settimeout(0)
        assert ask(asking, port, "127.0.0.10") == Known(None)
        _, first = server.recvfrom(4096)

        async def second() -> Known:
            call = read_call(["127.0.0.10", "", str(port), "192.0.2.1", "r", "s"])
            asked = asyncio.create_task(asking.ask(call))
            await asyncio.sleep(0.05)
            _, place = server.recvfrom(4096)
            server.sendto(b"G $Nlate", first)  # nobody listens there any more
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as forger:
                forger.bind(("127.0.0.12", 0))
                forger.sendto(b"G $Nforged", place)
            await asyncio.sleep(0.02)
            server.sendto(b"T $Y", place)
            return said(await asked)

        assert asyncio.run(second()) == Known("$Y")


# --- the document's session

SITE = """
mode = "enforce"
[site]
webmail = ["127.0.0.1"]
[webmail]
account = ["received"]
[notify]
smtp = "127.0.0.1:{notify}"
[[channel]]
name = "webmail"
sourcefilter = "greylist.sieve"
"""
MAIL = (
    b"Received: from [192.0.2.80] (Forwarded-For: 129.158.87.66) by mail.example.com\r\n"
    b" (mshttpd); Fri, 18 Jul 2008 16:34:53 +1000\r\n"
    b"From: User <user@example.com>\r\nSubject: hello\r\n\r\nhello\r\n"
)


def document(server: str, port: int) -> dict[str, str]:
    """The document's filter and table, with the address of a server."""
    files = example("greylist")
    files["mappings"] = files["mappings"].replace("129.158.87.192,,5525", f"{server},,{port}")
    return files


def session(front: Front, delay_s: float) -> None:
    """The document's troubleshooting: refused, refused again at once, accepted after the delay."""
    sender = front.relay()
    for wait_s, code in ((0.0, 550), (0.0, 550), (delay_s + 1.3, 250)):
        time.sleep(wait_s)
        said = sender.send("user@example.com", ["v@victim.example"], MAIL)
        assert said.code == code, said
        if code == 550:
            assert "5.7.1 Delivery failed. Please wait 10 seconds and try sending again" in said.text


def assert_the_documents_lines(lines: list[str]) -> None:
    """Byte for byte, but for how long it took."""
    said = [re.sub(r"d=\d+", "d=N", line) for line in lines]
    about = "c=129.158.87.66 s=uwc r=user@example.com"
    grey = f"a=greylist d=N w=1 {about} m=relays.test+1"
    assert said == [grey, grey, f"a=match d=N w=0 {about}"]


@pytest.fixture(scope="module")
def everything() -> Iterator[Rbldnsd]:
    """The document's list that returns a result for all IP addresses."""
    server = Rbldnsd({"relays.test": [("ip4set", f":127.0.0.2:all\n{EVERYTHING}")]}, "127.0.0.54", 53)
    yield server
    server.remove()


# On purpose it lists everything.
MEANT = '[[dns_list]]\nname = "relays.test"\nkind = "dnsbl"\nzone = "relays.test"\nhealth_check = "off"\n'


def taken(port: int, everything: Rbldnsd) -> tuple[str, dict[str, str]]:
    """Settings, and files with a grossd.conf that has the document's blacklist and grossd's delay."""
    lines = f"host = 127.0.0.1\nport = {port}\nprotocol = sjsms\ncheck = dnsbl\ndnsbl = relays.test\n"
    settings = f'{SITE}[greylist]\ngrossd = "grossd.conf"\nstatus = []\n[dns]\nservers = "{everything.at}"\n'
    return settings, document("127.0.0.1", port) | {"grossd.conf": lines}


def our_lines(front: Front) -> list[str]:
    log = front.sendwarden.folder / "var" / "greylist.log"
    return [line.partition(": ")[2] for line in log.read_text().splitlines()] if log.exists() else []


def test_the_documents_session_with_our_own_greylisting_and_a_list_of_everything(
    sink: Sink, dovecot: Dovecot, everything: Rbldnsd
) -> None:
    settings, files = taken(free_port(), everything)
    with Front(sink, dovecot, settings + MEANT, files) as front:
        session(front, 10.0)
        wait_for("the log", lambda: len(our_lines(front)) == 3)
        assert_the_documents_lines(our_lines(front))
        assert [event["found"] for event in front.sendwarden.events("greylist")] == [["relays.test+1"]] * 2


def test_by_default_a_list_of_everything_is_retired_and_nobody_waits_for_it(
    sink: Sink, dovecot: Dovecot, everything: Rbldnsd
) -> None:
    settings, files = taken(free_port(), everything)
    with Front(sink, dovecot, settings, files) as front:
        wait_for("the list is tested", lambda: front.sendwarden.events("dns-list"))
        assert front.relay().send("user@example.com", ["v@victim.example"], MAIL).code == 250
        wait_for("the log", lambda: our_lines(front))
        lines = [re.sub(r"d=\d+", "d=N", line) for line in our_lines(front)]
        assert lines == ["a=trust d=N w=0 c=129.158.87.66 s=uwc r=user@example.com"]
        (told,) = front.sendwarden.events("dns-list")
        assert (told["list"], told["standing"]) == ("relays.test", "out of service")
        assert "it lists everything" in str(told["why"])
        wait_for("it is told", lambda: front.sendwarden.warnings("check-unanswered"))
        code, said = front.sendwarden.command("dnsbl", "lists")
        assert code == 1 and "out of service" in said


def test_the_documents_session_with_a_real_grossd_and_a_list_of_everything(
    sink: Sink, dovecot: Dovecot, everything: Rbldnsd
) -> None:
    conf = "grey_delay = 2\ncheck = dnsbl\ndnsbl = relays.test\n"
    grossd = Grossd(conf, everything.at, host="127.0.0.14")
    try:
        with Front(sink, dovecot, SITE, document(grossd.host, grossd.port)) as front:
            session(front, 2.0)
        assert_the_documents_lines(grossd.decisions())
    finally:
        grossd.stop()


ACCESS = """
mode = "enforce"
[[channel]]
name = "all"
mta_channel = "tcp_local"
[access]
frontends = "milter"
"""
ASKED_AT_RCPT = """
ORIG_MAIL_ACCESS

  TCP|*|*|*|*|*|MAIL|tcp_local|*|*|*  $C$[IMTA_LIB:grosscheck.so,grosscheck,{},,{},$2,$7,$5,]$E
"""


def test_an_access_table_asks_a_real_grossd_for_each_recipient(
    sink: Sink, dovecot: Dovecot, grossd: Grossd
) -> None:
    files = {"mappings": ASKED_AT_RCPT.format(grossd.host, grossd.port)}
    with Front(sink, dovecot, ACCESS, files) as front:
        client = front.relay("192.0.2.200")
        said = client.send("access@example.org", ["v@victim.example"], MAIL)
        assert said.code == 450 and "4.4.3 Please try again later" in said.text
        time.sleep(2.3)
        assert client.send("access@example.org", ["v@victim.example"], MAIL).code == 250
        assert client.send("access@example.org", ["v@victim.example", "w@victim.example"], MAIL).code == 450
    asked = "access@example.org"
    wait_for("its lines", lambda: sum(asked in line for line in grossd.decisions()) >= 4)
    lines = [re.sub(r" d=\d+", "", line) for line in grossd.decisions() if asked in line]
    about = "w=0 c=192.0.2.200 s=access@example.org"
    assert lines == [
        f"a=greylist {about} r=v@victim.example",
        f"a=match {about} r=v@victim.example",
        f"a=match {about} r=v@victim.example",
        f"a=greylist {about} r=w@victim.example",
    ]


def test_while_grossd_is_down_mail_passes_and_it_is_told(sink: Sink, dovecot: Dovecot) -> None:
    with Front(sink, dovecot, SITE, document("127.0.0.15", free_port())) as front:
        assert front.relay().send("user@example.com", ["v@victim.example"], MAIL).code == 250
        wait_for("it is told", lambda: front.sendwarden.warnings("greylist-server"))
