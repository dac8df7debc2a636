"""Text to tokens (RFC 5228 section 8.1).

Comments and white space vanish; positions are offsets in the text. What is no token is a problem and is left
out, and the rest is read all the same; only a string or comment without an end takes the rest with it.
Line ends within strings become CRLF, whatever the file has (section 2.2).
"""

import re
from dataclasses import dataclass, field
from enum import Enum

from .limits import ERRORS, LARGEST_NUMBER


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


@dataclass(frozen=True, slots=True)
class LexProblem:
    """No token can be made of what stands here."""

    start: int
    end: int
    says: str
    remedy: str


@dataclass(slots=True)
class Tokens:
    """All tokens and a final END. ``cut``: what has no end swallowed the rest of the script."""

    found: list[Token] = field(default_factory=list)
    problems: list[LexProblem] = field(default_factory=list)
    cut: bool = False


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
_LINE_END = re.compile(r"\r?\n")
# A string in the quotes of word processors or of other languages.
_WRONG_QUOTES = re.compile(r"'[^'\n]*'|‘[^’\n]*’|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|`[^`'\n]*[`']")  # noqa: RUF001
_NO_NUMBER = re.compile(r"[0-9][A-Za-z0-9_]*")
# Letters that begin no token, one complaint for all that stand together.
_NO_TOKEN = re.compile(r"""(?:(?!/\*)[^ \t\r\nA-Za-z0-9_"#\[\](){},;:'‘“„«`])+|.""", re.DOTALL)  # noqa: RUF001


def tokens(text: str) -> Tokens:
    """All tokens of a text, and everything that is none. Never raises."""
    result = Tokens()
    at = int(text.startswith("\ufeff"))  # some editors begin a file with a byte order mark
    while at < len(text) and not result.cut and len(result.problems) < ERRORS:
        match = _TOKEN.match(text, at)
        if not match:
            at = _no_token(text, at, result)
            continue
        at = match.end()
        if match.lastgroup == "multiline":
            at = _multiline(text, match.start(), at, result)
        elif match.lastgroup != "blank":
            result.found.append(_token(match, result.problems))
    result.cut = result.cut or at < len(text)
    result.found.append(Token(Kind.END, len(text), len(text), ""))
    return result


def _token(match: re.Match[str], problems: list[LexProblem]) -> Token:
    text, start, end = match[0], match.start(), match.end()
    if match["identifier"] is not None:
        return Token(Kind.IDENTIFIER, start, end, text)
    if match["tag"] is not None:
        return Token(Kind.TAG, start, end, text)
    if match["number"] is not None:
        number = _number(text, match["quantifier"])
        if number > LARGEST_NUMBER:
            says = f"{text[:40]} is too large"
            problems.append(LexProblem(start, end, says, f"at most {LARGEST_NUMBER}"))
        return Token(Kind.NUMBER, start, end, text, number=number)
    if match["string"] is not None:
        string = text[1:-1]
        return Token(
            Kind.STRING, start, end, text, _lines(_ESCAPED.sub(r"\1", string) if "\\" in string else string)
        )
    return Token(Kind.PUNCTUATION, start, end, text)


def _number(text: str, quantifier: str) -> int:
    digits = text.removesuffix(quantifier).lstrip("0") or "0"
    if len(digits) > len(str(LARGEST_NUMBER)):
        return LARGEST_NUMBER + 1
    return int(digits) * _QUANTIFIERS[quantifier.upper()]


def _lines(string: str) -> str:
    return _LINE_END.sub("\r\n", string) if "\n" in string else string


def _multiline(text: str, start: int, body: int, result: Tokens) -> int:
    """Take in a multi-line string (section 2.4.2); where does it end?"""
    end = _MULTILINE_END.search(text, body)
    if not end:
        opening = text[start:body].rstrip("\r\n")
        result.cut = True
        result.problems.append(
            LexProblem(
                start,
                start + len(opening),
                '"text:" without its end',
                'end it with a line that holds only "."',
            )
        )
        return len(text)
    string = _lines(_STUFFED.sub(".", text[body : end.start()]))
    behind = end.start() + 1
    result.found.append(Token(Kind.STRING, start, behind, text[start:behind], string))
    return behind


def _no_token(text: str, at: int, result: Tokens) -> int:
    """Note what is wrong at ``at``; where to go on?"""
    end = at + 1
    if text[at] == '"':
        result.cut = True
        says, remedy = "the string that starts here has no end", 'add the closing "'
    elif text.startswith("/*", at):
        end, result.cut = at + 2, True
        says, remedy = "the comment that starts here has no end", "add the closing */"
    elif quoted := _WRONG_QUOTES.match(text, at):
        end = quoted.end()
        says, remedy = f"{quoted[0][:40]} is no string", f'write "{quoted[0][1:-1][:40]}"'
        result.found.append(Token(Kind.STRING, at, end, quoted[0], quoted[0][1:-1]))
    elif number := _NO_NUMBER.match(text, at):
        end = number.end()
        says, remedy = f'"{number[0][:40]}" is not a number', "write digits, then K, M or G if needed"
        result.found.append(Token(Kind.NUMBER, at, end, number[0]))
    else:
        run = _NO_TOKEN.match(text, at)
        end = run.end() if run else end
        says, remedy = f"{text[at:end][:40]!r} has no meaning here", "text stands in double quotes"
    result.problems.append(LexProblem(at, end, says, remedy))
    return end
