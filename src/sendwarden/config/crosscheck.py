"""What no file can be checked for alone: names that must exist elsewhere, and combinations that surprise."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from sendwarden.config.positions import Path
from sendwarden.config.schema import SETTINGS_VERSION, Settings
from sendwarden.core.place import Place, Problem, Severity, did_you_mean
from sendwarden.engine.channel import Channel
from sendwarden.engine.mapping.parse import CallSite, MappingFile
from sendwarden.engine.mapping.template import Text
from sendwarden.service.site import Site

Origins = Mapping[Path, Place]

# Routines that count something for their key.
COUNTING = frozenset({"throttle", "adjust", "adjust_and_test"})


def crosscheck(site: Site, settings: Settings, found: MappingFile, origins: Origins) -> list[Problem]:
    """All problems between the parts of a configuration."""
    return [
        *_version(settings, origins),
        *_listeners(settings, origins),
        *_meter_tables(site, found),
        *_channels(site, settings, found, origins),
    ]


def _place(origins: Origins, path: Path) -> Place | None:
    while path:
        if path in origins:
            return origins[path]
        path = path[:-1]
    return None


def _version(settings: Settings, origins: Origins) -> Iterator[Problem]:
    if settings.version > SETTINGS_VERSION:
        says = (
            f"these settings are of version {settings.version}, and this Sendwarden reads {SETTINGS_VERSION}"
        )
        yield Problem("SW104", says, _place(origins, ("version",)), "run a newer Sendwarden")


def _listeners(settings: Settings, origins: Origins) -> Iterator[Problem]:
    listen = settings.listen
    for name, places in (("policy", listen.policy), ("milter", listen.milter)):
        for number, place in enumerate(places):
            if _is_open(place) and not listen.allow:
                path = _place(origins, ("listen", name, number)) or _place(origins, ("listen", name))
                says = f"{name} would be open to the whole network"
                remedy = 'set listen.allow = ["192.0.2.25/32"] to your mail servers, or listen on 127.0.0.1'
                yield Problem("SW122", says, path, remedy)
    known = [*listen.policy, *listen.milter]
    for number, channel in enumerate(settings.channel):
        if channel.listener and channel.listener not in known:
            says = f'"{channel.listener}" is none of our sockets'
            remedy = did_you_mean(channel.listener, known) or f"listen names {', '.join(known)}"
            yield Problem("SW108", says, _place(origins, ("channel", number, "listener")), remedy)


def _is_open(place: str) -> bool:
    if place.startswith("unix:"):
        return False
    return not ip_address(place.rpartition(":")[0].strip("[]")).is_loopback


def _meter_tables(site: Site, found: MappingFile) -> Iterator[Problem]:
    for site_of_call in found.calls:
        name = _constant_table(site_of_call)
        routine = site_of_call.call.bound
        if name is None or routine is None or routine.arguments[:1] != ("table",):
            continue
        options = site.meters.get(name.lower())
        if options is None:
            remedy = did_you_mean(name, site.meters) or f"set metermaid.table.{name}.quota in the option file"
            says = f'table {site_of_call.table}: there is no MeterMaid table "{name}"'
            yield Problem("SW216", says, site_of_call.place, remedy)
        elif routine.table_type and options.type != routine.table_type:
            wanted = f"a {routine.table_type} table"
            says = f'"{site_of_call.call.routine}" needs {wanted}, and {name} is a {options.type} table'
            remedy = f"write metermaid.table.{name}.type = {routine.table_type}"
            yield Problem("SW403", says, site_of_call.place, remedy)


def _constant_table(site_of_call: CallSite) -> str | None:
    arguments = site_of_call.call.arguments
    match arguments[0] if arguments else ():
        case (Text(text),):
            return text.strip()
        case _:
            return None


def _channels(site: Site, settings: Settings, found: MappingFile, origins: Origins) -> Iterator[Problem]:
    counting = {call.table.upper() for call in found.calls if call.call.routine.lower() in COUNTING}
    numbers = {channel.name: number for number, channel in reversed(list(enumerate(settings.channel)))}
    for channel in site.channels:
        if channel.name not in numbers:
            continue
        path: Path = ("channel", numbers[channel.name])
        yield from _channel(channel, path, counting, origins)


def _channel(channel: Channel, path: Path, counting: set[str], origins: Origins) -> Iterator[Problem]:
    scripts = [channel.sourcefilter] if channel.sourcefilter else []
    scripts += [destination.script for destination in channel.destinationfilters]
    source = _place(origins, (*path, "sourcefilter"))
    for script in scripts:
        if "reject" in script.facts.actions and channel.login is not True:
            says = f'{script.name} refuses, and senders of channel "{channel.name}" may be unauthenticated'
            remedy = f"to them it becomes {channel.unauthenticated.value}; login = true leaves them out"
            yield Problem("SW320", says, source, remedy, severity=Severity.WARNING)
        if script.facts.sender and script.facts.tables & counting and channel.senders != "own":
            says = f"{script.name} counts by envelope sender, which a thief can change for each message"
            remedy = 'senders = "own" refuses foreign ones on this channel'
            yield Problem("SW321", says, source, remedy, severity=Severity.WARNING)
