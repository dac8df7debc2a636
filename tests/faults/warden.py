"""The daemon under fault: its state on a file system of its own, its loop and environment chosen."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sendwarden.engine.meters.options import read_options
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.sql import SqlState
from tests.servers.sendwarden import Sendwarden
from tests.servers.space import listens, wait_for

# How often a fault is repeated: in CI, and with `make faults` (DESIGN.md, what runs where).
FULL = os.environ.get("FAULTS") == "full"

# One account is counted by its envelope sender; X-Do: refuse gives every message a reference.
FILES = {
    "count.sieve": """require ["variables", "reject", "envelope"];
if envelope :all :matches "from" "*" { set "FROM" "${1}"; }
if count "${FROM}" { reject "Too many."; }
elsif header :is "X-Do" "refuse" { reject "Refused."; }
""",
    "mappings": "FILTER_count\n\n  *  $[IMTA_LIB:check_metermaid.so,throttle,spam,$0]$0$Y\n",
    "metermaid.options": "metermaid.table.spam.quota = 9000\nmetermaid.table.spam.quota_time = 3600\n",
}
CHANNEL = '[[channel]]\nname = "all"\nsourcefilter = "count.sieve"\n'
SETTINGS = f'mode = "enforce"\n{CHANNEL}'
# The same command without uvloop.
WITHOUT_UVLOOP = (
    "import sys; sys.modules['uvloop'] = None; sys.argv[0] = 'sendwarden'; "
    "from sendwarden.cli.main import main; sys.exit(main())"
)


class Warden(Sendwarden):
    """`Sendwarden` whose state lies on a tmpfs: syncs take no time there, unless a test wants otherwise."""

    def __init__(  # noqa: PLR0913 - what faults need
        self,
        settings: str = SETTINGS,
        files: Mapping[str, str] = FILES,
        prefix: tuple[str, ...] = (),
        *,
        mount: tuple[str, ...] = ("-t", "tmpfs", "tmpfs"),
        loop: str = "uvloop",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._mount = mount
        self._loop = loop
        self._environment = environment or {}
        super().__init__(settings, dict(files), prefix)

    @property
    def state(self) -> Path:
        return self.folder / "var"

    def start(self) -> "subprocess.Popen[bytes]":
        if not self.state.exists():
            self.state.mkdir()
            subprocess.run(["mount", *self._mount, str(self.state)], check=True)  # noqa: S607
        process = self.begin()
        wait_for("Sendwarden listens", lambda: listens(self.milter) or process.poll() is not None)
        assert process.poll() is None, self.output()
        return process

    def begin(self, *more: str) -> "subprocess.Popen[bytes]":
        """Start it without waiting for anything."""
        module = ["-m", "sendwarden"] if self._loop == "uvloop" else ["-c", WITHOUT_UVLOOP]
        with (self.folder / "output").open("ab") as log:
            return subprocess.Popen(
                [*self._prefix, sys.executable, *module, "serve", "--config", str(self.folder), *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PYTHONPATH": "", **self._environment},
            )  # fmt: skip

    def remove(self) -> None:
        """Everything of it, once it has ended."""
        subprocess.run(["umount", "--lazy", str(self.state)], check=True)  # noqa: S607
        shutil.rmtree(self.folder)

    # --- what it leaves

    def explained(self, references: list[str]) -> set[str]:
        """Those of the references whose decision its file holds."""
        state = SqlState(self.state / "state.db", read_only=True)
        found = {reference for reference in references if state.decision(reference)}
        state.close()
        return found

    def why(self, reference: str) -> str:
        code, said = self.command("why", reference)
        assert code == 0, said
        return said

    def stored_hits(self, accounts: list[str], now: float) -> dict[str, float]:
        """How many hits of each account its file holds."""
        options, _problems = read_options("metermaid.options", FILES["metermaid.options"])
        meters = MemoryMeters(options)
        state = SqlState(self.state / "state.db", read_only=True)
        for group in state.meters():
            for table, key, parts, bad in group:
                assert not bad
                meters.restore(table, key, parts, now)
        state.close()
        return {account: meters.query("spam", account, now).used for account in accounts}

    def complaints(self) -> str:
        """Tracebacks and reports of bugs in what it printed."""
        return "\n".join(
            re.findall(r".*(?:Traceback|warning bug|warning unexpected|Error:).*", self.output())
        )
