"""Text to tokens (RFC 5228 section 8.1).

Comments and white space vanish; positions are offsets in the text.
"""

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Kinds of tokens."""

    IDENTIFIER = "a name"
    TAG = "a tag"
    NUMBER = "a number"
    STRING = "a string"
    PUNCTUATION = "punctuation"
    END = "the end of the script"


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its text as written, and for strings and numbers its value."""

    kind: Kind
    start: int
    end: int
    text: str
    string: str = ""
    number: int = 0


class LexError(Exception):
    """No token can be made of what stands at ``start``."""

    def __init__(self, start: int, end: int, says: str, remedy: str) -> None:
        super().__init__(says)
        self.start, self.end, self.says, self.remedy = start, end, says, remedy


_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r\n]+ | \#[^\n]* | /\*.*?\*/)
    | (?P<multiline>(?i:text):[ \t]*(?:\#[^\n]*)?\r?\n)
    | (?P<identifier>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<tag>:[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+(?P<quantifier>[KkMmGg]?)(?![A-Za-z0-9_]))
    | (?P<string>"(?:[^"\\]|\\.)*+")
    | (?P<punctuation>[\[\](){},;])
    """,
    re.VERBOSE | re.DOTALL,
)
_QUANTIFIERS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_MULTILINE_END = re.compile(r"^\.\r?$", re.MULTILINE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STUFFED = re.compile(r"^\.\.", re.MULTILINE)
# Largest number the RFC promises (section 2.4.1).
LARGEST_NUMBER = 2**31 - 1


def tokens(text: str) -> list[Token]:
    """All tokens and a final END. Raises `LexError` at the first thing that is none."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise _error(text, at)
        at = match.end()
        if match.lastgroup == "multiline":
            token = _multiline(text, match.start(), at)
            at = token.end
            found.append(token)
        elif match.lastgroup != "blank":
            found.append(_token(match))
    found.append(Token(Kind.END, len(text), len(text), ""))
    return found


def _token(match: re.Match[str]) -> Token:
    text, start, end = match[0], match.start(), match.end()
    if match["identifier"] is not None:
        return Token(Kind.IDENTIFIER, start, end, text)
    if match["tag"] is not None:
        return Token(Kind.TAG, start, end, text)
    if match["number"] is not None:
        quantifier = match["quantifier"]
        digits = text.removesuffix(quantifier)
        number = int(digits[:20]) * _QUANTIFIERS[quantifier.upper()]
        if number > LARGEST_NUMBER:
            raise LexError(start, end, f"{text} is too large", f"at most {LARGEST_NUMBER}")
        return Token(Kind.NUMBER, start, end, text, number=number)
    if match["string"] is not None:
        string = text[1:-1]
        return Token(Kind.STRING, start, end, text, _ESCAPED.sub(r"\1", string) if "\\" in string else string)
    return Token(Kind.PUNCTUATION, start, end, text)


def _multiline(text: str, start: int, body: int) -> Token:
    end = _MULTILINE_END.search(text, body)
    if not end:
        raise LexError(start, body, '"text:" without its end', 'end it with a line that holds only "."')
    string = _STUFFED.sub(".", text[body : end.start()]).replace("\r\n", "\n").replace("\n", "\r\n")
    return Token(Kind.STRING, start, end.end(), text[start : end.end()], string)


def _error(text: str, at: int) -> LexError:
    if text[at] == '"':
        return LexError(at, at + 1, "the string that starts here has no end", 'add the closing "')
    if text.startswith("/*", at):
        return LexError(at, at + 2, "the comment that starts here has no end", "add the closing */")
    if text[at].isdigit():
        end = at + len(re.match(r"\w+", text[at:])[0])  # type: ignore[index]
        return LexError(
            at, end, f'"{text[at:end]}" is not a number', "write digits, then K, M or G if needed"
        )
    return LexError(at, at + 1, f"{text[at]!r} has no meaning here", "text stands in double quotes")
