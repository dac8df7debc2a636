"""engine.sieve.lex: what is a token, what each one is worth, and what becomes of text that is none."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.sieve.lex import Kind, Tokens, tokens
from sendwarden.engine.sieve.limits import ERRORS, LARGEST_NUMBER

# What scripts are made of and what breaks them, joined at random.
SCRAPS = [
    "keep", ";", '"', "\\", '"a"', "text:", "text:\n", "\n", "\r\n", ".", "\n.\n", "..", "#", "/*", "*/",
    "(", ")", "[", "]", "{", "}", ",", ":", ":is", "5", "10K", "5Kb", "9" * 30, " ", "\t", "${", "}", "'",
    "“x”", "if", "not", "true", "require", "\ufeff", "é", "\0", "\udcff", "$",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(SCRAPS) | st.text(max_size=3), max_size=12).map("".join)


def kinds(text: str) -> list[Kind]:
    found = tokens(text)
    assert not found.problems
    return [token.kind for token in found.found]


@given(TEXTS)
def test_any_text_is_tokens_in_order_that_stand_where_they_say(text: str) -> None:
    found = tokens(text)
    *real, end = found.found

    assert end.kind is Kind.END and end.start == end.end == len(text)
    assert all(text[token.start : token.end] == token.text != "" for token in real)
    assert all(one.end <= other.start for one, other in pairwise(real))


@given(TEXTS)
def test_every_letter_is_blank_or_in_a_token_or_complained_about(text: str) -> None:
    found = tokens(text)
    spans = [(token.start, token.end) for token in found.found if token.kind is not Kind.END]
    spans += [(problem.start, problem.end) for problem in found.problems]
    at = 0
    for start, end in sorted(spans):
        assert kinds(text[at:start]) == [Kind.END]
        at = max(at, end)
    assert found.cut or kinds(text[at:]) == [Kind.END]


@given(TEXTS)
def test_only_so_many_problems_are_noted(text: str) -> None:
    assert len(tokens(text * 60).problems) <= ERRORS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("keep", Kind.IDENTIFIER, id="name"),
        pytest.param("_x9", Kind.IDENTIFIER, id="name with underscore and digit"),
        pytest.param("text", Kind.IDENTIFIER, id="text without a colon"),
        pytest.param(":Is", Kind.TAG, id="tag"),
        pytest.param("10", Kind.NUMBER, id="number"),
        pytest.param('""', Kind.STRING, id="empty string"),
        pytest.param('"a\nb"', Kind.STRING, id="string over two lines"),
        pytest.param("text:\na\n.\n", Kind.STRING, id="multi-line"),
        pytest.param(
            "TEXT: # why\r\na\r\n.\r\n", Kind.STRING, id="multi-line with comment, capitals and CRLF"
        ),
        pytest.param("text:\n.", Kind.STRING, id="empty multi-line at the end of the file"),
        *[pytest.param(sign, Kind.PUNCTUATION, id=sign) for sign in "[](){},;"],
    ],
)
def test_tokens(text: str, expected: Kind) -> None:
    token, _end = tokens(text).found

    assert token.kind is expected and token.text == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(" \t\r\n", id="blanks"),
        pytest.param("# to the end of the file", id="hash"),
        pytest.param("# one\n# two\n", id="hash lines"),
        pytest.param("/* a\n * b **/", id="brackets over lines"),
        pytest.param('/* "no string */', id="a quote in a comment"),
        pytest.param("/* no /* nesting */", id="comments do not nest"),
        pytest.param("\ufeff# x", id="byte order mark"),
    ],
)
def test_what_vanishes(text: str) -> None:
    assert kinds(text) == [Kind.END]


def only(found: Tokens) -> str:
    token, end = found.found
    assert token.kind is Kind.STRING and end.kind is Kind.END and not found.problems
    return token.string


@pytest.mark.parametrize(
    ("text", "string"),
    [
        pytest.param(r'"a\"b"', 'a"b', id="quote"),
        pytest.param(r'"a\\b"', "a\\b", id="backslash"),
        pytest.param(r'"\a\b"', "ab", id="other escapes are the letter itself"),
        pytest.param(r'"\\\""', '\\"', id="one behind the other"),
        pytest.param('"a\nb"', "a\r\nb", id="line end becomes CRLF"),
        pytest.param('"a\r\nb"', "a\r\nb", id="CRLF stays"),
        pytest.param('"# no /* comment"', "# no /* comment", id="no comments in strings"),
        pytest.param("text:\na\nb\n.\n", "a\r\nb\r\n", id="multi-line"),
        pytest.param("text:\r\na\r\n.\r\n", "a\r\n", id="multi-line with CRLF"),
        pytest.param("text:\n..\n.\n", ".\r\n", id="a stuffed dot"),
        pytest.param("text:\n...\n.\n", "..\r\n", id="one dot is stuffing, the rest is text"),
        pytest.param("text:\n.a\n.\n", ".a\r\n", id="a dot that should be stuffed"),
        pytest.param("text:\n. \n.\n", ". \r\n", id="a dot and a blank end nothing"),
        pytest.param('text:\n"\\a\n.\n', '"\\a\r\n', id="no escapes in multi-line"),
        pytest.param("text: \t# c\n.\n", "", id="nothing in it"),
    ],
)
def test_the_text_of_strings(text: str, string: str) -> None:
    assert only(tokens(text)) == string


@given(st.text())
def test_any_text_can_be_written_as_a_string(text: str) -> None:
    text = text.replace("\r", "").replace("\n", "\r\n")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')

    assert only(tokens(f'"{escaped}"')) == text


@given(st.text(st.characters(exclude_characters="\r")))
def test_any_lines_can_be_written_as_a_multi_line_string(text: str) -> None:
    lines = [f".{line}" if line.startswith(".") else line for line in text.split("\n")]

    assert only(tokens("text:\n" + "\n".join(lines) + "\n.\n")) == text.replace("\n", "\r\n") + "\r\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("1k", 1024, id="k"),
        pytest.param("3M", 3 << 20, id="M"),
        pytest.param("2g", 2 << 30, id="g"),
        pytest.param("2147483647", 2**31 - 1, id="the least that the RFC asks for"),
        pytest.param(str(LARGEST_NUMBER), LARGEST_NUMBER, id="the largest"),
        pytest.param("0" * 50 + "7", 7, id="zeros in front"),
    ],
)
def test_numbers(text: str, number: int) -> None:
    (token, _end) = tokens(text).found

    assert token.number == number and not tokens(text).problems


@pytest.mark.parametrize(
    ("text", "underlined", "says", "remedy", "kept"),
    [
        pytest.param(
            f"size {LARGEST_NUMBER + 1};",
            str(LARGEST_NUMBER + 1),
            "too large",
            str(LARGEST_NUMBER),
            4,
            id="number",
        ),
        pytest.param("size 17179869184G;", "17179869184G", "too large", "at most", 4, id="number with G"),
        pytest.param(
            "size 9999999999999999999999999999;", "9" * 28, "too large", "at most", 4, id="many digits"
        ),
        pytest.param("size 5Kb;", "5Kb", "not a number", "K, M or G", 4, id="quantifier"),
        pytest.param("size 10_000;", "10_000", "not a number", "digits", 4, id="digits parted"),
        pytest.param("keep $$$;", "$$$", "'$$$' has no meaning", "double quotes", 3, id="signs"),
        pytest.param("keep é;", "é", "no meaning", "double quotes", 3, id="letter that no name has"),
        pytest.param("keep : ;", ":", "no meaning", "", 3, id="colon without a name"),
        pytest.param("keep / ;", "/", "no meaning", "", 3, id="slash"),
        pytest.param("keep \0;", "\0", "no meaning", "", 3, id="NUL"),
        pytest.param("stop 'a b';", "'a b'", "'a b' is no string", 'write "a b"', 4, id="apostrophes"),
        pytest.param("stop “a b”;", "“a b”", "no string", 'write "a b"', 4, id="typographic quotes"),
        pytest.param("stop „a b“;", "„a b“", "no string", 'write "a b"', 4, id="German quotes"),
        pytest.param("stop “a;\n", "“", "no meaning", "", 4, id="a typographic quote without its end"),
        pytest.param('stop "a;\nkeep;', '"', "has no end", 'closing "', 2, id="string without its end"),
        pytest.param("stop; /* a;\nkeep;", "/*", "has no end", "closing */", 3, id="comment without its end"),
        pytest.param("stop; text: # c\na\nkeep;", "text: # c", "without its end", '"."', 3, id="multi-line"),
    ],
)
def test_what_is_no_token(text: str, underlined: str, says: str, remedy: str, kept: int) -> None:
    found = tokens(text)
    (problem,) = found.problems

    assert text[problem.start : problem.end] == underlined
    assert says in problem.says and remedy in problem.remedy
    assert len(found.found) == kept
