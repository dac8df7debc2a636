"""A directory of accounts that speaks LDAP (RFC 4511): a search of the site's own, for one account at a time.

The filter's names stand for values that are escaped (`core.ldap_filter`). python-ldap blocks, so that it runs
on a thread of its own (`aside`, `ldap_session`), and is imported there, since only sites with LDAP have it.
Answers are read as they come; of what is no text nothing is taken.
"""

from functools import partial
from typing import TYPE_CHECKING

from sendwarden.core.identity import split_address
from sendwarden.lookups.aside import Aside
from sendwarden.lookups.ldap_place import Found, LdapPlace
from sendwarden.service.ports import DirectoryDown, DirectoryUnclear, Entry

if TYPE_CHECKING:
    from sendwarden.lookups.ldap_session import Session

# Of one account. Mailboxes have a few; more is a filter that finds something else.
MOST_SENDERS = 1_000
# Letters of a value; RFC 5321 section 4.5.3.1 allows 254 for an address.
VALUE_LETTERS = 1_000


class LdapDirectory:
    """`Directory`."""

    def __init__(self, place: LdapPlace) -> None:
        self._place = place
        self._aside = Aside("directory", place.timeout_s)
        self._session: Session | None = None

    async def entry_of(self, account: str) -> Entry:
        local, domain = split_address(account)
        wanted = self._place.filter.filled({"account": account, "local": local, "domain": domain})
        session = self._session = self._session or self._opened()
        try:
            found = await self._aside.call(partial(session.search, wanted))
        except DirectoryDown:
            self._session = None  # it may hang for ever, and is left alone
            raise
        return _entry(found, self._place)

    def _opened(self) -> "Session":
        try:
            from sendwarden.lookups.ldap_session import Session  # noqa: PLC0415 - see above
        except ImportError as error:
            raise DirectoryDown(f"python-ldap cannot be used: {error}") from error
        return Session(self._place)

    def close(self) -> None:
        """Give up; what is asked meanwhile may still be answered."""
        self._aside.leave()


def _entry(found: list[Found], place: LdapPlace) -> Entry:
    """What they say. Raises `DirectoryUnclear`."""
    if len(found) > 1:
        raise DirectoryUnclear("several entries fit directory.filter")
    by_name = _by_name(found[0]) if found else {}
    rows = by_name.get(place.limits_attribute.lower(), []) if place.limits_attribute else []
    if len(rows) > 1:
        raise DirectoryUnclear(f"{place.limits_attribute} has several values")
    senders = [
        one
        for name in place.senders_attributes
        for value in by_name.get(name.lower(), [])
        if (one := _address(value))
    ]
    if len(senders) > MOST_SENDERS:
        raise DirectoryUnclear(f"more than {MOST_SENDERS} addresses of senders")
    return Entry(rows[0] if rows else "", tuple(senders))


def _by_name(attributes: Found) -> dict[str, list[str]]:
    """Values by the attribute's name as no server changes it: without options, in lower case."""
    found: dict[str, list[str]] = {}
    for name, values in attributes.items():
        texts = (_text(value) for value in values)
        found.setdefault(name.partition(";")[0].lower(), []).extend(text for text in texts if text)
    return found


def _text(value: bytes) -> str:
    """A value; "" for what is none that a person could have written."""
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        return ""
    return text if len(text) <= VALUE_LETTERS and text.isprintable() else ""


def _address(value: str) -> str:
    """An address, also as Active Directory's proxyAddresses has it: ``SMTP:bob@example.org``."""
    scheme, colon, rest = value.partition(":")
    if not colon or "@" in scheme:
        return value
    return rest if scheme.lower() == "smtp" else ""  # x500:, sip: and others are no mailboxes
