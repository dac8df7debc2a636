"""From a folder of files to a Site that can be used, or to everything that is wrong with them.

Nothing stops at the first error: each file is read as far as it can be, settings that are wrong are left out,
and what remains is checked with what remains of the others.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sendwarden.config.crosscheck import crosscheck
from sendwarden.config.files import Folder, Unreadable, unreadable_problem
from sendwarden.config.positions import Path as KeyPath
from sendwarden.config.positions import TomlFile, read_toml
from sendwarden.config.schema import SHIPPED_CHANNELS, ChannelSettings, Settings
from sendwarden.config.translate import to_problem
from sendwarden.core.decision import Verdict
from sendwarden.core.identity import IdentityRules
from sendwarden.core.place import Place, Problem, Severity, has_errors, in_order
from sendwarden.engine.channel import Channel, DestinationFilter, Mode, Networks
from sendwarden.engine.mapping.lint import lint
from sendwarden.engine.mapping.parse import MappingFile, read_mappings, table_problems
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.meters.options import TableOptions, read_options
from sendwarden.engine.sieve.compile import Script, compile_script
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.ext.mailserver import MappingCalls
from sendwarden.engine.sieve.registry import Language
from sendwarden.service.site import Site


@dataclass(slots=True)
class Loaded:
    """A configuration as read. ``site`` is usable only if `usable`."""

    settings: Settings
    site: Site
    problems: list[Problem]
    folder: Folder
    origins: Mapping[KeyPath, Place]
    not_read: int = 0
    tables: int = 0

    @property
    def allowed(self) -> Networks:
        """Who may connect to our sockets besides this machine."""
        return _networks(self.settings.listen.allow)

    @property
    def usable(self) -> bool:
        return not has_errors(self.problems)


@dataclass(slots=True)
class _Reading:
    """What is known while a configuration is read."""

    folder: Folder
    problems: list[Problem] = field(default_factory=list)
    files: list[TomlFile] = field(default_factory=list)
    origins: dict[KeyPath, Place] = field(default_factory=dict)  # of values, in the merged settings
    not_read: int = 0

    def error(self, code: str, says: str, path: KeyPath, remedy: str = "", *, warning: bool = False) -> None:
        place = self.origins.get(path)
        while place is None and path:
            path = path[:-1]
            place = self.origins.get(path)
        severity = Severity.WARNING if warning else Severity.ERROR
        self.problems.append(Problem(code, says, place, remedy, severity=severity))


def load(settings_file: Path | None) -> Loaded:
    """Read the settings file, ``conf.d`` beside it, and all they name.

    Without a file: the embedded defaults.
    """
    folder = Folder(settings_file.absolute().parent if settings_file else Path.cwd())
    reading = _Reading(folder)
    if settings_file:
        _read_settings(reading, settings_file.absolute())
    settings = _merged(reading)
    meters = _meters(reading, settings)
    found = _mappings(reading, settings)
    mappings = Mappings(found.tables)
    scripts = _Scripts(reading, mappings, paranoia=settings.mapping.paranoia)
    channels = _channels(reading, settings, scripts)
    site = Site(
        channels=channels,
        identity=_identity(settings),
        domains=tuple(settings.site.domains),
        internal=_networks(settings.site.internal),
        relays=_networks(settings.site.relays),
        mappings=mappings,
        meters=meters,
        external_logins=settings.accounts.external_logins,
        host=settings.site.host or socket.getfqdn(),
    )
    reading.problems += crosscheck(site, settings, found, reading.origins)
    return Loaded(
        settings,
        site,
        in_order(reading.problems),
        folder,
        reading.origins,
        reading.not_read,
        len(found.tables),
    )


# --- TOML


def _read_settings(reading: _Reading, main: Path) -> None:
    more = sorted((main.parent / "conf.d").glob("*")) if (main.parent / "conf.d").is_dir() else []
    for path in [main, *more]:
        name = reading.folder.name(path)
        if path != main and path.suffix != ".toml":
            reading.not_read += 1
            says = f"{name} is not read: only *.toml files are"
            remedy = f"rename it to {path.stem}.toml, or move it away"
            reading.problems.append(Problem("SW130", says, None, more=(remedy,), severity=Severity.WARNING))
            continue
        try:
            text = reading.folder.read(path, "TOML")
        except Unreadable as error:
            reading.problems.append(unreadable_problem(name, error, Place(name)))
            continue
        file = read_toml(name, text)
        reading.problems += file.problems
        reading.files.append(file)
        _without_errors(reading, file)


def _without_errors(reading: _Reading, file: TomlFile) -> None:
    """Note all wrong settings of one file and take them out of its values."""
    try:
        Settings.model_validate(file.values)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            reading.problems.append(to_problem(error, file))
            _remove(file.values, tuple(error["loc"]))


def _remove(values: Any, path: KeyPath) -> None:  # noqa: ANN401 - TOML values of any shape
    """Take out what stands at the path.

    Of a list its item becomes None, so that the others keep their numbers.
    """
    for part in path[:-1]:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(values, dict):
        values.pop(path[-1], None)
    elif isinstance(values, list) and isinstance(path[-1], int) and path[-1] < len(values):
        values[path[-1]] = None


def _merged(reading: _Reading) -> Settings:
    """All files as one, a later one over an earlier one, channels one after the other."""
    values: dict[str, Any] = {}
    channels: list[object] = []
    for file in reading.files:
        own = file.values.pop("channel", [])
        for number, channel in enumerate(own if isinstance(own, list) else []):
            if isinstance(channel, dict) and "name" in channel:
                _note_origins(reading, file, ("channel", number), ("channel", len(channels)))
                channels.append(_cleaned(channel))
        _merge(reading, file, values, file.values, ())
    values = _cleaned(values)
    if channels:
        values["channel"] = channels
    try:
        return Settings.model_validate(values)
    except ValidationError:  # what is left of a list whose wrong item was taken out
        return Settings()


def _cleaned(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value if inner is not None] if isinstance(value, list) else value


def _merge(
    reading: _Reading, file: TomlFile, into: dict[str, Any], values: Mapping[str, Any], path: KeyPath
) -> None:
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(reading, file, into[name], value, here)
            continue
        if name in into:
            earlier = reading.origins.get(here)
            says = f'"{name}" is set in two files; this one counts'
            place, remedy = file.place(here, key=True), f"the other stands in {earlier}"
            reading.problems.append(Problem("SW131", says, place, remedy, severity=Severity.WARNING))
        into[name] = value
        _note_origins(reading, file, here, here)


def _note_origins(reading: _Reading, file: TomlFile, here: KeyPath, there: KeyPath) -> None:
    for path, place in [*file.keys.items(), *file.places.items()]:
        if path[: len(here)] == here:
            reading.origins[(*there, *path[len(here) :])] = place


# --- MeterMaid options, mapping tables, Sieve filters


def _text_of(reading: _Reading, spec: str, path: KeyPath, kind: str) -> tuple[str, str] | None:
    """Name and text of a file that a setting names, or that is read if it exists."""
    try:
        file = reading.folder.resolve(spec)
        if path not in reading.origins and not file.exists():
            return None
        return reading.folder.name(file), reading.folder.read(file, kind)
    except Unreadable as error:
        place = reading.origins.get(path)
        reading.problems.append(unreadable_problem(spec, error, place))
        return None


def _meters(reading: _Reading, settings: Settings) -> dict[str, TableOptions]:
    found = _text_of(reading, settings.metermaid.file, ("metermaid", "file"), "option")
    if found is None:
        return {}
    tables, problems = read_options(*found)
    reading.problems += problems
    return tables


def _mappings(reading: _Reading, settings: Settings) -> MappingFile:
    found = _text_of(reading, settings.mapping.file, ("mapping", "file"), "mapping")
    if found is None:
        return MappingFile()

    def include(spec: str) -> tuple[str, str]:
        path = reading.folder.resolve(spec)
        return reading.folder.name(path), reading.folder.read(path, "mapping")

    file = read_mappings(*found, include=include)
    reading.problems += [*file.problems, *table_problems(file, file.tables)]
    for table in file.tables.values():
        reading.problems += lint(table)
    return file


class _Scripts:
    """Sieve filters, each file compiled once however many channels name it."""

    def __init__(self, reading: _Reading, mappings: Mappings, *, paranoia: bool) -> None:
        self.reading = reading
        calls = MappingCalls(mappings, paranoia)
        self.language = Language((*CAPABILITIES, *ADMINISTRATOR), calls, dialect=True)
        self.compiled: dict[str, Script | None] = {}

    def get(self, spec: str, path: KeyPath) -> Script | None:
        reading = self.reading
        found = _text_of(reading, spec, path, "Sieve")
        if found is None:
            return None
        name, text = found
        if name not in self.compiled:
            self.compiled[name], problems = compile_script(name, text, self.language)
            reading.problems += problems
        return self.compiled[name]


# --- channels


def _channels(reading: _Reading, settings: Settings, scripts: _Scripts) -> tuple[Channel, ...]:
    shipped = {str(values["name"]): ChannelSettings.model_validate(values) for values in SHIPPED_CHANNELS}
    first: list[Channel] = []
    seen: dict[str, int] = {}
    changed: dict[str, Channel] = {}
    for number, own in enumerate(settings.channel):
        path: KeyPath = ("channel", number)
        if own.name in seen:
            remedy = "give each its own name; the first one counts"
            reading.error("SW107", f'there are two channels "{own.name}"', (*path, "name"), remedy)
            continue
        seen[own.name] = number
        base = shipped.get(own.name)
        if base:
            both = base.model_copy(update=own.model_dump(exclude_unset=True))
            changed[own.name] = _channel(settings, both, path, scripts)
        else:
            first.append(_channel(settings, own, path, scripts))
    rest = [changed.get(name) or _channel(settings, own, (), scripts) for name, own in shipped.items()]
    return (*first, *rest)


def _channel(settings: Settings, own: ChannelSettings, path: KeyPath, scripts: _Scripts) -> Channel:
    source = scripts.get(own.sourcefilter, (*path, "sourcefilter")) if own.sourcefilter else None
    destinations = []
    for recipients, spec in (own.destinationfilter or {}).items():
        if script := scripts.get(spec, (*path, "destinationfilter", recipients)):
            destinations.append(DestinationFilter(recipients.lower(), script))
    return Channel(
        own.name,
        login=own.login,
        networks=_channel_networks(settings, own),
        local=bool(own.local),
        listener=own.listener or "",
        macros=own.macros or {},
        mode=Mode(own.mode or settings.mode),
        sourcefilter=source,
        destinationfilters=tuple(destinations),
        unauthenticated=Verdict.DISCARD if own.unauthenticated == "discard" else Verdict.HOLD,
        refusal=Verdict.DEFER if own.refusal == "defer" else Verdict.REFUSE,
        senders=own.senders or "any",
        count=own.count or "recipient",
    )


def _channel_networks(settings: Settings, own: ChannelSettings) -> Networks | None:
    if own.networks is None:
        return None
    named = {"internal": settings.site.internal, "webmail": settings.site.webmail}
    found: list[object] = []
    for network in own.networks:
        found += named[network] if isinstance(network, str) else [network]
    return _networks(found)


def _networks(values: list[object]) -> Networks:
    return tuple(value for value in values if isinstance(value, IPv4Network | IPv6Network))


def _identity(settings: Settings) -> IdentityRules:
    accounts = settings.accounts
    return IdentityRules(
        fold_case=accounts.fold_case,
        subaddress=accounts.subaddress,
        realms=frozenset(accounts.realms),
        windows_domains=frozenset(name.lower() for name in accounts.windows_domains),
    )
