"""stores.journal: what is counted is found after a kill, what is kept lasts, no reference comes twice."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendwarden.core.decision import Request, Stage
from sendwarden.core.errors import StoreDown
from sendwarden.engine.channel import Channel
from sendwarden.engine.limits.rules import DISTINCT, NEW, Limit, Limits
from sendwarden.service import site as service_site
from sendwarden.service.book import Book
from sendwarden.service.limiter import Limiter
from sendwarden.stores import journal as journal_module
from sendwarden.stores.journal import FLUSH_INTERVAL_S, REFERENCE_BLOCK, Journal
from sendwarden.stores.memory import AGES, KNOWN
from sendwarden.stores.sql import SqlState
from tests.service.outside import KeptExceptions
from tests.stores.around import PATIENCE_S, START, Site, killed, until


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Over a disk that may be slow: what is tested here is not the time it takes."""
    monkeypatch.setattr(journal_module, "KEEP_TIMEOUT_S", PATIENCE_S)
    return Site(tmp_path / "state.db")


def record(reference: str) -> dict[str, object]:
    return {"reference": reference, "at": START, "account": "eve"}


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def has_decision(path: Path, reference: str) -> bool:
    state = SqlState(path, read_only=True)
    found = state.decision(reference) is not None
    state.close()
    return found


# --- keeping


def test_a_decision_is_durable_when_keep_returns(site: Site, tmp_path: Path) -> None:
    async def work() -> None:
        async with site.running() as journal:
            for number in range(5):
                reference = journal.references.next()
                await journal.keep(record(reference))

                after_a_kill = killed(site.path, tmp_path / f"killed{number}")
                assert has_decision(after_a_kill, reference)

    run(work())


def test_many_that_wait_share_one_batch(site: Site) -> None:
    async def work() -> None:
        async with site.running() as journal:
            await journal.keep(record("SW-ALONE0"))
            log = site.path.with_name("state.db-wal")
            alone = log.stat().st_size

            await asyncio.gather(*(journal.keep(record(f"SW-{n:06}")) for n in range(200)))

            # A batch writes each page that it touched once; 200 batches would write at least 200 pages.
            assert log.stat().st_size - alone < 100 * 4096
        assert all(has_decision(site.path, f"SW-{n:06}") for n in (0, 100, 199))

    run(work())


def test_keep_does_not_wait_for_the_next_regular_batch(site: Site) -> None:
    """50 in a row, each waited for, in less time than 50 intervals would take."""

    async def work() -> None:
        async with site.running() as journal:
            start = asyncio.get_running_loop().time()
            for number in range(50):
                await journal.keep(record(f"SW-{number:06}"))
            assert asyncio.get_running_loop().time() - start < 50 * FLUSH_INTERVAL_S

    run(work())


def test_counts_reach_the_file_by_themselves(site: Site, tmp_path: Path) -> None:
    async def work() -> None:
        async with site.running():
            site.hits("eve", 7)
            files = iter(range(1000))
            await until(
                "the counts are in the file",
                lambda: _used_after(killed(site.path, tmp_path / f"killed{next(files)}"), "eve") == 7,
            )

    run(work())


def _used_after(path: Path, key: str) -> float:
    """What a key has used when the file is opened again."""
    again = Site(path)
    state = SqlState(path)
    for group in state.meters():
        for table, found, parts, _bad in group:
            again.meters.restore(table, found, parts, again.clock.now())
    state.close()
    return again.used(key)


def test_a_clean_end_keeps_everything_up_to_the_last_moment(site: Site) -> None:
    async def work() -> None:
        async with site.running():
            site.hits("eve", 3)
            site.meters.store("names", "eve", "Eve")
            site.meters.next_number("serial")
        async with site.running():
            assert site.used("eve") == 3
            assert site.meters.fetch("names", "eve") == "Eve"
            assert site.meters.next_number("serial") == 1
        assert not site.log.warnings

    run(work())


def test_notices_wait_in_the_file_until_they_are_done(site: Site) -> None:
    async def work() -> None:
        async with site.running() as journal:
            for name in ("SW-000001", "SW-000002"):
                await journal.keep(record(name), {"id": name, "at": START, "message": "x"})
            await journal.done("SW-000001")
        site.begin()
        waiting = await site.journal.open(bytes)
        assert [notice["id"] for notice in waiting] == ["SW-000002"]
        await site.journal.close()

    run(work())


def test_old_decisions_are_forgotten_and_younger_ones_stay(site: Site) -> None:
    async def work() -> None:
        async with site.running() as journal:
            await journal.keep(record("SW-000001"))
            site.clock.at += 100
            await journal.keep({**record("SW-000002"), "at": site.clock.at})

            await journal.forget_decisions(older_than_s=50)

        assert not has_decision(site.path, "SW-000001") and has_decision(site.path, "SW-000002")

    run(work())


# --- restoring


@pytest.mark.parametrize("hits", [1, 255, 256, 257, 4999, 5000, 6000])
def test_a_count_of_any_number_of_parts_is_found_after_a_kill(site: Site, tmp_path: Path, hits: int) -> None:
    async def work() -> None:
        async with site.running() as journal:
            for _ in range(3):  # in several batches, so that parts are written more than once
                site.hits("eve", hits // 3, "many")
                await journal.flush()
            site.hits("eve", hits - 3 * (hits // 3), "many")
            await journal.flush()
            again = Site(killed(site.path, tmp_path / "killed"))
            used = site.used("eve", "many")
        async with again.running():
            assert again.used("eve", "many") == used == min(hits, 5000)

    run(work())


def test_thousands_of_keys_are_found_with_their_own_counts(site: Site) -> None:
    async def work() -> None:
        async with site.running():
            for number in range(3000):
                site.hits(f"user{number}@example.org", 1 + number % 4)
        async with site.running():
            wrong = [n for n in range(3000) if site.used(f"user{n}@example.org") != 1 + n % 4]
            assert not wrong

    run(work())


def test_what_is_counted_while_stored_counts_are_read_adds_to_them(site: Site, tmp_path: Path) -> None:
    """Even if it is written, and the daemon killed, in the middle of reading."""

    async def work() -> None:
        async with site.running():
            for number in range(2000):
                site.hits(f"user{number:04}", 4)
        site.begin()
        await site.journal.open(bytes)
        loading = asyncio.create_task(site.journal.load_meters())
        names = ("user0000", "user1000", "user1999", "somebody new")
        for name in names:
            site.hits(name, 2)
        await site.journal.flush()
        again = Site(killed(site.path, tmp_path / "killed"))
        await loading
        assert [site.used(name) for name in names] == [6, 6, 6, 2]
        await site.journal.close()
        async with site.running():
            assert [site.used(name) for name in names] == [6, 6, 6, 2]
        async with again.running():
            assert all(again.used(name) >= 4 for name in names[:3]), "nothing from before was overwritten"

    run(work())


def test_until_stored_counts_are_read_little_room_is_presumed(site: Site) -> None:
    async def work() -> None:
        async with site.running():
            site.hits("eve", 50)
        site.begin()
        await site.journal.open(bytes)
        over = [site.meters.throttle("spam", "eve", START).over for _ in range(12)]
        assert over.index(True) == 10, "a fifth of the quota of 50"
        await site.journal.load_meters()
        assert site.meters.throttle("spam", "eve", START).over
        await site.journal.close()

    run(work())


def test_an_end_while_stored_counts_are_still_being_read_loses_none(site: Site) -> None:
    async def work() -> None:
        async with site.running():
            for number in range(3000):
                site.hits(f"user{number:04}", 4)
        site.begin()
        await site.journal.open(bytes)
        loading = asyncio.create_task(site.journal.load_meters())
        await asyncio.sleep(0)
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        await site.journal.close()
        async with site.running():
            assert {site.used(f"user{number:04}") for number in range(3000)} == {4}

    run(work())


def test_damaged_counts_are_left_out_told_and_gone_from_the_file(site: Site) -> None:
    async def work() -> None:
        async with site.running():
            site.meters.store("names", "eve", "X" * 40)
            site.meters.store("names", "bob", "Bob")
        raw = bytearray(site.path.read_bytes())
        raw[raw.index(b"X" * 40)] ^= 1
        site.path.write_bytes(raw)

        async with site.running():
            assert site.meters.fetch("names", "bob") == "Bob"
            assert site.log.about("state-damaged") == ["1 parts of meters"]
        site.log.warnings.clear()
        async with site.running():
            assert site.meters.fetch("names", "bob") == "Bob"
        assert not site.log.warnings

    run(work())


# --- references

ENDS = st.sampled_from(["close", "kill"])
# How many references a session gives out: few, or about as many as are reserved at a time.
BLOCK = 3_000
NUMBERS = st.integers(0, 5) | st.integers(BLOCK - 2, BLOCK + 2)


@given(st.lists(st.tuples(NUMBERS, ENDS), max_size=6))
@settings(max_examples=6)
def test_no_reference_comes_twice_however_the_daemon_ends(
    tmp_path_factory: pytest.TempPathFactory, sessions: list[tuple[int, str]]
) -> None:
    async def work() -> None:
        site = Site(tmp_path_factory.mktemp("references") / "state.db")
        given_out: list[str] = []
        for number, end in sessions:
            async with site.running() as journal:
                given_out += await _references(journal, number)
                after_a_kill = killed(site.path, tmp_path_factory.mktemp("killed") / "files")
            if end == "kill":
                site = Site(after_a_kill)
        assert len(set(given_out)) == len(given_out)

    with patch.object(journal_module, "REFERENCE_BLOCK", BLOCK):
        run(work())


async def _references(journal: Journal, number: int) -> list[str]:
    """So many, with pauses for batches like a daemon's that gives out thousands a second."""
    found = []
    for count in range(number):
        found.append(journal.references.next())
        if count % (journal_module.REFERENCE_BLOCK // 3) == 0:
            await journal.flush()
    return found


def test_the_key_of_references_is_drawn_once(site: Site) -> None:
    async def work() -> None:
        async with site.running(b"a" * 16) as journal:
            first = journal.references.next()
        async with site.running(b"b" * 16) as journal:
            assert journal.references.next() != first
        async with Site(site.path.with_name("other.db")).running(b"a" * 16) as journal:
            assert journal.references.next() == first, "a test with the other key would tell"

    run(work())


@pytest.mark.parametrize("what", ["missing", "damaged"])
def test_when_the_log_is_lost_references_come_from_a_new_key(site: Site, tmp_path: Path, what: str) -> None:
    """Where the file says how many were given out may be in the log."""

    async def work() -> None:
        async with site.running(b"a" * 16) as journal:
            given_out = await _references(journal, REFERENCE_BLOCK + 10)
            await journal.flush()
            path = killed(site.path, tmp_path / "killed")
        log = path.with_name("state.db-wal")
        if what == "missing":
            log.unlink()
        else:
            raw = bytearray(log.read_bytes())
            raw[100] ^= 1
            log.write_bytes(raw)
        again = Site(path)
        async with again.running(b"b" * 16) as journal:
            given_out += await _references(journal, 10)
        assert len(set(given_out)) == len(given_out)
        assert again.log.about("state-damaged")

    run(work())


def test_a_clean_end_wastes_no_references(site: Site) -> None:
    async def work() -> None:
        for _ in range(3):
            async with site.running() as journal:
                journal.references.next()
        state = SqlState(site.path, read_only=True)
        assert state.meta()["next_reference"] == "3"
        state.close()

    run(work())


# --- refused at the start


def test_a_damaged_file_stops_the_start_with_advice(site: Site) -> None:
    site.path.write_text("Dear diary")

    with pytest.raises(StoreDown, match="Move it away"):
        run(_opened(site))


async def _opened(site: Site) -> None:
    await site.journal.open(bytes)


WEBMAIL = Channel("webmail", limits=Limits((Limit(DISTINCT, 2, 100, "row"), Limit(NEW, 2, 100, "row"))))
EIGHT_DAYS_S = 8 * 86_400


def limiting(site: Site) -> Limiter:
    """A limiter whose meters the site's journal keeps."""
    of = service_site.Site(channels=(WEBMAIL,), new_account_s=EIGHT_DAYS_S)
    limiter = Limiter(of, Book(site.clock, KeptExceptions()), site.clock)
    site.meters.limits = limiter.table
    site.meters.profiles = {AGES: limiter.ages, KNOWN: limiter.acquaintances}
    return limiter


def wrote(limiter: Limiter, account: str, recipients: range) -> list[int]:
    """Distinct and new ones that count afterwards."""
    meter = limiter.meter(WEBMAIL, account)
    assert meter is not None
    for number in recipients:
        request = Request(Stage.RCPT, login=account, sender=account, recipients=(f"v{number}@x.example",))
        limiter.reserve(request, f"{number}".encode(), "", meter)
    return [meter.used(limit, limiter.quantum) for limit in meter.limits.limits]


def test_whom_accounts_wrote_to_and_since_when_they_are_there_is_found_after_a_kill(
    site: Site, tmp_path: Path
) -> None:
    async def opened(of: Site) -> Limiter:
        of.begin()
        limiter = limiting(of)
        await of.journal.open(lambda: b"k" * 16)
        await of.journal.load_meters()
        limiter.changed()
        return limiter

    async def work() -> None:
        limiter = await opened(site)
        assert wrote(limiter, "anna", range(20)) == [20, 0]
        site.clock.at += 30
        limiter.tick()
        site.clock.at += EIGHT_DAYS_S + 7200
        limiter.tick()
        assert wrote(limiter, "anna", range(10, 30)) == [20, 10]
        assert wrote(limiter, "carol", range(3)) == [3, 3]
        assert limiter.ages.new_until("carol", site.clock.at)
        await site.journal.flush()
        again = Site(killed(site.path, tmp_path / "killed"), site.clock)
        await site.journal.close()
        found = await opened(again)
        assert wrote(found, "anna", range(25, 35)) == [25, 15]
        assert wrote(found, "carol", range(4)) == [4, 4]
        assert found.ages.new_until("carol", site.clock.at)
        assert not found.ages.new_until("anna", site.clock.at)
        await again.journal.close()

    run(work())
