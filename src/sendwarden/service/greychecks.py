"""What greylisting asks before mail waits: the checks that the settings name, by `service.reputation`.

As in gross a list of good clients beats everything and ends the inquiry; otherwise all checks are waited for,
so that weights are complete. Whoever gave no answer, is out of service or rests, is named and weighs nothing.
"""

from collections.abc import Collection, Sequence
from functools import partial

from sendwarden.engine.greylist.question import Findings, Found, Question, Word
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.names import sender_domain
from sendwarden.service.ports import FinishChecks
from sendwarden.service.reputation import About, Inquiry, Reputation

# In which gross's status names its lists.
_ORDER = ("rhsbl", "dnswl", "dnsbl")


class GreyChecks:
    """`Checks` over a reputation. ``names``: its checks, or single lists."""

    def __init__(self, reputation: Reputation, names: Collection[str]) -> None:
        self._reputation = reputation
        self._names = frozenset(names)
        asked = [one.list for one in reputation.watched if {one.list.name, one.list.kind} & self._names]
        self.lists = tuple(one.name for kind in _ORDER for one in asked if one.kind == kind)

    @property
    def out_of_service(self) -> tuple[str, ...]:
        return tuple(name for name in self._reputation.out_of_service if name in self.lists)

    def ask(self, asked: Question) -> Findings | FinishChecks:
        sender = "" if asked.sender == "<>" else asked.sender
        domain = sender_domain(sender)
        if domain:
            sender = f"{sender.rpartition('@')[0]}@{domain}"
        about = About(asked.client_address, domain, asked.helo or "", sender)
        inquiry = self._reputation.begin(about, self._names)
        if inquiry.complete or _trusted(inquiry.found):
            return findings(inquiry.found)
        return partial(_finished, inquiry)


async def _finished(inquiry: Inquiry, within_s: float) -> Findings:
    return findings(await inquiry.finish(within_s, lambda found, _definitive: _trusted(found)))


def _trusted(found: Sequence[Finding]) -> bool:
    return any(one.said is Said.PASS for one in found)


def findings(found: Sequence[Finding]) -> Findings:
    """In the words of greylisting."""
    said = [_found(one) for one in found if one.said not in (Said.CLEAR, Said.UNKNOWN)]
    return Findings(tuple(said), tuple(one.name for one in found if one.said is Said.UNKNOWN))


def _found(one: Finding) -> Found:
    if one.said is Said.PASS:
        return Found(one.name, word=Word.PASSED)
    if one.said is Said.BLOCK:
        return Found(one.name, word=Word.BLOCK, reason=one.why)
    return Found(one.name, one.weight)
