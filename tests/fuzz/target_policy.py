"""Any bytes, however cut in two, are a request, a demand for more, or a `ProtocolError`."""

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.policy import PolicyDecoder, Request, clean_text, decode_reply, encode_code


def _read(*chunks: bytes) -> list[Request | str]:
    decoder, found = PolicyDecoder(), list[Request | str]()
    try:
        for chunk in chunks:
            decoder.feed(chunk)
            while isinstance(request := decoder.next_request(), Request):
                found.append(request)
            assert request is Need.DATA
    except ProtocolError:
        found.append("error")
    return found


def check(data: bytes) -> None:
    whole = _read(data)
    cut = data[0] % (len(data) + 1) if data else 0
    assert _read(data[:cut], data[cut:]) == whole, "cut in two it reads differently"
    text = data.decode("utf-8", "surrogateescape")
    clean = clean_text(text, smtputf8=True)
    assert clean_text(clean, smtputf8=True) == clean
    assert not {"\r", "\n", "\0"} & set(clean)
    if clean_text(text):
        assert decode_reply(encode_code(550, text))[0] == "550"
