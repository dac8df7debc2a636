"""Patterns, ready to run: linear time for what tables hold, bounded time for everything.

Most patterns are literals, ``%`` and ``*``. A naive regular expression is exponential in the stars; read from
right to left, a greedy star becomes a lazy one, and a lazy star before a literal can be atomic, since the
leftmost place of the literal is the one greed would have chosen. That form is linear. The other patterns
(sets, networks, minimal stars, back references) run on a backtracking matcher that counts its steps and,
where no back reference forbids it, remembers which (part, place) has failed before.
"""

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address

from sendwarden.core.ascii import ascii_lower

from .limits import MATCH_STEPS, PROBE_LETTERS
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
    """The fastest matcher that can run these parts. A probe over `PROBE_LETTERS` never matches."""
    if all(isinstance(part, Literal) for part in parts):
        return _equality("".join(part.text for part in parts if isinstance(part, Literal)))
    if all(_linear(part) for part in parts):
        return _reversed_regex(parts)
    return _Backtracker(parts).match


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
    regex = re.compile("".join(source), re.DOTALL | re.IGNORECASE | re.ASCII)
    literals = [part.text for part in parts if isinstance(part, Literal)]
    needed = max(literals, key=len, default="")

    def match(probe: Probe) -> tuple[str, ...] | None:
        if needed not in probe.folded or len(probe.text) > PROBE_LETTERS:
            return None
        found = regex.fullmatch(probe.reversed)
        if not found:
            return None
        captures = [group[::-1] for group in found.groups()]
        captures.reverse()
        return tuple(captures)

    return match


class _Backtracker:
    """Tries the parts from the left, longest star first (where minimal, shortest), in `MATCH_STEPS` steps."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts
        self._remembers = not any(isinstance(part, BackReference) for part in parts)

    def match(self, probe: Probe) -> tuple[str, ...] | None:
        if len(probe.text) > PROBE_LETTERS:
            return None
        run = _Run(self._parts, probe, set() if self._remembers else None)
        return tuple(run.captures) if run.step(0, 0) else None


class _Run:
    def __init__(self, parts: tuple[Part, ...], probe: Probe, failed: set[tuple[int, int]] | None) -> None:
        self.parts, self.text, self.folded, self.failed = parts, probe.text, probe.folded, failed
        self.captures: list[str] = []
        self.steps = 0

    def step(self, index: int, at: int) -> bool:
        """Do the parts from ``index`` match the probe from ``at`` to its end? Leaves their captures."""
        if index == len(self.parts):
            return at == len(self.folded)
        if self.failed is not None and (index, at) in self.failed:
            return False
        self.steps += 1
        if self.steps > MATCH_STEPS:
            raise TooManySteps
        matched = self._part(self.parts[index], index, at)
        if not matched and self.failed is not None:
            self.failed.add((index, at))
        return matched

    def _part(self, part: Part, index: int, at: int) -> bool:
        match part:
            case Literal(text):
                return self.folded.startswith(text, at) and self.step(index + 1, at + len(text))
            case BackReference(capture):
                again = ascii_lower(self.captures[capture])
                return self.folded.startswith(again, at) and self.step(index + 1, at + len(again))
            case Network():
                end = self._address_end(part, at)
                return end >= 0 and self.step(index + 1, end)
            case Wildcard():
                return self._wildcard(part, index, at)

    def _wildcard(self, part: Wildcard, index: int, at: int) -> bool:
        most = self._reach(part, at)
        if not part.many:
            ends = range(at + 1, at + 2) if most > at else range(0)
        else:
            ends = range(at, most + 1) if part.minimal else range(most, at - 1, -1)
        kept = len(self.captures)
        for end in ends:
            if part.saved:
                self.captures.append(self.text[at:end])
            if self.step(index + 1, end):
                return True
            del self.captures[kept:]
        return False

    def _reach(self, part: Wildcard, at: int) -> int:
        if part.letters is None:
            return len(self.folded)
        end = at
        while end < len(self.folded) and self.folded[end] in part.letters:
            end += 1
        return end

    def _address_end(self, part: Network, at: int) -> int:
        """The end of the whole address that begins at ``at`` and lies in the network, or -1."""
        letters = _ADDRESS_LETTERS[part.network.version]
        end = at
        while end < len(self.folded) and self.folded[end] in letters:
            end += 1
        if end == at or (at and self.folded[at - 1] in letters):
            return -1
        try:
            if isinstance(part.network, IPv4Network):
                inside = IPv4Address(self.folded[at:end]) in part.network
            else:
                inside = IPv6Address(self.folded[at:end]) in part.network
        except AddressValueError:
            return -1
        return end if inside else -1
