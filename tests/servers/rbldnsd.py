"""A real rbldnsd from Debian's package: lists of addresses and of domains, on port 53 of loopback."""

import socket
from collections.abc import Mapping

from tests.servers.space import Space, stop, wait_for

PORT = 53


class Rbldnsd:
    """``addresses`` and ``domains``: zone to the lines of its data file (rbldnsd(8), ip4set and dnset)."""

    def __init__(
        self, addresses: Mapping[str, str], domains: Mapping[str, str] | None = None, at: str = "127.0.0.1"
    ) -> None:
        self.at = at
        self._space = Space("rbldnsd", {"rbldns": 61131})
        zones = []
        for kind, lists in (("ip4set", addresses), ("dnset", domains or {})):
            for zone, lines in lists.items():
                (self._space.folder / zone).write_text(lines)
                zones.append(f"{zone}:{kind}:{zone}")
        self.process = self._space.start(
            "rbldnsd", "-n", "-u", "rbldns", "-w", str(self._space.folder), "-b", f"{at}/{PORT}", *zones
        )
        wait_for("rbldnsd answers", lambda: self.answers() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()

    def answers(self) -> bool:
        question = b"\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1"  # A of the root, which it refuses
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(0.1)
            peer.connect((self.at, PORT))
            try:
                peer.send(question)
                return bool(peer.recv(512))
            except OSError:
                return False

    def output(self) -> str:
        return (self._space.folder / "output").read_text(errors="replace")

    def stop(self) -> None:
        stop(self.process)
        self._space.remove()
