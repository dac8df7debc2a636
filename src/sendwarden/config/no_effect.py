"""Settings that would be accepted and do nothing: rows of incoming mail, and what belongs to a Redis."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from sendwarden.config.access import PlaceOf
from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.config.traffic import LimitSettings
from sendwarden.core.place import Problem, Severity
from sendwarden.engine.limits.incoming import BOUNCES, KINDS, MAILBOX

# What a row that is counted in another way never counts, and what to write instead.
_INCOMING = (
    ("internal", "external", "bytes", "distinct", "new", "per_message"),
    'mail that comes in is counted in messages: write messages = "500/10m"',
)
_SPAM = (
    ("distinct", "new", "per_message"),
    'of spam messages and recipients are counted: write recipients = "50/1h"',
)
NEVER_COUNTED: Mapping[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(KINDS, _INCOMING),
    "spam-scored": _SPAM,
}


def check_no_effect(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    for number, row in enumerate(settings.limits):
        yield from _counters(row, ("limits", number), place_of)
    for number, name in enumerate(settings.incoming.limits):
        if name in (BOUNCES, MAILBOX) and not settings.site.domains:
            says = f"{name} counts nothing: no mailbox is one of ours"
            remedy = 'write domains = ["example.org"] under [site]'
            yield _without(says, ("incoming", "limits", number), remedy, place_of)
    apart = settings.accounts.programs
    if apart != "together" and not settings.listen.milter:
        says = f'programs = "{apart}" needs a milter, which alone is shown mail of programs'
        remedy = 'write milter = "127.0.0.1:10032" under [listen]'
        yield _without(says, ("accounts", "programs"), remedy, place_of)
    yield from _redis(settings, place_of)


def _counters(row: LimitSettings, path: Path, place_of: PlaceOf) -> Iterator[Problem]:
    never, remedy = NEVER_COUNTED.get(row.name, ((), ""))
    for name in never:
        if name in row.model_fields_set and getattr(row, name):
            yield _without(f"{name} counts nothing in row {row.name}", (*path, name), remedy, place_of)


def _redis(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    own = settings.counting
    if not own.redis:
        for name in ("redis_secret", "redis_cluster"):
            value = getattr(own, name)
            if value if name == "redis_cluster" else value.get_secret_value():
                remedy = 'write redis = "redis://192.0.2.30:6379/0", or take it out'
                yield _without(f"{name} is set, and no Redis is named", ("counting", name), remedy, place_of)
        return
    parts = urlsplit(own.redis)
    place = place_of(("counting", "redis"))
    if own.redis_cluster and parts.scheme == "unix":
        remedy = 'write "redis://..." with one of its nodes, or take redis_cluster out'
        yield Problem("SW143", "a cluster is not reached by a socket in the file system", place, remedy)
    elif own.redis_cluster and parts.path.strip("/0"):
        says = f"a cluster has no database {parts.path.strip('/')}"
        yield Problem("SW143", says, place, 'write "redis://..." without a number of a database')


def _without(says: str, path: Path, remedy: str, place_of: PlaceOf) -> Problem:
    return Problem("SW142", says, place_of(path), remedy, severity=Severity.WARNING)
