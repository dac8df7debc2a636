"""MeterMaid's options, read as they stand: ``metermaid.table.T.quota = 50`` or ``configutil -o .. -v ..``.

Names of the unified configuration (``metermaid.local_table:T.quota``, ``table_type``) mean the same. Server
and client options of the original (`NO_EFFECT`) are read and reported, since nothing here listens on
MeterMaid's port. Comments begin with ``#`` or ``!``. A value may stand on the line after its equals sign.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sendwarden.core.place import Place, Problem, Severity, did_you_mean
from sendwarden.core.units import parse_duration_s

from .algorithms import ALGORITHMS, Quota

NO_EFFECT = (
    "local.metermaid.",
    "logfile.metermaid.",
    "metermaid.config.",
    "metermaid.mtaclient.",
    "metermaid.enable",
)

# What a quota, a number of seconds and a number of entries may be.
NUMBERS = range(1, 10**9 + 1)


@dataclass(frozen=True, slots=True)
class TableOptions:
    """One table. The defaults are the original's where they are known (docs/supported-metermaid.md)."""

    name: str
    type: str = "throttle"
    data_type: str = "string"  # of keys
    value_type: str = "string"  # of the values of a simple table
    quota: int = 100  # hits
    quota_time: int = 60  # seconds
    max_entries: int = 1000
    options: frozenset[str] = frozenset()
    algorithm: str = "sliding"
    block_time: int = 300  # seconds, greylisting tables: how long a first attempt is put off
    resubmit_time: int = 4 * 3600  # seconds: how late the second attempt may come
    inactivity_time: int = 7 * 86400  # seconds: how long a passed entry stays good unused
    places: dict[str, Place] = field(default_factory=dict, compare=False)  # option -> where it is set

    @property
    def limit(self) -> Quota:
        return Quota(self.quota, self.quota_time, "penalize" in self.options)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'a whole number is expected, not "{text}"', "write digits alone, such as 50")
    number = int(text[:20])  # what is longer is too large anyhow
    if number not in NUMBERS:
        raise ValueError(f"{text[:20]} is out of range", "write a number from 1 to 1000000000")
    return number


def _seconds(text: str) -> int:
    try:
        return _positive(text)
    except ValueError:
        if text.isascii() and text.isdigit():
            raise
        try:
            meant = parse_duration_s(text)
        except ValueError:
            meant = 0
        remedy = f"write {meant}" if meant in NUMBERS else "write digits alone, such as 3600"
        raise ValueError(f'a whole number of seconds is expected, not "{text}"', remedy) from None


def _duration(text: str) -> int:
    try:
        return parse_duration_s(text)
    except ValueError:
        remedy = 'write for example "PT5M"'
        raise ValueError(f'an ISO 8601 duration is expected, not "{text}"', remedy) from None


def _word(*known: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in known:
            says = did_you_mean(text, known) or f"known are {', '.join(known)}"
            raise ValueError(f'"{text}" is not one of the possible values', says)
        return text.lower()

    return parse


def _words(*known: str) -> Callable[[str], frozenset[str]]:
    one = _word(*known)

    def parse(text: str) -> frozenset[str]:
        return frozenset(one(word.strip()) for word in text.split(",") if word.strip())

    return parse


def _nothing(_text: str) -> None:
    return None


# Option of a table -> attribute of TableOptions ("" for one without effect here), how its value is read.
OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "type": ("type", _word("throttle", "simple", "greylisting")),
    "table_type": ("type", _word("throttle", "simple", "greylisting")),
    "data_type": ("data_type", _word("string", "ipv4")),
    "value_type": ("value_type", _word("integer", "string")),
    "quota": ("quota", _positive),
    "quota_time": ("quota_time", _seconds),
    "max_entries": ("max_entries", _positive),
    "options": ("options", _words("nocase", "penalize")),
    "table_options": ("options", _words("nocase", "penalize")),
    "algorithm": ("algorithm", _word(*ALGORITHMS)),
    "block_time": ("block_time", _duration),
    "resubmit_time": ("resubmit_time", _duration),
    "inactivity_time": ("inactivity_time", _duration),
    "storage": ("", _word("hash", "splay")),
}

_TABLE = re.compile(r"metermaid\.(?:table\.|local_table:)([^.\s]+)\.([\w-]+)", re.IGNORECASE)
_CONFIGUTIL = re.compile(r"\s*(?:\S*/)?configutil\s")
_ASSIGNMENT = re.compile(r"\s*+([^\s=]++)\s*+=\s*+((?:\S++|\s++(?!$))*+)\s*+")


@dataclass(frozen=True, slots=True)
class _Setting:
    name: str
    value: str
    name_place: Place
    value_place: Place


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.tables: dict[str, TableOptions] = {}
        self.problems: list[Problem] = []

    def problem(self, code: str, says: str, place: Place, remedy: str = "", *, warning: bool = False) -> None:
        severity = Severity.WARNING if warning else Severity.ERROR
        self.problems.append(Problem(code, says, place, remedy, severity=severity))

    def settings(self, text: str) -> list[_Setting]:
        found = []
        lines = text.split("\n")
        number = 0
        while number < len(lines):
            line = lines[number].rstrip("\r")
            number += 1
            if not line.strip() or _is_comment(line):
                continue
            if _CONFIGUTIL.match(line):
                found += self._configutil(number, line)
            elif assignment := _ASSIGNMENT.fullmatch(line):
                name, value = assignment.groups()
                name_place = Place(self.file, number, assignment.start(1) + 1, len(name), line)
                value_place = Place(self.file, number, assignment.start(2) + 1, max(1, len(value)), line)
                if not value and number < len(lines) and _is_bare_value(lines[number]):
                    wrapped = lines[number].rstrip("\r")
                    value = wrapped.strip()
                    value_place = Place(self.file, number + 1, wrapped.index(value) + 1, len(value), wrapped)
                    number += 1
                found.append(_Setting(name, _unquoted(value), name_place, value_place))
            else:
                place = Place(self.file, number, 1, len(line), line)
                self.problem("SW407", "this line sets nothing", place, 'write "name = value"')
        return found

    def _configutil(self, number: int, line: str) -> list[_Setting]:
        whole = Place(self.file, number, 1, len(line), line)
        try:
            words = shlex.split(line)
            name, value = words[words.index("-o") + 1], words[words.index("-v") + 1]
        except (ValueError, IndexError):
            remedy = "write: configutil -o metermaid.table.T.quota -v 50"
            self.problem("SW407", "this line sets nothing", whole, remedy)
            return []
        return [
            _Setting(name, value, self._word(number, line, "-o", name), self._word(number, line, "-v", value))
        ]

    def _word(self, number: int, line: str, option: str, word: str) -> Place:
        """The place of the word behind ``-o`` or ``-v``, within its quotes where it has some."""
        behind = re.search(rf"\s{option}\s+", line)
        at = line.find(word, behind.end() if behind else 0)
        return Place(self.file, number, max(at, 0) + 1, max(1, len(word)), line)

    def read(self, setting: _Setting) -> None:
        name = setting.name.lower()
        if name.startswith(NO_EFFECT):
            says = f"{setting.name} has no effect here: MeterMaid's own port is not served"
            self.problem("SW405", says, setting.name_place, "it may stay", warning=True)
            return
        match = _TABLE.fullmatch(setting.name)
        if not match:
            says = f'"{setting.name}" is not an option of MeterMaid, and is not read'
            remedy = "options have the form metermaid.table.T.quota"
            self.problem("SW407", says, setting.name_place, remedy, warning=not name.startswith("metermaid"))
            return
        self._table_option(match[1].lower(), match[2].lower(), setting)

    def _table_option(self, table: str, option: str, setting: _Setting) -> None:
        if option not in OPTIONS:
            remedy = did_you_mean(option, OPTIONS) or f"known are {', '.join(OPTIONS)}"
            self.problem("SW404", f'"{option}" is not an option of a table', setting.name_place, remedy)
            return
        attribute, parse = OPTIONS[option]
        before = self.tables.setdefault(table, TableOptions(table))
        try:
            value = parse(setting.value)
        except ValueError as error:
            says, remedy = (*error.args, "")[:2]
            self.problem("SW401", says, setting.value_place, remedy)
            return
        if not attribute:
            return
        if attribute in before.places:
            earlier = before.places[attribute]
            says = f"{setting.name} is set twice; this one counts"
            self.problem("SW408", says, setting.name_place, f"the other stands in {earlier}", warning=True)
        places = {**before.places, attribute: setting.value_place}
        self.tables[table] = replace(before, **{attribute: value, "places": places})


def _is_comment(line: str) -> bool:
    return line.lstrip()[:1] in ("#", "!")


def _is_bare_value(line: str) -> bool:
    """Can this line be the value of the one before it?"""
    return bool(line.strip()) and "=" not in line and not _is_comment(line) and not _CONFIGUTIL.match(line)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def read_options(file: str, text: str) -> tuple[dict[str, TableOptions], list[Problem]]:
    """Tables by name (lower case), and everything that is wrong with the file."""
    reader = _Reader(file)
    for setting in reader.settings(text):
        reader.read(setting)
    return reader.tables, reader.problems
