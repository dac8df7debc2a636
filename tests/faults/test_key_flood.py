"""A flood of names: memory stays at its bound, and whoever was counted before still is."""

import json
import socket
from pathlib import Path

from tests.faults.warden import FULL
from tests.servers.sendwarden import Sendwarden

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
[counting]
accounts = 5000
"""
# DESIGN.md, what runs where.
NAMES = 10_000_000 if FULL else 200_000
AT_ONCE = 200
REQUEST = (
    "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.7\n"
    "client_name=unknown\nclient_port=40000\nreverse_client_name=unknown\nserver_address=127.0.0.1\n"
    "server_port=587\nhelo_name=c\nsender=a@example.org\nrecipient=v@x.example\nrecipient_count=0\nqueue_id=\n"
    "instance={0}\nsize=0\netrn_domain=\nstress=\nsasl_method=PLAIN\nsasl_username={1}\nsasl_sender=\n\n"
)
DUNNO = b"action=DUNNO\n\n"
MIB = 1024 * 1024


class Peer:
    """A mail server that asks many things at once."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._asked = 0

    def ask(self, logins: list[str]) -> bytes:
        """One message with one recipient of each; all replies."""
        requests = [REQUEST.format(f"f.{self._asked + n}", login) for n, login in enumerate(logins)]
        self._asked += len(logins)
        self._socket.sendall("".join(requests).encode())
        said = b""
        while said.count(b"\n\n") < len(logins):
            said += self._socket.recv(65_536)
        return said

    def close(self) -> None:
        self._socket.close()


def rss_bytes(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
    return int(line.split()[1]) * 1024


def test_a_flood_of_names_takes_no_more_memory_and_costs_nobody_his_count() -> None:
    warden = Sendwarden(SETTINGS)
    peer = Peer(warden.policy)
    try:
        assert peer.ask(["anna"] * 30) == DUNNO * 30
        for start in range(0, 20_000, AT_ONCE):
            assert peer.ask([f"first{start + n}" for n in range(AT_ONCE)]) == DUNNO * AT_ONCE
        before = rss_bytes(warden.process.pid)
        for start in range(0, NAMES, AT_ONCE):
            assert peer.ask([f"name{start + n}" for n in range(AT_ONCE)]) == DUNNO * AT_ONCE
        grown = rss_bytes(warden.process.pid) - before
        counted = json.loads(warden.command("account", "top", "--number", "1", "--json")[1].splitlines()[0])
        heard = peer.ask(["anna"] * 15)
    finally:
        peer.close()
        warden.stop()
    print(f"{NAMES} names: {grown / MIB:.1f} MiB more; anna counts {counted['recipients']} of 40")
    assert counted["account"] == "anna"
    assert (heard.count(DUNNO), heard.count(b"action=450")) == (10, 5)
    # Open messages are remembered for some minutes, and no more than so many (engine.limits.charges).
    assert grown < 400 * MIB
