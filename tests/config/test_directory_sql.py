"""[directory] in SQL: queries that only ask, and drivers that are there."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.config.folder import load_folder

GOOD = "SELECT limits FROM users WHERE login = :account"


def problems(folder: Path, query: str = GOOD, url: str = "sqlite://") -> list[tuple[str, str]]:
    text = f"[directory]\nurl = '{url}'\nquery = '''{query}'''\n"
    loaded = load_folder(folder, text)
    assert all(problem.remedy for problem in loaded.problems)
    return [(problem.code, problem.sentence) for problem in loaded.problems]


ASKING = [
    GOOD,
    f"{GOOD};",
    f"  ({GOOD})",
    f"/* DROP TABLE */ {GOOD} -- DELETE is a word of a comment",
    "select replace(limits, 'delete', '') from users where login = :account and note <> 'it; is'",
    'SELECT "update" FROM users WHERE login = :account',
    "SELECT [update] FROM users WHERE login = :account",
    "SELECT `update` FROM users WHERE login = :account",
    "SELECT last_update FROM users WHERE login = :account AND u.updated > 0",
    "WITH u AS (SELECT * FROM users) SELECT limits FROM u WHERE login = :account",
    "VALUES (:account)",
    "CALL row_of(:account)",
]
CHANGING = {
    "DELETE FROM users WHERE login = :account": "begins with DELETE",
    "update users set seen = 1 where login = :account": "begins with UPDATE",
    "DROP TABLE users -- :account": "begins with DROP",
    "; -- :account": "begins with no word",
    "WITH gone AS (DELETE FROM u WHERE a = :account RETURNING b) SELECT * FROM gone": "has DELETE",
    "SELECT limits INTO copy FROM users WHERE login = :account": "has INTO",
    "SELECT limits FROM users WHERE login = :account FOR UPDATE": "has UPDATE",
    f"{GOOD}; SELECT 1": "several statements",
}


@pytest.mark.parametrize("query", ASKING)
def test_a_query_that_asks_is_right(query: str, tmp_path: Path) -> None:
    assert problems(tmp_path, query) == []


@pytest.mark.parametrize("query", CHANGING)
def test_a_query_that_does_more_than_ask_is_an_error(query: str, tmp_path: Path) -> None:
    ((code, says),) = [one for one in problems(tmp_path, query) if one[0] != "SW120"]

    assert code == "SW132" and CHANGING[query] in says


def test_a_driver_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    ((code, says),) = problems(tmp_path, url="mysql+pymysql://mail@db.example.org/mail")
    assert code == "SW129" and "the driver pymysql cannot be used here" in says

    monkeypatch.setitem(sys.modules, "pymysql", ModuleType("pymysql"))
    assert problems(tmp_path, url="mysql+pymysql://mail@db.example.org/mail") == []


def test_a_driver_for_other_programs_is_an_error(tmp_path: Path) -> None:
    ((code, says),) = problems(tmp_path, url="postgresql+asyncpg://mail@db.example.org/mail")
    assert code == "SW129" and "asyncpg is for programs of another kind" in says
