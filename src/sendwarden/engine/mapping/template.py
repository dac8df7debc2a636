"""An entry's right side, parsed to parts: text, captures, controls, flags, and what asks somebody else.

Source: AG63-bgajb ff. A template is scanned from left to right. What stands in brackets is expanded first;
the argument list of a call is parted at the *template's* commas, so that a comma or bracket inside an address
cannot shift the fields.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .check_metermaid import Routine
from .limits import CAPTURES
from .pattern import BadPattern


@dataclass(frozen=True, slots=True)
class Text:
    """Copied as it stands, subject to the case in force."""

    text: str


@dataclass(frozen=True, slots=True)
class Capture:
    """``$0`` to ``$9``; nothing where the pattern saved fewer (SW217)."""

    index: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Control:
    """``$C`` continue, ``$L`` likewise and once more from the top, ``$R`` restart, ``$E`` end."""

    letter: str


@dataclass(frozen=True, slots=True)
class Flag:
    r"""A letter for the caller (``$Y``, ``$N``), or one of ``< > !``."""

    letter: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Mode:
    r"""``$\`` lower, ``$^`` upper, ``$=`` quote for an LDAP filter; ``$_`` ends case and quoting."""

    letter: str


@dataclass(frozen=True, slots=True)
class Chance:
    """``$?x?``: goes on x percent of the time."""

    percent: float


@dataclass(frozen=True, slots=True)
class InputFlag:
    """``$:x`` goes on if the caller set x, ``$;x`` if not."""

    letter: str
    wanted: bool


Argument = tuple[Text | Capture | Mode, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """``$[image,routine,arguments]``. ``offset`` and ``width`` are those of image and routine, for messages.

    ``routine_offset`` is that of the routine alone. ``bound`` is the routine that the names stand for, once
    it was found.
    """

    image: str
    routine: str
    arguments: tuple[Argument, ...]
    offset: int
    width: int
    routine_offset: int
    bound: Routine | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """``$|table;argument|``; with another delimiter the URL form, which also takes ``$T`` for success."""

    name: str
    argument: Argument
    url_form: bool
    offset: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """``$#serial-file|radix|width|m#``: the next number of a sequence.

    Its name is written out: were it made of captures, a client could begin any number of sequences.
    """

    name: str
    radix: int = 10
    width: int = 0
    modulus: int = 0  # 0: never starts over


@dataclass(frozen=True, slots=True)
class Lookup:
    """``$]url[``, ``$}domain,attribute{``, ``${text}``: asks a directory. ``kind`` is its bracket."""

    kind: str
    argument: Argument
    offset: int
    width: int


Part = Text | Capture | Control | Flag | Mode | Chance | InputFlag | Call | Table | Sequence | Lookup

CONTROLS = frozenset("CLRE")
MODES = frozenset("\\^_=")
FLAG_SIGNS = frozenset("<>!")
RADICES = range(2, 37)  # as many as there are digits and letters
WIDTHS = range(33)
WHOLE_PERCENT = 100
_PERCENT = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_NUMBER = re.compile(r"[0-9]{1,18}")
_SEQUENCE_DEFAULTS = (10, 0, 0)
_LOOKUP_ENDS = {"]": "[", "}": "{", "{": "}"}
_LOOKUP_NAMES = {"]": "an LDAP URL", "}": "a domain and an attribute", "{": "a name"}
# What a call's result that is scanned again must not hold: nothing may be called out of data.
_CALLING = frozenset("[|]}{#")


class _Parser:
    def __init__(self, text: str, *, from_data: bool = False) -> None:
        self.text = text
        self.at = 0
        self.from_data = from_data

    def parse(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        while self.at < len(self.text):
            parts.append(self._part())
        return tuple(parts)

    def _part(self) -> Part:
        start = self.at
        if self.text[start] != "$":
            return self._text("$")
        letter = self.text[start + 1 : start + 2]
        self.at += 2
        if letter in _CALLING and letter and self.from_data:
            raise BadPattern(start, 2, f'"${letter}" in a result that is scanned again')
        if plain := self._plain(letter, start):
            return plain
        if asks := _ASKING.get(letter):
            return asks(self, start)
        if (letter.isalpha() and letter.isascii()) or (letter in FLAG_SIGNS and letter):
            return Control(letter.upper()) if letter.upper() in CONTROLS else Flag(letter.upper(), start)
        if not letter:
            raise BadPattern(start, 1, 'a "$" at the end quotes nothing', 'a literal dollar is written "$$"')
        raise BadPattern(
            start,
            2,
            f'"${letter}" means nothing in a template',
            f'for a literal "{letter}" leave the "$" out',
        )

    def _text(self, stops: str) -> Text:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in stops:
            self.at += 1
        return Text(self.text[start : self.at])

    @staticmethod
    def _plain(letter: str, start: int) -> Text | Capture | Mode | None:
        """What may also stand inside an argument."""
        if letter in ("$", " ", "\t"):
            return Text(letter)
        if letter.isdigit() and letter.isascii() and int(letter) < CAPTURES:
            return Capture(int(letter), start)
        return Mode(letter) if letter in MODES and letter else None

    def _argument(self, start: int, ends: str) -> Argument:
        """Parts up to one of ``ends``, which is not consumed."""
        parts: list[Text | Capture | Mode] = []
        while self.at < len(self.text) and self.text[self.at] not in ends:
            if self.text[self.at] != "$":
                parts.append(self._text(ends + "$"))
                continue
            letter = self.text[self.at + 1 : self.at + 2]
            plain = self._plain(letter, self.at)
            if plain is None:
                raise self._called_inside(start, letter, ends[-1])
            self.at += 2
            parts.append(plain)
        if self.at >= len(self.text):
            opening = self.text[start : start + 2]
            raise BadPattern(start, 2, f'"{opening}" without "{ends[-1]}"', f'add the closing "{ends[-1]}"')
        return tuple(parts)

    def _called_inside(self, start: int, letter: str, end: str) -> BadPattern:
        """A flag, control or call inside an argument: mostly one whose closing sign was forgotten."""
        if letter and end not in self.text[self.at :]:
            says = f'"{self.text[start : start + 2]}" without "{end}"'
            return BadPattern(start, 2, says, f'add the closing "{end}", perhaps before "${letter}"')
        return BadPattern(
            self.at,
            2,
            f'"${letter}" inside an argument',
            f'is "{end}" missing before it?  '
            'an argument holds text, "$0" to "$9", "$$", "$ " and case: nothing is called there',
        )

    def _next_letter(self) -> int:
        """The offset of the next letter that is not blank."""
        rest = self.text[self.at :]
        return self.at + len(rest) - len(rest.lstrip())

    def call(self, start: int) -> Call:
        fields: list[Argument] = []
        offsets: list[int] = []
        while not fields or self.text[self.at] == ",":
            self.at += bool(fields)
            offsets.append(self._next_letter())
            fields.append(self._argument(start, ",]"))
        self.at += 1
        names = [only_text(field) for field in fields[:2]]
        if len(fields) == 1 or not all(names):
            raise BadPattern(
                start,
                self.at - start,
                "a call needs an image and a routine, both written out",
                'write "$[IMTA_LIB:check_metermaid.so,throttle,table,$0]"',
            )
        image, routine = names
        width = offsets[1] + len(routine) - offsets[0]
        return Call(image, routine, tuple(fields[2:]), offsets[0], width, offsets[1])

    def table(self, start: int) -> Table:
        first = self.text[self.at : self.at + 1]
        url_form = bool(first) and not (first.isalnum() or first in "_-;|")
        separator = first if url_form else ";"
        self.at += url_form
        name_at = self._next_letter()
        name = only_text(self._argument(start, f"{separator}|"))
        if not name or self.text[self.at] != separator:
            raise BadPattern(
                start, self.at - start, "a table and its argument are expected", 'write "$|INTERNAL_IP;$2|"'
            )
        self.at += 1
        argument = self._argument(start, "|")
        self.at += 1
        return Table(name, argument, url_form, name_at)

    def sequence(self, start: int) -> Sequence:
        name = only_text(self._argument(start, "|#"))
        numbers: list[int] = []
        while self.text[self.at] == "|":
            self.at += 1
            digits = only_text(self._argument(start, "|#"))
            if not _NUMBER.fullmatch(digits):
                remedy = 'write "$#name|10|6|1000000#"'
                at = self.at - len(digits)
                raise BadPattern(at, max(1, len(digits)), f'"{digits}" is not a number', remedy)
            numbers.append(int(digits))
        self.at += 1
        if not name:
            says = "the name of a sequence is expected, written out"
            raise BadPattern(start, self.at - start, says, 'write "$#name#"')
        radix, width, modulus, *surplus = (*numbers, *_SEQUENCE_DEFAULTS[len(numbers) :])
        if surplus or radix not in RADICES or width not in WIDTHS:
            raise BadPattern(
                start,
                self.at - start,
                "a sequence has a radix of 2 to 36, a width of at most 32 and a modulus",
                'write "$#name|10|6|1000000#"',
            )
        return Sequence(name, radix, width, modulus)

    def chance(self, start: int) -> Chance:
        end = self.text.find("?", self.at)
        number = self.text[self.at : max(end, self.at)]
        if not _PERCENT.fullmatch(number) or float(number) > WHOLE_PERCENT:
            raise BadPattern(start, 2 + len(number), "a chance in percent is expected", 'write "$?50?"')
        self.at = end + 1
        return Chance(float(number))

    def input_flag(self, start: int) -> InputFlag:
        wanted = self.text[start + 1] == ":"
        letter = self.text[self.at : self.at + 1]
        if not letter or letter in "$ \t":
            raise BadPattern(start, 2, "a flag's letter is expected", 'write "$:A"')
        self.at += 1
        return InputFlag(letter.upper(), wanted)

    def lookup(self, start: int) -> Lookup:
        kind = self.text[start + 1]
        end = _LOOKUP_ENDS[kind]
        argument = self._argument(start, end)
        self.at += 1
        if not argument:
            says = f"{_LOOKUP_NAMES[kind]} is expected"
            raise BadPattern(start, self.at - start, says, f'write it between "${kind}" and "{end}"')
        return Lookup(kind, argument, start, self.at - start)


# What follows "$" and asks somebody else, or chance.
_ASKING: dict[str, Callable[[_Parser, int], Part]] = {
    "[": _Parser.call,
    "|": _Parser.table,
    "#": _Parser.sequence,
    "?": _Parser.chance,
    ":": _Parser.input_flag,
    ";": _Parser.input_flag,
    "]": _Parser.lookup,
    "}": _Parser.lookup,
    "{": _Parser.lookup,
}


def only_text(argument: Argument) -> str:
    """The text of an argument that holds nothing else; "" for one that does."""
    texts = [part.text for part in argument if isinstance(part, Text)]
    return "".join(texts).strip() if len(texts) == len(argument) else ""


def parse_template(text: str) -> tuple[Part, ...]:
    """Parts of a template. Raises `BadPattern`, its offsets within ``text``."""
    return _Parser(text).parse()


def parse_result(text: str) -> tuple[Part, ...]:
    """Parts of a result that is scanned again. Raises `BadPattern` also where it would call something."""
    return _Parser(text, from_data=True).parse()
