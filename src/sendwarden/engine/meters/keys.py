"""What all tables share: keys, readings, and what a store must be told of a key."""

import hashlib
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from .algorithms import Quota
from .options import TableOptions

# A longer key, in bytes after folding, is counted under its hash (the original's limit for string keys).
MAX_KEY_BYTES = 255
# Keys looked at to find one to evict, before the whole table is.
EVICTION_SAMPLE = 16


class MeterError(ValueError):
    """A request that the table cannot answer: wrong type, bad number, empty key. The callout fails."""


class Reading(NamedTuple):
    """What a throttle table says about a key."""

    over: bool
    used: float  # hits that counted before this one
    quota: Quota
    frees_at: float = 0.0  # when the next hit would pass; only where `over`
    trouble: str = ""  # "", "evicted" (a key that counted), "grown", "full" (not counted)


@dataclass(frozen=True, slots=True)
class Change:
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
    """The key as it is kept. Raises `MeterError` for an empty one, or no address in an ipv4 table."""
    if not key:
        raise MeterError("an empty key (the null sender) is not counted")
    if options.data_type == "ipv4":
        try:
            return str(ip_address(key.removeprefix("IPv6:")))
        except ValueError:
            raise MeterError(f"{key!r} is not an IP address") from None
    folded = key.casefold() if "nocase" in options.options else key
    raw = folded.encode("utf-8", "surrogateescape")
    return folded if len(raw) <= MAX_KEY_BYTES else "sha256:" + hashlib.sha256(raw).hexdigest()
