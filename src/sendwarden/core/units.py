"""Durations and sizes as people write them in settings, and as we print them.

Accepted durations: ``90`` (seconds), ``30s``, ``15m``, ``1h``, ``7d``, and ISO 8601 as MeterMaid's
greylisting options use it (``PT5M``, ``pt30s``, ``P7D``, ``P1DT12H``). Everything else is refused: "1hr"
might be a typing error for a limit that protects people.
"""

import re
from typing import NamedTuple

SECONDS_PER_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_SHORT = re.compile(r"([0-9]{1,10})([smhd]?)")
_ISO = re.compile(
    r"P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?",
    re.IGNORECASE | re.ASCII,  # without ASCII, other scripts' digits and the long s would pass
)
_ISO_SECONDS = (7 * 86400, 86400, 3600, 60, 1)


def parse_duration_s(text: str) -> int:
    """Seconds, at least 0. Raises `ValueError` with what to write instead."""
    if short := _SHORT.fullmatch(text):
        return int(short[1]) * SECONDS_PER_UNIT[short[2] or "s"]
    iso = _ISO.fullmatch(text)
    if iso and any(iso.groups()):
        return sum(int(amount or 0) * unit for amount, unit in zip(iso.groups(), _ISO_SECONDS, strict=True))
    raise ValueError(f'"{text}" is not a duration: write a number with s, m, h or d, such as "15m" or "1h"')


class Rate(NamedTuple):
    """So many in so long."""

    amount: int
    window_s: int

    def __str__(self) -> str:
        return f"{self.amount}/{_WINDOW_WORDS.get(self.window_s) or duration(self.window_s)}"


# As people say it: a day is 24 hours that slide.
_WINDOW_WORDS = {86400: "24h"}

_SIZES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_RATE = re.compile(r"([0-9]{1,12}) ?([KMG]iB|B)?/([0-9]{1,6}[mhd])", re.IGNORECASE | re.ASCII)


def parse_rate(text: str) -> Rate:
    """``50/1h``, ``10 MiB/24h``. Raises `ValueError` with what to write instead."""
    found = _RATE.fullmatch(text.strip())
    if not found:
        raise ValueError(f'"{text}" is not a rate')
    return Rate(int(found[1]) * _SIZES[(found[2] or "").lower()], parse_duration_s(found[3]))


def size(size_bytes: float) -> str:
    """Print bytes in the largest unit of which there is at least one: ``900 B``, ``1.5 MiB``, ``500 MiB``."""
    for unit in ("GiB", "MiB", "KiB"):
        if size_bytes >= _SIZES[unit.lower()]:
            return f"{round(size_bytes / _SIZES[unit.lower()], 1):g} {unit}"
    return f"{size_bytes:g} B"


def duration(seconds: float) -> str:
    """Print seconds in the two largest units that say something: ``1h``, ``59m 12s``, ``2d 3h``, ``0.5s``."""
    if seconds < SECONDS_PER_UNIT["m"]:
        return f"{round(seconds, 1):g}s"
    left, parts = round(seconds), []
    for unit in ("d", "h", "m", "s"):
        amount, left = divmod(left, SECONDS_PER_UNIT[unit])
        if amount:
            parts.append(f"{amount}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])
