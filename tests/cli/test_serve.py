"""cli.serve: when it does not start, what it says; and its first screen."""

import fcntl
from pathlib import Path

import pytest

from sendwarden import __version__
from sendwarden.cli.exits import CANNOT, NO
from sendwarden.cli.pasted import Command
from sendwarden.cli.serve import first_screen
from sendwarden.cli.surroundings import Found, look_around
from tests.cli.command import Commands
from tests.cli.state import damage_state
from tests.config.folder import example, load_folder, write
from tests.config.given import GIVEN, WARNINGS, pretend_library

FOUND = [Found("Postfix", here=True, detail="3.7.11 (/etc/postfix)"), Found("Exim", here=False)]


@pytest.mark.parametrize("code", [code for code in GIVEN if code not in WARNINGS])
def test_it_refuses_to_start_with_any_error_and_shows_the_same_list_as_check(
    code: str, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_library(code, monkeypatch)
    write(commands.folder, {"sendwarden.toml": "", **GIVEN[code][0]})
    listed = commands.on_folder("check").out

    said = commands.on_folder("serve")

    assert said.code == NO and said.out and listed.startswith(said.out)
    assert said.err.startswith("Not started: half a configuration is worse than none.")
    assert said.err.endswith(f"sendwarden check --config {commands.folder} shows this list again.\n")
    assert not (commands.folder / "var").exists()


def test_a_state_that_another_process_uses_is_left_alone(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\n', "var/lock": "4711\n"})

    with (commands.folder / "var" / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        said = commands.on_folder("serve")

    assert (said.code, said.out) == (CANNOT, "")
    assert said.err == f"{commands.folder}/var is in use by process 4711: stop that one first\n"


def test_a_damaged_state_is_told_with_what_to_do(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\n'})
    damage_state(commands.folder)

    said = commands.on_folder("serve")

    assert said.code == CANNOT and "Move it away" in said.err and "Traceback" not in said.err


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param(
            'state = "file/var"\n',
            'Not a directory; set state = "..." in sendwarden.toml to a folder that can be written',
            id="its own folder",
        ),
        pytest.param(
            'state = "var"\nlisten.milter = "unix:/proc/nowhere/milter"\n',
            "set listen.policy or listen.milter",
            id="a socket",
        ),
    ],
)
def test_a_place_that_it_cannot_use_is_told(settings: str, says: str, commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": f"{settings}listen.policy = []\n", "file": ""})

    said = commands.on_folder("serve")

    assert (said.code, said.out) == (CANNOT, "") and says in said.err and "Traceback" not in said.err


# --- the first screen


def screen(folder: Path, settings: str, files: dict[str, str] | None = None, config: str = "") -> list[str]:
    return first_screen(load_folder(folder, settings, files), FOUND, "./var", Command("sendwarden", config))


def test_the_first_screen_says_what_it_does_found_listens_to_and_what_comes_next(tmp_path: Path) -> None:
    assert screen(tmp_path, "") == [
        f"Sendwarden {__version__}   watching only: no mail is refused, held or changed",
        "  found     Postfix 3.7.11 (/etc/postfix)",
        "  not found Exim        (fine: nothing here needs it)",
        "  listening policy 127.0.0.1:10031   milter 127.0.0.1:10032",
        "  using     5 channels, 0 filters, 0 mapping tables, 0 meters    sendwarden settings",
        "Next, in another window:  sendwarden connect postfix",
        "    shows the lines for main.cf and how to take them out again",
        "Stop: Ctrl-C.  State: ./var (delete it to start afresh).",
    ]


def test_the_first_screen_names_the_channels_that_act_and_counts_what_is_used(tmp_path: Path) -> None:
    files = example("authspam")
    settings = files.pop("sendwarden.toml") + 'mode = "enforce"\n'

    lines = screen(tmp_path, settings, files)

    assert lines[0] == f"Sendwarden {__version__}   enforcing: submission"
    assert "  using     6 channels, 1 filter, 1 mapping table, 1 meter    sendwarden settings" in lines


def test_warnings_do_not_stop_it_and_are_counted_on_the_first_screen(tmp_path: Path) -> None:
    lines = screen(tmp_path, "", {"conf.d/README": ""})

    assert "  warnings  1    sendwarden check" in lines


def test_what_it_says_to_do_next_is_about_the_settings_in_use(tmp_path: Path) -> None:
    said = "\n".join(screen(tmp_path, "", {"conf.d/README": ""}, config=" --config site"))

    assert all(
        f"sendwarden {command} --config site" in said for command in ("settings", "check", "connect postfix")
    )


def test_what_stands_on_this_machine_is_a_fact_each_and_never_a_failure() -> None:
    found = look_around()

    assert [one.name for one in found] == ["Postfix", "Dovecot", "Exim", "log"]
    assert all(one.here or not one.detail for one in found)
