"""What stands around a frontend: a transport in memory, a site from real settings, a ledger that obeys."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sendwarden.config.load import load
from sendwarden.core.errors import StoreDown
from sendwarden.engine.greylist.decide import Greylister, GreylistRules
from sendwarden.engine.greylist.places import Places
from sendwarden.frontends.milter import MilterConnection
from sendwarden.frontends.policy import PolicyConnection
from sendwarden.service.allowance import Allowance
from sendwarden.service.book import Book
from sendwarden.service.conclude import Conclusions
from sendwarden.service.connection import Connection
from sendwarden.service.gate import Gate
from sendwarden.service.greychannel import ChannelGreylisting, Kept
from sendwarden.service.greylisting import Greylisting
from sendwarden.service.judge import Judge
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import AskGreylist, Outside, Scanner
from sendwarden.service.scanning import Ours, Scanning
from sendwarden.stores.journal import Numbers
from sendwarden.stores.memory import MemoryMeters
from sendwarden.wire.base import Need
from sendwarden.wire.milter.commands import Command
from sendwarden.wire.milter.replies import Reply, ReplyDecoder
from tests.service.outside import KeptExceptions, Posted
from tests.stores.around import HandClock, KeptLog, until

LOOPBACK = ("127.0.0.1", 12345)
# A filter that does what the header X-Do says.
DO = """
require ["reject", "envelope", "copy"];
if header :is "X-Do" "refuse" { reject "Not 100% here."; }
elsif header :is "X-Do" "hold" { hold; }
elsif header :is "X-Do" "discard" { discard; }
elsif header :is "X-Do" "copy" { redirect :copy "new@desk.example"; }
elsif header :is "X-Do" "mixed" {
    if envelope "to" "no@victim.example" { reject "not to him"; }
    elsif envelope "to" "gone@victim.example" { discard; }
}
"""
FILTERED = '[[channel]]\nname = "all"\nsourcefilter = "do.sieve"\n'
OWN = '[[channel]]\nname = "all"\nsenders = "own"\n'
HEADER_OWN = '[[channel]]\nname = "all"\nheader_from = "own"\n'


class MemoryTransport(asyncio.Transport):
    """Keeps what is written. The test is the peer, and tells the connection what it does."""

    def __init__(self, peer: object = LOOPBACK) -> None:
        super().__init__({"peername": peer})
        self.written = bytearray()
        self.reading = True
        self.closed = self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "nothing is written to a closed connection"
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed


@dataclass(slots=True)
class Ledger:
    """Keeps at once, or when it is `released`, or fails as it is told."""

    records: list[dict[str, object]] = field(default_factory=list)
    error: BaseException | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)
    slow: bool = False

    async def keep(self, record: Mapping[str, object], notice: Mapping[str, object] | None = None) -> None:
        del notice
        if self.slow:
            await self.released.wait()
        if self.error:
            raise self.error
        self.records.append(dict(record))


class Ground:
    """A site, and connections to it."""

    def __init__(
        self,
        folder: Path,
        settings: str = "",
        *,
        mode: str = "enforce",
        scanners: Iterable[Scanner] = (),
        greylist: AskGreylist | None = None,
    ) -> None:
        self.folder = folder
        self.clock, self.log, self.ledger, self.outbox = HandClock(), KeptLog(), Ledger(), Posted()
        self.book = Book(self.clock, KeptExceptions())
        self._limiter: Limiter | None = None
        self.greylisting = Greylisting(Greylister(GreylistRules()), self.clock, self.log)
        self._places = Places(1000)
        self._scanners = tuple(scanners)
        self.monotonic = 0.0
        self.gate = Gate(100, lambda: self.monotonic)
        self.monotonic = 0.5  # not just woken up
        self._conclusions = Conclusions(self.clock, self.log, self.ledger, self.outbox)
        self._numbers = Numbers(b"k" * 16, 0)
        self._outside = Outside(self.clock, self._numbers, self.log, lambda: 0.0, greylist)
        self.use(settings, mode=mode)

    def use(self, settings: str, *, mode: str = "enforce") -> None:
        """Take a configuration, as a reload does."""
        (self.folder / "do.sieve").write_text(DO)
        (self.folder / "body.sieve").write_text("if size :over 1M { discard; }")
        (self.folder / "sendwarden.toml").write_text(f'mode = "{mode}"\n{settings}')
        loaded = load(self.folder / "sendwarden.toml")
        assert loaded.usable, loaded.problems
        if self._limiter is None:
            self._limiter = Limiter(loaded.site, self.book, self.clock)
        self.limiter.use(loaded.site)
        allowance = Allowance(self.limiter, self._outside)
        site = loaded.site
        ours = Ours(site.host, site.internal, site.relays)
        scanning = Scanning(self._scanners, site.scanners, ours, self.clock, self.log)
        self._judge = Judge(site, MemoryMeters(site.meters), self._outside, allowance, scanning)
        kept = Kept(self.greylisting, self._places, self.limiter)
        self._judge.greylisting = ChannelGreylisting(site, kept, self.clock, self._numbers)

    @property
    def limiter(self) -> Limiter:
        assert self._limiter is not None
        return self._limiter

    @property
    def references_given(self) -> int:
        return self._numbers.given_out

    def later(self, seconds: float) -> None:
        self.clock.at += seconds
        self.limiter.tick()

    def judge(self) -> Judge:
        return self._judge

    def policy(self, peer: object = LOOPBACK, judge: Callable[[], Judge] | None = None) -> "Peer":
        made = PolicyConnection(judge or self.judge, self._conclusions, self.gate, self.log, "policy")
        return Peer(made, MemoryTransport(peer))

    def milter(self, peer: object = LOOPBACK) -> "MilterPeer":
        made = MilterConnection(self.judge, self._conclusions, self.gate, self.log, "milter")
        return MilterPeer(made, MemoryTransport(peer))


class Peer:
    """The other end of one connection."""

    def __init__(self, connection: Connection, transport: MemoryTransport) -> None:
        self.connection, self.transport = connection, transport
        connection.connection_made(transport)

    def say(self, data: bytes) -> None:
        self.connection.data_received(data)

    def shut(self) -> None:
        """No more will come; a transport closes unless the protocol wants to say something yet."""
        if not self.connection.eof_received():
            self.transport.close()

    def gone(self) -> None:
        self.connection.connection_lost(None)

    @property
    def closed(self) -> bool:
        return self.transport.closed

    def heard(self) -> bytes:
        """What came since the last call."""
        got = bytes(self.transport.written)
        self.transport.written.clear()
        return got

    async def answered(self) -> None:
        await until("it is answered or closed", lambda: self.connection.answering is None)


class MilterPeer(Peer):
    """A mail server's end."""

    def __init__(self, connection: Connection, transport: MemoryTransport) -> None:
        super().__init__(connection, transport)
        self._decoder = ReplyDecoder()

    def command(self, *commands: Command) -> None:
        for command in commands:
            self.say(command.encode())

    def replies(self) -> list[Reply]:
        self._decoder.feed(self.heard())
        found: list[Reply] = []
        while not isinstance(reply := self._decoder.next_reply(), Need):
            found.append(reply)
        return found

    async def ask(self, *commands: Command) -> list[Reply]:
        """Say something, and all replies to it."""
        self.command(*commands)
        await self.answered()
        return self.replies()


def down() -> StoreDown:
    return StoreDown("no room")


def fields_of(log: KeptLog, kind: str) -> list[dict[str, Any]]:
    return [fields for found, fields in log.events if found == kind]
