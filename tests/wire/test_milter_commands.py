"""wire.milter.commands: every command in both directions, to the byte, and every way it can be wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.milter.commands import (
    DECODERS,
    FAMILIES,
    Abort,
    Body,
    Command,
    CommandDecoder,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
)
from sendwarden.wire.milter.flags import Action, MacroStage, Step
from tests.strategies.milter import COMMANDS, commands, encoded, framed, hostile_bytes
from tests.strategies.streams import byte_by_byte, events, pieces


def decode(*chunks: bytes) -> list[object]:
    decoder = CommandDecoder()
    return events(decoder.feed, decoder.next_command, chunks)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_command_comes_back_as_it_was_sent(kind: type[Command], data: st.DataObject) -> None:
    command = data.draw(COMMANDS[kind])

    assert decode(command.encode()) == [command]


@given(pieces(st.lists(commands, max_size=5).map(encoded) | hostile_bytes))
def test_cutting_the_stream_anywhere_changes_nothing(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)

    assert decode(*chunks) == decode(stream) == decode(*byte_by_byte(stream))


@given(hostile_bytes)
def test_garbage_is_a_protocol_error_or_unfinished_or_a_command_with_the_same_bytes(garbage: bytes) -> None:
    found = decode(garbage)

    taken = b"".join(each.encode() for each in found if isinstance(each, Command))
    assert garbage.startswith(taken)
    assert all(isinstance(each, Command) for each in found[:-1])


@given(commands, st.data())
def test_a_command_cut_short_waits_for_the_rest(command: Command, data: st.DataObject) -> None:
    stream = command.encode()
    kept = data.draw(st.integers(1, len(stream) - 1))
    decoder = CommandDecoder()
    decoder.feed(stream[:kept])

    assert decoder.next_command() is Need.DATA and decoder.unfinished
    decoder.feed(stream[kept:])
    assert decoder.next_command() == command and not decoder.unfinished


@given(st.lists(commands, max_size=3))
def test_garbage_behind_spoils_nothing_in_front_of_it(sent: list[Command]) -> None:
    assert decode(encoded(sent) + framed(b"?")) == [*sent, "ProtocolError: unknown command b'?'"]


# As mfdef.h and the sources of Sendmail and Postfix write them.
EXAMPLES: dict[str, tuple[Command, bytes]] = {
    "negotiate": (Negotiate(6, Action(0x1FF), Step(0x1FFFFF)), b"O\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"),
    "negotiate with macro lists": (
        Negotiate(
            6, Action.SET_MACROS, Step(0), ((MacroStage.RCPT, "i {rcpt_addr}"), (MacroStage.CONNECT, ""))
        ),
        b"O\0\0\0\x06\0\0\x01\0\0\0\0\0\0\0\0\x03i {rcpt_addr}\0\0\0\0\0\0",
    ),
    "macros": (Macros("M", (("i", "4XyZ"), ("{auth_authen}", "bob"))), b"DMi\x004XyZ\0{auth_authen}\0bob\0"),
    "no macros": (Macros("T", ()), b"DT"),
    "IPv4": (Connect("mx.example.org", "4", 51234, "192.0.2.7"), b"Cmx.example.org\x004\xc8\x22192.0.2.7\0"),
    "IPv6 from Sendmail": (
        Connect("[IPv6:2001:db8::1]", "6", 25, "IPv6:2001:db8::1"),
        b"C[IPv6:2001:db8::1]\x006\0\x19IPv6:2001:db8::1\0",
    ),
    "local socket": (Connect("localhost", "L", 0, "/run/x"), b"Clocalhost\0L\0\0/run/x\0"),
    "unknown family": (Connect("localhost", "U"), b"Clocalhost\0U"),
    "helo": (Helo("mx.example.org"), b"Hmx.example.org\0"),
    "null sender": (Mail("<>"), b"M<>\0"),
    "mail": (Mail("<a@b>", ("SIZE=7", "BODY=8BITMIME")), b"M<a@b>\0SIZE=7\0BODY=8BITMIME\0"),
    "rcpt": (Rcpt("<a@b>", ("NOTIFY=NEVER",)), b"R<a@b>\0NOTIFY=NEVER\0"),
    "data": (Data(), b"T"),
    "header": (Header("Subject", "a\n b"), b"LSubject\0a\n b\0"),
    "header that is no UTF-8": (Header("X", "\udcfc"), b"LX\0\xfc\0"),
    "end of headers": (EndOfHeaders(), b"N"),
    "body": (Body(b"a\r\n\0b"), b"Ba\r\n\0b"),
    "end of message": (EndOfMessage(), b"E"),
    "end of message with the last chunk": (EndOfMessage(b"rest"), b"Erest"),
    "unknown SMTP command": (Unknown("XYZZY a b"), b"UXYZZY a b\0"),
    "abort": (Abort(), b"A"),
    "quit": (Quit(), b"Q"),
    "quit, new connection": (QuitNewConnection(), b"K"),
}


@pytest.mark.parametrize(("command", "payload"), EXAMPLES.values(), ids=EXAMPLES)
def test_commands_as_mail_servers_write_them(command: Command, payload: bytes) -> None:
    assert command.encode() == framed(payload)
    assert decode(framed(payload)) == [command]


def test_every_letter_has_an_example() -> None:
    assert {payload[0] for _command, payload in EXAMPLES.values()} == set(DECODERS)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"?", "unknown command b'\\?'", id="unknown letter"),
        pytest.param(b"c", "unknown command b'c'", id="a reply's letter"),
        pytest.param(b"\xff", r"unknown command b'\\xff'", id="no letter at all"),
        pytest.param(b"O", "negotiation: cut short at byte 0", id="negotiation without data"),
        pytest.param(
            b"O\0\0\0\x06\0\0\x01\xff\0\0\0", "negotiation: cut short at byte 11", id="negotiation too short"
        ),
        pytest.param(b"O" + bytes(12) + b"\0\0", "negotiation: cut short", id="macro stage too short"),
        pytest.param(
            b"O" + bytes(12) + b"\0\0\0\x07a\0", "bad macro list at byte 12", id="macro stage too high"
        ),
        pytest.param(
            b"O" + bytes(12) + b"\xff\xff\xff\xffa\0", "bad macro list at byte 12", id="macro stage of 2^32"
        ),
        pytest.param(
            b"O" + bytes(12) + b"\0\0\0\x01a", "bad macro list at byte 12", id="macro list without NUL"
        ),
        pytest.param(
            b"O" + bytes(12) + b"\0\0\0\x01a\0" * 2 + b"\0", "cut short", id="garbage behind macro lists"
        ),
        pytest.param(b"D", "macros: no command letter", id="macros without letter"),
        pytest.param(b"DMi", "macros: text does not end in NUL", id="macro cut short"),
        pytest.param(b"DMi\0", "macros: a name without a value", id="macro without value"),
        pytest.param(b"DMi\x001\0j\0", "macros: a name without a value", id="second macro without value"),
        pytest.param(b"C", "connect: no family", id="connect without data"),
        pytest.param(b"Chost", "connect: no family", id="host name without NUL"),
        pytest.param(b"Chost\0", "connect: no family", id="no family"),
        pytest.param(b"Chost\x005", "connect: no family", id="family that does not exist"),
        pytest.param(b"Chost\0Uaddress\0", "address of unknown family", id="address of unknown family"),
        pytest.param(b"Chost\x004", "connect: no port and address", id="no port"),
        pytest.param(b"Chost\x004\0\x19", "connect: no port and address", id="no address"),
        pytest.param(b"Chost\x004\0\x19a", "connect: text does not end in NUL", id="address without NUL"),
        pytest.param(b"Chost\x004\0\x19a\0b\0", "connect: 2 fields, expected 1", id="two addresses"),
        pytest.param(b"H", "helo: 0 fields, expected 1", id="helo without data"),
        pytest.param(b"Ha", "helo: text does not end in NUL", id="helo without NUL"),
        pytest.param(b"Ha\0b\0", "helo: 2 fields, expected 1", id="two helo names"),
        pytest.param(b"M", "mail: no address", id="mail without data"),
        pytest.param(b"M\0", "mail: no address", id="empty sender without brackets"),
        pytest.param(b"M<>", "mail: text does not end in NUL", id="sender without NUL"),
        pytest.param(b"R", "rcpt: no address", id="rcpt without data"),
        pytest.param(b"R\0a\0", "rcpt: no address", id="only arguments"),
        pytest.param(b"L", "header: 0 fields, expected 2", id="header without data"),
        pytest.param(b"La\0", "header: 1 fields, expected 2", id="header without value"),
        pytest.param(b"La\0b", "header: text does not end in NUL", id="header value without NUL"),
        pytest.param(b"La\0b\0c\0", "header: 3 fields, expected 2", id="header with two values"),
        pytest.param(b"U", "unknown command: 0 fields", id="unknown without data"),
        pytest.param(b"Tx", "data: 1 bytes of data", id="data with data"),
        pytest.param(b"Nx", "end of headers: 1 bytes of data", id="end of headers with data"),
        pytest.param(b"Axy", "abort: 2 bytes of data", id="abort with data"),
        pytest.param(b"Qx", "quit: 1 bytes of data", id="quit with data"),
        pytest.param(b"Kx", "quit: 1 bytes of data", id="quit, new connection, with data"),
    ],
)
def test_bad_commands_say_what_is_wrong(payload: bytes, message: str) -> None:
    decoder = CommandDecoder()
    decoder.feed(framed(payload))

    with pytest.raises(ProtocolError, match=message):
        decoder.next_command()


@pytest.mark.parametrize(
    ("connect", "address"),
    [
        pytest.param(Connect("h", "4", 25, "192.0.2.7"), "192.0.2.7", id="IPv4"),
        pytest.param(Connect("h", "6", 25, "2001:db8::1"), "2001:db8::1", id="IPv6 from Postfix"),
        pytest.param(Connect("h", "6", 25, "IPv6:2001:db8::1"), "2001:db8::1", id="IPv6 from Sendmail"),
        pytest.param(Connect("h", "L", 0, "/run/x"), "", id="local socket"),
        pytest.param(Connect("h", "U"), "", id="unknown"),
    ],
)
def test_only_a_network_client_has_a_client_address(connect: Connect, address: str) -> None:
    assert connect.family in FAMILIES
    assert connect.client_address == address


@pytest.mark.parametrize(
    "command", [Body(b"secret words"), EndOfMessage(b"secret words")], ids=["body", "end"]
)
def test_the_text_of_a_mail_stays_out_of_the_log(command: Command) -> None:
    assert "secret" not in repr(command)
