"""Parts that lines of several daemons have in common. Everything here takes time linear in the text."""

import re

# Short ids are hexadecimal; long ones (enable_long_queue_ids) digits and consonants, with z between their
# parts.
_QUEUE_ID = re.compile(r"[0-9A-F]{5,20}|[0-9BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz]{10,20}")
is_queue_id = _QUEUE_ID.fullmatch

NO_QUEUE = "NOQUEUE"

_CODE = re.compile(r"[2-5]\d\d")
_DSN = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def named_client(text: str) -> tuple[str, str, str] | None:
    """``mx.example[192.0.2.1]:25 more`` as name, address and `` more``. None: no client stands there."""
    name, bracket, rest = text.partition("[")
    address, close, rest = rest.partition("]")
    if not bracket or not close or " " in name or " " in address:
        return None
    if rest[:1] == ":":
        port, _, more = rest[1:].partition(" ")
        port, colon, _ = port.partition(":")
        if port.isdigit():
            return name, address, rest[1 + len(port) :] if colon else f" {more}" if more else ""
    return name, address, rest


def status_of(text: str) -> tuple[str, str, str]:
    """``550 5.1.1 no such user`` as code, enhanced status (RFC 3463) and text; empty what is not there."""
    code, _, rest = text.partition(" ")
    if not _CODE.fullmatch(code):
        code, rest = "", text
    dsn, _, more = rest.partition(" ")
    dsn = dsn.removesuffix(";")
    return (code, dsn, more) if _DSN.fullmatch(dsn) else (code, "", rest)


def bracketed(text: str) -> tuple[str, str]:
    """An address and what follows its ``>``. The text begins behind the ``<``.

    A quoted local part (RFC 5321) may hold a ``>``: it ends at its quote. Without a ``>`` all is address.
    """
    start = _quote_ends(text) if text[:1] == '"' else 0
    end = text.find(">", start)
    return (text, "") if end < 0 else (text[:end], text[end + 1 :])


def _quote_ends(text: str) -> int:
    """Behind the closing quote; 0: there is none."""
    at = 1
    while (at := text.find('"', at)) >= 0:
        slashes = at - 1
        while text[slashes] == "\\":
            slashes -= 1
        if (at - 1 - slashes) % 2 == 0:
            return at + 1
        at += 1
    return 0
