"""Problems in a user's files: what is wrong, where, and what to write instead.

Every reader of such a file returns its whole list of these and never stops at the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

# How alike two words must be before "did you mean" is said: a wild guess is worse than none.
LIKENESS = 0.75


class Severity(Enum):
    """An error stops the configuration from being used; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one line of a file. Lines and columns count from 1, columns in characters."""

    file: str
    line: int = 0  # 0: the file as a whole
    column: int = 0
    width: int = 1
    text: str = ""  # the line itself, without its end

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a user's file. ``remedy`` says what to write; it stands beside the caret.

    ``more`` are further lines below it.
    """

    code: str  # "SW201", explained at length by `sendwarden help SW201`
    sentence: str
    place: Place | None = None
    remedy: str = ""
    more: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort by file, line and column, as people mend them. What has no place comes last."""
    return sorted(
        problems,
        key=lambda p: (p.place is None, *((p.place.file, p.place.line, p.place.column) if p.place else ())),
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean "trusted"?``, or the empty string where nothing known is close enough."""
    names = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), names, n=1, cutoff=LIKENESS)
    return f'did you mean "{names[close[0]]}"?' if close else ""
