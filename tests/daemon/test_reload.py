"""A reload as somebody asks for it: `kill -HUP $(cat var/lock)`, and what the terminal says to that."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.folder import write
from tests.servers.space import wait_for

BASE = 'state = "var"\n[listen]\npolicy = []\nmilter = []\n'
ACTING = '[[channel]]\nname = "submission"\nlogin = true\nmode = "enforce"\n'


class Running:
    """`sendwarden serve` over a folder, without sockets; what it says goes to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._said = folder / "said"
        self._read = 0
        write(folder, {"sendwarden.toml": BASE})
        with self._said.open("wb") as said:
            command = [sys.executable, "-m", "sendwarden", "serve", "--quiet", "--config", str(folder)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        wait_for("the start", lambda: '"started"' in self._events())

    def _events(self) -> str:
        events = self.folder / "var" / "events.json"
        return events.read_text() if events.exists() else ""

    def reload(self, settings: str) -> list[str]:
        """Change the settings, signal as the documentation says, and give what is said then."""
        write(self.folder, {"sendwarden.toml": settings})
        line = f"kill -HUP $(cat {self.folder}/var/lock)"
        subprocess.run(["sh", "-c", line], check=True, timeout=10)  # noqa: S607 - as somebody types it
        wait_for("an answer", lambda: "reloaded:" in self._said.read_text()[self._read :])
        new = self._said.read_text()[self._read :]
        self._read += len(new)
        return new.splitlines()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.process.terminate()
    assert made.process.wait(20) == 0


def test_a_reload_says_each_time_what_holds_now_or_what_is_wrong_and_how_to_see_all(running: Running) -> None:
    assert running.reload(BASE) == ["reloaded: watching only"]
    assert running.reload(BASE + ACTING) == ["reloaded: enforcing: submission"]

    for _ in range(2):  # the second within the minute in which no warning is repeated
        said = running.reload(f"mode = 5\n{BASE}colour = 3\n")
        assert said[-1].startswith("not reloaded: 2 errors, the settings in force stay; see all: ")
        assert said[-1].endswith(f"sendwarden check --config {running.folder}/sendwarden.toml")

    assert running.reload(BASE) == ["reloaded: watching only"]


def test_what_is_wrong_comes_with_its_place_and_what_to_write(running: Running) -> None:
    said = running.reload(f"mode = 5\n{BASE}")

    wrong = 'sendwarden.toml:1:8: 5 is not one of the possible values; write "watch" or "enforce"'
    assert said[0] == f"warning configuration-kept: SW102 {wrong}"


def test_a_socket_that_cannot_be_opened_is_told_with_what_to_do(running: Running) -> None:
    (running.folder / "milter").write_text("a file in the way")

    said = running.reload(BASE.replace("milter = []", f'milter = "unix:{running.folder}/milter"'))

    assert said[0].startswith("warning configuration-kept: cannot listen at unix:")
    assert "set listen.policy or listen.milter in sendwarden.toml" in said[0]
    assert said[1:] == ["not reloaded: the settings in force stay"]
