"""Address lists of header fields (RFC 5322 section 3.4), read as tolerantly as mail programs write them.

Groups, comments, quoted names, folded lines, source routes and blanks round the dots of an address (section
4.4) are taken in; what is no address comes back as such, so that nobody can hide one by a mistake behind it.
Encoded words are left alone: they may stand in display names only.

`parse_mailboxes` says what a field means; `pieces_of` says what else other readers may find in it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_BLANKS = frozenset(" \t\r\n")
_SPECIALS = frozenset('()<>[]:;@\\,."')
_ATOM_BREAKS = _SPECIALS | _BLANKS
_APART = frozenset("<>,;:")  # signs that part texts from each other
_CLOSED = frozenset(("quoted", "comment", "["))  # "[" is a literal without its end
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_LINE_ENDS = re.compile(r"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One entry of a list. Not an address: ``local`` and ``domain`` are None, and ``address`` is the text."""

    address: str
    local: str | None = None  # without quotes
    domain: str | None = None
    display: str = ""  # the name as written, quotes and comments taken out

    @property
    def valid(self) -> bool:
        return self.domain is not None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "atom", "quoted", "literal", "comment", or a special letter
    text: str  # as written
    value: str
    gap: bool  # white space stood before it
    closed: bool = True  # quotes, parentheses and literals: their end is there


@dataclass(frozen=True, slots=True)
class Pieces:
    """What stands in a field, whether or not the whole is a list of addresses.

    ``addresses``: every address outside quotes and comments, also in a display name or the name of a group.
    ``text``: all that is none, without its quotes and brackets. ``closed``: no quote, comment or literal
    lacks its end.
    """

    addresses: tuple[Mailbox, ...]
    text: str
    closed: bool


def parse_mailboxes(text: str) -> tuple[Mailbox, ...]:
    """All mailboxes of a field's value, in order; groups are opened. Never raises."""
    found = []
    entry: list[_Token] = []
    angle = route = False
    for token in _tokens(text):
        if token.kind in ("<", ">"):
            angle, route = token.kind == "<", False
        elif token.kind == "@" and entry and entry[-1].kind == "<":
            route = True
        elif token.kind == ":":
            route = False
        if token.kind == ";" or (token.kind == "," and not route):  # a bracket without its end hides nothing
            found.append(entry)
            entry, angle, route = [], False, False
        elif token.kind == ":" and not angle:
            entry = []  # what stood before was the name of a group
        else:
            entry.append(token)
    found.append(entry)
    return tuple(box for tokens in found if (box := _mailbox(tokens)) is not None)


def pieces_of(text: str) -> Pieces:
    """A field's value as parts. Never raises."""
    tokens = list(_tokens(text))
    words = [(number, token) for number, token in enumerate(tokens) if token.kind != "comment"]
    addresses: list[Mailbox] = []
    taken: set[int] = set()
    for at, (_number, token) in enumerate(words):
        if token.kind == "@" and (span := _address_span(words, at)):
            start, end = span
            local, domain = (_local(_those(words, start, at)), _domain(_those(words, at + 1, end)))
            addresses.append(_made([], local, domain, ""))
            taken.update(number for number, _token in words[start:end])
    shown = (
        " " if number in taken or token.kind in _APART else (" " if token.gap else "") + token.value
        for number, token in enumerate(tokens)
    )
    return Pieces(tuple(addresses), "".join(shown).strip(), all(token.closed for token in tokens))


def _those(words: list[tuple[int, _Token]], start: int, end: int) -> list[_Token]:
    return [token for _number, token in words[start:end]]


def _address_span(words: list[tuple[int, _Token]], at: int) -> tuple[int, int] | None:
    """The words round an at sign that make an address with it; None: there is none, as in a source route."""
    start, before = at, ""
    while start and (kind := _kind(words[start - 1][1])) in ("word", ".") and (kind, before) != ("word",) * 2:
        start, before = start - 1, kind
    end, wanted = at + 1, "atom"
    if end < len(words) and words[end][1].kind == "literal":
        end += 1
    else:
        while end < len(words) and words[end][1].kind == wanted:
            end, wanted = end + 1, "." if wanted == "atom" else "atom"
        end -= wanted == "atom" and end > at + 1  # a dot behind the domain is none of it
    whole = end > at + 1 and any(_kind(token) == "word" for token in _those(words, start, at))
    return (start, end) if whole else None


def _kind(token: _Token) -> str:
    return "word" if token.kind in ("atom", "quoted") else token.kind


def _tokens(text: str) -> Iterator[_Token]:
    at, gap = 0, False
    while at < len(text):
        letter = text[at]
        if letter in _BLANKS:
            at, gap = at + 1, True
            continue
        inside = slice(0, 0)  # of quotes and parentheses, which may lack their end
        if letter == "(":
            end, inside = _comment(text, at)
            kind = "comment"
        elif letter == '"':
            end, inside = _quoted(text, at, '"')
            kind = "quoted"
        elif letter == "[":
            end, inside = _quoted(text, at, "]")
            kind = "literal" if inside.stop < end else "["
        elif letter in _SPECIALS:
            end, kind = at + 1, letter
        else:
            end, kind = at, "atom"
            while end < len(text) and text[end] not in _ATOM_BREAKS:
                end += 1
        raw = text[at:end]
        value = _unquoted(text[inside]) if kind in ("quoted", "comment") else raw
        yield _Token(kind, raw, value, gap, kind not in _CLOSED or inside.stop < end)
        at, gap = end, False


def _quoted(text: str, start: int, closing: str) -> tuple[int, slice]:
    """Where a quoted text ends, and what of it stands inside."""
    at = start + 1
    while at < len(text) and text[at] != closing:
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text)), slice(start + 1, at)


def _comment(text: str, start: int) -> tuple[int, slice]:
    at, depth = start, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if not depth:
                return at + 1, slice(start + 1, at)
        at += 1
    return len(text), slice(start + 1, len(text))


def _unquoted(text: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", _LINE_ENDS.sub("", text))


def _mailbox(tokens: list[_Token]) -> Mailbox | None:
    comments = " ".join(token.value for token in tokens if token.kind == "comment")
    words = [token for token in tokens if token.kind != "comment"]
    if not words:
        return None
    kinds = [token.kind for token in words]
    if "<" not in kinds:
        local, domain = _addr_spec(words)
        return _made(words, local, domain, comments if domain is not None else "")
    start = kinds.index("<")
    end = kinds.index(">", start) if ">" in kinds[start:] else len(kinds)
    inside = _without_route(words[start + 1 : end])
    local, domain = _addr_spec(inside) if ">" in kinds[start:] else (None, None)
    behind = [token for token in words[end + 1 :] if token.kind != ">"]
    if behind:  # text behind the angle brackets: no address can be told for sure
        local = domain = None
    return _made(words if domain is None else inside, local, domain, _phrase(words[:start]) or comments)


def _without_route(tokens: list[_Token]) -> list[_Token]:
    """``@one,@two:bob@example.org`` is bob@example.org (RFC 5322 section 4.4)."""
    kinds = [token.kind for token in tokens]
    if kinds[:1] == ["@"] and ":" in kinds:
        return tokens[kinds.index(":") + 1 :]
    return tokens


def _addr_spec(tokens: list[_Token]) -> tuple[str | None, str | None]:
    kinds = [token.kind for token in tokens]
    if kinds.count("@") != 1:
        return None, None
    at = kinds.index("@")
    local, domain = _local(tokens[:at]), _domain(tokens[at + 1 :])
    return (local, domain) if local is not None and domain is not None else (None, None)


def _local(tokens: list[_Token]) -> str | None:
    """Words and dots, never two words without a dot. Some providers gave out names with dots at any place."""
    kinds = [_kind(token) for token in tokens]
    if not {"word"} <= set(kinds) <= {"word", "."} or ("word", "word") in pairwise(kinds):
        return None
    return "".join(token.value for token in tokens)


def _domain(tokens: list[_Token]) -> str | None:
    """Atoms with one dot between each two, or a literal."""
    kinds = [token.kind for token in tokens]
    if kinds != ["literal"] and (
        len(kinds) % 2 == 0 or kinds != ["atom", *[".", "atom"] * (len(kinds) // 2)]
    ):
        return None
    return "".join(token.value for token in tokens)


def _made(tokens: list[_Token], local: str | None, domain: str | None, display: str) -> Mailbox:
    if local is None or domain is None:
        text = "".join((" " if token.gap else "") + token.text for token in tokens).strip()
        return Mailbox(text, display=display)
    quoted = not local or not _ATOM_BREAKS.isdisjoint(local.replace(".", "")) or ".." in f".{local}."
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return Mailbox(f'"{escaped}"@{domain}' if quoted else f"{local}@{domain}", local, domain, display)


def _phrase(tokens: list[_Token]) -> str:
    return "".join((" " if token.gap else "") + token.value for token in tokens).strip()
