"""core.reference: no reference repeats, none tells how many there were, and people may mistype them."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.reference import ALPHABET, COUNT, parse_reference, reference

KEY = b"a key of one site"
SHAPE = re.compile(r"SW-[0-9A-HJKMNP-TV-Z]{6}")

NUMBERS = st.integers(0, COUNT - 1)
KEYS = st.binary(max_size=32)


def place(name: str) -> int:
    """The number that the six letters spell in base 32."""
    total = 0
    for letter in name.removeprefix("SW-"):
        total = total * 32 + ALPHABET.index(letter)
    return total


@given(NUMBERS, KEYS)
def test_a_reference_has_the_shape_and_is_its_own_canonical_spelling(number: int, key: bytes) -> None:
    name = reference(number, key)

    assert SHAPE.fullmatch(name)
    assert parse_reference(name) == name


@given(st.sets(NUMBERS, min_size=2, max_size=50), KEYS)
def test_different_numbers_have_different_references(numbers: set[int], key: bytes) -> None:
    assert len({reference(number, key) for number in numbers}) == len(numbers)


def test_the_first_thirty_thousand_never_repeat() -> None:
    assert len({reference(number, KEY) for number in range(30_000)}) == 30_000


@given(NUMBERS, KEYS)
def test_the_count_starts_again_only_after_all_have_been_given_out(number: int, key: bytes) -> None:
    assert reference(number + COUNT, key) == reference(number, key)


@given(st.sets(KEYS, min_size=2, max_size=2))
def test_different_keys_give_different_references(keys: set[bytes]) -> None:
    # Five references hold 150 bits: the same five under two keys do not happen by chance.
    one, other = ([reference(number, key) for number in range(5)] for key in keys)

    assert one != other


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "SW-JRY9TQ"), (1, "SW-R2WHBV"), (2, "SW-FP3PFP"), (COUNT - 1, "SW-0DYZZT")],
)
def test_a_reference_is_the_same_in_every_version(number: int, name: str) -> None:
    assert reference(number, KEY) == name


def test_neighbours_do_not_stand_next_to_each_other() -> None:
    places = [place(reference(number, KEY)) for number in range(1000)]

    assert min(abs(a - b) for a, b in pairwise(places)) > 1000
    # Spread over the whole range, so that the height of one says nothing: each eighth holds about 125.
    eighths = [sum(at * 8 // COUNT == eighth for at in places) for eighth in range(8)]
    assert all(80 < count < 170 for count in eighths)


# Every letter that may be misread as a digit, both ways round.
MISREADINGS = {"0": "0Oo", "1": "1IiLl"}


@given(NUMBERS, st.data())
def test_a_misread_reference_is_still_found(number: int, data: st.DataObject) -> None:
    name = reference(number, KEY)
    letters = [
        data.draw(st.sampled_from(MISREADINGS.get(letter, letter + letter.lower()))) for letter in name[3:]
    ]
    before = data.draw(st.sampled_from(["", "SW-", "sw-", "Sw-", "SW", "sw", " [SW-", "[", "\t"]))
    behind = data.draw(st.sampled_from(["", "]", " ", "] \n"]))

    assert parse_reference(before + "".join(letters) + behind) == name


@pytest.mark.parametrize(
    "typed",
    ["SW-7K3QXD", "sw-7k3qxd", "7K3QXD", "7k3qxd", "[SW-7K3QXD]", "  [sw-7k3qxd]  ", "SW7K3QXD"],
)
def test_accepted_spellings_of_one_reference(typed: str) -> None:
    assert parse_reference(typed) == "SW-7K3QXD"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        pytest.param("SW-OOOOOO", "SW-000000", id="O for zero"),
        pytest.param("SW-IiLl11", "SW-111111", id="I and L for one"),
        pytest.param("SWABCD", "SW-SWABCD", id="six letters that begin like the prefix"),
        pytest.param("SW-SWABCD", "SW-SWABCD", id="the same behind the prefix"),
    ],
)
def test_letters_that_look_like_digits_and_like_the_prefix(typed: str, name: str) -> None:
    assert parse_reference(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="nothing"),
        pytest.param("SW-", id="only the prefix"),
        pytest.param("SW-7K3QX", id="five letters"),
        pytest.param("SW-7K3QXDD", id="seven letters"),
        pytest.param("SW-7K3QXU", id="U is no letter of it"),
        pytest.param("SW-7K3 QXD", id="a blank inside"),
        pytest.param("SX-7K3QXD", id="another prefix"),
        pytest.param("SW-7K3QX٣", id="a digit of another script"),
        pytest.param("550 5.7.1 [SW-7K3QXD]", id="the whole refusal"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_form(typed: str) -> None:
    with pytest.raises(ValueError, match="it has the form SW-7K3QXD") as refused:
        parse_reference(typed)

    assert typed in str(refused.value)


@given(st.text())
def test_any_text_is_a_reference_in_shape_or_a_value_error(text: str) -> None:
    try:
        name = parse_reference(text)
    except ValueError:
        return

    assert SHAPE.fullmatch(name)
