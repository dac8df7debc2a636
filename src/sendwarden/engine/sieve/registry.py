"""What a language is made of: capabilities with their commands, tests, tags, match types and comparators.

A `Spec` is declarative: its parameters, tags and blocks are checked by the compiler, which then asks its
``build`` for a closure. A program around the engine adds capabilities of its own in the same way
(docs/sieve-extensions.md); for those that rather work on values than on closures, `live` turns a plain
handler into a ``build``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .matching import Comparator, Matched, MatchType
from .parse import Span
from .run import Run, Step
from .text import Namespace, Text

ParameterType = Literal["string", "strings", "number"]
# What an envelope part holds in a run: no value, one, or several.
EnvelopePart = Callable[[Run], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A positional argument."""

    name: str
    type: ParameterType


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged argument. Of one ``group`` only one may be used; by default its own name is its group."""

    name: str  # ":localpart"
    group: str
    takes: ParameterType | None = None
    capability: str = ""  # one more that must be required for the tag


@dataclass(frozen=True, slots=True)
class Spec:
    """A command or test. ``tests``: how many it takes; ``block``: whether one follows."""

    name: str
    kind: Literal["command", "test", "both"]
    build: "Callable[[Use], Step]"
    parameters: tuple[Parameter, ...] = ()
    tags: tuple[Tag, ...] = ()
    matching: bool = False  # takes a comparator and a match type, its last parameter being the keys
    tests: Literal["none", "one", "many"] = "none"
    block: Literal["none", "must", "may"] = "none"
    variadic: bool = False  # the last parameter, a string, may be repeated; `texts` gives all


@dataclass(frozen=True, slots=True)
class Function:
    """A function that may stand where a string is expected (Messaging Server)."""

    name: str
    build: "Callable[[Use], Callable[[Run], str]]"
    parameters: tuple[Parameter, ...]
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Capability:
    """What one word in `require` brings. An empty name is always in force."""

    name: str
    specs: tuple[Spec, ...] = ()
    tags: Mapping[str, tuple[Tag, ...]] = field(default_factory=dict)  # for commands of other capabilities
    match_types: tuple[MatchType, ...] = ()
    comparators: tuple[Comparator, ...] = ()
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    envelope_parts: Mapping[str, EnvelopePart] = field(default_factory=dict)  # for the test `envelope`


class Resolver(Protocol):
    """Names that no capability knows: tests and functions that the site defines, as mapping tables do."""

    def test(self, name: str) -> Spec | None: ...

    def function(self, name: str) -> Function | None: ...

    def unknown(self, name: str, what: str) -> tuple[str, str]:
        """A sentence and a remedy for a ``what`` ("test", "function") that does not exist."""
        ...


@dataclass(frozen=True, slots=True)
class Language:
    """What a script may use.

    ``dialect``: parenthesised tests and functions, as Messaging Server takes them.
    """

    capabilities: tuple[Capability, ...]
    resolver: Resolver | None = None
    dialect: bool = False

    def capability(self, name: str) -> Capability | None:
        return next((capability for capability in self.capabilities if capability.name == name), None)

    @property
    def names(self) -> list[str]:
        """Everything that `require` may name."""
        comparators = {c.capability for capability in self.capabilities for c in capability.comparators}
        return sorted(({capability.name for capability in self.capabilities} | comparators) - {""})


@dataclass(slots=True)
class Facts:
    """What a compiled script needs of the message, found while compiling."""

    recipient: bool = False  # it looks at the recipient: it runs once for each
    sender: bool = False  # it looks at the envelope sender
    body: bool = False
    scores: bool = False  # it asks what scanners found
    headers: set[str] = field(
        default_factory=set
    )  # in lower case; names made of variables are not among them
    actions: set[str] = field(default_factory=set)  # names of the commands that act
    tables: set[str] = field(default_factory=set)  # mapping tables it asks, in capitals


class Use(Protocol):
    """One use of a spec in a script, as its ``build`` sees it."""

    name: str
    line: int
    is_test: bool
    facts: Facts
    tests: tuple[Step, ...]
    block: Step | None
    match_type: MatchType

    @property
    def envelope_parts(self) -> Mapping[str, EnvelopePart]:
        """What the capabilities in force know of the envelope, by name."""
        ...

    def text(self, parameter: str) -> Text: ...

    def texts(self, parameter: str) -> tuple[Text, ...]: ...

    def number(self, parameter: str) -> int: ...

    def tag(self, group: str) -> str:
        """Which tag of the group was used, "" for none."""
        ...

    def tag_text(self, group: str) -> Text: ...

    def tag_number(self, group: str) -> int: ...

    def matched(self) -> Matched:
        """The matcher of this test: its comparator, match type and keys, bound."""
        ...

    def matched_count(self) -> Callable[[Run, int], bool] | None:
        """For :count: compares a number with the keys; None for another match type."""
        ...

    def problem(self, parameter: str, says: str, remedy: str = "") -> None:
        """An error of the script at a parameter, or with "" at the name."""
        ...

    def warning(self, code: str, parameter: str, says: str, remedy: str) -> None:
        """What is legal and yet surely a mistake, at a parameter."""
        ...

    def span(self, parameter: str) -> Span: ...


class Call:
    """A use at work, for handlers of `live`: arguments expanded, context at hand and writable."""

    def __init__(self, use: Use, run: Run) -> None:
        self.use = use
        self.run = run

    @property
    def line(self) -> int:
        return self.use.line

    @property
    def is_test(self) -> bool:
        return self.use.is_test

    def text(self, parameter: str) -> str:
        return self.use.text(parameter).get(self.run)

    def texts(self, parameter: str) -> list[str]:
        return [text.get(self.run) for text in self.use.texts(parameter)]

    def number(self, parameter: str) -> int:
        return self.use.number(parameter)

    def tag(self, group: str) -> str:
        return self.use.tag(group)

    def tag_text(self, group: str) -> str:
        return self.use.tag_text(group).get(self.run)

    def tag_number(self, group: str) -> int:
        return self.use.tag_number(group)

    def match(self, values: Sequence[str]) -> bool:
        """Compare with this call's keys, by its comparator and match type; sets ${0} and on.

        With :count it is the number of ``values`` that is compared.
        """
        counted = self.use.matched_count()
        return counted(self.run, len(values)) if counted else self.use.matched()(self.run, values)

    def run_tests(self) -> list[bool]:
        return [test(self.run) for test in self.use.tests]

    def run_block(self) -> bool:
        """Run the block behind this command. True: it ended the script."""
        return self.use.block(self.run) if self.use.block else False


def live(handler: Callable[[Call], bool | None]) -> Callable[[Use], Step]:
    """A ``build`` for a handler that is called each time the script comes by. Its exceptions pass through.

    Of a command, True ends the script.
    """

    def build(use: Use) -> Step:
        def step(run: Run) -> bool:
            return bool(handler(Call(use, run)))

        return step

    return build
