"""A profile as bytes, for a store, and back.

Of another version nothing is read: it would mean other things.
"""

import base64
import json
from array import array
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from sendwarden.core.account import State
from sendwarden.detect.evidence import NAMES
from sendwarden.detect.families import FAMILIES, Family
from sendwarden.detect.memory import Acquaintances, Facts, Places
from sendwarden.detect.profile import (
    ADDRESSES,
    COUNTRIES,
    FACTS,
    HEADERS,
    NETWORKS,
    SEEN_BITS,
    SEEN_MOST,
    Habit,
    Profile,
    Told,
)

VERSION = 1


def to_bytes(profile: Profile) -> bytes:
    kept: dict[str, Any] = {"version": VERSION}
    for each in fields(profile):
        value = getattr(profile, each.name)
        kept[each.name] = FORMS[each.name][0](value) if each.name in FORMS else value
    return json.dumps(kept, separators=(",", ":")).encode("ascii")


def from_bytes(data: bytes) -> Profile:
    """Raises `ValueError` for what `to_bytes` of this version did not write."""
    try:
        kept = json.loads(data)
        if kept.pop("version") != VERSION:
            raise ValueError("a profile of another version")
        return Profile(
            **{name: FORMS[name][1](value) if name in FORMS else value for name, value in kept.items()}
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"no profile: {error!r}") from error


def _text(data: bytes | bytearray) -> str:
    return base64.b85encode(data).decode("ascii")


def _bits(values: list[float]) -> "array[float]":
    if len(values) != len(FAMILIES):
        raise ValueError("evidence of other families")
    return array("d", values)


def _facts(value: list[Any]) -> Facts:
    keys, at, given = map(base64.b85decode, value[:3])
    return Facts(FACTS, keys, at, given, value[3])


def _seen(value: list[Any]) -> Acquaintances:
    now, before, count = value
    return Acquaintances(SEEN_BITS, SEEN_MOST, base64.b85decode(now), base64.b85decode(before), count)


def _told(value: list[list[Any]]) -> list[Told]:
    return [
        Told(Family(family), reason, NAMES.setdefault(tuple(names), tuple(names)), tuple(values), bits, at)
        for family, reason, names, values, bits, at in value
    ]


Form = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def _places(most: int) -> Form:
    def kept(places: Places) -> list[str]:
        return [_text(places.keys.tobytes()), _text(places.rows.tobytes())]

    return kept, lambda value: Places(most, *map(base64.b85decode, value))


_HABIT: Form = (lambda habit: [habit.hits, habit.count], lambda value: Habit(*value))
_EVIDENCE: Form = (list, _bits)

# How members are kept that JSON does not know.
FORMS: Mapping[str, Form] = {
    "quiet": _EVIDENCE,
    "bulk": _EVIDENCE,
    "told": (
        lambda told: [[one.family, one.reason, one.names, one.values, one.bits, one.at] for one in told],
        _told,
    ),
    "facts": (
        lambda facts: [*(_text(part.tobytes()) for part in (facts.keys, facts.at, facts.given)), facts.turn],
        _facts,
    ),
    "halved": (lambda halved: list(halved.items()), dict),
    "state": (lambda state: state.value, State),
    "countries": _places(COUNTRIES),
    "networks": _places(NETWORKS),
    "addresses": _places(ADDRESSES),
    "headers": _places(HEADERS),
    "seen": (lambda seen: [_text(seen.now), _text(seen.before), seen.count], _seen),
    "novelty": _HABIT,
    "flagged": _HABIT,
    "scored": _HABIT,
    "invalid": _HABIT,
}
