"""daemon.listeners: sockets are opened, left to others where they are theirs, closed and drained.

With uvloop and with asyncio's own loop, since each has its own ways with unix sockets.
"""

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop

from sendwarden.daemon.listeners import DRAIN_S, CannotListen, Listeners
from sendwarden.service.connection import Connection, DatagramServer
from sendwarden.service.gate import Gate
from tests.servers.space import free_port
from tests.stores.around import KeptLog

pytestmark = pytest.mark.e2e


class Echo(Connection):
    """Says back what it hears, line by line. Busy while a line is unfinished; a bug is one."""

    def __init__(self, gate: Gate, listener: str) -> None:
        super().__init__(gate, KeptLog(), listener)
        self._heard = b""

    @property
    def idle(self) -> bool:
        return not self._heard

    def feed(self, data: bytes) -> None:
        self._heard += data

    def go_on(self) -> None:
        while self.open and b"\n" in self._heard:
            line, _, self._heard = self._heard.partition(b"\n")
            if line == b"bug":
                raise ZeroDivisionError
            self.write(line + b"\n")


class EchoOfDatagrams(DatagramServer):
    """Says back what it hears."""

    bound: socket.socket | None = None

    @property
    def closed(self) -> bool:
        return self.bound is None

    def serve(self, bound: socket.socket) -> None:
        bound.settimeout(0)
        self.bound = bound
        asyncio.get_running_loop().add_reader(bound, self._read)

    def _read(self) -> None:
        assert self.bound is not None
        data, peer = self.bound.recvfrom(100)
        self.bound.sendto(data, peer)

    def drain(self, *, now: bool) -> None:
        del now
        if self.bound is not None:
            asyncio.get_running_loop().remove_reader(self.bound)
            self.bound.close()
            self.bound = None


class Made:
    """Listeners whose connections echo."""

    def __init__(self) -> None:
        self.listeners = Listeners()
        self._gate = Gate(100, asyncio.get_running_loop().time)

    async def open(self, name: str) -> None:
        await self.listeners.open(name, lambda listener: Echo(self._gate, listener))


Test = Callable[[Made], Awaitable[None]]
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Test], None]:
    """Run a test's work in one of the loops."""

    def run(test: Test) -> None:
        async def work() -> None:
            made = Made()
            await test(made)
            await made.listeners.drain()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(work())

    return run


async def says(path: Path, text: bytes = b"hello\n") -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(text)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


def test_a_unix_socket_is_for_owner_and_group_and_its_folder_is_made(
    run: Callable[[Test], None], tmp_path: Path
) -> None:
    path = tmp_path / "run" / "policy"

    async def work(made: Made) -> None:
        await made.open(f"unix:{path}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert await says(path) == b"hello\n"

    run(work)
    assert not path.exists(), "it goes with the daemon"


def test_a_socket_left_by_a_daemon_that_was_killed_is_taken_over(
    run: Callable[[Test], None], tmp_path: Path
) -> None:
    path = tmp_path / "policy"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    assert path.is_socket()

    async def work(made: Made) -> None:
        await made.open(f"unix:{path}")
        assert await says(path) == b"hello\n"

    run(work)


@pytest.mark.parametrize("backlog", ["has room", "is full"])
def test_a_socket_that_another_program_listens_at_is_left_to_it(
    run: Callable[[Test], None], tmp_path: Path, backlog: str
) -> None:
    path = tmp_path / "policy"
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.bind(str(path))
        other.listen(0)
        if backlog == "is full":
            waiting.connect(str(path))
        inode = path.stat().st_ino

        async def work(made: Made) -> None:
            with pytest.raises(CannotListen, match=r"policy: another program answers there \(ss -lxp"):
                await made.open(f"unix:{path}")
            assert made.listeners.names == []

        run(work)
        assert path.stat().st_ino == inode


def test_a_file_that_is_no_socket_is_left_alone(run: Callable[[Test], None], tmp_path: Path) -> None:
    path = tmp_path / "policy"
    path.write_text("mine")

    async def work(made: Made) -> None:
        with pytest.raises(
            CannotListen,
            match=r"cannot listen at unix:.*policy: a file that is no socket .* move it away, or",
        ):
            await made.open(f"unix:{path}")

    run(work)
    assert path.read_text() == "mine"


def test_closing_does_not_remove_a_socket_that_is_no_longer_ours(
    run: Callable[[Test], None], tmp_path: Path
) -> None:
    path = tmp_path / "policy"

    async def work(made: Made) -> None:
        await made.open(f"unix:{path}")
        path.rename(tmp_path / "elsewhere")
        with socket.socket(socket.AF_UNIX) as theirs:
            theirs.bind(str(path))
        made.listeners.close(f"unix:{path}")

    run(work)
    assert path.is_socket()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("127.0.0.1:{}", r"another program listens there \(ss -ltnp", id="a port in use"),
        pytest.param("192.0.2.200:10031", "assign requested address", id="an address of another machine"),
        pytest.param("unix:/proc/no/policy", "unix:/proc/no/policy", id="no folder to be made"),
        pytest.param("unix:/tmp/" + "x" * 200, "too long", id="a path longer than a socket's name"),
    ],
)
def test_a_socket_that_cannot_be_opened_is_named_with_the_reason(
    run: Callable[[Test], None], name: str, why: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        named = name.format(taken.getsockname()[1])

        async def work(made: Made) -> None:
            with pytest.raises(CannotListen, match=why) as refused:
                await made.open(named)
            said = str(refused.value)
            assert said.count(named) == 1 and "error while" not in said
            assert said.endswith("set listen.policy or listen.milter in sendwarden.toml to another place")

        run(work)


@pytest.mark.parametrize("name", ["127.0.0.1:{}", "[::1]:{}"])
def test_a_port_is_opened_closed_and_its_connections_stay(run: Callable[[Test], None], name: str) -> None:
    port = free_port()
    named = name.format(port)

    async def work(made: Made) -> None:
        await made.open(named)
        host = named.rpartition(":")[0].strip("[]")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"

        made.listeners.close(named)

        writer.write(b"two\n")
        assert await reader.readline() == b"two\n"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()

    run(work)


def test_draining_ends_idle_connections_at_once_and_waits_for_busy_ones(run: Callable[[Test], None]) -> None:
    port = free_port()

    async def work(made: Made) -> None:
        loop = asyncio.get_running_loop()
        await made.open(f"127.0.0.1:{port}")
        (idle, idle_writer), (busy, busy_writer), (stuck, stuck_writer) = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(3)
        ]
        for reader, writer in ((idle, idle_writer), (busy, busy_writer), (stuck, stuck_writer)):
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
        busy_writer.write(b"un")
        stuck_writer.write(b"un")
        await asyncio.sleep(0.05)
        start = loop.time()

        draining = asyncio.create_task(made.listeners.drain())
        assert await idle.read() == b""
        assert loop.time() - start < DRAIN_S / 2
        busy_writer.write(b"finished\n")
        assert await busy.read() == b"unfinished\n"
        assert await stuck.read() == b""
        await draining

        assert DRAIN_S - 0.1 < loop.time() - start < DRAIN_S + 1
        for writer in (idle_writer, busy_writer, stuck_writer):
            writer.close()
            await writer.wait_closed()

    run(work)


def test_an_error_of_ours_closes_the_one_connection_without_a_word_and_is_reported(
    run: Callable[[Test], None],
) -> None:
    port = free_port()
    reported: list[object] = []

    async def work(made: Made) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: reported.append(context.get("exception"))
        )
        await made.open(f"127.0.0.1:{port}")
        other, other_writer = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one\nbug\ntwo\n")

        assert await _read(reader) in (b"one\n", b"")
        other_writer.write(b"fine\n")
        assert await other.readline() == b"fine\n"
        for one in (writer, other_writer):
            one.close()
            with suppress(ConnectionError):
                await one.wait_closed()

    run(work)
    assert [type(error) for error in reported] == [ZeroDivisionError]


async def _read(reader: asyncio.StreamReader) -> bytes:
    """All that comes before the end, however it comes."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


# --- datagrams


async def asked(host: str, port: int) -> bytes:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.settimeout(0)
        peer.connect((host, port))
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(peer, b"hello")
        async with asyncio.timeout(20):
            return await loop.sock_recv(peer, 100)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_are_taken_at_a_port_that_connections_may_have_too(
    run: Callable[[Test], None], host: str
) -> None:
    async def work(made: Made) -> None:
        port = free_port()
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        await made.open(place)
        await made.listeners.open(f"udp:{place}", lambda _listener: EchoOfDatagrams())
        assert made.listeners.names == [place, f"udp:{place}"]
        assert await asked(host, port) == b"hello"
        made.listeners.close(f"udp:{place}")
        assert made.listeners.names == [place]
        with pytest.raises(ConnectionRefusedError):
            await asked(host, port)

    run(work)


def test_a_port_that_another_program_has_for_datagrams_is_told(run: Callable[[Test], None]) -> None:
    async def work(made: Made) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            name = f"udp:127.0.0.1:{other.getsockname()[1]}"
            with pytest.raises(CannotListen, match=r"ss -lunp.*greylist\.listen"):
                await made.listeners.open(name, lambda _listener: EchoOfDatagrams())
        assert made.listeners.names == []

    run(work)
