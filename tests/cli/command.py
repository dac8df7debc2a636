"""A command of ours, run in this process: what it printed and the code it ended with."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from sendwarden.cli.main import main


@dataclass(frozen=True, slots=True)
class Said:
    """The end of a command."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, object]]:
        """What it printed with --json, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def clean(self) -> bool:
        """Is there nothing in it that a terminal would take for more than text?"""
        return all(letter == "\n" or letter.isprintable() for letter in self.out + self.err)


@dataclass(slots=True)
class Commands:
    """Commands on one folder, which every command that reads settings is given."""

    capsys: pytest.CaptureFixture[str]
    folder: Path

    def run(self, *words: str) -> Said:
        """A command as it stands."""
        self.capsys.readouterr()
        code = main(words)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)

    def on_folder(self, command: str, *words: str) -> Said:
        return self.run(command, "--config", str(self.folder), *words)
