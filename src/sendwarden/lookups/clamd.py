"""ClamAV's clamd as a `Scanner`."""

from sendwarden.core.scan import Finding, ToScan
from sendwarden.lookups.stream import ask
from sendwarden.wire.clamd import ClamdDecoder, encode_question


class Clamd:
    """clamd at ``address:port`` or ``unix:/path``."""

    def __init__(self, name: str, place: str) -> None:
        self.name = name
        self._place = place

    async def scan(self, message: ToScan) -> Finding:
        answer = await ask(self._place, encode_question(message.content), ClamdDecoder())
        return Finding(self.name, virus=answer.signature)
