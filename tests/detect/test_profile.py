"""Profiles: small, kept whole, and without addresses. And what reviewers' verdicts change in them."""

import sys
from array import array
from dataclasses import fields, is_dataclass
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.account import State
from sendwarden.core.event import Origin
from sendwarden.detect import evidence
from sendwarden.detect.families import Family
from sendwarden.detect.keeping import from_bytes, to_bytes
from sendwarden.detect.memory import Acquaintances, Facts, Places
from sendwarden.detect.profile import FACTS, Profile, Told
from sendwarden.detect.verdicts import ReasonCounts, Verdict, bulk_approved, compromised, legit
from tests.detect.around import AWAY, DAY, OFFICE, START, Site, with_past

LIMIT_BYTES = 8 * 1024


def size(thing: object, seen: set[int]) -> int:
    """Bytes of an object with all that only it holds. Enumerations are everybody's."""
    if id(thing) in seen or isinstance(thing, (State, Family)):
        return 0
    seen.add(id(thing))
    total = sys.getsizeof(thing)
    if is_dataclass(thing):
        total += sum(size(getattr(thing, each.name), seen) for each in fields(thing))
    elif isinstance(thing, (list, tuple)):
        total += sum(size(each, seen) for each in thing)
    elif isinstance(thing, dict):
        total += sum(size(each, seen) for each in (*thing.keys(), *thing.values()))
    elif not isinstance(thing, array):
        slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        total += sum(size(getattr(thing, name), seen) for name in slots)
    return total


def full() -> Profile:
    """With all memories full, after a busy life and a theft."""
    site = with_past()
    for number in range(80):
        origin = Origin(AWAY.address, f"{chr(65 + number % 26)}{chr(65 + number // 26)}", 70_000 + number)
        site.login(origin=Origin(ip_address(0x20000000 + number * 196_608), origin.country, origin.asn))
        site.send(30, origin=origin, score=9.0, invalid=3, header=f"x{number}@else.example")
    site.change("mailForwardingAddress", AWAY)
    return site.profile()


def test_a_profile_with_everything_full_takes_at_most_8_kb() -> None:
    profile = full()
    assert len(profile.facts.keys) == FACTS and len(profile.networks) == profile.networks.most
    assert profile.seen.now and profile.seen.before

    shared = {id(names) for names in evidence.NAMES} | {id(told.reason) for told in profile.told}
    assert size(profile, shared) <= LIMIT_BYTES


def test_no_address_of_anybody_is_in_what_is_kept_but_in_reasons() -> None:
    site = with_past()
    site.send(["secret.friend@far.example"])
    kept = to_bytes(site.profile())

    assert b"secret" not in kept and b"192.0.2" not in kept


def test_a_profile_is_the_same_after_it_was_kept() -> None:
    for profile in (full(), Profile("bob", START), with_past().profile()):
        again = from_bytes(to_bytes(profile))
        assert to_bytes(again) == to_bytes(profile)


def test_a_kept_profile_judges_as_before() -> None:
    site, kept = with_past(), with_past()
    kept.machine.profiles["bob"] = from_bytes(to_bytes(kept.profile()))
    for each in (site, kept):
        for _ in range(3):
            each.send(20, origin=AWAY, score=9.0, invalid=5)

    assert [change.why for change in site.changes] == [change.why for change in kept.changes]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"version":0}', b'{"version":1}', b'{"version":1,"mood":2}']
)
def test_what_is_no_profile_of_this_version_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them
        from_bytes(data)


# --- memories


@given(st.lists(st.integers(0, 2**64 - 1), max_size=300, unique=True))
def test_nobody_of_the_last_ones_is_forgotten(keys: list[int]) -> None:
    seen = Acquaintances(8192, 100)
    for key in keys:
        seen.add(key)

    assert all(key in seen for key in keys[-100:])


def test_strangers_are_rarely_taken_for_acquaintances() -> None:
    site = Site()
    seen = Acquaintances(8192, 512)
    for number in range(1024):
        seen.add(site.machine.site.digest(f"a{number}"))

    wrong = sum(site.machine.site.digest(f"b{number}") in seen for number in range(5000))

    assert wrong < 50


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 10**6)), max_size=50))
def test_places_keep_the_latest_ones(visits: list[tuple[int, int]]) -> None:
    places = Places(3)
    for number, (key, _at) in enumerate(visits, 1):
        row = places.find(key)
        if row < 0:
            row = places.add(key, number)
        places.rows[row + 2] = number
    latest = list(dict.fromkeys(key for key, _at in reversed(visits)))[:3]

    assert sorted(places.keys) == sorted(latest)


def test_a_fact_counts_once_a_day_and_adds_only_what_it_is_heavier() -> None:
    facts = Facts(4)

    assert [facts.more(7, bits, at) for bits, at in ((1, 0), (1, 10), (3, 20), (2, 30))] == [1, 0, 2, 0]
    assert facts.more(7, 1, 20 + int(DAY)) == 1


# --- verdicts


def stolen() -> Site:
    site = with_past()
    for _ in range(4):
        site.send(20, origin=AWAY, score=9.0, invalid=5)
    return site


def test_legit_clears_makes_its_places_known_and_halves_what_was_wrong() -> None:
    site = stolen()
    legit(site.profile(), site.at)
    assert site.profile().state is State.NORMAL and not evidence.score(site.profile())

    site.send(["friend1@far.example"], origin=AWAY)
    assert not evidence.score(site.profile())
    for _ in range(20):
        site.send(20, origin=AWAY, score=9.0)
    assert evidence.acted_on(site.profile())[Family.CONTENT] <= 3.5


def test_an_approval_of_bulk_holds_from_its_network_and_name_only() -> None:
    site = with_past()
    approved = site.send(50, origin=AWAY)
    bulk_approved(site.profile(), approved, site.machine.site, site.at)
    for _ in range(20):
        site.send(50, origin=AWAY)
    calm = evidence.score(site.profile())

    site.send(50, origin=Origin(AWAY.address, "BR", 64999))
    site.send(50, origin=AWAY, envelope="other@example.org")

    assert calm < 5 < evidence.score(site.profile())


def test_compromised_makes_the_thiefs_addresses_those_of_an_incident() -> None:
    site = stolen()
    site.machine.site.incidents.clear()

    compromised(site.profile(), site.machine.site, site.at)

    assert site.machine.site.incident(int(AWAY.address or 0), site.at)
    assert not site.machine.site.incident(int(OFFICE.address or 0), site.at)


def test_verdicts_change_what_a_reason_weighs_by_a_bit_a_month_at_the_most() -> None:
    counts = ReasonCounts()
    profile = Profile("bob", START)
    profile.told = [Told(Family.ACCESS, "new-country", (), (), 3.0, START)]
    for _ in range(20):
        counts.count(profile, Verdict.LEGIT)

    counts.correct(START)
    once = counts.corrections["new-country"]
    counts.correct(START + DAY)
    assert once == counts.corrections["new-country"] == -1.0

    counts.correct(START + 40 * DAY)
    assert -3 <= counts.corrections["new-country"] < once
    site, other = with_past(), with_past()
    site.machine.corrections = counts.corrections
    for each in (site, other):
        each.login(origin=AWAY)
    assert evidence.score(site.profile()) < evidence.score(other.profile())
