"""daemon.process: one daemon for one state folder, and fewer connections than descriptors."""

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sendwarden.daemon.process import (
    SPARE_DESCRIPTORS,
    WANTED_DESCRIPTORS,
    AlreadyRunning,
    NoStateFolder,
    cancelled,
    lock,
    most_connections,
)


def test_a_folder_is_made_and_locked_with_our_pid_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "var"

    with lock(folder):
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"
        assert folder.stat().st_mode & 0o007 == 0, "addresses of people stand in it"


def test_the_second_is_refused_naming_the_first_and_gets_in_when_that_one_is_gone(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(AlreadyRunning) as refused:
        lock(tmp_path)

    assert str(refused.value) == f"{tmp_path} is in use by process {os.getpid()}: stop that one first"
    lock(tmp_path).close()


def test_a_lock_of_a_daemon_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("99999999\nlonger than any pid of ours\n")

    with lock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 10_000], ids=["empty", "no text", "long"])
def test_whatever_stands_in_a_lock_file_the_refusal_is_one_line(tmp_path: Path, content: bytes) -> None:
    with lock(tmp_path):
        (tmp_path / "lock").write_bytes(content)
        with pytest.raises(AlreadyRunning) as refused:
            lock(tmp_path)

    assert len(str(refused.value)) < len(str(tmp_path)) + 100


@pytest.mark.parametrize("what", ["a file in the way", "no room"])
def test_a_folder_that_cannot_be_used_is_said_in_words(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "var"
    if what == "a file in the way":
        folder.touch()
    else:
        folder.mkdir()
        (folder / "lock").symlink_to("/dev/full")

    with pytest.raises(NoStateFolder, match="var"):
        lock(folder)


@pytest.mark.parametrize(
    ("configured", "descriptors", "most"),
    [
        pytest.param(None, 1024, 1024 - SPARE_DESCRIPTORS, id="as many as there is room for"),
        pytest.param(100, 1024, 100, id="as configured"),
        pytest.param(5000, 1024, 1024 - SPARE_DESCRIPTORS, id="configured beyond what there is"),
        pytest.param(None, 10, 1, id="hardly any descriptors"),
    ],
)
def test_connections_leave_descriptors_for_the_rest(
    configured: int | None, descriptors: int, most: int
) -> None:
    assert most_connections(configured, descriptors) == most


ASK = """
import resource, sys
from sendwarden.daemon.process import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
print(raise_descriptor_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize(
    ("soft", "hard"),
    [
        pytest.param(64, 256, id="up to the hard limit"),
        pytest.param(256, 256, id="nothing to raise"),
        pytest.param(256, HARD, id="up to what is useful"),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_is_useful(soft: int, hard: int) -> None:
    said = subprocess.run(
        [sys.executable, "-c", ASK, str(soft), str(hard)], capture_output=True, text=True, check=True
    ).stdout

    useful = hard if 0 <= hard < WANTED_DESCRIPTORS else WANTED_DESCRIPTORS
    assert said.split() == [str(useful)] * 2


def test_who_swallows_a_cancellation_is_told_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async def test() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await asyncio.wait_for(cancelled([task]), 10)
        assert task.cancelled()

    asyncio.run(test())
    assert swallowed == 3
