"""The daemon under test, as a process of its own with a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.space import free_port, listens, stop, wait_for

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Sendwarden:
    """Settings and files are given as texts. ``listen``: more lines of that table."""

    program = "sendwarden"

    def __init__(
        self,
        settings: str,
        files: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        listen: str = "",
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sendwarden-daemon-"))
        self.policy, self.milter = free_port(), free_port()
        self._prefix = prefix
        ports = f'[listen]\npolicy = "127.0.0.1:{self.policy}"\nmilter = "127.0.0.1:{self.milter}"\n'
        self.configure(f'state = "var"\n{settings}\n{ports}{listen}', files or {})
        self.process = self.start()

    def configure(self, settings: str, files: dict[str, str]) -> None:
        (self.folder / "sendwarden.toml").write_text(settings)
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def start(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "output").open("ab") as log:
            process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", self.program, "serve", "--config", str(self.folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PYTHONPATH": ""},
            )  # fmt: skip
        wait_for("Sendwarden listens", lambda: listens(self.milter) or process.poll() is not None)
        assert process.poll() is None, self.output()
        return process

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def events(self, kind: str = "") -> list[dict[str, object]]:
        path = self.folder / "var" / "events.json"
        text = path.read_text() if path.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()  # the last one may still be written
        found = [json.loads(line) for line in lines]
        return [event for event in found if not kind or event["event"] == kind]

    def warnings(self, warning: str) -> list[dict[str, object]]:
        return [event for event in self.events("warning") if event["warning"] == warning]

    def command(self, *words: str, stdin: str = "") -> tuple[int, str]:
        """Run a command of the CLI on this folder; exit code and what it printed."""
        return command_on(self.folder, *words, stdin=stdin)

    def kill(self) -> None:
        """Kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def reload(self) -> None:
        """SIGHUP, and wait until it was heeded or refused."""
        before = len(self.events())
        self.process.send_signal(signal.SIGHUP)
        wait_for(
            "the reload",
            lambda: any(
                event["event"] == "reloaded" or event.get("warning") == "configuration-kept"
                for event in self.events()[before:]
            ),
        )

    def restart(self) -> None:
        self.process = self.start()

    def stop(self) -> int:
        return stop(self.process)


def command_on(folder: Path, *words: str, stdin: str = "") -> tuple[int, str]:
    """Run a command of the CLI on a folder with settings; exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "sendwarden", words[0], "--config", str(folder), *words[1:]],
        input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def example(name: str) -> dict[str, str]:
    """The files of an example, as a site drops them into its folder: the document's own, byte for byte."""
    return {path.name: path.read_text() for path in (EXAMPLES / name).iterdir() if path.suffix != ".toml"}


REFERENCE = re.compile(r"\[(SW-[0-9A-HJKMNP-TV-Z]{6})\]")
