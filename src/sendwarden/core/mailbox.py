"""Address lists of header fields (RFC 5322 section 3.4), read as tolerantly as mail programs write them.

Groups, comments, quoted names, folded lines, source routes and blanks round the dots of an address (section
4.4) are taken in; what is no address comes back as such, so that nobody can hide one by a mistake behind it.
Encoded words are left alone: they may stand in display names only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_BLANKS = frozenset(" \t\r\n")
_SPECIALS = frozenset('()<>[]:;@\\,."')
_ATOM_BREAKS = _SPECIALS | _BLANKS


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


def parse_mailboxes(text: str) -> tuple[Mailbox, ...]:
    """All mailboxes of a field's value, in order; groups are opened. Never raises."""
    found = []
    entry: list[_Token] = []
    angle = 0
    for token in _tokens(text):
        if token.kind == "<":
            angle += 1
        elif token.kind == ">":
            angle -= 1
        if token.kind in (",", ";") and angle <= 0:
            found.append(entry)
            entry, angle = [], 0
        elif token.kind == ":" and angle <= 0:
            entry = []  # what stood before was the name of a group
        else:
            entry.append(token)
    found.append(entry)
    return tuple(box for tokens in found if (box := _mailbox(tokens)) is not None)


def _tokens(text: str) -> Iterator[_Token]:
    at, gap = 0, False
    while at < len(text):
        letter = text[at]
        if letter in _BLANKS:
            at, gap = at + 1, True
            continue
        if letter == "(":
            end, kind = _comment_end(text, at), "comment"
        elif letter == '"':
            end, kind = _quoted_end(text, at + 1, '"'), "quoted"
        elif letter == "[":
            end, kind = _quoted_end(text, at + 1, "]"), "literal"
        elif letter in _SPECIALS:
            end, kind = at + 1, letter
        else:
            end, kind = at, "atom"
            while end < len(text) and text[end] not in _ATOM_BREAKS:
                end += 1
        raw = text[at:end]
        yield _Token(kind, raw, _value(kind, raw), gap)
        at, gap = end, False


def _quoted_end(text: str, at: int, closing: str) -> int:
    while at < len(text) and text[at] != closing:
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


def _comment_end(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return len(text)


def _value(kind: str, raw: str) -> str:
    if kind not in ("quoted", "comment"):
        return raw
    inner, value, at = raw[1:-1], [], 0
    while at < len(inner):
        at += inner[at] == "\\" and at + 1 < len(inner)
        value.append(inner[at])
        at += 1
    return "".join(value).replace("\r\n", "")


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
    local = _dotted(tokens[:at], ("atom", "quoted"))
    domain = _dotted(tokens[at + 1 :], ("atom", "literal"))
    return (local, domain) if local is not None and domain is not None else (None, None)


def _dotted(tokens: list[_Token], kinds: tuple[str, ...]) -> str | None:
    """Words of these kinds with one dot between each two, as one text; or None."""
    for number, token in enumerate(tokens):
        if token.kind not in (kinds if number % 2 == 0 else (".",)):
            return None
    return "".join(token.value for token in tokens) if len(tokens) % 2 else None


def _made(tokens: list[_Token], local: str | None, domain: str | None, display: str) -> Mailbox:
    if local is None or domain is None:
        text = "".join((" " if token.gap else "") + token.text for token in tokens).strip()
        return Mailbox(text, display=display)
    quoted = not local or not _ATOM_BREAKS.isdisjoint(local.replace(".", "")) or ".." in f".{local}."
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return Mailbox(f'"{escaped}"@{domain}' if quoted else f"{local}@{domain}", local, domain, display)


def _phrase(tokens: list[_Token]) -> str:
    return "".join((" " if token.gap else "") + token.value for token in tokens).strip()
