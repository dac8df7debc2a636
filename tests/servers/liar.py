"""A DNS server that answers as it is told to: rightly, late, wrongly, or with what is no answer at all."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from tests.servers.space import free_port

# How late ``slow`` is, in seconds.
SLOW_S = 1.0
DAY_S = 86_400
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_TRUNCATED = 2
_CNAME = 5
_HEADER = 12


class Liar:
    """Started when made; `stop` it.

    ``zone`` holds 127.0.0.2 and ``addresses``; no other name exists. ``mode`` is one of `MODES`, and may be
    changed at any time.
    """

    def __init__(self, zone: str, *addresses: str, mode: str = "honest") -> None:
        listed = ("127.0.0.2", *addresses)
        self.names = {f"{'.'.join(reversed(address.split('.')))}.{zone}".lower() for address in listed}
        self.mode = mode
        self.spoil: Callable[[bytes], bytes] = lambda answer: answer  # the last word on each answer
        self.asked: list[str] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = (
            free_port()
        )  # one that the system gives may be taken for TCP, by a connection that goes out
        self._udp.bind(("127.0.0.1", self.port))
        self._tcp = socket.create_server(("127.0.0.1", self.port))
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._datagrams, self._streams)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        with suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)
        self._tcp.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        for thread in self._threads:
            thread.join(10)
        self._udp.close()

    def _datagrams(self) -> None:
        while True:
            question, peer = self._udp.recvfrom(4096)
            if not question:
                return
            name = name_of(question)
            self.asked.append(name)
            for answer in MODES[self.mode](question, name in self.names and is_address(question)):
                if self.mode == "slow":
                    threading.Timer(SLOW_S, self._late, (answer, peer)).start()
                else:
                    self._udp.sendto(self.spoil(answer), peer)

    def _late(self, answer: bytes, peer: tuple[str, int]) -> None:
        with suppress(OSError):
            self._udp.sendto(answer, peer)

    def _streams(self) -> None:
        while True:
            try:
                peer, _ = self._tcp.accept()
            except OSError:
                return
            with peer, suppress(OSError):
                if self.mode != "truncated":
                    continue
                peer.settimeout(5)
                question = peer.recv(4096)[2:]
                answer = (
                    address(question, "127.0.0.2") if name_of(question) in self.names else absent(question)
                )
                peer.sendall(len(answer).to_bytes(2, "big") + answer)
                time.sleep(0.05)  # so that the answer is read before the connection ends


def name_of(question: bytes) -> str:
    labels, at = [], _HEADER
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length])
        at += 1 + length
    return b".".join(labels).decode("ascii", "replace").lower()


def _asked(question: bytes) -> bytes:
    return question[_HEADER : question.index(b"\0", _HEADER) + 5]


def is_address(question: bytes) -> bool:
    return _asked(question)[-4:] == b"\0\1\0\1"


def reply(
    question: bytes, code: int = NOERROR, records: bytes = b"", number: int = 0, flags: int = 0
) -> bytes:
    """An answer with ``number`` records."""
    header = (
        question[:2] + bytes((0x81 | flags, 0x80 | code)) + b"\0\1" + number.to_bytes(2, "big") + bytes(4)
    )
    return header + _asked(question) + records


def absent(question: bytes) -> bytes:
    return reply(question, NXDOMAIN)


def record(value: bytes, kind: int = 1, ttl: int = 60) -> bytes:
    """A record of the name that was asked for."""
    return (
        b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1" + ttl.to_bytes(4, "big")
        + len(value).to_bytes(2, "big") + value
    )  # fmt: skip


def address(question: bytes, *values: str, ttl: int = 60) -> bytes:
    records = b"".join(record(socket.inet_aton(value), ttl=ttl) for value in values)
    return reply(question, NOERROR, records, len(values))


def _right(question: bytes, listed: bool) -> bytes:
    return address(question, "127.0.0.2") if listed else absent(question)


Answers = Callable[[bytes, bool], list[bytes]]

# What it does with a question, given whether the name is listed.
MODES: Mapping[str, Answers] = {
    "honest": lambda question, listed: [_right(question, listed)],
    "slow": lambda question, listed: [_right(question, listed)],
    "truncated": lambda question, _listed: [reply(question, flags=_TRUNCATED)],
    "dead": lambda _question, _listed: [],
    "refused": lambda question, _listed: [reply(question, REFUSED)],
    "failed": lambda question, _listed: [reply(question, SERVFAIL)],
    "truncated for ever": lambda question, _listed: [reply(question, flags=_TRUNCATED)],
    "wrong id": lambda question, _listed: [
        bytes((question[0] ^ 1, question[1])) + address(question, "127.0.0.2")[2:]
    ],
    "wrong name": lambda question, _listed: [
        address(question[:_HEADER] + b"\1x" + question[_HEADER:], "127.0.0.2")
    ],
    "garbage": lambda question, _listed: [question[:2] + b"\xff" * 200, b"\0", question[:2]],
    "cut short": lambda question, _listed: [address(question, "127.0.0.2")[:-3]],
    "wildcard": lambda question, _listed: [address(question, "127.0.0.2")],
    "refusing": lambda question, _listed: [address(question, "127.255.255.254")],
    "sold": lambda question, _listed: [address(question, "203.0.113.9")],
    "both": lambda question, _listed: [address(question, "127.0.0.2", "127.255.255.252")],
    "huge ttl": lambda question, listed: [
        address(question, "127.0.0.2", ttl=0x7FFF_FFFF) if listed else absent(question)
    ],
    "cname loop": lambda question, _listed: [reply(question, NOERROR, record(b"\xc0\x0c", _CNAME), 1)],
    "empty": lambda question, _listed: [absent(question)],
}
