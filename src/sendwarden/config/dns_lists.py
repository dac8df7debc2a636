"""Lists in the DNS as the settings have them, those of a grossd.conf, and who asks which."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

from sendwarden.config.dns import DnsListSettings
from sendwarden.config.grossd import LISTS, Grossd, ListAsked
from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.core.place import Place, Problem, did_you_mean
from sendwarden.engine.reputation.lists import ANSWERS, DnsList
from sendwarden.service.reputation import CHECKS

PlaceOf = Callable[[Path], Place | None]


def dns_lists(settings: Settings, grossd: Grossd) -> list[DnsList]:
    """All lists, in their order, and behind them those that only the grossd.conf names."""
    own = [_list(one) for one in settings.dns_list]
    return own + [_taken(one) for one in _asked(grossd) if not _own(settings, one)]


def grossd_checks(settings: Settings, grossd: Grossd) -> list[str]:
    """What the grossd.conf has asked, as ``greylist.checks`` has it; our own table stands for its zone."""
    lists = [_own(settings, one) or one.zone for one in _asked(grossd)]
    return lists + [check for check in grossd.checks if check in CHECKS and check not in grossd.kinds]


def _asked(grossd: Grossd) -> list[ListAsked]:
    return [one for one in grossd.lists if one.kind in grossd.checks]


def _own(settings: Settings, asked: ListAsked) -> str:
    same = (one.name for one in settings.dns_list if (one.kind, one.zone) == (asked.kind, asked.zone))
    return next(same, "")


def _taken(asked: ListAsked) -> DnsList:
    """As in gross any answer of a list counts, with one weight."""
    weight = 1 if asked.kind == "dnswl" else asked.weight
    return DnsList(asked.zone, asked.kind, asked.zone, ((ANSWERS, weight),), asked.key)


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


def check_dns_lists(settings: Settings, grossd: Grossd, place_of: PlaceOf) -> Iterator[Problem]:
    """Names that could mean two things, and weights that mean nothing."""
    seen: set[str] = set(CHECKS)
    for number, one in enumerate(settings.dns_list):
        path: Path = ("dns_list", number)
        if one.name in seen:
            two = f'there are two lists "{one.name}"'
            says = f'"{one.name}" is a check, and no name of a list' if one.name in CHECKS else two
            yield Problem("SW124", says, place_of((*path, "name")), "give each its own name")
        seen.add(one.name)
        if one.kind == "dnswl" and set(one.codes.values()) != {1}:
            says = "a list of good addresses has no weights"
            yield Problem("SW125", says, place_of((*path, "codes")), f"write codes = {_without_weights(one)}")

    for asked in _asked(grossd):
        if _own(settings, asked):
            continue
        if asked.zone in seen:
            says = f'there are two lists "{asked.zone}"'
            yield Problem("SW124", says, asked.place, "take one out, or give the one in our settings a name")
        seen.add(asked.zone)


def check_names(settings: Settings, grossd: Grossd, place_of: PlaceOf) -> Iterator[Problem]:
    """Does ``greylist.checks`` name what there is?"""
    lists = dns_lists(settings, grossd)
    known = [*CHECKS, *(one.name for one in lists)]
    kinds = {one.kind for one in lists}
    for number, name in enumerate(settings.greylist.checks):
        place = place_of(("greylist", "checks", number))
        if name not in known:
            remedy = did_you_mean(name, known) or f"write one of {', '.join(known)}"
            yield Problem("SW712", f'there is no check and no list "{name}"', place, remedy)
        elif name in LISTS and name not in kinds:
            yield Problem("SW712", f"no list of the kind {name} is set", place, "write a [[dns_list]] table")


def _without_weights(one: DnsListSettings) -> str:
    quoted = (f'"{code}"' for code in one.codes)
    return f"[{', '.join(quoted)}]"
