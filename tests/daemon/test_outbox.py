"""daemon.outbox, connectors.notify: a notice is handed over once, tried again while that helps, limited."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sendwarden.connectors.notify import NotTaken, hand_over
from sendwarden.daemon.outbox import AT_ONCE, HOUR_S, Outbox, RateOfNotices
from sendwarden.service.notices import Notice
from tests.servers.space import free_port
from tests.stores.around import START, Site, until

TEXT = b"Subject: hello\r\n\r\nhello\r\n"


class Server:
    """A mail server that gives the answers it is told, then 250."""

    def __init__(self, *answers: str) -> None:
        self.port = free_port()
        self.answers = list(answers)
        self.taken: list[tuple[str, list[str], bytes]] = []
        self.tries = 0
        self.open = self.most_open = 0
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.tries += 1
        answer = self.answers.pop(0) if self.answers else "250 fine"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0.05)
        self.open -= 1
        recipients = list(map(str, envelope.rcpt_tos))
        assert isinstance(envelope.content, bytes)
        self.taken.append((str(envelope.mail_from), recipients, envelope.content))
        return "250 kept"

    def stop(self) -> None:
        self._controller.stop()


@asynccontextmanager
async def outbox(site: Site, server: str, per_account: int = 20, in_all: int = 200) -> AsyncIterator[Outbox]:
    async with site.running() as journal:
        made = Outbox(server, RateOfNotices(per_account, in_all), journal, site.clock, site.log)
        try:
            yield made
        finally:
            await made.close()


async def post(made: Outbox, site: Site, *names: str, account: str = "eve") -> None:
    """As the service does: durable first."""
    for name in names:
        notice = Notice(name, account, f"{account}@example.org", TEXT)
        record = {"reference": name, "at": START, "account": account}
        await site.journal.keep(record, {"id": name, "at": START, "message": TEXT.decode()})
        made.post(notice)


def waiting(site: Site) -> int:
    """Notices that the file still holds."""
    connection = sqlite3.connect(site.path)
    (number,) = connection.execute("SELECT count(*) FROM notice").fetchone()
    connection.close()
    return int(number)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "state.db")


@pytest.mark.e2e
def test_a_notice_is_handed_over_with_null_sender_and_then_forgotten(site: Site) -> None:
    server = Server()

    async def work() -> None:
        async with outbox(site, server.place) as made:
            await post(made, site, "SW-000001")
            await until("it is taken and forgotten", lambda: server.taken and not waiting(site))

    asyncio.run(work())
    server.stop()
    assert server.taken == [("<>", ["eve@example.org"], TEXT)]
    assert ("notice-sent", {"reference": "SW-000001", "account": "eve"}) in site.log.events


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("answers", "tries", "warnings"),
    [
        pytest.param(["450 later"], 2, ["notice-late"], id="put off: tried again"),
        pytest.param(["550 no"], 1, ["notice-lost"], id="refused: given up"),
        pytest.param(["450 later", "550 no"], 2, ["notice-late", "notice-lost"], id="put off, then refused"),
    ],
)
def test_what_the_mail_server_says_decides_whether_it_is_tried_again(
    site: Site, answers: list[str], tries: int, warnings: list[str]
) -> None:
    server = Server(*answers)

    async def work() -> None:
        async with outbox(site, server.place) as made:
            await post(made, site, "SW-000001")
            await until("it is forgotten", lambda: server.tries == tries and not waiting(site))

    asyncio.run(work())
    server.stop()
    assert [warning for warning, _about in site.log.warnings] == warnings


@pytest.mark.e2e
def test_while_nobody_takes_it_it_waits_in_the_file_and_a_new_start_tries_again(site: Site) -> None:
    port = free_port()

    async def work() -> None:
        async with outbox(site, f"127.0.0.1:{port}") as made:
            await post(made, site, "SW-000001")
            await until("it failed once", lambda: site.log.about("notice-late"))
        assert waiting(site) == 1
        server = Server()
        async with outbox(site, server.place) as made:
            made.post_again({"id": "SW-000001", "account": "eve", "recipient": "eve@x", "message": "hi"})
            await until("it is taken and forgotten", lambda: server.taken and not waiting(site))
        server.stop()

    asyncio.run(work())


@pytest.mark.e2e
@pytest.mark.parametrize(
    "recipient", ["ü@example.org", "b\udcff@example.org", "a@b\r\nRCPT TO:<c@d>", ""], ids=ascii
)
def test_an_address_that_cannot_be_said_in_smtp_is_given_up_and_told(recipient: str) -> None:
    server = Server()

    with pytest.raises(NotTaken) as refused:
        asyncio.run(hand_over(server.place, recipient, TEXT))

    server.stop()
    assert refused.value.final
    assert server.taken == []


@pytest.mark.e2e
def test_a_flood_of_notices_takes_few_connections(site: Site) -> None:
    server = Server()
    names = [f"SW-{n:06}" for n in range(4 * AT_ONCE)]

    async def work() -> None:
        async with outbox(site, server.place) as made:
            await post(made, site, *names)
            await until("all are taken", lambda: len(server.taken) == len(names))

    asyncio.run(work())
    server.stop()
    assert 1 < server.most_open <= AT_ONCE


@pytest.mark.e2e
def test_what_is_beyond_the_limit_is_told_and_forgotten(site: Site) -> None:
    server = Server()

    async def work() -> None:
        async with outbox(site, server.place, per_account=2) as made:
            await post(made, site, *(f"SW-{n:06}" for n in range(5)))
            await until("two are taken", lambda: len(server.taken) == 2 and not waiting(site))

    asyncio.run(work())
    server.stop()
    assert site.log.about("notice-limited") == ["eve"] * 3


@pytest.mark.parametrize(
    ("takes", "allowed"),
    [
        pytest.param([("eve", 0)] * 4, [True, True, True, False], id="too many to one account"),
        pytest.param([(f"a{n}", 0) for n in range(6)], [True] * 5 + [False], id="too many in all"),
        pytest.param([*[("eve", 0)] * 4, ("bob", 0)], [True] * 3 + [False, True], id="others are not hurt"),
        pytest.param([*[("eve", 0)] * 3, ("eve", HOUR_S)], [True] * 4, id="an hour later there is room"),
        pytest.param(
            [*[("eve", 0)] * 3, ("eve", HOUR_S - 1)], [True] * 3 + [False], id="not a second before"
        ),
    ],
)
def test_notices_are_limited_by_the_hour(takes: list[tuple[str, float]], allowed: list[bool]) -> None:
    rate = RateOfNotices(per_account=3, in_all=5)

    assert [rate.take(account, START + after) for account, after in takes] == allowed
