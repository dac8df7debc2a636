"""Which accounts are new: not those of a site that has just begun, and none for longer than it is said."""

from sendwarden.engine.limits.acquaintances import LEARNING_S, Acquaintances
from sendwarden.engine.limits.ages import HOUR_S, Ages, hash_of
from sendwarden.engine.limits.people import People
from sendwarden.engine.meters.keys import Change

START = 1_764_000_000.0
DAY_S = 86_400
MANY = 10_000
EIGHT = 8 * DAY_S


def ages() -> Ages:
    found = Ages(EIGHT, 100_000)
    found.seen("first", START)
    return found


def is_new(found: Ages, account: str, now: float) -> bool:
    return found.new_until(account, now) is not None


def again(found: Ages, *, whole: bool = True, now: float = START) -> Ages:
    fresh = Ages(EIGHT, 100_000)
    fresh.begin_loading()
    for change in found.everything():
        fresh.restore(change.key, dict(change.parts), now)
    fresh.loaded(whole=whole)
    return fresh


def test_whoever_is_seen_while_a_site_begins_is_not_new() -> None:
    found = ages()
    found.seen("bob", START + 7 * DAY_S)
    assert not is_new(found, "bob", START + 7 * DAY_S)
    assert not is_new(found, "first", START)


def test_later_an_account_is_new_for_eight_days_and_never_again() -> None:
    found, then = ages(), START + 20 * DAY_S
    found.seen("bob", then)
    until = found.new_until("bob", then)
    assert until is not None
    assert EIGHT - HOUR_S <= until - then <= EIGHT
    assert found.next_end(then) == until
    assert not is_new(found, "bob", until)
    found.next_end(until)
    found.seen("bob", until + 100 * DAY_S)
    assert not is_new(found, "bob", until + 100 * DAY_S)


def test_a_store_brings_back_who_is_new_and_who_is_not() -> None:
    found, then = ages(), START + 20 * DAY_S
    found.seen("bob", then)
    fresh = again(found, now=then)
    fresh.seen("first", then)
    fresh.seen("carol", then)
    assert [is_new(fresh, who, then) for who in ("first", "bob", "carol")] == [False, True, True]


def test_whoever_is_seen_while_the_store_is_read_is_judged_when_it_is() -> None:
    found, then = ages(), START + 20 * DAY_S
    fresh = Ages(EIGHT, 100_000)
    fresh.begin_loading()
    fresh.seen("first", then)
    fresh.seen("carol", then)
    assert not is_new(fresh, "carol", then)
    for change in found.everything():
        fresh.restore(change.key, dict(change.parts), then)
    fresh.loaded(whole=True)
    assert [is_new(fresh, who, then) for who in ("first", "carol")] == [False, True]


def test_where_the_store_was_damaged_nobody_is_new() -> None:
    then = START + 20 * DAY_S
    fresh = again(ages(), whole=False)
    fresh.seen("carol", then)
    assert not is_new(fresh, "carol", then)


def test_very_many_accounts_are_remembered_in_little_and_too_many_are_not_new() -> None:
    found = Ages(EIGHT, 3 * MANY)
    for number in range(4 * MANY):
        found.seen(str(number), START)
    assert len(found) == 3 * MANY
    then = START + 20 * DAY_S
    for number in (0, MANY, 3 * MANY + 1):
        found.seen(str(number), then)
        assert not is_new(found, str(number), then)


def test_only_changes_are_written() -> None:
    found = ages()
    assert len(list(found.changes(START))) == 2
    found.seen("first", START)
    assert list(found.changes(START)) == []


# --- whom accounts know


def kept(found: Acquaintances) -> dict[str, Change]:
    return {change.key: change for change in found.everything()}


def test_for_eight_days_from_the_first_it_is_learnt() -> None:
    found = Acquaintances(100)
    found.tick(START)
    known = found.of("bob")
    found.tick(START)
    assert known.learning
    found.tick(START + LEARNING_S)
    assert not known.learning
    assert not found.of("carol").learning
    assert found.learning_until(START + LEARNING_S) is None


def test_a_store_brings_back_whom_accounts_know() -> None:
    found = Acquaintances(100)
    found.of("bob").add(hash_of("anna"))
    found.tick(START)
    fresh = Acquaintances(100)
    fresh.begin_loading()
    for key, change in kept(found).items():
        fresh.restore(key, dict(change.parts), START + LEARNING_S)
    fresh.loaded(whole=True)
    fresh.tick(START + LEARNING_S)
    assert hash_of("anna") in fresh.of("bob")
    assert not fresh.of("bob").learning


def write(found: Acquaintances, account: str, *names: int) -> None:
    """As the meter of an account does that writes to these."""
    people = People()
    people.known = found.of(account)
    people.add(names, 1)


def test_the_account_that_wrote_to_nobody_for_longest_is_forgotten_first() -> None:
    found = Acquaintances(3)
    for account in "abc":
        write(found, account, 1)
    write(found, "a", 1)  # known for longest, and used last
    write(found, "d", 1)
    assert sorted(kept(found)) == ["a", "c", "d"]
    found.of("c")
    write(found, "e", 1)
    assert sorted(kept(found)) == ["c", "d", "e"]


def test_an_account_whose_meter_goes_on_is_known_again_with_all_that_it_knew() -> None:
    found = Acquaintances(1)
    people = People()
    people.known = found.of("a")
    people.add((1, 2), 1)
    list(found.changes(START))
    write(found, "b", 9)

    people.add((3,), 2)

    assert sorted(kept(found)) == ["a"]
    told = {change.key: change for change in found.changes(START) if not change.drop}
    fresh = Acquaintances(1)
    fresh.restore("a", dict(told["a"].parts), START)
    assert all(name in fresh.of("a") for name in (1, 2, 3))


def test_accounts_are_bounded_and_the_one_forgotten_leaves_the_store() -> None:
    found = Acquaintances(2)
    for account in ("a", "b", "c"):
        found.of(account).add(1)
    assert len(found) == 2
    assert [(change.key, change.drop) for change in found.changes(START)] == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]
