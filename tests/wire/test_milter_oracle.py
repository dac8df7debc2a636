"""wire.milter against kilter.protocol, a codec by other hands: both must write and read the same bytes.

What it does not know (quit for a new connection, shutdown, connection failed) or reads more narrowly than the
protocol (macros and header names beyond ASCII, host names beyond IDNA) is left out.
"""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kilter.protocol import messages as kilter
from kilter.protocol.buffer import SimpleBuffer

from sendwarden.wire.base import Need
from sendwarden.wire.milter import commands as ours
from sendwarden.wire.milter import replies
from sendwarden.wire.milter.commands import Command, CommandDecoder
from sendwarden.wire.milter.flags import Action, MacroStage, Step
from sendwarden.wire.milter.packets import text
from sendwarden.wire.milter.replies import Answer, Reply, ReplyDecoder
from tests.strategies.milter import ARGUMENTS, CHUNK, COMMANDS, REPLIES, SOME_TEXT, TEXT, UINT32

ASCII = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20)
UTF_8 = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
HOST = st.lists(st.text("abcxyz019", min_size=1, max_size=10), max_size=4).map(".".join)
WORDS = st.lists(st.sampled_from(["i", "{auth_authen}", "{rcpt_addr}"]), max_size=3).map(" ".join)
# One list a stage, in the order of stages, as kilter writes them.
MACRO_LISTS = st.dictionaries(st.sampled_from(MacroStage), WORDS).map(
    lambda each: tuple(sorted(each.items()))
)
ADDRESSES = st.ip_addresses(v=4).map(lambda ip: ("4", str(ip))) | st.ip_addresses(v=6).map(
    lambda ip: ("6", str(ip))
)
NEGOTIATE = st.builds(
    ours.Negotiate,
    UINT32,
    st.integers(0, 0x1FF).map(Action),
    st.integers(0, 0x1FFFFF).map(Step),
    MACRO_LISTS,
)


def a_negotiation(negotiate: ours.Negotiate) -> kilter.Message:
    lists = {kilter.Stage(stage): names.split() for stage, names in negotiate.macros}
    actions, steps = kilter.ActionFlags(negotiate.actions), kilter.ProtocolFlags(negotiate.steps)
    return kilter.Negotiate(negotiate.version, actions, steps, lists)


def a_connection(connect: ours.Connect) -> kilter.Message:
    if connect.family == "U":
        return kilter.Connect(connect.hostname)
    if connect.family == "L":
        return kilter.Connect(connect.hostname, Path(connect.address))
    return kilter.Connect(connect.hostname, ip_address(connect.address), connect.port)


def raw(value: str) -> bytes:
    return text(value)[:-1]


def raws(values: tuple[str, ...]) -> list[bytes | memoryview]:
    return [raw(value) for value in values]


Other = Callable[[Any], kilter.Message]

# What is drawn of each class, and what it is in kilter's words.
OUR_COMMANDS: dict[type[Command], tuple[st.SearchStrategy[Command], Other]] = {
    ours.Negotiate: (NEGOTIATE, a_negotiation),
    ours.Macros: (
        st.builds(
            ours.Macros,
            st.integers(0, 255).map(chr),
            st.dictionaries(ASCII, ASCII, max_size=4).map(lambda pairs: tuple(pairs.items())),
        ),
        lambda it: kilter.Macro(ord(it.command), dict(it.pairs)),
    ),
    ours.Connect: (
        st.builds(
            lambda host, address, port: ours.Connect(host, address[0], port, address[1]),
            HOST,
            ADDRESSES,
            st.integers(0, 65535),
        )
        | st.builds(ours.Connect, HOST, st.just("L"), st.just(0), st.sampled_from(["/run/x", "x"]))
        | st.builds(ours.Connect, HOST, st.just("U")),
        a_connection,
    ),
    ours.Helo: (st.builds(ours.Helo, HOST), lambda it: kilter.Helo(it.name)),
    ours.Mail: (
        st.builds(ours.Mail, SOME_TEXT, ARGUMENTS),
        lambda it: kilter.EnvelopeFrom(raw(it.path), raws(it.arguments)),
    ),
    ours.Rcpt: (
        st.builds(ours.Rcpt, SOME_TEXT, ARGUMENTS),
        lambda it: kilter.EnvelopeRecipient(raw(it.path), raws(it.arguments)),
    ),
    ours.Data: (st.just(ours.Data()), lambda _: kilter.Data()),
    ours.Header: (st.builds(ours.Header, ASCII, TEXT), lambda it: kilter.Header(it.name, raw(it.value))),
    ours.EndOfHeaders: (st.just(ours.EndOfHeaders()), lambda _: kilter.EndOfHeaders()),
    ours.Body: (st.builds(ours.Body, CHUNK), lambda it: kilter.Body(it.chunk)),
    ours.EndOfMessage: (st.builds(ours.EndOfMessage, CHUNK), lambda it: kilter.EndOfMessage(it.chunk)),
    ours.Abort: (st.just(ours.Abort()), lambda _: kilter.Abort()),
    ours.Quit: (st.just(ours.Quit()), lambda _: kilter.Close()),
    ours.Unknown: (st.builds(ours.Unknown, TEXT), lambda it: kilter.Unknown(text(it.line))),
}

ANSWERS: dict[Answer, Callable[[], kilter.Message]] = {
    Answer.ACCEPT: kilter.Accept,
    Answer.CONTINUE: kilter.Continue,
    Answer.DISCARD: kilter.Discard,
    Answer.REJECT: kilter.Reject,
    Answer.TEMPFAIL: kilter.TemporaryFailure,
    Answer.SKIP: kilter.Skip,
    Answer.PROGRESS: kilter.Progress,
}


def a_refusal(reply: replies.ReplyCode) -> kilter.Message:
    """Kilter leaves the text of a refusal to its caller."""
    head = f" {reply.enhanced} " if reply.enhanced else " "
    *before, last = [f"{reply.code}{head}{line}".replace("%", "%%") for line in reply.lines]
    return kilter.ReplyCode(text("\r\n".join([*(f"{line[:3]}-{line[4:]}" for line in before), last])))


def an_added_recipient(reply: replies.AddRecipient) -> kilter.Message:
    if reply.arguments:
        return kilter.AddRecipientPar(reply.path, reply.arguments)
    return kilter.AddRecipient(reply.path)


OUR_REPLIES: dict[type[Reply], tuple[st.SearchStrategy[Reply], Other]] = {
    Answer: (st.sampled_from(list(ANSWERS)), lambda it: ANSWERS[it]()),
    ours.Negotiate: (NEGOTIATE, a_negotiation),
    replies.ReplyCode: (REPLIES[replies.ReplyCode], a_refusal),
    replies.AddHeader: (
        st.builds(replies.AddHeader, ASCII, TEXT),
        lambda it: kilter.AddHeader(it.name, raw(it.value)),
    ),
    replies.InsertHeader: (
        st.builds(replies.InsertHeader, UINT32, ASCII, TEXT),
        lambda it: kilter.InsertHeader(it.index, it.name, raw(it.value)),
    ),
    replies.ChangeHeader: (
        st.builds(replies.ChangeHeader, UINT32, ASCII, TEXT),
        lambda it: kilter.ChangeHeader(it.index, it.name, raw(it.value)),
    ),
    replies.AddRecipient: (st.builds(replies.AddRecipient, UTF_8, UTF_8), an_added_recipient),
    replies.DeleteRecipient: (
        st.builds(replies.DeleteRecipient, UTF_8),
        lambda it: kilter.RemoveRecipient(it.path),
    ),
    replies.ChangeSender: (
        st.builds(replies.ChangeSender, UTF_8, UTF_8),
        lambda it: kilter.ChangeSender(it.path, it.arguments or None),
    ),
    replies.ReplaceBody: (st.builds(replies.ReplaceBody, CHUNK), lambda it: kilter.ReplaceBody(it.chunk)),
    replies.Quarantine: (st.builds(replies.Quarantine, UTF_8), lambda it: kilter.Quarantine(it.reason)),
}


def written_by_kilter(message: kilter.Message) -> bytes:
    buffer = SimpleBuffer(10_000)
    message.pack(buffer)
    return buffer[:].tobytes()


def read_by_kilter(packet: bytes) -> kilter.Message:
    buffer = SimpleBuffer(10_000)
    buffer[:] = packet
    message, size = kilter.Message.unpack(buffer)
    assert size == len(packet)
    message.freeze()
    return message


def contents(message: kilter.Message) -> tuple[type[kilter.Message], dict[str, object]]:
    """Not every class of kilter's compares by value."""
    return type(message), vars(message)


def test_nothing_is_left_out_but_what_kilter_does_not_know() -> None:
    assert set(COMMANDS) - set(OUR_COMMANDS) == {ours.QuitNewConnection}
    assert set(REPLIES) == set(OUR_REPLIES)
    assert set(Answer) - set(ANSWERS) == {Answer.SHUTDOWN, Answer.CONNECTION_FAILED}


@pytest.mark.parametrize(
    ("drawn", "other"), OUR_COMMANDS.values(), ids=[kind.__name__ for kind in OUR_COMMANDS]
)
@given(data=st.data())
def test_kilter_and_we_write_and_read_the_same_command(
    drawn: st.SearchStrategy[Command], other: Other, data: st.DataObject
) -> None:
    command = data.draw(drawn)
    packet = written_by_kilter(other(command))
    decoder = CommandDecoder()
    decoder.feed(packet)

    assert command.encode() == packet
    assert decoder.next_command() == command
    assert contents(read_by_kilter(packet)) == contents(other(command))


@pytest.mark.parametrize(
    ("drawn", "other"), OUR_REPLIES.values(), ids=[kind.__name__ for kind in OUR_REPLIES]
)
@given(data=st.data())
def test_kilter_and_we_write_and_read_the_same_reply(
    drawn: st.SearchStrategy[Reply], other: Other, data: st.DataObject
) -> None:
    reply = data.draw(drawn)
    packet = written_by_kilter(other(reply))
    decoder = ReplyDecoder()
    decoder.feed(packet)

    assert reply.encode() == packet
    assert decoder.next_reply() == reply and decoder.next_reply() is Need.DATA
    assert contents(read_by_kilter(packet)) == contents(other(reply))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(Action, kilter.ActionFlags), (Step, kilter.ProtocolFlags), (MacroStage, kilter.Stage)],
    ids=["actions", "steps", "macro stages"],
)
def test_the_numbers_on_the_wire_are_the_same(
    mine: type[Action | Step | MacroStage],
    theirs: type[kilter.ActionFlags | kilter.ProtocolFlags | kilter.Stage],
) -> None:
    assert sorted(int(each) for each in mine) == sorted(int(each) for each in theirs)
