"""The daemon with states that a test writes to a file: ``python -m tests.servers.contained serve``.

Stands in for states that evidence or a postmaster has set.
"""

import sys
from pathlib import Path
from unittest.mock import patch

from sendwarden.cli.main import main
from sendwarden.core.account import State
from sendwarden.core.identity import IdentityRules
from sendwarden.daemon import daemon
from sendwarden.service.logins import Logins
from sendwarden.service.ports import AccountStates, Clock, EventLog
from tests.service.states import StatesInMemory

# Below the folder of the settings: contained is whom a line names.
FILE = Path("var") / "contained"


class StatesOfFile(StatesInMemory):
    """Read anew for each question."""

    def state(self, account: str, now: float) -> State:
        file = Path(sys.argv[sys.argv.index("--config") + 1]) / FILE
        names = file.read_text().splitlines() if file.exists() else []
        return StatesInMemory(dict.fromkeys(names, State.CONTAINED)).state(account, now)


def logins(
    rules: IdentityRules, _states: AccountStates, clock: Clock, log: EventLog, *, watching: bool
) -> Logins:
    return Logins(rules, StatesOfFile({}), clock, log, watching=watching)


if __name__ == "__main__":
    with patch.object(daemon, "Logins", logins):
        sys.exit(main())
