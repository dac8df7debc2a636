"""grossd's policy service: Postfix asks by TCP on the port of the sjsms service.

Source: gross.md section 5.2. In case of trouble nothing is answered and the connection is closed, so that
Postfix's default decides; Postfix waits for one second at the most, whatever checks may take.
"""

from sendwarden.engine.greylist.question import Answer, Question
from sendwarden.service.connection import Connection
from sendwarden.service.gate import DEADLINE_S, Gate
from sendwarden.service.greylisting import Greylisting, Lookup
from sendwarden.service.ports import EventLog
from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.grosspolicy import GrossPolicyDecoder, Query

# Of the deadline so much is left for the answer.
_SPARE_S = 0.1


class GrossPolicyConnection(Connection):
    """One connection of Postfix."""

    def __init__(self, greylisting: Greylisting, gate: Gate, log: EventLog, listener: str) -> None:
        super().__init__(gate, log, listener)
        self._greylisting = greylisting
        self._decoder = GrossPolicyDecoder()
        self._once = False

    @property
    def idle(self) -> bool:
        return self.answering is None and not self._decoder.unfinished

    def feed(self, data: bytes) -> None:
        self._decoder.feed(data)

    def go_on(self) -> None:
        while self.open and self.answering is None:
            if self._once:
                self.end()
                return
            try:
                query = self._decoder.next_query()
            except ProtocolError as error:
                self.abort(str(error))
                return
            if isinstance(query, Need):
                return
            self._answer(query)

    def _answer(self, query: Query) -> None:
        self._once = query.once
        asked = Question(query.sender, query.recipient, query.client_address, query.helo)
        answer = self._greylisting.ask(asked)
        if not isinstance(answer, Lookup):
            self.write(self._reply(answer))
            return
        lookup = answer
        said = b""

        async def look() -> None:
            nonlocal said
            within_s = min(self._greylisting.manner.wait_s, DEADLINE_S - _SPARE_S)
            said = self._reply(await self._greylisting.look(lookup, within_s))

        self.answer_later(look(), lambda: said)

    def _reply(self, answer: Answer) -> bytes:
        action = self._greylisting.action(answer)
        text = self._greylisting.manner.postfix_text(action, answer.reason)
        return f"{text}\n\n".encode("utf-8", "surrogateescape")
