"""Limits at a real Sendmail with the milter alone: exact, told to the client, and charged only at the end."""

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.servers.address import OUTSIDE
from tests.servers.client import Answer, Client, message
from tests.servers.dovecot import password
from tests.servers.limited import CHANNEL, LIMIT, LOGINS, LimitedSite
from tests.servers.sendmail import Sendmail
from tests.servers.sendwarden import REFERENCE
from tests.servers.sink import Sink
from tests.servers.space import wait_for


class Site(LimitedSite):
    """Sendmail with Sendwarden as its milter."""

    def __init__(self, sink: Sink, settings: str = "") -> None:
        super().__init__(sink, settings)
        self.sendmail = Sendmail(sink.port, self.sendwarden.milter, LOGINS)

    @property
    def port(self) -> int:
        return self.sendmail.port

    def log(self) -> str:
        return (self.sendmail.folder / "output").read_text()

    def stop(self) -> None:
        self.sendmail.stop()

    def delivered(self, recipients: int) -> None:
        """Wait until so many are, and see that none comes behind them."""
        wait_for(f"{recipients} delivered", lambda: len(self.sink.recipients) >= recipients)
        wait_for("no other waits", lambda: not [one for one in self.sendmail.queued() if one[:2] == "qf"])
        assert len(self.sink.recipients) == recipients


@pytest.fixture
def site(sink: Sink) -> Iterator[Site]:
    with Site(sink) as made:
        yield made


def send(client: Client, recipients: int = 1, sender: str = "eve@example.org") -> Answer:
    return client.send(sender, [f"v{n}@victim.example" for n in range(recipients)], message())


# --- exact


def test_exactly_the_limit_goes_through_and_then_the_client_reads_why(site: Site) -> None:
    eve = site.client()
    answers = [send(eve) for _ in range(LIMIT + 3)]

    assert [answer.code for answer in answers] == [250] * LIMIT + [450] * 3
    said = answers[LIMIT].text
    print(f"\nrefused by Sendmail: {answers[LIMIT].code} {said}")
    assert said.startswith(
        "4.7.1 eve has used 40 of 40 recipients in 10m, on channel submission-auth-external;"
    )
    assert "https://help.example.org/limits" in said
    assert REFERENCE.fullmatch(said.split(" ")[-1])
    assert [send(site.client("bob")).code for _ in range(2)] == [250] * 2
    assert (site.used(), site.used("bob")) == (LIMIT, 2)
    site.delivered(LIMIT + 2)


def test_each_recipient_of_a_message_counts(site: Site) -> None:
    eve = site.client()

    assert [send(eve, many).code for many in (15, 20, 6, 5, 1)] == [250, 250, 450, 250, 450]
    assert site.used() == LIMIT
    site.delivered(LIMIT)


def test_20_sessions_at_a_time_get_exactly_the_limit(site: Site) -> None:
    clients = [site.client() for _ in range(20)]
    found: list[int] = []

    def pour(client: Client) -> None:
        found.extend(send(client).code for _ in range(4))

    threads = [threading.Thread(target=pour, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (found.count(250), found.count(450)) == (LIMIT, 80 - LIMIT)
    assert site.used() == LIMIT
    site.delivered(LIMIT)


def test_recipients_that_sendmail_refuses_are_not_counted(site: Site) -> None:
    eve = site.client()
    assert eve.command("MAIL FROM:<eve@example.org>") == 250
    assert [eve.command(f"RCPT TO:<nobody@v{n}.example>") for n in range(5)] == [550] * 5
    assert [eve.command(f"RCPT TO:<v{n}@victim.example>") for n in range(3)] == [250] * 3
    assert eve.data(message()) == 250

    assert site.used() == 3


def test_a_bounce_is_charged_to_nobody_but_one_with_a_login_is(site: Site) -> None:
    relay, eve = site.client(""), site.client()

    assert [send(relay, 30, "").code for _ in range(3)] == [250] * 3
    assert send(eve, 1, "").code == 250
    code, said = site.sendwarden.command("account", "top", "--json")
    accounts = [json.loads(line)["account"] for line in said.splitlines()]
    assert (code, accounts, site.used()) == (0, ["eve"], 1)


# --- what does not come to its end


def hang_up(port: int, lines: list[str]) -> int:
    """Say these lines as eve, begin another, and go away; the code of the last answer."""
    login = b64encode(f"\0eve\0{password('eve')}".encode()).decode()
    with socket.create_connection(("127.0.0.1", port), 30, (OUTSIDE, 0)) as connection:
        answers = connection.makefile("rb")
        answers.readline()
        for line in ("EHLO client.example.org", f"AUTH PLAIN {login}", *lines):
            connection.sendall(f"{line}\r\n".encode())
            while (answer := answers.readline())[3:4] == b"-":
                pass
        connection.sendall(b"Half a li")
        answers.close()
        return int(answer[:3])


BEGUN = ["MAIL FROM:<eve@example.org>", *(f"RCPT TO:<v{n}@victim.example>" for n in range(LIMIT))]


@pytest.mark.parametrize(
    ("lines", "last"), [(BEGUN, 250), ([*BEGUN, "DATA"], 354)], ids=["before DATA", "in its text"]
)
def test_a_connection_that_is_lost_leaves_nothing_charged(site: Site, lines: list[str], last: int) -> None:
    for _ in range(3):
        assert hang_up(site.sendmail.port, lines) == last

    assert site.used() == 0
    assert [send(site.client(), many).code for many in (LIMIT, 1)] == [250, 450]
    site.delivered(LIMIT)


def test_a_message_that_its_client_resets_leaves_nothing_charged(site: Site) -> None:
    eve = site.client()
    for _ in range(LIMIT):
        eve.begin_and_reset("eve@example.org", "v@victim.example")

    assert [send(eve, many).code for many in (LIMIT, 1)] == [250, 450]


# --- over the limit


@pytest.mark.parametrize(
    ("over", "code", "begins"),
    [("refuse", 550, "5.7.1 eve has used 40"), ("discard", 250, ""), ("hold", 250, "")],
)
def test_what_happens_over_the_limit_is_the_channels_choice(
    sink: Sink, over: str, code: int, begins: str
) -> None:
    with Site(sink, CHANNEL.format(over)) as site:
        eve = site.client()
        send(eve, LIMIT)
        answers = [send(eve) for _ in range(2)]

        assert [answer.code for answer in answers] == [code] * 2
        assert answers[0].text.startswith(begins)
        site.delivered(LIMIT)
        assert [one[:2] for one in site.sendmail.queued()].count("hf") == (2 if over == "hold" else 0)
