"""From a file's lines to logical ones: comments taken out, continued lines joined, positions kept.

The documented layout is strict; files that people pass around are not. What is lenient here, and why, stands
in docs/supported-mapping.md: an indented ``!`` starts a comment too, also between the lines of a continued
entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sendwarden.core.place import Place

BLANKS = " \t"


@dataclass(slots=True)
class LogicalLine:
    """One entry, table name or include, however many physical lines it takes."""

    file: str
    text: str = ""
    # Where each stretch of `text` comes from: offset in `text`, line number, column (from 0), physical line.
    pieces: list[tuple[int, int, int, str]] = field(default_factory=list)

    def place(self, offset: int, width: int = 1) -> Place:
        """The place of ``text[offset:offset + width]``, cut at the end of its physical line."""
        start, line, column, physical = max(
            (piece for piece in self.pieces if piece[0] <= offset), default=self.pieces[0]
        )
        at = column + offset - start
        return Place(self.file, line, at + 1, max(1, min(width, len(physical) - at)), physical)

    def as_template(self) -> "LogicalLine":
        """The same line where the whole of it is a template: leading blanks of all its lines are layout."""
        whole = LogicalLine(self.file)
        ends = [*(piece[0] for piece in self.pieces[1:]), len(self.text)]
        for (start, line, column, physical), end in zip(self.pieces, ends, strict=True):
            part = self.text[start:end]
            bare = part.lstrip(BLANKS)
            whole.pieces.append((len(whole.text), line, column + len(part) - len(bare), physical))
            whole.text += bare
        whole.text = without_final_blanks(whole.text)
        return whole


def logical_lines(file: str, text: str) -> Iterator[LogicalLine]:
    """All lines that are neither blank nor comment, in order."""
    current: LogicalLine | None = None
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r")
        if line.lstrip(BLANKS).startswith("!"):
            continue
        if current is None:
            if not line.strip(BLANKS):
                continue
            current = LogicalLine(file)
        continues = line.endswith("\\") and not _ends_quoting(line[:-1])
        _append(current, number, line, line[:-1] if continues else line)
        if not continues:
            yield current
            current = None
    if current is not None:  # a backslash on the last line of the file continues nothing
        yield current


def _append(line: LogicalLine, number: int, physical: str, part: str) -> None:
    column = 0
    if line.pieces and len(columns(line.text)) > 1:
        # Inside a template: leading blanks are layout. Before it they part pattern and template, and stay.
        column = len(part) - len(part.lstrip(BLANKS))
    line.pieces.append((len(line.text), number, column, physical))
    line.text += part[column:]


def _ends_quoting(text: str) -> bool:
    """Does ``text`` end in an odd number of ``$``, so that the next character is quoted?"""
    return (len(text) - len(text.rstrip("$"))) % 2 == 1


def columns(text: str) -> list[tuple[int, str]]:
    """Offset and text of the one or two columns of a logical line. ``$`` quotes the character behind it."""
    start = len(text) - len(text.lstrip(BLANKS))
    at = start
    while at < len(text) and text[at] not in BLANKS:
        at += 2 if text[at] == "$" else 1
    rest = at + len(text[at:]) - len(text[at:].lstrip(BLANKS))
    second = without_final_blanks(text[rest:])
    first = (start, text[start:at])
    return [first, (rest, second)] if second else [first] if first[1] else []


def without_final_blanks(text: str) -> str:
    stripped = text.rstrip(BLANKS)
    if len(stripped) < len(text) and _ends_quoting(stripped):
        return text[: len(stripped) + 1]  # the last blank is quoted
    return stripped


def unquoted_blank(text: str) -> int:
    """Offset of the first blank that no ``$`` quotes, or -1."""
    at = 0
    while at < len(text):
        if text[at] in BLANKS:
            return at
        at += 2 if text[at] == "$" else 1
    return -1
