"""Lists in the DNS as the settings have them, and the checks that ask them."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

from sendwarden.config.dns import DnsListSettings
from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.core.place import Place, Problem
from sendwarden.engine.reputation.lists import DnsList

PlaceOf = Callable[[Path], Place | None]


def dns_lists(settings: Settings) -> list[DnsList]:
    """All lists, in their order."""
    return [_list(one) for one in settings.dns_list]


def _list(own: DnsListSettings) -> DnsList:
    weights = [(IPv4Network(code), weight) for code, weight in own.codes.items()]
    return DnsList(
        own.name,
        own.kind,
        own.zone,
        tuple(sorted(weights, key=lambda one: -one[0].prefixlen)),
        own.key_secret.get_secret_value(),
        tuple(own.servers),
        own.timeout,
        own.health_check,
    )


def check_dns_lists(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, one in enumerate(settings.dns_list):
        path: Path = ("dns_list", number)
        if one.name in seen:
            says = f'there are two lists "{one.name}"'
            yield Problem("SW124", says, place_of((*path, "name")), "give each its own name")
        seen.add(one.name)
        if one.kind == "dnswl" and set(one.codes.values()) != {1}:
            says = "a list of good addresses has no weights"
            yield Problem("SW125", says, place_of((*path, "codes")), f"write codes = {_without_weights(one)}")


def _without_weights(one: DnsListSettings) -> str:
    quoted = (f'"{code}"' for code in one.codes)
    return f"[{', '.join(quoted)}]"
