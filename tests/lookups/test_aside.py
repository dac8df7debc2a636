"""Calls on a thread beside the loop: given, raised, left behind, and bounded."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from sendwarden.lookups.aside import MOST_LEFT, Aside
from sendwarden.service.ports import DirectoryDown
from tests.stores.around import until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Calls that wait for it end with the test."""
    event = threading.Event()
    yield event
    event.set()


def running(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_a_call_gives_or_raises_what_it_does_and_on_one_thread() -> None:
    async def work() -> None:
        aside = Aside("aside", 5)
        threads = [await aside.call(threading.get_ident) for _ in range(3)]
        assert len(set(threads)) == 1
        assert threads[0] != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await aside.call(lambda: 1 / 0)
        assert await aside.call(threading.get_ident) == threads[0]
        aside.leave()

    asyncio.run(work())


def test_one_that_hangs_is_left_and_the_next_has_another_thread(gate: threading.Event) -> None:
    async def work() -> None:
        aside = Aside("aside", 0.05)
        with pytest.raises(DirectoryDown, match=r"no answer within 0\.05 s"):
            await aside.call(gate.wait)
        assert await aside.call(lambda: 5) == 5

    asyncio.run(work())


def test_so_many_hang_and_no_more_until_one_ends(gate: threading.Event) -> None:
    async def work() -> None:
        aside = Aside("hanging", 0.02)
        for _ in range(MOST_LEFT):
            with pytest.raises(DirectoryDown, match="no answer within"):
                await aside.call(gate.wait)
        for _ in range(10):
            with pytest.raises(DirectoryDown, match="it hangs"):
                await aside.call(gate.wait)
        assert running("hanging") == MOST_LEFT
        gate.set()
        await until("their threads ended", lambda: not running("hanging"))
        assert await aside.call(lambda: 5) == 5
        aside.leave()
        await until("all ended", lambda: not running("hanging"))

    asyncio.run(work())


def test_an_answer_that_comes_when_nobody_waits_any_more_is_nothing(gate: threading.Event) -> None:
    async def work(aside: Aside, first: Callable[[], object]) -> None:
        with pytest.raises(DirectoryDown):
            await aside.call(first)

    asyncio.run(work(Aside("aside", 0.01), gate.wait))  # its loop is closed by now
    gate.set()
