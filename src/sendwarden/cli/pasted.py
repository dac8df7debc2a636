"""Commands that we propose, written so that they work when they are pasted into the same shell."""

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """How `sendwarden` is written here, and the option that makes it use these settings."""

    program: str
    config: str

    def __call__(self, words: str) -> str:
        return f"{self.program} {words}{self.config}"


def command_for(config: Path | None) -> Command:
    """``config`` as --config gave it."""
    return Command(_program(), f" --config {shlex.quote(str(config))}" if config else "")


def _program() -> str:
    """In a checkout its environment is not on the path."""
    here = Path(sys.argv[0])
    if here.parent.name == "bin" and not shutil.which("sendwarden"):
        return os.path.relpath(here)
    return "sendwarden"
