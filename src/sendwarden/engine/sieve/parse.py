"""Tokens to a generic tree: names, arguments, tests, blocks (RFC 5228 section 8.2). Meaning comes later.

Two additions of Messaging Server are read here and allowed or not by the compiler: one test in parentheses
where a test may stand, and a function call where a string may stand, ``set "RESULT" greylist("...")``.

After a syntax error the parser goes on behind the next ``;`` or block, so that one run finds all errors.
"""

from dataclasses import dataclass

from .lex import Kind, LexError, Token, tokens
from .limits import ERRORS, NESTING


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the script's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StringArgument:
    """One string, or a list of them in brackets."""

    strings: tuple[Token, ...]
    span: Span
    is_list: bool


@dataclass(frozen=True, slots=True)
class NumberArgument:
    """A number."""

    number: int
    span: Span


@dataclass(frozen=True, slots=True)
class TagArgument:
    """``:name``, with the colon and in lower case."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class FunctionArgument:
    """``name("...")`` where a string is expected."""

    name: str
    arguments: tuple["Argument", ...]
    span: Span
    name_span: Span


Argument = StringArgument | NumberArgument | TagArgument | FunctionArgument


@dataclass(frozen=True, slots=True)
class Node:
    """A command or a test. ``name`` is in lower case; ``span`` covers it without its block."""

    name: str
    arguments: tuple[Argument, ...]
    tests: tuple["Node", ...]
    tests_in_list: bool  # the tests stood in parentheses
    block: "tuple[Node, ...] | None"
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """What the text should have been."""

    says: str
    remedy: str
    span: Span


class _Unexpected(Exception):
    """The tokens do not go on as they must; the problem is noted already."""


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.problems: list[SyntaxProblem] = []

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += token.kind is not Kind.END
        return token

    def is_next(self, punctuation: str, ahead: int = 0) -> bool:
        token = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
        return token.kind is Kind.PUNCTUATION and token.text == punctuation

    def fail(self, wanted: str, remedy: str = "") -> _Unexpected:
        token = self.next
        shown = token.kind.value if token.kind is Kind.END else f'"{token.text[:40]}"'
        span = Span(token.start, max(token.end, token.start + 1))
        self.problems.append(SyntaxProblem(f"{wanted} is expected, not {shown}", remedy, span))
        return _Unexpected()

    def commands(self, depth: int) -> tuple[Node, ...]:
        """Commands up to a closing brace or the end, neither consumed."""
        found = []
        while not self.is_next("}") and self.next.kind is not Kind.END and len(self.problems) < ERRORS:
            try:
                found.append(self.command(depth))
            except _Unexpected:
                self.recover()
        return tuple(found)

    def recover(self) -> None:
        """Skip to behind the next ``;`` or block of this level."""
        depth = 0
        while self.next.kind is not Kind.END:
            if depth == 0 and self.is_next("}"):
                return
            token = self.take()
            if token.kind is Kind.PUNCTUATION:
                depth += {"{": 1, "}": -1}.get(token.text, 0)
                if depth == 0 and token.text in ";}":
                    return

    def command(self, depth: int) -> Node:
        name = self.next
        if name.kind is not Kind.IDENTIFIER:
            raise self.fail("a command")
        self.take()
        arguments, tests, in_list = self.arguments(depth)
        end = self.tokens[self.at - 1].end
        block = None
        if self.is_next("{"):
            block = self.block(depth + 1)
        elif self.is_next(";"):
            self.take()
        else:
            raise self.fail('";"', f'put ";" behind the command that begins with "{name.text}"')
        span = Span(name.start, end)
        return Node(name.text.lower(), arguments, tests, in_list, block, Span(name.start, name.end), span)

    def block(self, depth: int) -> tuple[Node, ...]:
        opening = self.take()
        self.deep(depth, opening)
        found = self.commands(depth)
        if not self.is_next("}"):
            self.problems.append(
                SyntaxProblem(
                    "this block has no end", 'add the closing "}"', Span(opening.start, opening.end)
                )
            )
            raise _Unexpected
        self.take()
        return found

    def deep(self, depth: int, token: Token) -> None:
        if depth > NESTING:
            says = f"blocks and tests nest at most {NESTING} deep"
            self.problems.append(SyntaxProblem(says, "", Span(token.start, token.end)))
            raise _Unexpected

    def arguments(self, depth: int) -> tuple[tuple[Argument, ...], tuple[Node, ...], bool]:
        found: list[Argument] = []
        while (argument := self.argument(depth)) is not None:
            found.append(argument)
        if self.next.kind is Kind.IDENTIFIER:
            return tuple(found), (self.test(depth + 1),), False
        if self.is_next("("):
            return tuple(found), self.test_list(depth + 1), True
        return tuple(found), (), False

    def argument(self, depth: int) -> Argument | None:
        token = self.next
        span = Span(token.start, token.end)
        match token.kind:
            case Kind.STRING:
                return StringArgument((self.take(),), span, is_list=False)
            case Kind.NUMBER:
                return NumberArgument(self.take().number, span)
            case Kind.TAG:
                return TagArgument(self.take().text.lower(), span)
            case Kind.IDENTIFIER if self.is_function():
                return self.function(depth)
        return self.string_list() if self.is_next("[") else None

    def is_function(self) -> bool:
        """``name("`` or ``name()``: no test list begins so."""
        if not self.is_next("(", ahead=1):
            return False
        inside = self.tokens[min(self.at + 2, len(self.tokens) - 1)]
        return inside.kind in (Kind.STRING, Kind.NUMBER) or self.is_next(")", ahead=2)

    def function(self, depth: int) -> FunctionArgument:
        name = self.take()
        opening = self.take()
        self.deep(depth + 1, opening)
        arguments: list[Argument] = []
        while not self.is_next(")"):
            argument = self.argument(depth + 1)
            if argument is None:
                raise self.fail(f'an argument of {name.text} or ")"')
            arguments.append(argument)
            if self.is_next(","):
                self.take()
        end = self.take().end
        return FunctionArgument(
            name.text.lower(), tuple(arguments), Span(name.start, end), Span(name.start, name.end)
        )

    def string_list(self) -> StringArgument:
        opening = self.take()
        strings = []
        while True:
            if self.next.kind is not Kind.STRING:
                raise self.fail("a string", 'a list is written ["one", "two"]')
            strings.append(self.take())
            if self.is_next("]"):
                break
            if not self.is_next(","):
                raise self.fail('"," or "]"')
            self.take()
        return StringArgument(tuple(strings), Span(opening.start, self.take().end), is_list=True)

    def test(self, depth: int) -> Node:
        name = self.next
        if name.kind is not Kind.IDENTIFIER:
            raise self.fail("a test")
        self.deep(depth, name)
        self.take()
        arguments, tests, in_list = self.arguments(depth)
        end = self.tokens[self.at - 1].end
        span = Span(name.start, end)
        return Node(name.text.lower(), arguments, tests, in_list, None, Span(name.start, name.end), span)

    def test_list(self, depth: int) -> tuple[Node, ...]:
        opening = self.take()
        self.deep(depth, opening)
        found = []
        while True:
            found.append(self.group(depth) if self.is_next("(") else self.test(depth))
            if self.is_next(")"):
                break
            if not self.is_next(","):
                raise self.fail('"," or ")"')
            self.take()
        self.take()
        return tuple(found)

    def group(self, depth: int) -> Node:
        """A test in parentheses within parentheses: ``((true))``. Stands for the test inside."""
        inside = self.test_list(depth + 1)
        if len(inside) != 1:
            self.problems.append(
                SyntaxProblem("one test is expected between these parentheses", "", inside[0].span)
            )
            raise _Unexpected
        return inside[0]


def parse(text: str) -> tuple[tuple[Node, ...], list[SyntaxProblem]]:
    """The commands of a script as far as they can be read, and all syntax errors."""
    try:
        found = tokens(text)
    except LexError as error:
        return (), [SyntaxProblem(error.says, error.remedy, Span(error.start, error.end))]
    parser = _Parser(found)
    commands = list(parser.commands(0))
    while parser.next.kind is not Kind.END and len(parser.problems) < ERRORS:
        parser.problems.append(
            SyntaxProblem('this "}" closes nothing', "take it out", Span(parser.next.start, parser.next.end))
        )
        parser.take()
        commands += parser.commands(0)
    return tuple(commands), parser.problems
