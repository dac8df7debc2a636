"""SPF as a check of greylisting, over a real DNS server: include, mx, redirect, and an explanation."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from tests.servers.rbldnsd import Rbldnsd
from tests.servers.sendwarden import Sendwarden
from tests.servers.sjsms_client import SjsmsClient, request
from tests.servers.space import free_port, wait_for

pytestmark = pytest.mark.e2e

GREY = b"G $X4.4.3|$NPlease$ try$ again$ later"
ZONE = """
@ TXT "v=spf1 include:_spf.sender.test mx a:www.sender.test -all exp=why.sender.test"
_spf TXT "v=spf1 ip4:192.0.2.0/24 ?all"
why TXT "%{i} may not send for %{o}"
@ MX 10 mail.sender.test
mail A 198.51.100.25
www A 198.51.100.80
soft TXT "v=spf1 redirect=_soft.sender.test"
_soft TXT "v=spf1 a:www.sender.test ~all"
wrong TXT "v=spf1 nonsense -all"
mail TXT "v=spf1 a -all"
"""


@dataclass
class Asked:
    """A Sendwarden that asks SPF alone."""

    warden: Sendwarden
    server: Rbldnsd
    port: int

    def ask(self, client: str, sender: str, helo: str = "h.test") -> bytes:
        with closing(SjsmsClient(self.port, 5.0)) as asking:
            return asking.ask(request(sender, f"{client}@example.net", client, helo))


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    server = Rbldnsd({"sender.test": [("generic", ZONE)]})
    port = free_port()
    warden = Sendwarden(
        f'mode = "enforce"\n[greylist]\nlisten = "127.0.0.1:{port}"\nchecks = ["spf"]\nwait = "900ms"\n'
        f'[dns]\nservers = "{server.place}"\n'
    )
    yield Asked(warden, server, port)
    warden.stop()
    server.remove()


BLOCKED = b"B $Nsender.test$ says:$ 203.0.113.9$ may$ not$ send$ for$ sender.test"


@pytest.mark.parametrize(
    ("client", "sender", "answer"),
    [
        ("192.0.2.7", "eve@sender.test", b"T $Y"),
        ("198.51.100.25", "eve@sender.test", b"T $Y"),
        ("198.51.100.80", "eve@SENDER.test", b"T $Y"),
        ("203.0.113.9", "eve@sender.test", BLOCKED),
        ("198.51.100.80", "eve@soft.sender.test", b"T $Y"),
        ("203.0.113.9", "eve@soft.sender.test", GREY),
        ("203.0.113.9", "eve@wrong.sender.test", b"T $Y"),
        ("203.0.113.9", "eve@other.sender.test", b"T $Y"),
        ("203.0.113.9", "uwc", b"T $Y"),
    ],
)
def test_a_policy_is_kept(client: str, sender: str, answer: bytes, asked: Asked) -> None:
    assert asked.ask(client, sender) == answer


def test_of_the_null_sender_the_helo_counts(asked: Asked) -> None:
    assert asked.ask("198.51.100.25", "<>", "mail.sender.test") == b"T $Y"
    assert asked.ask("198.51.100.26", "<>", "mail.sender.test").startswith(b"B $Nmail.sender.test$ does$ not")


def test_the_log_names_it(asked: Asked) -> None:
    asked.ask("203.0.113.9", "bob@sender.test")
    asked.ask("203.0.113.9", "bob@soft.sender.test")
    log = asked.warden.folder / "var" / "greylist.log"
    wait_for("the lines", lambda: log.exists() and "s=bob@soft" in log.read_text())
    lines = {line.partition(" s=")[2].split()[0]: line for line in log.read_text().splitlines()}

    assert lines["bob@sender.test"].endswith(" m=spf") and "a=block" in lines["bob@sender.test"]
    assert lines["bob@soft.sender.test"].endswith(" m=spf+1") and "w=1" in lines["bob@soft.sender.test"]


def test_while_the_dns_hangs_mail_passes_and_it_is_told(asked: Asked) -> None:
    asked.server.pause()
    try:
        assert asked.ask("203.0.113.9", "eve@late.sender.test") == b"T $Y"
        wait_for("it is told", lambda: asked.warden.warnings("check-unanswered"))
    finally:
        asked.server.go_on()
