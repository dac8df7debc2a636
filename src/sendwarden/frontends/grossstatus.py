"""grossd's status service: one line to whoever connects, and the end (gross.md section 5.4)."""

import asyncio

from sendwarden.service.connection import Connection
from sendwarden.service.gate import Gate
from sendwarden.service.greylisting import Greylisting
from sendwarden.service.ports import EventLog


class GrossStatusConnection(Connection):
    """One connection."""

    def __init__(self, greylisting: Greylisting, gate: Gate, log: EventLog, listener: str) -> None:
        super().__init__(gate, log, listener)
        self._greylisting = greylisting

    @property
    def idle(self) -> bool:
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.write(f"{self._greylisting.status()}\n".encode("utf-8", "surrogateescape"))
        self.end()

    def feed(self, data: bytes) -> None:
        """Nobody is asked anything here."""

    def go_on(self) -> None:
        """Nothing is answered but the line."""
