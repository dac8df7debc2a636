"""frontends.milter: a message waits for scanners, the mail server is told so, and nothing is judged twice."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from sendwarden.core.scan import Finding
from sendwarden.service import connection
from sendwarden.wire.milter.commands import Abort, Body, Command, EndOfMessage, Header, Mail, Rcpt
from sendwarden.wire.milter.replies import Answer, ChangeHeader
from tests.frontends.around import Ground, MilterPeer, fields_of
from tests.frontends.mailserver import kinds, login, message, opened
from tests.service.scanner import FakeScanner
from tests.stores.around import until

SETTINGS = (
    '[site]\ndomains = ["example.org"]\n'
    '[[scanner]]\nname = "s"\nkind = "spamd"\ntimeout = "TIMEOUT"\nlargest = "2 MiB"\n'
    '[[score_header]]\nname = "h"\nheader = "X-Spam-Score"\nwriters = ["198.51.100.9/32"]\n'
    '[[channel]]\nname = "all"\nscan = ["s"]\nspam = "refuse"\n'
)
SPAM = Finding("s", 15.0, 5.0, spam=True)


def ground(folder: Path, scanner: FakeScanner, timeout: str = "20s") -> Ground:
    return Ground(folder, SETTINGS.replace("TIMEOUT", timeout), scanners=[scanner])


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


async def begun(site: Ground, scanner: FakeScanner, *commands: Command) -> MilterPeer:
    """A message at its end, while the scanner looks at it."""
    peer = await opened(site)
    peer.command(login("eve"), *(commands or message()))
    await until("the scanner was asked", lambda: bool(scanner.asked))
    return peer


def test_the_scanner_gets_the_whole_message_and_its_answer_decides(tmp_path: Path) -> None:
    scanner = FakeScanner(found=SPAM)

    async def work() -> None:
        peer = await opened(ground(tmp_path, scanner))
        chunks: list[Command] = [Body(b"a" * 1000)] * 1500
        head: list[Command] = [Mail("<eve@example.org>"), Rcpt("<v@victim.example>"), Header("Subject", "x")]
        assert kinds(await peer.ask(login("eve"), *head, *chunks, EndOfMessage())) == [550]
        assert scanner.asked[0].content == b"Subject: x\r\n\r\n" + b"a" * 1_500_000

        scanner.found = Finding("s", 1.0, 5.0)
        assert await peer.ask(login("eve"), *message()) == [Answer.CONTINUE]

    run(work())


def test_the_mail_server_hears_that_we_are_at_it_and_what_it_says_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PROGRESS_S", 0.01)
    scanner = FakeScanner(slow=True)

    async def work() -> None:
        peer = await begun(ground(tmp_path, scanner), scanner)
        peer.command(login("eve"), *message())  # the next message is here already
        await until("it is told", lambda: len(peer.transport.written) > 10)
        assert not peer.transport.reading and len(scanner.asked) == 1
        scanner.answer.set()
        await peer.answered()
        await until(
            "both are answered", lambda: len(scanner.asked) == 2 and peer.connection.answering is None
        )
        replies = peer.replies()
        assert set(replies) == {Answer.PROGRESS, Answer.CONTINUE}
        assert replies.count(Answer.CONTINUE) == 2 and peer.transport.reading

    run(work())


def test_a_slow_scanner_costs_no_more_than_its_time(tmp_path: Path) -> None:
    scanner = FakeScanner(slow=True)

    async def work() -> None:
        site = ground(tmp_path, scanner, "50ms")
        peer = await begun(site, scanner)
        await peer.answered()
        assert peer.replies() == [Answer.CONTINUE] and not peer.closed
        assert site.log.about("scanner-down") == ["s: no answer within 0.05 s; mail passes unscored"]

    run(work())


def test_a_mail_server_that_goes_meanwhile_leaves_nothing_behind(tmp_path: Path) -> None:
    scanner = FakeScanner(slow=True)

    async def work() -> None:
        site = ground(tmp_path, scanner)
        peer = await begun(site, scanner)
        peer.gone()
        scanner.answer.set()
        await peer.answered()
        assert not site.log.events and site.gate.open == 0

    run(work())


def test_forged_score_headers_are_deleted_from_the_last(tmp_path: Path) -> None:
    scanner = FakeScanner()
    forged = [Header("X-Spam-Score", "-9"), Header("X-SPAM-SCORE", "-8")]

    async def work() -> None:
        peer = await opened(ground(tmp_path, scanner))
        start, rest = message()[:3], message()[3:]
        replies = await peer.ask(login("eve"), *start, *forged, *rest)
        deleted = [(reply.index, reply.value) for reply in replies if isinstance(reply, ChangeHeader)]
        assert deleted == [(2, ""), (1, "")] and replies[-1] is Answer.CONTINUE
        assert b"-9" not in scanner.asked[0].content

    run(work())


def test_phishing_that_reached_our_own_is_an_event(tmp_path: Path) -> None:
    scanner = FakeScanner(found=Finding("s", 6.0, 15.0, symbols=("PHISHING",)))
    both = ("bob@example.org", "v@victim.example")

    async def work() -> None:
        site = ground(tmp_path, scanner)
        peer = await opened(site)
        await peer.ask(login(""), *message(recipients=both), login(""), *message(recipients=both[1:]))
        scanner.found = Finding("s", 16.0, 15.0, spam=True, symbols=("PHISHING",))
        assert kinds(await peer.ask(login("eve"), *message(recipients=both))) == [550]
        (event,) = fields_of(site.log, "phishing-received")
        assert (event["recipients"], event["rules"]) == (["bob@example.org"], ["PHISHING"])

    run(work())


def test_a_message_that_is_given_up_is_not_scanned(tmp_path: Path) -> None:
    scanner = FakeScanner()

    async def work() -> None:
        peer = await opened(ground(tmp_path, scanner))
        await peer.ask(login("eve"), *message()[:-1], Abort())
        assert not scanner.asked

    run(work())
