"""The generic tree to closures, by the specs of a language, with every error of the script.

Order of work for one command: find its spec, check that it was required, sort its arguments into tags and
parameters, compile its tests and block, then let the spec build. A script with errors is never run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from sendwarden.core.place import Place, Problem, Severity, did_you_mean, has_errors, in_order

from .arguments import Arguments, NodeUse
from .blocks import Block, always, first_true_of, in_a_row, size_of
from .limits import SCRIPT_BYTES
from .mail import Mail
from .outcome import Outcome, RunError, TraceLine
from .parse import FunctionArgument, Node, Span, StringArgument, parse
from .registry import Capability, Facts, Language, Spec
from .run import Host, Run, SieveError, Step
from .source import Source
from .trace import traced_step

if TYPE_CHECKING:
    from sendwarden.engine.world import World


# Of most runs.
_KEPT = Outcome((), implicit_keep=True, variables=MappingProxyType({}))


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
        if not (error or run.actions or run.variables or trace) and run.implicit_keep:
            return _KEPT
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
        self.warnings: list[Problem] = []
        self.required: set[str] = {""}
        self.require_line: Node | None = None
        self.arguments = Arguments(self)

    def problem(self, code: str, says: str, span: Span, remedy: str = "") -> None:
        self.problems.append(Problem(code, says, self.source.place(span), remedy))

    def warning(self, code: str, says: str, span: Span, remedy: str) -> None:
        place = self.source.place(span)
        self.warnings.append(Problem(code, says, place, remedy, severity=Severity.WARNING))

    def has(self, capability: str) -> bool:
        return capability in self.required

    # --- what is in force

    def capabilities(self) -> Iterable[Capability]:
        return (capability for capability in self.language.capabilities if capability.name in self.required)

    def find(self, name: str, what: str) -> tuple[Spec, str] | None:
        """The spec of that name and its capability: of the right kind, and in force, before any other."""
        found = [
            (spec, capability.name)
            for capability in self.language.capabilities
            for spec in capability.specs
            if spec.name == name
        ]
        right = [pair for pair in found if pair[0].kind in (what, "both")] or found
        in_force = [pair for pair in right if pair[1] in self.required]
        return next(iter(in_force or right), None)

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
        return in_a_row(self.block(nodes[head:]))

    def require(self, node: Node) -> None:
        if node.broken:  # nobody knows what it would have named: no complaint about any of it
            self.required.update(self.language.names)
            return
        match node.arguments:
            case [StringArgument() as names] if not node.tests and node.block is None:
                self.require_line = self.require_line or node
                for token in names.strings:
                    self._require_one(token.string, Span(token.start, token.end))
            case _:
                remedy = 'write: require ["variables", "reject"];'
                self.problem("SW304", "require takes one string or list of strings", node.span, remedy)

    def _require_one(self, name: str, span: Span) -> None:
        known = self.language.names
        if name not in known:
            remedy = did_you_mean(name, known) or f"known are {', '.join(known)}"
            self.problem("SW302", f'there is no extension "{name}" here', span, remedy)
        self.required.add(name)

    def block(self, nodes: tuple[Node, ...]) -> Block:
        steps: list[Step] = []
        at = 0
        while at < len(nodes):
            end = at + 1
            if nodes[at].name in ("if", "elsif", "else"):
                while end < len(nodes) and nodes[end].name in ("elsif", "else"):
                    end += 1
                steps.append(self.chain(nodes[at:end]))
            elif step := self.command(nodes[at]):
                steps.append(step)
            at = end
        line = self.source.line_of(nodes[0].span.start) if nodes else 1
        return Block(tuple(steps), sum(size_of(node) for node in nodes), line)

    def command(self, node: Node) -> Step | None:
        if node.broken:
            self._inside(node)
            return None
        if node.name == "require":
            self.problem(
                "SW307", "require must stand before all other commands", node.span, "move it to the top"
            )
            return None
        try:
            return self.use(node, is_test=False)
        except _Bad:
            return None

    def chain(self, nodes: Sequence[Node]) -> Step:
        """An if with its elsifs and else. One without an if is one error, however long it goes on."""
        if nodes[0].name != "if":
            says, remedy = f'"{nodes[0].name}" follows no "if"', 'it must follow the block of an "if"'
            self.problem("SW309", says, nodes[0].name_span, remedy)
        branches: list[tuple[Step, Block]] = []
        test: Step
        ended = False
        for node in nodes:
            if node.broken:
                self._inside(node)
                continue
            if ended:
                self.problem("SW309", f'"{node.name}" after "else"', node.name_span, 'an "else" comes last')
            block = self._chain_block(node)
            if node.name == "else":
                ended, test = True, always
                if node.tests or node.arguments:
                    self.problem(
                        "SW309", 'an "else" takes no test', node.span, 'write "elsif" for another test'
                    )
            else:
                test = self._chain_test(node)
            branches.append((test, block))
        return first_true_of(tuple(branches))

    def _chain_block(self, node: Node) -> Block:
        if node.block is None:
            self.problem(
                "SW309", f'"{node.name}" needs a block', node.name_span, 'write "{" ... "}" behind its test'
            )
            return Block()
        return self.block(node.block)

    def _chain_test(self, node: Node) -> Step:
        if node.arguments or len(node.tests) != 1:
            says, remedy = f'"{node.name}" takes one test', "join several with allof or anyof"
            if calls := [a.name for a in node.arguments if isinstance(a, FunctionArgument)]:
                remedy = f'a test is written without parentheses: {calls[0]} "..."'
            self.problem("SW309", says, node.span, remedy)
            for test in node.tests:
                self.test(test)
            return always
        self._parentheses(node)
        return self.test(node.tests[0]) or always

    def _parentheses(self, node: Node) -> None:
        if node.tests_in_list and not self.language.dialect:
            self.problem(
                "SW309", "one test stands without parentheses", node.span, "take the parentheses out"
            )

    # --- tests

    def test(self, node: Node) -> Step | None:
        if node.grouped and not self.language.dialect:
            says = "a test stands without parentheses of its own"
            self.problem("SW309", says, node.span, "take the parentheses out")
        try:
            return self.use(node, is_test=True)
        except _Bad:
            return None

    # --- a command or test by its spec

    def use(self, node: Node, *, is_test: bool) -> Step:
        spec = self.spec_of(node, is_test=is_test)
        use = NodeUse(self, node, spec, is_test=is_test)
        before = len(self.problems)
        if spec.tests == "none" and node.tests:
            self.arguments.read(use)
            self._surplus_test(use)
            raise _Bad
        self.arguments.read(use)
        self.inner_tests(use)
        self.inner_block(use)
        if len(self.problems) > before:
            raise _Bad
        step = spec.build(use)  # it may find errors of its own; a script with errors is never run
        if not self.tracing or (use.block is not None and not is_test):
            return step
        return traced_step(step, self.trace_line(node.span), is_test=is_test)

    def spec_of(self, node: Node, *, is_test: bool) -> Spec:
        what = "test" if is_test else "command"
        found = self.find(node.name, what)
        if found and found[0].kind in (what, "both"):
            self.needs(found[1], node.name, node.name_span)
            return found[0]
        resolver = self.language.resolver
        dynamic = resolver.test(node.name) if resolver and is_test else None
        if dynamic:
            return dynamic
        if found:
            says = f'"{node.name}" is a {found[0].kind}, and here stands a {what}'
            remedy = "a command is no condition" if is_test else 'a test stands behind "if"'
            self.problem("SW303", says, node.name_span, remedy)
        elif resolver and is_test:
            says, remedy = resolver.unknown(node.name, what)
            if not remedy.startswith("did you mean"):
                remedy = f"{did_you_mean(node.name, self._names('test'))}  {remedy}".lstrip()
            self.problem("SW310", says, node.name_span, remedy)
        else:
            remedy = did_you_mean(node.name, self._names(what)) or "see docs/supported-sieve.md"
            self.problem("SW303", f'there is no {what} "{node.name}"', node.name_span, remedy)
        self._inside(node)
        raise _Bad

    def _inside(self, node: Node) -> None:
        """Errors within what cannot be understood itself are errors all the same."""
        if follower := self._follower(node):
            self.block((follower,))
            return
        for test in node.tests:
            self.test(test)
        if node.block is not None:
            self.block(node.block)

    def _follower(self, node: Node) -> Node | None:
        """The command behind a forgotten ``;``, which was read as a test of this one."""
        if len(node.tests) != 1 or node.tests_in_list:
            return None
        (test,) = node.tests
        return replace(test, block=node.block) if test.name in ("if", *self._names("command")) else None

    def _names(self, what: str) -> list[str]:
        specs = [spec for capability in self.language.capabilities for spec in capability.specs]
        names = [spec.name for spec in specs if spec.kind in (what, "both")]
        return names if what == "test" else [*names, "if", "elsif", "else", "require"]

    def _surplus_test(self, use: NodeUse) -> None:
        """A test where none may stand: a forgotten ``;``, or a text or tag without its signs."""
        node, surplus = use.node, use.node.tests[0]
        says, remedy = f'"{node.name}" takes no test', 'is a ";" missing before it?'
        if f":{surplus.name}" in self.arguments.tag_names(use.spec):
            remedy = f'did you mean ":{surplus.name}"?'
        elif self._follower(node) is None and len(use.parameters) < len(use.spec.parameters):
            remedy = "a text stands in double quotes"
        self.problem("SW309", says, surplus.span, remedy)
        if self._follower(node) or self.find(surplus.name, "test"):
            self._inside(node)
        elif node.block is not None:
            self.block(node.block)

    def inner_tests(self, use: NodeUse) -> None:
        node, spec = use.node, use.spec
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
            use.block = in_a_row(self.block(node.block))
        elif spec.block == "must":
            self.problem(
                "SW309", f'"{node.name}" needs a block', node.name_span, 'write "{" ... "}" behind it'
            )

    def trace_line(self, node_span: Span) -> TraceLine:
        """A line for the trace, still without a result."""
        place = self.source.place(node_span)
        return TraceLine(place.line, place.column, self.source.shown(node_span), "")


def compile_script(file: str, text: str, language: Language) -> tuple[Script | None, list[Problem]]:
    """A script that can run, or None; and all errors and warnings, in the order of its lines."""
    source = Source(file, text)
    if len(text.encode("utf-8", "surrogatepass")) > SCRIPT_BYTES:
        place = Place(file)
        return None, [Problem("SW308", f"a script of more than {SCRIPT_BYTES} bytes is not read", place)]
    nodes, wrong = parse(text)
    problems = [Problem("SW300", p.says, source.place(p.span), p.remedy) for p in wrong]
    compiler = Compiler(source, language, tracing=False)
    step = compiler.script(nodes)
    found = in_order([*problems, *compiler.problems, *compiler.warnings])
    if has_errors(found):
        return None, found
    traced = Compiler(source, language, tracing=True).script(nodes)
    return Script(file, step, compiler.facts, traced), found
