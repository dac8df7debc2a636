"""Mail of channels that waits, by a real Postfix: by milter, by policy, and behind a webmail."""

from collections.abc import Iterator

import pytest

from tests.servers.client import Answer, Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.front import Front
from tests.servers.postfix import Postfix, Service
from tests.servers.rbldnsd import TEST_ENTRY, Rbldnsd
from tests.servers.sendwarden import REFERENCE, Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

pytestmark = pytest.mark.e2e

LISTED, UNLISTED = "198.51.100.7", "203.0.113.9"
SITE = """
mode = "enforce"
[site]
webmail = ["192.0.2.80"]
internal = ["127.0.0.0/8", "192.0.2.80"]
[webmail]
account = ["received"]
[notify]
smtp = "127.0.0.1:{notify}"
[greylist]
delay = "1h"
grey_reason = "Please wait 10 seconds and try sending again"
exempt_recipients = ["postmaster"]
"""
CHANNELS = """
[[channel]]
name = "people"
login = true
greylist = ["risk", "new-network"]
[[channel]]
name = "webmail"
greylist = ["listed"]
"""


@pytest.fixture(scope="module")
def rbldnsd() -> Iterator[Rbldnsd]:
    server = Rbldnsd({"bl.test": [("ip4set", f":127.0.0.2:listed\n{TEST_ENTRY}{LISTED}\n")]})
    yield server
    server.remove()


def settings(rbldnsd: Rbldnsd) -> str:
    listed = f'[[dns_list]]\nname = "bl"\nkind = "dnsbl"\nzone = "bl.test"\nservers = "{rbldnsd.place}"\n'
    return f'{SITE}checks = ["bl"]\n{listed}{CHANNELS}'


@pytest.fixture(scope="module")
def front(sink: Sink, dovecot: Dovecot, rbldnsd: Rbldnsd) -> Iterator[Front]:
    with Front(sink, dovecot, settings(rbldnsd), {}) as site:
        wait_for("the list is tested", lambda: site.sendwarden.events("dns-list"))
        yield site


def allow(warden: Sendwarden, client: str, account: str) -> None:
    """As if the delay were over: what the account sends from there has waited."""
    words = ("greylist", "allow", client, "any@example.org", "any@example.net", "--account", account)
    code, said = warden.command(*words, "--reason", "time goes by")
    assert code == 0, said


def webmail_message(browser: str) -> bytes:
    return (
        f"Received: from [192.0.2.80] (Forwarded-For: {browser}) by mail.example.com\r\n"
        " (mshttpd); Fri, 18 Jul 2008 16:34:53 +1000\r\n"
    ).encode() + message()


def test_an_account_at_risk_waits_once_and_others_do_not(front: Front) -> None:
    code, said = front.sendwarden.command("account", "state", "bob", "watched", "--reason", "looks odd")
    assert code == 0, said
    bob, eve = front.submission("bob"), front.submission("eve")

    assert eve.send("eve@example.org", ["v@victim.example"], message()).code == 250
    first = bob.send("bob@example.org", ["v@victim.example"], message())
    assert first.code == 450 and first.text.startswith(
        "4.7.1 Please wait 10 seconds and try sending again [SW-"
    )
    assert bob.send("bob@example.org", ["w@victim.example"], message()).code == 450
    assert bob.send("bob@example.org", ["postmaster@victim.example"], message()).code == 250
    words = (
        "--login",
        "bob",
        "--from",
        "bob@example.org",
        "--to",
        "v@victim.example",
        "--client",
        "127.0.0.1",
    )
    triplet = ("127.0.0.1", "bob@example.org", "v@victim.example", "--account", "bob")
    code, said = front.sendwarden.command("greylist", "show", *triplet)
    assert code == 0 and "127.0.0.0  bob@example.org  v@victim.example: waits" in said
    code, said = front.sendwarden.command("explain", "-", *words, stdin=message().decode())
    assert code == 1 and "450 4.7.1 Please wait 10 seconds" in said and "greylist  a=greylist" in said
    allow(front.sendwarden, "127.0.0.1", "bob")
    code, said = front.sendwarden.command("explain", "-", *words, stdin=message().decode())
    assert code == 0 and "greylist  a=match" in said
    for recipient in ("v@victim.example", "w@victim.example", "new@victim.example"):
        assert bob.send("bob@example.org", [recipient], message()) == Answer(250)

    found = REFERENCE.search(first.text)
    assert found
    code, why = front.sendwarden.command("why", found[1])
    assert code == 0 and "sent again a little later (risk)" in why
    events = front.sendwarden.events("greylist")
    assert {(event["account"], event["channel"], event["why"]) for event in events} == {
        ("bob", "people", "risk")
    }


def test_only_the_webmail_user_whose_address_is_listed_waits(front: Front) -> None:
    webmail = front.relay("192.0.2.80")

    def send(browser: str) -> Answer:
        return webmail.send("user@example.com", ["v@victim.example"], webmail_message(browser))

    assert send(UNLISTED).code == 250
    assert send(LISTED).code == 450
    assert send(UNLISTED).code == 250
    allow(front.sendwarden, LISTED, "user@example.com")
    assert send(LISTED).code == 250


def test_by_policy_an_account_waits_where_it_never_was(
    sink: Sink, dovecot: Dovecot, rbldnsd: Rbldnsd
) -> None:
    warden = Sendwarden(settings(rbldnsd).replace("{notify}", str(sink.port)))
    policy = f"check_policy_service inet:127.0.0.1:{warden.policy}"
    options = {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
        "smtpd_recipient_restrictions": f"{policy}, permit",
    }
    postfix = Postfix(sink.port, [Service("submission", options)], dovecot.sasl)

    def send(address: str, login: str) -> Answer:
        client = Client(postfix.ports["submission"])
        client.xclient(ADDR=address, NAME="[UNAVAILABLE]", LOGIN=login)
        answer = client.send(f"{login}@example.org", ["v@victim.example"], message())
        client.quit()
        return answer

    try:
        assert send("198.51.100.20", "eve").code == 250, "the first network of an account is never new"
        assert send("198.51.100.99", "eve").code == 250, "nor is the same one"
        away = send("203.0.113.20", "eve")
        assert away.code == 450 and "4.7.1 <v@victim.example>" in away.text
        assert send("203.0.113.20", "bob").code == 250
        assert send("198.51.100.20", "eve").code == 250
        allow(warden, "203.0.113.20", "eve")
        assert send("203.0.113.20", "eve").code == 250
        warden.kill()
        warden.restart()
        assert send("203.0.113.99", "eve").code == 250, "what is known survives"
        assert send("192.0.2.200", "eve").code == 450
    finally:
        postfix.stop()
        warden.stop()
