"""``[directory]``: one that can be asked for an account, by settings that fit its kind."""

import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from sendwarden.config.access import PlaceOf
from sendwarden.config.directory import DirectorySettings
from sendwarden.config.directory_sql import check_driver, check_query
from sendwarden.config.values import shown
from sendwarden.core.ldap_filter import FilterTemplate, NotAFilter, read_filter
from sendwarden.core.place import Problem, Severity, did_you_mean, has_errors
from sendwarden.service.attributes import NAMES, names_in

# Settings that one kind of directory alone has.
FOR_SQL = ("query", "senders_query")
FOR_LDAP = ("bind_dn", "base", "filter", "limits_attribute", "senders_attributes", "starttls", "ca_file")


def check_directory(own: DirectorySettings, place_of: PlaceOf) -> Iterator[Problem]:
    if not own.url:
        return
    if own.speaks_ldap:
        problems = [*_of_the_other(own, FOR_SQL, place_of), *_ldap(own, place_of)]
        yield from problems
        if not has_errors(problems):
            yield from _library(place_of)
    else:
        yield from _of_the_other(own, FOR_LDAP, place_of)
        yield from _sql(own, place_of)
        yield from check_driver(own, place_of)


def _of_the_other(own: DirectorySettings, names: tuple[str, ...], place_of: PlaceOf) -> Iterator[Problem]:
    for name in names:
        if getattr(own, name):
            kind, other = ("SQL", "LDAP") if names is FOR_SQL else ("LDAP", "SQL")
            says = f"{name} is for {kind}, and the directory is one of {other}"
            yield Problem("SW126", says, place_of(("directory", name)), "take it out")


# --- SQL


def _sql(own: DirectorySettings, place_of: PlaceOf) -> Iterator[Problem]:
    """A query that names no account would say the same of all."""
    example = 'write query = "SELECT limits FROM users WHERE login = :account"'
    if not own.query and not own.senders_query:
        yield Problem("SW120", "a database is named, and no query", place_of(("directory", "url")), example)
    for setting in FOR_SQL:
        query = getattr(own, setting)
        place = place_of(("directory", setting))
        names = names_in(query)
        if query:
            yield from check_query(query, setting, place_of)
        if query and not names:
            yield Problem("SW120", "the query names no account", place, example)
        for name in names:
            if name not in NAMES:
                says = f"nothing is known here that :{name} could stand for"
                remedy = did_you_mean(name, NAMES) or f"there are :{', :'.join(NAMES)}"
                yield Problem("SW120", says, place, remedy)


# --- LDAP


def _ldap(own: DirectorySettings, place_of: PlaceOf) -> Iterator[Problem]:
    yield from _filter(own, place_of)
    if not own.base:
        remedy = 'write base = "ou=people,dc=example,dc=org"'
        yield _unfit("it is not said where accounts are", "url", place_of, remedy)
    if not own.limits_attribute and not own.senders_attributes:
        remedy = 'write limits_attribute = "employeeType", or senders_attributes = ["mail"]'
        yield _unfit("nothing is asked of this directory", "url", place_of, remedy)
    yield from _who_asks(own, place_of)
    yield from _tls(own, place_of)


def _filter(own: DirectorySettings, place_of: PlaceOf) -> Iterator[Problem]:
    place = place_of(("directory", "filter" if own.filter else "url"))
    example = 'write filter = "(uid=:account)"'
    if not own.filter:
        yield Problem("SW120", "an LDAP server is named, and no filter", place, example)
        return
    try:
        found = read_filter(own.filter, NAMES)
    except NotAFilter as error:
        yield Problem("SW120", str(error), place, error.remedy or example)
        return
    if not found.names:
        yield Problem("SW120", "the filter names no account", place, example)
    elif name := _beside_a_wildcard(found):
        says = f"where :{name} is empty or short, the * beside it would fit other accounts"
        yield Problem("SW120", says, place, f'part the two, as in "(mail=*@:{name})"')


def _beside_a_wildcard(found: FilterTemplate) -> str:
    texts = found.pieces[::2]
    for name, before, behind in zip(found.names, texts, texts[1:], strict=False):
        if before.endswith("*") or behind.startswith("*"):
            return name
    return ""


def _who_asks(own: DirectorySettings, place_of: PlaceOf) -> Iterator[Problem]:
    password = own.password_secret.get_secret_value()
    if own.bind_dn and not password:  # RFC 4513 section 5.1.2: the server would take it for nobody
        yield _unfit("bind_dn has no password", "bind_dn", place_of, 'write password_secret = "..."')
    if password and not own.bind_dn:
        remedy = 'write bind_dn = "cn=sendwarden,ou=services,dc=example,dc=org"'
        yield _unfit("nobody is named whose password this is", "password_secret", place_of, remedy)
    clear = [url for url in own.url.split() if urlsplit(url).scheme == "ldap" and not _is_here(url)]
    if password and clear and not own.starttls:
        says = f"the password goes to {clear[0]} in the clear"
        remedy = 'write starttls = true, or "ldaps://..."'
        yield Problem("SW128", says, place_of(("directory", "url")), remedy, severity=Severity.WARNING)


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(own: DirectorySettings, place_of: PlaceOf) -> Iterator[Problem]:
    if own.starttls and any(urlsplit(url).scheme != "ldap" for url in own.url.split()):
        remedy = 'take it out, or write "ldap://..."'
        yield _unfit('starttls is for "ldap://..." alone', "starttls", place_of, remedy)
    if own.ca_file and not (Path(own.ca_file).is_absolute() and Path(own.ca_file).is_file()):
        remedy = "write the whole path of a file with certificates (PEM)"
        yield _unfit(f"there is no file {shown(own.ca_file)}", "ca_file", place_of, remedy)


def _unfit(says: str, setting: str, place_of: PlaceOf, remedy: str) -> Problem:
    return Problem("SW126", says, place_of(("directory", setting)), remedy)


def _library(place_of: PlaceOf) -> Iterator[Problem]:
    try:
        import ldap  # noqa: F401, PLC0415 - slow, and only for sites that have one
    except ImportError as error:
        says = f"LDAP needs python-ldap, which cannot be used here: {error}"
        remedy = (
            "apt install gcc python3-dev libldap2-dev libsasl2-dev, and then "
            f"{sys.executable} -m pip install python-ldap"
        )
        yield Problem("SW127", says, place_of(("directory", "url")), remedy)
