"""What waits survives a restart and kill -9, but for the last quarter of a second."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers.sendwarden import Sendwarden
from tests.servers.sjsms_client import SjsmsClient, request
from tests.servers.space import free_port

pytestmark = pytest.mark.e2e

# What kill -9 may cost.
LOST_S = 0.25


@pytest.fixture
def warden() -> Iterator[tuple[Sendwarden, int]]:
    port = free_port()
    server = Sendwarden(f'mode = "enforce"\n[greylist]\nlisten = "127.0.0.1:{port}"\ndelay = "1s"\n')
    yield server, port
    server.stop()


def ask(port: int, number: int) -> bytes:
    with closing(SjsmsClient(port)) as client:
        return client.ask(request(f"{number}@example.org", "b@example.net", "192.0.2.1"))


def test_what_waits_survives_a_restart(warden: tuple[Sendwarden, int]) -> None:
    server, port = warden
    assert ask(port, 1)[:1] == b"G"
    assert server.stop() == 0
    server.restart()
    time.sleep(1.0)

    assert ask(port, 1)[:1] == b"M"
    assert ask(port, 2)[:1] == b"G"


def test_kill_9_costs_a_quarter_of_a_second(warden: tuple[Sendwarden, int]) -> None:
    """Tries come all the time; those that were answered long enough before the end are known again."""
    server, port = warden
    answered: list[float] = []
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        assert ask(port, len(answered))[:1] == b"G"
        answered.append(time.monotonic())
    killed = time.monotonic()
    server.kill()
    server.restart()
    time.sleep(1.2)
    lost = [killed - at for number, at in enumerate(answered) if ask(port, number)[:1] != b"M"]
    oldest_ms = max(lost, default=0) * 1000
    print(f"of {len(answered)} triplets {len(lost)} were lost, the oldest {oldest_ms:.0f} ms old")

    assert len(answered) > 100
    assert max(lost, default=0.0) <= LOST_S
