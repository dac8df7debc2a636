"""``grosscheck.so``: asks a grossd, or a Sendwarden, whether mail must wait.

Source: gross.md section 1, which says what the library does. Its manual names recipient and sender the other
way round. What the server answers is a template: it is scanned again, so that it can set flags.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from sendwarden.engine.meters.keys import MeterError
from sendwarden.engine.world import GreylistCall, World

from .check_metermaid import Routine

IMAGE = "grosscheck.so"
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class _Call:
    """`GreylistCall`."""

    servers: tuple[str, ...]
    port: int
    client_address: str
    recipient: str
    sender: str
    helo: str | None


def _grosscheck(world: World, arguments: list[str]) -> str | None:
    return world.greylist(read_call(arguments))


def read_call(arguments: list[str]) -> GreylistCall:
    """Raises `MeterError` for servers or a port that are none; then the call fails."""
    first, second, port, address, recipient, sender, *helo = arguments
    if not _is_ipv4(first):
        raise MeterError("the first server is no IPv4 address")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _LAST_PORT):
        raise MeterError("the port is none")
    servers = (first, second) if _is_ipv4(second) else (first,)
    return _Call(servers, int(port), address, recipient, sender or "<>", (helo[0] or None) if helo else None)


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


ROUTINES: Mapping[str, Routine] = {
    "grosscheck": Routine(
        _grosscheck,
        ("server 1", "server 2", "port", "client address", "recipient", "sender", "helo"),
        rescan=True,
        optional=1,
    ),
}
