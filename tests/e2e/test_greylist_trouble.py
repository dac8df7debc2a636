"""Greylisting while a list is slow, dead, refuses, lies or lists everything: in time, and told of.

The list is good when it is tested first; then its server is told to behave otherwise.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers.liar import MODES, Liar
from tests.servers.sendwarden import Sendwarden
from tests.servers.sjsms_client import SjsmsClient, request
from tests.servers.space import free_port, wait_for

pytestmark = pytest.mark.e2e

WAIT_S = 0.8
BUSY_S = 1.0
LISTED, GREY = "192.0.2.7", b"G $X4.4.3|$NPlease$ try$ again$ later"
HEALTHY = ("honest", "truncated", "huge ttl")


class Troubled:
    """A Sendwarden with this list, and an honest one beside it."""

    def __init__(self) -> None:
        self.liar, self.other = Liar("bl.test", LISTED), Liar("ok.test", "192.0.2.99")
        self.port = free_port()
        self.warden = Sendwarden(
            f'mode = "enforce"\n[greylist]\nlisten = "127.0.0.1:{self.port}"\nchecks = ["dnsbl"]\n'
            f'wait = "{WAIT_S * 1000:.0f}ms"\n{_table("bl", self.liar)}{_table("ok", self.other)}'
        )
        wait_for("both are good", lambda: len(self.warden.events("dns-list")) == 2)

    def ask(self, address: str, recipient: str = "b@example.net") -> tuple[bytes, float]:
        """The answer, and after how many seconds."""
        with closing(SjsmsClient(self.port, 5.0)) as client:
            began = time.monotonic()
            answer = client.ask(request("a@example.org", recipient, address))
            return answer, time.monotonic() - began

    def lists(self) -> dict[str, dict[str, object]]:
        said = self.warden.command("dnsbl", "lists", "--json")[1]
        return {str(one["list"]): one for one in map(json.loads, said.splitlines())}

    def stop(self) -> None:
        self.warden.stop()
        self.liar.stop()
        self.other.stop()


def _table(name: str, server: Liar) -> str:
    return (
        f'[[dns_list]]\nname = "{name}"\nkind = "dnsbl"\nzone = "{name}.test"\n'
        f'servers = "{server.place}"\ntimeout = "400ms"\n'
    )


@pytest.fixture
def troubled() -> Iterator[Troubled]:
    made = Troubled()
    yield made
    made.stop()


@pytest.mark.parametrize("mode", sorted(MODES.keys() - {*HEALTHY, "wildcard"}))
def test_a_list_in_trouble_weighs_nothing_and_keeps_nobody(mode: str, troubled: Troubled) -> None:
    troubled.liar.mode = mode

    answers = [troubled.ask(f"198.51.100.{number}") for number in range(7)]
    assert troubled.ask("192.0.2.99")[0] == GREY, "the list beside it counts"

    print(f"{mode}: {', '.join(f'{1000 * took_s:.0f} ms' for _, took_s in answers)}")
    assert {answer for answer, _ in answers} == {b"T $Y"}
    assert max(took_s for _, took_s in answers) < WAIT_S + BUSY_S
    if mode in ("empty", "cname loop"):
        return  # that is how an address is not listed: its next test shows it
    found = troubled.lists()["bl"]
    assert found["failed"] and found["last_trouble"]
    assert str(found["why"]).startswith("rests for ") and answers[-1][1] < BUSY_S, "it is left alone by now"
    wait_for("it is told", lambda: troubled.warden.warnings("dns-list-trouble"))
    assert "bl" in {event["about"] for event in troubled.warden.warnings("check-unanswered")}


def test_a_list_that_lists_everything_all_of_a_sudden_is_found_out(troubled: Troubled) -> None:
    assert troubled.ask("203.0.113.1")[0] == b"T $Y"
    troubled.liar.mode = "wildcard"

    said = [troubled.ask(f"198.51.100.{number}", f"r{number}")[0] for number in range(60)]
    assert said[0] == GREY, "nobody can tell at first"
    wait_for("it is out of service", lambda: not troubled.lists()["bl"]["in_service"])

    assert troubled.ask("203.0.113.99")[0] == b"T $Y"
    assert "it lists everything" in str(troubled.lists()["bl"]["why"])
    assert "out of service: bl " in troubled.warden.command("greylist", "show")[1]
    lines = (troubled.warden.folder / "var" / "greylist.log").read_text().splitlines()
    assert not re.search(r"m=bl", lines[-1])
