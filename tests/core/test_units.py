"""core.units: durations as people write them, as we print them, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.units import SECONDS_PER_UNIT, duration, parse_duration_s

LONGEST_S = 9_999_999_999  # ten digits


@given(st.integers(0, LONGEST_S), st.sampled_from("smhd"))
def test_a_number_with_a_unit_is_so_many_of_that_unit(number: int, unit: str) -> None:
    assert parse_duration_s(f"{number}{unit}") == number * SECONDS_PER_UNIT[unit]


ROUND_ONES = (
    st.tuples(st.integers(1, 59), st.sampled_from("sm"))
    | st.tuples(st.integers(1, 23), st.just("h"))
    | st.tuples(st.integers(1, LONGEST_S), st.just("d"))
)


@given(ROUND_ONES)
def test_a_duration_of_one_unit_is_printed_as_people_write_it(amount: tuple[int, str]) -> None:
    printed = "".join(map(str, amount))

    assert duration(parse_duration_s(printed)) == printed


def in_seconds(printed: str) -> float:
    return sum(float(part[:-1]) * SECONDS_PER_UNIT[part[-1]] for part in printed.split(" "))


# Below a minute a tenth of a second is said; above, what is left out is less than the second unit.
LEFT_OUT_S = {"m": 1, "h": 60, "d": 3600}


@given(st.floats(0, 59.9))
def test_below_a_minute_a_printed_duration_is_right_to_a_tenth_of_a_second(seconds: float) -> None:
    assert in_seconds(duration(seconds)) == pytest.approx(seconds, abs=0.050_001)


@given(st.integers(60, LONGEST_S) | st.floats(60, 1e9))
def test_from_a_minute_on_two_units_are_said_the_larger_one_first(seconds: float) -> None:
    printed = duration(seconds)

    assert re.fullmatch(r"[0-9]+d( [0-9]+h)?|[0-9]+h( [0-9]+m)?|[0-9]+m( [0-9]+s)?", printed)
    largest = printed.split(" ")[0][-1]
    assert 0 <= round(seconds) - in_seconds(printed) < LEFT_OUT_S[largest]


@given(
    st.text(alphabet="0123456789smhdpPtTwW.- \n\N{ARABIC-INDIC DIGIT THREE}\N{LATIN SMALL LETTER LONG S}")
    | st.text()
)
def test_any_text_is_whole_seconds_in_plain_digits_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration_s(text)
    except ValueError:
        return

    assert seconds >= 0 and text.isascii() and text.strip() == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("90", 90, id="bare seconds"),
        pytest.param("0", 0, id="nothing"),
        pytest.param("007", 7, id="leading zeros"),
        pytest.param("30s", 30, id="seconds"),
        pytest.param("15m", 900, id="minutes"),
        pytest.param("1h", 3600, id="hour"),
        pytest.param("7d", 604_800, id="days"),
        pytest.param("PT5M", 300, id="ISO minutes"),
        pytest.param("pt30s", 30, id="ISO in lower case"),
        pytest.param("P7D", 604_800, id="ISO days"),
        pytest.param("P2W", 1_209_600, id="ISO weeks"),
        pytest.param("P1DT12H", 129_600, id="ISO days and hours"),
        pytest.param("P1W1DT1H1M1S", 694_861, id="ISO all units"),
        pytest.param("PT0S", 0, id="ISO nothing"),
    ],
)
def test_accepted_spellings_of_a_duration(text: str, seconds: int) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("1hr", id="hr"),
        pytest.param("1H", id="capital short unit"),
        pytest.param("1 h", id="blank before the unit"),
        pytest.param(" 1h", id="blank in front"),
        pytest.param("1h\n", id="line end behind"),
        pytest.param("1h30m", id="two short units"),
        pytest.param("-5m", id="negative"),
        pytest.param("1.5h", id="fraction"),
        pytest.param("h", id="no number"),
        pytest.param("12345678901s", id="eleven digits"),
        pytest.param("٣m", id="digits of another script"),
        pytest.param("P", id="ISO without amounts"),
        pytest.param("PT", id="ISO time without amounts"),
        pytest.param("P1DT", id="ISO time announced but missing"),
        pytest.param("P1M", id="ISO months have no length"),
        pytest.param("P1Y", id="ISO years have no length"),
        pytest.param("PT1M1H", id="ISO in the wrong order"),
        pytest.param("PT5\N{LATIN SMALL LETTER LONG S}", id="long s"),
        pytest.param("PT٣M", id="ISO with digits of another script"),
    ],
)
def test_anything_else_is_refused_with_what_to_write_instead(text: str) -> None:
    with pytest.raises(ValueError, match='such as "15m" or "1h"') as refused:
        parse_duration_s(text)

    assert str(refused.value).startswith(f'"{text}"')


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (45, "45s"),
        (59.94, "59.9s"),
        (60, "1m"),
        (90, "1m 30s"),
        (3552, "59m 12s"),
        (3600, "1h"),
        (3600.0, "1h"),
        (3599.6, "1h"),
        (3661, "1h 1m"),
        (86_399, "23h 59m"),
        (86_400, "1d"),
        (86_700, "1d"),
        (183_600, "2d 3h"),
        (604_800, "7d"),
        (1_000_001, "11d 13h"),
        (1_234_567.5, "14d 6h"),
    ],
    ids=str,
)
def test_a_duration_is_printed_in_the_two_largest_units_that_say_something(
    seconds: float, printed: str
) -> None:
    assert duration(seconds) == printed
