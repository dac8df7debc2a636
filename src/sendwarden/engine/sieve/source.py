"""A script's text, and the places in it."""

from sendwarden.core.place import Place

from .parse import Span


class Source:
    """A script's text by lines. Offsets count characters from 0, lines and columns from 1."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = text.split("\n")
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def line_of(self, offset: int) -> int:
        low, high = 0, len(self.lines)
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle] <= offset else (low, middle)
        return low + 1

    def place(self, span: Span) -> Place:
        line = self.line_of(span.start)
        text = self.lines[line - 1].rstrip("\r")
        column = span.start - self._starts[line - 1]
        return Place(
            self.file, line, column + 1, max(1, min(span.end - span.start, len(text) - column)), text
        )

    def shown(self, span: Span) -> str:
        return " ".join(self.text[span.start : span.end].split())
