"""core.texts: every reason becomes a sentence, and the site's own words come first and unchanged."""

import ast
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sendwarden
from sendwarden.core.decision import Decision, Reason, Verdict
from sendwarden.core.texts import SENTENCES, refusal_text, sentence


def placeholders(template: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in Formatter().parse(template) if name}


@pytest.mark.parametrize("reason_id", SENTENCES)
def test_every_reason_renders_each_of_its_numbers(reason_id: str) -> None:
    numbers = {name: f"<{name}>" for name in placeholders(SENTENCES[reason_id])}

    said = sentence(Reason(reason_id, numbers))

    assert all(value in said for value in numbers.values())
    assert said[:1].strip() and not said.endswith(".") and not placeholders(said)


@pytest.mark.parametrize(
    "reason_id", [each for each, template in SENTENCES.items() if placeholders(template)]
)
def test_a_reason_without_its_numbers_is_a_bug_and_propagates(reason_id: str) -> None:
    with pytest.raises(KeyError):
        sentence(Reason(reason_id))


def test_a_reason_that_is_not_in_the_catalogue_is_a_bug_and_propagates() -> None:
    with pytest.raises(KeyError, match="no-such-reason"):
        sentence(Reason("no-such-reason"))


def literal(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def test_every_reason_that_the_program_gives_has_its_sentence_and_all_of_its_numbers() -> None:
    sources = Path(sendwarden.__file__).parent.rglob("*.py")
    given_reasons = [
        node.args
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reason"
    ]

    for reason_id, *numbers in given_reasons:
        if name := literal(reason_id):  # an id from a table is seen by the tests of that table
            assert isinstance(name, str) and name in SENTENCES
            for each in numbers:
                if isinstance(each, ast.Dict):
                    assert placeholders(SENTENCES[name]) <= {literal(key) for key in each.keys if key}


METER: dict[str, str | int | float] = {
    "key": "bob",
    "hits": 51,
    "quota": 50,
    "table": "out",
    "window": 3600,
    "frees_in": 90.5,
}


def test_numbers_in_seconds_are_said_as_durations_and_words_as_they_are() -> None:
    assert sentence(Reason("meter-over", METER)) == (
        "bob used 51 of 50 in table out within 1h; room again in 1m 30s"
    )
    assert sentence(Reason("meter-over", METER | {"frees_in": "never"})).endswith("room again in never")


def test_a_translation_gets_the_template_and_the_numbers_go_in_afterwards() -> None:
    asked = []

    def german(template: str) -> str:
        asked.append(template)
        return "{sender} gehört nicht {account}"

    said = sentence(Reason("foreign-sender", {"sender": "a@b", "account": "bob"}), german)

    assert asked == [SENTENCES["foreign-sender"]]
    assert said == "a@b gehört nicht bob"


@given(st.text(), st.text())
def test_braces_in_a_number_are_only_text(sender: str, account: str) -> None:
    said = sentence(Reason("foreign-sender", {"sender": sender, "account": account}))

    assert said == f'the envelope sender "{sender}" does not belong to "{account}"'


REFERENCES = st.sampled_from(["", "SW-7K3QXD"])
REASONS = (Reason("whole-message"), Reason("filter-failed", {"file": "a", "line": 7, "error": "x"}))


def refusal(text: str = "", reference: str = "", reasons: tuple[Reason, ...] = ()) -> Decision:
    return Decision(Verdict.REFUSE, "local", "bob", reasons, text=text, reference=reference)


@given(st.text(min_size=1), REFERENCES, st.sampled_from([(), REASONS]))
def test_the_sites_own_words_come_first_unchanged_and_then_the_reference(
    words: str, reference: str, reasons: tuple[Reason, ...]
) -> None:
    text = refusal_text(refusal(words, reference, reasons))

    assert text.startswith(words)
    assert text[len(words) :].lstrip(" ") == (f"[{reference}]" if reference else "")


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        pytest.param(refusal("Call 4711.", "SW-7K3QXD"), "Call 4711. [SW-7K3QXD]", id="a blank between"),
        pytest.param(refusal("Call 4711.\n", "SW-7K3QXD"), "Call 4711.\n[SW-7K3QXD]", id="a line of its own"),
        pytest.param(refusal("a\nb", "SW-7K3QXD"), "a\nb [SW-7K3QXD]", id="several lines"),
        pytest.param(refusal("Call 4711."), "Call 4711.", id="no reference"),
        pytest.param(refusal("Call 4711.", "", REASONS), "Call 4711.", id="words of its own hide reasons"),
        pytest.param(
            refusal("", "SW-7K3QXD", REASONS),
            "filter a line 7 stopped: x; the message is kept [SW-7K3QXD]",
            id="only the last reason",
        ),
        pytest.param(refusal("", "SW-7K3QXD"), "[SW-7K3QXD]", id="nothing but a reference"),
        pytest.param(refusal(), "", id="nothing at all"),
    ],
)
def test_what_the_senders_mail_program_shows(decision: Decision, text: str) -> None:
    assert refusal_text(decision) == text


def test_a_refusal_speaks_the_translators_language() -> None:
    decision = refusal(reasons=REASONS, reference="SW-7K3QXD")

    assert refusal_text(decision, lambda _: "Zeile {line}") == "Zeile 7 [SW-7K3QXD]"
