"""A share of a limit that was reached, as numbers of a `Reason`: for the event log and for notices."""

from sendwarden.engine.limits.outcome import Crossing
from sendwarden.engine.limits.rules import OverLimit
from sendwarden.engine.limits.windows import WINDOWS

# Of a limit, in per cent.
ALL = 100

Number = str | int | float


def share_numbers(crossing: Crossing, action: OverLimit, *, watched: bool) -> dict[str, Number]:
    """``action`` says what happens over the limit; ``watched``: it would, but everything passes."""
    limit = crossing.limit
    numbers: dict[str, Number] = {
        "counted": limit.counted,
        "most": limit.most,
        "used": crossing.used,
        "percent": round(ALL * crossing.level),
        "window": WINDOWS[limit.window].seconds,
        "action": action.name,
        "watched": watched,
    }
    if crossing.estimated:
        numbers["estimated"] = True
    if crossing.refused and crossing.used < limit.most:
        numbers["no_room_for"] = crossing.refused
    if action.transport:
        numbers["transport"] = action.transport
    return numbers
