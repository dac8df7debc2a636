"""Who may still refuse what was charged already: what stands behind us in Postfix's settings.

Postfix asks in this order: restrictions of the recipients, of DATA, of the end of data, then header_checks
and the milters at their end, one after the other (SMTPD_ACCESS_README, MILTER_README). It tells nobody what
others answered later. So a message that somebody behind us refuses stays charged until its window ends, but
for two kinds: what is refused between RCPT and our own line at the end of data is given back there, or after
ten minutes; and what is refused before our milter's end, our milter is told.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MILTERS = "smtpd_milters"
RCPT = "smtpd_recipient_restrictions"
DATA = "smtpd_data_restrictions"
END = "smtpd_end_of_data_restrictions"
NAMES = (RCPT, DATA, END, MILTERS)

_REFUSES = re.compile(r"reject|check_|defer|(?:inet|unix|local):|\{")
_WITH_ARGUMENT = re.compile(r"check_|reject_rbl_|reject_rhsbl_|permit_dnswl_|permit_rhswl_|warn_if_reject")
_LAST = "put Sendwarden's milter last in smtpd_milters"
_BEHIND = f"put our check_policy_service behind them in {END}"
_END_MISSING = f"add our check_policy_service to {END}, which gives back what was refused before"


@dataclass(frozen=True, slots=True)
class Behind:
    """Entries of one setting that may refuse what is charged already, and what to do about it."""

    setting: str
    entries: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Sockets:
    """How Postfix's settings name ours."""

    milter: tuple[str, ...]
    policy: tuple[str, ...]


def entries_of(value: str) -> list[str]:
    """The entries of a list of milters or restrictions, each with its argument."""
    words, depth, word = list[str](), 0, ""
    for letter in f"{value} ":
        if letter in ", \t\n" and not depth:
            words += [word] if word else []
            word = ""
            continue
        depth += (letter == "{") - (letter == "}")
        word += letter
    found: list[str] = []
    for each in words:
        if found and _WITH_ARGUMENT.match(found[-1]) and " " not in found[-1]:
            found[-1] += f" {each}"
        else:
            found.append(each)
    return found


def asks_us(values: Mapping[str, str], ours: Sockets) -> bool:
    """Does a Postfix with these values of `NAMES` ask us at all?"""
    return any(_place(values, name, ours) is not None for name in NAMES)


def behind(values: Mapping[str, str], ours: Sockets) -> Iterator[Behind]:
    """Everything that refuses too late. ``values`` of `NAMES`, with variables expanded."""
    milter, at_end, at_rcpt = (_place(values, name, ours) for name in (MILTERS, END, RCPT))
    if milter is not None:
        yield from _those(MILTERS, _refusing(values, MILTERS, milter + 1), _LAST)
    if at_end is not None:
        yield from _those(END, _refusing(values, END, at_end + 1), _BEHIND)
    elif at_rcpt is not None:
        yield from _those(RCPT, _refusing(values, RCPT, at_rcpt + 1), _END_MISSING)
        yield from _those(DATA, _refusing(values, DATA, 0), _END_MISSING)
    if milter is None and (at_end is not None or at_rcpt is not None):
        yield from _those(MILTERS, _refusing(values, MILTERS, 0), _LAST)


def _those(setting: str, entries: Sequence[str], remedy: str) -> Iterator[Behind]:
    if entries:
        yield Behind(setting, tuple(map(_short, entries)), remedy)


def _short(entry: str) -> str:
    """An entry without its time-outs: { inet:127.0.0.1:8891, connect_timeout=2s } by its socket."""
    return re.sub(r"\{\s*([^\s,{}]+)[^{}]*\}", r"\1", entry)


def _place(values: Mapping[str, str], name: str, ours: Sockets) -> int | None:
    """Where we stand in a setting, the last time."""
    sockets = ours.milter if name == MILTERS else ours.policy
    known = re.compile("|".join(rf"(?<![\w.:/]){re.escape(one)}(?![\w.:/])" for one in sockets) or r"(?!)")
    places = [at for at, entry in enumerate(entries_of(values.get(name, ""))) if known.search(entry)]
    return places[-1] if places else None


def _refusing(values: Mapping[str, str], name: str, start: int) -> list[str]:
    return [entry for entry in entries_of(values.get(name, ""))[start:] if _REFUSES.match(entry)]


def spellings(endpoints: Iterable[str]) -> tuple[str, ...]:
    """The same sockets as others may have written them."""
    found = dict[str, None]()
    for endpoint in endpoints:
        names = {"inet:127.0.0.1:", "inet:[::1]:", "inet:localhost:"}
        host, _, port = endpoint.rpartition(":")
        found[endpoint] = None
        found |= dict.fromkeys(f"{name}{port}" for name in sorted(names) if f"{host}:" in names)
    return tuple(found)
