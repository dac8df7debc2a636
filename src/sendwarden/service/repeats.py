"""One reference for what is decided over and over: whoever floods us shall not fill the state."""

from collections.abc import Hashable
from dataclasses import replace

from sendwarden.core.decision import Decision
from sendwarden.service.ports import References


class Repeats:
    """Decisions of one quantum, by what they are about."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._given: dict[Hashable, Decision] = {}
        self._given_in = 0  # quantum

    def once(self, same: Hashable, decision: Decision, quantum: int) -> Decision:
        """With a reference: the one given in this quantum already, or a new one."""
        if self._given_in != quantum:
            self._given, self._given_in = {}, quantum
        given = self._given.get(same)
        if given and (given.verdict, given.watched) == (decision.verdict, decision.watched):
            return replace(given, repeated=True)
        fresh = replace(decision, reference=self._references.next())
        self._given[same] = fresh
        return fresh
