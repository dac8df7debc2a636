"""What became of what was asked of a meter."""

from typing import NamedTuple

from .people import Name
from .rules import Limit


class Over(NamedTuple):
    """A limit has no room for what was asked."""

    limit: Limit
    used: int
    frees: int  # the quantum in which there is room again; 0: never, it is more than the limit itself
    estimated: bool = False  # is ``used`` so?
    wanted: int = 0  # what was asked for; where there is never room, with what the message has already


class Crossing(NamedTuple):
    """A share of a limit was reached, for the first time in a window's length."""

    limit: Limit
    used: int
    level: float
    estimated: bool = False
    refused: int = 0  # so many more had no room, though less than all may be used


class Taken(NamedTuple):
    """What became of what was asked."""

    over: Over | None
    crossings: tuple[Crossing, ...] = ()
    fresh: tuple[Name, ...] = ()  # recipients that were new to the account


NOTHING_CAME = Taken(None)
