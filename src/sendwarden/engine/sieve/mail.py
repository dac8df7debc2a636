"""The message as tests see it: headers unfolded and decoded when a test asks, and only once.

Values are as RFC 5228 section 5.7 and RFC 2047 want them: no folds, no blanks round them, encoded words
decoded. The mail server gives headers as pairs, so that nothing here parses a message.

Encoded words are read by a table of charsets of our own: the sender of a message names them, and Python
knows some that warn, that give half letters, or that are sought on disk. A word of any other charset is read
as UTF-8; what is no encoded word stays as it was sent.
"""

import re
from binascii import Error as BadBase64
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .limits import HEADER_LETTERS

if TYPE_CHECKING:
    from sendwarden.core.scan import Finding

_FOLD = re.compile(r"\r?\n")
# Section 2 of RFC 2047, with the language of RFC 2231; blanks within the text, as some programs write them.
_ENCODED_WORD = re.compile(
    r"=\?(?P<charset>[^?*\s]+)(?:\*[^?\s]*)?\?(?P<encoding>[BbQq])\?(?P<text>[^?]*)\?="
)

_SAME_NAME = (
    *(f"iso-8859-{part}" for part in (*range(1, 12), *range(13, 17))),
    *(f"windows-{page}" for page in range(1250, 1259)),
    *("koi8-r", "koi8-u", "gb18030", "gbk", "hz-gb-2312", "big5", "big5-hkscs", "euc-jp", "iso-2022-jp"),
    *("iso-2022-jp-2", "iso-2022-kr", "shift_jis", "cp932", "euc-kr", "cp949", "tis-620", "macintosh"),
    *("ibm437", "cp437", "ibm850", "cp850", "ibm852", "cp852", "ibm855", "cp855", "ibm866", "cp866"),
)
# Charset in lower case -> Python's codec; a larger one where mail programs call it by the smaller one's name.
CHARSETS = {
    **{name: name for name in _SAME_NAME},
    "latin1": "iso-8859-1",
    "iso8859-1": "iso-8859-1",
    "gb2312": "gb18030",
    "ks_c_5601-1987": "cp949",
    "windows-31j": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "windows-874": "cp874",
}


def octets_of(text: str) -> bytes:
    """A text's octets. One that is no UTF-8 stands in the text as Python's ``surrogateescape``."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a letter, which no mail server hands over
        return text.encode("utf-8", "surrogatepass")


def decoded(raw: str) -> str:
    """One header value, unfolded and decoded. What cannot be decoded stays as it was sent."""
    value = raw[:HEADER_LETTERS]
    if "\n" in value:
        value = _FOLD.sub("", value)
    if "=?" in value:
        value = _without_encoded_words(value)
    return value.strip(" \t")


def _without_encoded_words(value: str) -> str:
    """Blanks between two encoded words are no part of the text; octets of one letter may stand in both."""
    parts: list[str] = []
    charset, octets = "", b""
    at = 0
    for word in _ENCODED_WORD.finditer(value):
        decoded_word = _word(word["encoding"], word["text"])
        if decoded_word is None:
            continue
        between = value[at : word.start()]
        new_charset = word["charset"].lower()
        if new_charset != charset or between.strip(" \t"):
            parts.append(_letters(octets, charset))
            octets = b""
            if not charset or between.strip(" \t"):
                parts.append(between)
        charset, octets, at = new_charset, octets + decoded_word, word.end()
    return "".join([*parts, _letters(octets, charset), value[at:]])


def _word(encoding: str, text: str) -> bytes | None:
    """The octets of an encoded word's text; None if it is none."""
    if encoding in "Qq":
        return a2b_qp(octets_of(text), header=True)
    try:
        return a2b_base64(text + "=" * (-len(text) % 4))
    except (BadBase64, ValueError):
        return None


def _letters(octets: bytes, charset: str) -> str:
    return octets.decode(CHARSETS.get(charset, "utf-8"), "replace")


# Up to so many headers are looked through for each name that is asked for; more are put in order first.
FEW_HEADERS = 50


class Mail:
    """A message for any number of runs: ``headers`` are pairs as sent, ``sender`` without angle brackets.

    What of them is no UTF-8 is decoded with ``surrogateescape``.
    """

    __slots__ = (
        "_decoded",
        "_raw",
        "body",
        "findings",
        "headers",
        "outcomes",
        "recipients",
        "sender",
        "size_bytes",
    )

    def __init__(
        self,
        headers: Iterable[tuple[str, str]],
        sender: str = "",
        recipients: tuple[str, ...] = (),
        body: bytes = b"",
        size_bytes: int = 0,
    ) -> None:
        self.headers = tuple(headers)
        self.sender = sender
        self.recipients = recipients
        self.body = body
        self.size_bytes = size_bytes
        self.findings: tuple[Finding, ...] = ()  # of scanners
        # Of tests that come out the same for each recipient: how, and the match variables they set.
        self.outcomes: dict[object, tuple[bool, tuple[str, ...]]] = {}
        self._raw: dict[str, list[str]] | None = None
        self._decoded: dict[str, list[str]] = {}

    def raw(self, name: str) -> list[str]:
        """All values of a header as sent; ``name`` in lower case."""
        if self._raw is None and len(self.headers) <= FEW_HEADERS:
            size = len(name)
            return [
                value
                for header, value in self.headers
                if len(header) >= size and header.rstrip().lower() == name
            ]
        if self._raw is None:
            index: dict[str, list[str]] = {}
            for header, value in self.headers:  # "From :" is From, too (RFC 5228 section 2.4.2.2)
                index.setdefault(header.rstrip().lower(), []).append(value)
            self._raw = index
        return self._raw.get(name, [])

    def values(self, name: str) -> list[str]:
        """All values of a header, unfolded and decoded; ``name`` in lower case."""
        found = self._decoded.get(name)
        if found is None:
            found = self._decoded[name] = [decoded(raw) for raw in self.raw(name)]
        return found
