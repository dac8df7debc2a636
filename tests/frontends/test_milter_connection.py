"""frontends.milter: a message gets its changes and then one answer, whoever it is from and whatever comes."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from sendwarden.frontends.milter import ENTRY_BYTES, ENVELOPE_BYTES
from sendwarden.service.judge import MOST_HEADERS
from sendwarden.wire.milter.commands import (
    Abort,
    Command,
    Connect,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    QuitNewConnection,
    Rcpt,
)
from sendwarden.wire.milter.replies import (
    AddHeader,
    Answer,
    DeleteRecipient,
    ReplyCode,
)
from tests.frontends.around import FILTERED, HEADER_OWN, OWN, Ground, fields_of
from tests.frontends.mailserver import CLIENT, NOTHING, OFFER, kinds, login, message, opened

# A filter for clients without a login: what it refuses would be backscatter, so that it is held.
UNAUTHENTICATED = (
    '[[channel]]\nname = "all"\nlogin = false\nnetworks = ["192.0.2.0/24"]\nsourcefilter = "do.sieve"\n'
)


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path, FILTERED)


# --- what becomes of a message

MIXED = ("v@victim.example", "no@victim.example", "gone@victim.example")


@pytest.mark.parametrize(
    ("do", "replies"),
    [
        pytest.param("", [Answer.CONTINUE], id="nothing"),
        pytest.param("refuse", [550], id="refuse"),
        pytest.param("hold", ["Quarantine", Answer.CONTINUE], id="hold: a quarantine, then continue"),
        pytest.param("discard", [Answer.DISCARD], id="discard"),
        pytest.param(
            "copy", [("AddRecipient", "<new@desk.example>"), Answer.CONTINUE], id="copy: one more recipient"
        ),
        pytest.param(
            "mixed",
            [
                ("DeleteRecipient", "<no@victim.example>"),
                ("DeleteRecipient", "<gone@victim.example>"),
                Answer.CONTINUE,
            ],
            id="mixed: some recipients fewer",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_a_message_gets_its_changes_and_then_one_answer(
    tmp_path: Path, do: str, replies: list[object], mode: str
) -> None:
    ground = Ground(tmp_path, FILTERED, mode=mode)

    async def work() -> None:
        peer = await opened(ground)
        found = await peer.ask(login("eve"), *message(do, recipients=MIXED))
        assert kinds(found) == (replies if mode == "enforce" else [Answer.CONTINUE])
        assert bool(ground.ledger.records) is bool(do)
        assert bool(fields_of(ground.log, "message")) is not bool(do)

    run(work())


# `foreign_sender` -> replies at the end of the message.
FOREIGN: dict[str, list[object]] = {
    "refuse": [550],
    "hold": ["Quarantine", Answer.CONTINUE],
    "tag": ["X-Sendwarden-Sender", Answer.CONTINUE],
    "allow": [Answer.CONTINUE],
}


@pytest.mark.parametrize("mode", ["enforce", "watch"])
@pytest.mark.parametrize("action", FOREIGN)
def test_a_foreign_from_is_refused_held_tagged_or_told_at_the_end(
    tmp_path: Path, action: str, mode: str
) -> None:
    ground = Ground(tmp_path, f'{HEADER_OWN}foreign_sender = "{action}"\n', mode=mode)

    async def work() -> None:
        peer = await opened(ground)
        own, foreign = Header("From", "eve"), Header("From", "The Boss\n <boss@example.org>")
        commands = message()
        assert kinds(await peer.ask(login("eve"), *commands[:3], own, *commands[4:])) == [Answer.CONTINUE]
        assert fields_of(ground.log, "sender-mismatch") == []
        replies = await peer.ask(login("eve"), *commands[:3], foreign, *commands[4:])
        assert kinds(replies) == (FOREIGN[action] if mode == "enforce" else [Answer.CONTINUE])
        (event,) = fields_of(ground.log, "sender-mismatch")
        assert (event["login"], event["sender"]) == ("eve", "eve@example.org")
        assert (event["header"], event["named"], event["reason"]) == (
            "From",
            "boss@example.org",
            "foreign-header",
        )
        assert [record["reference"] for record in ground.ledger.records] == (
            [] if action == "allow" else [event["reference"]]
        )
        if action == "tag" and mode == "enforce":
            assert replies[0] == AddHeader("X-Sendwarden-Sender", f"mismatch [{event['reference']}]")

    run(work())


@pytest.mark.parametrize("action", FOREIGN)
def test_a_foreign_envelope_sender_is_refused_at_mail_and_else_seen_to_at_the_end(
    tmp_path: Path, action: str
) -> None:
    ground = Ground(tmp_path, f'{OWN}foreign_sender = "{action}"\n')

    async def work() -> None:
        peer = await opened(ground)
        mail, *rest = [one for one in message(sender="boss@example.org") if not isinstance(one, Header)]
        at_mail = kinds(await peer.ask(login("eve"), mail))
        assert at_mail == ([550] if action == "refuse" else [Answer.CONTINUE])
        if action != "refuse":
            assert kinds(await peer.ask(*rest)) == FOREIGN[action]
        (event,) = fields_of(ground.log, "sender-mismatch")
        assert (event["header"], event["named"]) == ("envelope", "boss@example.org")

    run(work())


def test_who_has_no_login_is_held_and_never_refused(tmp_path: Path) -> None:
    ground = Ground(tmp_path, UNAUTHENTICATED)

    async def work() -> None:
        peer = await opened(ground)
        replies = await peer.ask(login("", ""), *message("refuse"))
        assert kinds(replies) == ["Quarantine", Answer.CONTINUE]

    run(work())


def test_a_refusal_carries_the_sites_words_and_a_reference_that_was_kept(ground: Ground) -> None:
    async def work() -> None:
        peer = await opened(ground)
        (reply,) = await peer.ask(login("eve"), *message("refuse"))
        assert isinstance(reply, ReplyCode) and (reply.code, reply.enhanced) == (550, "5.7.1")
        (record,) = ground.ledger.records
        assert reply.lines == (f"Not 100% here. [{record['reference']}]",)
        assert record["queue_id"] == "4XyZ"

    run(work())


def test_recipients_are_deleted_as_the_mail_server_wrote_them(ground: Ground) -> None:
    async def work() -> None:
        peer = await opened(ground)
        paths = ["<v@victim.example>", "<@relay.example:no@victim.example>", "no@victim.example"]
        replies = await peer.ask(
            login("eve"),
            Mail("<eve@example.org>"),
            *map(Rcpt, paths),
            Header("X-Do", "mixed"),
            EndOfMessage(),
        )
        assert replies == [*map(DeleteRecipient, paths[1:]), Answer.CONTINUE]

    run(work())


def test_no_answer_goes_out_before_it_is_durable_and_what_came_behind_waits(ground: Ground) -> None:
    async def work() -> None:
        ground.ledger.slow = True
        peer = await opened(ground)
        peer.command(login("eve"), *message("refuse"))
        assert not peer.transport.reading and not peer.connection.idle
        peer.command(login("eve"), *message())  # was on its way already
        assert peer.replies() == NOTHING
        ground.ledger.released.set()
        await peer.answered()
        await asyncio.sleep(0)
        assert kinds(peer.replies()) == [550, Answer.CONTINUE]
        assert peer.transport.reading

    run(work())


# --- several messages and clients over one connection


@pytest.mark.parametrize("between", [[], [Abort()]], ids=["no abort", "abort"])
def test_several_messages_are_each_judged_by_themselves(ground: Ground, between: list[Command]) -> None:
    async def work() -> None:
        peer = await opened(ground)
        for number, do in enumerate(["refuse", "", "discard", "", "refuse"]):
            macros = login("eve" if number % 2 else "bob", queue_id=f"4Xy{number}")
            replies = await peer.ask(macros, *message(do, sender=f"{number}@example.org"), *between)
            assert kinds(replies) == {"refuse": [550], "discard": [Answer.DISCARD], "": [Answer.CONTINUE]}[do]
        said = [*ground.ledger.records, *fields_of(ground.log, "message")]
        found = sorted((str(one["sender"]), str(one["login"]), str(one["queue_id"])) for one in said)
        assert found == [(f"{n}@example.org", "eve" if n % 2 else "bob", f"4Xy{n}") for n in range(5)]

    run(work())


def test_a_message_that_was_given_up_leaves_nothing_to_the_next(ground: Ground) -> None:
    async def work() -> None:
        peer = await opened(ground)
        await peer.ask(login("bob"), *message("refuse")[:-1], Abort())
        assert kinds(await peer.ask(Mail("<eve@example.org>"), Rcpt("<v@x.example>"), EndOfMessage())) == [
            Answer.CONTINUE
        ]
        (event,) = fields_of(ground.log, "message")
        assert event["recipients"] == ["v@x.example"] and "login" not in event

    run(work())


def test_a_new_client_over_the_same_connection_takes_nothing_over(ground: Ground) -> None:
    async def work() -> None:
        peer = await opened(ground)
        await peer.ask(login("bob", letter="C"), *message())
        await peer.ask(QuitNewConnection())
        await peer.ask(Connect("localhost", "L", 0, "/run/socket"), *message())
        first, second = fields_of(ground.log, "message")
        assert (first["client"], first["login"]) == ("192.0.2.7", "bob")
        assert "client" not in second and "login" not in second

    run(work())


# --- who it is


@pytest.mark.parametrize(
    ("macros", "external", "name"),
    [
        pytest.param({"{auth_type}": "PLAIN", "{auth_authen}": "eve"}, False, "eve", id="password"),
        pytest.param({"{auth_authen}": "eve"}, False, "", id="a name without how it was proved"),
        pytest.param({"{auth_type}": "", "{auth_authen}": "eve"}, True, "", id="an empty proof"),
        pytest.param({"{auth_type}": "PLAIN"}, False, "", id="a proof without a name"),
        pytest.param({"{auth_type}": "EXTERNAL", "{auth_authen}": "eve"}, False, "", id="a certificate"),
        pytest.param({"{auth_type}": "external", "{auth_authen}": "eve"}, False, "", id="in small letters"),
        pytest.param({"{auth_type}": "EXTERNAL", "{auth_authen}": "eve"}, True, "eve", id="allowed"),
        pytest.param({"{auth_author}": "eve", "{auth_type}": "PLAIN"}, False, "", id="whom he speaks for"),
        pytest.param({"{cert_subject}": "eve", "auth_authen": "eve"}, True, "", id="other macros"),
    ],
)
def test_a_login_is_what_the_mail_server_authenticated_and_says_how(
    tmp_path: Path, macros: dict[str, str], external: bool, name: str
) -> None:
    ground = Ground(tmp_path, f"[accounts]\nexternal_logins = {str(external).lower()}\n" + FILTERED)

    async def work() -> None:
        peer = await opened(ground)
        await peer.ask(Macros("M", tuple(macros.items())), *message())
        (event,) = fields_of(ground.log, "message")
        assert event.get("login", "") == name

    run(work())


def test_a_foreign_sender_is_refused_at_mail_and_the_next_one_taken(tmp_path: Path) -> None:
    ground = Ground(tmp_path, OWN)

    async def work() -> None:
        peer = await opened(ground)
        replies = await peer.ask(login("eve@example.org"), Mail("<boss@example.org>"))
        assert kinds(replies) == [550]
        assert kinds(await peer.ask(login("eve@example.org"), *message())) == [
            Answer.CONTINUE,
            Answer.CONTINUE,
        ]

    run(work())


# --- trouble


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        pytest.param(b"\x7f\xff\xff\xff", "packet of 2147483647 bytes", id="a length of 2**31 - 1"),
        pytest.param(b"\x80\x00\x00\x00", "packet of 2147483648 bytes", id="a length of 2**31"),
        pytest.param(b"\0\0\0\0", "packet of 0 bytes", id="no length"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", "packet of", id="another protocol"),
        pytest.param(b"\0\0\0\x01Z", "unknown command", id="no command"),
        pytest.param(Helo("again").encode()[:-1] + b"x", "does not end in NUL", id="no NUL"),
        pytest.param(OFFER.encode(), "Negotiate while CLIENT", id="negotiated twice"),
        pytest.param(EndOfMessage().encode(), "EndOfMessage while CLIENT", id="the end of nothing"),
    ],
)
def test_garbage_closes_the_connection_without_an_answer(ground: Ground, stream: bytes, why: str) -> None:
    async def work() -> None:
        peer = await opened(ground)
        peer.say(stream + message()[0].encode())
        peer.say(message()[0].encode())
        assert peer.transport.aborted and peer.replies() == NOTHING
        (about,) = ground.log.about("connection-closed")
        assert about.startswith("milter: ") and why in about and len(about) < 200

    run(work())


def test_an_end_without_a_sender_closes_the_connection(ground: Ground) -> None:
    """With MAIL refused by the mail server itself, some send what follows all the same."""

    async def work() -> None:
        peer = await opened(ground)
        await peer.ask(*message()[:-1], Abort())
        peer.command(EndOfMessage())
        assert peer.transport.aborted

    run(work())


def test_recipients_without_end_close_the_connection(ground: Ground) -> None:
    async def work() -> None:
        peer = await opened(ground)
        await peer.ask(message()[0])
        many = Rcpt("<a@b>").encode() * 1000
        for _ in range(ENVELOPE_BYTES // ENTRY_BYTES // 1000 + 2):
            if peer.closed:
                break
            peer.say(many)
        assert peer.transport.aborted
        assert "recipients of more than" in ground.log.about("connection-closed")[0]

    run(work())


@pytest.mark.parametrize(
    ("number", "refused"), [(MOST_HEADERS, False), (MOST_HEADERS + 1, True), (200_000, True)]
)
@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_a_message_with_headers_without_end_is_refused_and_not_let_by(
    tmp_path: Path, number: int, refused: bool, mode: str
) -> None:
    """Else whoever writes a message could choose that no filter sees it."""

    async def work() -> None:
        ground = Ground(tmp_path, FILTERED, mode=mode)
        peer = await opened(ground)
        mail, recipient, *_, end = message()
        peer.command(login("eve"), mail, recipient)
        for _ in range(number // 1000):
            peer.say(Header("x", "").encode() * 1000)
        peer.say(Header("x", "").encode() * (number % 1000))
        (reply,) = await peer.ask(end)
        assert isinstance(reply, ReplyCode) is (refused and mode == "enforce")
        assert [one["reasons"] for one in ground.ledger.records] == [
            [{"id": "too-many-headers", "most": MOST_HEADERS}]
        ] * refused

    run(work())


@pytest.mark.parametrize("cut", range(1, len(message()) + 1))
def test_a_peer_that_goes_at_any_time_leaves_nothing_behind(ground: Ground, cut: int) -> None:
    async def work() -> None:
        peer = await opened(ground)
        peer.command(login("eve"), *message("refuse")[:cut])
        peer.shut()
        peer.gone()
        await peer.answered()
        assert ground.gate.open == 0
        assert len(ground.ledger.records) == (cut == len(message()))

    run(work())


@pytest.mark.parametrize(
    ("said", "idle"),
    [
        pytest.param([], True, id="nothing said"),
        pytest.param([OFFER], True, id="negotiated"),
        pytest.param([OFFER, CLIENT[0]], False, id="a client"),
        pytest.param([OFFER, *CLIENT, *message()], False, id="between messages"),
        pytest.param([OFFER, *CLIENT, QuitNewConnection()], True, id="a client gone"),
    ],
)
def test_a_connection_is_idle_while_there_is_no_client(
    ground: Ground, said: list[Command], idle: bool
) -> None:
    async def work() -> None:
        peer = ground.milter()
        await peer.ask(*said)
        assert peer.connection.idle is idle
        peer.say(b"\0")
        assert not peer.connection.idle

    run(work())
