"""Sessions of real Postfix and Sendmail, recorded here and now, replayed through our codecs byte for byte."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from kilter.protocol import messages as oracle
from kilter.protocol.buffer import SimpleBuffer

from sendwarden.wire.base import Need
from sendwarden.wire.milter.commands import (
    Abort,
    Body,
    CommandDecoder,
    Connect,
    Header,
    Macros,
    Mail,
    Negotiate,
)
from sendwarden.wire.milter.replies import Quarantine, Reply, ReplyCode, ReplyDecoder
from sendwarden.wire.milter.session import FilterSession
from sendwarden.wire.policy import PolicyDecoder, decode_reply, encode_request
from tests.servers.client import SPAM, Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.front import RELAY, SUBMISSION
from tests.servers.postfix import Postfix, Service
from tests.servers.sendmail import Sendmail
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.tap import Session, Tap

# A body test keeps the body from being negotiated away, so that whole sessions are seen.
FILTER = """
require ["reject", "envelope"];
if header :is "X-Spam-Score-Internal" "****" { reject "No."; }
elsif header :is "Subject" "hold" { hold; }
"""
SETTINGS = """
mode = "enforce"
[[channel]]
name = "mine"
login = true
senders = "own"
sourcefilter = "some.sieve"
[[channel]]
name = "other"
sourcefilter = "some.sieve"
"""


@pytest.fixture(scope="module")
def sendwarden() -> Iterator[Sendwarden]:
    daemon = Sendwarden(SETTINGS, {"some.sieve": FILTER})
    yield daemon
    daemon.stop()


def _talk(client: Client, sender: str) -> None:
    """A bit of everything: plain, refused, held, a foreign sender, many recipients, UTF-8, a reset."""
    long_header = ("X-Long", "word " * 800)
    client.send(sender, ["v@victim.example"], message("plain", [long_header]))
    client.send(sender, [f"v{n}@victim.example" for n in range(30)], message("spam", [SPAM]))
    client.begin_and_reset(sender, "v@victim.example")
    client.send(sender, ['"odd | address"@victim.example'], message("hold"))
    client.send("stranger@elsewhere.example", ["v@victim.example"], message())
    client.send("", ["v@victim.example"], message("Ünïcödé ✉"))
    client.quit()


@pytest.fixture(scope="module")
def postfix_sessions(sendwarden: Sendwarden, sink: Sink, dovecot: Dovecot) -> list[Session]:
    tap = Tap(sendwarden.milter)
    ask = {"smtpd_milters": f"inet:127.0.0.1:{tap.port}"}
    services = [Service("submission", {**SUBMISSION, **ask}), Service("relay", {**RELAY, **ask})]
    postfix = Postfix(sink.port, services, dovecot.sasl)
    _talk(Client(postfix.ports["submission"], "eve"), "eve")
    _talk(Client(postfix.ports["relay"]), "somebody@example.org")
    postfix.stop()
    tap.stop()
    return tap.sessions


@pytest.fixture(scope="module")
def sendmail_sessions(sendwarden: Sendwarden, sink: Sink) -> list[Session]:
    tap = Tap(sendwarden.milter)
    sendmail = Sendmail(sink.port, tap.port, ["eve"])
    _talk(Client(sendmail.port, "eve"), "eve")
    _talk(Client(sendmail.port), "somebody@example.org")
    sendmail.stop()
    tap.stop()
    return tap.sessions


@pytest.fixture(params=["postfix", "sendmail"])
def sessions(request: pytest.FixtureRequest) -> list[Session]:
    found: list[Session] = request.getfixturevalue(f"{request.param}_sessions")
    assert found
    return found


T = TypeVar("T")


def _all(feed: Callable[[bytes], None], take: Callable[[], T | Need], data: bytes) -> list[T]:
    feed(data)
    found = []
    while not isinstance(event := take(), Need):
        found.append(event)
    return found


def _commands(session: Session) -> list[object]:
    decoder = CommandDecoder()
    return _all(decoder.feed, decoder.next_command, session.asked)


def _replies(session: Session) -> list[Reply]:
    decoder = ReplyDecoder()
    return _all(decoder.feed, decoder.next_reply, session.answered)


def test_what_a_mail_server_sends_comes_back_from_our_codec_byte_for_byte(sessions: list[Session]) -> None:
    for session in sessions:
        commands = _commands(session)
        assert b"".join(command.encode() for command in commands) == session.asked  # type: ignore[attr-defined]


def test_what_we_answered_comes_back_byte_for_byte_too(sessions: list[Session]) -> None:
    for session in sessions:
        assert b"".join(reply.encode() for reply in _replies(session)) == session.answered


def test_the_order_of_real_commands_is_one_that_our_table_allows_however_the_bytes_are_cut(
    sessions: list[Session],
) -> None:
    for session in sessions:
        whole, cut = FilterSession(), FilterSession()
        expected = _all(whole.feed, whole.next_command, session.asked)
        found: list[object] = []
        for at in range(len(session.asked)):
            found += _all(cut.feed, cut.next_command, session.asked[at : at + 1])
        assert found == expected


def test_the_sessions_hold_what_they_were_made_for(sessions: list[Session]) -> None:
    commands = [command for session in sessions for command in _commands(session)]
    replies = [reply for session in sessions for reply in _replies(session)]

    assert {Negotiate, Macros, Connect, Mail, Header, Abort} <= {type(command) for command in commands}
    assert Body not in {type(command) for command in commands}, "negotiated away: no filter reads it"
    assert {ReplyCode, Quarantine} <= {type(reply) for reply in replies}
    assert any("{auth_authen}" in dict(command.pairs) for command in commands if isinstance(command, Macros))


def test_an_independent_codec_reads_the_same_packets(sessions: list[Session]) -> None:
    for session in sessions:
        names, at = [], 0
        while at < len(session.asked):
            buffer = SimpleBuffer(len(session.asked) - at)
            buffer[:] = session.asked[at:]
            message_read, size = oracle.Message.unpack(buffer)
            names.append(type(message_read).__name__)
            at += size
        assert len(names) == len(_commands(session))


def test_policy_requests_of_a_real_postfix_come_back_byte_for_byte(
    sendwarden: Sendwarden, sink: Sink, dovecot: Dovecot
) -> None:
    tap = Tap(sendwarden.policy)
    ask = {"smtpd_recipient_restrictions": f"check_policy_service inet:127.0.0.1:{tap.port}, permit"}
    postfix = Postfix(sink.port, [Service("submission", {**SUBMISSION, **ask})], dovecot.sasl)
    client = Client(postfix.ports["submission"], "eve")

    answers = [
        client.send("eve", ["v@victim.example", '"odd address"@victim.example'], message()),
        client.send("stranger@elsewhere.example", ["v@victim.example"], message()),
    ]

    client.quit()
    postfix.stop()
    tap.stop()
    assert [answer.code for answer in answers] == [250, 550]
    assert 'the envelope sender "stranger@elsewhere.example" does not belong to "eve" [SW-' in answers[1].text
    asked = answered = b""
    for session in tap.sessions:
        decoder = PolicyDecoder()
        requests = _all(decoder.feed, decoder.next_request, session.asked)
        assert b"".join(encode_request(request.attributes) for request in requests) == session.asked
        asked, answered = asked + session.asked, answered + session.answered
    assert asked.count(b"\n\n") == answered.count(b"\n\n") == 3
    words = [decode_reply(reply + b"\n\n")[0] for reply in answered.split(b"\n\n")[:-1]]
    assert words == ["DUNNO", "DUNNO", "550"]
