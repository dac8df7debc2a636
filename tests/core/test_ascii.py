"""core.ascii: A to Z and nothing else, letter for letter; and text that a terminal can be trusted with."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.ascii import ascii_lower, ascii_upper, printable

TEXTS = st.text(st.characters())


@given(TEXTS)
def test_case_changes_letter_for_letter(text: str) -> None:
    for fold, wanted, other in (
        (ascii_lower, string.ascii_lowercase, string.ascii_uppercase),
        (ascii_upper, string.ascii_uppercase, string.ascii_lowercase),
    ):
        folded = fold(text)
        assert len(folded) == len(text)
        for before, after in zip(text, folded, strict=True):
            assert after == (wanted[other.index(before)] if before in other else before)


@pytest.mark.parametrize("letter", ["\u0130", "ß", "\u212a", "\u017f", "É", "\u01c5", "Σ", "\ufb01"])
def test_letters_beyond_ascii_have_no_case_here(letter: str) -> None:
    assert ascii_lower(letter) == ascii_upper(letter) == letter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a b", "a b", id="plain"),
        pytest.param("é日本 😀", "é日本 😀", id="any language"),
        pytest.param("a\nb\r\t", r"a\x0ab\x0d\x09", id="line ends and tabs"),
        pytest.param("\x1b[2J", r"\x1b[2J", id="escape sequence"),
        pytest.param("\x9b2J", r"\x9b2J", id="the same in eight bits"),
        pytest.param("\u202egpj.exe", r"\u202egpj.exe", id="right to left"),
        pytest.param("\u2028", r"\u2028", id="line separator"),
        pytest.param("\ufeff\u200b", r"\ufeff\u200b", id="what has no width"),
        pytest.param("\udcff", r"\udcff", id="an octet that is no letter"),
        pytest.param("\U000e0041", r"\U000e0041", id="a tag letter, which has eight digits"),
        pytest.param("\x7f\x00", r"\x7f\x00", id="DEL and NUL"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_could_move_a_cursor_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(TEXTS)
def test_what_is_shown_is_always_printable_and_stays_so(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


@given(TEXTS.filter(lambda text: "\\" not in text))
def test_what_is_shown_tells_exactly_what_it_was(text: str) -> None:
    shown = printable(text)
    ascii_only = shown.encode("ascii", "backslashreplace").decode()

    assert ascii_only.encode().decode("unicode_escape") == text
