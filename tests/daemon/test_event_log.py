"""daemon.log: nothing that happens to its file, its disk or standard error holds mail up, or is silent."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import termios
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest

from sendwarden.daemon.linefile import LineFile
from sendwarden.daemon.log import (
    DIFFERENT_WARNINGS,
    OTHERS,
    PENDING_LINES,
    WARNING_INTERVAL_S,
    FileEventLog,
)
from tests.stores.around import HandClock, no_room, until

MINUTE_S = WARNING_INTERVAL_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.json"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def events(path: Path, clock: HandClock) -> FileEventLog:
    return FileEventLog(path, clock)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def told(path: Path) -> list[tuple[object, object, object]]:
    """Warnings in the file: what, about what, how often."""
    return [(line["warning"], line["about"], line["times"]) for line in lines(path) if "warning" in line]


def minute_passes(events: FileEventLog, clock: HandClock) -> None:
    """What `run` does when a minute has passed."""
    clock.at += MINUTE_S
    events.tell_counts()
    events.flush()


def test_an_event_is_one_line_with_its_time_and_fields(events: FileEventLog, path: Path) -> None:
    events.event(
        "decision", {"account": "eve", "sender": "b\udcff\n\x1b[31m", "recipients": ["ü"], "hits": 51}
    )
    events.flush()

    (line,) = path.read_bytes().splitlines()

    assert json.loads(line) == {
        "at": "2023-11-14T22:13:20.000+00:00",
        "event": "decision",
        "account": "eve",
        "sender": "b\udcff\n\x1b[31m",
        "recipients": ["ü"],
        "hits": 51,
    }
    assert line.isascii() and b"\x1b" not in line


def test_nothing_is_written_before_it_is_asked_for_and_nothing_twice(
    events: FileEventLog, path: Path
) -> None:
    events.event("one", {})
    assert not path.exists()
    events.flush()
    events.flush()
    events.event("two", {})
    events.flush()

    assert [line["event"] for line in lines(path)] == ["one", "two"]


def test_others_may_not_read_it(events: FileEventLog, path: Path) -> None:
    events.event("one", {})
    events.flush()

    assert path.stat().st_mode & 0o007 == 0


# --- the file moves


@pytest.mark.parametrize("then", ["moved", "deleted", "its folder deleted", "replaced"])
def test_a_file_that_was_taken_away_is_opened_anew(events: FileEventLog, path: Path, then: str) -> None:
    events.event("before", {})
    events.flush()
    old = path.with_name("events.json.1")
    match then:
        case "moved" | "replaced":
            path.rename(old)
        case _:
            path.unlink()
    if then == "replaced":
        path.touch()
    if then == "its folder deleted":
        path.parent.rmdir()

    events.event("after", {})
    events.flush()

    assert [line["event"] for line in lines(path)] == ["after"]
    assert not old.exists() or [line["event"] for line in lines(old)] == ["before"]


def test_a_line_cut_short_by_a_kill_spoils_none_of_ours(events: FileEventLog, path: Path) -> None:
    path.write_bytes(b'{"event":"cut sho')

    events.event("after", {})
    events.flush()

    assert path.read_bytes().splitlines()[0] == b'{"event":"cut sho'
    assert json.loads(path.read_bytes().splitlines()[1])["event"] == "after"


# --- the disk is full


def test_lines_wait_while_the_disk_is_full_and_none_is_lost(
    events: FileEventLog, path: Path, clock: HandClock
) -> None:
    path.symlink_to("/dev/full")
    for number in range(5):
        events.event("event", {"number": number})
        events.flush()

    path.unlink()
    minute_passes(events, clock)

    assert [line["number"] for line in lines(path) if line["event"] == "event"] == list(range(5))
    assert {warning for warning, _about, _times in told(path)} == {"log-failed"}
    assert "No space left on device" in str(told(path)[0])


def test_a_full_disk_is_told_once_a_minute_however_often_it_is_tried(
    events: FileEventLog, path: Path, clock: HandClock, capfd: pytest.CaptureFixture[str]
) -> None:
    path.symlink_to("/dev/full")
    for _ in range(50):
        events.event("event", {})
        events.flush()
    minute_passes(events, clock)

    shown = capfd.readouterr().err.splitlines()
    assert len(shown) == 2
    assert "log-failed" in shown[0] and shown[1].endswith(" times)")


def test_a_line_written_in_part_is_finished_and_not_begun_again(events: FileEventLog, path: Path) -> None:
    """The disk fills up in the middle of a line."""
    with no_room():  # 4096 bytes fit
        events.event("long", {"text": "x" * 3000})
        events.event("cut", {"text": "y" * 3000})
        events.event("behind", {})
        events.flush()
        assert path.stat().st_size == 4096

    events.flush()

    assert [line["event"] for line in lines(path)][:3] == ["long", "cut", "behind"]


def test_the_rest_of_a_line_does_not_begin_another_file(events: FileEventLog, path: Path) -> None:
    with no_room():
        events.event("cut", {"text": "y" * 5000})
        events.event("whole", {})
        events.flush()
    path.rename(path.with_name("old"))

    events.flush()

    assert lines(path)[0]["event"] == "whole"


def test_what_is_lost_beyond_what_memory_may_hold_is_counted(
    events: FileEventLog, path: Path, clock: HandClock
) -> None:
    path.symlink_to("/dev/full")
    events.event("event", {"number": -1})
    events.flush()
    for number in range(PENDING_LINES + 100):
        events.event("event", {"number": number})

    path.unlink()
    for _ in range(3):
        minute_passes(events, clock)

    found = lines(path)
    kept = [line["number"] for line in found if line["event"] == "event"]
    (lost,) = [line["count"] for line in found if line["event"] == "lines-lost"]
    assert kept == list(range(-1, len(kept) - 1)), "the oldest ones stay"
    assert PENDING_LINES <= len(kept) <= PENDING_LINES + 1
    assert isinstance(lost, int) and len(kept) + lost >= PENDING_LINES + 101


def test_a_file_that_cannot_be_opened_is_no_reason_to_stop(path: Path, clock: HandClock) -> None:
    (path.parent / "file").touch()
    events = FileEventLog(path.parent / "file" / "events.json", clock)

    events.event("event", {})
    events.flush()
    (path.parent / "file").unlink()
    events.flush()

    assert lines(path.parent / "file" / "events.json")[0]["event"] == "event"


def test_a_disk_that_hangs_holds_nothing_up_but_the_lines(path: Path, clock: HandClock) -> None:
    """A FIFO that nobody empties stands for it: the thread that writes is held, the event loop is not."""
    os.mkfifo(path)
    events = FileEventLog(path, clock)
    got = bytearray()

    async def work() -> None:
        running = asyncio.create_task(events.run())
        for number in range(4):  # two of these are more than a pipe takes
            events.event("long", {"number": number, "text": "x" * 60_000})
        await until("the pipe is full", lambda: _waiting_bytes(path) >= 65_536)
        for number in range(3):
            events.event("short", {"number": number})
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        await until("all lines", lambda: _read_more(reader, got).count(b"\n") == 7)
        os.close(reader)
        running.cancel()

    asyncio.run(work())

    found = [json.loads(line) for line in got.splitlines()]
    assert [line["number"] for line in found if line["event"] == "long"] == [0, 1, 2, 3]
    assert [line["number"] for line in found if line["event"] == "short"] == [0, 1, 2]


def _waiting_bytes(fifo: Path) -> int:
    """How many bytes stand in a pipe."""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    count = bytearray(4)
    fcntl.ioctl(reader, termios.FIONREAD, count)
    os.close(reader)
    return int.from_bytes(count, sys.byteorder)


def _read_more(reader: int, got: bytearray) -> bytearray:
    with suppress(BlockingIOError):
        got += os.read(reader, 65_536)
    return got


# --- warnings


def test_the_same_warning_is_told_once_a_minute_with_its_count(
    events: FileEventLog, path: Path, clock: HandClock
) -> None:
    for _ in range(1000):
        events.warning("meter-full", "table spam")
    events.warning("meter-full", "table other")
    events.flush()
    assert told(path) == [("meter-full", "table spam", 1), ("meter-full", "table other", 1)]

    minute_passes(events, clock)
    assert told(path)[2:] == [("meter-full", "table spam", 999)]

    minute_passes(events, clock)
    events.warning("meter-full", "table spam")
    events.flush()
    assert told(path)[3:] == [("meter-full", "table spam", 1)], "after a quiet minute it is told at once"


def test_a_hundred_thousand_different_warnings_stay_bounded(
    events: FileEventLog, path: Path, clock: HandClock, capfd: pytest.CaptureFixture[str]
) -> None:
    tracemalloc.start()
    for number in range(100_000):
        events.warning("connection-closed", f"malformed attribute {number}")
    now, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    events.warning("store-failed", "no space")
    events.flush()

    assert len(told(path)) == DIFFERENT_WARNINGS + 1
    assert told(path)[-1] == ("store-failed", "no space", 1), "a flood of one kind hides no other"

    minute_passes(events, clock)
    rest = 100_000 - DIFFERENT_WARNINGS
    assert told(path)[DIFFERENT_WARNINGS + 1 :] == [("connection-closed", OTHERS, rest)]
    assert len(capfd.readouterr().err) < 10_000
    assert now < 100_000, "bytes of memory"


def test_minutes_of_different_warnings_are_told_a_few_each(
    events: FileEventLog, path: Path, clock: HandClock
) -> None:
    for minute in range(5):
        for number in range(100):
            events.warning("connection-closed", f"malformed attribute {minute} {number}")
        minute_passes(events, clock)

    found = told(path)
    assert len(found) <= 5 * (DIFFERENT_WARNINGS + 1)
    assert sum(int(str(times)) for _warning, _about, times in found) == 500, "every one is counted"


def test_a_warning_is_shown_on_one_line_that_commands_no_terminal(
    events: FileEventLog, capfd: pytest.CaptureFixture[str]
) -> None:
    events.warning("connection-closed", "\x1b[31mred\r\nwarning store-failed: forged")
    events.flush()

    shown = capfd.readouterr().err
    assert "\x1b" not in shown and "\r" not in shown
    assert [line for line in shown.splitlines() if line.startswith("warning")] == [shown.splitlines()[0]]


HARNESS = """
import sys
from pathlib import Path
from sendwarden.daemon.log import FileEventLog
from tests.stores.around import HandClock
log = FileEventLog(Path(sys.argv[1]), HandClock())
for number in range(3):
    log.warning("some-warning", f"{number} " + "x" * 30_000)
log.event("event", {})
log.flush()
print("went on")
"""


def _run_with_stderr(path: Path, stderr: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HARNESS, str(path)], stdout=subprocess.PIPE, stderr=stderr, timeout=60,
        check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return done.stdout.decode()


@pytest.mark.parametrize("how", ["full disk", "broken pipe", "nobody reads"])
def test_standard_error_that_cannot_be_written_is_no_reason_to_stop(path: Path, how: str) -> None:
    reader, writer = os.pipe()
    if how == "full disk":
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    elif how == "broken pipe":
        os.close(reader)

    said = _run_with_stderr(path, writer)

    os.close(writer)
    if how != "broken pipe":
        os.close(reader)
    assert said == "went on\n"
    assert [line["event"] for line in lines(path)] == ["warning", "warning", "warning", "event"]


def test_lines_from_several_batches_never_mix(events: FileEventLog, path: Path) -> None:
    stop = threading.Event()

    def flush() -> None:
        while not stop.is_set():
            events.flush()

    flushing = threading.Thread(target=flush)
    flushing.start()
    for number in range(2000):
        events.event("event", {"number": number})
    stop.set()
    flushing.join()
    events.flush()

    assert [line["number"] for line in lines(path)] == list(range(2000))


# --- the file of lines by itself


def test_append_says_how_much_it_wrote(path: Path) -> None:
    file = LineFile(path)
    with no_room():
        assert file.append(b"x" * 4000 + b"\n") == 4001
        assert file.append(b"y" * 4000 + b"\n") == 95
        with pytest.raises(OSError, match="File too large"):
            file.append(b"y")

    assert file.append(b"y" * 3905 + b"\n") == 3906
    assert path.read_bytes() == b"x" * 4000 + b"\n" + b"y" * 4000 + b"\n"


def test_all_times_have_the_form_of_the_lines_own(path: Path, events: FileEventLog) -> None:
    at = 1_764_000_000.25
    reasons = [{"id": "limit-over", "frees_at": at, "frees_in": 30, "window": 600}]
    events.event("decision", {"reasons": reasons, "refused": [at]})
    events.event("state-set", {"at": at, "until": at + 86_400, "account": "eve", "reason": "x"})
    events.event("limits-set", {"until": 1e300, "reasons": "none"})
    events.flush()

    decision, state, strange = lines(path)

    iso = "2025-11-24T16:00:00.250+00:00"
    assert decision["reasons"] == [{"id": "limit-over", "frees_at": iso, "frees_in": 30, "window": 600}]
    assert decision["refused"] == [at]
    assert (state["until"], state["at"]) == ("2025-11-25T16:00:00.250+00:00", decision["at"])
    assert list(state)[:2] == ["at", "event"]
    assert (strange["until"], strange["reasons"]) == (1e300, "none")
