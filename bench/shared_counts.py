"""How long answers wait for a Redis that Sendwardens share: well, hanging, killed, cut in mid-reply.

One daemon, `PEERS` connections that each ask about accounts far below their limit, as fast as they are
answered; the Redis behind it is made to misbehave. Prints how many were answered, and the slowest.

    scripts/namespace .venv/bin/python -m bench.shared_counts --seconds 6
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.policypeer import Peer
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.servers.sendwarden import Sendwarden

PEERS = 20
SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
[counting]
{0}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=6, help="of each row")
    seconds = parser.parse_args().seconds
    redis = RedisServer()
    proxy = Proxy(redis.port, 1)
    shared = SETTINGS.format(f'redis = "redis://127.0.0.1:{proxy.port}/0"')
    print(f"{'':<28}{'answers/s':>10}{'median':>9}{'99 %':>9}{'slowest':>9}   (ms)")
    for name, settings, trouble in (
        ("without Redis", SETTINGS.format(""), None),
        ("Redis well", shared, None),
        ("Redis hanging half the time", shared, lambda: _by_turns(redis.pause, redis.go_on)),
        ("Redis killed every second", shared, lambda: _by_turns(redis.kill, redis.start)),
        ("replies cut in the middle", shared, lambda: _by_turns(lambda: proxy.cut_next(3), _nothing)),
    ):
        row(name, settings, trouble, seconds)
    redis.remove()
    proxy.close()


def _nothing() -> None:
    pass


def _by_turns(one: Callable[[], None], other: Callable[[], None]) -> None:
    for act in (one, other):
        act()
        time.sleep(0.5)


def row(name: str, settings: str, trouble: Callable[[], None] | None, seconds: float) -> None:
    warden = Sendwarden(settings)
    ends = time.monotonic() + seconds
    waits: list[list[float]] = [[] for _ in range(PEERS)]

    def load(number: int) -> None:
        peer = Peer(warden.policy)
        asked = 0
        while (begun := time.monotonic()) < ends:
            asked += 1
            said = peer.rcpt(f"user{number}.{asked // 4}", f"{number}.{asked}")
            waits[number].append(time.monotonic() - begun)
            assert said == "DUNNO", said
        peer.close()

    with ThreadPoolExecutor(PEERS) as pool:
        loads = [pool.submit(load, number) for number in range(PEERS)]
        while trouble and time.monotonic() < ends - 1:
            trouble()
        for one in loads:
            one.result()
    warden.stop()
    every = sorted(1000 * wait for of_one in waits for wait in of_one)
    median, late = statistics.median(every), every[int(len(every) * 0.99)]
    print(f"{name:<28}{len(every) / seconds:>10.0f}{median:>9.1f}{late:>9.1f}{every[-1]:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
