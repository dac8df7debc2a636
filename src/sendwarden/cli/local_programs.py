"""What Postfix needs where programs on the mail server are told apart (``accounts.programs``).

Mail of sendmail(1) is shown to the milters of ``non_smtpd_milters`` alone, and who ran sendmail stands in a
Received field that milters are not shown: ``header_checks`` copies it (`engine.programs`).
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sendwarden.cli.standing import entries_of
from sendwarden.core.place import Problem, Severity
from sendwarden.service.site import Site

MILTERS, CHECKS = "non_smtpd_milters", "header_checks"
# What stands there where programs have the milters of the network.
THE_SAME = "$smtpd_milters"
_PATTERN = r"/^Received: by [^ ]+ \(.*, from userid ([0-9]+)\)[[:space:]]+id ([^;[:space:]]+);/"
# As it stands in main.cf, from Postfix 3.7 on, and in a file.
INLINE = f"regexp:{{ {{ {_PATTERN} PREPEND X-Local-User: $$1 $$2 }} }}"
IN_A_FILE = f"{_PATTERN} PREPEND X-Local-User: $1 $2"
FILE = "local_checks"
INLINE_SINCE = (3, 7)
# A field as pickup(8) writes it, and what the table must answer.
_FIELD = "Received: by mail.example.org (Postfix, from userid 33)\n\tid 0123ABC; Tue, 24 Nov 2026\n\n"
_ANSWER = "PREPEND X-Local-User: 33 0123ABC"
_ASK_TIMEOUT_S = 10


def program_lines(site: Site, milter: str) -> dict[str, str]:
    """Our entries for main.cf; none where programs are one account. ``milter`` is our entry of milters."""
    if site.programs == "together" or not milter:
        return {}
    return {MILTERS: milter, CHECKS: INLINE}


def by_file(folder: Path) -> Iterator[str]:
    """Before Postfix 3.7: what is to be written, and where."""
    yield f"Before Postfix 3.7 a pattern stands in a file. Write into {folder / FILE} the line"
    yield f"  {IN_A_FILE}"
    yield f"and into main.cf, before what stands there:  {CHECKS} = regexp:{folder / FILE}"


def version_of(text: str) -> tuple[int, ...]:
    """``3.7.11`` as numbers; what cannot be read is the latest."""
    parts = text.split("-", maxsplit=1)[0].split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else INLINE_SINCE


def missing(values: dict[str, str], milters: Sequence[str], folder: str, path: str) -> Iterator[Problem]:
    """SW504: what a Postfix lacks.

    ``values`` of main.cf have their variables expanded; ``milters`` is how it may name ours, and ``path``
    where its tools are: without them nothing is said of what a table does.
    """
    if not any(one in entry for entry in entries_of(values[MILTERS]) for one in milters):
        says = f"{MILTERS} does not name Sendwarden: mail of programs on this machine is not shown to it"
        yield _problem(says, f"write {MILTERS} = {THE_SAME}")
    if not _copies(entries_of(values[CHECKS]), folder, path):
        says = f"{CHECKS} does not copy who ran sendmail: all mail of programs is of the account [local]"
        yield _problem(says, f"write {CHECKS} = {INLINE}")


def _problem(says: str, remedy: str) -> Problem:
    remedy = f"sendwarden connect postfix makes the change; or by hand, {remedy}"
    return Problem("SW504", says, None, remedy, severity=Severity.WARNING)


def _copies(tables: Iterable[str], folder: str, path: str) -> bool:
    """Does one of these tables answer as it must? Also where that cannot be found out."""
    postmap = shutil.which("postmap", path=path)
    if postmap is None:
        return True
    for table in tables:
        command = [postmap, *(["-c", folder] if folder else []), "-h", "-q", "-", table]
        try:
            done = subprocess.run(  # noqa: S603 - a table of Postfix's own settings
                command, input=_FIELD, capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return True
        if _ANSWER in done.stdout:
            return True
    return False
