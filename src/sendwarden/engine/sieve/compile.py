"""The generic tree to closures, by the specs of a language, with every error of the script.

Order of work for one command: find its spec, check that it was required, sort its arguments into tags and
parameters, compile its tests and block, then let the spec build. A script with errors is never run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sendwarden.core.place import Place, Problem, did_you_mean

from .arguments import Arguments, NodeUse
from .limits import SCRIPT_BYTES, STEPS
from .mail import Mail
from .outcome import Outcome, RunError, TraceLine
from .parse import (
    Node,
    Span,
    StringArgument,
    parse,
)
from .registry import Capability, Facts, Language, Spec
from .run import Host, Run, SieveError, Step
from .source import Source
from .trace import traced_step

if TYPE_CHECKING:
    from sendwarden.engine.world import World


@dataclass(frozen=True, slots=True)
class Script:
    """A script that can run. ``traced`` is the same with a trace, several times slower."""

    name: str
    step: Step = field(repr=False)
    facts: Facts
    traced: Step = field(repr=False)

    def run(
        self,
        mail: Mail,
        recipients: tuple[str, ...],
        *,
        world: "World | None" = None,
        host: Host | None = None,
        trace: bool = False,
    ) -> Outcome:
        """Run it once, for these recipients. What the message holds never raises."""
        lines: list[TraceLine] | None = [] if trace else None
        run = Run(mail, recipients, world, host, lines)
        error = None
        try:
            (self.traced if trace else self.step)(run)
        except SieveError as stopped:
            error = RunError(stopped.line, stopped.says)
        if error:
            return Outcome(
                (), implicit_keep=True, variables=run.variables, error=error, trace=tuple(lines or ())
            )
        return Outcome(tuple(run.actions), run.implicit_keep, run.variables, None, tuple(lines or ()))


class _Bad(Exception):
    """A command or test that cannot be built; the problem is noted already."""


class Compiler:
    """Compiles one script, once plain and once with a trace; `problems` is what is wrong with it."""

    def __init__(self, source: Source, language: Language, *, tracing: bool) -> None:
        self.source = source
        self.language = language
        self.tracing = tracing
        self.facts = Facts()
        self.problems: list[Problem] = []
        self.required: set[str] = {""}
        self.require_line: Node | None = None
        self.arguments = Arguments(self)

    def problem(self, code: str, says: str, span: Span, remedy: str = "", more: str = "") -> None:
        self.problems.append(Problem(code, says, self.source.place(span), remedy, (more,) if more else ()))

    def has(self, capability: str) -> bool:
        return capability in self.required

    # --- what is in force

    def capabilities(self) -> Iterable[Capability]:
        return (capability for capability in self.language.capabilities if capability.name in self.required)

    def find(self, name: str) -> tuple[Spec, str] | None:
        """The spec of that name and its capability; one that is in force before one that is not."""
        found = [
            (spec, capability.name)
            for capability in self.language.capabilities
            for spec in capability.specs
            if spec.name == name
        ]
        in_force = [pair for pair in found if pair[1] in self.required]
        return next(iter(in_force or found), None)

    def needs(self, capability: str, used: str, span: Span) -> None:
        """Note an error unless ``capability`` was required."""
        if capability in self.required:
            return
        self.required.add(capability)  # one cause, one error
        wanted = [f'"{name}"' for name in [*self._written_requires(), capability]]
        if self.require_line is None:
            says, line = f'"{used}" is used, but nothing requires it', 1
        else:
            line = self.source.line_of(self.require_line.span.start)
            says = f'"{used}" is used, but line {line} does not require it'
        self.problem("SW301", says, span, f"write on line {line}:  require [{','.join(wanted)}];")

    def _written_requires(self) -> list[str]:
        arguments = self.require_line.arguments if self.require_line else ()
        return [token.string for a in arguments if isinstance(a, StringArgument) for token in a.strings]

    # --- commands

    def script(self, nodes: tuple[Node, ...]) -> Step:
        head = 0
        while head < len(nodes) and nodes[head].name == "require":
            self.require(nodes[head])
            head += 1
        return self.block(nodes[head:])

    def require(self, node: Node) -> None:
        match node.arguments:
            case [StringArgument() as names] if not node.tests and node.block is None:
                self.require_line = self.require_line or node
                for token in names.strings:
                    self._require_one(token.string, Span(token.start, token.end))
            case _:
                remedy = 'write: require ["variables", "reject"];'
                self.problem("SW304", "require takes one string or list of strings", node.span, remedy)

    def _require_one(self, name: str, span: Span) -> None:
        if name not in self.language.names or not name:
            known = self.language.names
            remedy = did_you_mean(name, known) or f"known are {', '.join(filter(None, known))}"
            self.problem("SW302", f'there is no extension "{name}" here', span, remedy)
        self.required.add(name)

    def block(self, nodes: tuple[Node, ...]) -> Step:
        steps: list[Step] = []
        at = 0
        while at < len(nodes):
            end = at + 1
            if nodes[at].name == "if":
                while end < len(nodes) and nodes[end].name in ("elsif", "else"):
                    end += 1
                steps.append(self.chain(nodes[at:end]))
            elif step := self.command(nodes[at]):
                steps.append(step)
            at = end
        line = self.source.line_of(nodes[0].span.start) if nodes else 1
        return _block(tuple(steps), sum(_size(node) for node in nodes), line)

    def command(self, node: Node) -> Step | None:
        if node.name == "require":
            self.problem(
                "SW307", "require must stand before all other commands", node.span, "move it to the top"
            )
            return None
        if node.name in ("elsif", "else"):
            self.problem(
                "SW309",
                f'"{node.name}" follows no "if"',
                node.name_span,
                'it must follow the block of an "if"',
            )
            return None
        try:
            return self.use(node, is_test=False)
        except _Bad:
            return None

    def chain(self, nodes: Sequence[Node]) -> Step:
        """An if with its elsifs and else."""
        branches: list[tuple[Step, Step]] = []
        test: Step
        ended = False
        for node in nodes:
            if ended:
                self.problem("SW309", f'"{node.name}" after "else"', node.name_span, 'an "else" comes last')
            block = self._chain_block(node)
            if node.name == "else":
                ended, test = True, _true
                if node.tests or node.arguments:
                    self.problem(
                        "SW309", 'an "else" takes no test', node.span, 'write "elsif" for another test'
                    )
            else:
                test = self._chain_test(node)
            branches.append((test, block))
        return _branches(tuple(branches))

    def _chain_block(self, node: Node) -> Step:
        if node.block is None:
            self.problem(
                "SW309", f'"{node.name}" needs a block', node.name_span, 'write "{" ... "}" behind its test'
            )
            return _true
        return self.block(node.block)

    def _chain_test(self, node: Node) -> Step:
        if node.arguments or len(node.tests) != 1:
            self.problem(
                "SW309", f'"{node.name}" takes one test', node.span, "join several with allof or anyof"
            )
            return _true
        self._parentheses(node)
        return self.test(node.tests[0]) or _true

    def _parentheses(self, node: Node) -> None:
        if node.tests_in_list and not self.language.dialect:
            self.problem(
                "SW309", "one test stands without parentheses", node.span, "take the parentheses out"
            )

    # --- tests

    def test(self, node: Node) -> Step | None:
        try:
            return self.use(node, is_test=True)
        except _Bad:
            return None

    # --- a command or test by its spec

    def use(self, node: Node, *, is_test: bool) -> Step:
        spec = self.spec_of(node, is_test=is_test)
        use = NodeUse(self, node, spec, is_test=is_test)
        before = len(self.problems)
        self.arguments.read(use)
        self.inner_tests(use)
        self.inner_block(use)
        if len(self.problems) > before:
            raise _Bad
        step = spec.build(use)
        if not self.tracing or (use.block is not None and not is_test):
            return step
        return traced_step(step, self.trace_line(node.span), is_test=is_test)

    def spec_of(self, node: Node, *, is_test: bool) -> Spec:
        what = "test" if is_test else "command"
        found = self.find(node.name)
        if found and found[0].kind in (what, "both"):
            self.needs(found[1], node.name, node.name_span)
            return found[0]
        resolver = self.language.resolver
        dynamic = resolver.test(node.name) if resolver and is_test else None
        if dynamic:
            return dynamic
        if found:
            other = found[0].kind
            self.problem("SW303", f'"{node.name}" is a {other}, and here stands a {what}', node.name_span)
        elif resolver and is_test:
            says, remedy = resolver.unknown(node.name, what)
            close = "" if remedy.startswith("did you mean") else did_you_mean(node.name, self._names("test"))
            self.problem("SW310", says, node.name_span, f"{close}  {remedy}".lstrip())
        else:
            remedy = did_you_mean(node.name, self._names(what)) or "see docs/supported-sieve.md"
            self.problem("SW303", f'there is no {what} "{node.name}"', node.name_span, remedy)
        self._inside(node)
        raise _Bad

    def _inside(self, node: Node) -> None:
        """Errors within what cannot be understood itself are errors all the same."""
        for test in node.tests:
            self.test(test)
        if node.block is not None:
            self.block(node.block)

    def _names(self, what: str) -> list[str]:
        specs = [spec for capability in self.language.capabilities for spec in capability.specs]
        names = [spec.name for spec in specs if spec.kind in (what, "both")]
        return names if what == "test" else [*names, "if", "elsif", "else", "require"]

    def inner_tests(self, use: NodeUse) -> None:
        node, spec = use.node, use.spec
        if spec.tests == "none" and node.tests:
            self.problem(
                "SW309", f'"{node.name}" takes no test', node.tests[0].span, 'is a ";" missing before it?'
            )
        if spec.tests == "one":
            if len(node.tests) != 1:
                self.problem("SW309", f'"{node.name}" takes one test', node.span)
            self._parentheses(node)
        if spec.tests == "many" and not node.tests_in_list:
            self.problem(
                "SW309", f'"{node.name}" takes tests in parentheses', node.span, "write (true, false)"
            )
        use.tests = tuple(step for test in node.tests if (step := self.test(test)) is not None)

    def inner_block(self, use: NodeUse) -> None:
        node, spec = use.node, use.spec
        if node.block is not None:
            if spec.block == "none":
                self.problem("SW309", f'"{node.name}" takes no block', node.name_span, 'end it with ";"')
            use.block = self.block(node.block)
        elif spec.block == "must":
            self.problem(
                "SW309", f'"{node.name}" needs a block', node.name_span, 'write "{" ... "}" behind it'
            )

    def trace_line(self, node_span: Span) -> TraceLine:
        """A line for the trace, still without a result."""
        place = self.source.place(node_span)
        return TraceLine(place.line, place.column, self.source.shown(node_span), "")


def _size(node: Node) -> int:
    """Commands and tests in a node, its block left out: that one counts itself."""
    return 1 + sum(_size(test) for test in node.tests)


def _true(_run: Run) -> bool:
    return True


def _block(steps: tuple[Step, ...], size: int, line: int) -> Step:
    def block(run: Run) -> bool:
        run.steps += size
        if run.steps > STEPS:
            raise SieveError(line, f"more than {STEPS} commands and tests")
        for step in steps:  # noqa: SIM110 - any() with a generator costs more than the commands
            if step(run):
                return True
        return False

    return block


def _branches(branches: tuple[tuple[Step, Step], ...]) -> Step:
    if len(branches) == 1:
        ((test, block),) = branches

        def only(run: Run) -> bool:
            return test(run) and block(run)

        return only

    def first_true(run: Run) -> bool:
        for test, block in branches:
            if test(run):
                return block(run)
        return False

    return first_true


def compile_script(file: str, text: str, language: Language) -> tuple[Script | None, list[Problem]]:
    """A script that can run, or None and all that is wrong with it."""
    source = Source(file, text)
    if len(text.encode("utf-8", "surrogateescape")) > SCRIPT_BYTES:
        place = Place(file)
        return None, [Problem("SW308", f"a script of more than {SCRIPT_BYTES} bytes is not read", place)]
    nodes, wrong = parse(text)
    problems = [Problem("SW300", p.says, source.place(p.span), p.remedy) for p in wrong]
    compiler = Compiler(source, language, tracing=False)
    step = compiler.script(nodes)
    problems += compiler.problems
    if problems:
        return None, problems
    traced = Compiler(source, language, tracing=True).script(nodes)
    return Script(file, step, compiler.facts, traced), []
