"""Clocks that are wrong spoil nothing: what Sendwardens share goes by the clock of a real Redis."""

import json
from collections.abc import Iterator
from functools import partial

import pytest

from tests.e2e.test_shared_counts import LEASE, LIMIT, SETTINGS, everywhere, passed, times_away
from tests.servers.redis import RedisServer
from tests.servers.sendwarden import Sendwarden
from tests.servers.space import wait_for

DAY_S = 86_400


class Shifted(Sendwarden):
    """On a machine whose clock is wrong by so many seconds."""

    program = "tests.servers.shifted"

    def __init__(self, settings: str, shift_s: float) -> None:
        super().__init__(settings, prefix=("env", f"SHIFT_S={shift_s}"))


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    made = RedisServer()
    yield made
    made.remove()


def used(warden: Sendwarden, login: str) -> int:
    code, said = warden.command("limits", "show", login, "--json")
    assert code == 0, said
    channels = json.loads(said)["channels"]
    (external,) = (one for one in channels if one["channel"] == "submission-auth-external")
    return next(int(limit["used"]) for limit in external["limits"] if limit["window"] == "10m")


@pytest.mark.parametrize("shifts", [(600, 0, 0), (600, -600, 0), (3 * DAY_S, -3 * DAY_S, 13)])
def test_a_limit_is_exact_whatever_the_clocks_say(redis: RedisServer, shifts: tuple[int, ...]) -> None:
    wardens: list[Sendwarden] = [Shifted(SETTINGS.format(redis.url), shift_s) for shift_s in shifts]
    try:
        for round_ in range(4):
            before = times_away(wardens)
            found = everywhere(wardens, f"eve{round_}", 100, 8)
            borrowed = 0 if times_away(wardens) == before else len(wardens) * LEASE
            assert LIMIT <= found["DUNNO"] <= LIMIT + borrowed
        for warden, shift_s in zip(wardens, shifts, strict=True):
            told = warden.warnings("clock-differs")
            assert bool(told) is bool(shift_s)
            if shift_s:
                assert f"{abs(shift_s)} s {'ahead of' if shift_s > 0 else 'behind'}" in str(told[0]["about"])
    finally:
        for warden in wardens:
            warden.stop()


def test_a_clock_that_is_ahead_is_set_back_when_redis_comes_only_later(redis: RedisServer) -> None:
    """What was counted by the wrong clock is told by the right one, and spoils nothing."""
    right = Shifted(SETTINGS.format(redis.url), 0)
    redis.kill()
    wrong = Shifted(SETTINGS.format(redis.url), 600)
    try:
        assert passed(wrong, "eve", LEASE + 5) == {"DUNNO": LEASE, "450": 5}
        redis.start()
        wait_for("it is back", partial(wrong.events, "counts-back"))
        wait_for("what was counted is known", lambda: used(right, "eve") == LEASE)
        before = times_away([right, wrong])
        found = everywhere([right, wrong], "eve", 100, 8)
        borrowed = 0 if times_away([right, wrong]) == before else 2 * LEASE
        assert LIMIT - LEASE <= found["DUNNO"] <= LIMIT - LEASE + borrowed
        assert "Traceback" not in right.output() + wrong.output()
    finally:
        right.stop()
        wrong.stop()
