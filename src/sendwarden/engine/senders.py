"""Whom the header of a message names as its sender, and whether the account may use those addresses.

Who sends is said by RFC 5322 section 3.6.2: From names the authors; where there are several (or, by RFC 6854,
none), Sender must be there and name who sends. A message that was sent on (section 3.6.6, "resent") begins
with fields of its own; those of the most recent block, the uppermost, say who sends now: Resent-From, which
that section demands, takes the place of From, and Resent-Sender that of Sender. From is then told (`NOTE`)
but not judged. A block without Resent-From is none.

Every program reads broken fields in its own way, so that more is asked than that the list of addresses is
right:

- each of several From fields counts, and that there are several is a mismatch of its own;
- every address outside quotes and comments counts, also in a display name or the name of a group, since some
  program takes it for the sender;
- a name or comment that reads, decoded (RFC 2047), like an address of this site that the account may not use
  is a mismatch of its own, the display-name trick;
- what cannot be read for sure (quotes without their end, encoded words or bytes that are no UTF-8 in an
  address, NUL, a field without end) is a mismatch. A word without a domain counts as an address, since mail
  servers add their own domain to it.

A message without From is sent with the envelope's sender in it, so that this one is judged instead.

Total, and linear in the length of the fields: of a field longer than `FIELD_LETTERS` nothing is believed. Not
seen: letters of other scripts that look like ours.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sendwarden.core.decision import Reason
from sendwarden.core.mailbox import Mailbox, parse_mailboxes, pieces_of
from sendwarden.engine.owners import Owners
from sendwarden.engine.sieve.mail import decoded

Headers = Iterable[tuple[str, str]]

# Letters of one field that are read. RFC 5322 section 2.1.1 allows 998 a line; real ones are shorter. With
# `FIELDS` it bounds the time of one message to a tenth of a second.
FIELD_LETTERS = 4_000
# Fields of one name that are read one by one; that there are several is told in any case.
FIELDS = 3
# Addresses of one field that are looked at; a field with more of them is not believed either.
ADDRESSES = 100
# Most reasons for one message, and letters of what they show.
REASONS = 8
SHOWN_LETTERS = 200
# RFC 5321 section 4.5.3.1: 64 octets of a local part, 255 of a domain.
_LOCAL_LETTERS, _DOMAIN_LETTERS = 64, 255

# Reasons that say that a sender is not the account's, and what they call the address in question.
MISMATCHES = {
    "foreign-sender": "sender",
    "foreign-header": "address",
    "no-from": "address",
    "display-name": "address",
    "several-from": "",
    "unreadable-header": "text",
    "no-sender-field": "",
}
NOTE = "resent"

_FOLD = re.compile(r"\r?\n(?=[ \t])")  # RFC 5322 section 2.2.3
_BARE = re.compile(r'<?([^\s()<>\[\]:;@\\,"]+)>?')
_UNSURE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]|=\?")
_LOCAL_BEFORE = re.compile(r"[^\s()<>\[\]:;,\"]*\Z")
_DOMAIN_BEHIND = re.compile(r"[\w.-]+")
_QUOTES = "'`\u2018\u2019\u201c\u201d\u00ab\u00bb\"."


@dataclass(frozen=True, slots=True)
class Deciding:
    """The fields that say who sends: their names, and all their values in order."""

    author: str
    authors: tuple[str, ...]
    sender: str
    senders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """One field: the entries of its list, all addresses that it may be taken to name, those it only shows."""

    entries: tuple[Mailbox, ...]
    addresses: tuple[str, ...]
    shown: tuple[str, ...]
    sure: bool


def deciding(headers: Headers) -> Deciding:
    """From and Sender, or the Resent fields of the most recent block."""
    pairs = [(name.rstrip().lower(), value) for name, value in headers]
    block = _resent_block(pairs)
    if "resent-from" in block:
        sender = (block["resent-sender"],) if "resent-sender" in block else ()
        return Deciding("Resent-From", (block["resent-from"],), "Resent-Sender", sender)
    return original(pairs)


def original(headers: Headers) -> Deciding:
    """From and Sender, whether or not the message was sent on."""
    pairs = [(name.rstrip().lower(), value) for name, value in headers]
    authors = tuple(value for name, value in pairs if name == "from")
    return Deciding("From", authors, "Sender", tuple(value for name, value in pairs if name == "sender"))


def _resent_block(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The uppermost run of Resent fields. A name that comes again begins an older block."""
    block: dict[str, str] = {}
    for name, value in pairs:
        if name.startswith("resent-") and name not in block:
            block[name] = value
        elif block:
            break
    return block


def read_field(value: str) -> Named:
    """What one field names. Never raises; folds make no difference."""
    text = _FOLD.sub("", value[:FIELD_LETTERS])
    pieces = pieces_of(text)
    entries = parse_mailboxes(text)
    sure = pieces.closed and len(value) <= FIELD_LETTERS and "\0" not in value
    addresses = dict.fromkeys(box.address for box in pieces.addresses)
    for box in entries:
        bare = None if box.valid else _BARE.fullmatch(box.address)
        sure = sure and (box.valid or bare is not None)
        if box.valid or bare:
            addresses[bare[1] if bare else box.address] = None
    beside = tuple(dict.fromkeys(addresses_in(decoded(pieces.text))))
    sure = sure and not any(map(_UNSURE.search, addresses)) and max(len(addresses), len(beside)) <= ADDRESSES
    return Named(entries, tuple(addresses)[:ADDRESSES], beside[:ADDRESSES], sure)


def addresses_in(text: str) -> Iterator[str]:
    """All that reads like an address in a decoded name, however it is dressed up."""
    plain = unicodedata.normalize("NFKC", text).replace("\u3002", ".")
    plain = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Cc"))
    parts = [part.strip() for part in plain.split("@")]
    for before, behind in pairwise(parts):
        found = _LOCAL_BEFORE.search(before[-_LOCAL_LETTERS:])
        local = found[0].strip(_QUOTES) if found else ""
        domain = _DOMAIN_BEHIND.match(behind[:_DOMAIN_LETTERS])
        if local and domain and (name := domain[0].strip(".-")):
            yield f"{local}@{name}"


def header_reasons(headers: Headers, sender: str, account: str, owners: Owners) -> tuple[Reason, ...]:
    """Everything about the header's senders that is not the account's; empty: all is as it should be.

    ``sender`` is the envelope's. Only reasons with an id in `MISMATCHES` say that something is wrong.
    """
    pairs = tuple(headers)
    fields = deciding(pairs)
    found = list(_judged(fields, sender, account, owners))[:REASONS]
    if fields.author != "From" and (note := _not_judged(original(pairs), account, owners)):
        found.append(note)
    return tuple(found)


def _judged(fields: Deciding, sender: str, account: str, owners: Owners) -> Iterator[Reason]:
    if not fields.authors:
        if sender and not owners.may_use(account, sender):
            yield Reason("no-from", {"header": fields.author, "address": _cut(sender), "account": account})
        return
    if len(fields.authors) > 1:
        yield Reason("several-from", {"header": fields.author, "count": len(fields.authors)})
    named = [read_field(value) for value in fields.authors[:FIELDS]]
    for one, value in zip(named, fields.authors, strict=False):
        yield from _field(fields.author, one, value, account, owners)
    people = sum(len(one.entries) for one in named)
    if len(fields.authors) > 1 or people == 1:
        return
    senders = [(read_field(value), value) for value in fields.senders[:FIELDS]]
    if not any(one.entries for one, _value in senders):
        yield Reason("no-sender-field", {"header": fields.author, "count": people, "sender": fields.sender})
    for one, value in senders:
        yield from _field(fields.sender, one, value, account, owners)


def _field(header: str, named: Named, value: str, account: str, owners: Owners) -> Iterator[Reason]:
    if not named.sure:
        yield Reason("unreadable-header", {"header": header, "text": _cut(" ".join(value.split()))})
    foreign = [one for one in named.addresses if not owners.may_use(account, one)]
    for address in foreign[:REASONS]:
        yield Reason("foreign-header", {"header": header, "address": _cut(address), "account": account})
    for address in named.shown:
        if owners.ours(address) and not owners.may_use(account, address):
            yield Reason("display-name", {"header": header, "address": _cut(address), "account": account})


def _not_judged(fields: Deciding, account: str, owners: Owners) -> Reason | None:
    """A note of the first address in From that is somebody else's, since the message was only sent on."""
    for value in fields.authors[:FIELDS]:
        for address in read_field(value).addresses:
            if not owners.may_use(account, address):
                return Reason(NOTE, {"header": fields.author, "address": _cut(address)})
    return None


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS - 3]}..."
