"""The message as tests see it: headers unfolded and decoded when a test asks, and only once.

Values are as RFC 5228 section 5.7 and RFC 2047 want them: no folds, no blanks round them, encoded words
decoded. The mail server gives headers as pairs, so that nothing here parses a message.
"""

import re
from collections.abc import Iterable
from email.errors import HeaderParseError
from email.header import decode_header

from .limits import HEADER_LETTERS

_FOLD = re.compile(r"\r?\n(?=[ \t])|\r?\n")


def decoded(raw: str) -> str:
    """One header value, unfolded and decoded. What cannot be decoded stays as it was sent."""
    value = raw[:HEADER_LETTERS]
    if "\n" in value:
        value = _FOLD.sub("", value)
    if "=?" in value:
        value = _without_encoded_words(value)
    return value.strip(" \t")


def _without_encoded_words(value: str) -> str:
    try:
        parts = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    words = []
    for text, charset in parts:
        if isinstance(text, str):
            words.append(text)
            continue
        try:
            words.append(text.decode(charset or "utf-8", "replace"))
        except (LookupError, ValueError):
            words.append(text.decode("utf-8", "replace"))
    return "".join(words)


class Mail:
    """A message for any number of runs: ``headers`` are pairs as sent, ``sender`` without angle brackets."""

    __slots__ = ("_decoded", "_raw", "body", "headers", "recipients", "sender", "size_bytes")

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
        self._raw: dict[str, list[str]] | None = None
        self._decoded: dict[str, list[str]] = {}

    def raw(self, name: str) -> list[str]:
        """All values of a header as sent; ``name`` in lower case."""
        if self._raw is None:
            index: dict[str, list[str]] = {}
            for header, value in self.headers:
                index.setdefault(header.lower(), []).append(value)
            self._raw = index
        return self._raw.get(name, [])

    def values(self, name: str) -> list[str]:
        """All values of a header, unfolded and decoded; ``name`` in lower case."""
        found = self._decoded.get(name)
        if found is None:
            found = self._decoded[name] = [decoded(raw) for raw in self.raw(name)]
        return found
