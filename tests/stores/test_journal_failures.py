"""stores.journal when the file fails: nothing is acknowledged, answers go on from memory, it recovers whole.

The failures are real ones: a limit on the size of files (as a full disk), a second program that holds the
file, a file that is taken away.
"""

import asyncio
import resource
import sqlite3
from collections.abc import Coroutine
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import pytest

from sendwarden.core.errors import StoreDown
from sendwarden.stores import journal as journal_module
from sendwarden.stores.journal import KEEP_TIMEOUT_S, PENDING_RECORDS, REFERENCE_BLOCK
from sendwarden.stores.sql import SqlState
from tests.stores.around import PATIENCE_S, START, Site, killed, no_room, room_for_readers, until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "state.db")


def record(reference: str) -> dict[str, object]:
    return {"reference": reference, "at": START, "account": "eve"}


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def found(path: Path, references: list[str]) -> list[str]:
    """Those of the references that a file explains."""
    state = SqlState(path, read_only=True)
    known = [reference for reference in references if state.decision(reference)]
    state.close()
    return known


def test_a_write_that_fails_acknowledges_nothing_and_is_made_up_for(site: Site) -> None:
    async def work() -> None:
        async with site.running() as journal:
            site.hits("eve", 5)
            await journal.keep(record("SW-BEFORE"))
            with no_room():
                site.hits("eve", 2)
                kept = await asyncio.gather(
                    *(journal.keep(record(f"SW-{n:06}")) for n in range(3)), return_exceptions=True
                )
                assert all(isinstance(answer, StoreDown) for answer in kept)
                assert journal.failed
                assert "disk I/O error" in site.log.about("store-failed")[0]
                site.hits("eve", 1)
                assert site.used("eve") == 8, "answers go on"
                with pytest.raises(StoreDown, match="waits in memory"):
                    await journal.keep(record("SW-LATER0"))
                with room_for_readers():
                    assert found(site.path, ["SW-BEFORE", "SW-000000", "SW-LATER0"]) == ["SW-BEFORE"]
            await until("it recovers", lambda: not journal.failed)
            everything = ["SW-BEFORE", "SW-000000", "SW-000001", "SW-000002", "SW-LATER0"]
            assert found(site.path, everything) == everything
            await journal.keep(record("SW-AFTER0"))
            assert site.log.events == [("store-recovered", {"path": str(site.path)})]
        async with site.running():
            assert site.used("eve") == 8

    run(work())


def test_what_a_failing_disk_said_to_be_synced_is_written_again(site: Site) -> None:
    """A disk may lose what it took. Records that stand in the log alone are not lost with it."""

    async def work() -> None:
        async with site.running() as journal:
            await journal.keep(record("SW-BEFORE"), {"id": "first", "at": START})
            await journal.keep(record("SW-BEFOR2"), {"id": "second", "at": START})
            await journal.done("first")
            await journal.keep_exception("state eve", {"name": "state eve", "state": "held"})
            with no_room():
                await until("it fails", lambda: _failing(site))
                log = site.path.with_name("state.db-wal")
                with room_for_readers():
                    log.write_bytes(bytes(log.stat().st_size))
            await until("it recovers", lambda: not journal.failed)
            assert site.log.about("state-damaged"), "the log is found to be lost"
            assert found(site.path, ["SW-BEFORE", "SW-BEFOR2"]) == ["SW-BEFORE", "SW-BEFOR2"]
        again = Site(site.path)
        waiting = await again.journal.open(lambda: b"k" * 16)
        assert [notice["id"] for notice in waiting] == ["second"]
        assert [one["state"] for one in again.journal.exceptions] == ["held"]
        await again.journal.close()

    run(work())


def test_while_it_fails_a_kill_loses_what_was_never_acknowledged_and_no_more(
    site: Site, tmp_path: Path
) -> None:
    async def work() -> None:
        async with site.running() as journal:
            site.hits("eve", 5)
            await journal.keep(record("SW-BEFORE"))
            with no_room():
                site.hits("eve", 2)
                with pytest.raises(StoreDown):
                    await journal.keep(record("SW-000000"))
            again = Site(killed(site.path, tmp_path / "killed"))
        async with again.running():
            assert again.used("eve") == 5
            assert found(again.path, ["SW-BEFORE", "SW-000000"]) == ["SW-BEFORE"]

    run(work())


def test_all_counts_are_written_anew_not_only_the_last_ones(site: Site, tmp_path: Path) -> None:
    """What the file was told before it failed may be lost as well, and what it holds beyond that is stale."""

    async def work() -> None:
        async with site.running() as journal:
            site.hits("eve", 5)
            site.hits("gone", 5)
            site.meters.next_number("serial")
            await journal.flush()
            with no_room():
                await until("it fails", lambda: _failing(site))
            await asyncio.sleep(0)
            site.meters.remove("spam", "gone")
            _forget_everything(site.path)
            await until("it recovers", lambda: not journal.failed)
            again = Site(killed(site.path, tmp_path / "killed"))
        async with again.running():
            assert again.used("eve") == 5
            assert again.used("gone") == 0
            assert again.meters.next_number("serial") == 1

    run(work())


def _failing(site: Site) -> bool:
    site.hits("mallory", 1)
    return site.journal.failed


def _forget_everything(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM meter WHERE meter_key = CAST('eve' AS BLOB)")
        connection.execute("DELETE FROM sequence")
    connection.close()


def test_records_that_wait_are_bounded_and_the_loss_is_told(site: Site) -> None:
    async def work() -> None:
        async with site.running() as journal:
            with no_room():
                refused = 0
                for number in range(PENDING_RECORDS + 20):
                    try:
                        await journal.keep(record(f"SW-{number:06}"))
                    except StoreDown:
                        refused += 1
                assert refused == PENDING_RECORDS + 20
                lost = len(site.log.about("record-lost"))
            assert 1 <= lost <= 20
            await until("it recovers", lambda: not journal.failed)
        connection = sqlite3.connect(site.path)
        (kept,) = connection.execute("SELECT count(*) FROM decision").fetchone()
        connection.close()
        assert PENDING_RECORDS <= kept == PENDING_RECORDS + 20 - lost

    run(work())


def test_a_file_that_another_program_holds_costs_the_wait_and_no_record(site: Site) -> None:
    """As a backup does: the batch waits, the answer does not, and nothing is lost."""

    async def work() -> None:
        async with site.running() as journal:
            other = sqlite3.connect(site.path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            start = asyncio.get_running_loop().time()

            with pytest.raises(StoreDown, match="no answer within"):
                await journal.keep(record("SW-000000"))
            waited = asyncio.get_running_loop().time() - start
            site.hits("eve", 1)

            other.close()
            with patch.object(journal_module, "KEEP_TIMEOUT_S", PATIENCE_S):
                await journal.keep(record("SW-000001"))
        assert waited < 2 * KEEP_TIMEOUT_S
        assert found(site.path, ["SW-000000", "SW-000001"]) == ["SW-000000", "SW-000001"]
        async with site.running():
            assert site.used("eve") == 1

    run(work())


def test_a_file_that_another_program_holds_for_long_fails_and_recovers(site: Site) -> None:
    async def work() -> None:
        async with site.running() as journal:
            other = sqlite3.connect(site.path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreDown):
                await journal.keep(record("SW-000000"))
            await until("it fails", lambda: journal.failed)
            assert "held by another program" in site.log.about("store-failed")[0]

            other.close()
            await until("it recovers", lambda: not journal.failed)
        assert found(site.path, ["SW-000000"])

    run(work())


def test_a_file_that_was_taken_away_while_it_failed_is_begun_anew_from_memory(site: Site) -> None:
    """What the advice says: move it away. The daemon need not be started again."""

    async def work() -> None:
        async with site.running() as journal:
            site.hits("eve", 5)
            first = journal.references.next()
            with no_room():
                await until("it fails", lambda: _failing(site))
                for name in ("state.db", "state.db-wal", "state.db-shm"):
                    site.path.with_name(name).rename(site.path.with_name(f"old-{name}"))
            await until("it recovers", lambda: not journal.failed)
            second = journal.references.next()
        async with site.running(b"other" * 3) as journal:
            assert site.used("eve") == 5
            assert len({first, second, journal.references.next()}) == 3

    run(work())


def test_references_go_on_while_it_fails_and_none_comes_twice(site: Site, tmp_path: Path) -> None:
    async def work() -> None:
        async with site.running() as journal:
            given_out = [journal.references.next()]
            with no_room():
                await until("it fails", lambda: _failing(site))
                given_out += [journal.references.next() for _ in range(REFERENCE_BLOCK // 2)]
            again = Site(killed(site.path, tmp_path / "killed"))
        async with again.running() as journal:
            given_out += [journal.references.next() for _ in range(10)]
        assert len(set(given_out)) == len(given_out)

    run(work())


@pytest.mark.parametrize("still_failing", [True, False], ids=["still failing", "room again"])
def test_an_end_while_it_fails_tries_once_more_and_does_not_hang(site: Site, still_failing: bool) -> None:
    async def work() -> None:
        site.begin()
        await site.journal.open(bytes)
        await site.journal.load_meters()
        task = asyncio.create_task(site.journal.run())
        site.hits("eve", 5)
        with no_room():
            await until("it fails", lambda: _failing(site))
        start = asyncio.get_running_loop().time()
        with no_room() if still_failing else nullcontext():
            if still_failing:
                with pytest.raises(StoreDown, match="last counts were not kept"):
                    await site.journal.close()
            else:
                await site.journal.close()
            await task
        assert asyncio.get_running_loop().time() - start < 2
        async with site.running():
            assert site.used("eve") == (0 if still_failing else 5)

    run(work())


def test_forgetting_that_fails_counts_as_a_failure_of_the_file(site: Site) -> None:
    async def work() -> None:
        async with site.running() as journal:
            await journal.keep(record("SW-000001"))
            site.clock.at += 100
            with no_room():
                await journal.forget_decisions(older_than_s=50)
                assert journal.failed
            await until("it recovers", lambda: not journal.failed)
            await journal.forget_decisions(older_than_s=50)
        assert not found(site.path, ["SW-000001"])

    run(work())


def test_the_limit_that_these_tests_use_is_taken_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with no_room():
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 4096
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before
