"""``check_metermaid.so``: the routines a mapping table may call (reference wiki, Check_metermaid_callouts).

A routine takes its arguments as a list and answers with text, or None for failure. A success has no text,
`fetch` excepted; the document's ``]$0$Y`` depends on that. Whatever goes wrong counts as failure, and is
told: for `throttle` that is "not over quota", the fail-open answer of the original.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sendwarden.core.decision import Reason
from sendwarden.engine.meters.keys import MeterError, Reading
from sendwarden.engine.world import World

Answer = Callable[[World, list[str]], str | None]

_COMPARISON = re.compile(r" *(<=|>=|=|<|>) *([+-]?[0-9]{1,18}) *")
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Routine:
    """One routine of an image. ``arguments`` names them, for error messages; the first is a meter table.

    ``optional``: so many of the last ones may be left out. ``rescan``: is its text scanned again as template?
    Never for text that a client may have written.
    """

    answer: Answer
    arguments: tuple[str, ...]
    table_type: str = ""  # which type its table must have; "" any
    rescan: bool = False
    optional: int = 0


def _told(world: World, table: str, key: str, reading: Reading) -> None:
    if reading.trouble:
        world.warn(f"meter-{reading.trouble}", table)
    if reading.over:
        world.note(
            Reason(
                "meter-over",
                {
                    "table": table,
                    "key": key,
                    "hits": round(reading.used, 1),
                    "quota": reading.quota.hits,
                    "window": reading.quota.window_s,
                    "frees_in": round(reading.frees_at - world.now, 1),
                },
            )
        )


def _throttle(world: World, arguments: list[str]) -> str | None:
    table, key = arguments
    reading = world.meters.throttle(table, key, world.now)
    _told(world, table, key, reading)
    return "" if reading.over else None


def _query(world: World, arguments: list[str]) -> str | None:
    table, key = arguments
    reading = world.meters.query(table, key, world.now)
    _told(world, table, key, reading)
    return "" if reading.over else None


def _fetch(world: World, arguments: list[str]) -> str | None:
    table, key = arguments
    return str(world.meters.fetch(table, key))


def _store(world: World, arguments: list[str]) -> str | None:
    table, key, value = arguments
    world.meters.store(table, key, value)
    return ""


def _remove(world: World, arguments: list[str]) -> str | None:
    table, key = arguments
    world.meters.remove(table, key)
    return ""


def _adjust(world: World, arguments: list[str]) -> str | None:
    table, key, delta = arguments
    world.meters.adjust(table, key, delta)
    return ""


def _test(world: World, arguments: list[str]) -> str | None:
    table, key, expression = arguments
    return _holds(world.meters.fetch(table, key), expression)


def _adjust_and_test(world: World, arguments: list[str]) -> str | None:
    table, key, delta, expression = arguments
    return _holds(world.meters.adjust(table, key, delta), expression)


def _holds(value: str | int, expression: str) -> str | None:
    comparison = _COMPARISON.fullmatch(expression)
    if not comparison or not isinstance(value, int):
        raise MeterError("a comparison of whole numbers is expected, such as >=5")
    return "" if _COMPARE[comparison[1]](value, int(comparison[2])) else None


def _greylisting(world: World, arguments: list[str]) -> str | None:
    table, key = arguments
    return "" if world.meters.defer(table, key, world.now) else None


ROUTINES: Mapping[str, Routine] = {
    "throttle": Routine(_throttle, ("table", "key"), "throttle"),
    "query": Routine(_query, ("table", "key"), "throttle"),
    "fetch": Routine(_fetch, ("table", "key"), "simple"),
    "store": Routine(_store, ("table", "key", "value"), "simple"),
    "remove": Routine(_remove, ("table", "key")),
    "adjust": Routine(_adjust, ("table", "key", "delta"), "simple"),
    "test": Routine(_test, ("table", "key", "expression"), "simple"),
    "adjust_and_test": Routine(_adjust_and_test, ("table", "key", "delta", "expression"), "simple"),
    "greylisting": Routine(_greylisting, ("table", "key"), "greylisting"),
}
