"""What SQL or LDAP lets a login send as, at a real Postfix: nobody waits, and nobody is wrongly refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.directories import KINDS, Accounts, Kept
from tests.servers.dovecot import Dovecot
from tests.servers.front import Front
from tests.servers.sink import Sink
from tests.servers.space import wait_for

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
[accounts]
realms = ["example.org"]
{directory}
[[channel]]
name = "submission"
login = true
senders = "own"
header_from = "own"
"""
ACCOUNTS: Accounts = {
    "eve": ("", ["info@example.org", "@shop.example", "sales"]),
    "bob": ("", []),
    "dave": ("", []),
}
VICTIM = ["v@victim.example"]


@dataclass
class Site:
    """Postfix with the milter."""

    front: Front

    def send(self, login: str, sender: str, header: str = "") -> int:
        text = f"From: {header or sender}\r\nSubject: a message\r\n\r\nText.\r\n"
        client = self.front.submission(login)
        try:
            return client.send(sender, VICTIM, text.encode()).code
        finally:
            client.quit()


@pytest.fixture(params=KINDS)
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    kept = KINDS[request.param](ACCOUNTS, tmp_path)
    yield kept
    kept.remove()


@pytest.fixture
def site(sink: Sink, dovecot: Dovecot, directory: Kept) -> Iterator[Site]:
    with Front(sink, dovecot, SETTINGS.replace("{directory}", directory.settings), {}) as front:
        yield Site(front)


def test_a_login_sends_as_what_it_is_lent_and_as_nothing_else(site: Site, directory: Kept) -> None:
    for sender in ("eve@example.org", "info@example.org", "any@shop.example", "sales@example.org"):
        assert site.send("eve", sender) == 250
        assert site.send("eve", "eve@example.org", header=sender) == 250
    assert site.send("bob", "bob@example.org") == 250
    for sender in ("boss@example.org", "sales@elsewhere.example", "info@example.net"):
        assert site.send("eve", sender) == 550
        assert site.send("eve", "eve@example.org", header=sender) == 550
    assert site.send("bob", "info@example.org") == 550

    directory.lend("bob", "info@example.org")
    wait_for("bob's address is known", lambda: site.send("bob", "info@example.org") == 250, 60)
    assert site.send("bob", "boss@example.org") == 550


def test_what_was_not_known_at_mail_is_judged_at_the_end_of_the_message(site: Site) -> None:
    thief = site.front.submission("eve")
    assert thief.command("MAIL FROM:<boss@example.org>") == 250
    wait_for("she is known", lambda: site.send("eve", "boss@example.org") == 550)
    assert thief.command(f"RCPT TO:<{VICTIM[0]}>") == 250
    assert thief.data(b"From: eve@example.org\r\n\r\nText.\r\n") == 550


def test_while_it_is_away_what_is_known_counts_and_who_is_not_known_may_send(
    site: Site, directory: Kept
) -> None:
    assert site.send("eve", "info@example.org") == 250
    assert site.send("eve", "boss@example.org") == 550
    directory.go_away()
    assert site.send("eve", "info@example.org") == 250
    assert site.send("eve", "boss@example.org") == 550
    assert site.send("bob", "boss@example.org") == 250
    warden = site.front.sendwarden
    wait_for("it is told", lambda: warden.warnings("sender-not-known") and warden.warnings("directory-down"))
    directory.come_back()
    wait_for("bob is known", lambda: site.send("bob", "boss@example.org") == 550)
