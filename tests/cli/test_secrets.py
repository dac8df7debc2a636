"""A secret of the settings is shown nowhere: not as a value, nor in an error about it, nor in its line."""

import dataclasses
from pathlib import Path

import pytest

from sendwarden.config.positions import without_secret
from tests.cli.command import Commands
from tests.config.folder import load_folder, write

RIGHT = '[listen]\nlogin_secret = "hunter2"\n'
# What stands behind login_secret, and each of them wrong.
WRONG = ["hunter2", "'hunter2", '"hun\\u0007ter2"', '["hunter2"]', '{ a = "hunter2" }', '"hunter2" "hunter2"',
         '"""hunter2', "1.2.hunter2", '"\\hunter2"']  # fmt: skip


def test_a_secret_is_read_and_its_repr_has_stars(tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, RIGHT)

    assert loaded.usable and loaded.settings.listen.login_secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(loaded.settings) and "hunter2" not in str(loaded.settings)


@pytest.mark.parametrize("written", WRONG)
def test_an_error_in_a_secret_quotes_nothing_of_it(written: str, tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, f"[listen]\nlogin_secret = {written}\n")

    assert not loaded.usable
    for problem in loaded.problems:
        said = str(dataclasses.asdict(problem))
        assert "hun" not in said, problem
        assert problem.place and problem.place.column - 1 + problem.place.width <= len(problem.place.text)


@pytest.mark.parametrize("command", ["settings", "check", "help"])
def test_no_command_shows_it(command: str, commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": RIGHT + 'allow = "x"\n', "conf.d/a.toml": RIGHT})

    said = commands.on_folder(command) if command != "help" else commands.run("help", "listen")

    assert "hunter2" not in said.out + said.err and said.out


def test_settings_shows_that_it_is_set(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": RIGHT})

    assert 'listen.login_secret = "**********"' in commands.on_folder("settings").out


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('login_secret = "hunter2" # x', "login_secret = *************"),
        ('listen = { login_secret="hunter2" }', "listen = { login_secret=***********"),
        ('"login_secret" = "hunter2"', '"login_secret" = *********'),
        ('login = "127.0.0.1:8601"', 'login = "127.0.0.1:8601"'),
    ],
)
def test_a_line_is_shown_as_long_as_it_is(line: str, shown: str) -> None:
    assert without_secret(line) == shown and len(shown) == len(line)
