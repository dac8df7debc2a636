"""Mail of a channel that waits, by policy and milter: what is said, and that it is counted nowhere."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from sendwarden.engine.greylist.question import Findings, Found
from sendwarden.service.book import Entry
from sendwarden.wire.milter.commands import Command, Data, EndOfHeaders, EndOfMessage, Header, Mail, Rcpt
from sendwarden.wire.milter.replies import Answer
from sendwarden.wire.policy import decode_reply, encode_request
from tests.frontends.around import Ground
from tests.frontends.mailserver import kinds, login, opened
from tests.service.checks import FakeChecks
from tests.stores.around import until

CHANNEL = '[[channel]]\nname = "all"\nlogin = true\ngreylist = [{}]\nlimits = "few"\n'
LIMITS = '[[limits]]\nname = "few"\nrecipients = "5/10m"\n'
LISTED = Findings((Found("bl.test", 1),))
MESSAGE: list[Command] = [
    Mail("<eve@example.org>"), Rcpt("<v@x>"), Data(), Header("Subject", "x"), EndOfHeaders(), EndOfMessage(),
]  # fmt: skip


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def ground(folder: Path, waits: str = '"all"', checks: FakeChecks | None = None) -> Ground:
    site = Ground(folder, CHANNEL.format(waits) + LIMITS)
    if checks:
        site.greylisting.checks = checks
        rules = site.greylisting.greylister.rules
        site.greylisting.greylister.use(type(rules)(checks=True))
    return site


def rcpt(recipient: str = "v@x", instance: str = "i1") -> bytes:
    return encode_request(
        {
            "request": "smtpd_access_policy",
            "protocol_state": "RCPT",
            "client_address": "192.0.2.7",
            "instance": instance,
            "sasl_username": "eve",
            "sender": "eve@example.org",
            "recipient": recipient,
            "queue_id": "4XyZ",
        }
    )


async def said(site: Ground, request: bytes) -> tuple[str, str]:
    peer = site.policy()
    peer.say(request)
    await until("it is answered", lambda: peer.transport.written.endswith(b"\n\n"))
    return decode_reply(bytes(peer.transport.written))


def test_by_policy_each_recipient_waits_and_room_is_not_used(tmp_path: Path) -> None:
    async def work() -> None:
        site = ground(tmp_path)
        for number in range(9):  # more than the limit has room for
            action, text = await said(site, rcpt(f"v{number}@x", f"i{number}"))
            assert action == "450" and text.startswith("4.7.1 Please try again later [SW-")
        site.clock.at += 11
        answers = [(await said(site, rcpt(f"v{number}@x", f"j{number}")))[0] for number in range(6)]
        assert answers == ["DUNNO"] * 5 + ["450"], "the limit itself"

    run(work())


def test_by_milter_the_message_waits_and_room_is_not_used(tmp_path: Path) -> None:
    async def work() -> None:
        site = ground(tmp_path)
        peer = await opened(site)
        for _ in range(9):
            assert kinds(await peer.ask(login("eve"), *MESSAGE)) == [450]
        site.clock.at += 11
        answers = [kinds(await peer.ask(login("eve", queue_id=f"Q{n}"), *MESSAGE)) for n in range(6)]
        assert answers == [[Answer.CONTINUE]] * 5 + [[450]]

    run(work())


@pytest.mark.parametrize("frontend", ["policy", "milter"])
def test_checks_are_waited_for(frontend: str, tmp_path: Path) -> None:
    async def work() -> None:
        checks = FakeChecks(found={"192.0.2.7": LISTED}, slow=True)
        site = Ground(tmp_path, LIMITS)
        site.greylisting.checks = checks
        site.greylisting.greylister.use(type(site.greylisting.greylister.rules)(checks=True))
        site.use(CHANNEL.format('"all"') + LIMITS)
        peer = site.policy() if frontend == "policy" else await opened(site)
        if frontend == "policy":
            peer.say(rcpt())
        else:
            peer.command(login("eve"), *MESSAGE)  # type: ignore[attr-defined]
        await until("lists are asked", lambda: checks.looks)
        assert not peer.transport.written and peer.connection.answering is not None
        checks.released.set()
        await until("it is answered", lambda: peer.connection.answering is None)
        assert b"450" in peer.transport.written

    run(work())


def test_who_is_shut_hears_that_and_not_that_he_must_wait(tmp_path: Path) -> None:
    async def work() -> None:
        site = ground(tmp_path)
        at = site.clock.at
        await site.book.put(Entry("state", "eve", "a test", "a test", at, at + 60, "contained"))
        assert (await said(site, rcpt()))[0] == "550"

    run(work())


def test_a_reload_begins_and_ends_it(tmp_path: Path) -> None:
    async def work() -> None:
        site = ground(tmp_path, "")
        assert (await said(site, rcpt()))[0] == "DUNNO"
        site.use(CHANNEL.format('"all"') + LIMITS)
        assert (await said(site, rcpt("w@x", "i2")))[0] == "450"
        site.use(CHANNEL.format("") + LIMITS)
        assert (await said(site, rcpt("w@x", "i3")))[0] == "DUNNO"

    run(work())
