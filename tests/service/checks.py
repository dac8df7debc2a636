"""`Checks` in memory: what they know, and what they find once a test lets them answer."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from sendwarden.engine.greylist.question import Findings, Question
from sendwarden.service.ports import FinishChecks


@dataclass(slots=True)
class FakeChecks:
    """``at_hand``: what needs no look. A look answers at once or, if it is ``slow``, when `released`."""

    at_hand: dict[str, Findings] = field(default_factory=dict)  # by client address
    found: dict[str, Findings] = field(default_factory=dict)
    slow: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    looks: list[float] = field(default_factory=list)  # within how many seconds
    lists: tuple[str, ...] = ("bl.test",)
    out_of_service: tuple[str, ...] = ()

    def ask(self, asked: Question) -> Findings | FinishChecks:
        return self.at_hand.get(asked.client_address) or partial(self._look, asked)

    async def _look(self, asked: Question, within_s: float) -> Findings:
        self.looks.append(within_s)
        if self.slow:
            try:
                async with asyncio.timeout(within_s):
                    await self.released.wait()
            except TimeoutError:
                return Findings(missing=self.lists)
        return self.found.get(asked.client_address, Findings())
