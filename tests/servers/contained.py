"""The daemon with states that a test writes to a file: ``python -m tests.servers.contained serve``.

Stands in for states that evidence or a postmaster has set.
"""

import sys
from pathlib import Path
from unittest.mock import patch

from sendwarden.cli import serve
from sendwarden.cli.main import main
from sendwarden.config.load import Loaded
from sendwarden.core.account import State
from sendwarden.daemon.daemon import Daemon

FILE = "contained"


class StatesOfFile:
    """`AccountStates`: contained is whom a line of the file names."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def state(self, account: str, now: float) -> State:
        del now
        named = self._file.exists() and account in self._file.read_text().splitlines()
        return State.CONTAINED if named else State.NORMAL


def daemon(settings_file: Path | None, configuration: Loaded, state: Path) -> Daemon:
    return Daemon(settings_file, configuration, state, StatesOfFile(state / FILE))


if __name__ == "__main__":
    with patch.object(serve, "Daemon", daemon):
        sys.exit(main())
