"""Mail of programs on the mail server, by the real Postfix's sendmail(1): counted for each user or script."""

import json
from collections.abc import Iterator

import pytest

from tests.servers.client import Client, message
from tests.servers.postfix import USERS, Postfix, Service
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

SETTINGS = """
mode = "enforce"
[accounts]
programs = "{apart}"
[site]
domains = ["example.org"]
[[limits]]
name = "scripts"
recipients = "3/10m"
"""
# As in docs/accounts-and-channels.md.
RECEIVED = "/^Received: by [^ ]+ \\(.*, from userid ([0-9]+)\\)[[:space:]]+id ([^;[:space:]]+);/"
SHOWN = f"header_checks = regexp:{{ {{ {RECEIVED} PREPEND X-Local-User: $$1 $$2 }} }}\n"
FORGED = (
    b"Received: by mail.example.org (Postfix, from userid 0)\n\tid 0123456789A; Tue, 24 Nov 2026\n"
    b"X-Local-User: 0 0123456789A\n"
)
PHP = b"X-PHP-Originating-Script: 1000:form.php\n"


class Host:
    """A mail server with programs on it."""

    def __init__(self, sink: Sink, apart: str, checks: str = SHOWN) -> None:
        self.sendwarden = Sendwarden(SETTINGS.format(apart=apart))
        milter = f"inet:127.0.0.1:{self.sendwarden.milter}"
        more = f"non_smtpd_milters = {milter}\nenable_long_queue_ids = no\n{checks}"
        self.postfix = Postfix(sink.port, [Service("smtp", {"smtpd_milters": milter})], "", more)
        self.sink = sink
        sink.clear()

    def program(self, uid: int, headers: bytes = b"") -> None:
        """One message by sendmail(1), as this user: who is not root has to take /etc/postfix."""
        who = f"setpriv --reuid={uid} --regid={USERS['postdrop']} --clear-groups"
        sent = "sendmail -f www@example.org v@x.example"
        mounted = f"mount --bind {self.postfix.folder}/etc /etc/postfix && exec {who} {sent}"
        self.postfix.space.run("sh", "-c", mounted, stdin=headers + b"Subject: a form\n\nText.\n")

    def used(self, account: str) -> int:
        code, said = self.sendwarden.command("limits", "show", account, "--json")
        assert code == 0, said
        found = [one for one in json.loads(said)["channels"] if one["channel"] == "local"]
        return max((int(one["used"]) for one in found[0]["limits"]), default=0) if found else 0

    def stop(self) -> None:
        self.postfix.stop()
        self.sendwarden.stop()


@pytest.fixture
def host(sink: Sink) -> Iterator[Host]:
    made = Host(sink, "uid")
    yield made
    made.stop()


def test_each_user_has_an_account_and_another_ones_field_is_not_believed(host: Host) -> None:
    for _ in range(3):
        host.program(1000)
        host.program(1001, FORGED)
    wait_for("all is counted", lambda: (host.used("[uid:1000]"), host.used("[uid:1001]")) == (3, 3))
    assert host.used("[uid:0]") == 0
    wait_for("it is delivered", lambda: len(host.sink.recipients) == 6)
    host.program(1000)
    wait_for("the fourth is deferred", lambda: host.sendwarden.events("decision"))
    event = host.sendwarden.events("decision")[0]
    assert (event["account"], event["channel"], event["verdict"]) == ("[uid:1000]", "local", "defer")

    command = host.sendwarden.command
    assert command("account", "state", "[uid:1002]", "contained", "--reason", "hacked page")[0] == 0
    host.program(1002)
    verdicts = {"[uid:1000]": "defer", "[uid:1002]": "refuse"}  # what was deferred is tried again
    wait_for(
        "it is refused",
        lambda: verdicts == {e["account"]: e["verdict"] for e in host.sendwarden.events("decision")},
    )


def test_mail_by_smtp_from_the_machine_itself_is_the_machines(host: Host) -> None:
    client = Client(host.postfix.ports["smtp"])
    for _ in range(5):
        assert client.send("www@example.org", ["v@x.example"], FORGED + PHP + message()).code == 250
    client.quit()
    wait_for("it is told", lambda: len(host.sendwarden.events("message")) == 5)
    accounts = {(event["account"], event["channel"]) for event in host.sendwarden.events("message")}
    assert accounts == {("[127.0.0.1]", "submission-noauth-internal")}


@pytest.mark.parametrize(
    ("apart", "checks", "accounts"),
    [
        ("script", SHOWN, {"[script:1000:form.php]", "[uid:33]"}),
        ("uid", "", {"[local]"}),
        ("together", SHOWN, {"[127.0.0.1]"}),
    ],
    ids=["by script", "Postfix shows nothing", "together"],
)
def test_what_programs_are_told_apart_by(sink: Sink, apart: str, checks: str, accounts: set[str]) -> None:
    host = Host(sink, apart, checks)
    try:
        host.program(33, PHP)
        host.program(33)
        wait_for("both are told", lambda: len(host.sendwarden.events("message")) == 2)
        assert {event["account"] for event in host.sendwarden.events("message")} == accounts
    finally:
        host.stop()
