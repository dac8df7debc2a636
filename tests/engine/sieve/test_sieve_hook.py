"""The extension hook: what a host's handlers are given and may do, and that its documentation is true."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sendwarden.engine.sieve import limits
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.matching import Comparator, MatchType
from sendwarden.engine.sieve.outcome import Discard, Keep, Outcome
from sendwarden.engine.sieve.registry import (
    Call,
    Capability,
    Function,
    Language,
    Parameter,
    Spec,
    Tag,
    Use,
    live,
)
from sendwarden.engine.sieve.run import Run, SieveError, Step
from tests.engine.sieve.scripts import PLAIN, compiled, mail, problems, shown

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (Parameter("text", "string"),)


def language(*specs: Spec, **more: object) -> Language:
    return Language((*CAPABILITIES, Capability("own", specs, **more)))  # type: ignore[arg-type]


def run(script: str, *specs: Spec, message: Mail | None = None) -> Outcome:
    requires = 'require ["own", "variables", "relational", "envelope"];'
    return compiled(requires + script, language(*specs)).run(message or mail(), ("eve@example.net",))


def test_a_handler_is_given_its_arguments_with_variables_filled_in() -> None:
    calls: list[tuple[object, ...]] = []

    def handler(call: Call) -> None:
        texts = call.text("one"), call.texts("many"), call.number("n")
        tags = (
            call.tag("flag"),
            call.tag("other"),
            call.tag("with"),
            call.tag_text("with"),
            call.tag_number("count"),
        )
        calls.append((*texts, *tags, call.line, call.is_test))

    spec = Spec(
        "act",
        "command",
        live(handler),
        (Parameter("one", "string"), Parameter("many", "strings"), Parameter("n", "number")),
        (
            Tag(":a", "flag"),
            Tag(":b", "flag"),
            Tag(":c", "other"),
            Tag(":t", "with", "string"),
            Tag(":n", "count", "number"),
        ),
    )
    run('set "v" "x";\nACT :n 5 :B :t "<${v}>" "1${v}" ["${v}", "y"] 2K;', spec)

    assert calls == [("1x", ["x", "y"], 2048, ":b", "", ":t", "<x>", 5, 2, False)]


@pytest.mark.parametrize(("answer", "actions"), [(None, 1), (False, 1), (True, 0)])
def test_a_command_that_answers_true_ends_the_script(answer: bool | None, actions: int) -> None:
    outcome = run("if true { act; } keep;", Spec("act", "command", live(lambda _call: answer)))

    assert len(outcome.actions) == actions


def test_a_spec_of_both_kinds_knows_as_what_it_stands() -> None:
    seen: list[bool] = []

    def handler(call: Call) -> bool:
        seen.append(call.is_test)
        return call.is_test

    outcome = run("both; if both { discard; } ", Spec("both", "both", live(handler)))

    assert seen == [False, True] and outcome.actions == (Discard(1),)


def test_of_two_specs_of_one_name_the_one_of_the_right_kind_is_taken() -> None:
    command = Spec("act", "command", live(lambda call: call.run.act(Keep(call.line))))
    test = Spec("act", "test", live(lambda _call: True))

    assert run("if act { act; }", test, command).actions == (Keep(1),)


def test_of_two_capabilities_with_one_name_the_first_that_is_required_counts() -> None:
    own = Capability("own", (Spec("keep", "command", live(lambda call: call.run.act(Discard(call.line)))),))
    before, behind = Language((own, *CAPABILITIES)), Language((*CAPABILITIES, own))

    assert compiled('require "own"; keep;', before).run(mail(), ()).actions == (Discard(1),)
    assert compiled("keep;", before).run(mail(), ()).actions == (Keep(1),)
    assert compiled('require "own"; keep;', behind).run(mail(), ()).actions == (Keep(1),)


@pytest.mark.parametrize(
    ("test", "truth"),
    [
        pytest.param('tell "a*"', False, id="is"),
        pytest.param('tell :matches "a?c"', True, id="matches"),
        pytest.param('tell :contains ["x", "B"]', True, id="contains"),
        pytest.param('tell :contains :comparator "i;octet" "B"', False, id="comparator"),
        pytest.param('tell :count "eq" "2"', True, id="count counts the values"),
        pytest.param('tell :count "eq" "abc"', False, id="and compares nothing else"),
        pytest.param('tell :value "gt" "abd"', True, id="value"),
        pytest.param('tell "${none}abc"', True, id="a key with a variable"),
    ],
)
def test_match_compares_as_the_script_says(test: str, truth: bool) -> None:
    spec = Spec(
        "tell",
        "test",
        live(lambda call: call.match(["abc", "xyz"])),
        (Parameter("keys", "strings"),),
        matching=True,
    )

    assert bool(run(f"if {test} {{ discard; }}", spec).actions) is truth


def test_match_sets_the_match_variables() -> None:
    spec = Spec(
        "tell", "test", live(lambda call: call.match(["abc"])), (Parameter("keys", "strings"),), matching=True
    )

    assert run('if tell :matches "a*" { set "x" "${0}${1}"; }', spec).variables == {"x": "abcbc"}


def test_a_block_runs_as_often_as_the_handler_says() -> None:
    def twice(call: Call) -> bool:
        return any(call.run_block() for _ in range(2))

    again = Spec("twice", "command", live(twice), block="must")

    assert run('twice { set "x" "${x}a"; } set "y" "b";', again).variables == {"x": "aa", "y": "b"}
    assert run('twice { set "x" "${x}a"; stop; } set "y" "b";', again).variables == {"x": "a"}
    assert run("twice { }", Spec("twice", "command", live(lambda _call: None), block="may")).actions == ()


def test_tests_run_when_the_handler_asks() -> None:
    def odd(call: Call) -> bool:
        return sum(call.run_tests()) % 2 == 1

    spec = Spec("odd", "test", live(odd), tests="many")

    assert not run("if odd(true, false, true) { keep; }", spec).actions
    assert run("if odd(true, true, true) { keep; }", spec).actions


def test_the_context_can_be_written() -> None:
    def handler(call: Call) -> None:
        context = call.run
        context.mail = mail({"Subject": "new"}, "new@example.org")
        context.recipients = ("other@example.net",)
        context.variables["x"] = "y"
        context.match_values = ("whole", "part")
        context.implicit_keep = False

    outcome = run(
        """act; if allof(header "Subject" "new", envelope "from" "new@example.org",
        envelope "to" "other@example.net", string "${x}${1}" "ypart") { set "z" "all"; }""",
        Spec("act", "command", live(handler)),
    )

    assert outcome.variables == {"x": "y", "z": "all"} and not outcome.implicit_keep


def test_exceptions_of_a_handler_pass_through() -> None:
    def handler(_call: Call) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        run("act;", Spec("act", "command", live(handler)))


def test_an_error_of_the_script_ends_the_run_and_keeps_the_message() -> None:
    def handler(call: Call) -> None:
        raise SieveError(call.line, "not today")

    outcome = run("discard;\nact;\nstop;", Spec("act", "command", live(handler)))

    assert outcome.error is not None and (outcome.error.line, outcome.error.says) == (2, "not today")
    assert (outcome.actions, outcome.implicit_keep) == ((), True)


def test_a_command_must_be_required() -> None:
    (problem,) = problems('act "a";', language(Spec("act", "command", live(lambda _call: None), TEXT)))

    assert shown(problem) == ("SW301", "1:1", "act") and 'require ["own"]' in problem.remedy


@pytest.mark.parametrize(
    ("spec", "script", "code"),
    [
        pytest.param(Spec("act", "command", live(lambda _c: None), TEXT), "act;", "SW306", id="argument"),
        pytest.param(
            Spec("act", "command", live(lambda _c: None), block="must"), "act;", "SW309", id="block"
        ),
        pytest.param(Spec("act", "command", live(lambda _c: None)), "act { }", "SW309", id="no block"),
        pytest.param(Spec("act", "command", live(lambda _c: None), tests="one"), "act;", "SW309", id="test"),
        pytest.param(Spec("act", "command", live(lambda _c: None)), 'act :is "a";', "SW305", id="matching"),
        pytest.param(Spec("act", "test", live(lambda _c: None)), "act;", "SW303", id="kind"),
    ],
)
def test_the_compiler_checks_what_a_spec_declares(spec: Spec, script: str, code: str) -> None:
    assert [problem.code for problem in problems(f'require "own"; {script}', language(spec))] == [code]


def test_a_repeated_parameter_gives_all_its_texts() -> None:
    seen: list[list[str]] = []
    spec = Spec("act", "command", live(lambda call: seen.append(call.texts("text"))), TEXT, variadic=True)

    run('act "a"; act "a" "b" "c";', spec)

    assert seen == [["a"], ["a", "b", "c"]]


def test_a_build_may_complain_and_warn_at_its_arguments() -> None:
    def build(use: Use) -> Step:
        if use.text("text").constant == "bad":
            use.problem("text", "this is bad", "write good")
        use.warning("SW304", "", "old", "use another")
        return lambda _run: False

    spec = Spec("act", "command", build, TEXT)
    found = problems('require "own"; act "bad"; act "fine";', language(spec))

    assert [(shown(p), p.severity.value) for p in found] == [
        (("SW304", "1:16", "act"), "warning"),
        (("SW304", "1:20", '"bad"'), "error"),
        (("SW304", "1:27", "act"), "warning"),
    ]


def test_tags_for_commands_of_others_need_their_own_require() -> None:
    own = language(tags={"keep": (Tag(":loudly", "loud", capability="own"),)})

    assert problems('require "own"; keep :loudly;', own) == []
    assert [problem.code for problem in problems("keep :loudly;", own)] == ["SW301"]
    assert [problem.code for problem in problems("keep :loudly;")] == ["SW305"]


def test_match_types_and_comparators_can_be_added() -> None:
    def bind(
        comparator: Comparator, _keys: object, _relation: str, _sets: bool
    ) -> Callable[[Run, object], bool]:
        return lambda _run, values: [comparator.fold(value) for value in values] == ["olleh"]  # type: ignore[attr-defined]

    own = language(
        match_types=(MatchType(":reversed", bind, "own"),),
        comparators=(Comparator("i;backwards", "own", lambda text: text[::-1], lambda text: text.encode()),),
    )
    script = 'require "own"; if header :reversed :comparator "i;backwards" "Subject" "x" { discard; }'

    assert compiled(script, own).run(mail({"Subject": "hello"}), ()).actions
    assert [p.code for p in problems(script.removeprefix('require "own"; '), own)] == ["SW301"]


def test_envelope_parts_can_be_added() -> None:
    own = language(envelope_parts={"auth": lambda _run: ("bob",)})

    script = compiled('require ["own", "envelope"]; if envelope "AUTH" "bob" { discard; }', own)
    assert script.run(mail(), ()).actions and not script.facts.recipient
    assert [p.remedy for p in problems('require "envelope"; if envelope "auth" "x" {}', own)] == [
        "its parts are from, to"
    ]


def test_a_resolver_brings_functions_only_in_the_dialect() -> None:
    class Shout:
        def test(self, _name: str) -> Spec | None:
            return None

        def function(self, name: str) -> Function | None:
            if name != "shout":
                return None
            return Function(name, lambda use: lambda run: use.text("text").get(run).upper(), TEXT)

        def unknown(self, name: str, what: str) -> tuple[str, str]:
            return f"no {what} {name}", "write shout"

    script = 'require "variables"; set "v" "a"; set "x" shout("${v}b");'

    dialect = Language(CAPABILITIES, Shout(), dialect=True)
    assert compiled(script, dialect).run(mail(), ()).variables["x"] == "AB"
    (problem,) = problems('require "variables"; set "x" whisper("b");', dialect)
    assert (problem.code, problem.sentence, problem.remedy) == ("SW310", "no function whisper", "write shout")
    assert [p.code for p in problems(script, Language(CAPABILITIES, Shout()))] == ["SW310"]
    assert [p.code for p in problems(script, PLAIN)] == ["SW303"]


def test_what_the_host_provides_is_at_hand() -> None:
    class Host:
        def mailbox_exists(self, mailbox: str) -> bool:
            return mailbox == "INBOX"

        def setting(self, name: str) -> str | None:
            return {"a": "b"}.get(name)

    def handler(call: Call) -> bool:
        host = call.run.host
        return (
            host is not None
            and host.mailbox_exists("INBOX")
            and host.setting("a") == "b"
            and not host.setting("c")
        )

    script = compiled('require "own"; if there { discard; }', language(Spec("there", "test", live(handler))))

    assert script.run(mail(), (), host=Host()).actions and not script.run(mail(), ()).actions


# --- the documentation


def test_the_examples_of_the_documentation_work() -> None:
    text = (DOCS / "sieve-extensions.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {"__name__": "docs"}

    for block in blocks:
        exec(compile(block, "docs/sieve-extensions.md", "exec"), names)  # noqa: S102 - our own documentation

    assert len(blocks) == 4 and isinstance(names["outcome"], Outcome)


EVERYTHING = (*CAPABILITIES, *ADMINISTRATOR)
WORDS = sorted(
    {
        *(capability.name for capability in EVERYTHING if capability.name),
        *(spec.name for capability in EVERYTHING for spec in capability.specs),
        *(tag.name for capability in EVERYTHING for tags in capability.tags.values() for tag in tags),
        *(tag.name for c in EVERYTHING for spec in c.specs for tag in spec.tags if spec.name != "set"),
        *(match_type.tag for capability in EVERYTHING for match_type in capability.match_types),
        *(
            f"comparator-{comparator.name}"
            for capability in EVERYTHING
            for comparator in capability.comparators
        ),
        *("if", "elsif", "else", "require"),
    }
)


@pytest.mark.parametrize("word", WORDS)
def test_everything_that_a_script_may_say_is_documented(word: str) -> None:
    page = (DOCS / "supported-sieve.md").read_text(encoding="utf-8")

    assert re.search(rf"`[^`]*(?<![\w:-]){re.escape(word)}(?![\w-])[^`]*`", page)


@pytest.mark.parametrize("name", [name for name in vars(limits) if name.isupper()])
def test_every_limit_is_documented(name: str) -> None:
    page = (DOCS / "supported-sieve.md").read_text(encoding="utf-8")
    limit = vars(limits)[name]
    shown_as = f"`${{{limit - 1}}}`" if name == "MATCH_VARIABLES" else f"{limit:,}"

    assert re.search(rf"(?<![\d,]){re.escape(shown_as)}(?![\d,])", page)
