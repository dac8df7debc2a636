"""rspamd as a `Scanner`, over HTTP. Imported only where the settings name one: the client takes a moment."""

import httpx2

from sendwarden.core.errors import ScannerDown
from sendwarden.core.scan import Finding, ToScan
from sendwarden.wire.base import ProtocolError
from sendwarden.wire.rspamd import MAX_ANSWER_BYTES, PATH, RspamdAnswer, decode_answer, question_fields

OK = 200


class Rspamd:
    """rspamd's normal worker at ``address:port`` or ``unix:/path``. Its score for "add header" is spam.

    A connection carries one question, so that none is lost with one that rspamd has closed meanwhile.
    """

    def __init__(self, name: str, place: str) -> None:
        self.name = name
        self._place = place
        path = place.removeprefix("unix:") if place.startswith("unix:") else None
        self._url = f"http://{'localhost' if path else place}{PATH}"
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        transport = httpx2.AsyncHTTPTransport(uds=path, limits=limits, verify=False)
        # No proxy of the environment; the deadline is the caller's.
        self._client = httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False)

    async def scan(self, message: ToScan) -> Finding:
        try:
            answer = await self._asked(message)
        except ProtocolError as error:
            raise ScannerDown(f"{self._place}: {error}") from error
        except (httpx2.HTTPError, OSError) as error:
            raise ScannerDown(f"{self._place}: {str(error) or type(error).__name__}") from error
        return Finding(self.name, answer.score, answer.threshold, answer.spam, symbols=answer.symbols)

    async def _asked(self, message: ToScan) -> RspamdAnswer:
        fields = question_fields(
            {
                "IP": message.client_address,
                "Hostname": message.client_name,
                "Helo": message.helo,
                "User": message.login,
                "From": message.sender,
                "Queue-Id": message.queue_id,
            },
            message.recipients,
        )
        body = bytearray()
        fields.append(("Accept-Encoding", "identity"))
        question = self._client.stream("POST", self._url, content=message.content, headers=fields)
        async with question as reply:
            if reply.status_code != OK:
                raise ProtocolError(f"it answers {reply.status_code}")
            async for piece in reply.aiter_raw():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise ProtocolError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        return decode_answer(bytes(body))
