"""``sendwarden replay``: the same byte for byte, wrong lines told, hostile text shown safely."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sendwarden.core.event import SubmissionEvent
from sendwarden.core.event_line import write_event
from tests.cli.command import Commands


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sendwarden.cli.main import main  # noqa: PLC0415 - only here without the fixture of commands

    out = tmp_path_factory.mktemp("made") / "mail.jsonl"
    assert main(["simulate", "--users", "60", "--days", "7", "--stolen", "0.1", "--out", str(out)]) == 0
    return out


def test_verdicts_and_report_are_the_same_whatever_the_hash_seed(made: Path, tmp_path: Path) -> None:
    said = set()
    for seed in ("0", "77"):
        verdicts = tmp_path / seed
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "sendwarden",
                "replay",
                str(made),
                "--verdicts",
                str(verdicts),
                "--report",
                "json",
            ],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            cwd=tmp_path,
        )
        said.add(verdicts.read_bytes() + done.stdout)

    assert len(said) == 1


def test_a_verdict_is_a_line_with_user_time_action_bits_and_reasons(commands: Commands, made: Path) -> None:
    (commands.folder / "sendwarden.toml").write_text("")
    verdicts = commands.folder / "verdicts.jsonl"

    said = commands.on_folder(
        "replay", str(made), "--verdicts", str(verdicts), "--truth", str(made.with_suffix(".truth.jsonl"))
    )

    lines = [json.loads(line) for line in verdicts.read_text().splitlines()]
    assert said.code == 0 and said.err == "" and "stolen accounts held" in said.out
    assert lines and all(
        {"user", "ts", "action", "bits", "reasons"} <= set(line)
        and line["action"] in {"normal", "watched", "throttled", "held", "contained"}
        for line in lines
    )
    assert "own domains: example.org (guessed" in said.out


def test_domains_come_from_the_settings_or_the_command_line(commands: Commands, made: Path) -> None:
    (commands.folder / "sendwarden.toml").write_text('[site]\ndomains = ["settings.example"]\n')

    (of_settings,) = commands.on_folder("replay", str(made), "--json").records
    (named,) = commands.on_folder("replay", str(made), "--json", "--domain", "Named.example").records

    assert of_settings["domains"] == ["settings.example"] and not of_settings["domains_guessed"]
    assert named["domains"] == ["named.example"]


def test_mail_to_a_phisher_on_the_list_is_evidence(commands: Commands) -> None:
    (commands.folder / "sendwarden.toml").write_text("")
    events, phishers = commands.folder / "events.jsonl", commands.folder / "phishers"
    events.write_text(write_event(SubmissionEvent(5.0, "bob", "m", recipients=("Verify@phish.example",))))
    phishers.write_text("verify@phish.example,A,20240101\nnobody\n")

    said = commands.on_folder("replay", str(events), "--phishers", str(phishers), "--json")

    assert said.records[0]["states"] == {"watched": 1}
    assert said.code == 1 and f"{phishers}:2: no address; write one a line" in said.err


def test_wrong_lines_are_told_and_left_out(commands: Commands) -> None:
    (commands.folder / "sendwarden.toml").write_text("")
    events = commands.folder / "events.jsonl"
    good = write_event(SubmissionEvent(5.0, "bob", "m", recipients=("a@b.example",)))
    events.write_text(f"{good}\nnonsense\n" + '{"kind": "auth"}\n' * 30)

    said = commands.on_folder("replay", str(events), "--json")

    assert said.code == 1 and f"{events}:2: not a JSON object" in said.err
    assert "and 11 more lines" in said.err
    assert said.records[0]["events"] == 1 and said.records[0]["wrong_lines"] == 31


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["/nowhere/events.jsonl"], "/nowhere/events.jsonl: No such file"),
        (["EVENTS", "--truth", "/nowhere/truth"], "/nowhere/truth: No such file"),
        (["EVENTS", "--truth", "EVENTS"], "line 1: write"),
        (["EVENTS", "--report", "htm"], 'did you mean "html"?'),
        ([], "required"),
    ],
)
def test_what_cannot_be_read_is_named(commands: Commands, words: list[str], says: str) -> None:
    (commands.folder / "sendwarden.toml").write_text("")
    events = commands.folder / "events.jsonl"
    events.write_text('{"kind": 5}\n')

    said = commands.on_folder("replay", *(str(events) if word == "EVENTS" else word for word in words))

    assert said.code == 2 and says in said.err


def test_hostile_names_can_move_no_cursor_and_run_no_script(commands: Commands) -> None:
    (commands.folder / "sendwarden.toml").write_text("")
    events = commands.folder / "events.jsonl"
    hostile = "\x1b[2J<script>alert(1)</script>"
    lines = [
        json.dumps({"ts": 5, "kind": "auth", "user": hostile, "result": "ok", "country": "CH", "asn": 1})
    ]
    for day in range(5):
        for number in range(8):
            event = {
                "ts": 10 + day * 86400 + number,
                "kind": "submission",
                "user": hostile,
                "country": "CH",
                "asn": 1,
            }
            event |= {"msg_id": f"{day}.{number}", "recipients": ["a@b.example"], "spam_score": 0.1}
            lines.append(json.dumps(event))
    for number in range(8):
        event = {"ts": 500_000 + number, "kind": "submission", "user": hostile, "country": "VN", "asn": 2}
        event |= {"msg_id": f"s{number}", "spam_score": 12, "header_from": hostile}
        event |= {"recipients": [f"{each}.{number}@x.example" for each in range(30)]}
        lines.append(json.dumps(event))
    events.write_text("\n".join(lines))

    plain = commands.on_folder("replay", str(events))
    page = commands.on_folder("replay", str(events), "--report", "html")

    assert plain.clean and "at the worst: 1 contained" in plain.out
    assert "<script>" not in page.out and "&lt;script&gt;" in page.out and page.out.endswith("</html>\n")
