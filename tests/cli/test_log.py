"""``sendwarden log read``: files in any order, packed or from a pipe, as events, and what was understood."""

import gzip
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sendwarden.core.event_line import read_event
from tests.cli.command import Commands
from tests.wire.postfix_lines import MINE, NOW, THEIRS, line, message

OLD = message(MINE, "Eve@example.org", ("a@x.example", "b@x.example"), 0)
NEW = [*message(THEIRS, "bob", second=300), line("something new")]


def written(path: Path, lines: list[str]) -> str:
    text = "\n".join([*lines, ""]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    os.utime(path, (NOW, NOW))
    return str(path)


def test_events_come_in_the_order_of_time_whatever_the_order_of_files(
    commands: Commands, tmp_path: Path
) -> None:
    files = written(tmp_path / "mail.log", NEW), written(tmp_path / "mail.log.1.gz", OLD)
    (tmp_path / "sendwarden.toml").touch()

    said = commands.on_folder("log", "read", *files, "--zone", "UTC", "--json")

    events = [event for one in said.out.splitlines() for event in read_event(one)]
    assert [one.account for one in events] == ["eve@example.org"] * 4 + ["bob"] * 3
    assert events[0].at == datetime(2026, 11, 25, 10, tzinfo=UTC).timestamp()
    assert "12 lines of Postfix, 1 not understood" in said.err and "something new" in said.err
    assert said.code == 0


def test_people_see_what_was_understood_and_who_sent_most(commands: Commands, tmp_path: Path) -> None:
    said = commands.run("log", "read", written(tmp_path / "mail.log", [*OLD, *NEW]), "--zone", "UTC")

    assert "by daemon: qmgr 4, smtpd 3, smtp 3, cleanup 2" in said.out
    assert "not understood: smtpd 1; for example" in said.out
    assert "eve@example.org  2; 1; 0" in said.out
    assert said.clean


def test_accounts_are_folded_as_the_settings_say(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "sendwarden.toml").write_text('[accounts]\nrealms = ["example.org"]\n')

    said = commands.on_folder("log", "read", written(tmp_path / "mail.log", OLD), "--json")

    assert {json.loads(one)["user"] for one in said.out.splitlines()} == {"eve"}


def test_a_pipe_is_read(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.TextIOWrapper(io.BytesIO("\n".join(OLD).encode()))
    monkeypatch.setattr("sys.stdin", piped)

    said = commands.run("log", "read", "-")

    assert "6 lines of Postfix, 0 not understood" in said.out


def test_what_a_stranger_wrote_moves_no_cursor(commands: Commands, tmp_path: Path) -> None:
    said = commands.run("log", "read", written(tmp_path / "mail.log", [line("new \x1b[2J\u202e words")]))

    assert said.clean and "\\x1b" in said.out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["read", "/nowhere/mail.log"], 2, "No such file"),
        (["read"], 2, "FILE"),
        (["write", "x"], 2, "read"),
        (["read", "x", "--zone", "Mars/Base"], 2, "write one such as Europe/Berlin"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], code: int, says: str, commands: Commands) -> None:
    said = commands.run("log", *words)

    assert said.code == code and says in said.err


def test_a_file_without_a_line_of_postfix_is_told(commands: Commands, tmp_path: Path) -> None:
    said = commands.run("log", "read", written(tmp_path / "x", ["Nov 25 10:00:00 mx cron[1]: job"]))

    assert said.code == 1 and "is this the log of a Postfix?" in said.out
