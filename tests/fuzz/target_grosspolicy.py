"""Any bytes, however cut in two, are a question of grossd's policy protocol, a demand for more, or wrong."""

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.grosspolicy import GrossPolicyDecoder, Query


def _read(*chunks: bytes) -> list[Query | str]:
    decoder, found = GrossPolicyDecoder(), list[Query | str]()
    try:
        for chunk in chunks:
            decoder.feed(chunk)
            while not isinstance(query := decoder.next_query(), Need):
                found.append(query)
    except ProtocolError:
        found.append("error")
    return found


def check(data: bytes) -> None:
    cut = data[0] % (len(data) + 1) if data else 0
    assert _read(data[:cut], data[cut:]) == _read(data), "cut in two it reads differently"
