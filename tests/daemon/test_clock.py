"""daemon.clock: the wall clock of the start, carried on by the monotonic one."""

import time

from sendwarden.daemon.clock import AnchoredClock


def test_it_starts_at_the_wall_clocks_time() -> None:
    before = time.time()  # noqa: TID251 - what it is compared with

    now = AnchoredClock().now()

    assert before - 0.001 <= now <= before + 60


def test_it_never_runs_backwards_and_keeps_pace_with_the_monotonic_clock() -> None:
    clock = AnchoredClock()
    start, start_monotonic = clock.now(), time.monotonic()

    times = [clock.now() for _ in range(10_000)]

    assert times == sorted(times) and times[0] >= start
    assert abs((times[-1] - start) - (time.monotonic() - start_monotonic)) < 0.5
