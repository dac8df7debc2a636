"""SpamAssassin's spamd as a `Scanner`."""

from sendwarden.core.scan import Finding, ToScan
from sendwarden.lookups.stream import ask
from sendwarden.wire.spamc import SpamdDecoder, encode_question


class Spamd:
    """spamd at ``address:port`` or ``unix:/path``. Its own required_score says what spam is."""

    def __init__(self, name: str, place: str) -> None:
        self.name = name
        self._place = place

    async def scan(self, message: ToScan) -> Finding:
        answer = await ask(self._place, [encode_question(message.content)], SpamdDecoder())
        return Finding(self.name, answer.score, answer.threshold, answer.spam, symbols=answer.symbols)
