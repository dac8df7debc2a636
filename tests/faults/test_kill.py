"""Faults 1 and 2: `kill -9` at any moment under load. What was answered is kept, only moments are lost."""

import random
import sqlite3
import time
from collections.abc import Iterator

import pytest

from tests.faults.load import Load
from tests.faults.warden import FULL, Warden

KILLS = 500 if FULL else 20
# Counts younger than this may be lost (DESIGN.md, decision 2).
LOST_AT_MOST_S = 0.25


@pytest.fixture
def warden() -> Iterator[Warden]:
    made = Warden()
    yield made
    made.kill()
    made.remove()


def integrity(warden: Warden) -> str:
    connection = sqlite3.connect(f"file:{warden.state}/state.db?mode=ro", uri=True)
    (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return str(found)


def test_twenty_kills_at_random_moments_lose_no_reference_and_only_the_last_moments_of_counts(
    warden: Warden,
) -> None:
    chance = random.Random(20)  # noqa: S311 - no secret
    accounts = [f"user{number}@example.org" for number in range(4)]
    sure = dict.fromkeys(accounts, 0)  # hits that must be there: answered, and not young at a kill
    possible = dict.fromkeys(accounts, 0)
    references: list[str] = []
    youngest_lost_s: list[float] = []
    for _ in range(KILLS):
        with Load(warden.milter, accounts) as load:
            load.wait_for(20)
            time.sleep(chance.random() / 2)  # the moment is what is random here
            at = time.monotonic()
            warden.kill()
        assert not load.trouble
        references += load.references
        stored = warden.stored_hits(accounts, time.time())  # noqa: TID251 - as the daemon's clock
        for heard in load.heard:
            times = heard.answered_at
            sure[heard.account] += sum(1 for then in times if then < at - LOST_AT_MOST_S)
            possible[heard.account] += len(times) + 1  # one may have been counted and not answered
            lost = possible[heard.account] - 1 - int(stored[heard.account])
            youngest_lost_s += [at - times[-lost]] if 0 < lost <= len(times) else []
            assert sure[heard.account] <= stored[heard.account] <= possible[heard.account]
            # From here on what is stored is what is sure.
            sure[heard.account] = possible[heard.account] = int(stored[heard.account])
        assert integrity(warden) == "ok"
        assert warden.explained(references) == set(references)
        warden.restart()
    assert len(set(references)) == len(references)
    assert "refused it for v@victim.example" in warden.why(references[-1])
    assert not warden.complaints()
    print(f"{len(references)} references, oldest count lost: {1000 * max(youngest_lost_s, default=0):.0f} ms")
