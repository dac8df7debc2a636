"""Where counts are shared: what a URL may be, and that no password of it is ever shown."""

from pathlib import Path

import pytest

from sendwarden.config.load import Loaded, load
from tests.config.folder import write


def loaded(tmp_path: Path, line: str) -> Loaded:
    write(tmp_path, {"sendwarden.toml": f"[counting]\n{line}\n"})
    return load(tmp_path / "sendwarden.toml")


@pytest.mark.parametrize(
    "url",
    [
        "redis://192.0.2.30:6379/0",
        "redis://localhost",
        "rediss://redis.example.org:6380",
        "redis://[2001:db8::5]:6379/3",
        "unix:///run/redis/redis.sock",
    ],
)
def test_a_redis_is_named_by_a_url(url: str, tmp_path: Path) -> None:
    found = loaded(tmp_path, f'redis = "{url}"')
    assert found.problems == []
    assert found.settings.counting.redis == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("192.0.2.30:6379", "this is no URL of a Redis"),
        ("http://192.0.2.30", "this is no URL of a Redis"),
        ("redis://", "this is no URL of a Redis"),
        ("redis://host:66666", "this is no URL of a Redis"),
        ("redis://host/limits", '"limits" is no number of a database'),
        ("unix://", "this is no URL of a Redis"),
    ],
)
def test_what_is_none_is_told_with_what_to_write(url: str, says: str, tmp_path: Path) -> None:
    (problem,) = loaded(tmp_path, f'redis = "{url}"').problems
    assert (problem.code, problem.sentence) == ("SW102", says)
    assert "redis://192.0.2.30:6379/0" in problem.remedy


def test_a_password_in_it_is_told_and_not_shown(tmp_path: Path) -> None:
    (problem,) = loaded(tmp_path, 'redis = "redis://:hunter2@192.0.2.30"').problems
    assert problem.sentence == "a password stands in this URL"
    assert problem.remedy == "write it as redis_secret"
    assert problem.place is not None
    assert problem.place.text == 'redis = "redis://:*******@192.0.2.30"'
