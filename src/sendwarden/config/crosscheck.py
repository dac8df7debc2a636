"""What no file can be checked for alone: names that must exist elsewhere, and combinations that surprise."""

from collections import Counter
from collections.abc import Iterator

from sendwarden.config.access import COUNTING, PlaceOf, access_problems
from sendwarden.config.addresses import OPEN_REMEDY, is_open
from sendwarden.config.directory_check import check_directory
from sendwarden.config.limits_check import check_limits
from sendwarden.config.no_effect import check_no_effect
from sendwarden.config.positions import Path
from sendwarden.config.scanners_check import check_scanners
from sendwarden.config.schema import SETTINGS_VERSION, Settings
from sendwarden.config.values import recipients_meant, shown
from sendwarden.config.webmail import check_webmail
from sendwarden.core.networks import Networks
from sendwarden.core.place import Place, Problem, Severity, did_you_mean
from sendwarden.engine.channel import Channel
from sendwarden.engine.mapping.callouts import IMAGES, base_name
from sendwarden.engine.mapping.parse import CallSite, MappingFile
from sendwarden.engine.mapping.template import Text
from sendwarden.engine.sieve.compile import Script
from sendwarden.service.site import Site


def crosscheck(site: Site, settings: Settings, found: MappingFile, place_of: PlaceOf) -> list[Problem]:
    """All problems between the parts of a configuration."""
    return [
        *_version(settings, place_of),
        *_listeners(settings, place_of),
        *_meter_tables(site, found, settings.metermaid.file),
        *_shared_tables(settings, place_of),
        *_channels(site, settings, found, place_of),
        *access_problems(settings, found, place_of),
        *check_limits(site, settings, place_of),
        *check_no_effect(settings, place_of),
        *check_directory(settings.directory, place_of),
        *check_webmail(settings, place_of),
        *check_scanners(settings, place_of),
    ]


def _shared_tables(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    if settings.metermaid.redis and not settings.counting.redis:
        says = "metermaid.redis has no Redis to count in"
        remedy = 'write redis = "redis://192.0.2.30:6379/0" in [counting]'
        yield Problem("SW149", says, place_of(("metermaid", "redis")), remedy)


def _version(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    if settings.version > SETTINGS_VERSION:
        says = (
            f"these settings are of version {settings.version}, and this Sendwarden reads {SETTINGS_VERSION}"
        )
        yield Problem("SW104", says, place_of(("version",)), "run a newer Sendwarden")


def _listeners(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    listen = settings.listen
    sockets = [
        (name, place, ("listen", name, number))
        for name, places in (("policy", listen.policy), ("milter", listen.milter), ("login", listen.login))
        for number, place in enumerate(places)
    ]
    seen: Counter[str] = Counter()
    for name, place, path in sockets:
        if is_open(place) and not listen.allow:
            says = f"{name} would be open to the whole network"
            yield Problem("SW122", says, place_of(path), OPEN_REMEDY)
        if seen[place]:
            remedy = "each needs a port or path of its own"
            yield Problem("SW123", f"{place} is named twice", place_of(path), remedy)
        seen[place] += 1
    mail = [*listen.policy, *listen.milter]
    for number, channel in enumerate(settings.channel):
        if channel.listener and channel.listener not in mail:
            says = f"{shown(channel.listener)} is none of our sockets"
            remedy = did_you_mean(channel.listener, mail) or f"listen names {', '.join(mail) or 'none'}"
            yield Problem("SW108", says, place_of(("channel", number, "listener")), remedy)


def _meter_tables(site: Site, found: MappingFile, option_file: str) -> Iterator[Problem]:
    for site_of_call in found.calls:
        name = _constant_table(site_of_call)
        call = site_of_call.call
        routines = IMAGES.get(base_name(call.image), {})
        routine = routines.get(call.routine.lower())
        # Of a routine that does not exist (SW211) it is known what all of its image have in common.
        possible = [routine] if routine else [*routines.values()]
        if name is None or not possible or any(one.arguments[:1] != ("table",) for one in possible):
            continue
        options = site.meters.get(name.lower())
        if options is None:
            remedy = f"set metermaid.table.{name}.quota in {option_file}"
            if close := did_you_mean(name, site.meters):
                remedy = f"{close}  Else {remedy}"
            says = f'table {site_of_call.table}: there is no MeterMaid table "{name}"'
            yield Problem("SW216", says, site_of_call.place, remedy)
        elif routine and routine.table_type and options.type != routine.table_type:
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


def _channels(site: Site, settings: Settings, found: MappingFile, place_of: PlaceOf) -> Iterator[Problem]:
    counting = {call.table.upper() for call in found.calls if call.call.routine.lower() in COUNTING}
    numbers = {channel.name: number for number, channel in reversed(list(enumerate(settings.channel)))}
    for at, channel in enumerate(site.channels):
        if channel.name not in numbers:
            continue
        number = numbers[channel.name]
        yield from _never_applies(channel, site.channels[:at], ("channel", number), place_of)
        yield from _senders(channel, settings, number, place_of)
        for script, place in _scripts(channel, settings, number, place_of):
            yield from _script(script, channel, site, counting, place)


def _never_applies(
    channel: Channel, earlier: tuple[Channel, ...], path: Path, place_of: PlaceOf
) -> Iterator[Problem]:
    says = f'channel "{channel.name}" never gets any mail'
    if channel.networks == () and not channel.local:
        remedy = "its networks are none; what internal and webmail stand for is set under [site]"
        yield Problem("SW109", says, place_of((*path, "networks")), remedy, severity=Severity.WARNING)
        return
    taker = next((other for other in earlier if _takes_all_of(other, channel)), None)
    if taker:
        remedy = f'"{taker.name}" stands before it and takes all of it: put the narrower one first'
        yield Problem("SW109", says, place_of((*path, "name")), remedy, severity=Severity.WARNING)


def _senders(channel: Channel, settings: Settings, number: int, place_of: PlaceOf) -> Iterator[Problem]:
    """Settings about senders that no sender is ever compared for."""
    own = settings.channel[number]
    compared = channel.login is not False and "own" in (channel.senders, channel.header_from)
    for name in ("foreign_sender", "header_from"):
        value = getattr(own, name)
        if value in (None, "any") or compared:
            continue
        says = f'{name} = "{value}" has no effect on channel "{channel.name}"'
        remedy = 'senders = "own" or header_from = "own" is missing'
        if channel.login is False:
            remedy = "its mail has no login that a sender could belong to"
        place = place_of(("channel", number, name))
        yield Problem("SW324", says, place, remedy, severity=Severity.WARNING)


def _takes_all_of(one: Channel, other: Channel) -> bool:
    """Does whatever fits ``other`` fit ``one`` as well?"""
    return (
        one.login in (None, other.login)
        and one.listener in ("", other.listener)
        and one.macros.items() <= other.macros.items()
        and (one.networks is None or _within(other.networks, one.networks))
        and (one.networks is None or one.local or not other.local)
    )


def _within(networks: Networks | None, wider: Networks) -> bool:
    """Does each of the networks lie in one of the wider ones?"""
    return networks is not None and all(
        any(network.version == wide.version and network.subnet_of(wide) for wide in wider)  # type: ignore[arg-type]
        for network in networks
    )


def _scripts(
    channel: Channel, settings: Settings, number: int, place_of: PlaceOf
) -> Iterator[tuple[Script, Place | None]]:
    """The filters of a channel, and where it names them."""
    path: Path = ("channel", number)
    if channel.sourcefilter:
        yield channel.sourcefilter, place_of((*path, "sourcefilter"))
    scripts = {destination.recipients: destination.script for destination in channel.destinationfilters}
    for key in settings.channel[number].destinationfilter or {}:
        if script := scripts.get(recipients_meant(key)):
            yield script, place_of((*path, "destinationfilter", key))


def _script(
    script: Script, channel: Channel, site: Site, counting: set[str], place: Place | None
) -> Iterator[Problem]:
    if "reject" in script.facts.actions and _may_be_strangers(channel, site):
        says = f'{script.name} refuses, and senders of channel "{channel.name}" may be unauthenticated'
        remedy = f"to them it becomes {channel.unauthenticated.value}; login = true leaves them out"
        yield Problem("SW320", says, place, remedy, severity=Severity.WARNING)
    if script.facts.sender and script.facts.tables & counting and channel.envelope_from != "account":
        says = f"{script.name} counts by envelope sender, which a thief can change for each message"
        remedy = 'envelope_from = "account" on this channel shows it the account of a login instead'
        yield Problem("SW321", says, place, remedy, severity=Severity.WARNING)
    if script.facts.scores and not channel.scan:
        says = f'{script.name} asks what scanners found, and channel "{channel.name}" asks none'
        remedy = 'scan = ["spam"] on the channel names a [[scanner]] or [[score_header]]'
        yield Problem("SW326", says, place, remedy, severity=Severity.WARNING)


def _may_be_strangers(channel: Channel, site: Site) -> bool:
    """May a refusal on this channel hit somebody whose address was forged? (`engine.backscatter`)"""
    if channel.login is True:
        return False
    if channel.networks is None or not _within(channel.networks, site.internal):
        return True
    return any(relay.overlaps(network) for relay in site.relays for network in channel.networks)
