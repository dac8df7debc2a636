"""Access tables by the frontends: what is negotiated, each step's answer, and what waits for the end."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from sendwarden.service.milter_terms import ACCESS_ACTIONS, ACTIONS, unwanted_steps
from sendwarden.wire.milter.commands import (
    Command,
    Connect,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    QuitNewConnection,
    Rcpt,
)
from sendwarden.wire.milter.flags import Action, MacroStage, Step
from sendwarden.wire.milter.replies import (
    AddHeader,
    Answer,
    ChangeHeader,
    ChangeSender,
    DeleteRecipient,
    Reply,
    ReplyCode,
)
from sendwarden.wire.policy import decode_reply, encode_request
from tests.frontends.around import Ground, MilterPeer, fields_of
from tests.frontends.mailserver import ALL_STEPS, OFFER, kinds, login

SETTINGS = """
[site]
domains = ["example.org"]
[[channel]]
name = "marked"
macros = {{ "{{port_access}}" = "MARKED", "{{daemon_name}}" = "x" }}
[[channel]]
name = "all"
mta_channel = "tcp_all"
[access]
frontends = "{}"
"""
TABLES = {
    "PORT_ACCESS": "  TCP|*|*|192.0.2.66|*  $NNot$ from$ here\n  TCP|*|*|192.0.2.68|*  $YMARKED\n",
    "FROM_ACCESS": "  *|no@*|*  $X5.7.8|$NNot$ as$ $1\n  *|header@*|*  $AX-Trust:$ low\n  *|held@*|*  $H\n"
    "  *|slow@*|*  $D1\n  *|slower@*|*  $D-1\n  *|new@*|*  n@example.org|s@example.org|$J$K\n"
    "  *|marked|*  $NMarked\n",
    "MAIL_ACCESS": "  *|no@x.example  $X4.2.1|$NNot$ now\n  *|bucket@*  $B\n  *|all@*  $V\n",
    "AUTH_REWRITE": "  *|*|boss@*|*  $NNot$ yours\n  *|*|*|*  $3@example.org|$Y\n",
}
FROM, MAIL, PORT, REWRITE = "FROM_ACCESS", "MAIL_ACCESS", "PORT_ACCESS", "AUTH_REWRITE"


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def ground_of(folder: Path, *tables: str, frontends: str = "milter", mode: str = "enforce") -> Ground:
    text = "\n".join(f"{name}\n\n{TABLES[name]}" for name in tables)
    (folder / "mappings").write_text(text)
    return Ground(folder, SETTINGS.format(frontends), mode=mode)


# --- what is negotiated

LEFT_OUT = (Step.NR_CONNECT, Step.NR_MAIL, Step.NR_RCPT, Step.NO_HEADERS)


@pytest.mark.parametrize(
    ("tables", "needed"),
    [
        ((), ()),
        ((PORT,), (Step.NR_CONNECT,)),
        ((FROM,), (Step.NR_MAIL,)),
        ((MAIL,), (Step.NR_RCPT,)),
        ((REWRITE,), (Step.NO_HEADERS,)),
        ((PORT, FROM, MAIL, REWRITE), LEFT_OUT),
    ],
)
def test_a_step_is_left_in_where_a_table_needs_it(
    tmp_path: Path, tables: tuple[str, ...], needed: tuple[Step, ...]
) -> None:
    steps = unwanted_steps(ground_of(tmp_path, *tables).judge().site)

    assert [step for step in LEFT_OUT if not steps & step] == list(needed)


def test_policy_alone_leaves_the_milter_as_it_was(tmp_path: Path) -> None:
    steps = unwanted_steps(ground_of(tmp_path, PORT, FROM, MAIL, REWRITE, frontends="policy").judge().site)

    assert all(steps & step for step in LEFT_OUT)


def test_macros_of_the_connection_are_asked_for_with_those_of_conditions(tmp_path: Path) -> None:
    peer = ground_of(tmp_path, FROM).milter()

    peer.command(OFFER)

    (agreed,) = peer.replies()
    assert isinstance(agreed, Negotiate) and agreed.actions == ACTIONS | ACCESS_ACTIONS | Action.SET_MACROS
    ((stage, names),) = agreed.macros
    assert stage is MacroStage.CONNECT and {"{daemon_port}", "{client_port}", "{daemon_name}"} <= {
        *names.split()
    }
    assert "port_access" not in names


def test_an_old_mail_server_is_served_without_the_changes_it_does_not_know(tmp_path: Path) -> None:
    async def work() -> None:
        peer = ground_of(tmp_path, FROM).milter()
        (agreed,) = await peer.ask(Negotiate(2, ACTIONS, ALL_STEPS))
        assert agreed == Negotiate(2, ACTIONS, agreed.steps)  # type: ignore[union-attr]
        await peer.ask(*client())
        assert await send(peer, "new@example.org") == [[Answer.CONTINUE], [], [Answer.CONTINUE]]

    run(work())


# --- a session by milter


def client(address: str = "192.0.2.7") -> list[Command]:
    pairs = (("{daemon_name}", "x"), ("{daemon_addr}", "192.0.2.1"), ("{daemon_port}", "25"))
    return [Macros("C", pairs), Connect("client", "4", 5000, address), Helo("client.example.org")]


async def opened(ground: Ground) -> MilterPeer:
    peer = ground.milter()
    await peer.ask(OFFER)
    return peer


async def send(
    peer: MilterPeer, sender: str, *recipients: str, header: str = "x@y.example"
) -> list[list[Reply]]:
    """One message: the replies to MAIL, to all RCPT together, and at its end."""
    at_mail = await peer.ask(login("eve"), Mail(f"<{sender}>"))
    if at_mail and at_mail[0] is not Answer.CONTINUE:
        return [at_mail]
    at_rcpt: list[Reply] = []
    for recipient in recipients or ("v@x.example",):
        at_rcpt += await peer.ask(Rcpt(f"<{recipient}>"))
    return [at_mail, at_rcpt, await peer.ask(Header("From", header), EndOfMessage())]


def test_a_refused_connection_is_answered_and_the_next_client_is_another(tmp_path: Path) -> None:
    ground = ground_of(tmp_path, PORT)

    async def work() -> None:
        peer = await opened(ground)
        (reply,) = await peer.ask(*client("192.0.2.66"))
        assert isinstance(reply, ReplyCode) and (reply.code, reply.enhanced) == (554, "5.7.1")
        assert "Not from here" in reply.lines[0]
        assert await peer.ask(QuitNewConnection(), *client()) == [Answer.CONTINUE]
        assert ground.ledger.records[0]["stage"] == "connect"
        assert "TCP|192.0.2.1|25|192.0.2.66|5000" in str(ground.ledger.records[0]["reasons"])

    run(work())


def test_the_tag_of_a_connection_chooses_a_channel_until_the_client_goes(tmp_path: Path) -> None:
    async def work() -> None:
        peer = await opened(ground_of(tmp_path, PORT, FROM))
        await peer.ask(*client("192.0.2.68"))
        for _ in range(2):
            assert kinds(await peer.ask(login("eve"), Mail("<eve@example.org>"))) == [550]
        await peer.ask(QuitNewConnection(), *client())
        assert await peer.ask(login("eve"), Mail("<eve@example.org>")) == [Answer.CONTINUE]

    run(work())


def test_a_sender_is_refused_at_mail_and_the_next_message_is_not(tmp_path: Path) -> None:
    async def work() -> None:
        peer = await opened(ground_of(tmp_path, FROM))
        await peer.ask(*client())
        ((reply,),) = await send(peer, "no@example.org")
        assert isinstance(reply, ReplyCode) and (reply.code, reply.enhanced) == (550, "5.7.8")
        assert kinds([reply]) == [550]
        assert await send(peer, "eve@example.org") == [[Answer.CONTINUE], [], [Answer.CONTINUE]]

    run(work())


@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_a_recipient_is_refused_alone(tmp_path: Path, mode: str) -> None:
    ground = ground_of(tmp_path, MAIL, mode=mode)

    async def work() -> None:
        peer = await opened(ground)
        await peer.ask(*client())
        replies = await send(peer, "eve@example.org", "a@x.example", "no@x.example", "b@x.example")
        refused: object = 450 if mode == "enforce" else Answer.CONTINUE
        assert kinds(replies[1]) == [Answer.CONTINUE, refused, Answer.CONTINUE]
        assert replies[2] == [Answer.CONTINUE]
        (event,) = fields_of(ground.log, "message")
        left = (
            ["a@x.example", "b@x.example"]
            if mode == "enforce"
            else ["a@x.example", "no@x.example", "b@x.example"]
        )
        assert event["recipients"] == left

    run(work())


# Sender and recipients -> replies at the end of the message.
AT_END: dict[str, tuple[str, tuple[str, ...], list[Reply | str]]] = {
    "a header": ("header@x", ("a@x",), [AddHeader("X-Trust", "low"), Answer.CONTINUE]),
    "a hold": ("held@x", ("a@x",), ["Quarantine", Answer.CONTINUE]),
    "one to the bucket": ("e@x", ("a@x", "bucket@x"), [DeleteRecipient("<bucket@x>"), Answer.CONTINUE]),
    "all to the bucket": ("e@x", ("bucket@x", "bucket@y"), [Answer.DISCARD]),
    "all by one": ("e@x", ("a@x", "all@x"), [Answer.DISCARD]),
    "another sender": (
        "new@x",
        ("a@x",),
        [ChangeHeader(1, "Sender", "s@example.org"), ChangeSender("<n@example.org>"), Answer.CONTINUE],
    ),
    "nothing": ("e@x", ("a@x",), [Answer.CONTINUE]),
}


@pytest.mark.parametrize("case", AT_END)
@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_what_only_the_end_can_do_waits_for_it(tmp_path: Path, case: str, mode: str) -> None:
    ground = ground_of(tmp_path, FROM, MAIL, mode=mode)
    sender, recipients, expected = AT_END[case]

    async def work() -> None:
        peer = await opened(ground)
        await peer.ask(*client())
        at_mail, at_rcpt, at_end = await send(peer, sender, *recipients)
        assert at_mail == [Answer.CONTINUE] and at_rcpt == [Answer.CONTINUE] * len(recipients)
        found = ["Quarantine" if type(one).__name__ == "Quarantine" else one for one in at_end]
        assert found == (expected if mode == "enforce" else [Answer.CONTINUE])
        kept = case in ("a hold", "one to the bucket", "all to the bucket", "all by one")
        assert len(ground.ledger.records) == kept
        assert await send(peer, "e@x", "a@x") == [[Answer.CONTINUE], [Answer.CONTINUE], [Answer.CONTINUE]]

    run(work())


def test_auth_rewrite_sees_the_header(tmp_path: Path) -> None:
    async def work() -> None:
        peer = await opened(ground_of(tmp_path, REWRITE))
        await peer.ask(*client())
        *_steps, at_end = await send(peer, "e@x", "a@x")
        assert at_end == [ChangeHeader(1, "Sender", "eve@example.org"), Answer.CONTINUE]
        *_steps, at_end = await send(peer, "e@x", "a@x", header="The <boss@y>")
        assert kinds(at_end) == [550]

    run(work())


def test_a_delay_comes_before_the_answer_and_a_lasting_one_before_the_later_ones(tmp_path: Path) -> None:
    async def work() -> None:
        peer = await opened(ground_of(tmp_path, FROM))
        await peer.ask(*client())
        for sender, later in (("slow@x", True), ("slower@x", False)):
            peer.command(login("eve"), Mail(f"<{sender}>"))
            assert peer.connection.answering is not None and not peer.replies()
            await peer.answered()
            assert peer.replies() == [Answer.CONTINUE]
            peer.command(Rcpt("<a@x>"), EndOfMessage())
            assert (peer.connection.answering is not None) is later
            await peer.answered()
            assert peer.replies() == [Answer.CONTINUE]

    run(work())


# --- by policy


def asked(ground: Ground, state: str, sender: str = "e@x", recipient: str = "", **more: str) -> bytes:
    attributes = {
        "protocol_state": state,
        "client_address": "192.0.2.7",
        "client_port": "5000",
        "sender": sender,
        "recipient": recipient,
        "instance": "i1",
        **more,
    }
    del ground
    return encode_request(attributes)


# Sender, recipient -> action and text of the reply at RCPT.
BY_POLICY: dict[tuple[str, str], tuple[str, str]] = {
    ("e@x", "a@x"): ("DUNNO", ""),
    ("no@example.org", "a@x"): ("550", "5.7.8 Not as example.org"),
    ("e@x", "no@x.example"): ("450", "4.2.1 Not now"),
    ("header@x", "a@x"): ("PREPEND", "X-Trust: low"),
    ("held@x", "a@x"): ("HOLD", "table FROM_ACCESS"),
    ("e@x", "all@x"): ("DISCARD", "table MAIL_ACCESS"),
    ("e@x", "bucket@x"): ("DUNNO", ""),
    ("new@x", "a@x"): ("DUNNO", ""),
    ("slower@x", "a@x"): ("DUNNO", ""),
}


@pytest.mark.parametrize(("sender", "recipient"), BY_POLICY)
@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_a_policy_reply_says_what_it_can(tmp_path: Path, sender: str, recipient: str, mode: str) -> None:
    ground = ground_of(tmp_path, FROM, MAIL, frontends="policy", mode=mode)
    action, text = BY_POLICY[sender, recipient]

    async def work() -> None:
        peer = ground.policy()
        peer.say(asked(ground, "RCPT", sender, recipient))
        await peer.answered()
        said = decode_reply(peer.heard())
        if mode == "watch":
            assert said == ("DUNNO", "")
            assert bool(ground.ledger.records) is (action in ("550", "450", "HOLD", "DISCARD"))
        else:
            assert said[0] == action and said[1].startswith(text)
            unsaid = sender == "new@x" or recipient == "bucket@x"
            assert bool(ground.log.about("access-by-policy")) is unsaid

    run(work())


def test_a_refused_sender_is_kept_once_for_all_recipients(tmp_path: Path) -> None:
    ground = ground_of(tmp_path, FROM, frontends="policy")

    async def work() -> None:
        peer = ground.policy()
        replies = []
        for recipient in ("a@x", "b@x"):
            peer.say(asked(ground, "RCPT", "no@x", recipient))
            await peer.answered()
            replies.append(peer.heard())
        assert replies[0] == replies[1] and len(ground.ledger.records) == 1

    run(work())


@pytest.mark.parametrize("state", ["CONNECT", "MAIL", "RCPT"])
def test_a_refused_client_is_refused_at_whatever_step_it_is_asked(tmp_path: Path, state: str) -> None:
    ground = ground_of(tmp_path, PORT, frontends="policy")

    async def work() -> None:
        peer = ground.policy()
        peer.say(
            asked(ground, state, client_address="192.0.2.66", recipient="a@x" if state == "RCPT" else "")
        )
        await peer.answered()
        assert decode_reply(peer.heard())[0] == "554"

    run(work())


@pytest.mark.parametrize("frontends", ["milter", "policy"])
def test_a_sender_that_is_not_the_accounts_own_is_refused_before_any_table(
    tmp_path: Path, frontends: str
) -> None:
    (tmp_path / "mappings").write_text(f"FROM_ACCESS\n\n{TABLES[FROM]}")
    own = '[[channel]]\nname = "all"\nsenders = "own"\n'
    ground = Ground(tmp_path, f'{own}[access]\nfrontends = "{frontends}"\n', mode="watch")

    async def work() -> None:
        peer = ground.policy()
        peer.say(asked(ground, "MAIL", "held@x", sasl_username="eve"))
        await peer.answered()
        assert decode_reply(peer.heard()) == ("DUNNO", "")
        by_policy = len(ground.ledger.records)
        assert by_policy == (2 if frontends == "policy" else 1)  # watched: the table is asked too
        milter = await opened(ground)
        await milter.ask(*client())
        assert await milter.ask(login("eve"), Mail("<no@x>")) == [Answer.CONTINUE]
        assert len(ground.ledger.records) - by_policy == (2 if frontends == "milter" else 1)

    run(work())
