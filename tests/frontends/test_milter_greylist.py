"""The milter with the document's filter and table: it waits for greylisting, then the filter runs again."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from sendwarden.engine.world import GreylistCall
from sendwarden.service import connection
from sendwarden.service.ports import AskLater, Known
from sendwarden.wire.milter.commands import Command, Data, EndOfHeaders, EndOfMessage, Header, Mail, Rcpt
from sendwarden.wire.milter.replies import Answer
from tests.frontends.around import Ground, fields_of
from tests.frontends.mailserver import kinds, login, opened
from tests.stores.around import until

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "greylist"
CHANNEL = '[[channel]]\nname = "all"\nsourcefilter = "all.filter"\n'
# The document's filter, behind a line that counts.
COUNTING = """
FILTER_COUNT
*|* $[IMTA_LIB:check_metermaid.so,adjust,c,$0,+1]$Y
"""
REQUIRE = 'require ["ereject","variables"];\n'
COUNT = 'set "C" count("eve|x");\n'
METER = "metermaid.table.c.type = simple\nmetermaid.table.c.value_type = integer\n"
RECEIVED = "from [192.0.2.7] (Forwarded-For: 198.51.100.9) by mail.example.org (mshttpd)"
MESSAGE: list[Command] = [
    Mail("<eve@example.org>"), Rcpt("<v@victim.example>"), Data(), Header("Received", RECEIVED),
    Header("From", "Eve <eve@example.org>"), EndOfHeaders(), EndOfMessage(),
]  # fmt: skip
OUTCOMES: list[tuple[str | None, list[object]]] = [
    ("$X4.4.3|$NPlease$ try$ again$ later", [550]),
    ("$Y", [Answer.CONTINUE]),
    (None, [Answer.CONTINUE]),
]
GREY = "$X4.4.3|$NPlease$ try$ again$ later"

Asked = list[tuple[GreylistCall, str]]


def ground(folder: Path, answer: Callable[[], Known | AskLater]) -> tuple[Ground, Asked]:
    asked: Asked = []

    def greylist(call: GreylistCall, account: str) -> Known | AskLater:
        asked.append((call, account))
        return answer()

    script = (EXAMPLE / "greylist.sieve").read_text()
    (folder / "all.filter").write_text(script.replace(REQUIRE, REQUIRE + COUNT, 1))
    (folder / "mappings").write_text((EXAMPLE / "mappings").read_text() + COUNTING)
    (folder / "metermaid.options").write_text(METER)
    return Ground(folder, CHANNEL, greylist=greylist), asked


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def counted(site: Ground) -> int:
    return int(site.judge()._meters.fetch("c", "eve"))  # noqa: SLF001 - what the filter counted


@pytest.mark.parametrize(("text", "codes"), OUTCOMES)
def test_what_is_known_at_once_decides_at_once(tmp_path: Path, text: str | None, codes: list[object]) -> None:
    async def work() -> None:
        site, asked = ground(tmp_path, lambda: Known(text))
        peer = await opened(site)
        assert kinds(await peer.ask(login("eve"), *MESSAGE)) == codes
        ((call, account),) = asked
        assert (call.client_address, call.recipient) == ("198.51.100.9", "eve@example.org")
        assert account == "eve" and counted(site) == 1

    run(work())


@pytest.mark.parametrize(("text", "codes"), OUTCOMES)
def test_what_is_known_later_decides_then_and_nothing_counts_twice(
    tmp_path: Path, text: str | None, codes: list[object]
) -> None:
    released = asyncio.Event()

    async def later() -> Known:
        await released.wait()
        return Known(text)

    async def work() -> None:
        site, asked = ground(tmp_path, lambda: later)
        peer = await opened(site)
        peer.command(login("eve"), *MESSAGE, login("eve"), *MESSAGE)  # the next one waits its turn
        await until("it is asked", lambda: len(asked) == 1)
        assert not peer.replies() and not peer.transport.reading
        released.set()
        await until("both are answered", lambda: len(asked) == 2 and peer.connection.answering is None)
        assert kinds(peer.replies()) == codes * 2
        assert counted(site) == 2

    run(work())


def test_the_mail_server_hears_that_we_are_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PROGRESS_S", 0.01)
    released = asyncio.Event()

    async def later() -> Known:
        await released.wait()
        return Known(GREY)

    async def work() -> None:
        site, asked = ground(tmp_path, lambda: later)
        peer = await opened(site)
        peer.command(login("eve"), *MESSAGE)
        await until("it is told", lambda: len(peer.transport.written) > 20)
        released.set()
        await peer.answered()
        replies = peer.replies()
        assert kinds(replies)[-1] == 550 and Answer.PROGRESS in replies and len(asked) == 1

    run(work())


def test_a_mail_server_that_goes_meanwhile_leaves_nothing_behind(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def later() -> Known:
        await released.wait()
        return Known(GREY)

    async def work() -> None:
        site, asked = ground(tmp_path, lambda: later)
        peer = await opened(site)
        peer.command(login("eve"), *MESSAGE)
        await until("it is asked", lambda: len(asked) == 1)
        peer.gone()
        released.set()
        await peer.answered()
        assert not fields_of(site.log, "decision") and site.gate.open == 0

    run(work())
