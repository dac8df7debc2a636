"""Fault 12, and what systemd hears: ready, reloading, stopping, and signs of life only while we live."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.load import ask_policy
from tests.faults.warden import SETTINGS, Warden
from tests.servers.space import wait_for

WATCHDOG_S = 2.0


class Systemd:
    """A datagram socket that keeps what it is told, and when."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + place[1:] if place.startswith("@") else place)
        self._socket.settimeout(0)
        self._heard: list[str] = []

    @property
    def heard(self) -> list[str]:
        while True:
            try:
                self._heard.append(self._socket.recv(1000).decode())
            except BlockingIOError:
                return self._heard

    def states(self) -> list[str]:
        """First lines, but for signs of life."""
        return [said.splitlines()[0] for said in self.heard if said != "WATCHDOG=1"]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(str(tmp_path / "notify") if request.param == "a path" else f"@sendwarden{tmp_path}")
    yield made
    made.close()


def warden_under(systemd: Systemd, **more: str) -> Warden:
    return Warden(environment={"NOTIFY_SOCKET": systemd.place, **more})


def test_systemd_hears_when_we_are_ready_reload_and_stop(systemd: Systemd) -> None:
    warden = warden_under(systemd)
    wait_for("ready", lambda: systemd.states() == ["READY=1"])

    warden.reload()
    wait_for("reloaded", lambda: systemd.states() == ["READY=1", "RELOADING=1", "READY=1"])
    told = next(said for said in systemd.heard if said.startswith("RELOADING"))
    (stamp,) = [line.partition("=")[2] for line in told.splitlines() if line.startswith("MONOTONIC_USEC")]
    assert abs(int(stamp) / 1e6 - time.monotonic()) < 60

    settings = (warden.folder / "sendwarden.toml").read_text()
    (warden.folder / "sendwarden.toml").write_text(settings.replace(SETTINGS, "nonsense"))
    warden.reload()
    wait_for("the old one kept", lambda: systemd.states()[3:] == ["RELOADING=1", "READY=1"])

    assert warden.stop() == 0
    assert systemd.states()[5:] == ["STOPPING=1"]
    assert "WATCHDOG=1" not in systemd.heard, "nobody asked for it"
    warden.remove()


def test_signs_of_life_stop_while_the_loop_stands_still_and_go_on_with_it(systemd: Systemd) -> None:
    warden = warden_under(systemd, WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
    start = time.monotonic()
    wait_for("three signs of life", lambda: systemd.heard.count("WATCHDOG=1") >= 3)
    assert (time.monotonic() - start) / 3 < WATCHDOG_S, "often enough"

    warden.process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)  # what was sent before is read
    count = systemd.heard.count("WATCHDOG=1")
    time.sleep(1.5 * WATCHDOG_S)  # systemd would have killed it by now
    assert systemd.heard.count("WATCHDOG=1") == count

    warden.process.send_signal(signal.SIGCONT)
    wait_for("it lives", lambda: systemd.heard.count("WATCHDOG=1") > count)
    assert ask_policy(warden.policy) == b"action=DUNNO\n\n"
    assert warden.stop() == 0
    warden.remove()


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, id="meant for another process"),
        pytest.param({"WATCHDOG_USEC": "soon"}, id="no number"),
    ],
)
def test_no_signs_of_life_where_they_are_not_asked_of_us(tmp_path: Path, environment: dict[str, str]) -> None:
    systemd = Systemd(str(tmp_path / "notify"))
    warden = warden_under(systemd, **environment)
    wait_for("ready", lambda: systemd.states() == ["READY=1"])

    time.sleep(1.5)  # longer than the interval

    assert systemd.heard == ["READY=1"]
    warden.stop()
    warden.remove()
    systemd.close()


@pytest.mark.parametrize("trouble", ["nobody there", "nobody reads"])
def test_a_systemd_that_does_not_listen_holds_nothing_up(tmp_path: Path, trouble: str) -> None:
    place = tmp_path / "notify"
    systemd = Systemd(str(place))
    if trouble == "nobody there":
        systemd.close()
    else:  # the queue of a datagram socket is short
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.settimeout(0)
            filler.connect(str(place))
            try:
                while True:
                    filler.send(b"x")
            except BlockingIOError:
                pass
    warden = warden_under(systemd, WATCHDOG_USEC="200000")

    for _ in range(10):
        assert ask_policy(warden.policy, timeout_s=2) == b"action=DUNNO\n\n"
    warden.reload()

    assert warden.stop() == 0
    warden.remove()
    systemd.close()
