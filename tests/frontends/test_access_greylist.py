"""Access tables that ask greylisting, by milter and policy: each step waits, and nothing counts twice."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from sendwarden.engine.meters.keys import NothingThere
from sendwarden.engine.world import GreylistCall
from sendwarden.service.ports import AskLater, Known
from sendwarden.wire.milter.commands import Connect, Mail, Rcpt
from sendwarden.wire.milter.replies import Answer
from sendwarden.wire.policy import decode_reply, encode_request
from tests.frontends.around import Ground
from tests.frontends.mailserver import OFFER, kinds, login
from tests.stores.around import until

# At each of the three steps one table counts, and then one asks greylisting about what it is told.
COUNT = "  *  $C$[IMTA_LIB:check_metermaid.so,adjust,c,{},+1]$<counted$E\n"
ASK = "  *  $C$[IMTA_LIB:grosscheck.so,grosscheck,127.0.0.1,,5525,192.0.2.7,{},s,]$E\n"
TABLES = f"""
PORT_ACCESS

{ASK.format("connect")}
FROM_ACCESS

{ASK.format("mail")}
ORIG_SEND_ACCESS

{COUNT.format("rcpt")}
SEND_ACCESS

{ASK.format("rcpt")}
"""
METER = "metermaid.table.c.type = simple\nmetermaid.table.c.value_type = integer\n"
CHANNEL = '[[channel]]\nname = "all"\n[access]\nfrontends = "{}"\n'
GREY = "$X4.4.3|$NPlease$ try$ again$ later"
Asked = list[str]


def ground(
    folder: Path, frontend: str, answer: Callable[[GreylistCall], Known | AskLater]
) -> tuple[Ground, Asked]:
    asked: Asked = []

    def greylist(call: GreylistCall, _account: str) -> Known | AskLater:
        asked.append(call.recipient)
        return answer(call)

    (folder / "mappings").write_text(TABLES)
    (folder / "metermaid.options").write_text(METER)
    return Ground(folder, CHANNEL.format(frontend), greylist=greylist), asked


def later(known: Known) -> AskLater:
    async def ask() -> Known:
        await asyncio.sleep(0)
        return known

    return ask


def counted(site: Ground) -> int:
    """What the table counted."""
    with suppress(NothingThere):
        return int(site.judge()._meters.fetch("c", "rcpt"))  # noqa: SLF001 - there is no other way to see it
    return 0


def events(site: Ground) -> int:
    return sum(kind == "access" for kind, _ in site.log.events)


def asking(recipient: str) -> bytes:
    return encode_request(
        {
            "request": "smtpd_access_policy",
            "protocol_state": "RCPT",
            "client_address": "192.0.2.7",
            "client_port": "5000",
            "instance": "i1",
            "sender": "a@x",
            "recipient": recipient,
        }
    )


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def refusing(step: str, *, at_once: bool) -> Callable[[GreylistCall], Known | AskLater]:
    def answer(call: GreylistCall) -> Known | AskLater:
        known = Known(GREY if call.recipient == step else "$Y")
        return known if at_once else later(known)

    return answer


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("step", ["connect", "mail", "rcpt", "none"])
def test_by_milter_each_step_waits_for_its_answer(step: str, at_once: bool, tmp_path: Path) -> None:
    async def work() -> None:
        site, asked = ground(tmp_path, "milter", refusing(step, at_once=at_once))
        peer = site.milter()
        await peer.ask(OFFER)
        said = []
        for command in (Connect("mx", "4", 25, "192.0.2.7"), Mail("<a@x>"), Rcpt("<v@y>"), Rcpt("<w@y>")):
            said += kinds(await peer.ask(login("eve"), command))
            if said[-1] != Answer.CONTINUE:
                break
        steps = ["connect", "mail", "rcpt", "rcpt"]
        refused_at = steps.index(step) if step in steps else len(steps)
        assert asked == steps[: refused_at + 1]
        code = 421 if step == "connect" else 450
        assert said == [Answer.CONTINUE] * refused_at + [code] * (refused_at < len(steps))
        assert counted(site) == events(site) == max(0, len(asked) - 2)

    run(work())


@pytest.mark.parametrize("at_once", [True, False])
def test_by_policy_all_steps_are_asked_in_their_order_once(at_once: bool, tmp_path: Path) -> None:
    async def work() -> None:
        site, asked = ground(tmp_path, "policy", refusing("none", at_once=at_once))
        peer = site.policy()
        for number in range(2):
            peer.say(asking(f"v{number}@y"))
        await until("both are answered", lambda: peer.transport.written.count(b"\n\n") == 2)
        assert asked == ["connect", "mail", "rcpt", "rcpt"]
        assert counted(site) == events(site) == 2

    run(work())


def test_by_policy_who_has_to_wait_hears_it(tmp_path: Path) -> None:
    async def work() -> None:
        site, _ = ground(tmp_path, "policy", refusing("rcpt", at_once=False))
        peer = site.policy()
        peer.say(asking("v@y"))
        await until("it is answered", lambda: peer.transport.written.endswith(b"\n\n"))
        action, text = decode_reply(bytes(peer.transport.written))
        assert action == "450" and text.startswith("4.4.3 Please try again later [SW-")

    run(work())


def test_the_table_of_the_documentation_asks_about_client_recipient_and_sender(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "greylisting.md").read_text()
    start = page.index("    ORIG_MAIL_ACCESS")
    table = dedent(page[start : page.index("\n\n", page.index("IMTA_LIB", start))])
    for name, value in {"SERVER1": "127.0.0.1", "SERVER2": "", "PORT": "5525"}.items():
        table = table.replace(f",{name}", f",{value}")
    calls: list[GreylistCall] = []

    def greylist(call: GreylistCall, _account: str) -> Known:
        calls.append(call)
        return Known(GREY)

    (tmp_path / "mappings").write_text(f"{table}\n")
    channel = CHANNEL.format("policy").replace('"all"', '"all"\nmta_channel = "tcp_local"')

    async def work() -> None:
        peer = Ground(tmp_path, channel, greylist=greylist).policy()
        peer.say(asking("v@y"))
        await peer.answered()

    run(work())
    (call,) = calls
    assert (call.client_address, call.recipient, call.sender, call.helo) == ("192.0.2.7", "v@y", "a@x", None)


def test_whom_nobody_answers_passes(tmp_path: Path) -> None:
    async def work() -> None:
        site, asked = ground(tmp_path, "milter", lambda _call: later(Known(None)))
        peer = site.milter()
        await peer.ask(OFFER)
        assert kinds(await peer.ask(Connect("mx", "4", 25, "192.0.2.7"))) == [Answer.CONTINUE]
        assert asked == ["connect"]

    run(work())
