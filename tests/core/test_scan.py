"""core.scan: from findings to the levels of RFC 5235."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.scan import Finding, spam_level, spam_percent, virus_level

SILENT = Finding("s", failed="down")


@pytest.mark.parametrize(
    ("score", "percent", "level"),
    [(-3, 0, 1), (0, 0, 1), (0.5, 10, 1), (2.5, 50, 5), (4.9, 98, 9), (5, 100, 10), (5000, 100, 10)],
)
def test_a_score_is_a_share_of_the_threshold(score: float, percent: int, level: int) -> None:
    found = Finding("s", score, 5.0)

    assert (found.percent, spam_level(found.percent)) == (percent, level)


def test_what_the_scanner_calls_spam_is_spam_whatever_its_numbers() -> None:
    assert Finding("s", 1.0, 5.0, spam=True).percent == 100


def test_of_several_the_highest_counts_and_the_silent_do_not() -> None:
    clean, virus = Finding("a", virus=""), Finding("b", virus="Eicar")

    assert spam_percent([SILENT, clean, Finding("s", 1, 5), Finding("t", 2, 5)]) == 40
    assert spam_percent([SILENT, clean]) is None and spam_level(None) == 0
    assert [virus_level(these) for these in ([SILENT], [clean], [clean, virus])] == [0, 1, 5]


@pytest.mark.parametrize(("score", "threshold"), [(float("nan"), 5), (float("inf"), 5), (1, 0), (1, -1)])
def test_a_number_that_is_no_score_is_refused(score: float, threshold: float) -> None:
    with pytest.raises(ValueError, match=r"score|threshold"):
        Finding("s", score, threshold)


def test_phishing_is_what_a_rule_or_signature_is_named_for() -> None:
    assert Finding("s", 1, 5, symbols=("MID_OK", "URIBL_Phish")).phishing == "URIBL_Phish"
    assert Finding("c", virus="Heuristics.Phishing.Email").phishing == "Heuristics.Phishing.Email"
    assert not Finding("c", virus="Eicar").phishing


@given(st.floats(-1e9, 1e9), st.floats(0.01, 1e9))
def test_levels_stay_in_their_bounds(score: float, threshold: float) -> None:
    percent = Finding("s", score, threshold, spam=score >= threshold).percent

    assert percent is not None and 0 <= percent <= 100 and 1 <= spam_level(percent) <= 10
    assert (percent == 100) is (score >= threshold)
