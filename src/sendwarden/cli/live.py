"""Warnings that need to know what goes on: what the state holds, what time it is, what a Postfix asks."""

import shutil
from collections import Counter
from collections.abc import Iterator

from sendwarden.cli import local_programs
from sendwarden.cli.configuration import open_state
from sendwarden.cli.connect import PROGRAMS, Postfix, PostfixSays, behind_us, expanded, sockets
from sendwarden.config.load import Loaded
from sendwarden.core.ascii import printable
from sendwarden.core.errors import StoreDown
from sendwarden.core.identity import split_address
from sendwarden.core.place import Problem, Severity

# A table fuller than this is worth a word.
FULL_SHARE = 0.9


def live_warnings(loaded: Loaded, now: float) -> list[Problem]:
    """All of them; ``now`` in seconds since the epoch."""
    return [*_ended(loaded, now), *_full_tables(loaded), *_notices(loaded)]


def _notices(loaded: Loaded) -> Iterator[Problem]:
    """SW503: notices that reach nobody, or whose sender nobody can answer."""
    site, origins = loaded.site, loaded.origins
    if not loaded.usable:
        return  # what stands there may not be what was read
    if not (loaded.enforcing or (site.incoming.rows and not site.incoming.watched)):
        return  # while only watching there are none
    if not site.administrators:
        says = "that an account reached a limit is told to nobody, and stands in events.json alone"
        remedy = 'write administrators = ["postmaster@example.org"] under [notify]'
        yield Problem("SW503", says, None, remedy, severity=Severity.WARNING)
    for number, address in enumerate(site.administrators):
        if _of_no_domain(split_address(address)[1]):
            says = f"notices about limits go to {printable(address)}, which only this machine knows"
            place = origins.get(("notify", "administrators", number))
            remedy = 'write an address with a domain, such as "postmaster@example.org"'
            yield Problem("SW503", says, place, remedy, severity=Severity.WARNING)
    if _of_no_domain(site.host):
        says = f"messages of our own come from postmaster@{printable(site.host)}, which nobody can answer"
        place = origins.get(("site", "host"))
        remedy = 'write host = "mail.example.org" under [site]'
        yield Problem("SW503", says, place, remedy, severity=Severity.WARNING)


def _of_no_domain(host: str) -> bool:
    """Is it a name for this machine alone?"""
    name = host.rstrip(".").lower()
    return "." not in name or name.endswith((".localdomain", ".localhost", ".local"))


def _ended(loaded: Loaded, now: float) -> Iterator[Problem]:
    """SW116: an override that is over."""
    for number, override in enumerate(loaded.settings.override):
        if override.until is not None and override.until <= now:
            place = loaded.origins.get(("override", number, "until"))
            says = f'this override is over, and holds no more: "{printable(override.reason)}"'
            remedy = "take the override out, or write a later day"
            yield Problem("SW116", says, place, remedy, severity=Severity.WARNING)


def _full_tables(loaded: Loaded) -> list[Problem]:
    """SW402: a MeterMaid table that is nearly full."""
    try:
        state = open_state(loaded)
    except StoreDown as error:
        return [Problem("SW501", str(error), None, severity=Severity.WARNING)]
    if state is None:
        return []
    keys: Counter[str] = Counter()
    try:
        for group in state.meters():
            keys.update(table for table, _, _, _ in group)
    except StoreDown as error:
        return [Problem("SW501", str(error), None, severity=Severity.WARNING)]
    finally:
        state.close()
    problems = []
    for name, options in loaded.site.meters.items():
        if keys[name] > FULL_SHARE * options.max_entries:
            place = options.places.get("max_entries") or next(iter(options.places.values()), None)
            says = f"table {name} has room for {options.max_entries} keys, and {keys[name]} are in it"
            remedy = f"suggested: {4 * options.max_entries}; when full, the quietest keys are forgotten"
            problems.append(Problem("SW402", says, place, remedy, severity=Severity.WARNING))
    return problems


def standing_warnings(loaded: Loaded, folder: str) -> tuple[list[Problem], str]:
    """SW502: who may refuse behind us at this machine's Postfix; and what to say where nobody does.

    SW504: what it needs to tell programs apart.

    ``folder``: Postfix's configuration; "": its own idea of it. Nothing is said where no Postfix asks us.
    """
    program = shutil.which("postconf", path=PROGRAMS)
    if program is None:
        return [], ""
    postfix, ours = Postfix(program, folder), sockets(loaded)
    try:
        behind = behind_us(postfix, ours, {})
        lacking: list[Problem] = []
        if loaded.site.programs != "together":
            values = expanded(postfix, (local_programs.MILTERS, local_programs.CHECKS))
            lacking += local_programs.missing(values, ours.milter, folder, PROGRAMS)
    except PostfixSays as error:
        return [], f"Postfix could not be asked who stands behind Sendwarden: {error}"
    problems = [
        Problem(
            "SW502",
            f"Postfix's {one.setting}: what {', '.join(one.entries)} refuses counts until its window ends",
            None,
            one.remedy,
            severity=Severity.WARNING,
        )
        for one in behind or ()
    ]
    last = "Postfix asks Sendwarden last: what others refuse does not count."
    return [*problems, *lacking], last if behind == [] else ""
