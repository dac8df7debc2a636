"""Any bytes, however cut, are commands that encode to themselves, a demand for more, or a `ProtocolError`."""

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.milter.commands import CommandDecoder
from sendwarden.wire.milter.replies import ReplyCode, ReplyDecoder, clean_lines
from sendwarden.wire.milter.session import FilterSession


def _commands(data: bytes) -> None:
    decoder, written = CommandDecoder(), b""
    decoder.feed(data)
    try:
        while not isinstance(command := decoder.next_command(), Need):
            written += command.encode()
    except ProtocolError:
        pass
    assert data.startswith(written), "a command does not encode to what it was read from"


def _session(*chunks: bytes) -> list[object]:
    session, found = FilterSession(), list[object]()
    try:
        for chunk in chunks:
            session.feed(chunk)
            while not isinstance(command := session.next_command(), Need):
                found.append(command)
                session.macros()
    except ProtocolError:
        found.append("error")
    return found


def check(data: bytes) -> None:
    _commands(data)
    cut = data[0] % (len(data) + 1) if data else 0
    assert _session(data[:cut], data[cut:]) == _session(data), "cut in two it reads differently"
    replies = ReplyDecoder()
    replies.feed(data)
    try:
        while not isinstance(replies.next_reply(), Need):
            pass
    except ProtocolError:
        pass
    lines = clean_lines(data.decode("utf-8", "surrogateescape"), smtputf8=True)
    ReplyCode(550, "5.7.1", lines).encode()
