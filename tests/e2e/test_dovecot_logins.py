"""Dovecot asks about each login: a contained account gets in nowhere, and everybody does while we are away.

A real Dovecot with the lines that ``connect dovecot`` prints for it, IMAP, and a Postfix whose SMTP AUTH is
Dovecot's. A wire tap between Dovecot and us counts what was asked.
"""

import base64
import http.client
import imaplib
import json
import re
import shlex
import signal
import smtplib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers.broken import garbage_at
from tests.servers.client import Client, message
from tests.servers.contained import FILE
from tests.servers.dovecot import Dovecot, password
from tests.servers.front import SUBMISSION
from tests.servers.postfix import Postfix, Service
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import free_port, listens, wait_for
from tests.servers.tap import Tap

SECRET = "not: everybody's"  # noqa: S105 - of this test alone
OURS = "95-sendwarden.conf"
# Dovecot's two questions with their time-out of 2 s, one report that nobody waits for, and a busy machine.
SOON_S = 15.0


class WithStates(Sendwarden):
    """The daemon, told by a file who is contained."""

    program = "tests.servers.contained"

    def __init__(self, mode: str = "enforce") -> None:
        self.login = free_port()
        self.mode = mode
        super().__init__(f'mode = "{mode}"', listen=self._listen(SECRET))

    def _listen(self, secret: str) -> str:
        return f'login = "127.0.0.1:{self.login}"\nlogin_secret = "{secret}"\n'

    def change(self, old: str, new: str) -> None:
        """Change the settings, and have them read."""
        file = self.folder / "sendwarden.toml"
        file.write_text(file.read_text().replace(old, new))
        self.reload()

    def contain(self, *accounts: str) -> None:
        (self.folder / FILE).write_text("".join(f"{account}\n" for account in accounts))

    def logins(self) -> list[dict[str, object]]:
        return self.events("login")


class Site:
    """Dovecot that asks us through a tap, Postfix that asks Dovecot."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.dovecot = Dovecot(["eve", "bob"], imap=True)
        self.sendwarden = WithStates()
        self.tap = Tap(self.sendwarden.login)
        self.postfix = Postfix(sink.port, [Service("submission", SUBMISSION)], self.dovecot.sasl)
        self.printed = self.connect()
        self.write(self.lines())

    def connect(self, *words: str) -> str:
        """What ``connect dovecot`` prints where Dovecot is."""
        command = [sys.executable, "-m", "sendwarden", "connect", "dovecot"]
        command += ["--config", str(self.sendwarden.folder), *words]
        return self.dovecot.space.run("sh", "-c", f"{shlex.join(command)} 2>&1")

    def lines(self, secret: str = SECRET, port: int = 0) -> str:
        """The lines printed, as somebody would write them into the file, with the secret; or another port."""
        said = self.printed.partition(f"{OURS}:\n")[2]
        text = "".join(re.findall(r"^  (auth_policy_.*\n)", said, re.MULTILINE))
        token = base64.b64encode(f"wforce:{secret}".encode()).decode()
        return text.replace("BASE64", token).replace(
            str(self.sendwarden.login), str(port or self.sendwarden.login)
        )

    def write(self, lines: str) -> None:
        (self.dovecot.more / OURS).write_text(lines)
        self.reload()

    def reload(self) -> None:
        """As the command says: Postfix would go on to ask the process of Dovecot that it asks already."""
        self.dovecot.reload()
        self.postfix.space.run("postfix", "-c", f"{self.postfix.folder}/etc", "reload")

    def imap(self, login: str, its_password: str = "") -> str:
        """Log in; "OK", or what the server said."""
        with imaplib.IMAP4("127.0.0.1", self.dovecot.imap, timeout=60) as client:
            try:
                return client.login(login, its_password or password(login))[0]
            except imaplib.IMAP4.error as refused:
                return str(refused)

    def smtp(self, login: str) -> str:
        """Log in and send; "OK", or what the server said to AUTH."""
        try:
            client = Client(self.postfix.ports["submission"], login)
        except smtplib.SMTPAuthenticationError as refused:
            return f"{refused.smtp_code} {refused.smtp_error!r}"
        answer = client.send(f"{login}@example.org", ["v@victim.example"], message())
        client.quit()
        return "OK" if answer.code == 250 else answer.text

    def asked(self) -> list[str]:
        """The commands of all questions since the last `forget`."""
        text = b"".join(session.asked for session in self.tap.sessions).decode()
        return re.findall(r"POST /\?command=(\w+) HTTP/1.1\r\n", text)

    def bodies(self) -> list[dict[str, object]]:
        text = b"".join(session.asked for session in self.tap.sessions).decode()
        return [json.loads(body) for body in re.findall(r"\r\n\r\n(\{.*?\})(?=POST|$)", text, re.DOTALL)]

    def stop(self) -> None:
        self.postfix.stop()
        self.dovecot.stop()
        self.tap.stop()
        self.sendwarden.stop()


@pytest.fixture(scope="module")
def site(sink: Sink) -> Iterator[Site]:
    made = Site(sink)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _clean(site: Site) -> None:
    site.sendwarden.contain()


@pytest.fixture
def tapped(site: Site) -> Iterator[Site]:
    """The site with the tap between Dovecot and us."""
    site.write(site.lines(port=site.tap.port))
    yield site
    site.write(site.lines())


def since(site: Site) -> tuple[int, int]:
    return len(site.asked()), len(site.sendwarden.logins())


def test_the_printed_lines_are_those_for_the_dovecot_that_is_here(site: Site) -> None:
    found = r"Dovecot 2\.3\.[\d.]+ is here\.\nFor Dovecot 2\.3, as /etc/dovecot/conf\.d/"
    assert re.match(found, site.printed)
    assert "For Dovecot 2.4" not in site.printed and "lets everybody in" in site.printed
    both = site.connect("--print")
    assert "For Dovecot 2.3," in both and "For Dovecot 2.4 and later (by its documentation" in both
    assert SECRET not in both and "BASE64" in both


def test_allow_is_asked_twice_a_login_and_only_the_report_is_an_event(tapped: Site) -> None:
    site = tapped
    asked, events = since(site)

    assert site.imap("bob") == "OK"
    wait_for("the report", lambda: len(site.sendwarden.logins()) > events)

    assert site.asked()[asked:] == ["allow", "allow", "report"]
    (event,) = site.sendwarden.logins()[events:]
    print(f"\n  asked: {site.asked()[asked:]}\n  event: {event}")
    expected = {"account": "bob", "login": "bob", "protocol": "imap", "remote": "127.0.0.1"}
    assert expected.items() <= event.items()
    assert (event["success"], event["refused_by_us"], event["tls"]) == (True, False, False)
    body = site.bodies()[-1]
    print(f"  body of the report: {body}")
    assert body["session_id"] and str(body["session_id"]) not in json.dumps(site.sendwarden.events())
    assert re.fullmatch(r"[0-9a-f]{16}", str(event["session"]))


def test_a_wrong_password_is_an_event_that_says_so(site: Site) -> None:
    _asked, events = since(site)

    assert "AUTHENTICATIONFAILED" in site.imap("bob", "wrong")

    wait_for("the report", lambda: len(site.sendwarden.logins()) > events)
    (event,) = site.sendwarden.logins()[events:]
    assert (event["success"], event["refused_by_us"]) == (False, False)


def test_a_contained_account_gets_in_neither_by_imap_nor_by_smtp_and_others_do(tapped: Site) -> None:
    site = tapped
    _asked, events = since(site)
    assert site.imap("eve") == site.smtp("eve") == "OK"
    wait_for("both reports", lambda: len(site.sendwarden.logins()) == events + 2)
    site.sendwarden.contain("eve")
    asked, events = since(site)

    by_imap, by_smtp = site.imap("eve"), site.smtp("eve")

    print(f"\n  IMAP: {by_imap}\n  SMTP: {by_smtp}")
    assert "logging in to this account is stopped to protect it; please ask your postmaster" in by_imap
    assert by_smtp.startswith("535")
    # The client tries PLAIN, then LOGIN, and is refused each time before anybody looks at a password.
    wait_for("all reports", lambda: len(site.sendwarden.logins()) == events + 3)
    assert site.asked()[asked:] == ["allow", "report"] * 3
    ended = [(e["protocol"], e["success"], e["refused_by_us"]) for e in site.sendwarden.logins()[events:]]
    assert ended == [("imap", False, True), ("smtp", False, True), ("smtp", False, True)]
    refused = site.sendwarden.events("login-refused")[-3:]
    assert [(e["account"], e["protocol"], e["watched"]) for e in refused] == [
        ("eve", "imap", False),
        ("eve", "smtp", False),
        ("eve", "smtp", False),
    ]
    assert site.imap("bob") == site.smtp("bob") == "OK"


def test_another_spelling_of_a_contained_account_does_not_get_in(site: Site) -> None:
    site.sendwarden.contain("eve")

    assert "is stopped to protect it" in site.imap("EVE", password("eve"))


def test_while_only_watching_a_contained_account_gets_in_and_it_is_told(site: Site) -> None:
    site.sendwarden.change('mode = "enforce"', 'mode = "watch"')
    site.sendwarden.contain("eve")

    assert site.imap("eve") == "OK"

    wait_for("it is told", lambda: site.sendwarden.events("login-refused")[-1]["watched"])
    site.sendwarden.change('mode = "watch"', 'mode = "enforce"')
    assert "is stopped" in site.imap("eve")


@contextmanager
def stopped(site: Site) -> Iterator[None]:
    assert site.sendwarden.stop() == 0
    yield
    site.sendwarden.restart()


@contextmanager
def suspended(site: Site) -> Iterator[None]:
    site.sendwarden.process.send_signal(signal.SIGSTOP)
    yield
    site.sendwarden.process.send_signal(signal.SIGCONT)


@contextmanager
def mad(site: Site) -> Iterator[None]:
    site.sendwarden.stop()
    with garbage_at(site.sendwarden.login):
        yield
    site.sendwarden.restart()


FAULTS = {"stopped": stopped, "suspended": suspended, "garbage": mad}


@pytest.mark.parametrize("fault", FAULTS)
def test_while_we_are_away_dovecot_lets_everybody_in_the_contained_too(site: Site, fault: str) -> None:
    site.sendwarden.contain("eve")
    before = len(site.dovecot.log())

    with FAULTS[fault](site):
        start = time.monotonic()
        by_imap = site.imap("eve")
        took = time.monotonic() - start
        by_smtp = site.smtp("eve")

    said = re.findall(r"auth: Error: (policy.*)", site.dovecot.log()[before:])
    print(f"\n  {fault}: IMAP {by_imap} after {took:.1f} s, SMTP {by_smtp}; Dovecot's log: {said[:1]}")
    assert by_imap == by_smtp == "OK"
    assert took < SOON_S
    assert said, "Dovecot's log tells"
    wait_for("it is asked again", lambda: "is stopped" in site.imap("eve"))


def test_where_dovecot_is_told_to_reject_nobody_gets_in_while_we_are_away(site: Site) -> None:
    site.write(site.lines().replace("reject_on_fail = no", "reject_on_fail = yes"))
    assert site.imap("bob") == site.smtp("bob") == "OK"

    with stopped(site):
        by_imap, by_smtp = site.imap("bob"), site.smtp("bob")

    print(f"\n  IMAP {by_imap}, SMTP {by_smtp}")
    assert "AUTHENTICATIONFAILED" in by_imap and by_smtp.startswith("535")
    assert site.imap("bob") == "OK"
    site.write(site.lines())


def test_a_wrong_secret_is_told_by_both_and_dovecot_lets_everybody_in(site: Site) -> None:
    site.sendwarden.contain("eve")
    site.write(site.lines("another"))
    before = len(site.dovecot.log())

    assert site.imap("eve") == "OK"

    warnings = site.sendwarden.warnings
    wait_for("our warning", lambda: warnings("login-question-refused"))
    about = str(warnings("login-question-refused")[-1]["about"])
    print(f"\n  ours: {about}")
    assert about == f"127.0.0.1:{site.sendwarden.login}: wrong secret, from 127.0.0.1"
    wait_for("Dovecot's", lambda: "Policy server HTTP error: 401" in site.dovecot.log()[before:])
    shown = json.dumps(site.sendwarden.events()) + site.sendwarden.output()
    assert SECRET not in shown and base64.b64encode(b"wforce:another").decode() not in shown
    site.write(site.lines())
    wait_for("it is asked again", lambda: "is stopped" in site.imap("eve"))


def test_taken_out_as_it_says_nobody_asks_us(tapped: Site) -> None:
    site = tapped
    site.sendwarden.contain("eve")
    undo = "  rm /etc/dovecot/conf.d/95-sendwarden.conf\n  doveadm reload\n  postfix reload\n"
    assert site.printed.endswith(f"To take it out again:\n{undo}")

    (site.dovecot.more / OURS).unlink()
    site.reload()
    asked, _events = since(site)

    assert site.imap("eve") == site.smtp("eve") == "OK"
    assert site.asked()[asked:] == []


def test_a_reload_changes_the_secret_and_drops_no_connection(site: Site) -> None:
    client = http.client.HTTPConnection("127.0.0.1", site.sendwarden.login, timeout=10)

    def ping(secret: str) -> int:
        token = base64.b64encode(f"wforce:{secret}".encode()).decode()
        client.request("GET", "/?command=ping", headers={"Authorization": f"Basic {token}"})
        answer = client.getresponse()
        answer.read()
        return answer.status

    assert ping(SECRET) == 200
    socket_before = client.sock
    site.sendwarden.change(SECRET, "changed")

    assert ping("changed") == 200 and client.sock is socket_before
    assert ping(SECRET) == 401
    site.sendwarden.change("changed", SECRET)
    client.close()


def test_a_reload_closes_the_socket_and_opens_it_again(site: Site) -> None:
    line = f'login = "127.0.0.1:{site.sendwarden.login}"'
    site.sendwarden.change(line, "login = []")
    assert not listens(site.sendwarden.login)

    site.sendwarden.change("login = []", line)

    assert listens(site.sendwarden.login)
    assert site.imap("bob") == "OK"
