"""`sendwarden greylist` with a daemon that runs: what a triplet is, by hand, and the answers live."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers.sendwarden import Sendwarden
from tests.servers.sjsms_client import SjsmsClient, request
from tests.servers.space import free_port, stop, wait_for

pytestmark = pytest.mark.e2e

TRIPLET = ("192.0.2.7", "a@example.org", "b@example.net")
WHY = ("--reason", "a test")


@pytest.fixture
def warden() -> Iterator[tuple[Sendwarden, int]]:
    port = free_port()
    server = Sendwarden(f'mode = "enforce"\n[greylist]\nlisten = "127.0.0.1:{port}"\ndelay = "1h"\n')
    yield server, port
    server.stop()


def ask(port: int) -> bytes:
    client, sender, recipient = TRIPLET
    with closing(SjsmsClient(port)) as peer:
        return peer.ask(request(sender, recipient, client))


def test_a_triplet_is_shown_allowed_and_forgotten(warden: tuple[Sendwarden, int]) -> None:
    server, port = warden

    def shown() -> dict[str, object]:
        code, said = server.command("greylist", "--json", "show", *TRIPLET)
        assert code == 0, said
        found: dict[str, object] = json.loads(said)
        return found

    unknown = shown()
    assert (unknown["network"], unknown["state"], unknown["exempt"]) == ("192.0.2.0", "unknown", "")
    assert ask(port)[:1] == b"G"
    waits = shown()
    assert waits["state"] == "waits" and 3500 < float(str(waits["free_in_s"])) <= 3600
    code, said = server.command("greylist", "show", *TRIPLET)
    assert (code, said.splitlines()[0]) == (0, "192.0.2.0  a@example.org  b@example.net: waits")

    assert server.command("greylist", "allow", *TRIPLET)[0] == 2  # without a reason
    assert server.command("greylist", "allow", *TRIPLET, *WHY)[0] == 0
    assert ask(port) == b"M $Y" and shown()["state"] == "has waited"
    server.kill()
    server.restart()
    assert ask(port) == b"M $Y"
    assert server.command("greylist", "forget", *TRIPLET, *WHY)[0] == 0
    assert shown()["state"] == "unknown"
    code, said = server.command("greylist", "forget", *TRIPLET, *WHY)
    assert code == 2 and "there is nothing to forget" in said
    kinds = [event["event"] for event in server.events() if str(event["event"]).startswith("greylist-")]
    assert kinds == ["greylist-allowed", "greylist-forgotten"]


def test_what_cannot_be_asked_says_what_to_write(warden: tuple[Sendwarden, int]) -> None:
    server, _ = warden

    assert "192.0.2.7 a@example.org b@example.net" in server.command("greylist", "allow")[1]
    assert "is no IP address" in server.command("greylist", "show", "mail.example.org", "a", "b")[1]
    server.stop()
    code, said = server.command("greylist", "show", *TRIPLET)
    assert code == 2 and "only a Sendwarden that runs knows that" in said


def test_what_was_answered_is_counted(warden: tuple[Sendwarden, int]) -> None:
    server, port = warden
    for _ in range(3):
        ask(port)

    code, said = server.command("greylist", "show")
    assert code == 0 and "match 0  greylist 3  block 0" in said
    assert "remembered triplets: 1, of which 1 wait" in said
    counts = json.loads(server.command("greylist", "--json", "show")[1])
    assert counts["answers"]["greylist"] == 3 and counts["dropped"] == 0


def test_answers_are_watched_as_they_are_given(warden: tuple[Sendwarden, int]) -> None:
    server, port = warden
    ask(port)
    log = server.folder / "var" / "greylist.log"
    wait_for("the first line", lambda: log.exists() and log.read_text().count("\n") == 1)
    output = server.folder / "watched"
    command = [sys.executable, "-m", "sendwarden", "greylist", "--config", str(server.folder), "watch"]
    with output.open("wb") as file:
        watching = subprocess.Popen(
            command, stdout=file, stderr=file, start_new_session=True, env={**os.environ, "PYTHONPATH": ""}
        )
    try:
        wait_for("it watches", lambda: b"watching" in output.read_bytes())
        ask(port)
        wait_for("the line", lambda: b"a=greylist" in output.read_bytes())
        log.rename(server.folder / "moved")
        time.sleep(0.5)
        ask(port)
        wait_for("the line after", lambda: output.read_bytes().count(b"a=greylist") == 2)
    finally:
        stop(watching)
    assert b"#1: a=greylist d=0 w=0 c=192.0.2.7 s=a@example.org r=b@example.net\n" in output.read_bytes()
