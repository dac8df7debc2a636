"""Any text loads with problems that have a place inside it, and what loads scans any probe."""

from dataclasses import dataclass, field

from sendwarden.core.decision import Reason
from sendwarden.engine.mapping.lint import lint
from sendwarden.engine.mapping.parse import read_mappings, table_problems
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.world import GreylistCall, not_asked
from sendwarden.stores.memory import MemoryMeters


@dataclass(slots=True)
class World:
    """The least that a scan needs."""

    now: float = 0.0
    meters: MemoryMeters = field(default_factory=lambda: MemoryMeters({"t": TableOptions("t", quota=1)}))

    def greylist(self, call: GreylistCall) -> str | None:
        return not_asked(call)

    def chance(self) -> float:
        return 50.0

    def note(self, reason: Reason) -> None:
        del reason

    def warn(self, warning: str, about: str) -> None:
        del warning, about


def check(data: bytes) -> None:
    text, _, probe = data.decode("utf-8", "surrogateescape").partition("\0")
    found = read_mappings("fuzz", text)
    lines = text.split("\n")
    for problem in [*found.problems, *table_problems(found, found.tables)]:
        place = problem.place
        assert place is not None
        assert 1 <= place.line <= len(lines)
        assert place.column >= 1
    mappings, world = Mappings(found.tables), World()
    for name, table in list(found.tables.items())[:4]:
        lint(table)
        mappings.scan(name, probe, world, frozenset("A"))
        mappings.scan(name, probe, world, frozenset("A"), [])
