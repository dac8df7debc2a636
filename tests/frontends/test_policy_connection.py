"""frontends.policy: every request is answered once and in order, or the connection closes without a word."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Decision, Reason, Stage, Verdict
from sendwarden.frontends.policy import to_reply, to_request
from sendwarden.service.gate import DEADLINE_S
from sendwarden.service.judge import Judge
from sendwarden.wire.base import Need
from sendwarden.wire.policy import DUNNO, PolicyDecoder, decode_reply, encode_request
from tests.frontends.around import OWN, Ground, Peer, down, fields_of
from tests.strategies.streams import pieces


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def request(sender: str = "eve@example.org", login: str = "", stage: str = "RCPT", **more: str) -> bytes:
    said = {"protocol_state": stage, "sender": sender, "sasl_username": login, "client_address": "192.0.2.7"}
    return encode_request(said | more)


FINE = request(login="eve@example.org")
FOREIGN = request("boss@example.org", login="eve@example.org")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path, OWN)


def words(replies: bytes) -> list[str]:
    """First words of all replies."""
    assert not replies or replies.endswith(b"\n\n")
    return [decode_reply(reply + b"\n\n")[0] for reply in replies.split(b"\n\n")[:-1]]


async def heard(peer: Peer, number: int) -> list[str]:
    """The first words of so many replies, once they are there."""
    got = peer.heard()
    while got.count(b"\n\n") < number and not peer.closed:
        await peer.answered()
        await asyncio.sleep(0)
        got += peer.heard()
    return words(got)


ASKED = st.lists(st.sampled_from([FINE, FOREIGN, request(stage="DATA"), request(stage="EHLO")]), max_size=6)


@given(ASKED.flatmap(lambda asked: st.tuples(st.just(asked), pieces(st.just(b"".join(asked))))))
def test_pipelined_requests_are_answered_in_order_however_they_arrive(
    tmp_path_factory: pytest.TempPathFactory, asked: tuple[list[bytes], list[bytes]]
) -> None:
    requests, chunks = asked
    ground = Ground(tmp_path_factory.mktemp("site"), OWN)

    async def work() -> None:
        peer = ground.policy()
        for chunk in chunks:
            peer.say(chunk)
        expected = ["550" if one == FOREIGN else "DUNNO" for one in requests]
        assert await heard(peer, len(requests)) == expected
        assert not peer.closed
        assert len(ground.ledger.records) == requests.count(FOREIGN)

    run(work())


@pytest.mark.parametrize(
    ("action", "reply", "kept"),
    [("refuse", "550", 1), ("hold", "HOLD", 1), ("tag", "DUNNO", 0), ("allow", "DUNNO", 0)],
)
@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_a_foreign_sender_is_answered_for_each_recipient_and_told_once_a_message(
    tmp_path: Path, action: str, reply: str, kept: int, mode: str
) -> None:
    ground = Ground(tmp_path, f'{OWN}foreign_sender = "{action}"\n', mode=mode)

    async def work() -> None:
        peer = ground.policy()
        for number, instance in enumerate(["1.2", "1.2", "1.2", "3.4"]):
            asked = request("boss@example.org", "eve@example.org", instance=instance, recipient=f"{number}@x")
            peer.say(asked)
            assert await heard(peer, 1) == [reply if mode == "enforce" else "DUNNO"]
        told = fields_of(ground.log, "sender-mismatch")
        assert [(event["login"], event["header"], event["named"]) for event in told] == [
            ("eve@example.org", "envelope", "boss@example.org")
        ] * 2
        assert len(ground.ledger.records) == 2 * kept

    run(work())


@pytest.mark.parametrize("tables", ["", 'access.frontends = "policy"\n'], ids=["no tables", "tables"])
@pytest.mark.parametrize("mode", ["enforce", "watch"])
@pytest.mark.parametrize(("instances", "given"), [(["1.2"] * 8, 1), (["1.2", "3.4"] * 2, 4), ([""] * 3, 3)])
def test_a_message_of_a_foreign_sender_takes_one_reference_for_all_its_recipients(
    tmp_path: Path, instances: list[str], given: int, mode: str, tables: str
) -> None:
    """Unless it has no instance, or others come between."""
    (tmp_path / "mappings").write_text("FROM_ACCESS\nnobody $N\n")
    ground = Ground(tmp_path, f"{tables}{OWN}", mode=mode)

    async def work() -> None:
        peer = ground.policy()
        for number, instance in enumerate(instances):
            asked = request("boss@example.org", "eve@example.org", instance=instance, recipient=f"{number}@x")
            peer.say(asked)
            assert await heard(peer, 1) == ["550" if mode == "enforce" else "DUNNO"]
        assert ground.references_given == given

    run(work())


@pytest.mark.parametrize(
    ("verdict", "watched", "reply"),
    [
        pytest.param(Verdict.ACCEPT, False, b"action=DUNNO\n\n", id="accept"),
        pytest.param(Verdict.REFUSE, False, b"action=550 5.7.1 too much [SW-ABCDEF]\n\n", id="refuse"),
        pytest.param(Verdict.DEFER, False, b"action=450 4.7.1 too much [SW-ABCDEF]\n\n", id="defer"),
        pytest.param(Verdict.HOLD, False, b"action=HOLD too much [SW-ABCDEF]\n\n", id="hold"),
        pytest.param(Verdict.DISCARD, False, b"action=DISCARD too much [SW-ABCDEF]\n\n", id="discard"),
        *(
            pytest.param(verdict, True, DUNNO, id=f"watched {verdict.value}")
            for verdict in Verdict
            if verdict is not Verdict.ACCEPT
        ),
    ],
)
def test_each_verdict_is_an_action_of_postfix(verdict: Verdict, watched: bool, reply: bytes) -> None:
    decision = Decision(verdict, "all", "eve", text="too much", reference="SW-ABCDEF", watched=watched)

    assert to_reply(decision) == reply
    decode_reply(reply)


@pytest.mark.parametrize(
    "text",
    ["two\nlines", "action=OK\n\naction=OK", "\0", "ü" * 500],
    ids=["lines", "smuggled", "NUL", "long"],
)
def test_whatever_a_site_writes_a_refusal_is_one_reply(text: str) -> None:
    reply = to_reply(Decision(Verdict.REFUSE, "all", "eve", text=text, enhanced="5.7.1"))

    word, said = decode_reply(reply)
    assert word == "550" and said.startswith("5.7.1")


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "HELO", "VRFY", "ETRN", "DATA", "END-OF-MESSAGE", ""])
def test_a_stage_at_which_there_is_nothing_to_say_is_no_objection(ground: Ground, stage: str) -> None:
    peer = ground.policy()

    peer.say(request("boss@example.org", login="eve@example.org", stage=stage))

    assert peer.heard() == DUNNO


def test_attributes_become_a_request_in_our_words() -> None:
    decoder = PolicyDecoder()
    decoder.feed(
        request(
            "a@example.org",
            "eve",
            recipient="b@example.org",
            queue_id="4XyZ",
            client_name="mx",
            helo_name="h",
        )
    )
    asked = decoder.next_request()
    assert not isinstance(asked, Need)

    found = to_request(asked, "here")

    assert found
    assert (found.stage, found.listener, found.login, found.sender) == (
        Stage.RCPT,
        "here",
        "eve",
        "a@example.org",
    )
    assert (found.client_address, found.client_name, found.helo) == ("192.0.2.7", "mx", "h")
    assert (found.recipients, found.queue_id) == (("b@example.org",), "4XyZ")


# --- one request and half a close, as Exim's readsocket does


@pytest.mark.parametrize("asked", [FINE, FOREIGN], ids=["go-ahead", "refusal"])
@pytest.mark.parametrize("slow", [False, True], ids=["kept at once", "kept later"])
def test_a_peer_that_shuts_its_side_gets_its_answer_before_the_close(
    ground: Ground, asked: bytes, slow: bool
) -> None:
    async def work() -> None:
        ground.ledger.slow = slow
        peer = ground.policy()
        peer.say(asked)
        peer.shut()
        if slow and asked is FOREIGN:
            assert not peer.heard() and not peer.closed, "what is not durable is not said"
            ground.ledger.released.set()
        assert await heard(peer, 1) == ["550" if asked is FOREIGN else "DUNNO"]
        await asyncio.sleep(0)
        assert peer.closed and not peer.transport.aborted

    run(work())


def test_half_a_request_and_half_a_close_is_no_request(ground: Ground) -> None:
    peer = ground.policy()
    peer.say(FINE[:-1])

    peer.shut()

    assert peer.closed and not peer.heard()


# --- answers that wait


def test_while_an_answer_waits_nothing_more_is_read_and_the_rest_is_answered_behind_it(
    ground: Ground,
) -> None:
    async def work() -> None:
        ground.ledger.slow = True
        peer = ground.policy()
        peer.say(FOREIGN + FINE)
        assert not peer.transport.reading
        assert not peer.connection.idle
        peer.say(FINE)  # was on its way already
        await asyncio.sleep(0)
        assert not peer.heard()

        ground.ledger.released.set()

        assert await heard(peer, 3) == ["550", "DUNNO", "DUNNO"]
        await asyncio.sleep(0)
        assert peer.transport.reading and peer.connection.idle

    run(work())


def test_an_answer_that_is_not_durable_within_the_deadline_is_not_given(ground: Ground) -> None:
    async def work() -> None:
        ground.ledger.slow = True
        peer = ground.policy()
        start = asyncio.get_running_loop().time()
        peer.say(FOREIGN + FINE)
        await peer.answered()
        assert peer.transport.aborted and not peer.heard()
        assert DEADLINE_S - 0.1 < asyncio.get_running_loop().time() - start < DEADLINE_S + 5
        assert ground.log.about("connection-closed") == ["policy: no answer within the deadline"]

    run(work())


def test_with_the_store_down_the_answer_goes_out_and_the_log_has_the_same_facts(ground: Ground) -> None:
    async def work() -> None:
        ground.ledger.error = down()
        peer = ground.policy()
        peer.say(FOREIGN)
        assert await heard(peer, 1) == ["550"]
        assert ground.log.about("record-late") == ["no room"]
        (event,) = fields_of(ground.log, "decision")
        assert event["sender"] == "boss@example.org" and event["reasons"][0]["id"] == "foreign-sender"

    run(work())


def test_a_peer_that_goes_while_its_answer_waits_is_let_go_and_the_decision_kept(ground: Ground) -> None:
    async def work() -> None:
        ground.ledger.slow = True
        peer = ground.policy()
        peer.say(FOREIGN)
        peer.gone()
        ground.ledger.released.set()
        await peer.answered()
        assert not peer.heard() and ground.ledger.records
        assert ground.gate.open == 0

    run(work())


# --- trouble


def _broken() -> Judge:
    raise ZeroDivisionError


def test_an_error_of_ours_while_judging_is_passed_on_and_nothing_is_answered(ground: Ground) -> None:
    """The event loop then closes the connection; tests/daemon/test_listeners.py shows it with real ones."""
    peer = ground.policy(judge=_broken)

    with pytest.raises(ZeroDivisionError):
        peer.say(FINE)

    assert not peer.heard()


@pytest.mark.parametrize("where", ["while it is kept", "at the request behind it"])
def test_an_error_of_ours_while_an_answer_waits_closes_the_connection(ground: Ground, where: str) -> None:
    async def work() -> None:
        judges = iter([ground.judge()])
        ground.ledger.slow = True
        peer = ground.policy(judge=lambda: next(judges, None) or _broken())
        if where == "while it is kept":
            ground.ledger.error = ZeroDivisionError()
        peer.say(FOREIGN + FINE)
        task = peer.connection.answering
        assert task
        ground.ledger.released.set()
        (error,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(error, ZeroDivisionError), "it is not swallowed"
        assert peer.transport.aborted
        assert words(peer.heard()) == ([] if where == "while it is kept" else ["550"])
        assert ground.log.about("connection-closed") == ["policy: internal error"]

    run(work())


@pytest.mark.parametrize(
    ("garbage", "why"),
    [
        pytest.param(b"\n", "empty request", id="nothing asked"),
        pytest.param(b"GET / HTTP/1.0\n\n", "malformed attribute", id="another protocol"),
        pytest.param(b"request=smtpd_access_policy\r\n\r\n" + b"x" * 70_000, "longer than", id="CRLF"),
        pytest.param(b"request=x\n\n", "is not ours", id="another request type"),
        pytest.param(b"a=" + b"x" * 70_000, "longer than", id="an endless attribute"),
        pytest.param(b"a=b\n" * 20_000, "longer than", id="attributes without end"),
        pytest.param(b"a=\0\n\n", "malformed attribute", id="NUL"),
    ],
)
def test_garbage_closes_the_connection_behind_the_answers_to_what_came_before(
    ground: Ground, garbage: bytes, why: str
) -> None:
    peer = ground.policy()

    peer.say(FINE + garbage)
    peer.say(FINE)

    assert words(peer.heard()) == ["DUNNO"]
    assert peer.transport.aborted
    (about,) = ground.log.about("connection-closed")
    assert about.startswith("policy: ") and why in about and len(about) < 200


def test_piece_by_piece_an_endless_attribute_is_closed_at_the_limit(ground: Ground) -> None:
    peer = ground.policy()

    for _ in range(70_000 // 50):
        peer.say(b"x" * 50)

    assert peer.transport.aborted


def test_what_was_asked_while_we_slept_is_not_answered(ground: Ground) -> None:
    peer = ground.policy()
    ground.monotonic += DEADLINE_S + 0.1

    peer.say(FINE)

    assert peer.transport.aborted and not peer.heard()


def test_a_peer_that_does_not_take_its_answers_is_not_read_any_more(ground: Ground) -> None:
    async def work() -> None:
        peer = ground.policy()
        peer.connection.pause_writing()
        assert not peer.transport.reading
        peer.say(FOREIGN)
        await peer.answered()
        await asyncio.sleep(0)
        assert not peer.transport.reading, "an answer behind it changes nothing"
        peer.connection.resume_writing()
        assert peer.transport.reading

    run(work())


def test_reasons_name_the_account_and_the_sender_in_one_sentence() -> None:
    reason = Reason("foreign-sender", {"sender": "boss@example.org", "account": "eve"})
    reply = to_reply(
        Decision(Verdict.REFUSE, "all", "eve", (reason,), enhanced="5.7.1", reference="SW-ABCDEF")
    )

    assert reply.startswith(
        b'action=550 5.7.1 the envelope sender "boss@example.org" does not belong to "eve"'
    )
