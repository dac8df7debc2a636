"""A real Roundcube with Postfix and Dovecot: whose mail it is, by each way in which it can say so."""

import json
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from tests.servers.client import Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix, Service
from tests.servers.roundcube import ADDRESS, Roundcube
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.tap import Tap

FIELD = "X-Authenticated-User"
MOST = 10
SETTINGS = f"""
mode = "enforce"
[site]
domains = ["example.org"]
internal = ["127.0.0.0/8"]
webmail = ["{ADDRESS}"]
[senders]
every_domain = true
[[limits]]
name = "webmail"
recipients = "{MOST}/10m"
[[channel]]
name = "webmail"
header_from = "own"
"""
XCLIENT = "$config['smtp_xclient_login'] = true;"
RECEIVED = "$config['http_received_header'] = true;"
LOGIN = "$config['smtp_user'] = '%u'; $config['smtp_pass'] = '%p';"
NO_LOGIN = "$config['smtp_user'] = ''; $config['smtp_pass'] = '';"


def over(said: str) -> bool:
    """Is that what Roundcube shows of our refusal at a limit?"""
    return "450" in said and f"has used {MOST} of {MOST} recipients in 10m, on channel webmail" in said


class Site:
    """Roundcube sends by a Postfix that asks us by policy service and milter. Use as a context."""

    def __init__(self, sink: Sink, dovecot: Dovecot, webmail: str, *, authorized: str = "") -> None:
        self.sink = sink
        self.sendwarden = Sendwarden(f"{SETTINGS}[webmail]\n{webmail}\n")
        self.policy, self.milter = Tap(self.sendwarden.policy), Tap(self.sendwarden.milter)
        policy = f"check_policy_service inet:127.0.0.1:{self.policy.port}"
        options = {
            "mynetworks": "127.0.0.0/8",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject",
            "smtpd_recipient_restrictions": f"{policy}, permit",
            "smtpd_end_of_data_restrictions": policy,
            "smtpd_milters": f"inet:127.0.0.1:{self.milter.port}",
            "smtpd_authorized_xclient_hosts": authorized,
        }
        self.postfix = Postfix(sink.port, [Service("smtp", options)], dovecot.sasl)
        sink.clear()

    @property
    def port(self) -> int:
        return self.postfix.ports["smtp"]

    def used(self, account: str) -> int:
        """Recipients of ten minutes on the webmail's channel, as `limits show` has them; 0 without any."""
        code, said = self.sendwarden.command("limits", "show", account, "--json")
        assert code == 0, said
        channels = [one for one in json.loads(said)["channels"] if one["channel"] == "webmail"]
        return sum(one["used"] for of in channels for one in of["limits"] if one["window"] == "10m")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.postfix.stop()
        for tap in (self.policy, self.milter):
            tap.stop()
        self.sendwarden.stop()
        if error:
            print(self.sendwarden.output(), self.postfix.log()[-3000:])


@pytest.fixture(scope="module")
def mailboxes() -> Iterator[Dovecot]:
    server = Dovecot(["eve", "bob"], imap=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def roundcube(mailboxes: Dovecot) -> Iterator[Roundcube]:
    server = Roundcube(mailboxes.imap)
    yield server
    print(server.log()[-2000:])
    server.stop()


def test_by_a_header_each_users_own_limit_counts(
    sink: Sink, mailboxes: Dovecot, roundcube: Roundcube
) -> None:
    with Site(sink, mailboxes, 'account = ["header"]\nremove = "always"') as site:
        roundcube.configure(site.port, NO_LOGIN, FIELD)
        eve, bob = roundcube.browser("eve"), roundcube.browser("bob")

        assert [eve.send("eve@example.org") for _ in range(MOST)] == [""] * MOST
        refused = eve.send("eve@example.org")
        print(f"\n  the {MOST + 1}th: {refused}")
        assert over(refused) and "eve has used" in refused
        assert bob.send("bob@example.org") == ""

        assert (site.used("eve"), site.used("bob"), site.used(f"[{ADDRESS}]")) == (MOST, 1, 0)
        site.postfix.wait_until_delivered()
        assert sink.recipients == ["eve@example.org"] * MOST + ["bob@example.org"]
        assert not any(FIELD.encode() in one.text for one in sink.received)
        accepted = site.sendwarden.events("message")
        assert {(one["account"], one["login_from"]) for one in accepted} == {("eve", FIELD), ("bob", FIELD)}


def test_a_user_who_is_shut_is_shut_in_the_webmail_too(
    sink: Sink, mailboxes: Dovecot, roundcube: Roundcube
) -> None:
    with Site(sink, mailboxes, 'account = ["header"]') as site:
        roundcube.configure(site.port, NO_LOGIN, FIELD)
        code, _ = site.sendwarden.command("account", "state", "eve", "contained", "--reason", "phished")
        assert code == 0

        assert "the account eve is closed for sending; please ask" in roundcube.browser("eve").send(
            "x@x.example"
        )
        assert roundcube.browser("bob").send("x@x.example") == ""


def test_without_a_word_about_accounts_all_users_share_one_meter_and_check_says_so(
    sink: Sink, mailboxes: Dovecot, roundcube: Roundcube
) -> None:
    with Site(sink, mailboxes, "") as site:
        roundcube.configure(site.port, NO_LOGIN, FIELD)
        eve, bob = roundcube.browser("eve"), roundcube.browser("bob")

        assert [eve.send("eve@example.org") for _ in range(MOST)] == [""] * MOST
        assert over(bob.send("bob@example.org")), "somebody else used up what was there"

        assert site.used(f"[{ADDRESS}]") == MOST
        code, said = site.sendwarden.command("check")
        assert code == 0 and "SW330" in said


@pytest.mark.parametrize(("way", "method"), [(NO_LOGIN + XCLIENT, "XCLIENT"), (LOGIN, "LOGIN")])
def test_a_login_by_xclient_or_auth_arrives_at_policy_and_milter_alike(
    sink: Sink, mailboxes: Dovecot, roundcube: Roundcube, way: str, method: str
) -> None:
    authorized = ADDRESS if method == "XCLIENT" else ""
    with Site(sink, mailboxes, 'account = ["auth"]', authorized=authorized) as site:
        roundcube.configure(site.port, way)

        said = [roundcube.browser("eve").send("eve@example.org") for _ in range(MOST + 1)]

        assert said[:MOST] == [""] * MOST and over(said[MOST])
        assert roundcube.browser("bob").send("bob@example.org") == ""
        assert site.used("eve") == MOST
        asked = b"".join(session.asked for session in site.policy.sessions)
        assert {*re.findall(rb"sasl_method=(.*)\n", asked)} == {method.encode()}
        assert {*re.findall(rb"sasl_username=(.*)\n", asked)} == {b"eve", b"bob"}
        macros = b"".join(session.asked for session in site.milter.sessions)
        types = {*re.findall(rb"\{auth_type\}\0(.*?)\0", macros)}
        names = {*re.findall(rb"\{auth_authen\}\0(.*?)\0", macros)}
        print(f"\n  milter: {{auth_type}} {types}, {{auth_authen}} {names}")
        assert (types, names) == ({method.encode()}, {b"eve", b"bob"})


def test_by_roundcubes_received_line_each_browser_has_a_meter(
    sink: Sink, mailboxes: Dovecot, roundcube: Roundcube
) -> None:
    with Site(sink, mailboxes, 'account = ["received"]') as site:
        roundcube.configure(site.port, NO_LOGIN + RECEIVED)
        one, other = roundcube.browser("eve", "127.0.0.3"), roundcube.browser("bob", "127.0.0.4")

        said = [one.send("eve@example.org") for _ in range(MOST + 1)]

        assert said[:MOST] == [""] * MOST and over(said[MOST])
        assert "127.0.0.3" in said[MOST]
        assert other.send("bob@example.org") == ""
        forged = {"X-Forwarded-For": "203.0.113.9"}
        assert over(one.send("eve@example.org", **forged)), "a browser cannot choose its address"
        assert (site.used("[127.0.0.3]"), site.used("[127.0.0.4]"), site.used(f"[{ADDRESS}]")) == (MOST, 1, 0)


def test_who_is_not_the_webmail_is_not_believed_and_his_field_goes(
    sink: Sink, mailboxes: Dovecot, roundcube: Roundcube
) -> None:
    with Site(sink, mailboxes, 'account = ["header"]\nremove = "foreign"') as site:
        roundcube.configure(site.port, NO_LOGIN, FIELD)
        forged = message(headers=[(FIELD, "eve"), (FIELD.upper(), "eve")])
        client = Client(site.port, source="127.0.0.9")

        assert client.send("eve@example.org", ["v@victim.example"], forged).code == 250
        assert roundcube.browser("eve").send("eve@example.org") == ""

        client.quit()
        site.postfix.wait_until_delivered()
        by_sender = {one.recipients: FIELD.lower().encode() in one.text.lower() for one in sink.received}
        assert by_sender == {("v@victim.example",): False, ("eve@example.org",): True}
        assert site.used("eve") == 1
        (other, _eve) = site.sendwarden.events("message")
        assert other["account"] == "[127.0.0.9]" and other["removed"] == [FIELD.upper(), FIELD]


def test_explain_finds_the_account_of_a_message_that_roundcube_sent(
    sink: Sink, mailboxes: Dovecot, roundcube: Roundcube
) -> None:
    with Site(sink, mailboxes, 'account = ["header", "received"]') as site:
        roundcube.configure(site.port, NO_LOGIN + RECEIVED, FIELD)
        assert roundcube.browser("eve").send("eve@example.org") == ""
        site.postfix.wait_until_delivered()
        (received,) = sink.received
        own = re.sub(rb"\AReceived:.*?\r\n(?![ \t])", b"", received.text, count=1, flags=re.DOTALL)
        file = site.sendwarden.folder / "message"
        file.write_bytes(own)

        words = ("--from", "eve@example.org", "--to", "eve@example.org", "--client", ADDRESS)
        code, said = site.sendwarden.command("explain", str(file), *words)

        assert code == 0
        assert f'channel   webmail   (login "eve" by {FIELD}, client {ADDRESS} for 127.0.0.1; ' in said
        assert "account   eve\n" in said
