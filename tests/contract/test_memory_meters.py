"""stores.memory.MemoryMeters for the store behind it: changes, restarts, and new options while it runs."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.options import TableOptions
from sendwarden.stores.memory import Changes, MemoryMeters

START = 1_764_000_000.0
TABLES: Mapping[str, TableOptions] = {
    options.name: options
    for options in (
        TableOptions("hits", quota=5, quota_time=60, max_entries=3),
        TableOptions("leaky", quota=5, quota_time=60, algorithm="leaky"),
        TableOptions("numbers", type="simple", value_type="integer"),
        TableOptions("grey", type="greylisting", block_time=60),
    )
}


class Disk:
    """What a store keeps: parts by table and key, and numbers."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], dict[int, bytes]] = {}
        self.sequences: dict[str, int] = {}

    def write(self, changes: Changes) -> None:
        self.parts = {place: p for place, p in self.parts.items() if place[0] not in changes.dropped_tables}
        for table, change in changes.meters:
            if change.drop:
                self.parts.pop((table, change.key), None)
        for table, change in changes.meters:
            if not change.drop:
                old = self.parts.get((table, change.key), {})
                kept = {number: part for number, part in old.items() if number >= change.first_part}
                self.parts[table, change.key] = kept | dict(change.parts)
        self.sequences |= changes.sequences

    def read(self, meters: MemoryMeters, now: float) -> MemoryMeters:
        meters.start_loading()
        for (table, key), parts in self.parts.items():
            meters.restore(table, key, parts, now)
        for name, number in self.sequences.items():
            meters.restore_sequence(name, number)
        meters.loaded()
        return meters


def use(meters: MemoryMeters, what: str, key: str, now: float) -> object:
    """One question, and its answer."""
    match what:
        case "hits" | "leaky":
            return meters.throttle(what, key, now)
        case "numbers":
            return meters.adjust(what, key, "1")
        case "grey":
            return meters.defer(what, key, now)
        case "remove":
            for table in TABLES:
                meters.remove(table, key)
            return None
        case _:
            return meters.next_number(key)


USES = st.lists(
    st.tuples(
        st.sampled_from([*TABLES, "remove", "sequence"]),
        st.sampled_from("abc"),
        st.sampled_from([0.0, 20.0, 60.0]),
        st.sampled_from(["", "", "write", "restart", "anew"]),
    ),
    max_size=30,
)


@given(USES)
def test_a_restart_between_any_two_questions_changes_no_answer(
    uses: list[tuple[str, str, float, str]],
) -> None:
    kept, undisturbed, disk, now = MemoryMeters(TABLES), MemoryMeters(TABLES), Disk(), START

    for what, key, pause_s, then in uses:
        now += pause_s
        assert use(kept, what, key, now) == use(undisturbed, what, key, now)
        if then in {"write", "restart"}:
            disk.write(kept.changes(now))
        if then == "restart":
            kept = disk.read(MemoryMeters(TABLES), now)
        if then == "anew":
            disk = Disk()
            kept.changes(now)
            disk.write(kept.everything())


def test_numbers_of_a_sequence_are_not_given_out_again_after_a_restart() -> None:
    meters, disk = MemoryMeters({}), Disk()
    given_out = [meters.next_number("n") for _ in range(3)]
    disk.write(meters.changes(START))
    again = MemoryMeters({})
    given_out.append(again.next_number("n"))

    given_out.append(disk.read(again, START).next_number("n"))

    assert given_out == [0, 1, 2, 0, 3]


def test_new_options_keep_counts_that_mean_the_same_and_drop_the_others() -> None:
    meters, disk = MemoryMeters(TABLES), Disk()
    for what in TABLES:
        use(meters, what, "k", START)
    disk.write(meters.changes(START))
    new = {
        "hits": replace(TABLES["hits"], quota=1),
        "leaky": replace(TABLES["leaky"], algorithm="fixed"),
        "grey": TABLES["grey"],
        "words": TableOptions("words", type="simple"),
    }

    assert meters.reconfigure(new) == ["leaky"]
    disk.write(meters.changes(START))

    assert meters.throttle("hits", "k", START).over
    assert meters.query("leaky", "k", START).used == 0
    assert set(meters.tables) == set(new)
    assert sorted(disk.parts) == [("grey", "k"), ("hits", "k")]


def test_stored_keys_of_a_table_that_is_gone_are_left_aside() -> None:
    meters = MemoryMeters({})

    meters.restore("hits", "k", {0: b""}, START)

    assert meters.changes(START) == Changes()


def test_a_key_counts_as_at_80_percent_until_it_was_read() -> None:
    meters = MemoryMeters(TABLES)
    meters.start_loading()
    assert [meters.throttle("hits", "k", START).over for _ in range(2)] == [False, True]

    meters.loaded()

    assert [meters.throttle("hits", "k", START).over for _ in range(5)] == [False] * 4 + [True]
