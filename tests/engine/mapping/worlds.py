"""A world for mapping tables that remembers what was asked and told, and tables read from text."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sendwarden.core.decision import Reason
from sendwarden.core.place import has_errors
from sendwarden.engine.mapping.callouts import IMAGES, Images
from sendwarden.engine.mapping.check_metermaid import Routine
from sendwarden.engine.mapping.parse import MappingFile, read_mappings
from sendwarden.engine.mapping.run import Mappings, Result, TriedEntry
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.world import GreylistCall, World, not_asked
from sendwarden.stores.memory import MemoryMeters

EXAMPLES = Path(__file__).parents[3] / "examples"
START = 1_764_000_000.0
# What a scan tells of the entries it tried.
Trace = list[TriedEntry]


@dataclass(slots=True)
class TestWorld:
    """`World` with its clock, chance and meters in the test's hands."""

    __test__ = False

    now: float = START
    meters: MemoryMeters = field(default_factory=lambda: MemoryMeters({}))
    percent: float = 0.0
    notes: list[Reason] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def greylist(self, call: GreylistCall) -> str | None:
        return not_asked(call)

    def chance(self) -> float:
        return self.percent

    def note(self, reason: Reason) -> None:
        self.notes.append(reason)

    def warn(self, warning: str, about: str) -> None:
        self.warnings.append((warning, about))


def world_with(*options: TableOptions, now: float = START) -> TestWorld:
    return TestWorld(now, MemoryMeters({table.name: table for table in options}))


@dataclass(slots=True)
class Echo:
    """A library ``echo.so`` whose routine ``say`` answers as told, and remembers what it was asked.

    ``again`` is the same, with its answer scanned again.
    """

    answer: Callable[[list[str]], str | None] = ",".join
    asked: list[list[str]] = field(default_factory=list)

    def _answer(self, _world: World, arguments: list[str]) -> str | None:
        self.asked.append(arguments)
        return self.answer(arguments)

    @property
    def images(self) -> Images:
        names = ("one", "two", "three")
        routines = {
            "say": Routine(self._answer, names, optional=3),
            "again": Routine(self._answer, names, rescan=True, optional=3),
        }
        return {**IMAGES, "echo.so": routines}


def read(text: str, images: Images = IMAGES) -> MappingFile:
    return read_mappings("mappings", text, images=images)


def tables(text: str, images: Images = IMAGES) -> Mappings:
    found = read(text, images)
    assert not has_errors(found.problems)
    return Mappings(found.tables)


def entries(*lines: str) -> str:
    """The text of a table ``T``."""
    return "\n".join(["T", "", *(f"  {line}" for line in lines)])


def scan(  # noqa: PLR0913, PLR0917 - all that a scan can be given
    text: str,
    probe: str,
    world: TestWorld | None = None,
    flags: str = "",
    images: Images = IMAGES,
    trace: Trace | None = None,
) -> Result:
    """The result of table ``T``."""
    return tables(text, images).scan("T", probe, world or TestWorld(), frozenset(flags), trace)


def outcome(result: Result) -> tuple[str, str]:
    return result.text, "".join(sorted(result.flags))


def texts_of(files: Mapping[str, str]) -> Callable[[str], tuple[str, str]]:
    """Include files by name."""

    def include(spec: str) -> tuple[str, str]:
        if spec not in files:
            raise ValueError("there is no such file")
        return spec, files[spec]

    return include


def codes(found: MappingFile) -> list[str]:
    return [problem.code for problem in found.problems]


def underlined(problems: Iterable[object]) -> list[str]:
    """What stands above the caret of each problem."""
    found = []
    for problem in problems:
        place = getattr(problem, "place", None)
        assert place is not None
        found.append(place.text[place.column - 1 : place.column - 1 + place.width])
    return found
