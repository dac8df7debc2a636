"""docs/when-sendwarden-is-down.md, line by line: what real mail servers do while we are away, hung or mad.

No mail is lost: it passes, is held, or the client keeps it. Postfix's own default lets each recipient wait
201 s on a hung policy server; with the lines that we tell people to write it is one time-out. Times are not
asserted, but for the bound that tells the two apart.
"""

import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.servers.broken import FAULTS
from tests.servers.client import Client, message
from tests.servers.postfix import Postfix, Service
from tests.servers.sendmail import Sendmail
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

SETTINGS = """
mode = "enforce"
[[channel]]
name = "all"
sourcefilter = "nothing.sieve"
"""
FILES = {"nothing.sieve": 'if header :is "X-Do" "nothing" { keep; }'}

# The lines of the docs.
MILTER = (
    "{{ inet:127.0.0.1:{}, connect_timeout=2s, command_timeout=2s, content_timeout=3s, default_action={} }}"
)
POLICY = "check_policy_service {{ inet:127.0.0.1:{}, timeout=2s, try_limit=1, default_action=DUNNO }}"

# Far below the 201 s of Postfix's defaults, far above our time-outs.
SOON_S = 30.0


class Mail:
    """Postfix with one service for each default action, and one with the policy service."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.sendwarden = Sendwarden(SETTINGS, FILES)
        relay = {"smtpd_relay_restrictions": "permit_mynetworks, reject"}
        services = [
            Service(action, {**relay, "smtpd_milters": MILTER.format(self.sendwarden.milter, action)})
            for action in ("accept", "quarantine", "tempfail")
        ]
        policy = {**relay, "smtpd_recipient_restrictions": POLICY.format(self.sendwarden.policy)}
        self.postfix = Postfix(sink.port, [*services, Service("policy", policy)])

    def send(self, service: str) -> tuple[int, float]:
        """Send one message; the code of the answer, and how long it took."""
        client = Client(self.postfix.ports[service])
        start = time.monotonic()
        answer = client.send("a@example.org", [f"{service}@victim.example"], message())
        took = time.monotonic() - start
        client.quit()
        return answer.code, took


@pytest.fixture(scope="module")
def mail(sink: Sink) -> Iterator[Mail]:
    made = Mail(sink)
    yield made
    made.postfix.stop()
    made.sendwarden.stop()


@pytest.fixture(autouse=True)
def _clean(mail: Mail, sink: Sink) -> None:
    mail.postfix.delete_held()
    sink.clear()


@pytest.mark.parametrize("fault", FAULTS)
def test_with_accept_mail_passes_unfiltered(mail: Mail, fault: str) -> None:
    with FAULTS[fault](mail.sendwarden):
        code, took = mail.send("accept")

    assert code == 250
    assert took < SOON_S
    wait_for("delivery", lambda: mail.sink.recipients == ["accept@victim.example"])


@pytest.mark.parametrize("fault", FAULTS)
def test_with_quarantine_mail_waits_in_the_hold_queue(mail: Mail, fault: str) -> None:
    with FAULTS[fault](mail.sendwarden):
        code, took = mail.send("quarantine")

    assert code == 250
    assert took < SOON_S
    assert len(mail.postfix.held()) == 1
    assert mail.sink.received == []


@pytest.mark.parametrize("fault", FAULTS)
def test_with_tempfail_the_client_keeps_it_and_it_passes_once_we_are_back(mail: Mail, fault: str) -> None:
    with FAULTS[fault](mail.sendwarden):
        code, took = mail.send("tempfail")

    assert code in (421, 450, 451)
    assert took < SOON_S
    assert mail.send("tempfail")[0] == 250


@pytest.mark.parametrize("fault", FAULTS)
def test_a_policy_service_that_is_down_costs_one_time_out_and_mail_passes(mail: Mail, fault: str) -> None:
    with FAULTS[fault](mail.sendwarden):
        code, took = mail.send("policy")

    assert code == 250
    assert took < SOON_S
    wait_for("delivery", lambda: mail.sink.recipients == ["policy@victim.example"])


def test_a_question_asked_while_we_slept_is_not_answered_late(mail: Mail) -> None:
    with socket.create_connection(("127.0.0.1", mail.sendwarden.policy)) as asking:
        asking.settimeout(10)
        asking.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\n\n")
        assert asking.recv(100) == b"action=DUNNO\n\n"

        mail.sendwarden.process.send_signal(signal.SIGSTOP)
        asking.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\n\n")
        time.sleep(1.5)  # longer than the deadline after which an answer is too late
        mail.sendwarden.process.send_signal(signal.SIGCONT)

        try:
            late = asking.recv(100)
        except ConnectionResetError:
            late = b""
    assert late == b""


def test_with_all_file_descriptors_taken_mail_goes_by_the_default_and_the_log_stays_small(
    sink: Sink,
) -> None:
    sendwarden = Sendwarden(SETTINGS, FILES, prefix=("prlimit", "--nofile=96:96"))
    services = [
        Service(
            "accept",
            {
                "smtpd_relay_restrictions": "permit_mynetworks, reject",
                "smtpd_milters": MILTER.format(sendwarden.milter, "accept"),
            },
        )
    ]
    postfix = Postfix(sink.port, services)
    hoard = [socket.create_connection(("127.0.0.1", sendwarden.milter)) for _ in range(150)]

    client = Client(postfix.ports["accept"])
    answer = client.send("a@example.org", ["v@victim.example"], message())

    assert answer.code == 250
    wait_for("it was told", lambda: sendwarden.warnings("connections-turned-away"))
    size_before = len(sendwarden.output())
    more = [socket.create_connection(("127.0.0.1", sendwarden.milter)) for _ in range(300)]
    for connection in [*hoard, *more]:
        connection.close()
    assert len(sendwarden.output()) - size_before < 10_000, "bytes of log about 300 connections too many"
    wait_for("it serves again", lambda: _negotiates(sendwarden.milter))
    client.quit()
    postfix.stop()
    assert sendwarden.stop() == 0


def _negotiates(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port)) as asking:
        asking.settimeout(5)
        asking.sendall(b"\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")
        try:
            return asking.recv(100)[4:5] == b"O"
        except OSError:
            return False


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("flags", "code"), [("", 250), ("F=T, ", 451)], ids=["no F", "F=T"])
def test_sendmail_passes_or_puts_off_as_its_filter_flags_say(
    sink: Sink, fault: str, flags: str, code: int
) -> None:
    sendwarden = Sendwarden(SETTINGS, FILES)
    sendmail = Sendmail(sink.port, sendwarden.milter, [], flags)
    with FAULTS[fault](sendwarden):
        client = Client(sendmail.port)
        answer = client.send("a@example.org", ["v@victim.example"], message())
        client.quit()

    assert answer.code == code or (code == 451 and answer.code == 421)
    if code == 250:
        wait_for("delivery", lambda: sink.recipients == ["v@victim.example"])
    sendmail.stop()
    sendwarden.stop()
