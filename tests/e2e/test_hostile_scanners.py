"""Scanners that hang, lie, or talk without end, over real sockets: each is told in one line, or given up."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sendwarden.core.errors import ScannerDown
from sendwarden.core.scan import ToScan
from sendwarden.lookups.clamd import Clamd
from sendwarden.lookups.rspamd import Rspamd
from sendwarden.lookups.spamd import Spamd
from sendwarden.service.ports import Scanner
from tests.servers.space import free_port

MAIL = ToScan(b"Subject: x\r\n\r\n" + b"a" * 3_000_000)
ADAPTERS: dict[str, Callable[[str, str], Scanner]] = {"spamd": Spamd, "clamd": Clamd, "rspamd": Rspamd}

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def closes(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """At once, without a word."""


async def resets(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def babbles(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"a" * 65536)
        await writer.drain()


async def streams(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A right head of HTTP and of SPAMD in vain: the body never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    await babbles(_reader, writer)


async def nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\0\r\n\r\n\0")
    await writer.drain()


async def hangs(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Reads nothing and says nothing."""
    await asyncio.Event().wait()


async def asked(kind: str, behaviour: Behaviour, patience_s: float) -> str:
    """What the adapter says of such a server."""
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await behaviour(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    port = free_port()
    server = await asyncio.start_server(handle, "127.0.0.1", port)
    try:
        async with asyncio.timeout(patience_s):
            return str(await ADAPTERS[kind]("s", f"127.0.0.1:{port}").scan(MAIL))
    except ScannerDown as error:
        return str(error)
    except TimeoutError:
        return "nothing"
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


@pytest.fixture(params=ADAPTERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("behaviour", [closes, resets, babbles, streams, nothing])
def test_what_is_no_answer_is_told_with_the_place_and_on_one_line(kind: str, behaviour: Behaviour) -> None:
    says = asyncio.run(asked(kind, behaviour, 20))

    assert says.startswith("127.0.0.1:") and says.isprintable() and len(says) < 200


def test_who_hangs_is_given_up_by_whoever_waits(kind: str) -> None:
    assert asyncio.run(asked(kind, hangs, 0.3)) == "nothing"


def test_nobody_there_is_told(kind: str) -> None:
    port = free_port()

    with pytest.raises(ScannerDown, match=f"127.0.0.1:{port}: "):
        asyncio.run(ADAPTERS[kind]("s", f"127.0.0.1:{port}").scan(MAIL))


def test_no_socket_at_that_path_is_told(kind: str) -> None:
    with pytest.raises(ScannerDown, match="unix:/nowhere/socket: "):
        asyncio.run(ADAPTERS[kind]("s", "unix:/nowhere/socket").scan(MAIL))
