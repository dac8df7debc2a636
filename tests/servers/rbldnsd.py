"""A real rbldnsd from Debian's package: the server that most lists in the DNS run on."""

import signal
from collections.abc import Mapping

from tests.servers.space import Space, free_port, pause, stop, wait_for

NOBODY = 65534
# RFC 5782 section 5: what each list has.
TEST_ENTRY = "127.0.0.2\n"
EVERYTHING = "0.0.0.0/1\n128.0.0.0/1\n"
# Its sets of IPv6 addresses never see an address that stands for an IPv4 one, so that the entry is a name.
EVERY_IPV6 = f"1.0.0.0.0.0.f.7.f.f.f.f.{'.'.join('0' * 20)} A 127.0.0.2\n"


class Rbldnsd:
    """``zones``: zone -> (type of data, data), types as in its manual: ip4set, ip6trie, dnset, generic."""

    def __init__(
        self, zones: Mapping[str, list[tuple[str, str]]], at: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._space = Space("rbldnsd", {})
        self.at, self.port = at, port or free_port()
        self._words = []
        self._files = {}
        for zone, sets in zones.items():
            for number, (kind, data) in enumerate(sets):
                self._files[zone, number] = self._space.folder / f"{zone}.{number}"
                self._words.append(f"{zone}:{kind}:{zone}.{number}")
                self.write(zone, data, number)
        self.start()

    @property
    def place(self) -> str:
        return f"{self.at}:{self.port}"

    def write(self, zone: str, data: str, number: int = 0) -> None:
        """New data, read within a second."""
        self._files[zone, number].write_text(data)

    def start(self) -> None:
        self.process = self._space.start(
            "rbldnsd", "-n", "-u", "nobody", "-w", str(self._space.folder), "-c", "1s", "-t", "1",
            "-b", f"{self.at}/{self.port}", *self._words,
        )  # fmt: skip
        wait_for(
            "rbldnsd answers", lambda: "listening on" in self.output() or self.process.poll() is not None
        )
        assert self.process.poll() is None, self.output()

    def output(self) -> str:
        return (self._space.folder / "output").read_text(errors="replace")

    def pause(self) -> None:
        """Hang: questions are taken and never answered."""
        pause(self.process)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        stop(self.process, signal.SIGKILL)

    def remove(self) -> None:
        self.stop()
        self._space.remove()
