"""Access tables at a real Postfix, by milter and by policy: the trust ladder, and each kind of effect."""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from tests.servers.client import Answer, Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix, Service
from tests.servers.sendwarden import EXAMPLES, REFERENCE, Sendwarden, example
from tests.servers.sink import Sink
from tests.servers.space import wait_for

PERMIT = {
    "mynetworks": "0.0.0.0/0",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
}
# How a Postfix asks us, by the frontend: with everything said at RCPT (its default), and at once.
ASKING = {
    "milter": {"smtpd_milters": "inet:127.0.0.1:{milter}"},
    "policy": {"smtpd_recipient_restrictions": "check_policy_service inet:127.0.0.1:{policy}, permit"},
    "policy, each step": {
        "smtpd_delay_reject": "no",
        "smtpd_client_restrictions": "check_policy_service inet:127.0.0.1:{policy}",
        "smtpd_sender_restrictions": "check_policy_service inet:127.0.0.1:{policy}",
        "smtpd_recipient_restrictions": "check_policy_service inet:127.0.0.1:{policy}, permit",
    },
}


class Site:
    """Postfix that asks in one way, Sendwarden with settings and files, and a sink. Use as a context."""

    def __init__(
        self, sink: Sink, dovecot: Dovecot, asking: str, settings: str, files: dict[str, str]
    ) -> None:
        self.sink = sink
        frontends = asking.partition(",")[0]
        access = f'\n[access]\nfrontends = "{frontends}"\n'
        self.sendwarden = Sendwarden(settings + access, files)
        ports = {"milter": self.sendwarden.milter, "policy": self.sendwarden.policy}
        options = {name: value.format(**ports) for name, value in ASKING[asking].items()}
        self.postfix = Postfix(sink.port, [Service("smtp", {**PERMIT, **options})], dovecot.sasl)
        self._clients: list[Client] = []
        sink.clear()

    def client(self, address: str, login: str = "") -> Client:
        """A client at an address, as Postfix sees it."""
        client = Client(self.postfix.ports["smtp"])
        self._clients.append(client)
        client.xclient(ADDR=address, NAME="[UNAVAILABLE]", **({"LOGIN": login} if login else {}))
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.quit()
        self.postfix.stop()
        self.sendwarden.stop()
        if error:
            print(self.sendwarden.output(), self.postfix.log()[-3000:])


# --- the ladder

# Quotas small enough to be reached; the settings are the example's own.
QUOTAS = {"send_int_auth": 8, "send_int_noauth": 6, "send_ext_auth": 4, "send_webmail": 2}
LEVELS = {
    "inside, with a login": ("10.1.2.3", "eve", 8),
    "inside, without a login": ("10.1.2.3", "", 6),
    "outside, with a login": ("198.51.100.7", "eve", 4),
    "by webmail": ("192.0.2.80", "eve", 2),
}
WORDS = {
    "inside, with a login": "Too many messages, try again later.",
    "inside, without a login": "Too many messages without a login, try again later.",
    "outside, with a login": "Too many messages from outside, try again later.",
    "by webmail": "Too many messages by webmail, try again later.",
}


@pytest.mark.parametrize("asking", ASKING)
def test_each_level_of_the_ladder_has_its_own_number_of_messages(
    sink: Sink, dovecot: Dovecot, asking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = example("trust-ladder")
    files["metermaid.options"] += "".join(f"metermaid.table.{t}.quota = {q}\n" for t, q in QUOTAS.items())
    settings = (EXAMPLES / "trust-ladder" / "sendwarden.toml").read_text()
    settings = "\n".join(line for line in settings.splitlines() if not line.startswith("version"))
    settings = settings.replace('mode = "watch"', 'mode = "enforce"')
    with Site(sink, dovecot, asking, settings, files) as site:
        passed, refusals = {}, {}
        for level, (address, login, _quota) in LEVELS.items():
            client = site.client(address, login)
            answers = [
                client.send("eve@example.org", [f"a{n}@victim.example", f"b{n}@victim.example"], message())
                for n in range(10)
            ]
            passed[level] = sum(answer.code == 250 for answer in answers)
            refusals[level] = [answer for answer in answers if answer.code != 250]
        stranger = site.client("203.0.113.9")
        outside = [
            stranger.send("x@elsewhere.example", ["bob@example.org"], message()).code for _ in range(10)
        ]
        site.postfix.wait_until_delivered()

    with capsys.disabled():
        print(f"\ntrust ladder by {asking}: of 10 messages each, passed: {passed}; strangers: {len(outside)}")
    assert passed == {level: quota for level, (_address, _login, quota) in LEVELS.items()}
    for level, answers in refusals.items():
        for answer in answers:
            assert answer.code == 450 and WORDS[level] in answer.text and "4.7.1" in answer.text
            assert REFERENCE.search(answer.text)
    assert outside == [250] * 10
    assert len(site.sink.recipients) == 2 * sum(QUOTAS.values()) + 10


# --- each effect

MAPPINGS = r"""
PORT_ACCESS

  TCP|127.0.0.1|{port}|192.0.2.66|*  $N554$ Not$ from$ here
  TCP|*|*|192.0.2.68|*               $YMARKED

FROM_ACCESS

  TCP|127.0.0.1|*|*|*|SMTP*|MAIL|tcp_all|no@*|  $X5.7.8|$NNot$ as$ $4
  *|added@*|*   $AX-Trust:$ low
  *|held@*|*    $H
  *|gone@*|*    $V
  *|changed@*|* new@example.org|sender@example.org|$J$K
  *|slow@*|*    $D-30
  *|told@*|*    $<seen$ $1

MAIL_ACCESS

  *|tcp_all|*|ims-ms|*    $Y
  *|tcp_local|no@*        $X4.2.1|$NNot$ now$E
  *|tcp_local|bucket@*    $B
  *|tcp_local|count@*     $[IMTA_LIB:check_metermaid.so,throttle,recipients,$0]$NEnough
"""
SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
[[channel]]
name = "marked"
macros = { "{port_access}" = "MARKED" }
mode = "watch"
[[channel]]
name = "all"
mta_channel = "tcp_all"
"""
OPTIONS = "metermaid.table.recipients.quota = 3\nmetermaid.table.recipients.quota_time = 3600\n"


@pytest.fixture(scope="module", params=["milter", "policy"])
def site(request: pytest.FixtureRequest, sink: Sink, dovecot: Dovecot) -> Iterator[Site]:
    files = {"mappings": MAPPINGS.replace("{port}", "*"), "metermaid.options": OPTIONS}
    with Site(sink, dovecot, request.param, SETTINGS, files) as made:
        made.asking = request.param  # type: ignore[attr-defined]
        yield made


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest, sink: Sink) -> None:
    if "site" in request.fixturenames:
        request.getfixturevalue("site").postfix.delete_held()
    sink.clear()


def by_milter(site: Site) -> bool:
    return site.asking == "milter"  # type: ignore[attr-defined, no-any-return]


def send(site: Site, sender: str, *recipients: str, address: str = "192.0.2.20") -> Answer:
    return site.client(address).send(sender, recipients or ("v@victim.example",), message())


def test_a_refused_connection_gets_nothing_through(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    refused = send(site, "eve@example.org", address="192.0.2.66")
    with capsys.disabled():
        print(f"\nPORT_ACCESS refuses, the client hears: {refused.code} {refused.text}")

    assert refused.code >= 500 and ("Not from here" in refused.text or by_milter(site))


def test_a_sender_is_refused_with_the_tables_words_and_why_explains_it(site: Site) -> None:
    refused = send(site, "no@example.org")

    assert refused.code == 550 and "5.7.8" in refused.text
    found = REFERENCE.search(refused.text)
    assert found and "Not as example.org" in refused.text
    code, said = site.sendwarden.command("why", found[1])
    assert code == 0 and "table FROM_ACCESS (mappings:9) refuses" in said
    assert "|192.0.2.20|" in said


def test_one_recipient_is_refused_alone(site: Site) -> None:
    client = site.client("192.0.2.20")
    codes = [client.command("MAIL FROM:<eve@example.org>")]
    codes += [client.command(f"RCPT TO:<{name}@victim.example>") for name in ("v", "no", "w")]
    codes.append(client.data(message()))

    site.postfix.wait_until_delivered()
    assert codes == [250, 250, 450, 250, 250]
    assert site.sink.recipients == ["v@victim.example", "w@victim.example"]


def test_a_counted_recipient_is_counted_once(site: Site) -> None:
    client = site.client("192.0.2.20")
    codes = [client.command("MAIL FROM:<counting@example.org>")]
    codes += [client.command(f"RCPT TO:<count@{n}.example>") for n in range(5)]

    assert codes == [250, 250, 250, 250, 550, 550]


def test_a_header_is_added(site: Site) -> None:
    assert send(site, "added@example.org").code == 250

    wait_for("the message", lambda: site.sink.received)
    assert b"\nX-Trust: low" in b"\n" + site.sink.received[0].text


def test_mail_is_held_or_goes_nowhere(site: Site) -> None:
    assert send(site, "held@example.org").code == 250
    assert send(site, "gone@example.org").code == 250

    assert len(site.postfix.held()) == 1
    site.postfix.wait_until_delivered()
    assert site.sink.received == []


def test_a_discard_for_one_recipient_leaves_the_others(site: Site) -> None:
    assert send(site, "eve@example.org", "v@victim.example", "bucket@victim.example").code == 250

    site.postfix.wait_until_delivered()
    expected = ["v@victim.example"] if by_milter(site) else ["v@victim.example", "bucket@victim.example"]
    assert sorted(site.sink.recipients) == sorted(expected)
    if not by_milter(site):
        wait_for("the warning", lambda: site.sendwarden.warnings("access-by-policy"))


def test_a_milter_changes_the_sender_and_its_field_and_policy_says_that_it_cannot(site: Site) -> None:
    assert send(site, "changed@example.org").code == 250

    wait_for("the message", lambda: site.sink.received)
    received = site.sink.received[0]
    if by_milter(site):
        assert received.sender == "new@example.org" and b"Sender: sender@example.org" in received.text
    else:
        assert received.sender == "changed@example.org"
        wait_for("the warning", lambda: site.sendwarden.warnings("access-by-policy"))


def test_what_a_table_tells_stands_in_the_event_log(site: Site) -> None:
    assert send(site, "told@example.org").code == 250
    assert send(site, "slow@example.org").code == 250

    wait_for("the event", lambda: site.sendwarden.events("access"))
    event = site.sendwarden.events("access")[-1]
    assert (event["table"], event["entry"]) == ("FROM_ACCESS", "mappings:15")
    assert str(event["text"]).startswith("seen ")


def test_a_tag_of_the_connection_is_a_condition_of_a_channel(site: Site) -> None:
    """Only a milter keeps it: a policy request says nothing of an earlier one."""
    answer = send(site, "no@example.org", address="192.0.2.68")

    assert answer.code == (250 if by_milter(site) else 550)
