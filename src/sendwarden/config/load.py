"""From a folder of files to a Site that can be used, or to everything that is wrong with them.

Nothing stops at the first error: each file is read as far as it can be, settings that are wrong are left out,
and what remains is checked with what remains of the others.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sendwarden.config.access import access_rules
from sendwarden.config.crosscheck import crosscheck
from sendwarden.config.dns_lists import check_dns_lists, dns_lists, grossd_checks
from sendwarden.config.files import Folder, Unreadable, unreadable_problem
from sendwarden.config.greylist import GreylistSettings
from sendwarden.config.greylist_rules import check_greylist, check_waiting_channels, over
from sendwarden.config.grossd import Grossd, read_grossd
from sendwarden.config.limits import LimitRows, incoming, networks, overrides
from sendwarden.config.positions import Path as KeyPath
from sendwarden.config.reading import Reading, read_settings
from sendwarden.config.scanners import ON_FINDING, bounds, score_headers
from sendwarden.config.schema import Settings
from sendwarden.config.shipped import SHIPPED_CHANNELS
from sendwarden.config.traffic import ChannelSettings
from sendwarden.config.values import recipients_meant
from sendwarden.config.webmail import webmail
from sendwarden.core.decision import Verdict
from sendwarden.core.identity import IdentityRules
from sendwarden.core.networks import Networks
from sendwarden.core.place import Place, Problem, has_errors, in_order
from sendwarden.engine.channel import Channel, DestinationFilter, Mode
from sendwarden.engine.mapping.callouts import base_name
from sendwarden.engine.mapping.grosscheck import IMAGE as GROSSCHECK_IMAGE
from sendwarden.engine.mapping.lint import lint
from sendwarden.engine.mapping.parse import MappingFile, read_mappings, table_problems
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.meters.options import TableOptions, read_options
from sendwarden.engine.owners import SenderTable, read_senders
from sendwarden.engine.reputation.lists import DnsList
from sendwarden.engine.sieve.compile import Script, compile_script
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.ext.mailserver import MappingCalls
from sendwarden.engine.sieve.registry import Language
from sendwarden.service.site import Site

# Problems of one kind in one file that are told one by one.
MOST_OF_A_KIND = 50
# Kind of a file that cannot be read -> problems that only follow from that: one cause, one error.
FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "mapping": ("SW310",),
    "option": ("SW216",),
    "TOML": ("SW109",),
}
# Problem -> the kind of file whose absence may be its cause, what we call it, and the setting that names it.
NEEDS: Mapping[str, tuple[str, str, str]] = {
    "SW310": ("mapping", "mapping file", "mapping.file"),
    "SW216": ("option", "option file", "metermaid.file"),
}


@dataclass(slots=True)
class Loaded:
    """A configuration as read. ``site`` is usable only if `usable`."""

    settings: Settings
    site: Site
    greylist: GreylistSettings  # with what a grossd.conf says
    dns_lists: list[DnsList]
    problems: list[Problem]
    folder: Folder
    origins: Mapping[KeyPath, Place]
    not_read: int = 0
    tables: int = 0

    @property
    def allowed(self) -> Networks:
        """Who may connect to our sockets besides this machine."""
        return networks(self.settings.listen.allow)

    @property
    def shared_where(self) -> tuple[object, ...]:
        """Where is counted, and what of it elsewhere."""
        return (*self.settings.counting.where, self.settings.metermaid.redis)

    @property
    def enforcing(self) -> list[str]:
        """Channels that act."""
        return [channel.name for channel in self.site.channels if channel.mode is Mode.ENFORCE]

    @property
    def usable(self) -> bool:
        return not has_errors(self.problems)


def load(settings_file: Path | None) -> Loaded:
    """Read the settings file, ``conf.d`` beside it, and all they name.

    Without a file: the embedded defaults.
    """
    folder = Folder(settings_file.absolute().parent if settings_file else Path.cwd())
    reading = Reading(folder)
    settings = read_settings(reading, settings_file.absolute()) if settings_file else Settings()
    if has_errors(reading.problems):
        reading.unread.add("TOML")
    found = _mappings(reading, settings)
    site = _site(reading, settings, found)
    grossd = _grossd(reading, settings)
    greylist = over(settings.greylist, grossd.values | {"checks": grossd_checks(settings, grossd)})
    reading.problems += crosscheck(site, settings, found, reading.place)
    reading.problems += check_dns_lists(settings, grossd, reading.place)
    reading.problems += check_greylist(settings, greylist, grossd, reading.place)
    reading.problems += check_waiting_channels(site, settings, greylist, reading.place)
    return Loaded(
        settings,
        site,
        greylist,
        dns_lists(settings, grossd),
        _problems(reading, settings),
        folder,
        reading.origins,
        reading.not_read,
        len(found.tables),
    )


def _problems(reading: Reading, settings: Settings) -> list[Problem]:
    """In the order in which they are told; without those that follow from others."""
    follows = {code for kind in reading.unread for code in FOLLOWS.get(kind, ())}
    every = (problem for problem in reading.problems if problem.code not in follows)
    return _told(in_order(_with_missing_file(one, reading.folder, settings) for one in every))


def _site(reading: Reading, settings: Settings, found: MappingFile) -> Site:
    """What the inside is given of the settings, and of the files that they name."""
    meters = _meters(reading, settings)
    limits = LimitRows(settings)
    mappings = Mappings(found.tables)
    scripts = _Scripts(reading, mappings, paranoia=settings.mapping.paranoia)
    channels = _channels(reading, settings, scripts, limits)
    identity = _identity(settings)
    return Site(
        channels=channels,
        identity=identity,
        rows=limits.rows,
        overrides=overrides(settings, identity, limits, reading.place),
        incoming=incoming(settings, limits),
        help=settings.site.help,
        administrators=tuple(settings.notify.administrators),
        tell_users=settings.notify.users,
        most_accounts=settings.counting.accounts,
        new_account_s=settings.counting.new_account,
        domains=tuple(settings.site.domains),
        lent=_lent(reading, settings),
        every_domain=settings.senders.every_domain,
        lends=settings.directory.lends,
        internal=networks(settings.site.internal),
        relays=networks(settings.site.relays),
        webmail=webmail(settings),
        mappings=mappings,
        meters=meters,
        external_logins=settings.accounts.external_logins,
        programs=settings.accounts.programs,
        host=settings.site.host or _own_name(),
        asks_greylist=any(base_name(one.call.image) == GROSSCHECK_IMAGE for one in found.calls),
        access=access_rules(settings),
        scanners=bounds(settings),
        score_headers=score_headers(settings),
    )


def _with_missing_file(problem: Problem, folder: Folder, settings: Settings) -> Problem:
    """Where a file that is read if it exists was looked for, if all that is wrong may be that it does not."""
    kind, what, setting = NEEDS.get(problem.code, ("", "", ""))
    if not kind or folder.read_files[kind]:
        return problem
    file = settings.mapping.file if kind == "mapping" else settings.metermaid.file
    says = f"There is no {what}: {folder.resolve(file)} was looked for ({setting})."
    return replace(problem, more=(*problem.more, says))


def _told(problems: Iterable[Problem]) -> list[Problem]:
    """Of one kind in one file only so many, then how many more: the rest is no use on a screen."""
    found: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        found.setdefault((problem.place.file if problem.place else "", problem.code), []).append(problem)
    told = []
    for of_kind in found.values():
        told += of_kind[:MOST_OF_A_KIND]
        if more := of_kind[MOST_OF_A_KIND:]:
            told.append(replace(more[0], sentence=f"and {len(more)} more like these", remedy="", more=()))
    return in_order(told)


def _own_name() -> str:
    """The name of this machine; the resolver is asked only where the short name is all there is."""
    name = socket.gethostname()
    return name if "." in name else socket.getfqdn()


# --- MeterMaid options, mapping tables, Sieve filters


def _text_of(
    reading: Reading, spec: str, path: KeyPath, kind: str, *, anywhere: bool = False
) -> tuple[str, str] | None:
    """Name and text of a file that a setting names, or that is read if it exists."""
    try:
        file = reading.folder.resolve(spec, anywhere=anywhere)
        if path not in reading.origins and not os.path.lexists(file):
            return None
        return reading.folder.name(file), reading.folder.read(file, kind)
    except Unreadable as error:
        reading.unread.add(kind)
        reading.problems.append(unreadable_problem(spec, error, reading.origins.get(path)))
        return None


def _grossd(reading: Reading, settings: Settings) -> Grossd:
    spec = settings.greylist.grossd
    found = _text_of(reading, spec, ("greylist", "grossd"), "grossd.conf", anywhere=True) if spec else None
    if found is None:
        return Grossd()
    grossd = read_grossd(*found)
    reading.problems += grossd.problems
    return grossd


def _meters(reading: Reading, settings: Settings) -> dict[str, TableOptions]:
    found = _text_of(reading, settings.metermaid.file, ("metermaid", "file"), "option")
    if found is None:
        return {}
    tables, problems = read_options(*found)
    reading.problems += problems
    return tables


def _mappings(reading: Reading, settings: Settings) -> MappingFile:
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

    def __init__(self, reading: Reading, mappings: Mappings, *, paranoia: bool) -> None:
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
            script, problems = compile_script(name, text, self.language)
            self.compiled[name] = None if has_errors(problems) else script
            reading.problems += problems
        return self.compiled[name]


# --- channels


def _channels(
    reading: Reading, settings: Settings, scripts: _Scripts, limits: LimitRows
) -> tuple[Channel, ...]:
    shipped = {str(values["name"]): ChannelSettings.model_validate(values) for values in SHIPPED_CHANNELS}
    first: list[Channel] = []
    seen: dict[str, int] = {}
    changed: dict[str, Channel] = {}
    for number, own in enumerate(settings.channel):
        path: KeyPath = ("channel", number)
        if own.name in seen:
            remedy = "give each its own name; the first one counts"
            says, place = f'there are two channels "{own.name}"', reading.place((*path, "name"))
            reading.problems.append(Problem("SW107", says, place, remedy))
            continue
        seen[own.name] = number
        base = shipped.get(own.name)
        if base:
            both = base.model_copy(update=own.model_dump(exclude_unset=True))
            changed[own.name] = replace(_channel(settings, both, path, scripts), **limits.of(both))
        else:
            first.append(replace(_channel(settings, own, path, scripts), **limits.of(own)))
    rest = [
        changed.get(name) or replace(_channel(settings, own, (), scripts), **limits.of(own))
        for name, own in shipped.items()
    ]
    return (*first, *rest)


def _channel(settings: Settings, own: ChannelSettings, path: KeyPath, scripts: _Scripts) -> Channel:
    source = scripts.get(own.sourcefilter, (*path, "sourcefilter")) if own.sourcefilter else None
    destinations = []
    for recipients, spec in (own.destinationfilter or {}).items():
        if script := scripts.get(spec, (*path, "destinationfilter", recipients)):
            destinations.append(DestinationFilter(recipients_meant(recipients), script))
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
        header_from=own.header_from or "any",
        foreign_sender=own.foreign_sender or "refuse",
        envelope_from=own.envelope_from or "sender",
        count=own.count or "recipient",
        mta_channel=own.mta_channel or "",
        greylist=frozenset(own.greylist or ()),
        scan=tuple(own.scan or ()),
        spam=ON_FINDING[own.spam or "pass"],
        virus=ON_FINDING[own.virus or "pass"],
    )


def _channel_networks(settings: Settings, own: ChannelSettings) -> Networks | None:
    if own.networks is None:
        return None
    named = {"internal": settings.site.internal, "webmail": settings.site.webmail}
    found: list[object] = []
    for network in own.networks:
        found += named[network] if isinstance(network, str) else [network]
    return networks(found)


def _identity(settings: Settings) -> IdentityRules:
    accounts = settings.accounts
    return IdentityRules(
        fold_case=accounts.fold_case,
        subaddress=accounts.subaddress,
        realms=frozenset(accounts.realms),
        windows_domains=frozenset(name.lower() for name in accounts.windows_domains),
    )


def _lent(reading: Reading, settings: Settings) -> SenderTable:
    found = _text_of(reading, settings.senders.file, ("senders", "file"), "senders", anywhere=True)
    if found is None:
        return SenderTable()
    table, problems = read_senders(*found, _identity(settings))
    reading.problems += problems
    return table
