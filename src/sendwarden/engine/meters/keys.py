"""What all tables share: keys, readings, and what a store must be told of a key."""

import hashlib
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from .algorithms import Quota
from .options import TableOptions

# A longer key, in bytes after folding, is counted under its hash (the original's limit for string keys).
MAX_KEY_BYTES = 255
# Keys looked at to find one to evict, before the whole table is.
EVICTION_SAMPLE = 16


class MeterError(ValueError):
    """A request that the table cannot answer: wrong type, bad number, empty key. The callout fails.

    Its text is told to the postmaster once a minute, so that it holds nothing that clients can vary.
    """


class NothingThere(MeterError):
    """A key that is empty (the null sender), or not set: a normal no, of which nobody need be told."""


class Reading(NamedTuple):
    """What a throttle table says about a key."""

    over: bool
    used: float  # hits that counted before this one
    quota: Quota
    frees_at: float = 0.0  # when the next hit would pass; only where `over`
    trouble: str = ""  # "", "evicted" (a key that counted), "grown", "full" (not counted)


class Change(NamedTuple):
    """What a store must do about one key to find it again: drop it, or write parts and forget older ones."""

    key: str
    parts: tuple[tuple[int, bytes], ...] = ()
    first_part: int = 0
    drop: bool = False


def same_keys(old: TableOptions, new: TableOptions) -> bool:
    """Do both options mean the same by a key and its value?"""
    folds = ("nocase" in old.options) == ("nocase" in new.options)
    return folds and (old.type, old.data_type, old.value_type) == (new.type, new.data_type, new.value_type)


def normal_key(options: TableOptions, key: str) -> str:
    """The key as it is kept: short, and such that a store can write it as UTF-8, odd bytes included.

    Raises `NothingThere` for an empty key, `MeterError` for one that must be an address and is none.
    """
    if not key:
        raise NothingThere("an empty key (the null sender) is not counted")
    if options.data_type == "ipv4":
        folded = _address(key)
    else:
        folded = key.casefold() if "nocase" in options.options else key
    if len(folded) <= MAX_KEY_BYTES:
        if folded.isascii():
            return folded
        try:
            if len(folded.encode("utf-8", "surrogateescape")) <= MAX_KEY_BYTES:
                return folded
        except UnicodeEncodeError:  # half a surrogate pair, which a decoded header may hold
            pass
    return "sha256:" + hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()


def stored_key(options: TableOptions, stored: str) -> str:
    """A stored key as the options now have it, and "" where it could be none of theirs."""
    try:
        return normal_key(options, stored)
    except MeterError:
        return ""


def _address(text: str) -> str:
    """The one spelling of an IP address; an IPv4 address mapped into IPv6 is the IPv4 address."""
    try:
        address = ip_address(text.removeprefix("IPv6:"))
    except ValueError:
        raise MeterError("a key that is no IP address") from None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
