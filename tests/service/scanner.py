"""A scanner in a test's hands."""

import asyncio
from dataclasses import dataclass, field

from sendwarden.core.errors import ScannerDown
from sendwarden.core.scan import Finding, ToScan


@dataclass(slots=True)
class FakeScanner:
    """Answers with ``found``, or fails with ``error``, or waits until it is told to `answer`."""

    name: str = "s"
    found: Finding = field(default_factory=lambda: Finding("s", 1.0, 5.0))
    error: str = ""
    slow: bool = False
    asked: list[ToScan] = field(default_factory=list)
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def scan(self, message: ToScan) -> Finding:
        self.asked.append(message)
        if self.slow:
            await self.answer.wait()
        if self.error:
            raise ScannerDown(self.error)
        return self.found
