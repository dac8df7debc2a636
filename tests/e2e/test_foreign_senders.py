"""Sender identity at a real Postfix with Dovecot's logins: what becomes of a foreign sender."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.servers.client import Answer, Client
from tests.servers.dovecot import Dovecot
from tests.servers.front import SUBMISSION, Front
from tests.servers.postfix import Postfix, Service
from tests.servers.sendwarden import REFERENCE, Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

SETTINGS = """
mode = "{mode}"
[site]
domains = ["example.org"]
[accounts]
realms = ["example.org"]
[[channel]]
name = "submission"
login = true
senders = "own"
header_from = "own"
foreign_sender = "{action}"
"""
# Postfix's own form: who may use what.
SENDERS = "info@example.org  eve, bob\n"
VICTIM = ["v@victim.example"]


@dataclass
class Site:
    """Postfix with the milter, and a client that is logged in as eve."""

    front: Front
    eve: Client = field(init=False)

    def __post_init__(self) -> None:
        self.eve = self.front.submission("eve")

    def send(self, *headers: str, sender: str = "eve@example.org") -> Answer:
        text = "".join(f"{header}\r\n" for header in (*headers, "Subject: a message"))
        return self.eve.send(sender, VICTIM, f"{text}\r\nText.\r\n".encode())

    def delivered(self) -> list[str]:
        """What has arrived at the sink."""
        self.front.postfix.wait_until_delivered()
        return [received.text.decode() for received in self.front.sink.received]

    def mismatches(self, number: int) -> list[dict[str, object]]:
        kind = "sender-mismatch"
        wait_for("the event log", lambda: len(self.front.sendwarden.events(kind)) >= number)
        return self.front.sendwarden.events(kind)


@pytest.fixture
def site(request: pytest.FixtureRequest, sink: Sink, dovecot: Dovecot) -> Iterator[Site]:
    mode, action = request.param
    settings = SETTINGS.replace("{mode}", mode).replace("{action}", action)
    with Front(sink, dovecot, settings, {"senders": SENDERS}) as front:
        yield Site(front)


def on(action: str, mode: str = "enforce") -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", [(mode, action)], indirect=True, ids=[f"{action}-{mode}"])


HER_OWN = [
    ("From: Eve <EVE+news@example.org>",),
    ("From: Info\r\n <info@example.org>",),
    ("Resent-From: eve@example.org", "Resent-Date: Mon, 1 Jan 2024 00:00:00 +0000", "From: x@mail.example"),
]
# Headers -> the reason, the field, and what it names.
FOREIGN: dict[str, tuple[tuple[str, ...], tuple[str, str, str]]] = {
    "plain": (("From: The Boss <boss@example.org>",), ("foreign-header", "From", "boss@example.org")),
    "folded": (("From: Boss\r\n\t<boss@\r\n example.org>",), ("foreign-header", "From", "boss@example.org")),
    "name": (('From: "boss@example.org" <eve@example.org>',), ("display-name", "From", "boss@example.org")),
    "encoded name": (
        ("From: =?utf-8?b?Ym9zc0BleGFtcGxlLm9yZw==?= <eve@example.org>",),
        ("display-name", "From", "boss@example.org"),
    ),
    "two fields": (("From: eve@example.org", "From: info@example.org"), ("several-from", "From", "")),
    "group": (("From: Team: x@evil.example;",), ("foreign-header", "From", "x@evil.example")),
    "resent": (
        ("Resent-From: boss@example.org", "From: eve@example.org"),
        ("foreign-header", "Resent-From", "boss@example.org"),
    ),
}  # fmt: skip


@on("refuse")
def test_a_foreign_from_is_refused_and_her_own_passes(site: Site) -> None:
    assert [site.send(*headers).code for headers in HER_OWN] == [250] * len(HER_OWN)
    answers = [site.send(*headers) for headers, _event in FOREIGN.values()]
    at_mail = site.send("From: eve@example.org", sender="boss@example.org")

    assert [answer.code for answer in answers] == [550] * len(FOREIGN)
    assert all(answer.text.startswith("5.7.1 ") and REFERENCE.search(answer.text) for answer in answers)
    assert at_mail.code == 550 and 'envelope sender "boss@example.org"' in at_mail.text
    assert len(site.delivered()) == len(HER_OWN)
    told = site.mismatches(len(FOREIGN) + 1)
    assert [(one["reason"], one["header"], one.get("named", "")) for one in told] == [
        *(event for _headers, event in FOREIGN.values()),
        ("foreign-sender", "envelope", "boss@example.org"),
    ]
    assert {one["login"] for one in told} == {"eve"}
    reference = REFERENCE.search(answers[0].text)
    assert reference
    code, said = site.front.sendwarden.command("why", reference[1])
    assert code == 0 and 'From names "boss@example.org", which does not belong to "eve"' in said


@on("hold")
def test_a_foreign_from_is_held_in_the_queue(site: Site) -> None:
    assert site.send("From: boss@example.org").code == 250
    assert site.send("From: eve@example.org", sender="boss@example.org").code == 250
    assert site.send("From: eve@example.org").code == 250

    wait_for("two are held", lambda: len(site.front.postfix.held()) == 2)
    held = site.front.postfix.held()
    assert sorted(str(message["sender"]) for message in held) == ["boss@example.org", "eve@example.org"]
    (text,) = site.delivered()
    assert "From: eve@example.org" in text
    assert {one["queue_id"] for one in site.mismatches(2)} == {message["queue_id"] for message in held}


@on("tag")
def test_a_foreign_from_is_tagged_and_delivered(site: Site) -> None:
    assert site.send("From: boss@example.org").code == 250
    (tagged,) = site.delivered()
    site.front.sink.clear()
    assert site.send("From: eve@example.org").code == 250
    (plain,) = site.delivered()

    (event,) = site.mismatches(1)
    assert f"\r\nX-Sendwarden-Sender: mismatch [{event['reference']}]\r\n" in tagged
    assert "X-Sendwarden-Sender" not in plain


@on("allow")
def test_a_foreign_from_that_is_allowed_arrives_as_it_was_and_is_told(site: Site) -> None:
    assert site.send("From: boss@example.org").code == 250
    assert site.send("From: eve@example.org", sender="").code == 250

    assert all("X-Sendwarden" not in text for text in site.delivered())
    (event,) = site.mismatches(1)
    assert (event["named"], event["verdict"]) == ("boss@example.org", "accept")


@pytest.mark.parametrize(
    "site", [("watch", action) for action in ("refuse", "hold", "tag")], indirect=True, ids=str
)
def test_watching_only_every_message_arrives_untouched_and_every_mismatch_is_told(site: Site) -> None:
    for headers, _event in FOREIGN.values():
        assert site.send(*headers).code == 250
    assert site.send("From: eve@example.org", sender="boss@example.org").code == 250

    texts = site.delivered()
    assert len(texts) == len(FOREIGN) + 1 and all("X-Sendwarden" not in text for text in texts)
    assert all(event["watched"] for event in site.mismatches(len(FOREIGN) + 1))


def test_the_policy_service_alone_holds_a_foreign_envelope_sender_once_for_all_recipients(
    sink: Sink, dovecot: Dovecot
) -> None:
    sink.clear()
    settings = SETTINGS.replace("{mode}", "enforce").replace("{action}", "hold")
    sendwarden = Sendwarden(settings, {"senders": SENDERS})
    asks = f"check_policy_service inet:127.0.0.1:{sendwarden.policy}, permit"
    services = [Service("submission", {**SUBMISSION, "smtpd_recipient_restrictions": asks})]
    postfix = Postfix(sink.port, services, dovecot.sasl)
    eve = Client(postfix.ports["submission"], "eve")
    recipients = [f"v{number}@victim.example" for number in range(3)]
    try:
        for sender in ("boss@example.org", "info@example.org", "boss@example.org"):
            assert eve.send(sender, recipients, b"Subject: a\r\n\r\nText.\r\n").code == 250

        wait_for("two are held", lambda: len(postfix.held()) == 2)
        postfix.wait_until_delivered()
        assert [received.sender for received in sink.received] == ["info@example.org"]
        wait_for("the event log", lambda: len(sendwarden.events("sender-mismatch")) >= 2)
        assert len(sendwarden.events("sender-mismatch")) == 2
    finally:
        eve.quit()
        postfix.stop()
        sendwarden.stop()
