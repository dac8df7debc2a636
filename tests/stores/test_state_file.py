"""stores.sql: what is written is found again, in groups of any size, and what cannot be used is refused."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendwarden.core.errors import StoreDown
from sendwarden.engine.meters.keys import Change
from sendwarden.stores import opening, sql
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import Changes
from sendwarden.stores.rows import meta_row
from sendwarden.stores.schema import VERSION
from sendwarden.stores.sql import FOLD_BYTES, LOAD_KEYS, LOAD_ROWS, SqlState, StateDamaged, StateTooNew
from tests.stores.around import killed, no_room, stored

Model = dict[tuple[str, str], dict[int, bytes]]


def batch(*changes: Change, table: str = "t", anew: bool = False) -> Batch:
    return Batch(Changes([(table, change) for change in changes]), anew=anew)


def record(reference: str, at: float = 0.0, **more: object) -> dict[str, object]:
    return {"reference": reference, "at": at, "account": "eve", **more}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


# Keys as clients make them: bytes that are no UTF-8, nothing but blanks, and what SQL or a path might mind.
KEYS = st.sampled_from(["bob", "BOB", "b\udcffb", " ", "x'); DROP TABLE meter; --", "ü", "a" * 255])
PARTS = st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=20)), max_size=3).map(tuple)
CHANGES = st.builds(Change, KEYS, PARTS, st.integers(0, 3), st.booleans())
WRITES = st.lists(st.tuples(st.sampled_from("tu"), CHANGES), max_size=6)


def applied(model: Model, table: str, change: Change) -> None:
    """What a change means, said once more in other words."""
    if change.drop:
        model.pop((table, change.key), None)
        return
    parts = model.setdefault((table, change.key), {})
    for number in [number for number in parts if number < change.first_part]:
        del parts[number]
    parts.update(change.parts)


def one_change_a_key(writes: list[tuple[str, Change]]) -> list[tuple[str, Change]]:
    return list({(table, change.key): (table, change) for table, change in writes}.values())


@given(st.lists(WRITES.map(one_change_a_key), max_size=5), st.booleans())
@settings(max_examples=60)
def test_what_was_written_is_found_after_a_close_and_after_a_kill(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, Change]]], kill: bool
) -> None:
    folder = tmp_path_factory.mktemp("state")
    state = SqlState(folder / "state.db")
    model: Model = {}
    for writes in batches:
        state.write(Batch(Changes(writes)))
        for table, change in writes:
            applied(model, table, change)

    path = killed(state.path, folder / "killed") if kill else state.path
    state.close()

    again = SqlState(path)
    assert stored(again) == ({key: parts for key, parts in model.items() if parts}, 0)
    assert again.damage == []
    again.close()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param(
            [Change("k", drop=True), Change("k", ((0, b"new"),))], {0: b"new"}, id="dropped, then set"
        ),
        pytest.param([Change("k", ((0, b"new"),)), Change("k", drop=True)], {}, id="set, then dropped"),
        pytest.param(
            [Change("k", ((0, b"a"),)), Change("k", ((0, b"b"),))],
            {0: b"b", 1: b"one", 2: b"two"},
            id="set twice",
        ),
        pytest.param([Change("k", ((7, b"x"),), first_part=7)], {7: b"x"}, id="older parts forgotten"),
        pytest.param([Change("k", (), first_part=1)], {1: b"one", 2: b"two"}, id="nothing but forgotten"),
    ],
)
def test_several_changes_of_one_key_in_one_batch_count_in_their_order(
    path: Path, changes: list[Change], found: dict[int, bytes]
) -> None:
    state = SqlState(path)
    state.write(batch(Change("k", ((0, b"zero"), (1, b"one"), (2, b"two")))))

    state.write(batch(*changes))

    assert stored(state)[0].get(("t", "k"), {}) == found
    state.close()


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        pytest.param(LOAD_KEYS - 1, 1, id="one group, not full"),
        pytest.param(LOAD_KEYS, 1, id="one group, full"),
        pytest.param(3 * LOAD_KEYS + 1, 1, id="four groups"),
        pytest.param(LOAD_KEYS + 1, 7, id="rows fetched end within a key"),
        pytest.param(3, LOAD_ROWS + 1, id="keys of more parts than are fetched at once"),
    ],
)
def test_all_keys_come_back_whole_however_they_fall_into_groups(path: Path, keys: int, parts: int) -> None:
    state = SqlState(path)
    written = {
        ("t", f"user{n}@example.org"): {part: b"%d/%d" % (n, part) for part in range(parts)}
        for n in range(keys)
    }
    state.write(batch(*(Change(key, tuple(found.items())) for (_, key), found in written.items())))

    groups = list(state.meters())

    assert stored(state) == (written, 0)
    assert [len(group) for group in groups[:-1]] == [LOAD_KEYS] * (len(groups) - 1)
    assert sum(map(len, groups)) == keys, "no key came in two pieces"
    state.close()


def test_a_dropped_table_and_a_new_beginning_leave_the_other_rows_alone(path: Path) -> None:
    state = SqlState(path)
    state.write(batch(Change("a", ((0, b"t"),))))
    state.write(batch(Change("a", ((0, b"u"),)), table="u"))
    state.write(Batch(decisions=[record("SW-000001")], meta={"fact": "1"}))

    state.write(Batch(Changes(dropped_tables=["u"])))
    assert stored(state)[0] == {("t", "a"): {0: b"t"}}

    state.write(batch(Change("b", ((0, b"n"),)), anew=True))
    assert stored(state)[0] == {("t", "b"): {0: b"n"}}
    assert state.decision("SW-000001") == record("SW-000001")
    assert state.meta()["fact"] == "1"
    state.close()


def test_decisions_notices_sequences_and_facts_come_back(path: Path) -> None:
    state = SqlState(path)
    decision = record("SW-000001", 7.5, sender="b\udcffb", says=["a", "ü"])
    first = Batch(decisions=[decision], meta={"fact": "1"})
    first.notices += ({"id": f"SW-00000{n}", "at": 9 - n, "message": "x"} for n in (1, 2, 3))
    state.write(first)
    state.write(Batch(Changes(sequences={"seq\udcff": 5}), done_notices=["SW-000002"], meta={"fact": "2"}))
    state.close()

    again = SqlState(path)

    assert again.decision("SW-000001") == decision and again.decision("SW-000009") is None
    assert [notice["id"] for notice in again.notices()] == ["SW-000003", "SW-000001"], "oldest first"
    assert again.sequences() == {"seq\udcff": 5}
    assert again.meta()["fact"] == "2"
    again.close()


def test_a_reference_that_comes_twice_keeps_its_first_record(path: Path) -> None:
    state = SqlState(path)
    state.write(Batch(decisions=[record("SW-000001", says="first")]))

    state.write(Batch(decisions=[record("SW-000001", says="second"), record("SW-000002")]))

    found = state.decision("SW-000001")
    assert found and found["says"] == "first"
    assert state.decision("SW-000002")
    state.close()


def test_old_decisions_are_forgotten_a_part_at_a_time(path: Path) -> None:
    state = SqlState(path)
    state.write(Batch(decisions=[record(f"SW-{n:06}", at=n) for n in range(2500)]))

    gone = []
    while number := state.forget_decisions(before=2400):
        gone.append(number)

    assert sum(gone) == 2400 and max(gone) <= 1000
    assert state.decision("SW-002399") is None and state.decision("SW-002400")
    state.close()


@pytest.mark.parametrize("name", ["state.db", "a folder/st?ate#1.db", "100%41.db", "ü.db", "'quoted'.db"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    state = SqlState(path)
    state.write(batch(Change("k", ((0, b"x"),))))
    state.close()

    assert path.stat().st_size
    reader = SqlState(path, read_only=True)
    assert stored(reader)[0] == {("t", "k"): {0: b"x"}}
    reader.close()


# --- files that cannot be used


def _sql(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def _newer(path: Path) -> None:
    state = SqlState(path)
    state.write(Batch(meta={"version": str(VERSION + 1)}))
    state.close()


def _cut(path: Path) -> None:
    state = SqlState(path)
    state.write(batch(*(Change(f"k{n}", ((0, b"x" * 50),)) for n in range(500))))
    state.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _without_tables(path: Path) -> None:
    SqlState(path).close()
    _sql(path, "DROP TABLE sequence")


def _log_only(path: Path) -> None:
    state = SqlState(path)
    state.write(batch(Change("k", ((0, b"x"),))))
    state.abandon()
    path.unlink()


def _log_missing(path: Path) -> None:
    state = SqlState(path)
    state.write(batch(Change("k", ((0, b"x"),))))
    state.abandon()
    path.with_name(path.name + "-wal").unlink()


BAD_FILES: list[tuple[str, Callable[[Path], object], type[StoreDown], str]] = [
    ("no database", lambda path: path.write_text("Dear diary"), StateDamaged, "Move it away"),
    ("empty", lambda path: path.touch(), StateDamaged, "it is empty. Move it away"),
    ("another database", lambda path: _sql(path, "CREATE TABLE diary (day)"), StateDamaged, "Move it away"),
    ("half of its tables", _without_tables, StateDamaged, "lacks tables"),
    ("cut in half", _cut, StateDamaged, "Move it away"),
    ("from a later version", _newer, StateTooNew, f"state version {VERSION + 1}, this one reads {VERSION}"),
    ("only the log is there", _log_only, StateDamaged, "is missing, but its state.db-wal is there"),
    ("a folder", lambda path: path.mkdir(), StoreDown, "state.db"),
]


@pytest.mark.parametrize(
    ("make", "error", "advice"), [row[1:] for row in BAD_FILES], ids=[row[0] for row in BAD_FILES]
)
def test_a_file_that_cannot_be_used_is_refused_with_advice_and_left_as_it_is(
    path: Path, make: Callable[[Path], object], error: type[StoreDown], advice: str
) -> None:
    make(path)
    before = path.read_bytes() if path.is_file() else None

    with pytest.raises(error, match=advice) as refused:
        SqlState(path)

    assert str(path) in str(refused.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_that_the_log_is_missing_is_told_once(path: Path) -> None:
    _log_missing(path)

    state = SqlState(path)
    assert state.log_lost and "state.db-wal is missing" in state.damage[0]
    assert stored(state)[0] == {}
    state.close()

    again = SqlState(path)
    assert not again.log_lost and not again.damage
    again.close()


def test_a_missing_file_is_no_file_to_read(path: Path) -> None:
    with pytest.raises(StoreDown, match="No such file"):
        SqlState(path, read_only=True)
    assert not path.exists()


def test_a_start_that_was_killed_while_it_made_the_file_does_not_stand_in_the_way(path: Path) -> None:
    path.with_name("state.db.new").write_bytes(b"half a data")

    SqlState(path).close()

    SqlState(path).close()
    assert not path.with_name("state.db.new").exists()


# --- others that use the file


def test_a_reader_sees_what_the_daemon_has_written_and_leaves_no_trace(path: Path) -> None:
    state = SqlState(path)
    state.write(Batch(decisions=[record("SW-000001")]))

    while_it_runs = SqlState(path, read_only=True)
    assert while_it_runs.decision("SW-000001")
    while_it_runs.close()
    state.close()
    files = sorted(file.name for file in path.parent.iterdir())
    after_its_end = SqlState(path, read_only=True)
    assert after_its_end.decision("SW-000001")
    after_its_end.close()

    assert sorted(file.name for file in path.parent.iterdir()) == files == ["state.db"]


def test_a_program_that_holds_the_file_is_named_as_the_trouble_and_nothing_is_to_be_moved_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(sql, "BUSY_TIMEOUT_MS", 50)
    SqlState(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreDown, match=r"held by another program.*end that one") as refused:
        SqlState(path)

    other.close()
    assert "Move it away" not in str(refused.value)


def test_after_an_error_nothing_more_is_written_through_the_same_object(path: Path) -> None:
    state = SqlState(path)
    with no_room(), pytest.raises(StoreDown, match=r"state\.db: disk I/O error"):
        state.write(batch(Change("k", ((0, b"x"),))))

    with pytest.raises(StoreDown, match="has failed before"):
        state.write(batch(Change("k", ((0, b"x"),))))
    with pytest.raises(StoreDown, match="has failed before"):
        state.forget_decisions(0)
    state.close()


# --- the log


def log_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def grow(state: SqlState, number: int) -> None:
    """A batch of about half a megabyte."""
    state.write(batch(*(Change(f"k{n}", ((number, b"x" * 4000),)) for n in range(120))))


def test_the_log_is_folded_into_the_file_when_it_is_long(path: Path) -> None:
    state = SqlState(path)
    longest = 0

    for number in range(30):
        grow(state, number)
        longest = max(longest, log_bytes(path))

    assert FOLD_BYTES / 2 < longest < FOLD_BYTES + 1_000_000
    assert len(stored(state)[0]) == 120
    state.close()


def test_a_reader_in_the_way_makes_the_log_longer_and_holds_nothing_up(path: Path) -> None:
    state = SqlState(path)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM meta").fetchall()

    for number in range(12):
        grow(state, number)
    assert log_bytes(path) > FOLD_BYTES
    assert not state.fold()

    reader.close()
    assert state.fold() and log_bytes(path) == 0
    state.close()


def test_letting_go_of_a_failed_file_leaves_its_log_for_the_next_opening_to_check(path: Path) -> None:
    state = SqlState(path)
    state.write(batch(Change("k", ((0, b"x"),))))
    log, content = log_bytes(path), path.read_bytes()

    state.abandon()

    assert log_bytes(path) == log > 0 and path.read_bytes() == content
    with pytest.raises(StoreDown, match="is closed"):
        state.meta()
    again = SqlState(path)
    assert stored(again)[0] == {("t", "k"): {0: b"x"}}
    again.close()


def test_others_cannot_read_it(path: Path) -> None:
    state = SqlState(path)
    state.write(Batch(decisions=[record("SW-000001")]))
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    state.close()

    assert modes == {"state.db": 0o640, "state.db-wal": 0o640, "state.db-shm": 0o640}


def test_a_file_of_the_first_version_gets_what_it_lacks(path: Path) -> None:
    state = SqlState(path)
    state.write(Batch(decisions=[record("SW-000001")]))
    state.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE exception")
        row = meta_row("version", "1")
        connection.execute("UPDATE meta SET value = :value, checksum = :checksum WHERE name = 'version'", row)
    connection.close()

    old = SqlState(path, read_only=True)
    assert (old.exceptions(), old.decision("SW-000001")) == ([], record("SW-000001"))
    old.close()
    state = SqlState(path)
    state.write(Batch(exceptions={"state\neve\n": {"kind": "state"}}))
    assert (state.exceptions(), state.meta()["version"]) == ([{"kind": "state"}], str(VERSION))
    state.write(Batch(exceptions={"state\neve\n": None}))
    assert state.exceptions() == []
    state.close()
