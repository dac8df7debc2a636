"""The callout ``grosscheck``: asked of our own greylisting where the call names us, else of a remote server.

A filter cannot wait for the answer: `service.memo` says how it runs again. Without an answer the mapping
entry fails, as in the original; the document's table then lets the mail pass.
"""

from functools import partial

from sendwarden.engine.greylist.question import Action, Answer, Question
from sendwarden.engine.world import GreylistCall
from sendwarden.service.greylisting import Greylisting, Lookup
from sendwarden.service.ports import AskLater, Known, RemoteGreylist
from sendwarden.wire.sjsms import Kind, Reply

# What the original's client says for a letter without words.
OWN_WORDS = {
    Kind.GREY: "$X4.4.3|$NPlease$ try$ again$ later",
    Kind.MATCH: "$Y",
    Kind.TRUST: "$Y",
    Kind.BLOCK: "$N",
}
# Letters of an answer that a mapping entry takes.
MOST_LETTERS = 252
# How long all of it may take: two servers, of whom one asked for patience.
PATIENCE_S = 15.0


class Grosscheck:
    """Asks. ``places``: where our own service listens, as ``address:port``."""

    def __init__(self, own: Greylisting, places: frozenset[str], remote: RemoteGreylist) -> None:
        self._own = own
        self._places = places
        self._remote = remote

    def ask(self, call: GreylistCall, account: str) -> Known | AskLater:
        """``account``: the login that the mail is of; "": none."""
        if f"{call.servers[0]}:{call.port}" not in self._places:
            return partial(self._asked_remotely, call)
        answer = self._own.ask(Question(call.sender, call.recipient, call.client_address, call.helo, account))
        return partial(self._looked_up, answer) if isinstance(answer, Lookup) else self._known(answer)

    def _known(self, answer: Answer) -> Known:
        action = self._own.action(answer)
        if action is Action.FAIL:
            return Known(None)
        return Known(self._own.manner.sjsms_text(action, answer.reason)[:MOST_LETTERS])

    async def _looked_up(self, lookup: Lookup) -> Known:
        return self._known(await self._own.look(lookup, self._own.manner.wait_s))

    async def _asked_remotely(self, call: GreylistCall) -> Known:
        return said(await self._remote.ask(call))


def said(reply: Reply | None) -> Known:
    """What a server's reply makes of the entry; None: there was none."""
    if reply is None or reply.kind not in OWN_WORDS:
        return Known(None)
    text = OWN_WORDS[reply.kind] if reply.text is None else reply.text.partition("\0")[0]
    return Known(text[:MOST_LETTERS])
