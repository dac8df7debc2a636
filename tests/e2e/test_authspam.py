"""The main job: the document's own configuration, unchanged, stops a spamming account in front of a real Postfix."""

from collections.abc import Iterator

import pytest

from tests.servers.client import SPAM, Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix, Service
from tests.servers.sendwarden import REFERENCE, Sendwarden, example
from tests.servers.sink import Sink

SENTENCE = "Your account has been sending a lot of messages that appear to be spam. "

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
[accounts]
realms = ["example.org"]
[notify]
smtp = "127.0.0.1:{notify}"
[[channel]]
name = "submission"
login = true
sourcefilter = "file:IMTA_TABLE:authspam.filter"
"""


class Site:
    """Postfix with a submission port, Dovecot's SASL, Sendwarden as milter, and a sink behind it."""

    def __init__(self, sink: Sink, dovecot: Dovecot, options: str = "") -> None:
        self.sink = sink
        self._clients: list[Client] = []
        files = example("authspam")
        files["metermaid.options"] += options
        self.sendwarden = Sendwarden(SETTINGS.format(notify=sink.port), files)
        milter = f"inet:127.0.0.1:{self.sendwarden.milter}"
        submission = Service(
            "submission",
            {
                "smtpd_sasl_auth_enable": "yes",
                "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
                "smtpd_recipient_restrictions": "permit",
                "smtpd_milters": milter,
            },
        )
        self.postfix = Postfix(sink.port, [submission], dovecot.sasl)
        sink.clear()

    def client(self, login: str) -> Client:
        made = Client(self.postfix.ports["submission"], login)
        self._clients.append(made)
        return made

    def stop(self) -> None:
        for client in self._clients:
            client.quit()
        self.postfix.stop()
        self.sendwarden.stop()


@pytest.fixture
def site(sink: Sink, dovecot: Dovecot) -> Iterator[Site]:
    made = Site(sink, dovecot)
    yield made
    made.stop()


def test_the_first_50_recipients_get_theirs_and_the_51st_is_refused_in_smtp_in_the_documents_words(
    site: Site,
) -> None:
    eve = site.client("eve")

    answers = [eve.send("eve@example.org", [f"v{n}@victim.example"], message(headers=[SPAM])) for n in range(53)]

    assert [answer.code for answer in answers] == [250] * 50 + [550] * 3
    for answer in answers[50:]:
        assert answer.text.startswith(f"5.7.1 {SENTENCE}[SW-")
        assert REFERENCE.search(answer.text)
    site.postfix.wait_until_delivered()
    assert site.sink.recipients == [f"v{n}@victim.example" for n in range(50)]
