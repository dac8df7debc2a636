"""States of accounts as a test says they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from sendwarden.core.account import State


@dataclass(frozen=True, slots=True)
class StatesInMemory:
    """`AccountStates` over a table."""

    states: Mapping[str, State]

    def state(self, account: str, now: float) -> State:
        del now
        return self.states.get(account, State.NORMAL)

    def why(self, account: str) -> str:
        return "a test says so" if account in self.states else ""

    def told(self, account: str) -> str:
        del account
        return ""

    def incident_until(self, account: str, now: float) -> float | None:
        del account, now
        return None

    def next_end(self, now: float) -> float:
        del now
        return inf
