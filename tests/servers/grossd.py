"""A real grossd from Debian's package, on free ports, stopped by its pid."""

import socket

from tests.servers.space import Space, free_port, stop, wait_for

STATUS_PORT = 5522
SETTINGS = """
host = {host}
port = {port}
protocol = sjsms
protocol = postfix
"""


class Grossd:
    """``settings``: further lines of its grossd.conf. ``nameserver``: where it asks for DNS, on port 53.

    ``host``: an address of loopback. The port of its status cannot be set, so that each needs one of its own.
    """

    def __init__(self, settings: str, nameserver: str = "127.0.0.1", host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        self._space = Space("gross", {"gross": 61130})
        self.file = self._space.folder / "grossd.conf"
        self.file.write_text(SETTINGS.format(host=host, port=self.port) + settings)
        # Its own /etc is a layer of its space; grossd reads resolv.conf once, when it starts.
        self.process = self._space.start(
            "sh", "-c", f"echo nameserver {nameserver} > /etc/resolv.conf; "
            f"exec grossd -d -r -u gross -f {self.file}",
        )  # fmt: skip
        wait_for("grossd listens", lambda: self._listens() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.host, self.port)) == 0

    @property
    def text(self) -> str:
        """Its grossd.conf, as it stands."""
        return self.file.read_text()

    def output(self) -> str:
        return (self._space.folder / "output").read_text(errors="replace")

    def decisions(self) -> list[str]:
        """The lines of its log that tell of decisions, without time and thread."""
        lines = [line.partition(": ")[2] for line in self.output().splitlines()]
        return [line for line in lines if line.startswith("a=")]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def status(self) -> str:
        """What its status service says, in one connection."""
        with socket.create_connection((self.host, STATUS_PORT), timeout=5) as peer:
            return peer.makefile().read()

    def stop(self) -> None:
        stop(self.process)
        self._space.remove()
