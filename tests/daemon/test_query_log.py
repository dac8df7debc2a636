"""daemon.querylog: a line for each answer, and nothing that happens to its file holds an answer up."""

import time
from pathlib import Path

import pytest

from sendwarden.daemon import querylog
from sendwarden.daemon.querylog import FileQueryLog
from sendwarden.engine.greylist.question import Action, Answer, Question
from tests.servers.space import wait_for
from tests.stores.around import START, KeptLog

ASKED = Question("a@example.org", "b@example.net", "192.0.2.1")
LINE = "#1: a=greylist d=12 w=0 c=192.0.2.1 s=a@example.org r=b@example.net\n"


def test_a_line_is_grossds_in_the_foreground(tmp_path: Path) -> None:
    path = tmp_path / "greylist.log"
    lines = FileQueryLog(path, KeptLog())
    lines.add(START, ASKED, Answer(Action.GREY), 0.0129)
    lines.flush()

    assert path.read_text() == f"{time.ctime(START)} {LINE}"


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "greylist.log"
    lines = FileQueryLog(path, KeptLog())
    for name in ("first", "second"):
        lines.add(START, ASKED, Answer(Action.MATCH), 0.0)
        lines.flush()
        path.rename(tmp_path / name)

    assert (tmp_path / "first").read_text() == (tmp_path / "second").read_text() != ""


def test_what_cannot_be_written_waits_and_is_told(tmp_path: Path) -> None:
    folder, log = tmp_path / "later", KeptLog()
    folder.write_text("in the way")
    lines = FileQueryLog(folder / "greylist.log", log)
    lines.add(START, ASKED, Answer(Action.GREY), 0.0129)
    lines.flush()
    assert log.about("log-failed")
    folder.unlink()
    lines.add(START, ASKED, Answer(Action.GREY), 0.0129)

    def both_are_there() -> bool:
        lines.flush()
        return _count(folder / "greylist.log") == 2

    wait_for("both are there", both_are_there)


def _count(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def test_lines_beyond_what_is_kept_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querylog, "PENDING_LINES", 2)
    log = KeptLog()
    lines = FileQueryLog(tmp_path / "greylist.log", log)
    for _ in range(5):
        lines.add(START, ASKED, Answer(Action.GREY), 0.0)
    lines.flush()

    assert log.about("lines-lost") == [f"{tmp_path / 'greylist.log'}: 3"]
    assert _count(tmp_path / "greylist.log") == 2
