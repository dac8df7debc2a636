"""How long an act by hand holds, and moments as they are shown: a duration, a day or a moment of ISO 8601.

A day or a time without a zone is of this machine's own; a day counts to its end, as in the settings.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

from sendwarden.core.units import parse_duration_s

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SHOWN = "%d %b %Y %H:%M"


def end_in(text: str) -> dict[str, float]:
    """As a question to the desk has it. Raises `ValueError` with what to write instead."""
    written = text.strip()
    if not re.match(r"\d{4}-", written):
        try:
            return {"for_s": parse_duration_s(written)}
        except ValueError as error:
            raise ValueError(f"{error}, or a day or moment, such as 2026-12-31 or 2026-12-31T18:00") from None
    try:
        if _DAY.fullmatch(written):
            day = date.fromisoformat(written) + timedelta(days=1)
            return {"until": datetime.combine(day, time()).astimezone().timestamp()}
        return {"until": datetime.fromisoformat(written).astimezone().timestamp()}
    except (ValueError, OverflowError):
        raise ValueError(
            f'"{text}" is no day or moment: write 2026-12-31, 2026-12-31T18:00 or 2026-12-31T17:00Z'
        ) from None


def moment(at: object) -> str:
    """In the time of this machine, which is named."""
    return f"{datetime.fromtimestamp(float(str(at)), UTC).astimezone():{_SHOWN} %Z}"


def end(at: object) -> str:
    """The same, with UTC beside it where that is another."""
    utc = datetime.fromtimestamp(float(str(at)), UTC)
    local = utc.astimezone()
    return moment(at) if not local.utcoffset() else f"{moment(at)} ({utc:{_SHOWN}} UTC)"
