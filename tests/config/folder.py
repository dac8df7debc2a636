"""A folder of configuration files, as a test writes it, and what reading it gives."""

from collections.abc import Mapping
from pathlib import Path

from sendwarden.config.load import Loaded, load
from sendwarden.core.place import Problem, Severity

SETTINGS = "sendwarden.toml"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files, their folders included. Returns the path of the settings file."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / SETTINGS


def load_folder(
    folder: Path, settings: str | bytes = "", files: Mapping[str, str | bytes] | None = None
) -> Loaded:
    """Read a folder with this settings file and these others."""
    return load(write(folder, {SETTINGS: settings, **(files or {})}))


def example(name: str) -> dict[str, str]:
    """The files of an example, byte for byte."""
    return {path.name: path.read_text() for path in (EXAMPLES / name).iterdir()}


def errors(loaded: Loaded) -> list[Problem]:
    return [problem for problem in loaded.problems if problem.severity is Severity.ERROR]


def told(loaded: Loaded) -> list[str]:
    """Code and place of each problem, in order."""
    return [f"{problem.code} {problem.place or '-'}" for problem in loaded.problems]


def marked(problem: Problem) -> str:
    """The text above the caret."""
    place = problem.place
    assert place is not None
    return place.text[place.column - 1 : place.column - 1 + place.width]
