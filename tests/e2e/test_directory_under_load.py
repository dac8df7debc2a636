"""A directory that changes, hangs, goes and talks nonsense: each mail server has its answer at once."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.directories import Accounts, Ldap, Sql
from tests.e2e.policypeer import Peer
from tests.servers.sendwarden import Sendwarden
from tests.servers.space import free_port, wait_for

REST = """
[site]
domains = ["example.org"]
[[limits]]
name = "external"
recipients = "1000000/10m"
[[limits]]
name = "small"
recipients = "900000/10m"
[[channel]]
name = "submission"
login = true
senders = "own"
limits = "external"
"""
ACCOUNTS: Accounts = {f"user{number}": ("small", [f"user{number}@example.org"]) for number in range(300)}
# Longer than an answer that is not held up takes on a busy machine, far less than a directory's time-out.
WORST_S = 0.9


class Load(threading.Thread):
    """One mail server that asks about one account after the other, and how long it waited at the most."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._peer = Peer(port)
        self._over = threading.Event()
        self.asked, self.worst_s = 0, 0.0
        self.said: set[str] = set()

    def run(self) -> None:
        with closing(self._peer):
            while not self._over.is_set():
                began = time.monotonic()
                self.said.add(self._peer.rcpt(f"user{self.asked % 300}", f"m{self.asked}"))
                self.worst_s = max(self.worst_s, time.monotonic() - began)
                self.asked += 1

    def finish(self) -> None:
        self._over.set()
        self.join(30)


def settings(sendwarden: Sendwarden, directory: str) -> str:
    """Without a directory nobody is lent anything, so that nothing may be compared."""
    ports = f'[listen]\npolicy = "127.0.0.1:{sendwarden.policy}"\nmilter = "127.0.0.1:{sendwarden.milter}"\n'
    rest = REST if directory else REST.replace('senders = "own"\n', "")
    return f'mode = "enforce"\nstate = "var"\n{directory}\n{rest}\n{ports}'


@pytest.fixture
def babbler() -> Iterator[int]:
    """A server that answers whatever it is asked with bytes by chance."""
    port = free_port()
    listening = socket.create_server(("127.0.0.1", port))

    def talk(peer: socket.socket) -> None:
        with closing(peer):
            try:
                while peer.recv(4096):
                    peer.sendall(os.urandom(4096))
            except OSError:
                return

    def serve() -> None:
        while True:
            try:
                peer, _address = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield port
    listening.close()


def test_reloads_that_change_and_take_away_the_directory_hold_nobody_up(tmp_path: Path, babbler: int) -> None:
    ldap, sql = Ldap(ACCOUNTS, tmp_path), Sql(ACCOUNTS, tmp_path)
    sendwarden = Sendwarden(f'mode = "enforce"\n{ldap.settings}\n{REST}')
    loads = [Load(sendwarden.policy) for _ in range(3)]
    try:
        for load in loads:
            load.start()
        nonsense = ldap.settings.replace(ldap.slapd.url, f"ldap://127.0.0.1:{babbler}")
        by_tls = ldap.settings.replace(ldap.slapd.url, ldap.slapd.tls_url).replace("starttls = true\n", "")
        for number in range(12):
            directory = (sql.settings, nonsense, "", ldap.settings, by_tls, "")[number % 6]
            if number == 6:
                ldap.go_away()
            sendwarden.configure(settings(sendwarden, directory), {})
            sendwarden.reload()
            time.sleep(0.3)  # under load, for a while
        assert not sendwarden.warnings("configuration-kept")
        sendwarden.configure(settings(sendwarden, by_tls), {})
        sendwarden.reload()
        wait_for("it hangs", lambda: "no answer within" in str(sendwarden.warnings("directory-down")))
    finally:
        for load in loads:
            load.finish()
        began = time.monotonic()
        code = sendwarden.stop()
        took_s = time.monotonic() - began
        ldap.come_back()
        ldap.remove()
    worst_s = max(load.worst_s for load in loads)
    print(f"\n{sum(load.asked for load in loads)} answers, none later than {worst_s * 1000:.0f} ms")
    assert set.union(*(load.said for load in loads)) == {"DUNNO"}
    assert worst_s < WORST_S
    assert code == 0
    assert took_s < 10, "a question that hangs holds up no end"
    assert not sendwarden.warnings("bug")
    assert "Traceback" not in sendwarden.output()
