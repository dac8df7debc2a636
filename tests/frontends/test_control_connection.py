"""frontends.control: questions on lines, each with as much time as its answer may take."""

import asyncio
import json
from pathlib import Path

from sendwarden.frontends.control import ControlConnection
from sendwarden.service.book import Book
from sendwarden.service.desk import Desk
from sendwarden.service.question import Answer, Question
from sendwarden.stores.memory import MemoryMeters
from tests.frontends.around import Ground, MemoryTransport, Peer
from tests.service.outside import KeptExceptions
from tests.stores.around import until


class SlowDesk(Desk):
    """Answers when it is told to; there is time for a long verb, and hardly any for others."""

    def __init__(self, ground: Ground) -> None:
        book = Book(ground.clock, KeptExceptions())
        super().__init__(ground.limiter, book, ground.clock, ground.log, MemoryMeters({}))
        self.told = asyncio.Event()

    @staticmethod
    def within_s(question: Question) -> float:
        return 60.0 if question.get("verb") == "top" else 0.01

    async def ask(self, question: Question) -> Answer:
        await self.told.wait()
        return await super().ask(question)


def asking(desk: Desk, ground: Ground) -> Peer:
    return Peer(ControlConnection(desk, ground.gate, ground.log, "control"), MemoryTransport(""))


def test_each_verb_has_the_time_that_its_answer_may_take(tmp_path: Path) -> None:
    async def work() -> None:
        ground = Ground(tmp_path)
        desk = SlowDesk(ground)
        short, long = asking(desk, ground), asking(desk, ground)

        long.say(b'{"verb": "top"}\n')
        short.say(b'{"verb": "show", "account": "eve"}\n')
        await until("the short one is given up", lambda: short.closed)
        assert not long.closed
        desk.told.set()
        await long.answered()

        assert (short.heard(), json.loads(long.heard())) == (b"", {"accounts": [], "counted": 0})

    asyncio.run(work())


def test_what_is_no_question_is_told_and_the_next_one_answered(tmp_path: Path) -> None:
    async def work() -> None:
        ground = Ground(tmp_path)
        desk = SlowDesk(ground)
        desk.told.set()
        peer = asking(desk, ground)

        peer.say(b'{"verb"\n[1]\n{"verb": "top"}\n{"verb": "top", "number": "x"}\n')
        for _ in range(2):
            await peer.answered()

        no_question, neither, top, wrong = map(json.loads, peer.heard().splitlines())
        assert no_question == neither == {"error": "a question is a JSON object on one line"}
        assert top["accounts"] == [] and "wrong kind" in wrong["error"]

    asyncio.run(work())
