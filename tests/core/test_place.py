"""core.place: where a problem stands, in which order problems are shown, and what is worth guessing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.place import Place, Problem, Severity, did_you_mean, has_errors, in_order

PLACES = st.builds(Place, st.sampled_from(["a.toml", "b.toml"]), st.integers(0, 5), st.integers(0, 5))
PROBLEMS = st.builds(
    Problem, st.just("SW201"), st.text(max_size=3), st.none() | PLACES, severity=st.sampled_from(Severity)
)


@given(st.lists(PROBLEMS))
def test_order_follows_the_places_and_keeps_every_problem(problems: list[Problem]) -> None:
    ordered = in_order(problems)
    placed = [problem.place for problem in ordered if problem.place]

    assert sorted(map(repr, ordered)) == sorted(map(repr, problems))
    assert placed == sorted(placed, key=lambda place: (place.file, place.line, place.column))
    assert all(problem.place is None for problem in ordered[len(placed) :])


@given(st.lists(PROBLEMS))
def test_order_is_stable_and_does_not_change_what_is_in_order(problems: list[Problem]) -> None:
    ordered = in_order(problems)

    assert in_order(ordered) == ordered


@given(st.lists(PROBLEMS))
def test_one_error_among_warnings_is_enough(problems: list[Problem]) -> None:
    warnings = [problem for problem in problems if problem.severity is Severity.WARNING]

    assert has_errors(problems) is (len(warnings) < len(problems))
    assert not has_errors(warnings)


@pytest.mark.parametrize(
    ("place", "printed"),
    [
        pytest.param(Place("sendwarden.toml", 12, 3), "sendwarden.toml:12:3", id="line and column"),
        pytest.param(Place("sendwarden.toml", 12), "sendwarden.toml:12:0", id="line"),
        pytest.param(Place("sendwarden.toml"), "sendwarden.toml", id="the file as a whole"),
    ],
)
def test_a_place_prints_as_editors_and_compilers_do(place: Place, printed: str) -> None:
    assert str(place) == printed


KEYWORDS = ["trusted", "sourcefilter", "destinationfilter", "Quota"]


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        pytest.param("trustd", "trusted", id="a letter missing"),
        pytest.param("TRUSTED", "trusted", id="capitals"),
        pytest.param("sourcefliter", "sourcefilter", id="two letters swapped"),
        pytest.param("quotas", "Quota", id="a letter too many, in the known spelling"),
    ],
)
def test_a_near_miss_is_guessed(word: str, guess: str) -> None:
    assert did_you_mean(word, KEYWORDS) == f'did you mean "{guess}"?'


@pytest.mark.parametrize("word", ["", "x", "banana", "filter"])
def test_a_wild_guess_is_not_made(word: str) -> None:
    assert did_you_mean(word, KEYWORDS) == ""


def test_nothing_known_gives_no_guess() -> None:
    assert did_you_mean("trusted", []) == ""


@given(st.text(), st.lists(st.text(), max_size=5))
def test_a_guess_is_always_one_of_the_known_words(word: str, known: list[str]) -> None:
    guess = did_you_mean(word, known)

    assert guess == "" or guess in {f'did you mean "{name}"?' for name in known}
