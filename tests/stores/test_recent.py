"""stores.recent: changes wait, go to their places in slices, and are found wherever they are just then."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendwarden.engine.meters.keys import Change
from sendwarden.stores import recent
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import Changes
from sendwarden.stores.recent import CHANGES_A_ROW, MOST_BATCHES
from sendwarden.stores.sql import SqlState
from tests.stores.around import killed, stored
from tests.stores.test_state_file import WRITES, Model, applied


@given(st.lists(WRITES, max_size=14), st.integers(1, 5), st.integers(1, 4), st.integers(0, 1000))
@settings(max_examples=60)
def test_at_every_moment_a_reader_and_a_crash_find_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[str, Change]]],
    most_keys: int,
    most_batches: int,
    crash: int,
) -> None:
    folder = tmp_path_factory.mktemp("state")
    model: Model = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "CHANGES_A_ROW": 2, "MOST_KEYS": most_keys, "MOST_BATCHES": most_batches, "SLICE": 1,
        }.items():  # fmt: skip
            patch.setattr(recent, name, value)
        state = SqlState(folder / "state.db")
        for number, writes in enumerate(batches):
            state.write(Batch(Changes(writes)))
            for table, change in writes:
                applied(model, table, change)
            expected = ({key: parts for key, parts in model.items() if parts}, 0)
            reader = SqlState(state.path, read_only=True)
            assert stored(reader) == expected
            reader.close()
            if number == crash % len(batches):
                again = SqlState(killed(state.path, folder / "killed"))
                assert (stored(again), again.damage) == (expected, [])
                again.close()
                assert rows_in(folder / "killed" / "state.db", "recent") == 0
        state.close()
    assert rows_in(state.path, "recent") == 0


COUNT = {"recent": "SELECT count(*) FROM recent", "meter": "SELECT count(*) FROM meter"}


def rows_in(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute(COUNT[table]).fetchone()
        assert isinstance(found, int)
        return found


def changed(number: int, keys: range) -> Batch:
    return Batch(Changes([("t", Change(f"user{key}", ((0, b"%d" % number),))) for key in keys]))


def test_what_changes_again_and_again_is_put_in_its_place_once(tmp_path: Path) -> None:
    state = SqlState(tmp_path / "state.db")
    for number in range(MOST_BATCHES - 1):
        state.write(changed(number, range(300)))
    assert (rows_in(state.path, "meter"), rows_in(state.path, "recent")) == (0, 2 * (MOST_BATCHES - 1))

    state.write(changed(MOST_BATCHES, range(300)))

    assert (rows_in(state.path, "meter"), rows_in(state.path, "recent")) == (300, 0)
    state.close()


def test_many_keys_are_put_in_their_places_a_slice_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MOST_KEYS", 1000)
    monkeypatch.setattr(recent, "SLICE", 100)
    state = SqlState(tmp_path / "state.db")
    placed = []
    for number in range(30):
        state.write(changed(number, range(number * 50, number * 50 + 50)))
        placed.append(rows_in(state.path, "meter"))

    steps = [after - before for before, after in pairwise(placed)]
    assert max(steps) == 100
    assert placed[-1] == 1000
    assert len(stored(state)[0]) == 1500
    state.close()


def test_a_damaged_row_costs_its_changes_alone_and_is_told(tmp_path: Path) -> None:
    state = SqlState(tmp_path / "state.db")
    state.write(changed(1, range(CHANGES_A_ROW)))
    state.write(changed(2, range(1, CHANGES_A_ROW)))
    state.abandon()
    with closing(sqlite3.connect(state.path)) as connection:
        connection.execute("UPDATE recent SET data = data || x'00' WHERE number = 1")
        connection.commit()

    reader = SqlState(state.path, read_only=True)
    found, _damaged = stored(reader)
    assert len(found) == CHANGES_A_ROW - 1
    assert reader.damage == ["1 rows of the latest counts"]
    reader.close()
    again = SqlState(state.path)
    assert "1 rows of the latest counts" in again.damage
    assert stored(again)[0] == found
    again.close()


def test_damage_is_told_once_also_where_all_that_waits_is_damaged(tmp_path: Path) -> None:
    state = SqlState(tmp_path / "state.db")
    state.write(changed(1, range(3)))
    state.abandon()
    with closing(sqlite3.connect(state.path)) as connection:
        connection.execute("UPDATE recent SET checksum = checksum + 1")
        connection.commit()

    again = SqlState(state.path)
    assert "1 rows of the latest counts" in again.damage
    again.close()
    once_more = SqlState(state.path)
    assert once_more.damage == []
    once_more.close()
