"""wire.grosspolicy: questions whole, byte by byte, cut short, and every way to be wrong."""

import pytest

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.grosspolicy import MAX_REQUEST_BYTES, GrossPolicyDecoder, Query

THREE = b"sender=a@example.org\nrecipient=b@example.net\nclient_address=192.0.2.1\n"
PLAIN = Query("a@example.org", "b@example.net", "192.0.2.1")

CASES: dict[str, tuple[bytes, list[Query]]] = {
    "three attributes": (THREE + b"\n", [PLAIN]),
    "as Postfix asks": (
        b"request=smtpd_access_policy\nprotocol_state=RCPT\nhelo_name=h\n" + THREE + b"size=0\n\n",
        [PLAIN._replace(helo="h")],
    ),
    "two at once": (2 * (THREE + b"\n"), [PLAIN, PLAIN]),
    "CRLF": (THREE.replace(b"\n", b"\r\n") + b"\r\n", [PLAIN]),
    "a lone CR": (b"sen\rder" + THREE[6:] + b"\n", [PLAIN]),
    "empty values": (b"sender=\nrecipient=\nclient_address=\nhelo_name=\n\n", [Query("", "", "", "")]),
    "the last of two counts": (b"sender=z\n" + THREE + b"\n", [PLAIN]),
    "Exim's": (THREE + b"grossd_mode=exim\n\n", [PLAIN._replace(once=True)]),
    "lines that are no attributes": (b"nonsense\n=\n" + THREE + b"\n", [PLAIN]),
    "names that only end alike": (b"xsender=z\n" + THREE + b"\n", [PLAIN]),
    "bytes that are no UTF-8": (
        b"helo_name=\xe4\n" + THREE + b"\n",
        [PLAIN._replace(helo="\udce4")],
    ),
}
WRONG = {
    "nothing": b"\n",
    "a question, then nothing": THREE + b"\n\n",
    "no sender": THREE.replace(b"sender", b"s") + b"\n",
    "no recipient": THREE.replace(b"recipient", b"r") + b"\n",
    "no address": THREE.replace(b"client_address", b"c") + b"\n",
    "too long": b"a=" + b"b" * MAX_REQUEST_BYTES,
    "too long, and whole": b"a=" + b"b" * MAX_REQUEST_BYTES + b"\n\n",
}


def read(*chunks: bytes) -> list[Query]:
    decoder, found = GrossPolicyDecoder(), []
    for chunk in chunks:
        decoder.feed(chunk)
        while not isinstance(query := decoder.next_query(), Need):
            found.append(query)
    return found


@pytest.mark.parametrize("case", CASES)
def test_questions_are_read_whole_and_byte_by_byte(case: str) -> None:
    sent, expected = CASES[case]

    assert read(sent) == expected
    assert read(*(sent[at : at + 1] for at in range(len(sent)))) == expected


@pytest.mark.parametrize("case", CASES)
def test_one_that_is_cut_short_waits_for_more(case: str) -> None:
    sent, expected = CASES[case]
    decoder = GrossPolicyDecoder()
    decoder.feed(sent[:-1])
    found = [query for _ in expected if not isinstance(query := decoder.next_query(), Need)]

    assert len(found) == len(expected) - 1
    assert decoder.unfinished


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_ends_the_connection(case: str) -> None:
    with pytest.raises(ProtocolError):
        read(WRONG[case])
