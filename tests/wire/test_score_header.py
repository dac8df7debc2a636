"""wire.score_header: the forms that filters write, and what is none of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.score_header import ScoreHeader, read_score

RIGHT: dict[str, ScoreHeader] = {
    "Yes, score=15.3 required=5.0 tests=BAYES_99,URIBL_PHISH autolearn=no": ScoreHeader(
        15.3, 5.0, ("BAYES_99", "URIBL_PHISH")
    ),
    "No, score=-1.9 required=5.0\n\ttests=AA,\n\tBB version=4.0.1": ScoreHeader(-1.9, 5.0, ("AA", "BB")),
    "No, hits=0.1 required=5.0": ScoreHeader(0.1, 5.0),
    "Yes, score=7": ScoreHeader(7.0),
    "default: True [16.20 / 15.00];\n\tPHISHING(4.00)[x];\n\tMID_OK(0.00)[]": ScoreHeader(
        16.2, 15.0, ("PHISHING", "MID_OK")
    ),
    "15.3": ScoreHeader(15.3),
    " -0.5 (/)": ScoreHeader(-0.5),
    "5.1 / 5.0": ScoreHeader(5.1, 5.0),
    "****": ScoreHeader(4.0),
    "": ScoreHeader(0.0),
}
NONE = [
    "spam",
    "Yes",
    "Yes, score=inf",
    "nan",
    "1e5",
    "15.3x",
    "default: True [inf / 5]",
    "* *",
    "٣",
    "*" * 1001,
]


@pytest.mark.parametrize("value", RIGHT)
def test_a_score_is_read(value: str) -> None:
    assert read_score(value) == RIGHT[value]


@pytest.mark.parametrize("value", NONE)
def test_what_is_no_score_is_none(value: str) -> None:
    assert read_score(value) is None


@given(st.text(max_size=200) | st.text("0123456789.-+/ ,=scoreqidYN:[]*", max_size=60))
def test_whatever_stands_there_is_a_finite_score_or_none(value: str) -> None:
    found = read_score(value)
    assert found is None or math.isfinite(found.score)
