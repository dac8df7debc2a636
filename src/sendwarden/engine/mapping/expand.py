"""A template, ready to run: everything that is known when it is loaded is worked out then.

Case and quoting change at fixed places of a template, so that each text and capture knows its own. Flags
count only if the whole template succeeds, so that they are one set. What is left to do for a probe is to join
captures and to ask: call-outs, other tables, input flags, chance, sequences. The first that fails ends the
expansion.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from sendwarden.engine.meters.keys import MeterError, NothingThere
from sendwarden.engine.world import World

from .pattern import BadPattern
from .template import (
    Argument,
    Call,
    Capture,
    Chance,
    Control,
    Flag,
    InputFlag,
    Mode,
    Part,
    Sequence,
    Table,
    Text,
    only_text,
    parse_result,
)

# RFC 4515 section 3: what must be written as \xx in a filter's value.
_LDAP_QUOTED = {letter: f"\\{ord(letter):02x}" for letter in "*()\\\0"}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Flagged(Protocol):
    """Another table's result."""

    @property
    def text(self) -> str: ...

    @property
    def flags(self) -> frozenset[str]: ...


class Asking(Protocol):
    """The scan that a template belongs to, as far as it may ask it."""

    world: World
    input_flags: frozenset[str]

    def nested(self, name: str, probe: str) -> Flagged | None:
        """Another table's result; None where there is none, or where tables ask each other in a circle."""
        ...


class Expansion:
    """One template at work on one probe."""

    __slots__ = ("calls", "captures", "control", "flags", "scan")

    def __init__(self, scan: Asking, captures: tuple[str, ...]) -> None:
        self.scan = scan
        self.captures = captures
        self.control = ""  # the last of C, L, R, E so far
        self.flags: set[str] = set()  # set by results that were scanned again
        self.calls: list[str] | None = None  # what was asked and answered, for a trace


# A piece of a template: its text for a probe, or None for failure.
Piece = Callable[[Expansion], str | None]


class Template:
    """The compiled form of a template's parts."""

    __slots__ = ("_steps", "_tail_control", "constant", "flags")

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.flags = frozenset(part.letter for part in parts if isinstance(part, Flag))
        self._steps: list[tuple[str, Piece]] = []  # a control letter that stands before the piece, the piece
        control = ""
        modes = _Modes()
        for part in parts:
            match part:
                case Control(letter):
                    control = letter
                case Mode(letter):
                    modes.change(letter)
                case Flag():
                    pass
                case _:
                    self._steps.append((control, _piece(part, modes)))
                    control = ""
        self._tail_control = control
        # The text of a template that asks nobody and captures nothing.
        self.constant = "" if not self._steps else None

    @property
    def tail_control(self) -> str:
        return self._tail_control

    def expand(self, expansion: Expansion) -> str | None:
        """The text, or None for failure; the control letter in force is left in ``expansion``."""
        texts = []
        for control, piece in self._steps:
            if control:
                expansion.control = control
            text = piece(expansion)
            if text is None:
                return None
            texts.append(text)
        if self._tail_control:
            expansion.control = self._tail_control
        return "".join(texts)


class _Modes:
    """The case and quoting in force at a place of a template."""

    def __init__(self) -> None:
        self.case = ""
        self.ldap = False

    def change(self, letter: str) -> None:
        if letter == "=":
            self.ldap = True
        else:
            self.case = "" if letter == "_" else letter
            self.ldap = self.ldap and letter != "_"

    def cased(self) -> Callable[[str], str] | None:
        return {"\\": str.lower, "^": str.upper}.get(self.case)


def _piece(part: Part, modes: _Modes) -> Piece:
    match part:
        case Text(text):
            return _always(text, modes)
        case Capture(index):
            return _capture(index, modes)
        case Call():
            return _call(part)
        case Table():
            return _table(part)
        case Sequence():
            return _sequence(part)
        case _:
            return _condition(part)


def _condition(part: Part) -> Piece:
    """What adds no text and only holds or fails. A look-up fails: nothing is configured that it could ask."""
    match part:
        case InputFlag(letter, wanted):
            return lambda expansion: "" if (letter in expansion.scan.input_flags) is wanted else None
        case Chance(percent):
            return lambda expansion: "" if expansion.scan.world.chance() < percent else None
        case _:
            return lambda _expansion: None


def _always(text: str, modes: _Modes) -> Callable[[Expansion], str]:
    cased = modes.cased()
    final = cased(text) if cased else text
    return lambda _expansion: final


def _capture(index: int, modes: _Modes) -> Callable[[Expansion], str]:
    cased, ldap = modes.cased(), modes.ldap

    def plain(expansion: Expansion) -> str:
        captures = expansion.captures
        return captures[index] if index < len(captures) else ""

    def changed(expansion: Expansion) -> str:
        text = plain(expansion)
        if cased:
            text = cased(text)
        return "".join(_LDAP_QUOTED.get(letter, letter) for letter in text) if ldap else text

    return changed if cased or ldap else plain


def _argument(argument: Argument, modes: _Modes) -> Callable[[Expansion], str]:
    """An argument's text.

    Case and quoting set outside the brackets do not reach in; those set inside hold until the bracket closes.
    """
    pieces: list[Callable[[Expansion], str]] = []
    for part in argument:
        match part:
            case Text(text):
                pieces.append(_always(text, modes))
            case Capture(index):
                pieces.append(_capture(index, modes))
            case Mode(letter):
                modes.change(letter)
    if len(pieces) == 1:
        return pieces[0]
    return lambda expansion: "".join([piece(expansion) for piece in pieces])


def _call(call: Call) -> Piece:
    routine = call.bound
    modes = _Modes()
    arguments = tuple(_argument(argument, modes) for argument in call.arguments)
    if routine is None:
        return lambda _expansion: None
    answer, rescan, name = routine.answer, routine.rescan, call.routine
    table = only_text(call.arguments[0]) if call.arguments else ""

    def ask(expansion: Expansion) -> str | None:
        values = [argument(expansion) for argument in arguments]
        world = expansion.scan.world
        try:
            text = answer(world, values)
        except NothingThere:
            text = None
        except MeterError as error:
            world.warn("callout-failed", f"{name},{table}: {error}")
            text = None
        if expansion.calls is not None:
            shown = "no" if text is None else f'yes, with "{text}"' if text else "yes"
            expansion.calls.append(f"{name}({', '.join(values)}): {shown}")
        return _again(expansion, text, name) if rescan and text is not None else text

    return ask


def _again(expansion: Expansion, text: str, name: str) -> str | None:
    """A result that is scanned as a template: its text, flags and control go into the expansion."""
    try:
        template = _result_template(text)
    except BadPattern:
        expansion.scan.world.warn("callout-result", name)
        return None
    expansion.flags |= template.flags
    return template.expand(expansion)


@lru_cache(maxsize=1024)
def _result_template(text: str) -> Template:
    return Template(parse_result(text))


def _table(part: Table) -> Piece:
    name, argument = part.name.upper(), _argument(part.argument, _Modes())
    wanted = ("Y", "T") if part.url_form else ("Y",)

    def ask(expansion: Expansion) -> str | None:
        result = expansion.scan.nested(name, argument(expansion))
        return None if result is None or result.flags.isdisjoint(wanted) else result.text

    return ask


def _sequence(part: Sequence) -> Piece:
    def number(expansion: Expansion) -> str | None:
        world = expansion.scan.world
        try:
            value = world.meters.next_number(part.name)
        except MeterError as error:
            world.warn("callout-failed", f"sequence {part.name}: {error}")
            return None
        if part.modulus:
            value %= part.modulus
        digits = ""
        while value or not digits:
            value, digit = divmod(value, part.radix)
            digits = _DIGITS[digit] + digits
        return digits.rjust(part.width, "0")

    return number
