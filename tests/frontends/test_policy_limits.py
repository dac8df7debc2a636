"""Limits by the policy service: what the quick answer counts is what the judge would count."""

import asyncio
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.service.book import Entry
from sendwarden.service.quick import Quick
from sendwarden.wire.policy import DUNNO, decode_reply
from tests.frontends.around import Ground, Peer, fields_of

SETTINGS = """
[site]
domains = ["example.org"]
internal = ["10.0.0.0/8"]
[[limits]]
name = "external"
recipients = ["20/10m", "40/1h"]
per_message = 5
[[limits]]
name = "device"
recipients = "10/10m"
messages = "4/1h"
"""
# As Postfix 3.7 sends them, recorded (tests/e2e/test_recorded.py has whole sessions).
REQUEST = (
    "request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nclient_address={address}\n"
    "client_name=unknown\nclient_port=40000\nreverse_client_name=unknown\nserver_address=127.0.0.1\n"
    "server_port=587\nhelo_name=client.example.org\nsender={sender}\nrecipient={recipient}\n"
    "recipient_count={count}\nqueue_id={queue_id}\ninstance={instance}\nsize={size}\netrn_domain=\nstress=\n"
    "sasl_method={method}\nsasl_username={login}\nsasl_sender=\nccert_subject=\nccert_issuer=\n"
    "ccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\nencryption_cipher=\n"
    "encryption_keysize=0\npolicy_context=\n\n"
)


def request(
    instance: str = "1.a", state: str = "RCPT", login: str = "eve", count: int = 0, **more: object
) -> bytes:
    fields: dict[str, object] = {
        "address": "192.0.2.7",
        "sender": "eve@example.org",
        "recipient": "v@x.example",
        "queue_id": "",
        "size": 0,
        "method": "PLAIN" if login else "",
    }
    fields |= {"instance": instance, "state": state, "login": login, "count": count, **more}
    return REQUEST.format(**fields).encode()


class Asked:
    """A ground with limits, asked by one connection, the quick way or the long one."""

    def __init__(self, folder: Path, *, quick: bool, settings: str = SETTINGS) -> None:
        self.ground = Ground(folder, settings)
        self.quick = Quick(self.ground.judge, self.ground.limiter, "policy")
        self.is_quick = quick
        self.peer = self.connection()

    def connection(self) -> Peer:
        peer = self.ground.policy()
        if self.is_quick:
            peer.connection.quicken(self.quick)  # type: ignore[attr-defined]
        return peer

    async def ask(self, data: bytes) -> str:
        """The first word of the reply."""
        self.peer.say(data)
        await self.peer.answered()
        return decode_reply(self.peer.heard())[0]

    def sums(self) -> list[tuple[str, str, list[list[int]]]]:
        limiter = self.ground.limiter
        every = chain.from_iterable(limiter.table.slices(100))
        return sorted((c, a, meter.sums(limiter.quantum)) for c, a, meter in every)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path, quick=True)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["RCPT"] * 6 + ["END-OF-MESSAGE"] * 2 + ["DATA", "MAIL", "time", "reload"]),
        st.integers(0, 3),  # which message
        st.sampled_from(["eve", "EVE", "bob", ""]),
        st.sampled_from(["192.0.2.7", "10.1.1.1"]),
        st.sampled_from(["eve@example.org", "", "SRS0=x=y=z=a@example.org"]),
        st.integers(0, 6),
    ),
    max_size=60,
)


@given(STEPS)
def test_quick_and_long_answers_are_the_same_and_count_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str, str, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("both")

    async def work() -> None:
        both = [Asked(folder, quick=True), Asked(folder, quick=False)]
        for state, number, login, address, sender, count in steps:
            answers = []
            for one in both:
                if state == "time":
                    one.ground.later(30 * (count + 1))
                elif state == "reload":
                    one.ground.use(SETTINGS)
                else:
                    data = request(
                        f"{number}.x",
                        state,
                        login,
                        count,
                        address=address,
                        sender=sender,
                        queue_id=f"Q{number}",
                    )
                    answers.append(await one.ask(data))
            assert len(set(answers)) <= 1, (state, answers)
            assert both[0].sums() == both[1].sums()

    asyncio.run(work())


def test_a_message_whose_end_was_told_takes_no_more_recipients_the_quick_way(asked: Asked) -> None:
    """The same name after its end is another message, whoever told the end."""

    async def work() -> None:
        await asked.ask(request("0.z"))
        await asked.ask(request("1.a", login="EVE"))
        await asked.ask(request("1.a", "END-OF-MESSAGE", login="eve"))
        await asked.ask(request("1.a", login="EVE"))
        assert [sums[0] for _, _, sums in asked.sums()] == [[3, 3]]

    asyncio.run(work())


def test_the_second_request_is_answered_the_quick_way(asked: Asked) -> None:
    async def work() -> None:
        assert await asked.ask(request("1.a")) == "DUNNO"
        asked.peer.say(request("2.a"))
        asked.peer.say(request("2.a"))
        asked.peer.say(request("2.a", "END-OF-MESSAGE", count=2, queue_id="4F2Q"))
        assert asked.peer.heard() == DUNNO * 3
        assert not asked.ground.log.events
        assert [sums[0] for _, _, sums in asked.sums()] == [[2, 3]]

    asyncio.run(work())


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"sasl_sender=\n", b"sasl_sender=\nsasl_username=bob\n"),
        lambda raw: raw.replace(b"policy_context=\n", b"policy_context=x\nclient_address=10.1.1.1\n"),
        lambda raw: raw.replace(b"helo_name=", b"sasl_username=bob\nhelo_name="),
    ],
    ids=["a login again", "an address again", "another order"],
)
def test_a_request_that_says_something_twice_means_what_the_decoder_says(
    asked: Asked, change: object
) -> None:
    """The last one counts; by whatever way."""

    async def work() -> None:
        for n in range(3):
            await asked.ask(request(f"{n}.a"))
        for n in range(3):
            await asked.ask(change(request(f"{n}.b")))  # type: ignore[operator]
        before = asked.sums()
        again = Asked(asked.ground.folder, quick=False)
        for n in range(3):
            await again.ask(request(f"{n}.a"))
        for n in range(3):
            await again.ask(change(request(f"{n}.b")))  # type: ignore[operator]
        assert before == again.sums()

    asyncio.run(work())


@pytest.mark.parametrize("cut", [1, 5, 100, 500, -1])
def test_a_request_in_pieces_is_the_same(asked: Asked, cut: int) -> None:
    async def work() -> None:
        for n in range(3):
            data = request(f"{n}.a")
            asked.peer.say(data[:cut])
            asked.peer.say(data[cut:])
            await asked.peer.answered()
        assert asked.peer.heard() == DUNNO * 3
        assert [sums[0] for _, _, sums in asked.sums()] == [[3, 3]]

    asyncio.run(work())


def test_many_requests_at_once_are_each_answered(asked: Asked) -> None:
    async def work() -> None:
        await asked.ask(request("0.a"))
        asked.peer.say(b"".join(request(f"{n}.b") for n in range(10)))
        await asked.peer.answered()
        assert asked.peer.heard() == DUNNO * 10
        assert [sums[0] for _, _, sums in asked.sums()] == [[11, 11]]

    asyncio.run(work())


def test_a_message_goes_on_over_another_connection(asked: Asked) -> None:
    async def work() -> None:
        await asked.ask(request("0.a"))
        await asked.ask(request("1.a"))
        asked.peer = asked.connection()
        await asked.ask(request("2.a"))
        await asked.ask(request("1.a"))
        await asked.ask(request("1.a", "END-OF-MESSAGE", count=2))
        assert [sums[0] for _, _, sums in asked.sums()] == [[3, 4]]

    asyncio.run(work())


def test_each_question_over_a_connection_of_its_own_as_exim_asks(asked: Asked) -> None:
    """Joined by the instance; what a lost message reserved is given back after 10 minutes."""

    async def ask(data: bytes) -> str:
        asked.peer = asked.connection()
        asked.peer.say(data)
        asked.peer.shut()
        await asked.peer.answered()
        assert asked.peer.closed
        return decode_reply(asked.peer.heard())[0]

    async def work() -> None:
        lost = [await ask(request("lost", recipient=f"v{n}@x.example")) for n in range(3)]
        many = [await ask(request("many", recipient=f"v{n}@x.example")) for n in range(6)]
        end = await ask(request("many", "END-OF-MESSAGE", count=4, queue_id="1xVvYR-000070-1c"))
        assert (lost, many, end) == (["DUNNO"] * 3, ["DUNNO"] * 5 + ["450"], "DUNNO")
        assert [sums[1] for _, _, sums in asked.sums()] == [[2, 3 + 4]]
        for _ in range(30):
            asked.ground.later(30)
        assert [sums[1] for _, _, sums in asked.sums()] == [[1, 4]]

    asyncio.run(work())


@pytest.mark.parametrize("how", ["reset", "tidied", "evicted"])
def test_an_account_that_was_forgotten_is_counted_anew_and_the_quick_way(asked: Asked, how: str) -> None:
    """What the quick way remembers of it counts no more."""

    async def work() -> None:
        ground = asked.ground
        for n in range(3):
            await asked.ask(request(f"{n}.a"))
        if how == "reset":
            ground.limiter.table.reset("submission-auth-external", "eve")
        elif how == "evicted":
            ground.limiter.table.most = 1
            await asked.ask(request("x.a", login="bob"))
        else:
            for _ in range(3100):  # a day and its last step
                ground.later(30)
        assert ground.limiter.table.find("submission-auth-external", "eve") is None
        ground.limiter.table.most = 100
        answers = [await asked.ask(request(f"{n}.b")) for n in range(25)]
        assert answers == ["DUNNO"] * 20 + ["450"] * 5

    asyncio.run(work())


def test_the_end_of_a_message_is_not_quick_when_the_account_was_shut_meanwhile(asked: Asked) -> None:
    async def work() -> None:
        for n in range(3):
            await asked.ask(request(f"{n}.a"))
        limiter = asked.ground.limiter
        book = limiter._states  # noqa: SLF001 - the ground's own
        until = asked.ground.clock.now() + 60
        shut = Entry("state", "eve", "phished", "anna", 0.0, until, state="contained")
        book.entries[shut.name] = shut  # type: ignore[attr-defined]
        limiter.changed()
        assert await asked.ask(request("2.a", "END-OF-MESSAGE", count=1)) == "550"
        assert await asked.ask(request("3.a")) == "550"

    asyncio.run(work())


def test_each_refusal_is_an_event_and_one_record(asked: Asked) -> None:
    async def work() -> None:
        answers = [await asked.ask(request(f"{n}.a")) for n in range(25)]
        assert answers == ["DUNNO"] * 20 + ["450"] * 5
        assert len(fields_of(asked.ground.log, "decision")) == 5
        assert len(asked.ground.ledger.records) == 1
        told = [(event["percent"], event["window"]) for event in fields_of(asked.ground.log, "limit-share")]
        assert told == [(50, 600), (80, 600), (100, 600), (50, 3600)]

    asyncio.run(work())


# What joins the questions about two messages of three recipients -> messages and recipients counted.
JOINED = {
    "instance": ((2, 6), {"instance": "{}.a"}),
    "queue id": ((2, 6), {"instance": "", "queue_id": "Q{}"}),
    "nothing": ((6, 6), {"instance": ""}),
}


@pytest.mark.parametrize("by", JOINED)
@pytest.mark.parametrize("end", [False, True])
def test_questions_about_one_message_are_joined_by_what_they_have_in_common(
    asked: Asked, by: str, end: bool
) -> None:
    """A client that says nothing of the kind is charged a message for each recipient, and the end besides."""
    (messages, recipients), names = JOINED[by]

    async def work() -> None:
        for n in range(2):
            said = {name: value.format(n) for name, value in names.items()}
            for _ in range(3):
                await asked.ask(request(said["instance"], queue_id=said.get("queue_id", "")))
            if end:
                await asked.ask(
                    request(said["instance"], "END-OF-MESSAGE", count=3, queue_id=said.get("queue_id", ""))
                )
        more = (2, 6) if by == "nothing" and end else (0, 0)
        assert [sums[0] for _, _, sums in asked.sums()] == [[messages + more[0], recipients + more[1]]]

    asyncio.run(work())
