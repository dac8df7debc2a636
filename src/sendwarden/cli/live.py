"""Warnings that need to know what goes on: they are given only where there is a state to look at."""

from collections import Counter

from sendwarden.cli.configuration import open_state
from sendwarden.config.load import Loaded
from sendwarden.core.errors import StoreDown
from sendwarden.core.place import Problem, Severity

# A table fuller than this is worth a word.
FULL_SHARE = 0.9


def live_warnings(loaded: Loaded) -> list[Problem]:
    """SW402: a MeterMaid table that is nearly full."""
    try:
        state = open_state(loaded)
    except StoreDown as error:
        return [Problem("SW501", str(error), None, severity=Severity.WARNING)]
    if state is None:
        return []
    keys: Counter[str] = Counter()
    try:
        for group in state.meters():
            keys.update(table for table, _, _, _ in group)
    except StoreDown as error:
        return [Problem("SW501", str(error), None, severity=Severity.WARNING)]
    finally:
        state.close()
    problems = []
    for name, options in loaded.site.meters.items():
        if keys[name] > FULL_SHARE * options.max_entries:
            place = options.places.get("max_entries") or next(iter(options.places.values()), None)
            says = f"table {name} has room for {options.max_entries} keys, and {keys[name]} are in it"
            remedy = f"suggested: {4 * options.max_entries}; when full, the quietest keys are forgotten"
            problems.append(Problem("SW402", says, place, remedy, severity=Severity.WARNING))
    return problems
