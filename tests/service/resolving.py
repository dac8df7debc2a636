"""A resolver that answers from a table."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sendwarden.core.dns import DnsAnswer, Question

if TYPE_CHECKING:
    from sendwarden.service.ports import Answered

LATE = "late"


class FakeResolver:
    """`Resolver`. ``zone``: name -> records parted by blanks, or ``!`` and what the trouble is.

    ``never``: names of which no answer comes. Answers are remembered only where ``remembers``.
    """

    def __init__(self, zone: Mapping[str, str] | None = None, *, remembers: bool = False) -> None:
        self.on_answer: Answered = lambda _question, _answer: None
        self.zone = dict(zone or {})
        self.never: set[str] = set()
        self.remembers = remembers
        self.asked: list[str] = []
        self._kept: dict[Question, DnsAnswer] = {}

    def cached(self, question: Question) -> DnsAnswer | None:
        return self._kept.get(question)

    async def ask(self, question: Question, within_s: float) -> DnsAnswer:
        self.asked.append(question.name)
        await asyncio.sleep(0)
        if question.name in self.never:
            await asyncio.sleep(within_s)
            return DnsAnswer(trouble=LATE)
        found = self.zone.get(question.name, "")
        answer = (
            DnsAnswer(trouble=found[1:]) if found.startswith("!") else DnsAnswer(tuple(found.split()), 60.0)
        )
        if self.remembers and not answer.trouble:
            self._kept[question] = answer
        self.on_answer(question, answer)
        return answer

    async def close(self) -> None:
        """Nothing is open."""
