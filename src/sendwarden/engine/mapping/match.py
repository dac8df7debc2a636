"""Patterns, ready to run: linear time for what tables hold, bounded time for everything.

Most patterns are literals, ``%`` and ``*``. A naive regular expression is exponential in the stars; read from
right to left, a greedy star becomes a lazy one, and a lazy star before a literal can be atomic, since the
leftmost place of the literal is the one greed would have chosen. That form is linear. The other patterns
(sets, networks, minimal stars, back references) run on a backtracking matcher that counts its steps and,
where no back reference forbids it, never tries a part twice at one place.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address

from sendwarden.core.ascii import ascii_lower

from .limits import MATCH_STEPS
from .pattern import BackReference, Literal, Network, Part, Wildcard

_ADDRESS_LETTERS = {4: frozenset("0123456789."), 6: frozenset("0123456789abcdef:.")}


class TooManySteps(Exception):
    """The matcher gave up on this probe; it counts as no match."""


class Probe:
    """A text on its way through a table, with the forms that matchers need, each made once."""

    __slots__ = ("_reversed", "folded", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.folded = ascii_lower(text)
        self._reversed: str | None = None

    @property
    def reversed(self) -> str:
        if self._reversed is None:
            self._reversed = self.text[::-1]
        return self._reversed


# The captures of a match, or None for no match. Raises `TooManySteps`.
Matcher = Callable[[Probe], tuple[str, ...] | None]


def compile_pattern(parts: tuple[Part, ...]) -> Matcher:
    """The fastest matcher that can run these parts. The scan sees to it that no probe is too long."""
    if all(isinstance(part, Literal) for part in parts):
        return _equality("".join(part.text for part in parts if isinstance(part, Literal)))
    if all(_linear(part) for part in parts):
        return _reversed_regex(parts)
    return Backtracker(parts).match


def _linear(part: Part) -> bool:
    match part:
        case Literal():
            return True
        case Wildcard(letters=None, minimal=False):
            return True
        case _:
            return False


def _equality(text: str) -> Matcher:
    def match(probe: Probe) -> tuple[str, ...] | None:
        return () if probe.folded == text else None

    return match


def _reversed_regex(parts: tuple[Part, ...]) -> Matcher:
    stars = sum(isinstance(part, Wildcard) and part.many for part in parts)
    source, open_group = [], ""
    for part in reversed(parts):
        if isinstance(part, Literal):
            source.append(re.escape(part.text[::-1]))
        elif isinstance(part, Wildcard) and not part.many:
            source.append("(.)" if part.saved else ".")
        elif isinstance(part, Wildcard):
            source.append(open_group)
            stars -= 1
            lazy = "?" if stars else ""
            star = f"(.*{lazy})" if part.saved else f".*{lazy}"
            source.append(f"(?>{star}" if stars else star)
            open_group = ")" if stars else ""
    source.append(open_group)
    expression = "".join(source)
    regex: re.Pattern[str] | None = None  # compiled when first needed: large tables hold much that never is
    literals = [part.text for part in parts if isinstance(part, Literal)]
    needed = max(literals, key=len, default="")

    def match(probe: Probe) -> tuple[str, ...] | None:
        nonlocal regex
        if needed not in probe.folded:
            return None
        if regex is None:
            regex = re.compile(expression, re.DOTALL | re.IGNORECASE | re.ASCII)
        found = regex.fullmatch(probe.reversed)
        if not found:
            return None
        captures = [group[::-1] for group in found.groups()]
        captures.reverse()
        return tuple(captures)

    return match


# Where a part that begins at a place may end, in the order in which that is tried.
Ends = Callable[["_Attempt", int], Iterable[int]]


class _Attempt:
    """A probe at work, and what was tried on it: where each part so far begins, and which ends of stars."""

    __slots__ = ("folded", "places", "tried")

    def __init__(self, folded: str) -> None:
        self.folded = folded
        self.places = [0]
        self.tried: dict[tuple[int, int], int] = {}


class Backtracker:
    """Tries the parts from the left, longest star first (where minimal, shortest), in `MATCH_STEPS` steps.

    Without a back reference, a part that failed at a place will fail there again. Then no star tries an end
    twice, and the time grows with the probe's length times the number of parts.
    """

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._saved = [
            number for number, part in enumerate(parts) if isinstance(part, Wildcard) and part.saved
        ]
        remembers = not any(isinstance(part, BackReference) for part in parts)
        self._ends = [self._ends_of(part, number if remembers else None) for number, part in enumerate(parts)]

    def match(self, probe: Probe) -> tuple[str, ...] | None:
        """The captures, or None. Raises `TooManySteps`."""
        attempt = _Attempt(probe.folded)
        places, size, last = attempt.places, len(probe.folded), len(self._ends)
        untried = [iter(self._ends[0](attempt, 0))]
        steps = 0
        while untried:
            end = next(untried[-1], None)
            if end is None:
                untried.pop()
                places.pop()
                continue
            steps += 1
            if steps > MATCH_STEPS:
                raise TooManySteps
            if len(untried) < last:
                places.append(end)
                untried.append(iter(self._ends[len(untried)](attempt, end)))
            elif end == size:
                places.append(end)
                return tuple([probe.text[places[number] : places[number + 1]] for number in self._saved])
        return None

    def _ends_of(self, part: Part, remembered_as: int | None) -> Ends:
        match part:
            case Literal(text):
                return lambda attempt, at: (at + len(text),) if attempt.folded.startswith(text, at) else ()
            case BackReference(capture):
                return _again(self._saved[capture])
            case Network():
                return _address(part)
            case Wildcard(many=True):
                return _star(part, remembered_as)
            case Wildcard(letters=letters):
                return _one_letter(letters)


def _again(number: int) -> Ends:
    def ends(attempt: _Attempt, at: int) -> Iterable[int]:
        text = attempt.folded[attempt.places[number] : attempt.places[number + 1]]
        return (at + len(text),) if attempt.folded.startswith(text, at) else ()

    return ends


def _one_letter(letters: frozenset[str] | None) -> Ends:
    def ends(attempt: _Attempt, at: int) -> Iterable[int]:
        letter = attempt.folded[at : at + 1]
        return (at + 1,) if letter and (letters is None or letter in letters) else ()

    return ends


def _star(part: Wildcard, remembered_as: int | None) -> Ends:
    """All ends up to the first letter that is not in the set.

    A star that begins in the same run of letters as one that failed has only the ends before that one to try.
    """
    run = None if part.letters is None else _run_of(part.letters)

    def ends(attempt: _Attempt, at: int) -> Iterable[int]:
        reach = len(attempt.folded)
        if run:
            found = run.match(attempt.folded, at)
            reach = found.end() if found else at
        beyond = reach + 1
        if remembered_as is not None:
            beyond = attempt.tried.get((remembered_as, reach), beyond)
            if at < beyond:
                attempt.tried[remembered_as, reach] = at
        return range(at, beyond) if part.minimal else range(beyond - 1, at - 1, -1)

    return ends


def _run_of(letters: frozenset[str]) -> re.Pattern[str]:
    return re.compile(f"[{''.join(map(re.escape, sorted(letters)))}]+")


def _address(part: Network) -> Ends:
    """The end of the whole address that begins at a place and lies in the network."""
    network = part.network
    letters = _ADDRESS_LETTERS[network.version]
    run = _run_of(letters)

    def ends(attempt: _Attempt, at: int) -> Iterable[int]:
        folded = attempt.folded
        found = run.match(folded, at)
        if not found or (at and folded[at - 1] in letters):
            return ()
        try:
            if isinstance(network, IPv4Network):
                inside = IPv4Address(found[0]) in network
            else:
                inside = IPv6Address(found[0]) in network
        except AddressValueError:
            return ()
        return (found.end(),) if inside else ()

    return ends
