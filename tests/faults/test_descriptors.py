"""Fault 8: no file descriptors left. Old connections are served, the log stays small, and we come back."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.faults.load import MailServer, ask_policy
from tests.faults.warden import Warden
from tests.servers.space import wait_for

DUNNO = b"action=DUNNO\n\n"
LOG_BYTES = 10_000
RECOVERED_S = 2.0
CPU_SHARE = 0.3  # of one processor; the target of 5 % is for a machine that does nothing else


@pytest.fixture(params=["uvloop", "asyncio"])
def warden(request: pytest.FixtureRequest) -> Iterator[Warden]:
    made = Warden(loop=request.param)
    yield made
    assert made.stop() == 0
    made.remove()


@pytest.fixture
def close() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def descriptors(warden: Warden) -> int:
    return len(list(Path(f"/proc/{warden.process.pid}/fd").iterdir()))


def cpu_s(warden: Warden) -> float:
    fields = Path(f"/proc/{warden.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # user and system, in ticks of 10 ms


def answers(warden: Warden) -> bool:
    try:
        return ask_policy(warden.policy, timeout_s=3) == DUNNO
    except OSError:
        return False


def test_when_the_kernel_gives_no_descriptor_any_more_old_connections_are_served_and_we_come_back(
    warden: Warden, close: ExitStack
) -> None:
    """The limit falls below what our own count of connections was made from: nothing holds accept back."""
    server = close.enter_context(closing(MailServer(warden.milter)))
    assert server.send("eve@example.org", "refuse")
    resource.prlimit(warden.process.pid, resource.RLIMIT_NOFILE, (descriptors(warden) + 10,) * 2)
    before, cpu_before, start = len(warden.output()), cpu_s(warden), time.monotonic()

    hoard = [close.enter_context(_connected(warden.policy)) for _ in range(100)]
    references = []
    while time.monotonic() < start + 5:
        references.append(server.send("eve@example.org", "refuse"))
        time.sleep(0.05)
    spent = cpu_s(warden) - cpu_before

    assert all(references), "who was there already is served"
    for connection in hoard:
        connection.close()
    gone = time.monotonic()
    wait_for("it serves again", lambda: answers(warden), 20)
    took = time.monotonic() - gone

    print(
        f"5 s without descriptors: {spent:.2f} s CPU, {len(warden.output()) - before} bytes of log, "
        f"serving again after {took:.2f} s"
    )
    assert took < RECOVERED_S
    assert len(warden.output()) - before < LOG_BYTES
    assert spent < CPU_SHARE * 5
    wait_for("the references are kept", lambda: warden.explained(references) == set(references))


def test_a_flood_of_connections_is_turned_away_and_leaves_room_for_the_store_and_the_log(
    close: ExitStack,
) -> None:
    warden = Warden(prefix=("prlimit", "--nofile=128:128"))
    server = close.enter_context(closing(MailServer(warden.milter)))
    before = len(warden.output())

    wait_for("an event log", lambda: warden.events("started"))
    hoard = [_connected(warden.policy) for _ in range(300)]
    for number in range(300):
        hoard[number].close()
        hoard[number] = _connected(warden.policy)
    (warden.state / "events.json").rename(warden.state / "events.json.1")
    reference = server.send("eve@example.org", "refuse")

    assert descriptors(warden) < 128
    assert warden.explained([reference]) == {reference}
    wait_for("a new event log", lambda: warden.events("decision"))
    wait_for("it is told", lambda: warden.warnings("connections-turned-away"))
    assert len(warden.output()) - before < LOG_BYTES
    for connection in hoard:
        connection.close()
    gone = time.monotonic()
    wait_for("it serves again", lambda: answers(warden), 20)
    assert time.monotonic() - gone < RECOVERED_S
    assert not warden.complaints()
    warden.stop()
    warden.remove()


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)
