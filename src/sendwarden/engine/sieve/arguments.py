"""Arguments of a command or test: sorted into tags and parameters, and checked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from sendwarden.core.place import Problem, did_you_mean

from .matching import ASCII_CASEMAP, IS, Comparator, Keys, Matched, MatchType
from .outcome import TraceLine
from .parse import Argument, FunctionArgument, Node, NumberArgument, Span, StringArgument, TagArgument
from .registry import Capability, EnvelopePart, Facts, Language, Spec, Tag, Use
from .run import Run, Step
from .source import Source
from .text import BadText, Call, Namespace, Text, constant, parse_text
from .trace import traced_function

RELATIONS = ("gt", "ge", "lt", "le", "eq", "ne")


class Surroundings(Protocol):
    """The compiler, as far as a use of a spec needs it."""

    source: Source
    language: Language
    facts: Facts
    problems: list[Problem]
    tracing: bool

    def has(self, capability: str) -> bool: ...

    def needs(self, capability: str, used: str, span: Span) -> None: ...

    def capabilities(self) -> Iterable[Capability]: ...

    def problem(self, code: str, says: str, span: Span, remedy: str = "") -> None: ...

    def warning(self, code: str, says: str, span: Span, remedy: str) -> None: ...

    def trace_line(self, node_span: Span) -> TraceLine: ...


class NodeUse:
    """`registry.Use` for one node."""

    def __init__(self, compiler: Surroundings, node: Node, spec: Spec, *, is_test: bool) -> None:
        self.compiler, self.node, self.spec = compiler, node, spec
        self.name = node.name
        self.line = compiler.source.line_of(node.span.start)
        self.is_test = is_test
        self.facts = compiler.facts
        self.tests: tuple[Step, ...] = ()
        self.block: Step | None = None
        self.parameters: dict[str, tuple[Span, tuple[Text, ...], int]] = {}
        self.tags: dict[str, tuple[str, tuple[Text, ...], int]] = {}
        self.tags_seen: dict[str, TagArgument] = {}  # of each group the first
        # A tag that cannot be understood: who knows which of the other arguments would have been its own.
        self.uncertain = False
        self.match_type: MatchType = IS
        self.comparator: Comparator = ASCII_CASEMAP
        self.relation = ""
        self._matched: Matched | None = None

    @property
    def envelope_parts(self) -> Mapping[str, EnvelopePart]:
        return {name: part for c in self.compiler.capabilities() for name, part in c.envelope_parts.items()}

    def text(self, parameter: str) -> Text:
        return self.parameters[parameter][1][0]

    def texts(self, parameter: str) -> tuple[Text, ...]:
        return self.parameters[parameter][1]

    def number(self, parameter: str) -> int:
        return self.parameters[parameter][2]

    def tag(self, group: str) -> str:
        return self.tags[group][0] if group in self.tags else ""

    def tag_text(self, group: str) -> Text:
        return self.tags[group][1][0]

    def tag_number(self, group: str) -> int:
        return self.tags[group][2]

    def matched(self) -> Matched:
        if self._matched is None:
            keys = _keys(self.texts(self.spec.parameters[-1].name))
            sets = self.compiler.has("variables")
            matched = self.match_type.bind(self.comparator, keys, self.relation, sets)
            self._matched = _seen(matched) if self.compiler.tracing else matched
        return self._matched

    def matched_count(self) -> Callable[[Run, int], bool] | None:
        if self.match_type.tag != ":count":
            return None
        matched = self.matched()
        return lambda run, count: matched(run, (str(count),))  # the number is the only value

    def problem(self, parameter: str, says: str, remedy: str = "") -> None:
        self.compiler.problem("SW304", says, self.span(parameter), remedy)

    def warning(self, code: str, parameter: str, says: str, remedy: str) -> None:
        self.compiler.warning(code, says, self.span(parameter), remedy)

    def span(self, parameter: str) -> Span:
        return self.parameters[parameter][0] if parameter in self.parameters else self.node.name_span


def _keys(texts: Sequence[Text]) -> Keys:
    constants = tuple(text.constant for text in texts)
    if all(text is not None for text in constants):
        return Keys(tuple(text for text in constants if text is not None), lambda _run: ())
    return Keys(None, lambda run: [text.get(run) for text in texts])


def _seen(matched: Matched) -> Matched:
    def remembering(run: Run, values: Sequence[str]) -> bool:
        run.seen = tuple(values)
        return matched(run, values)

    return remembering


class Arguments:
    """Reads the arguments of one use after the other; what is wrong goes to the compiler's problems."""

    def __init__(self, compiler: Surroundings) -> None:
        self.compiler = compiler

    def read(self, use: NodeUse) -> None:
        rest: list[Argument] = []
        arguments = iter(use.node.arguments)
        for argument in arguments:
            if isinstance(argument, TagArgument):
                self.tag(use, argument, arguments, late=bool(rest))
            else:
                rest.append(argument)
        self.positional(use, rest)
        self.matching(use)

    def positional(self, use: NodeUse, rest: list[Argument]) -> None:
        parameters = use.spec.parameters
        for parameter, argument in zip(parameters, rest, strict=False):
            use.parameters[parameter.name] = self.value(parameter.name, parameter.type, argument)
        swallowed = use.spec.tests == "none" and use.node.tests  # what should be a text was read as a test
        if use.uncertain or (swallowed and len(rest) < len(parameters)):
            return
        if len(rest) < len(parameters):
            missing = parameters[len(rest)]
            says = f'"{use.node.name}" lacks its argument "{missing.name}"'
            self.compiler.problem("SW306", says, use.node.span, f"write: {_usage(use.spec)}")
        elif len(rest) > len(parameters) and use.spec.variadic:
            last = parameters[-1]
            span, texts, number = use.parameters[last.name]
            for argument in rest[len(parameters) :]:
                texts += self.value(last.name, last.type, argument)[1]
            use.parameters[last.name] = span, texts, number
        elif len(rest) > len(parameters):
            surplus = rest[len(parameters)]
            says = f'"{use.node.name}" takes no further argument'
            self.compiler.problem("SW306", says, surplus.span, f"write: {_usage(use.spec)}")

    def value(self, name: str, wanted: str, argument: Argument) -> tuple[Span, tuple[Text, ...], int]:
        span = argument.span
        match argument:
            case NumberArgument(number) if wanted == "number":
                return span, (), number
            case StringArgument(strings) if wanted == "strings" or (
                wanted == "string" and not argument.is_list
            ):
                return span, tuple(self.string(s.string, Span(s.start, s.end)) for s in strings), 0
            case FunctionArgument() if wanted in ("string", "strings"):
                return span, (self.function(argument),), 0
        kind = {"string": "one string", "strings": "a string or a list of strings", "number": "a number"}[
            wanted
        ]
        self.compiler.problem("SW304", f'"{name}" must be {kind}', span)
        return span, (constant(""),), 0

    def string(self, string: str, span: Span) -> Text:
        def namespace(name: str) -> Namespace | None:
            """Variables of a namespace; one that nothing requires is an error (RFC 5229 section 3)."""
            for capability in self.compiler.language.capabilities:
                if name in capability.namespaces:
                    self.compiler.needs(capability.name, f"${{{name}.}}", span)
                    return capability.namespaces[name]
            return None

        try:
            return parse_text(
                string,
                variables=self.compiler.has("variables"),
                encoded=self.compiler.has("encoded-character"),
                namespace=namespace,
            )
        except BadText as error:
            self.compiler.problem("SW304", str(error), span)
            return constant("")

    def function(self, argument: FunctionArgument) -> Text:
        resolver = self.compiler.language.resolver
        function = resolver.function(argument.name) if resolver else None
        if function is None or not self.compiler.language.dialect:
            if resolver:
                says, remedy = resolver.unknown(argument.name, "function")
                self.compiler.problem("SW310", says, argument.name_span, remedy)
            else:
                self.compiler.problem("SW303", "a function call is no string here", argument.name_span)
            return constant("")
        spec = Spec(function.name, "test", _never, function.parameters, variadic=function.variadic)
        node = Node(function.name, argument.arguments, (), False, None, argument.name_span, argument.span)  # noqa: FBT003
        use = NodeUse(self.compiler, node, spec, is_test=False)
        before = len(self.compiler.problems)
        self.read(use)
        if len(self.compiler.problems) > before:
            return constant("")
        call = function.build(use)
        if self.compiler.tracing:
            call = traced_function(call, self.compiler.trace_line(argument.span))
        return Text((Call(call),))

    def known_tags(self, spec: Spec) -> list[Tag]:
        added = [tag for c in self.compiler.language.capabilities for tag in c.tags.get(spec.name, ())]
        return [*spec.tags, *added]

    def tag_names(self, spec: Spec) -> list[str]:
        names = [tag.name for tag in self.known_tags(spec)]
        return [*names, *self.match_types(), ":comparator"] if spec.matching else names

    def match_types(self) -> dict[str, MatchType]:
        return {m.tag: m for c in self.compiler.language.capabilities for m in c.match_types}

    def tag(self, use: NodeUse, argument: TagArgument, rest: Iterable[Argument], *, late: bool) -> None:
        """``late``: it stands behind an argument that is no tag, which only Messaging Server may take."""
        spec, name = use.spec, argument.name
        if late and not self.compiler.language.dialect:
            use.uncertain = True
            says = f"{name} stands behind an argument that is no tag"
            self.compiler.problem("SW305", says, argument.span, "tags come first")
            return
        if spec.matching and name == ":comparator":
            self._only_one(use, argument, "comparator")
            self._comparator(use, argument, next(iter(rest), None))
            return
        if spec.matching and name in (types := self.match_types()):
            self._only_one(use, argument, "match type")
            self._match_type(use, argument, types[name], rest)
            return
        tag = next((tag for tag in self.known_tags(spec) if tag.name == name), None)
        if tag is None:
            known = self.tag_names(spec)
            remedy = did_you_mean(name, known) or (
                f"known are {', '.join(known)}" if known else "it takes no tags"
            )
            self.compiler.problem("SW305", f'"{use.node.name}" has no tag {name}', argument.span, remedy)
            use.uncertain = True
            return
        self.compiler.needs(tag.capability, name, argument.span)
        self._only_one(use, argument, tag.group)
        texts: tuple[Text, ...] = ()
        number = 0
        if tag.takes:
            value = next(iter(rest), None)
            if value is None:
                self.compiler.problem("SW306", f"{name} lacks its argument", argument.span)
                use.uncertain = True
            else:
                _span, texts, number = self.value(name, tag.takes, value)
        use.tags[tag.group] = (name, texts, number)

    def _only_one(self, use: NodeUse, argument: TagArgument, group: str) -> None:
        """Of a group of tags one may stand, and once (RFC 5228 section 2.6)."""
        earlier = use.tags_seen.setdefault(group, argument)
        if earlier is argument:
            return
        says = f"{earlier.name} and {argument.name} contradict each other"
        if earlier.name == argument.name:
            says = f"{argument.name} stands twice"
        self.compiler.problem("SW305", says, argument.span, "keep one of them")

    def _match_type(
        self, use: NodeUse, argument: TagArgument, match_type: MatchType, rest: Iterable[Argument]
    ) -> None:
        self.compiler.needs(match_type.capability, argument.name, argument.span)
        use.match_type = match_type
        if not match_type.relational:
            return
        relation = next(iter(rest), None)
        match relation:
            case StringArgument([token], _, False) if token.string.lower() in RELATIONS:
                use.relation = token.string.lower()
            case _:
                use.uncertain = True
                span = relation.span if relation else argument.span
                remedy = f'one of {", ".join(RELATIONS)}, as in {argument.name} "ge"'
                self.compiler.problem("SW304", f"{argument.name} takes a relation", span, remedy)

    def _comparator(self, use: NodeUse, argument: TagArgument, name: Argument | None) -> None:
        known = {
            c.name: c for capability in self.compiler.language.capabilities for c in capability.comparators
        }
        match name:
            case StringArgument([token], span, False) if token.string in known:
                use.comparator = known[token.string]
                self.compiler.needs(use.comparator.capability, use.comparator.name, span)
            case _:
                use.uncertain = name is None
                span = name.span if name else argument.span
                self.compiler.problem("SW304", "this is no comparator", span, f"known are {', '.join(known)}")

    def matching(self, use: NodeUse) -> None:
        if use.spec.matching and use.match_type.substrings and not use.comparator.substrings:
            says = f"{use.comparator.name} cannot do {use.match_type.tag}"
            self.compiler.problem(
                "SW305", says, use.node.span, "it orders and compares whole values: use :is, :value or :count"
            )


def _never(_use: Use) -> Step:
    raise AssertionError("a function is built by its own spec")


def _usage(spec: Spec) -> str:
    return " ".join([spec.name, *(f"<{p.name}: {p.type}>" for p in spec.parameters)])
