"""Mail from strangers at a real Postfix: mail bombs, backscatter and networks stop at their limits."""

import time
from collections.abc import Iterator

import pytest

from tests.servers.client import Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix, Service
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
internal = ["10.0.0.0/8"]
[incoming]
limits = ["incoming-network", "incoming-bounces", "incoming-mailbox"]
[[limits]]
name = "incoming-network"
messages = "8/10m"
[[limits]]
name = "incoming-mailbox"
messages = "5/10m"
[[limits]]
name = "incoming-bounces"
messages = "3/10m"
[[limits]]
name = "external"
recipients = []
distinct = "4/10m"
"""
# Counts of this long before a `kill -9` may be lost (DESIGN.md, decision 2).
LOST_AT_MOST_S = 0.25
POLICY = "check_policy_service inet:127.0.0.1:{policy}"
ASKING = {
    "policy": {
        "smtpd_recipient_restrictions": f"{POLICY}, permit",
        "smtpd_end_of_data_restrictions": POLICY,
    },
    "milter": {"smtpd_milters": "inet:127.0.0.1:{milter}"},
    "both": {
        "smtpd_recipient_restrictions": f"{POLICY}, permit",
        "smtpd_end_of_data_restrictions": POLICY,
        "smtpd_milters": "inet:127.0.0.1:{milter}",
    },
}


class Gateway:
    """Postfix that takes mail for example.org from everywhere."""

    def __init__(self, sink: Sink, dovecot: Dovecot, asking: str) -> None:
        self.sendwarden = Sendwarden(SETTINGS)
        ports = {"milter": self.sendwarden.milter, "policy": self.sendwarden.policy}
        asked = {name: value.format(**ports) for name, value in ASKING[asking].items()}
        taken = {
            "mynetworks": "0.0.0.0/0",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_sasl_auth_enable": "yes",
        }
        self.postfix = Postfix(sink.port, [Service("smtp", {**taken, **asked})], dovecot.sasl)

    def send(self, address: str, sender: str, to: str, login: str = "") -> int:
        client = Client(self.postfix.ports["smtp"])
        client.xclient(ADDR=address, NAME="[UNAVAILABLE]", **({"LOGIN": login} if login else {}))
        code = client.send(sender, [to], message()).code
        client.quit()
        return code

    def stop(self) -> None:
        self.postfix.stop()
        self.sendwarden.stop()


@pytest.fixture(params=list(ASKING))
def gate(sink: Sink, dovecot: Dovecot, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    sink.clear()
    made = Gateway(sink, dovecot, request.param)
    yield made
    made.stop()


def test_what_comes_in_stops_at_its_limits_and_our_own_mail_goes_on(gate: Gateway, sink: Sink) -> None:
    bomb = [gate.send(f"198.51.{n}.1", f"news@s{n}.example", "bob@example.org") for n in range(7)]
    assert bomb == [250] * 5 + [450] * 2
    assert gate.send("198.51.100.1", "a@x.example", "anna@example.org") == 250
    backscatter = [gate.send(f"203.0.{n}.1", "", "carol@example.org") for n in range(5)]
    assert backscatter == [250] * 3 + [450] * 2
    network = [gate.send(f"192.0.2.{n}", f"a@n{n}.example", f"u{n}@example.org") for n in range(10)]
    assert network == [250] * 8 + [450] * 2

    own = [gate.send("10.1.2.3", "anna@example.org", "bob@example.org") for _ in range(9)]
    assert own == [250] * 9
    distinct = [
        gate.send("192.0.2.77", "eve@example.org", f"v{n % 6}@victim.example", login="eve") for n in range(12)
    ]
    assert distinct == [250, 250, 250, 250, 450, 450] * 2, "four recipients, however often, and no fifth"

    wait_for("all is delivered", lambda: len(sink.recipients) == 5 + 1 + 3 + 8 + 9 + 8)
    told = {"bob@example.org", "carol@example.org", "192.0.2.0/24"}
    wait_for("all are told", lambda: _told_keys(gate) == told)


def _told_keys(gate: Gateway) -> set[str]:
    reasons = [reason for e in gate.sendwarden.events("decision") for reason in e["reasons"]]  # type: ignore[attr-defined]
    return {reason["key"] for reason in reasons if "key" in reason}


def test_counts_of_incoming_mail_survive_kill_9(sink: Sink, dovecot: Dovecot) -> None:
    gate = Gateway(sink, dovecot, "policy")
    try:
        assert [gate.send("198.51.1.1", "a@x.example", "bob@example.org") for _ in range(5)] == [250] * 5
        recipients = [f"v{n}@victim.example" for n in range(4)]
        assert {gate.send("192.0.2.9", "eve@example.org", to, login="eve") for to in recipients} == {250}
        assert "distinct         4 of 4 in 10m" in gate.sendwarden.command("limits", "show", "eve")[1]
        time.sleep(LOST_AT_MOST_S)
        gate.sendwarden.kill()
        gate.sendwarden.restart()
        wait_for("it is read", lambda: gate.send("198.51.1.1", "a@x.example", "bob@example.org") == 450)
        assert gate.send("192.0.2.9", "eve@example.org", "new@victim.example", login="eve") == 450
        assert gate.send("192.0.2.9", "eve@example.org", recipients[0], login="eve") == 250
    finally:
        gate.stop()
