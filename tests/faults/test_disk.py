"""Faults 5 to 7: no room, no inodes, read-only, a disk whose syncs fail. Mail is answered all the same.

Asks go on from memory, the alarm is told and not shouted, and when the disk is well again everything that was
decided meanwhile is in the file, without anybody's help.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from sendwarden.stores.opening import StateDamaged
from tests.faults.load import MailServer, ask_policy
from tests.faults.warden import Warden
from tests.servers.space import wait_for

# How soon after the disk is well the store must be (reliability.md, 2b): the longest pause is 5 s.
RECOVERED_S = 10.0
# Our own deadline is 1 s; the rest is the machine's.
ANSWERED_S = 1.5
DUNNO = b"action=DUNNO\n\n"


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def close() -> Iterator[ExitStack]:
    """Undoes at the end of the test what was entered."""
    with ExitStack() as stack:
        yield stack


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """A file system without room for one more byte."""
    hog = folder / "hog"
    size = 65_536
    with hog.open("wb", buffering=0) as file:
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    try:
        yield
    finally:
        hog.unlink()


class Disk:
    """Where the state lies: a place to mount, what makes it fail, and what ends that."""

    def __init__(self, kind: str, close: ExitStack) -> None:
        self.kind = kind
        if kind == "no room":
            self.mount: tuple[str, ...] = ("-t", "tmpfs", "-o", "size=256k", "tmpfs")
            return
        # A file as a disk, on a file system that is smaller: writing to the disk succeeds until it is synced.
        self.below = Path(tempfile.mkdtemp(prefix="sendwarden-disk-"))
        run("mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(self.below))
        close.callback(self.below.rmdir)
        close.callback(run, "umount", "--lazy", str(self.below))
        image = self.below / "image"
        with image.open("wb") as file:
            file.truncate(64 * 1024 * 1024)
        # Without a journal an error is forgotten once there is room again.
        journal = "^has_journal" if kind == "syncs fail" else "has_journal"
        run("mkfs.ext4", "-q", "-F", "-O", journal, str(image))
        self.mount = ("-o", "loop", str(image))

    def warden(self, close: ExitStack) -> Warden:
        made = Warden(mount=self.mount)
        close.callback(made.remove)
        close.callback(made.kill)
        return made

    def mount_anew(self, folder: Path) -> None:
        """What the disk holds, as after a boot.

        From a copy: another test's mount namespace may keep the old mount, with its error, alive.
        """
        copy = self.below / "copy"
        run("cp", "--sparse=always", str(self.below / "image"), str(copy))
        run("mount", "-o", "loop", str(copy), str(folder))

    def fails(self, warden: Warden) -> AbstractContextManager[None]:
        return full(warden.state if self.kind == "no room" else self.below)


def ask(warden: Warden, server: MailServer) -> tuple[str, float]:
    """Both frontends once; the reference, and how long the slower one took."""
    start = time.monotonic()
    reference = server.send("eve@example.org", "refuse")
    between = time.monotonic()
    assert ask_policy(warden.policy) == DUNNO
    return reference, max(between - start, time.monotonic() - between)


def _explained(warden: Warden, references: list[str]) -> set[str]:
    """After a write that failed the kernel reads old pages again, until the daemon writes anew."""
    try:
        return warden.explained(references)
    except StateDamaged:
        return set()


@pytest.mark.parametrize("kind", ["no room", "syncs fail"])
def test_while_the_disk_fails_mail_is_answered_and_afterwards_nothing_is_missing(
    kind: str, close: ExitStack
) -> None:
    disk = Disk(kind, close)
    warden = disk.warden(close)
    server = close.enter_context(closing(MailServer(warden.milter)))
    references = [ask(warden, server)[0]]
    assert warden.explained(references) == set(references)
    before = len(warden.output())
    times = []
    with disk.fails(warden):
        wait_until = time.monotonic() + 30
        while "warning store-failed" not in warden.output():
            assert time.monotonic() < wait_until, "the failure was told"
            reference, took = ask(warden, server)
            references.append(reference)
            times.append(took)
        end = time.monotonic() + 4  # several attempts to open the file anew
        while time.monotonic() < end:
            reference, took = ask(warden, server)
            references.append(reference)
            times.append(took)
            time.sleep(0.02)
    healed = time.monotonic()
    # A sync may also succeed in between, and the next one fail: what counts is that everything is there.
    wait_for("nothing is missing", lambda: _explained(warden, references) == set(references), RECOVERED_S)
    took = time.monotonic() - healed
    wait_for("it is told", lambda: warden.events("store-recovered"))

    assert max(times) < ANSWERED_S
    told = [line for line in warden.output()[before:].splitlines() if line.startswith("warning store-failed")]
    assert 1 <= len(told) <= 4, "each text once a minute"
    assert len(warden.output()) - before < 10_000
    wait_for(
        "the event log has everything",
        lambda: {event["reference"] for event in warden.events("decision")} == set(references),
    )
    later, _took = ask(warden, server)
    assert warden.explained([later]) or warden.warnings("record-late"), "kept before it was told, or said so"
    assert warden.stop() == 0
    assert warden.explained([later])
    assert not warden.complaints()
    print(
        f"{kind}: {len(times)} answers while it failed, slowest {1000 * max(times):.0f} ms, "
        f"well again {took:.1f} s after the disk; {len(warden.output()) - before} bytes of log"
    )


def test_a_file_system_that_turned_read_only_stops_no_mail_and_a_new_start_finds_what_was_kept(
    close: ExitStack,
) -> None:
    """As ext4 does with errors=remount-ro. It stays so until it is mounted anew."""
    disk = Disk("read-only", close)
    warden = disk.warden(close)
    server = close.enter_context(closing(MailServer(warden.milter)))
    kept = [ask(warden, server)[0] for _ in range(3)]

    run("mount", "-o", "remount,abort", str(warden.state))
    answers = [ask(warden, server) for _ in range(50)]

    assert max(took for _reference, took in answers) < ANSWERED_S
    wait_for("it is told", lambda: "warning store-failed" in warden.output())
    wait_for("the log as well", lambda: "warning log-failed" in warden.output())
    assert len(warden.output()) < 10_000
    assert warden.stop() == 2, "the end was no good one, and says so"
    assert "its last counts were not kept" in warden.output()
    assert not warden.complaints()
    run("umount", str(warden.state))
    disk.mount_anew(warden.state)
    warden.restart()
    again = close.enter_context(closing(MailServer(warden.milter)))
    fresh = again.send("eve@example.org", "refuse")
    assert warden.explained(kept) == set(kept)
    assert warden.explained([fresh]) or warden.warnings("record-late"), "kept before it was told, or said so"
    assert not {fresh, *kept} & {reference for reference, _took in answers}, "none comes twice"


def test_without_inodes_what_is_open_goes_on_and_a_rotated_log_waits(close: ExitStack) -> None:
    warden = Warden(mount=("-t", "tmpfs", "-o", "size=8m,nr_inodes=20", "tmpfs"))
    close.callback(warden.remove)
    close.callback(warden.kill)
    server = close.enter_context(closing(MailServer(warden.milter)))
    references = [ask(warden, server)[0]]
    wait_for("the event log", lambda: warden.events("decision"))
    (warden.state / "events.json").rename(warden.state / "events.json.1")
    hogs = _all_inodes(warden.state)

    for _ in range(20):
        reference, took = ask(warden, server)
        references.append(reference)
        assert took < ANSWERED_S
    wait_for("it is told", lambda: "warning log-failed" in warden.output())
    assert warden.explained(references) == set(references)
    for hog in hogs:
        hog.unlink()

    wait_for("the lines come", lambda: len(warden.events("decision")) == len(references) - 1, RECOVERED_S)
    assert "store-failed" not in warden.output()
    assert warden.stop() == 0


def _all_inodes(folder: Path) -> list[Path]:
    """Files made until there was no inode for another one."""
    made: list[Path] = []
    try:
        while len(made) < 1000:
            path = folder / f"hog{len(made)}"
            path.touch()
            made.append(path)
    except OSError:
        return made
    raise AssertionError("there was no end of inodes")


@pytest.mark.parametrize("mount", ["size=256k", "nr_inodes=20"])
@pytest.mark.parametrize("when", ["first", "again"])
def test_a_start_that_finds_no_room_says_so_and_the_next_one_that_does_is_a_good_one(
    close: ExitStack, mount: str, when: str
) -> None:
    warden = Warden(mount=("-t", "tmpfs", "-o", mount, "tmpfs"))
    close.callback(warden.remove)
    close.callback(warden.kill)
    server = close.enter_context(closing(MailServer(warden.milter)))
    kept = server.send("eve@example.org", "refuse")
    warden.stop()
    if when == "first":
        for path in list(warden.state.iterdir()):
            path.unlink()
    before = len(warden.output())
    with ExitStack() as failing:
        if mount == "size=256k":
            failing.enter_context(full(warden.state))
        else:
            for hog in _all_inodes(warden.state):
                failing.callback(hog.unlink)
        code = warden.begin().wait(20)

    said = warden.output()[before:]
    assert code == 2
    assert str(warden.state) in said and "Traceback" not in said and "Move it away" not in said
    assert "No space left on device" in said or "is there room on the disk" in said
    warden.restart()
    assert warden.explained([kept]) == ({kept} if when == "again" else set())
