"""The table of all accounts' meters: bounded, tidied, told to a store, and read back."""

from collections.abc import Iterable

from sendwarden.engine.limits.rules import Counts, Limit, Limits
from sendwarden.engine.limits.table import LimitTable
from sendwarden.engine.limits.windows import quantum_of, time_of
from sendwarden.engine.meters.keys import Change

NOW = quantum_of(1_764_000_000.0)
AT = time_of(NOW)
HUNDRED = Limits((Limit(1, 1, 100, "test"),))


def limits_of(channel: str, _account: str) -> Limits | None:
    return HUNDRED if channel == "webmail" else None


def table_of(most: int = 1000) -> LimitTable:
    return LimitTable(limits_of, most)


def send(table: LimitTable, account: str, recipients: int = 1, now: int = NOW) -> bool:
    meter = table.get("webmail", account, now)
    return meter is None or meter.take(now, Counts(1, recipients)).over is None


def used(table: LimitTable, account: str, now: int = NOW) -> int:
    meter = table.find("webmail", account)
    return meter.sums(now)[1][1] if meter else 0


def stored(changes: Iterable[Change], into: dict[str, dict[int, bytes]]) -> dict[str, dict[int, bytes]]:
    for change in changes:
        if change.drop:
            into.pop(change.key, None)
        else:
            into[change.key] = dict(change.parts)
    return into


def test_a_flood_of_names_stays_within_bounds_and_a_known_account_survives() -> None:
    table = table_of(50)
    send(table, "anna", 60)
    send(table, "bob", 10)
    for number in range(5000):
        assert send(table, f"flood{number}")
    assert len(table) == 50
    assert used(table, "anna") == 60
    assert used(table, "bob") == 10


def test_where_all_are_busy_it_grows_to_twice_its_size_and_no_further() -> None:
    table = table_of(10)
    for number in range(40):
        assert send(table, f"busy{number}", 60)
    assert len(table) == 20
    assert table.full
    assert all(used(table, f"busy{number}") == 60 for number in range(20))


def test_the_quiet_are_forgotten() -> None:
    table = table_of()
    for number in range(500):
        send(table, f"user{number}")
    kept = stored(table.changes(AT), {})
    later = NOW + 3100
    send(table, "anna", 1, later)
    for _ in range(600):
        table.tidy(later)
    assert [[account for _, account, _ in some] for some in table.slices(10)] == [["anna"]]
    assert list(stored(table.changes(AT), kept)) == ["webmail\nanna"]


def test_a_store_hears_of_each_change_once_and_reads_it_back() -> None:
    table, kept = table_of(), dict[str, dict[int, bytes]]()
    send(table, "anna", 20)
    send(table, "bob", 5)
    stored(table.changes(AT), kept)
    assert not list(table.changes(AT))
    send(table, "anna", 2)
    changes = list(table.changes(AT))
    assert [change.key for change in changes] == ["webmail\nanna"]
    stored(changes, kept)
    assert stored(table.everything(), {}) == kept
    again = table_of()
    for key, parts in kept.items():
        again.restore(key, parts, AT)
    assert (used(again, "anna"), used(again, "bob")) == (22, 5)


def test_while_it_is_read_an_account_counts_as_at_four_fifths() -> None:
    before = table_of()
    send(before, "anna", 30)
    kept = stored(before.changes(AT), {})
    table = table_of()
    table.loading.begin()
    assert send(table, "anna", 15)
    assert not send(table, "anna", 10)
    assert send(table, "carla", 20)
    assert not send(table, "carla", 1)
    assert not list(table.changes(AT))
    for key, parts in kept.items():
        table.restore(key, parts, AT)
    assert used(table, "anna") == 45
    assert send(table, "anna", 55)
    table.loaded()
    assert send(table, "carla", 80)
    assert sorted(stored(table.changes(AT), {})) == ["webmail\nanna", "webmail\ncarla"]


def test_a_channel_that_is_gone_is_forgotten() -> None:
    table, kept = table_of(), {"old\nanna": {0: b""}}
    table.restore("old\nanna", kept["old\nanna"], AT)
    assert stored(table.changes(AT), kept) == {}
    assert table.get("old", "anna", NOW) is None


def test_what_was_stored_by_another_version_begins_anew() -> None:
    table = table_of()
    table.restore("webmail\nanna", {0: b"\x09 of some later form"}, AT)
    assert used(table, "anna") == 0
    assert send(table, "anna", 100)


def test_reset_forgets() -> None:
    table = table_of()
    send(table, "anna", 100)
    kept = stored(table.changes(AT), {})
    assert table.reset("webmail", "anna")
    assert not table.reset("webmail", "anna")
    assert stored(table.changes(AT), kept) == {}
    assert send(table, "anna", 100)


def test_new_rules_hold_for_meters_that_are_there() -> None:
    rules = {"webmail": HUNDRED}
    table = LimitTable(lambda channel, _account: rules.get(channel), 100)
    send(table, "anna", 60)
    rules["webmail"] = Limits((Limit(1, 1, 60, "test"),))
    table.renew()
    assert not send(table, "anna")
    del rules["webmail"]
    table.renew()
    assert table.get("webmail", "anna", NOW) is None
    assert len(table) == 0
