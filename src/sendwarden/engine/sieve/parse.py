"""Tokens to a generic tree: names, arguments, tests, blocks (RFC 5228 section 8.2). Meaning comes later.

Two additions of Messaging Server are read here and allowed or not by the compiler: one test in parentheses
where a test may stand, and a function call where a string may stand, ``set "RESULT" greylist("...")``.

After a syntax error the parser goes on behind the next ``;``, or with the commands of the next block, so that
one run finds all errors. The command in question stays in the tree as a broken one.
"""

from dataclasses import dataclass, replace

from .lex import Kind, Token, Tokens, tokens
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
    """A command or a test. ``name`` is in lower case; ``span`` covers it without its block.

    ``grouped``: a test that stood in parentheses of its own. ``broken``: a command with a syntax error, of
    which only name and block can be believed.
    """

    name: str
    arguments: tuple[Argument, ...]
    tests: tuple["Node", ...]
    tests_in_list: bool  # the tests stood in parentheses
    block: "tuple[Node, ...] | None"
    name_span: Span
    span: Span
    grouped: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """What the text should have been."""

    says: str
    remedy: str
    span: Span


class _Unexpected(Exception):
    """The tokens do not go on as they must; the problem is noted already."""


class _Parser:
    def __init__(self, lexed: Tokens) -> None:
        self.tokens = lexed.found
        self.cut = lexed.cut
        self.at = 0
        self.problems = [SyntaxProblem(p.says, p.remedy, Span(p.start, p.end)) for p in lexed.problems]

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

    @property
    def behind(self) -> Span:
        """The place behind the last token that was taken."""
        end = self.tokens[self.at - 1].end if self.at else 0
        return Span(end, end + 1)

    def fail(self, wanted: str, remedy: str = "", span: Span | None = None) -> _Unexpected:
        """Note what is wrong with the next token, or with ``span``."""
        token = self.next
        at_end = token.kind is Kind.END
        shown = f'"{token.text[:40]}"'
        if at_end or token.kind is Kind.STRING:
            shown = token.text[:40] or token.kind.value
        if not (at_end and self.cut):  # what has no end was complained about already
            place = span or (self.behind if at_end else Span(token.start, token.end))
            self.problems.append(SyntaxProblem(f"{wanted} is expected, not {shown}", remedy, place))
        return _Unexpected()

    def commands(self, depth: int) -> tuple[Node, ...]:
        """Commands up to a closing brace or the end, neither consumed."""
        found = []
        while not self.is_next("}") and self.next.kind is not Kind.END and len(self.problems) < ERRORS:
            first = self.next
            try:
                found.append(self.command(depth))
            except _Unexpected:
                found.append(self.recovered(first, depth))
        return tuple(found)

    def recovered(self, first: Token, depth: int) -> Node:
        """Skip to behind the next ``;`` or block of this level. What stands in the block is read."""
        block = None
        while block is None and self.next.kind is not Kind.END and not self.is_next("}"):
            if self.is_next("{") and depth < NESTING:
                block = self.block(depth + 1)
            elif self.is_next("{"):  # too deep, and an error was noted here anyway
                self.take()
                self.skip_block()
                block = ()
            elif self.take().text == ";":
                break
        name = first.text.lower() if first.kind is Kind.IDENTIFIER else ""
        span = Span(first.start, first.end)
        return Node(name, (), (), False, block, span, span, broken=True)  # noqa: FBT003

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
            remedy = f'put ";" behind the command that begins with "{name.text}"'
            raise self.fail('";"', remedy, self.behind)
        span = Span(name.start, end)
        return Node(name.text.lower(), arguments, tests, in_list, block, Span(name.start, name.end), span)

    def block(self, depth: int) -> tuple[Node, ...]:
        opening = self.take()
        if depth > NESTING:
            self.too_deep(opening)
            self.skip_block()
            return ()
        found = self.commands(depth)
        if self.is_next("}"):
            self.take()
        elif not self.cut and len(self.problems) < ERRORS:
            place = Span(opening.start, opening.end)
            self.problems.append(SyntaxProblem("this block has no end", 'add the closing "}"', place))
        return found

    def skip_block(self) -> None:
        """Everything up to the brace that closes a block whose opening one was taken."""
        depth = 1
        while depth and self.next.kind is not Kind.END:
            token = self.take()
            if token.kind is Kind.PUNCTUATION:
                depth += {"{": 1, "}": -1}.get(token.text, 0)

    def too_deep(self, token: Token) -> None:
        says = f"blocks and tests nest at most {NESTING} deep"
        self.problems.append(SyntaxProblem(says, "", Span(token.start, token.end)))

    def deep(self, depth: int, token: Token) -> None:
        if depth > NESTING:
            self.too_deep(token)
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
        """``name("``: no test list begins so."""
        if not self.is_next("(", ahead=1):
            return False
        inside = self.tokens[min(self.at + 2, len(self.tokens) - 1)]
        return inside.kind in (Kind.STRING, Kind.NUMBER)

    def function(self, depth: int) -> FunctionArgument:
        name = self.take()
        opening = self.take()
        self.deep(depth + 1, opening)
        arguments: list[Argument] = []
        while True:
            argument = self.argument(depth + 1)
            if argument is None:
                raise self.fail(f"an argument of {name.text}")
            arguments.append(argument)
            if self.is_next(")"):
                break
            if not self.is_next(","):
                raise self.fail('"," or ")"')
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
            says = "one test is expected between these parentheses"
            place = Span(inside[0].span.start, inside[-1].span.end)
            self.problems.append(SyntaxProblem(says, "join several with allof or anyof", place))
            raise _Unexpected
        return replace(inside[0], grouped=True)


def parse(text: str) -> tuple[tuple[Node, ...], list[SyntaxProblem]]:
    """The commands of a script as far as they can be read, and all syntax errors."""
    parser = _Parser(tokens(text))
    commands = list(parser.commands(0))
    while parser.next.kind is not Kind.END and len(parser.problems) < ERRORS:
        parser.problems.append(
            SyntaxProblem('this "}" closes nothing', "take it out", Span(parser.next.start, parser.next.end))
        )
        parser.take()
        commands += parser.commands(0)
    return tuple(commands), parser.problems
