"""listen.login: off until it is named, an address with a port, and a socket like the others."""

from pathlib import Path

import pytest

from tests.config.folder import load_folder


def test_nobody_listens_until_a_setting_names_where(tmp_path: Path) -> None:
    settings = load_folder(tmp_path).settings

    assert settings.listen.login == [] and settings.listen.login_secret.get_secret_value() == ""


def test_one_or_several_sockets_are_named(tmp_path: Path) -> None:
    one = load_folder(tmp_path, '[listen]\nlogin = "127.0.0.1:8601"\n')
    both = load_folder(tmp_path, '[listen]\nlogin = ["127.0.0.1:8601", "[::1]:8601"]\n')

    assert one.problems == both.problems == []
    assert one.settings.listen.login == ["127.0.0.1:8601"] and len(both.settings.listen.login) == 2


# What stands under [listen] -> code and sentence.
WRONG: dict[str, tuple[str, str, str]] = {
    "a path": ('login = "unix:/run/x"', "SW102", '"unix:/run/x" is no place for HTTP'),
    "no port": ('login = "127.0.0.1"', "SW102", '"127.0.0.1" is no address with a port'),
    "open to all": ('login = "0.0.0.0:8601"', "SW122", "login would be open to the whole network"),
    "another's": ('login = "127.0.0.1:10031"', "SW123", "127.0.0.1:10031 is named twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_socket_is_told(case: str, tmp_path: Path) -> None:
    written, code, sentence = WRONG[case]

    (problem,) = load_folder(tmp_path, f"[listen]\n{written}\n").problems

    assert (problem.code, problem.sentence) == (code, sentence) and problem.remedy


def test_no_mail_comes_by_it_so_that_no_channel_can_wait_there(tmp_path: Path) -> None:
    settings = '[listen]\nlogin = "127.0.0.1:8601"\n[[channel]]\nname = "a"\nlistener = "127.0.0.1:8601"\n'

    (problem,) = load_folder(tmp_path, settings).problems

    assert problem.code == "SW108" and "8601" not in problem.remedy
