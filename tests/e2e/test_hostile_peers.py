"""Faults 26 and 27: peers that send garbage, too much, too little, or go at any moment, at both listeners.

Nothing they do is a bug of ours, takes much memory or log, or keeps others from being served.
"""

import fcntl
import random
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sendwarden.wire.milter.commands import (
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Quit,
    Rcpt,
)
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import Answer
from sendwarden.wire.policy import encode_request
from tests.faults.load import Dropped, MailServer, ask_policy
from tests.faults.warden import Warden
from tests.servers.space import free_port, wait_for

STREAMS = 10_000
# What all of them together may cost.
GROWTH_BYTES = 20 * 1024 * 1024
LOG_BYTES = 10_000
DUNNO = b"action=DUNNO\n\n"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def warden() -> Iterator[Warden]:
    made = Warden()
    yield made
    assert not made.complaints()
    assert made.stop() == 0
    made.remove()


def rss_bytes(warden: Warden) -> int:
    (line,) = [
        line
        for line in Path(f"/proc/{warden.process.pid}/status").read_text().splitlines()
        if "VmRSS" in line
    ]
    return int(line.split()[1]) * 1024


def serves(warden: Warden) -> None:
    """Both listeners answer a good session."""
    assert ask_policy(warden.policy) == DUNNO
    with closing(MailServer(warden.milter)) as server:
        assert server.send("good@example.org") == ""
        assert server.send("good@example.org", "refuse")


# --- garbage without end

OFFER = Negotiate(6, Action(0x1FF), Step(0x1FFFFF))
SESSION: list[Command] = [
    OFFER,
    Macros("C", (("j", "mx"),)),
    Connect("mx.example.org", "4", 25, "192.0.2.7"),
    Helo("mx"),
    Macros("M", (("i", "4XyZ"), ("{auth_type}", "PLAIN"), ("{auth_authen}", "eve"))),
    Mail("<eve@example.org>", ("SIZE=100",)),
    Rcpt("<v@victim.example>"),
    Data(),
    Header("Subject", "hello"),
    EndOfHeaders(),
    Body(b"text\r\n" * 20),
    EndOfMessage(),
    Quit(),
]
REQUEST = encode_request(
    {"protocol_state": "RCPT", "sender": "eve@example.org", "recipient": "v@victim.example", "size": "0"}
)


class Hostile:
    """A peer that seldom means well. Seeded, so that what it found is found again."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - no secret

    def stream(self, valid: bytes) -> bytes:
        """A good session, spoiled in one of many ways."""
        chance = self._chance
        raw = bytearray(valid * chance.choice((1, 1, 3)))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(raw))
            match chance.randrange(6):
                case 0:
                    raw[at] ^= chance.randrange(1, 256)
                case 1:
                    raw[at : at + 4] = struct.pack("!I", chance.choice((0, 1, 2**16, 2**31, 2**32 - 1)))
                case 2:
                    raw[at:at] = chance.choice((b"\0", b"\r\n", b"\n\n", b"\xff" * 9, b"=", b"request="))
                case 3:
                    raw[at:at] = chance.randbytes(chance.randrange(60))
                case 4 if len(raw) > 60:
                    del raw[at : at + chance.randrange(1, 30)]
                case _:
                    raw = raw[: at + 1]
        return bytes(raw) if chance.randrange(10) else chance.randbytes(chance.randrange(400))

    def meet(self, port: int, valid: bytes) -> None:
        """Connect, say it all, in pieces or at once, and go in one of several ways."""
        chance = self._chance
        stream = self.stream(valid)
        size = chance.choice((len(stream) or 1, len(stream) or 1, 7, 1 if len(stream) < 300 else 50))
        with _connected(port) as peer, suppress(ConnectionError):
            for at in range(0, len(stream), size):
                peer.sendall(stream[at : at + size])
            match chance.randrange(4):
                case 0:
                    _reset(peer)
                case 1:
                    with suppress(OSError):  # it may have been reset
                        peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65_536):
                        pass
                case _:
                    pass  # closed without reading anything


def _connected(port: int) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), timeout=20)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def _reset(peer: socket.socket) -> None:
    """Have the close be an RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_ten_thousand_spoiled_sessions_cost_little_memory_little_log_and_no_service(warden: Warden) -> None:
    session = b"".join(command.encode() for command in SESSION)
    ways = [(warden.milter, session), (warden.policy, REQUEST)]
    hostile = Hostile(seed=26)
    for number in range(500):  # what the first of them make it allocate once
        hostile.meet(*ways[number % 2])
    serves(warden)
    rss, log = rss_bytes(warden), len(warden.output())

    for number in range(STREAMS - 500):
        hostile.meet(*ways[number % 2])

    serves(warden)
    growth = rss_bytes(warden) - rss
    assert growth < GROWTH_BYTES
    assert len(warden.output()) - log < LOG_BYTES
    print(f"{STREAMS} streams: {growth / MIB:.1f} MiB more, {len(warden.output()) - log} bytes of log")


# --- one fault at each state


def _half_a_packet(peer: socket.socket) -> None:
    peer.sendall(b"\0\0\0\xffM<half")
    peer.close()


FAULTS: dict[str, Callable[[socket.socket], object]] = {
    "closes": lambda peer: peer.close(),
    "resets": _reset,
    "shuts its side": lambda peer: peer.shutdown(socket.SHUT_WR),
    "length 2**31": lambda peer: peer.sendall(b"\x80\0\0\0M"),
    "length 0": lambda peer: peer.sendall(b"\0\0\0\0"),
    "an unknown command": lambda peer: peer.sendall(b"\0\0\0\x01Z"),
    "half a packet": _half_a_packet,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_at_whatever_state_a_milter_peer_fails_its_neighbour_is_served(warden: Warden, fault: str) -> None:
    with closing(MailServer(warden.milter)) as neighbour:
        for said in range(len(SESSION)):
            with _connected(warden.milter) as peer, suppress(ConnectionError):
                for command in SESSION[:said]:
                    for byte in command.encode():  # one at a time, while we are at it
                        peer.sendall(bytes([byte]))
                FAULTS[fault](peer)
            assert neighbour.send("neighbour@example.org") == ""
    serves(warden)


# --- too much


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(
            [b"request=smtpd_access_policy\nsender=", *[b"x" * MIB] * 10], id="an attribute of 10 MiB"
        ),
        pytest.param([b"".join(b"a%d=b\n" % n for n in range(1_000_000))], id="a million attributes"),
        pytest.param([b"request=smtpd_access_policy\r\n\r\n" * 4000], id="CRLF"),
        pytest.param([b"request=smtpd_access_policy\nsender=\0\n\n"], id="NUL"),
        pytest.param([b"\n"], id="nothing but the empty line"),
    ],
)
def test_a_policy_request_that_is_none_is_closed_and_takes_no_memory(
    warden: Warden, request_: list[bytes]
) -> None:
    rss = rss_bytes(warden)
    with _connected(warden.policy) as peer:
        with suppress(ConnectionError):
            for piece in request_:
                peer.sendall(piece)
        assert _rest(peer) == b""
    serves(warden)
    assert rss_bytes(warden) - rss < 4 * MIB


def _rest(peer: socket.socket) -> bytes:
    """What comes until the end, however it ends."""
    got = b""
    with suppress(OSError):
        while data := peer.recv(65_536):
            got += data
    return got


@pytest.mark.parametrize(
    ("command", "number", "more_bytes"),
    [
        pytest.param(Body(b"x" * MIB), 200, 40 * MIB, id="a body of 200 MiB: it is taken"),
        pytest.param(Header("X-Filler", "x" * 60_000), 2000, 100 * MIB, id="headers of 120 MB"),
        pytest.param(Header("a", ""), 1_000_000, 100 * MIB, id="a million headers"),
        pytest.param(Rcpt("<a@b.example>"), 1_000_000, 100 * MIB, id="a million recipients"),
        pytest.param(Macros("M", (("x" * 500, "y" * 500),) * 500), 500, 40 * MIB, id="macros of 250 MB"),
    ],
)
def test_a_message_without_end_is_taken_or_closed_and_takes_bounded_memory(
    warden: Warden, command: Command, number: int, more_bytes: int
) -> None:
    rss = rss_bytes(warden)
    piece = command.encode()
    together = max(1, MIB // len(piece))
    with closing(MailServer(warden.milter)) as server, suppress(Dropped):
        server.say(Mail("<eve@example.org>").encode())
        for _ in range(0, number, together):
            server.say(piece * together)
        assert server.end() is Answer.CONTINUE
    serves(warden)
    assert rss_bytes(warden) - rss < more_bytes


def test_a_peer_that_asks_and_never_reads_is_not_read_any_more(warden: Warden) -> None:
    """What it does not take would pile up in our memory otherwise."""
    rss = rss_bytes(warden)
    taken = 0
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", warden.policy))
        peer.settimeout(1)
        many = encode_request({"protocol_state": "CONNECT"}) * 1000
        with suppress(TimeoutError):
            while taken < 200 * MIB:
                taken += peer.send(many)
        serves(warden)
        assert rss_bytes(warden) - rss < 8 * MIB
    assert taken < 200 * MIB, "it was held back"


# --- who may come, and sockets that are files


def _add_address(address: str) -> None:
    """One more address for this namespace's loopback, as `ip address add` does."""
    name = b"lo:1".ljust(16, b"\0")
    with socket.socket() as any_socket:
        packed = struct.pack("<HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(any_socket, 0x8916, name + packed)  # SIOCSIFADDR


@pytest.mark.parametrize("allowed", [False, True], ids=["a stranger", "allowed"])
def test_who_is_not_of_this_machine_and_not_allowed_is_closed_unheard(allowed: bool) -> None:
    _add_address("192.0.2.77")
    warden = Warden()
    if allowed:
        settings = warden.folder / "sendwarden.toml"
        settings.write_text(settings.read_text() + 'allow = ["192.0.2.0/24"]\n')
        warden.reload()

    for port, said in ((warden.policy, REQUEST), (warden.milter, OFFER.encode())):
        with socket.socket() as peer:
            peer.settimeout(20)
            peer.bind(("192.0.2.77", 0))
            with suppress(OSError):  # ENOTCONN is no ConnectionError
                peer.connect(("127.0.0.1", port))
                peer.sendall(said)
                peer.shutdown(socket.SHUT_WR)
            assert bool(_rest(peer)) is allowed

    if not allowed:
        wait_for("it is told", lambda: warden.warnings("connections-turned-away"))
    serves(warden)
    assert warden.stop() == 0
    warden.remove()


def _over_unix(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(20)
        peer.connect(str(path))
        peer.sendall(REQUEST)
        return peer.recv(100)


def test_a_unix_socket_is_ours_alone_comes_back_after_a_kill_and_is_not_taken_from_another(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run" / "policy"
    warden, other = Warden(), Warden()
    settings = warden.folder / "sendwarden.toml"
    settings.write_text(settings.read_text().replace(f"127.0.0.1:{warden.policy}", f"unix:{path}"))
    warden.reload()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert _over_unix(path) == DUNNO

    warden.kill()
    assert path.is_socket()
    warden.restart()
    assert _over_unix(path) == DUNNO

    theirs = other.folder / "sendwarden.toml"
    theirs.write_text(theirs.read_text().replace(f"127.0.0.1:{other.policy}", f"unix:{path}"))
    other.reload()
    (kept,) = other.warnings("configuration-kept")
    assert "another program answers there" in str(kept["about"])
    assert other.stop() == 0
    code, said = other.command("serve", "--quiet")
    assert code == 2 and f"cannot listen at unix:{path}: another program answers there" in said
    assert _over_unix(path) == DUNNO, "the first one still has it"

    assert warden.stop() == 0
    assert not path.exists()
    warden.remove()
    other.remove()


def test_a_port_that_another_program_has_stops_the_start_with_its_name() -> None:
    warden = Warden()
    warden.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", warden.policy))
        taken.listen()

        code, said = warden.command("serve", "--quiet")

    assert code == 2 and f"cannot listen at 127.0.0.1:{warden.policy}" in said
    assert "Traceback" not in said
    assert free_port()
    warden.remove()
