"""A grossd.conf as it stands, in the words of our own table ``[greylist]``.

Source: gross.md section 4, which says what grossd 1.0.2 does, not what its manual says. Its odd defaults
are kept: an unset ``grey_delay`` is 10 s, and ``grey_mask = 0`` means 32. Where grossd passes over what it
does not know (a misspelt check makes it greylist everything) this is an error.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from sendwarden.core.place import Place, Problem, Severity, did_you_mean
from sendwarden.engine.reputation.lists import Kind
from sendwarden.engine.reputation.names import key_of

PROTOCOLS = ("sjsms", "postfix")
CHECKS = ("dnsbl", "dnswl", "rhsbl", "reverse", "helo", "spf", "blocker", "random")
LISTS: Mapping[str, Kind] = {"dnsbl": "dnsbl", "dnswl": "dnswl", "rhsbl": "rhsbl"}
DEFAULT_PORT, STATUS_PORT = 5525, 5522

# What stands instead of options that grossd itself refuses.
DEPRECATED: Mapping[str, str] = {
    "syncport": "sync_listen",
    "synchost": "sync_listen",
    "peerport": "sync_peer",
    "peerhost": "sync_peer",
    "statushost": "host",
    "statusport": "host",
}
# Options that are understood, and why they have no effect here.
NO_EFFECT: Mapping[str, str] = {
    "filter_bits": "triplets are remembered exactly; greylist.triplets says how many",
    "statefile": "triplets stand in the state file",
    "pidfile": "the service manager knows the process",
    "pool_maxthreads": "there are no threads",
    "sync_listen": "several Sendwardens share nothing of greylisting",
    "sync_peer": "several Sendwardens share nothing of greylisting",
    "sync_port": "several Sendwardens share nothing of greylisting",
    "peer_name": "grossd has no use for it either",
    "status": "grossd has no use for it either",
    "milter_listen": "listen.milter is our milter",
    "log_method": "greylist.log is a file",
    "log_level": "grossd has no use for it either",
    "syslog_facility": "greylist.log is a file",
    "stat_type": "the status service counts",
    "stat_interval": "the status service counts",
}
_MULTIPLE = ("protocol", "check", "dnsbl", "rhsbl", "dnswl", "stat_type", "log_method")
# Options that take a parameter behind a semicolon.
_PARAMETERS = ("dnsbl", "rhsbl", "pidfile")
_ZONE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_WEIGHT = re.compile(r"[+-]?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class ListAsked:
    """One DNS list. ``kind``: dnsbl, dnswl or rhsbl."""

    kind: Kind
    zone: str
    weight: int
    place: Place
    key: str = field(default="", repr=False)  # of a subscription: what stands before the zone


@dataclass(slots=True)
class Grossd:
    """What the file says. ``values``: settings of ``[greylist]``; ``checks``: its checks, in order."""

    values: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, Place] = field(default_factory=dict)
    lists: list[ListAsked] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def kinds(self) -> frozenset[str]:
        """Checks that ask lists."""
        return frozenset(self.checks) & frozenset(LISTS)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    value: str
    parameter: str | None
    name_place: Place
    value_place: Place


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return int(text)

    return parse


def _mask(text: str) -> int:
    """0 is what grossd makes of it on every machine that it runs on."""
    return _whole(0, 32)(text) or 32


def _word(*known: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(did_you_mean(text, known) or f"write {' or '.join(known)}")
        return text

    return parse


def _address(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"
    try:
        found = ip_address(text)
    except ValueError:
        raise ValueError("write its address, such as 127.0.0.1") from None
    return f"[{found}]" if found.version == 6 else str(found)  # noqa: PLR2004 - the protocol's number


# Option -> our setting, and how its value is read.
OPTIONS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "host": ("host", _address),
    "port": ("port", _whole(1, 65_535)),
    "number_buffers": ("generations", _whole(2, 366)),
    "rotate_interval": ("interval", _whole(1, 31_536_000)),
    "update": ("remember", _word("grey", "always")),
    "grey_mask": ("mask4", _mask),
    "grey_mask6": ("mask6", _whole(1, 128)),
    "grey_tuple": ("tuple", _word("user", "server")),
    "grey_delay": ("delay", _whole(0, 86_400)),
    "query_timelimit": ("wait_ms", _whole(1, 120_000)),
    "block_threshold": ("block_threshold", _whole(0, 1_000_000)),
    "block_reason": ("block_reason", str),
    "grey_threshold": ("grey_threshold", _whole(0, 1_000_000)),
    "grey_reason": ("grey_reason", str),
    "sjsms_response_grey": ("sjsms_grey", str),
    "sjsms_response_match": ("sjsms_match", str),
    "sjsms_response_trust": ("sjsms_trust", str),
    "sjsms_response_block": ("sjsms_block", str),
    "postfix_response_grey": ("postfix_grey", str),
    "postfix_response_block": ("postfix_block", str),
}
_KNOWN = (*OPTIONS, *_MULTIPLE, *NO_EFFECT, "blocker_host", "blocker_port", "blocker_weight")


def read_grossd(file: str, text: str) -> Grossd:
    """All of a file, and everything that is wrong with it."""
    reader = _Reader(file)
    for number, line in enumerate(text.split("\n"), 1):
        if found := reader.line(number, line.rstrip("\r")):
            reader.take(found)
    return reader.end()


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.found = Grossd()
        self.protocols: list[str] = []
        self._values: dict[str, Any] = {"host": "127.0.0.1", "port": DEFAULT_PORT}
        self._places: dict[str, Place] = {}

    def problem(self, code: str, says: str, place: Place, remedy: str, *, warning: bool = False) -> None:
        severity = Severity.WARNING if warning else Severity.ERROR
        self.found.problems.append(Problem(code, says, place, remedy, severity=severity))

    def line(self, number: int, line: str) -> _Line | None:
        said = line.partition("#")[0]
        if not said.strip(" \t"):
            return None
        name, equals, rest = said.partition("=")
        whole = Place(self.file, number, len(said) - len(said.lstrip()) + 1, len(said.strip()), line)
        if not equals:
            remedy = 'grossd passes over it as well; write "name = value", or take it out'
            self.problem("SW706", "this line sets nothing", whole, remedy, warning=True)
            return None
        value, semicolon, parameter = rest.partition(";")
        if name.strip(" \t") in LISTS and (key := key_of(value.strip(" \t"))):
            line = line.replace(key, "*" * len(key))  # a secret, which no message shows
        if not value.strip(" \t"):
            self.problem("SW702", f'"{name.strip()}" has no value', whole, "write one, or take the line out")
            return None
        start = len(name) + 1 + len(value) - len(value.lstrip(" \t"))
        name_place = Place(self.file, number, whole.column, len(name.strip()), line)
        value_place = Place(self.file, number, start + 1, len(value.strip(" \t")), line)
        more = parameter.strip(" \t") if semicolon else None
        return _Line(name.strip(" \t"), value.strip(" \t"), more, name_place, value_place)

    def take(self, line: _Line) -> None:
        name = line.name
        if line.parameter is not None and name not in _PARAMETERS and name in _KNOWN:
            at = line.name_place.text.index(";") + 1
            place = Place(self.file, line.name_place.line, at, 1, line.name_place.text)
            self.problem("SW703", f"{name} takes no parameter", place, "take the semicolon out")
        elif name in OPTIONS:
            self._set(line)
        elif name in NO_EFFECT:
            says = f"{name} has no effect here: {NO_EFFECT[name]}"
            self.problem("SW705", says, line.name_place, "it may stay", warning=True)
        elif kind := LISTS.get(name):
            self._list(line, kind)
        elif name == "check":
            self._check(line)
        elif name == "protocol":
            self._protocol(line)
        elif not name.startswith("blocker_"):
            self._unknown(line)

    def _set(self, line: _Line) -> None:
        setting, parse = OPTIONS[line.name]
        if setting in self._places:
            remedy = f"the other stands in {self._places[setting]}"
            says = f"{line.name} is set twice; this one counts"
            self.problem("SW707", says, line.name_place, remedy, warning=True)
        self._places[setting] = line.name_place
        try:
            self._values[setting] = parse(line.value)
        except ValueError as error:
            says = f'"{line.value}" is no value of {line.name}'
            self.problem("SW704", says, line.value_place, str(error))

    def _list(self, line: _Line, kind: Kind) -> None:
        weight = "1" if line.parameter is None else line.parameter
        if not _ZONE.fullmatch(line.value):
            remedy = "write a zone, such as zen.spamhaus.org"
            self.problem("SW704", f"this is no zone of {line.name}", line.value_place, remedy)
        elif not _WEIGHT.fullmatch(weight):
            remedy = "write a whole number behind the semicolon"
            self.problem("SW704", f'"{weight}" is no weight', line.value_place, remedy)
        else:
            zone = line.value.rstrip(".").lower()
            key = key_of(zone)
            before = zone[: zone.index(key) + len(key)] if key else ""
            zone = zone.removeprefix(f"{before}.") if key else zone
            self.found.lists.append(ListAsked(kind, zone, int(weight), line.value_place, before))

    def _check(self, line: _Line) -> None:
        if line.value == "none":
            return
        if line.value in CHECKS:
            self.found.checks.setdefault(line.value, line.value_place)
            return
        remedy = did_you_mean(line.value, CHECKS) or f"write one of {', '.join(CHECKS)}"
        self.problem("SW708", f'there is no check "{line.value}"', line.value_place, remedy)

    def _protocol(self, line: _Line) -> None:
        if line.value in PROTOCOLS:
            self.protocols.append(line.value)
            return
        if line.value == "milter":
            says = "protocol milter has no effect here: listen.milter is our milter"
            self.problem("SW705", says, line.value_place, "it may stay", warning=True)
            return
        remedy = did_you_mean(line.value, PROTOCOLS) or f"write {' or '.join(PROTOCOLS)}"
        self.problem("SW704", f'there is no protocol "{line.value}"', line.value_place, remedy)

    def _unknown(self, line: _Line) -> None:
        if line.name in DEPRECATED:
            remedy = f"grossd refuses it too; write {DEPRECATED[line.name]}"
        elif line.name in ("status_host", "status_port"):
            remedy = "grossd refuses it too; set greylist.status in sendwarden.toml"
        else:
            remedy = did_you_mean(line.name, _KNOWN) or "take it out"
        self.problem("SW701", f'"{line.name}" is not an option of grossd', line.name_place, remedy)

    def end(self) -> Grossd:
        """What follows from several lines."""
        values = self._values
        host, port = values.pop("host"), values.pop("port")
        if "wait_ms" in values:
            values["wait"] = values.pop("wait_ms") / 1000
        if not self.protocols:
            remedy = "write protocol = sjsms, or protocol = postfix"
            says = "no protocol is set, so that nobody could ask"
            self.problem("SW709", says, Place(self.file), remedy)
        values["listen"] = [f"{host}:{port}"]
        values["status"] = [f"{host}:{STATUS_PORT}"]
        values["protocols"] = list(dict.fromkeys(self.protocols))
        self.found.values = values
        self._lists_and_checks()
        return self.found

    def _lists_and_checks(self) -> None:
        for kind in LISTS.values():
            lists = [one for one in self.found.lists if one.kind == kind]
            if lists and kind not in self.found.checks:
                says = f"{kind} names a list, and no check asks it"
                self.problem("SW710", says, lists[0].place, f"write check = {kind}", warning=True)
            if not lists and kind in self.found.checks:
                says = f"check {kind} has no list to ask"
                remedy = f"write {kind} = and its zone"
                self.problem("SW710", says, self.found.checks[kind], remedy, warning=True)
