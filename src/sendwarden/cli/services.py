"""Other services that the settings name: whether they can be reached, looked at while the daemon starts.

Nobody waits for an answer: each is asked on a thread of its own, and what is not known when the first screen
is shown is said to be so. Reachable means that something takes the connection, no more; a server of the DNS
is sent a question, since it need not listen by TCP.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from sendwarden.config.load import Loaded
from sendwarden.config.scanners import KINDS
from sendwarden.core.ascii import printable
from sendwarden.core.units import duration

# How long a connection may take.
PATIENCE_S = 2.0
# Ports where a URL names none, by its scheme without a driver.
PORTS = {"redis": 6379, "rediss": 6379, "ldap": 389, "ldaps": 636, "postgresql": 5432, "mysql": 3306}
PORTS |= {"mariadb": 3306, "mssql": 1433, "oracle": 1521}
# RFC 1035 section 4.1: the name servers (NS, class IN) of the root, recursion desired.
DNS_QUESTION = b"\x05\x0d\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"
DNS_PORT = 53

Ask = Callable[[], bool]


@dataclass(slots=True)
class Service:
    """One that the settings name. ``ask`` says whether it is there; None: it is not asked."""

    name: str
    detail: str
    ask: Ask | None = None
    found: list[bool] = field(default_factory=list)  # the answer, once it is there

    def look(self) -> None:
        """Ask, without waiting for the answer."""
        if self.ask:
            Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        try:
            self.found.append(bool(self.ask and self.ask()))
        except (OSError, ValueError):  # a name that there is none of has many forms
            self.found.append(False)

    @property
    def line(self) -> str:
        says = ""
        if self.ask:
            says = "   not known yet"
            if self.found:
                says = "   reachable" if self.found[0] else "   NOT reachable now"
        return f"  {self.name:<9} {printable(self.detail)}{says}"


def services(loaded: Loaded) -> list[Service]:
    """All that the settings name."""
    return [*_stores(loaded), *_scanners(loaded), *_lists(loaded), *_greylisting(loaded)]


def _stores(loaded: Loaded) -> Iterator[Service]:
    settings = loaded.settings
    if url := settings.counting.redis:
        yield Service("Redis", url, _by_url(url))
    if url := settings.directory.url:
        yield Service("directory", url, _by_url(url.split()[0]))


def _scanners(loaded: Loaded) -> Iterator[Service]:
    for one in loaded.settings.scanner:
        place = one.at or KINDS[one.kind][1]
        if one.name in loaded.site.scans:
            yield Service("scanner", f"{one.name} ({one.kind}) {place}", _by_place(place))
        else:
            yield Service("scanner", f"{one.name} ({one.kind}) {place}   no channel asks it: scan = [...]")


def _lists(loaded: Loaded) -> Iterator[Service]:
    settings = loaded.settings
    if not settings.dns_list:
        return
    names = ", ".join(one.name for one in settings.dns_list)
    servers = sorted({server for one in settings.dns_list for server in one.servers or settings.dns.servers})
    asked = f"asked of {', '.join(servers)}" if servers else "asked of the system's servers"
    yield Service(
        "DNS lists", f"{names}   {asked}", _all_of([_dns(one) for one in servers or _of_the_system()])
    )


def _greylisting(loaded: Loaded) -> Iterator[Service]:
    if own := loaded.greylist.listen:
        protocols = ", ".join(loaded.greylist.protocols)
        detail = f"{', '.join(own)} by {protocols}; mail waits {duration(loaded.greylist.delay)}"
        yield Service("greylist", detail)


# --- is it there?


def _by_url(url: str) -> Ask:
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme == "sqlite":
        return lambda: not parts.path or Path(parts.path.removeprefix("/")).exists()
    if scheme == "unix" or (scheme == "ldapi" and parts.netloc):
        return _by_place(f"unix:{parts.path if scheme == 'unix' else unquote(parts.netloc)}")
    if scheme == "ldapi":
        return _by_place("unix:/run/slapd/ldapi")
    return lambda: _connects(parts.hostname or "localhost", parts.port or PORTS[scheme])


def _by_place(place: str) -> Ask:
    """As the settings name sockets."""
    if place.startswith("unix:"):
        return lambda: _connects_to_path(place.removeprefix("unix:"))
    host, _, port = place.rpartition(":")
    return lambda: _connects(host.strip("[]"), int(port))


def _connects(host: str, port: int) -> bool:
    with closing(socket.create_connection((host, port), PATIENCE_S)):
        return True


def _connects_to_path(path: str) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.settimeout(PATIENCE_S)
        made.connect(path)
        return True


def _dns(server: str) -> Ask:
    host, port = server, DNS_PORT
    if server.startswith("[") or server.count(":") == 1:
        host, _, written = server.rpartition(":")
        host, port = host.strip("[]"), int(written)

    def ask() -> bool:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as made:
            made.settimeout(PATIENCE_S)
            made.connect((host, port))
            made.send(DNS_QUESTION)
            return made.recv(512)[:2] == DNS_QUESTION[:2]

    return ask


def _all_of(asks: list[Ask]) -> Ask:
    return lambda: bool(asks) and all(ask() for ask in asks)


def _of_the_system() -> list[str]:
    """The servers that resolv.conf names (resolv.conf(5))."""
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [found[1].partition("%")[0] for found in words if len(found) > 1 and found[0] == "nameserver"]
