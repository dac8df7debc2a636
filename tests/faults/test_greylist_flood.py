"""A flood of triplets, reloads under it, a list that is asked and one that hangs: all is answered."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.faults.test_key_flood import MIB, rss_bytes
from tests.faults.warden import FULL
from tests.servers.rbldnsd import TEST_ENTRY, Rbldnsd
from tests.servers.sendwarden import Sendwarden
from tests.servers.sjsms_client import SjsmsClient, request
from tests.servers.space import free_port, wait_for

TRIPLETS = 1_000_000 if FULL else 100_000
MOST = 20_000  # remembered
SOCKETS = 50
RELOADS = 10
LISTED = "203.0.113.7"
# What the kernel loses, a client asks again.
PATIENCE_S = 2.0


@pytest.fixture
def rbldnsd() -> Iterator[Rbldnsd]:
    text = f":127.0.0.2:listed\n{TEST_ENTRY}203.0.113.0/24\n10.0.0.0/8\n"
    server = Rbldnsd({"bl.test": [("ip4set", text)], "hung.test": [("ip4set", TEST_ENTRY)]})
    yield server
    server.remove()


def table(name: str, server: Rbldnsd) -> str:
    return (
        f'[[dns_list]]\nname = "{name}"\nkind = "dnsbl"\nzone = "{name}.test"\nservers = "{server.place}"\n'
        'timeout = "500ms"\n'
    )


def client_of(number: int) -> str:
    return f"10.{number >> 14 & 255}.{number >> 6 & 255}.{number & 255}"


class Flood:
    """Many sockets with one question each under way. ``said``: answers by their letter."""

    def __init__(self, port: int) -> None:
        self.said: dict[bytes, int] = {}
        self._next = 0
        self._peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
        for peer in self._peers:
            peer.connect(("127.0.0.1", port))
            peer.settimeout(PATIENCE_S)

    def ask(self, count: int) -> None:
        """So many new triplets; returns when each is answered."""
        for _ in range(count // SOCKETS):
            numbers = range(self._next, self._next + SOCKETS)
            self._next += SOCKETS
            for peer, number in zip(self._peers, numbers, strict=True):
                self._send(peer, number)
            for peer, number in zip(self._peers, numbers, strict=True):
                self._hear(peer, number)

    @staticmethod
    def _send(peer: socket.socket, number: int) -> None:
        peer.send(request(f"a{number}@example.org", f"b{number}@example.net", client_of(number)))

    def _hear(self, peer: socket.socket, number: int) -> None:
        for _ in range(3):
            try:
                letter = peer.recv(1024)[:1]
                while letter == b"P":
                    letter = peer.recv(1024)[:1]
            except TimeoutError:
                self._send(peer, number)
                continue
            self.said[letter] = self.said.get(letter, 0) + 1
            return
        pytest.fail(f"no answer about triplet {number}")

    def close(self) -> None:
        for peer in self._peers:
            peer.close()


def ask(port: int) -> bytes:
    with closing(SjsmsClient(port, 5.0)) as peer:
        return peer.ask(request("anna@example.org", "v@example.net", LISTED))[:1]


def test_a_flood_of_triplets_under_reloads_is_answered_and_pushes_nobody_out(rbldnsd: Rbldnsd) -> None:
    port = free_port()
    settings = (
        f'mode = "enforce"\n[greylist]\nlisten = "127.0.0.1:{port}"\ndelay = "1s"\ntriplets = {MOST}\n'
        f'checks = ["dnsbl"]\nwait = "900ms"\n[dns]\nanswers = {MOST}\n{table("bl", rbldnsd)}'
    )
    warden = Sendwarden(settings)
    flood = Flood(port)
    try:
        wait_for("the list is good", lambda: warden.events("dns-list"))
        assert ask(port) == b"G"
        time.sleep(1.2)
        assert ask(port) == b"M"
        flood.ask(2 * MOST)
        before = rss_bytes(warden.process.pid)
        began = time.monotonic()
        for _ in range(RELOADS):
            warden.reload()
            flood.ask(TRIPLETS // RELOADS)
        rate = TRIPLETS / (time.monotonic() - began)
        grown = rss_bytes(warden.process.pid) - before
        assert ask(port) == b"M", "who has waited is not pushed out by who never comes again"
        counts = json.loads(warden.command("greylist", "--json", "show")[1])
    finally:
        flood.close()
        warden.stop()
    print(f"{TRIPLETS} triplets, {rate:.0f}/s, {flood.said}, {grown / MIB:.1f} MiB more, {counts}")
    assert set(flood.said) == {b"G"} and counts["triplets"] == MOST and not counts["dropped"]
    assert warden.warnings("triplets-full") and not warden.warnings("bug")
    assert grown < 100 * MIB


def test_a_list_that_hangs_in_a_flood_lets_all_pass_in_time(rbldnsd: Rbldnsd) -> None:
    port = free_port()
    settings = (
        f'mode = "enforce"\n[greylist]\nlisten = "127.0.0.1:{port}"\nchecks = ["dnsbl"]\nwait = "900ms"\n'
        f"{table('hung', rbldnsd)}"
    )
    warden = Sendwarden(settings)
    flood = Flood(port)
    try:
        wait_for("the list is good", lambda: warden.events("dns-list"))
        rbldnsd.pause()
        began = time.monotonic()
        flood.ask(TRIPLETS // 10)
        took_s = time.monotonic() - began
    finally:
        rbldnsd.go_on()
        flood.close()
        warden.stop()
    print(f"{TRIPLETS // 10} triplets while the list hangs in {took_s:.1f} s, {flood.said}")
    assert set(flood.said) == {b"T"}
    assert warden.events("dns-list-rests") and warden.warnings("check-unanswered")
