"""The control socket: commands of the postmaster, one JSON object a line in and one out.

It is a unix socket in the state folder, for its owner and group; whoever may connect may do all it offers.
An answer is the use case's, or ``{"error": "..."}``.
"""

import json
from collections.abc import Mapping
from typing import Any

from sendwarden.core.errors import SendwardenError
from sendwarden.service.connection import Connection
from sendwarden.service.desk import Desk
from sendwarden.service.gate import Gate
from sendwarden.service.ports import EventLog

# Longest question, in bytes.
MOST_BYTES = 64 * 1024


class ControlConnection(Connection):
    """One connection of a command."""

    def __init__(self, desk: Desk, gate: Gate, log: EventLog, listener: str) -> None:
        super().__init__(gate, log, listener)
        self._desk = desk
        self._buffer = bytearray()
        self._answer = b""

    @property
    def idle(self) -> bool:
        return self.answering is None and not self._buffer

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def go_on(self) -> None:
        while self.open and self.answering is None:
            line, end, rest = self._buffer.partition(b"\n")
            if not end:
                if len(self._buffer) > MOST_BYTES:
                    self.abort("a question that is too long")
                return
            self._buffer = rest
            try:
                question = _question(bytes(line))
            except SendwardenError as error:
                self.write(_line({"error": str(error)}))
                continue
            self.answer_later(self._answered(question), lambda: self._answer, self._desk.within_s(question))

    async def _answered(self, question: Mapping[str, Any]) -> None:
        try:
            answer = await self._desk.ask(question)
        except SendwardenError as error:
            answer = {"error": str(error)}
        except (ValueError, TypeError, OverflowError) as error:
            answer = {"error": f"a value of the question is of a wrong kind: {error}"}
        self._answer = _line(answer)


def _line(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _question(line: bytes) -> Mapping[str, Any]:
    """Raises `SendwardenError` for what is no JSON object."""
    try:
        question = json.loads(line)
    except (ValueError, RecursionError):
        question = None
    if not isinstance(question, dict):
        raise SendwardenError("a question is a JSON object on one line")
    return question
