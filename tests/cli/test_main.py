"""cli.main, words and output: what all commands share, from the first word to the last byte written."""

import contextlib
import io
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden import __version__
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.main import COMMANDS, main
from sendwarden.cli.output import Output
from sendwarden.core.ascii import printable
from sendwarden.core.place import Place, Problem
from tests.cli.command import Commands
from tests.cli.state import make_state
from tests.config.folder import write

NAMES = [name for name, _module, _does in COMMANDS]
# Words that make each command run, behind its name and the folder.
WORDS: Mapping[str, Sequence[str]] = {
    "serve": [],
    "connect": ["postfix", "--print"],
    "check": [],
    "settings": [],
    "explain": ["message", "--to", "bob@example.org"],
    "mapping": ["T", "probe"],
    "why": ["SW-7K3QXD"],
    "limits": ["show", "bob"],
    "account": ["resolve", "bob"],
    "dnsbl": ["check", "192.0.2.7"],
    "greylist": ["show", "192.0.2.7", "eve@example.org", "bob@example.org"],
    "log": ["read", "message"],
    "replay": [os.devnull],
    "simulate": ["--out", "message", "--users", "2", "--days", "1"],
    "help": [],
}
# Commands that read no settings.
WITHOUT = ("help", "simulate")
MESSAGE = "Subject: a\n\nText.\n"
READ_SETTINGS = [name for name in NAMES if name not in WITHOUT]


def test_the_table_above_has_every_command() -> None:
    assert list(WORDS) == NAMES


# --- the first word


def test_without_a_word_every_command_is_listed_and_none_was_run(commands: Commands) -> None:
    said = commands.run()

    assert said.code == CANNOT
    for name, _module, does in COMMANDS:
        assert f"  {name:<10} {does}\n" in said.out


def test_help_and_version_are_good_ends(commands: Commands) -> None:
    assert (commands.run("--help").code, commands.run("-h").code) == (GOOD, GOOD)
    assert commands.run("--version") == commands.run("--version")
    assert commands.run("--version").out == f"Sendwarden {__version__}\n"


@pytest.mark.parametrize("command", NAMES)
def test_every_command_tells_what_it_takes(command: str, commands: Commands) -> None:
    said = commands.run(command, "--help")

    assert said.code == GOOD and said.out.startswith(f"usage: sendwarden {command}")
    assert "--json" in said.out and ("--config FILE" in said.out) is (command not in WITHOUT)


# Words that somebody mistypes -> what he is told.
MISTYPED: dict[tuple[str, ...], str] = {
    ("chek",): 'there is no command "chek"; did you mean "check"?',
    ("SETTING",): 'there is no command "SETTING"; did you mean "settings"?',
    ("banana",): 'there is no command "banana"; known are serve, connect, check, settings',
    ("\x1b[2Jcheck",): 'there is no command "\\x1b[2Jcheck"; known are serve',
    ("--json", "check", "--brief"): "the command comes first: sendwarden check --json --brief",
    ("--banana",): 'there is no option "--banana"; known are -h, --help, --version',
    ("check", "--breif"): 'there is no option "--breif"; did you mean "--brief"?',
    ("check", "--strct=1"): 'there is no option "--strct=1"; did you mean "--strict"?',
    ("check", "--confg"): 'there is no option "--confg"; did you mean "--config"?',
    ("check", "--stri"): 'there is no option "--stri"; did you mean "--strict"?',
    ("check", "\x1b]0;x\x07"): '"\\x1b]0;x\\x07" is one word too many',
    ("why", "SW-7K3QXD", "now"): '"now" is one word too many',
    ("why",): "the following arguments are required: reference",
    ("account", "resovle", "bob"): 'there is no verb "resovle"; did you mean "resolve"?',
    ("account", "delete", "bob"): 'there is no verb "delete"; known are resolve',
    ("connect", "posfix"): 'there is no mail server "posfix"; did you mean "postfix"?',
    ("connect", "\x1b[31m"): 'there is no mail server "\\x1b[31m"; known are postfix',
    ("mapping", "T", "x", "--chance", "nan"): '"nan" is no number from 0 to 100',
    ("mapping", "T", "x", "--chance", "often"): '"often" is no number from 0 to 100',
}


@pytest.mark.parametrize(
    "words", MISTYPED, ids=lambda words: " ".join(words).encode("unicode_escape").decode()
)
def test_wrong_words_are_told_with_what_was_meant(words: tuple[str, ...], commands: Commands) -> None:
    said = commands.run(*words)

    assert (said.code, said.out) == (CANNOT, "")
    assert MISTYPED[words] in said.err and said.clean


# --- settings that are not there


@pytest.mark.parametrize("command", READ_SETTINGS)
def test_a_settings_file_that_does_not_exist_is_named_and_nothing_is_done(
    command: str, commands: Commands
) -> None:
    said = commands.on_folder(command, *WORDS[command])

    assert (said.code, said.out) == (CANNOT, "")
    assert said.err == (
        f"{commands.folder}/sendwarden.toml: there is no such settings file: create it; it may be empty\n"
    )


@pytest.mark.parametrize("name", ["a" * 300, "file/sendwarden.toml"])
def test_a_settings_file_that_cannot_be_reached_is_told_without_a_traceback(
    name: str, commands: Commands
) -> None:
    write(commands.folder, {"file": ""})

    said = commands.run("check", "--config", str(commands.folder / name))

    assert said.code == CANNOT and ("File name too long" in said.err or "Not a directory" in said.err)


def test_the_settings_file_of_the_current_folder_is_found_without_being_named(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\nmode = 5\n'})

    with contextlib.chdir(commands.folder):
        said = commands.run("check", "--brief")

    assert (said.code, said.out.splitlines()[0][:22]) == (NO, "sendwarden.toml:2:8: S")


def test_a_settings_file_may_be_named_by_its_folder_or_itself(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\n'})

    assert commands.run("check", "--config", str(commands.folder)).code == GOOD
    assert commands.run("check", "--config", str(commands.folder / "sendwarden.toml")).code == GOOD


# --- for programs, and against mail and files that mean harm


# Commands that have nothing to say: `check` of what is right, `connect` with what is wrong, `greylist` while
# no daemon runs, `log` of what is no log. (`serve` of what is right would go on for ever.)
SILENT = [
    ("check", False),
    ("connect", True),
    ("greylist", False),
    ("greylist", True),
    ("log", False),
    ("log", True),
]


@pytest.mark.parametrize(
    ("command", "wrong"),
    [(name, wrong) for name in NAMES for wrong in (False, True) if (name, wrong) != ("serve", False)],
)
def test_with_json_every_line_is_an_object(command: str, wrong: bool, commands: Commands) -> None:
    settings = 'state = "var"\n' + "mode = 5\n" * wrong
    write(commands.folder, {"message": MESSAGE, "sendwarden.toml": settings, "mappings": "T\n* $Y\n"})
    record = {"at": 0.0, "reference": "SW-7K3QXD", "account": "a", "verdict": "hold"}
    make_state(commands.folder, 0.0, decisions=[record])
    words = [word.replace("message", str(commands.folder / "message")) for word in WORDS[command]]

    said = (
        commands.run(command, "--json", *words)
        if command in WITHOUT
        else commands.on_folder(command, "--json", *words)
    )

    assert all(isinstance(each, dict) for each in said.records)
    assert bool(said.records) is ((command, wrong) not in SILENT)


@pytest.mark.parametrize("command", READ_SETTINGS)
def test_nothing_hostile_reaches_the_terminal_by_any_command(command: str, commands: Commands) -> None:
    bad, channel = "\x9b2J\u202e", "[[channel]]"
    write(
        commands.folder,
        {
            "message": f"Subject: {bad}\x1b[2J\n\n",
            "sendwarden.toml": f'state = "var"\n"{bad}" = 1\n{channel}\nname = "{bad}"\nsourcefilter = "f"\n',
            "f": f'if header :matches "Subject" "*" {{ capture "{bad}@x.example"; }}',
            "mappings": f"T\n*{bad} {bad}$Y\n",
            "metermaid.options": f"metermaid.table.{bad}.quota = 5\n{bad}\x1b[2J\n",
        },
    )
    record = {
        "at": 0.0,
        "reference": "SW-7K3QXD",
        "account": bad,
        "verdict": bad,
        "text": "\x1b[2J",
        "says": [bad],
    }
    make_state(commands.folder, 0.0, decisions=[record])
    words = {
        "explain": [
            str(commands.folder / "message"),
            "--to",
            f"{bad}\x1b[2J@x",
            "--from",
            bad,
            "--login",
            bad,
        ],
        "mapping": ["T", f"\x1b[2J{bad}"],
        "limits": ["why", f"\x1b[2J{bad}"],
        "account": ["resolve", f"\x1b[2J{bad}"],
        "dnsbl": ["check", f"\x1b[2J{bad}"],
        "greylist": ["show", bad, f"\x1b[2J{bad}", bad],
        "log": ["read", f"\x1b[2J{bad}"],
    }.get(command, list(WORDS[command]))

    for form in ([], ["--json"]):
        said = commands.on_folder(command, *words, *form)
        assert said.clean and (said.out or said.err)


# --- output that goes wrong


@pytest.mark.parametrize("command", ["help", "settings", "check"])
def test_a_reader_who_leaves_early_ends_a_command_without_a_word(
    command: str, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\n'})
    reading, writing = os.pipe()
    os.close(reading)

    with open(writing, "w", buffering=64) as nobody, contextlib.redirect_stdout(nobody):  # noqa: PTH123 - a descriptor
        code = main([command] if command == "help" else [command, "--config", str(commands.folder)])

    assert code == CANNOT and capsys.readouterr().err == ""


def program(*words: str, folder: Path, **how: object) -> "subprocess.CompletedProcess[bytes]":
    """A command in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "sendwarden",
        *words,
        *(["--config", str(folder)] if words[0] != "help" else []),
    ]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LC_ALL", "LANG")
    }
    environment |= {str(name): str(value) for name, value in dict(how.pop("env", {})).items()}  # type: ignore[call-overload]
    return subprocess.run(command, env=environment, check=False, timeout=60, **how)  # type: ignore[call-overload,no-any-return]


def test_a_closed_pipe_leaves_no_trace_at_the_end_of_the_process(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = program("help", folder=tmp_path, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)

    assert (done.returncode, done.stderr) == (CANNOT, b"")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = program("help", folder=tmp_path, stdout=full, stderr=subprocess.PIPE)

    assert (done.returncode, done.stderr) == (
        CANNOT,
        b"sendwarden: what it prints cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "line",
    ["--help >/dev/full", "--version >/dev/full", "settings --help >/dev/full", "settings --nope 2>/dev/full",
     "nope 2>/dev/full", "--nope 2>/dev/full", "check --config /nowhere 2>/dev/full"],
)  # fmt: skip
def test_what_argparse_or_a_refusal_says_to_a_full_disk_ends_with_the_same_code(
    tmp_path: Path, line: str, unbuffered: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m sendwarden {line}"],  # noqa: S607
        cwd=tmp_path, capture_output=True, check=False, timeout=60,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip

    told = b"" if "2>" in line else b"sendwarden: what it prints cannot be written: No space left on device\n"
    assert (done.returncode, done.stdout, done.stderr) == (CANNOT, b"", told)


@pytest.mark.parametrize("how", [">&-", ">&- 2>&-", ">/dev/full 2>&-"])
@pytest.mark.parametrize("command", ["help", "check"])
def test_closed_streams_are_no_exception(tmp_path: Path, command: str, how: str) -> None:
    line = f"{sys.executable} -m sendwarden {command} {how}"

    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, check=False, timeout=60)  # noqa: S607

    told = (
        b"sendwarden: what it prints cannot be written: standard output is closed\n" if how == ">&-" else b""
    )
    assert (done.returncode, done.stderr) == (CANNOT, told)


def test_letters_that_the_terminal_cannot_show_become_codes(tmp_path: Path) -> None:
    write(tmp_path, {"sendwarden.toml": 'state = "var"\n[site]\nhost = "日本 ü"\n'})

    done = program("check", folder=tmp_path, stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii"})

    assert done.returncode == NO and b"\\u65e5\\u672c \\xfc" in done.stdout


# --- colour


def on_terminal(folder: Path, environment: Mapping[str, str]) -> bytes:
    """What `check` prints when its output is a terminal."""
    ours, its = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor
        program("check", folder=folder, stdout=its, stdin=its, env=environment)
        os.close(its)
        said = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while more := terminal.read(65536):
                said += more
    return said


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)],
    ids=["plain", "empty NO_COLOR", "NO_COLOR"],
)
def test_errors_are_red_on_a_terminal_unless_no_color_is_set(
    environment: Mapping[str, str], coloured: bool, tmp_path: Path
) -> None:
    write(tmp_path, {"sendwarden.toml": 'state = "var"\nmode = 5\n'})

    said = on_terminal(tmp_path, environment)

    assert said.startswith(b"\x1b[31merror\x1b[0m SW102: " if coloured else b"error SW102: ")
    assert (b"\x1b" in said) is coloured


def test_a_pipe_gets_no_colour(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\nmode = 5\n'})

    assert "\x1b" not in commands.on_folder("check").out


# --- what is shown of a line


def shown(place: Place, remedy: str = "here") -> list[str]:
    """The two lines below the place: the source line and the caret."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        Output(as_json=False).problem(Problem("SW103", "wrong", place, remedy))
    return said.getvalue().splitlines()[2:4]


# A line, what is wrong in it -> the two lines shown.
LINES: dict[str, tuple[str, str, list[str]]] = {
    "plain": ("a = 5", "5", ["     1 | a = 5", "       |     ^ here"]),
    "a tab": ("\ta = 5", "5", ["     1 |  a = 5", "       |      ^ here"]),
    "wide letters": ('"中文" = 5', "5", ['     1 | "中文" = 5', "       |          ^ here"]),
    "wide letters marked": ('a = "中"', '"中"', ['     1 | a = "中"', "       |     ^^^^ here"]),
    "an accent of its own": ("e\u0301 = 5", "5", ["     1 | e\u0301 = 5", "       |     ^ here"]),
    "a control character": ("\x1b[2J = 5", "5", ["     1 | \\x1b[2J = 5", "       |           ^ here"]),
    "text that runs backwards": ("\u202ea = 5", "5", ["     1 | \\u202ea = 5", "       |           ^ here"]),
    "a long line": (
        f"{'x' * 500} = 5",
        "5",
        [f"     1 | ...{'x' * 54} = 5", f"       | {' ' * 60}^ here"],
    ),
    "a long value": (
        f'a = "{"x" * 500}"',
        f'"{"x" * 500}"',
        [f'     1 | a = "{"x" * 172}...', f"       |     {'^' * 100} here"],
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_the_caret_stands_under_what_is_meant(case: str) -> None:
    line, wrong, said = LINES[case]

    assert shown(Place("f", 1, line.index(wrong) + 1, len(wrong), line)) == said


@given(st.text(max_size=300), st.integers(1, 300), st.integers(1, 300))
def test_any_line_is_shown_in_two_that_are_safe_for_a_terminal(line: str, column: int, width: int) -> None:
    line = line.replace("\n", "").replace("\r", "")

    said = shown(Place("f", 1, min(column, len(line) + 1), width, line or " "))

    assert len(said) == 2 and all(printable(each) == each and len(each) < 2500 for each in said)
    assert said[1].endswith("^ here")
