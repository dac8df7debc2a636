"""Any text of MeterMaid options and any settings file load with problems that have a place inside them."""

from sendwarden.config.positions import read_toml
from sendwarden.engine.meters.options import read_options
from sendwarden.engine.meters.tables import new_table


def check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    tables, problems = read_options("fuzz", text)
    lines = text.split("\n")
    for problem in problems:
        assert problem.place is not None
        assert 1 <= problem.place.line <= len(lines)
    for options in tables.values():
        new_table(options)
    toml = read_toml("fuzz", text)
    for problem in toml.problems:
        assert problem.place is not None
        assert 1 <= problem.place.line <= len(lines)
