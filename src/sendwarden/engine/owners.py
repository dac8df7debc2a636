"""Which addresses a login may send as: its own, and those that a file or a directory lends it.

The file is Postfix's: a table of smtpd_sender_login_maps as postmap(1) reads it. Each line has an address,
``@domain`` or the local part of an address of ours, and then the logins that may use it, parted by blanks or
commas. A line that begins with a blank goes on the one before; a comment begins with ``#``. As in Postfix the
closest line counts alone: the whole address, then without its sub-address, then the local part (for our own
domains), then ``@domain``. Other than in Postfix, an account's own address needs no line.

A table of regular expressions is none of these and is told as a problem.

What a directory lends is known by account, not by address, so that all of it counts beside the file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sendwarden.core.identity import IdentityRules, account_of, fold_domain, in_domains, split_address
from sendwarden.core.mailbox import parse_mailboxes
from sendwarden.core.place import Place, Problem, Severity

Logins = frozenset[str]

# The left side: blanks may stand in quotes.
_KEY = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+')
_LOGIN = re.compile(r"[^\s,]+")
_PATTERN = ("/", "!/")
_LOCAL = re.compile(r'[^\s@()<>\[\]:;,"\\\x00-\x20\x7f]+')


@dataclass(frozen=True, slots=True)
class SenderTable:
    """The lines of a file by what they are about. Logins are accounts, that is, folded (`core.identity`)."""

    addresses: Mapping[str, Logins] = field(default_factory=dict)
    locals: Mapping[str, Logins] = field(default_factory=dict)  # at each of our own domains
    domains: Mapping[str, Logins] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owners:
    """Answers whether an account may use an address. ``domains`` are our own, folded."""

    rules: IdentityRules = field(default_factory=IdentityRules)
    domains: tuple[str, ...] = ()
    every_domain: bool = False  # bob, without a domain, owns bob at each of our domains
    table: SenderTable = field(default_factory=SenderTable)
    # What a directory lends to the account in question, as it is written there.
    granted: tuple[str, ...] = ()

    def may_use(self, account: str, address: str) -> bool:
        """``account`` is one as `account_of` gives it."""
        own = account_of(address, self.rules)
        if own == account:
            return True
        local, domain = split_address(own)
        if self.every_domain and local == account and in_domains(domain, self.domains):
            return True
        return account in self._logins(address) or self._is_granted(address)

    def ours(self, address: str) -> bool:
        """Does the address look like one of this site: by its domain, or since somebody here owns it?"""
        domain = split_address(address)[1]
        return in_domains(domain, (*self.domains, *self.rules.realms)) or bool(self._logins(address))

    def _logins(self, address: str) -> Logins:
        """Who may use an address by the line that is closest to it."""
        table = self.table
        if not (table.addresses or table.locals or table.domains):
            return frozenset()
        lines = {"address": table.addresses, "local": table.locals, "domain": table.domains}
        return next(
            (lines[kind][key] for kind, key in self._keys(address) if key in lines[kind]), frozenset()
        )

    def _is_granted(self, address: str) -> bool:
        if not self.granted:
            return False
        wanted, exact = self._keys(address), _exact(self.rules)
        return any(_meant(value, exact) in wanted and _is_key(value) for value in self.granted)

    def _keys(self, address: str) -> list[tuple[str, str]]:
        """What could stand for an address, the closest first."""
        exact = _exact(self.rules)
        whole = account_of(address, exact)
        short = account_of(address, replace(exact, subaddress=self.rules.subaddress))
        domain = split_address(whole)[1]
        keys = [("address", whole), ("address", short)]
        if in_domains(domain, self.domains):
            keys += [("local", split_address(whole)[0]), ("local", split_address(short)[0])]
        return [*keys, ("domain", domain)]


def _exact(rules: IdentityRules) -> IdentityRules:
    """How addresses of the file are compared: case and spelling fold, realms and sub-addresses stay."""
    return IdentityRules(fold_case=rules.fold_case, subaddress="")


# --- the file


@dataclass(slots=True)
class _Entry:
    """A logical line: its key with its place, and the logins of it and of the lines that go on from it."""

    key: str
    place: Place
    logins: list[str]


def read_senders(name: str, text: str, rules: IdentityRules) -> tuple[SenderTable, list[Problem]]:
    """A file's lines, and all that is wrong with them; wrong lines are left out."""
    problems: list[Problem] = []
    tables: dict[str, dict[str, Logins]] = {"address": {}, "local": {}, "domain": {}}
    lines: dict[tuple[str, str], int] = {}
    for entry in _entries(name, text, problems):
        if problem := _wrong(entry):
            problems.append(problem)
            continue
        kind, key = _meant(entry.key, _exact(rules))
        if (kind, key) in lines:
            says = f'"{entry.key}" stands here a second time, and the first line counts'
            remedy = f"put its logins into line {lines[kind, key]}"
            problems.append(Problem("SW604", says, entry.place, remedy, severity=Severity.WARNING))
            continue
        lines[kind, key] = entry.place.line
        tables[kind][key] = frozenset(account_of(login, rules) for login in entry.logins)
    return SenderTable(tables["address"], tables["local"], tables["domain"]), problems


def _entries(name: str, text: str, problems: list[Problem]) -> Iterator[_Entry]:
    entry: _Entry | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip()
        if not line or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            if entry is None:
                says, remedy = "a line that begins with a blank goes on another one", "take the blank out"
                problems.append(Problem("SW603", says, _place(name, number, line, 0, len(line)), remedy))
                continue
            entry.logins += _LOGIN.findall(line)
            continue
        if entry:
            yield entry
        found = _KEY.match(line)
        key = found[0] if found else line[0]
        rest = line[len(key) :]
        if rest and not rest[0].isspace():
            key, rest = line, ""  # a quote without its end
        entry = _Entry(key, _place(name, number, line, 0, len(key)), _LOGIN.findall(rest))
    if entry:
        yield entry


def _place(name: str, number: int, line: str, start: int, end: int) -> Place:
    return Place(name, number, start + 1, max(1, end - start), line)


def _wrong(entry: _Entry) -> Problem | None:
    key = entry.key
    if key.startswith(_PATTERN) or (
        key == "if" and entry.logins[:1] and entry.logins[0].startswith(_PATTERN)
    ):
        remedy = 'write one address a line: "info@example.org  bob, carol", or "@example.org  bob"'
        return Problem("SW605", "this is a line of a table of regular expressions", entry.place, remedy)
    if not _is_key(key):
        says = f'"{key}" is no address, no "@domain" and no local part'
        return Problem("SW602", says, entry.place, 'write "info@example.org", "@example.org" or "info"')
    if not entry.logins:
        remedy = f'write "{key}  bob", or take the line out'
        return Problem("SW601", f'no login is named that may use "{key}"', entry.place, remedy)
    return None


def _is_key(key: str) -> bool:
    return _is_domain(key) or _is_local(key) or _is_address(key)


def _is_domain(key: str) -> bool:
    return key.startswith("@") and _is_address(f"a{key}")


def _is_local(key: str) -> bool:
    return bool(_LOCAL.fullmatch(key))


def _is_address(key: str) -> bool:
    boxes = parse_mailboxes(key)
    local = boxes[0].local if len(boxes) == 1 else None
    printing = "".join(key.split()).isprintable()
    return local is not None and printing and not boxes[0].display and "<" not in key


def _meant(key: str, exact: IdentityRules) -> tuple[str, str]:
    if key.startswith("@"):
        return "domain", fold_domain(key[1:])
    return ("address" if split_address(key)[1] else "local"), account_of(key, exact)
