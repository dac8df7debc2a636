"""Sieve scripts and messages for tests, in few words."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from sendwarden.core.decision import Reason
from sendwarden.core.place import Problem, has_errors
from sendwarden.engine.mapping.callouts import IMAGES, Images
from sendwarden.engine.mapping.parse import read_mappings
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.sieve.compile import Script, compile_script
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.ext.mailserver import MappingCalls
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.outcome import Outcome
from sendwarden.engine.sieve.registry import Language
from sendwarden.engine.world import GreylistCall, not_asked
from sendwarden.stores.memory import MemoryMeters

EXAMPLES = Path(__file__).parents[3] / "examples"
PLAIN = Language(CAPABILITIES)
REQUIRE_ALL = "require [" + ", ".join(f'"{name}"' for name in PLAIN.names) + "];\n"


@dataclass(slots=True)
class World:
    """The world of a decision, in the test's hands."""

    now: float = 1_764_000_000.0
    meters: MemoryMeters = field(default_factory=lambda: MemoryMeters({}))
    notes: list[Reason] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def greylist(self, call: GreylistCall) -> str | None:
        return not_asked(call)

    def chance(self) -> float:
        return 0.0

    def note(self, reason: Reason) -> None:
        self.notes.append(reason)

    def warn(self, warning: str, about: str) -> None:
        self.warnings.append((warning, about))


def administrator(mappings: str = "", images: Images = IMAGES, *, paranoia: bool = True) -> Language:
    """The language of a site's own filters: with Messaging Server's dialect, and these mapping tables."""
    found = read_mappings("mappings", mappings, images=images)
    assert not has_errors(found.problems)
    calls = MappingCalls(Mappings(found.tables), paranoia)
    return Language((*CAPABILITIES, *ADMINISTRATOR), calls, dialect=True)


def compiled(text: str, language: Language = PLAIN) -> Script:
    script, problems = compile_script("test.sieve", text, language)
    assert script, problems
    return script


def mail(
    headers: Iterable[tuple[str, str]] | dict[str, str] = (),
    sender: str = "bob@example.org",
    size_bytes: int = 0,
) -> Mail:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Mail(pairs, sender, ("eve@example.net",), size_bytes=size_bytes)


def run(text: str, message: Mail | None = None, *recipients: str, language: Language = PLAIN) -> Outcome:
    """The outcome of a script that requires everything there is."""
    requires = "" if "require" in text else REQUIRE_ALL
    script = compiled(requires + text, language)
    return script.run(message or mail(), recipients or ("eve@example.net",), world=World())


def holds(test: str, message: Mail | None = None, *recipients: str, language: Language = PLAIN) -> bool:
    """Is this test true?"""
    outcome = run(f"if {test} {{ discard; }}", message, *recipients, language=language)
    assert outcome.error is None
    return bool(outcome.actions)


def value(script: str, message: Mail | None = None, *, language: Language = PLAIN) -> str:
    """What the variable ``x`` holds in the end."""
    outcome = run(script, message, language=language)
    assert outcome.error is None
    return outcome.variables["x"]


def problems(text: str, language: Language = PLAIN) -> list[Problem]:
    script, found = compile_script("test.sieve", text, language)
    assert (script is None) is has_errors(found)
    return found


def shown(problem: Problem) -> tuple[str, str, str]:
    """A problem's code, its place, and what stands above the caret."""
    place = problem.place
    assert place is not None
    underlined = place.text[place.column - 1 : place.column - 1 + place.width]
    return problem.code, f"{place.line}:{place.column}", underlined


def all_shown(text: str, language: Language = PLAIN) -> list[tuple[str, str, str]]:
    return [shown(problem) for problem in problems(text, language)]


def table(text: str) -> list[list[str]]:
    """Rows of a table as text: cells parted by ``|``, with ⏎ for the end of a line within one."""
    rows = [row.replace("⏎", "\n") for row in text.strip("\n").split("\n")]
    return [[cell.strip(" ") for cell in row.split(" |")] for row in rows]


@contextmanager
def at_most(cpu_s: float) -> Iterator[None]:
    """Fail, rather than hang, where the work takes seconds of processor time instead of milliseconds."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {cpu_s} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
