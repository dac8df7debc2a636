"""stores: a damaged state file is refused, or what is damaged is left out and told. No count is invented.

In one sentence: whatever happens to the bytes, what comes back is what was written at some time, and if it is
not all that was written last, somebody is told.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendwarden.core.errors import StoreDown
from sendwarden.engine.meters.keys import Change
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import Changes
from sendwarden.stores.sql import SqlState
from tests.stores.around import stored

FILE, LOG = "state.db", "state.db-wal"
BATCHES = 8
KEYS = 30  # new ones in each batch
# How often bytes are damaged, for each of the two files (DESIGN.md, what runs where).
FLIPS = 10_000 if os.environ.get("FAULTS") == "full" else 200


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """All that a file holds."""

    parts: dict[tuple[str, str], dict[int, bytes]]
    sequences: dict[str, int]
    facts: dict[str, str]
    notices: list[str]
    exceptions: list[object]


def facts(state: SqlState) -> dict[str, str]:
    return {name: value for name, value in state.meta().items() if name != "closed"}


def content(state: SqlState) -> tuple[Content, int]:
    parts, damaged = stored(state)
    notices = [str(notice["id"]) for notice in state.notices()]
    exceptions = [record["number"] for record in state.exceptions()]
    return Content(parts, state.sequences(), facts(state), notices, exceptions), damaged


def a_batch(number: int) -> Batch:
    """New keys, and keys of the batch before once more."""
    keys = range(max(0, number - 1) * KEYS, (number + 1) * KEYS)
    changes = Changes(
        [("t", Change(f"user{key}@example.org", ((key % 3, b"%d" % number * 30),))) for key in keys],
        sequences={"serial": number},
    )
    decisions = [{"reference": f"SW-{number:06}", "at": number, "account": "eve", "number": number}]
    made = Batch(changes, meta={"next_reference": str(number * 4096)})
    made.decisions += decisions
    made.exceptions = {f"state\nuser{number}\n": {"number": number}}
    made.notices.append({"id": f"SW-{number:06}", "at": number})
    return made


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file that was closed."""
    folder = tmp_path_factory.mktemp("closed")
    state = SqlState(folder / FILE)
    for number in range(BATCHES):
        state.write(a_batch(number))
    state.close()
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file and its log, as `kill -9` leaves them: everything is in the log."""
    folder = tmp_path_factory.mktemp("killed")
    state = SqlState(folder / FILE)
    for number in range(BATCHES):
        state.write(a_batch(number))
    state.abandon()
    return folder


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> list[Content]:
    """What the file held after each batch, the last one last."""
    state = SqlState(tmp_path_factory.mktemp("history") / FILE)
    found = [content(state)[0]]
    for number in range(BATCHES):
        state.write(a_batch(number))
        found.append(content(state)[0])
    state.close()
    return found


Damage = Callable[[bytearray], None]


def flipped(place: float, mask: int) -> Damage:
    def damage(raw: bytearray) -> None:
        raw[int(place * len(raw))] ^= mask

    return damage


def zeroed(place: float, size: int) -> Damage:
    def damage(raw: bytearray) -> None:
        start = int(place * len(raw)) // size * size
        raw[start : start + size] = bytes(len(raw[start : start + size]))

    return damage


def noise(place: float, garbage: bytes) -> Damage:
    def damage(raw: bytearray) -> None:
        start = int(place * len(raw))
        end = min(start + len(garbage), len(raw))
        raw[start:end] = garbage[: end - start]

    return damage


def swapped(one: float, other: float) -> Damage:
    """Two pages in each other's place, or the end of the file in the wrong one."""

    def damage(raw: bytearray) -> None:
        a, b = (int(place * len(raw)) // 4096 * 4096 for place in (one, other))
        raw[a : a + 4096], raw[b : b + 4096] = raw[b : b + 4096], raw[a : a + 4096]

    return damage


PLACES = st.floats(0, 1, exclude_max=True)
DAMAGE = (
    st.builds(flipped, PLACES, st.integers(1, 255))
    | st.builds(zeroed, PLACES, st.sampled_from([16, 512, 4096]))
    | st.builds(noise, PLACES, st.binary(min_size=1, max_size=600))
    | st.builds(swapped, PLACES, PLACES)
)


def damaged(source: Path, name: str, damage: Damage, folder: Path) -> Path:
    """A copy of the folder in which one file is damaged."""
    for file in (FILE, LOG):
        if (source / file).exists():
            shutil.copy(source / file, folder / file)
    raw = bytearray((folder / name).read_bytes())
    damage(raw)
    (folder / name).write_bytes(raw)
    return folder / FILE


def check(path: Path, history: list[Content]) -> None:
    """The sentence at the top of this file."""
    try:
        state = SqlState(path)
    except StoreDown as error:
        advice = str(error)
        assert FILE in advice and ("Move it away" in advice or "No such file" in advice), advice
        return
    try:
        found, bad = content(state)
        told = bool(bad or state.damage)
        decisions = [_decision(state, number) for number in range(BATCHES)]
    except StoreDown as error:
        advice = str(error)
        assert "Move it away" in advice, advice
        return
    finally:
        state.abandon()
    assert found == history[-1] or told, "not all of it, and nobody is told"
    for key, parts in found.parts.items():
        for part, data in parts.items():
            assert any(then.parts.get(key, {}).get(part) == data for then in history)
    for name, number in found.sequences.items():
        assert any(then.sequences.get(name) == number for then in history)
    assert any(then.facts == found.facts for then in history), "they hold all references apart"
    assert all(decision in (None, number) for number, decision in enumerate(decisions))


def _decision(state: SqlState, number: int) -> object:
    """What is said of the n-th decision: its number, or None."""
    try:
        record = state.decision(f"SW-{number:06}")
    except StoreDown:
        return None
    return record and record["number"]


@given(damage=DAMAGE)
@settings(max_examples=FLIPS)
def test_of_a_damaged_file_nothing_wrong_is_read_in_silence(
    tmp_path_factory: pytest.TempPathFactory, closed: Path, history: list[Content], damage: Damage
) -> None:
    check(damaged(closed, FILE, damage, tmp_path_factory.mktemp("damaged")), history)


@given(damage=DAMAGE)
@settings(max_examples=FLIPS)
def test_of_a_damaged_log_nothing_wrong_is_read_in_silence(
    tmp_path_factory: pytest.TempPathFactory, killed: Path, history: list[Content], damage: Damage
) -> None:
    check(damaged(killed, LOG, damage, tmp_path_factory.mktemp("damaged")), history)


@given(place=PLACES)
@settings(max_examples=50)
def test_a_log_that_was_cut_short_gives_what_was_written_up_to_some_batch(
    tmp_path_factory: pytest.TempPathFactory, killed: Path, history: list[Content], place: float
) -> None:
    def cut(raw: bytearray) -> None:
        del raw[int(place * len(raw)) :]

    state = SqlState(damaged(killed, LOG, cut, tmp_path_factory.mktemp("cut")))

    assert content(state) in [(then, 0) for then in history]
    state.close()


@given(place=PLACES)
@settings(max_examples=50)
def test_of_a_file_that_was_cut_short_nothing_wrong_is_read_in_silence(
    tmp_path_factory: pytest.TempPathFactory, closed: Path, history: list[Content], place: float
) -> None:
    def cut(raw: bytearray) -> None:
        del raw[int(place * len(raw)) :]

    check(damaged(closed, FILE, cut, tmp_path_factory.mktemp("cut")), history)


def test_what_was_damaged_is_named(tmp_path: Path, closed: Path, history: list[Content]) -> None:
    """One byte of one row of each kind: left out and counted, the rest is there."""

    def damage(raw: bytearray) -> None:
        for text in (b"3" * 30, b'{"id":"SW-000003"'):
            assert raw.count(text)
            raw[raw.index(text)] ^= 1

    state = SqlState(damaged(closed, FILE, damage, tmp_path))

    found, bad = content(state)
    assert bad == 1
    assert state.damage == ["1 messages that were still to be sent"]
    assert found.notices == [name for name in history[-1].notices if name != "SW-000003"]
    missing = [key for key, parts in history[-1].parts.items() if found.parts.get(key) != parts]
    assert len(missing) == 1
    state.abandon()
