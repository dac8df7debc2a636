"""Fault 4: a sync or write fails, once, at any position. Nothing is acknowledged that is not durable.

The errors are injected by strace into the running daemon; its log then shows what was written and synced
before each answer, and that nothing goes on through a file once one of its calls has failed.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.faults.load import MailServer
from tests.faults.trace import calls, parsed, said_too_early, traced, trusted_again
from tests.faults.warden import FULL, Warden
from tests.servers.space import wait_for

POSITIONS = 100 if FULL else 10
FAULTS = {
    "a sync": "fdatasync:error=EIO:when={}",
    "a write": "pwrite64:error=ENOSPC:when={}",
}
MESSAGES = 12


@pytest.fixture
def warden() -> Iterator[Warden]:
    made = Warden()
    yield made
    made.kill()
    made.remove()


@pytest.mark.parametrize("fault", FAULTS)
def test_whichever_call_fails_no_answer_runs_ahead_of_the_disk_and_no_file_is_trusted_again(
    warden: Warden, tmp_path: Path, fault: str
) -> None:
    references: list[str] = []
    failures = slow = 0
    for position in range(1, POSITIONS + 1):
        log = tmp_path / f"{position}.log"
        recovered = len(warden.events("store-recovered"))
        with closing(MailServer(warden.milter)) as server:
            step = 1 if fault == "a sync" else 7  # a batch syncs once, and writes some ten pages
            with traced(warden.process.pid, FAULTS[fault].format(position * step), log):
                references += [server.send("eve@example.org", "refuse") for _ in range(MESSAGES)]
                wait_for("it recovers", partial(_well, warden, log, recovered))
                references.append(server.send("eve@example.org", "refuse"))
        found = calls(log)
        failures += _failed(log)
        assert trusted_again(found) == []
        if said_too_early(found):
            assert _waited_long(warden), said_too_early(found)
            slow += 1
        # What was answered while the file had failed comes after: once it is open again.
        wait_for("every decision is kept", partial(_all_kept, warden, references))

    warden.kill()
    assert warden.explained(references) == set(references)
    assert not warden.complaints()
    assert failures >= POSITIONS * 0.8, "most positions were met"
    assert slow <= POSITIONS / 2, "this machine is too slow to tell"
    print(f"{fault}: {failures} failures, {slow} slow of {POSITIONS} positions, {len(references)} references")


def _well(warden: Warden, log: Path, recovered: int) -> bool:
    return not _failed(log) or len(warden.events("store-recovered")) > recovered


def _waited_long(warden: Warden) -> bool:
    """Did an answer go ahead of a disk that took its time (`KEEP_TIMEOUT_S`)? On a busy machine it may."""
    return bool(warden.warnings("store-slow"))


def _all_kept(warden: Warden, references: list[str]) -> bool:
    return warden.explained(references) == set(references)


def _failed(log: Path) -> bool:
    return any(call.failed and "/state.db" in call.file for call in calls(log))


def test_the_oracle_sees_an_answer_before_its_sync_and_a_second_sync() -> None:
    """What this file would find if the daemon were wrong."""
    wal = "9</var/state.db-wal>"
    lines = {
        "good": [
            f'1 pwrite64({wal}, "SW-AAAAAA", 9, 0) = 9',
            f"1     fdatasync({wal} <unfinished ...>",
            '2 write(5<socket:[1]>, "nothing", 7) = 7',
            "1     <... fdatasync resumed>) = 0",
            '2 write(5<socket:[1]>, "SW-AAAAAA", 9) = 9',
        ],
        "early": [
            f'1 pwrite64({wal}, "SW-AAAAAA", 9, 0) = 9',
            '2 write(5<socket:[1]>, "SW-AAAAAA", 9) = 9',
            f"1 fdatasync({wal}) = 0",
        ],
        "trusted": [
            f'1 pwrite64({wal}, "SW-AAAAAA", 9, 0) = 9',
            f"1     fdatasync({wal}) = -1 EIO (Input/output error) (INJECTED)",
            f"1 fdatasync({wal}) = 0",
        ],
        "anew": [
            f"1 fdatasync({wal}) = -1 EIO (Input/output error) (INJECTED)",
            f"1 close({wal}) = 0",
            f"1 fdatasync({wal}) = 0",
        ],
    }

    found = {name: parsed("\n".join(text)) for name, text in lines.items()}

    assert {name: said_too_early(read) for name, read in found.items()} == {
        "good": [], "early": ["SW-AAAAAA"], "trusted": [], "anew": [],
    }  # fmt: skip
    assert {name: len(trusted_again(read)) for name, read in found.items()} == {
        "good": 0, "early": 0, "trusted": 1, "anew": 0,
    }  # fmt: skip
