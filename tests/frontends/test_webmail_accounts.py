"""Mail of a webmail without SMTP AUTH: its account is known at its end, and is the one that counts."""

import asyncio
from collections.abc import Coroutine
from itertools import chain
from pathlib import Path

import pytest

from sendwarden.wire.milter.commands import (
    Abort,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Rcpt,
)
from sendwarden.wire.milter.replies import Answer, ChangeHeader, Reply, ReplyCode
from tests.frontends.around import Ground, fields_of
from tests.frontends.mailserver import OFFER, login, opened
from tests.frontends.test_policy_limits import Asked, request

HOST, ELSEWHERE = "192.0.2.80", "198.51.100.7"
SETTINGS = """
[site]
domains = ["example.org"]
internal = ["192.0.2.0/24"]
webmail = ["192.0.2.80"]
[webmail]
account = ["header", "received"]
[[limits]]
name = "webmail"
recipients = "3/10m"
"""
FIELD = "X-Authenticated-User"
ROUNDCUBE = "from {} by h with HTTP (HTTP/1.1 POST); Tue, 24 Nov 2026 18:40:00 +0000"


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def message(*headers: tuple[str, str], sender: str = "eve@example.org") -> list[Command]:
    commands: list[Command] = [Mail(f"<{sender}>"), Rcpt("<v@victim.example>"), Data()]
    return [*commands, *(Header(*one) for one in headers), EndOfHeaders(), EndOfMessage()]


class Session:
    """A milter session of one client, which sends messages with the headers given."""

    def __init__(self, ground: Ground, client: str = HOST) -> None:
        self._peer = ground.milter()
        self._client = client
        self._number = 0

    async def send(
        self, *headers: tuple[str, str], sender: str = "eve@example.org", before: Macros | None = None
    ) -> list[Reply]:
        if not self._number:
            await self._peer.ask(OFFER)
            await self._peer.ask(Connect("h", "4", 25, self._client), Helo("h"))
            self._peer.replies()
        self._number += 1
        macros = before or Macros("M", (("i", f"Q{self._client}{self._number}"),))
        return await self._peer.ask(macros, *message(*headers, sender=sender))


def codes(replies: list[list[Reply]]) -> list[int]:
    return [one.code if isinstance(one, ReplyCode) else 250 for (*_, one) in replies]


def accounts_of(ground: Ground) -> set[str]:
    """Who was counted."""
    every = chain.from_iterable(ground.limiter.table.slices(100))
    return {account for _channel, account, _meter in every}


def test_each_user_of_the_webmail_has_a_meter_of_his_own(tmp_path: Path) -> None:
    ground = Ground(tmp_path, SETTINGS)

    async def work() -> None:
        web = Session(ground)
        assert codes([await web.send((FIELD, "eve")) for _ in range(5)]) == [250] * 3 + [450] * 2
        assert codes([await web.send((FIELD, "BOB")) for _ in range(4)]) == [250] * 3 + [450]
        accounts = accounts_of(ground)
        assert accounts == {"eve", "bob"}, "and the host's was not charged"
        said = fields_of(ground.log, "message")[0]
        assert (said["login"], said["login_from"], said["client"]) == ("eve", FIELD, HOST)

    run(work())


def test_where_only_an_address_is_known_each_browser_has_a_meter(tmp_path: Path) -> None:
    ground = Ground(tmp_path, SETTINGS)

    async def work() -> None:
        web = Session(ground)
        for browser in ("198.51.100.1", "198.51.100.2"):
            line = ("Received", ROUNDCUBE.format(browser))
            assert codes([await web.send(line) for _ in range(4)]) == [250] * 3 + [450]
        assert accounts_of(ground) == {"[198.51.100.1]", "[198.51.100.2]"}

    run(work())


def test_what_names_nobody_is_the_hosts_own(tmp_path: Path) -> None:
    ground = Ground(tmp_path, SETTINGS)

    async def work() -> None:
        web = Session(ground)
        assert codes([await web.send(("Subject", "x")) for _ in range(4)]) == [250] * 3 + [450]
        assert codes([await web.send((FIELD, "eve"))]) == [250]

    run(work())


def test_what_others_write_is_not_believed(tmp_path: Path) -> None:
    ground = Ground(tmp_path, SETTINGS)

    async def work() -> None:
        assert codes([await Session(ground, ELSEWHERE).send((FIELD, "eve")) for _ in range(5)]) == [250] * 5
        authenticated = [login("bob", queue_id=f"B{number}") for number in range(4)]
        said = [await Session(ground).send((FIELD, "eve"), before=macros) for macros in authenticated]
        assert codes(said) == [250] * 3 + [450]
        assert accounts_of(ground) == {"bob"}

    run(work())


def test_a_message_of_two_accounts_is_refused(tmp_path: Path) -> None:
    ground = Ground(tmp_path, SETTINGS)

    async def work() -> None:
        (refused,) = await Session(ground).send((FIELD, "eve"), (FIELD, "bob"))
        assert isinstance(refused, ReplyCode) and refused.code == 550
        assert "several accounts for one message: eve, bob" in str(refused)
        assert not accounts_of(ground)

    run(work())


@pytest.mark.parametrize(("client", "account"), [(HOST, "eve"), (ELSEWHERE, "")])
@pytest.mark.parametrize("remove", ["never", "foreign", "always"])
def test_the_field_is_taken_out_as_it_is_set(tmp_path: Path, client: str, account: str, remove: str) -> None:
    ground = Ground(tmp_path, SETTINGS.replace("[[limits]]", f'remove = "{remove}"\n[[limits]]'))

    async def work() -> None:
        replies = await Session(ground, client).send((FIELD, "eve"), ("Subject", "x"), (FIELD.lower(), "eve"))
        gone = remove == "always" or (remove == "foreign" and not account)
        expected: list[Reply] = [ChangeHeader(2, FIELD.lower(), ""), ChangeHeader(1, FIELD, "")]
        assert replies == [*(expected if gone else []), Answer.CONTINUE]

    run(work())


def test_envelope_and_header_are_compared_with_the_account_that_the_webmail_names(tmp_path: Path) -> None:
    compared = 'senders = "own"\nheader_from = "own"\n[senders]\nevery_domain = true\n'
    ground = Ground(tmp_path, f'{SETTINGS}[[channel]]\nname = "webmail"\n{compared}')

    async def work() -> None:
        web = Session(ground)
        own, foreign = ("From", "eve@example.org"), ("From", "boss@example.org")
        assert codes([await web.send((FIELD, "eve"), own)]) == [250]
        assert codes([await web.send((FIELD, "eve"), own, sender="boss@example.org")]) == [550]
        assert codes([await web.send((FIELD, "eve"), foreign)]) == [550]
        assert {one["account"] for one in fields_of(ground.log, "sender-mismatch")} == {"eve"}

    run(work())


def test_a_filter_sees_the_account_that_the_webmail_names(tmp_path: Path) -> None:
    channel = '[[channel]]\nname = "webmail"\nenvelope_from = "account"\nsourcefilter = "of.sieve"\n'
    (tmp_path / "of.sieve").write_text(
        'require ["envelope", "reject"]; if envelope :is "from" "eve" { reject "not eve"; }'
    )
    ground = Ground(tmp_path, SETTINGS + channel)

    async def work() -> None:
        web = Session(ground)
        said = [await web.send((FIELD, name), sender="boss@example.org") for name in ("Eve+1", "bob")]
        assert codes(said) == [550, 250]

    run(work())


@pytest.mark.parametrize("mode", ["watch", "enforce"])
def test_while_only_watching_what_the_webmail_names_counts_and_nothing_is_touched(
    tmp_path: Path, mode: str
) -> None:
    """Watching as a site, or on the channel alone."""
    settings = SETTINGS.replace("[[limits]]", 'remove = "always"\n[[limits]]')
    watching = '[[channel]]\nname = "webmail"\nmode = "watch"\nlimits = "webmail"\n' * (mode == "enforce")
    ground = Ground(tmp_path, settings + watching, mode=mode)

    async def work() -> None:
        web = Session(ground)
        for _ in range(5):
            assert await web.send((FIELD, "eve")) == [Answer.CONTINUE]
        assert await web.send((FIELD, "eve"), (FIELD, "bob")) == [Answer.CONTINUE]
        over = fields_of(ground.log, "decision")
        assert [(one["account"], one["watched"]) for one in over[:2]] == [("eve", True)] * 2

    run(work())


@pytest.mark.parametrize("quick", [True, False])
def test_the_policy_service_charges_nobody_for_what_its_message_will_say(tmp_path: Path, quick: bool) -> None:
    asked = Asked(tmp_path, quick=quick, settings=SETTINGS)

    async def work() -> None:
        for number in range(9):
            name = f"{number}.a"
            for state in ("RCPT", "END-OF-MESSAGE"):
                assert await asked.ask(_policy(name, state)) == "DUNNO"
        assert asked.sums() == []
        for number in range(4):
            await asked.ask(_policy(f"{number}.b", "RCPT", login="eve"))
        assert [account for _channel, account, _sums in asked.sums()] == ["eve"]

    run(work())


def test_without_a_milter_the_policy_service_charges_the_host(tmp_path: Path) -> None:
    asked = Asked(tmp_path, quick=True, settings=SETTINGS + "[listen]\nmilter = []\n")

    async def work() -> None:
        said = [await asked.ask(_policy(f"{number}.a", "RCPT")) for number in range(4)]
        assert said == ["DUNNO"] * 3 + ["450"]

    run(work())


@pytest.mark.parametrize("ends", [False, True])
def test_what_was_given_up_before_our_end_comes_back(tmp_path: Path, ends: bool) -> None:
    asked = Asked(tmp_path, quick=True, settings=SETTINGS)

    async def work() -> None:
        for state in ("RCPT", "END-OF-MESSAGE"):
            await asked.ask(_policy("1.a", state, "eve", "192.0.2.7"))
        peer = await opened(asked.ground)
        macros = login("eve", queue_id="Q1.a")
        commands = message()
        await peer.ask(macros, *(commands if ends else commands[:-1]))
        await peer.ask(Abort())
        ((_channel, _account, sums),) = asked.sums()
        assert sums[0][:2] == ([1, 1] if ends else [0, 0])

    run(work())


def _policy(instance: str, state: str, login: str = "", client: str = HOST) -> bytes:
    count = 0 if state == "RCPT" else 1
    return request(instance, state, login, count, address=client, queue_id=f"Q{instance}" if count else "")
