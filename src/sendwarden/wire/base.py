"""What codecs share: the one answer that is not an event, the one error, single answers, bodies in JSON."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import NoReturn


class Need(Enum):
    """Returned instead of an event. DATA: feed more bytes and ask again."""

    DATA = "data"


class ProtocolError(Exception):
    """The peer broke the protocol. Close the connection; never raised for our own bugs."""


class OneAnswer:
    """What arrives on a connection that carries one answer: feed it, and say `end` where the peer closes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ended = False

    def feed(self, data: bytes) -> None:
        self._bytes += data

    def end(self) -> None:
        self._ended = True

    def _more(self) -> Need:
        """The answer is not whole yet. Raises `ProtocolError` where it never will be."""
        if self._ended:
            raise ProtocolError("it closed before its answer was whole")
        return Need.DATA


def json_object(body: bytes, most_bytes: int) -> Mapping[str, object]:
    """A body that HTTP framed. Raises `ProtocolError`, in one sentence that quotes nothing."""
    if len(body) > most_bytes:
        raise ProtocolError(f"longer than {most_bytes} bytes")
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise ProtocolError("nested too deep") from None
    except ValueError:
        raise ProtocolError("not JSON") from None
    if not isinstance(found, dict):
        raise ProtocolError("not a JSON object")
    return found


def _no_number(word: str) -> NoReturn:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(word)
