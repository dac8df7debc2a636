"""engine.sieve.mail: header values unfolded and decoded as RFC 2047 has it, whatever a message holds."""

import codecs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendwarden.engine.sieve.limits import HEADER_LETTERS
from sendwarden.engine.sieve.mail import CHARSETS, FEW_HEADERS, Mail, decoded, octets_of
from tests.engine.sieve.scripts import REQUIRE_ALL, at_most, compiled, mail, table

DECODED = table(
    r"""
plain | plain
=?utf-8?q?caf=C3=A9?= | café
=?UTF-8?Q?caf=c3=a9_cr=C3=A8me?= | café crème
=?utf-8?b?w6Q=?= | ä
=?utf-8?B?w6Q?= | ä
=?iso-8859-1?q?=e4?= | ä
=?windows-1252?q?=80?= | €
=?koi8-r?b?8NLJ18XU?= | Привет
=?iso-2022-jp?b?GyRCRnxLXBsoQg==?= | 日本
=?gb2312?b?1tDOxA==?= | 中文
=?ks_c_5601-1987?b?x9GxuQ==?= | 한국
=?iso-8859-1*de?q?=e4?= | ä
a =?utf-8?q?b?= c | a b c
a=?utf-8?q?b?=c | abc
=?utf-8?q?a?= =?utf-8?q?b?= | ab
=?utf-8?q?a?=⏎ =?utf-8?q?b?= | ab
=?utf-8?q?a?=  	 =?iso-8859-1?q?b?= | ab
=?utf-8?q?a?= - =?utf-8?q?b?= | a - b
=?utf-8?q?a?= x =?utf-8?q?b?= y | a x b y
=?utf-8?q?=c3?= =?utf-8?q?=a4?= | ä
=?utf-8?b?w6?==?utf-8?b?Q=?= | �=?utf-8?b?Q=?=
ü 日本 =?utf-8?q?x?= ö | ü 日本 x ö
=?utf-8?q?a b?= | a b
=?utf-8?q??= |
x=?utf-8?b??=y | xy
=?utf-8?q?=?= |
=?utf-8?q?=zz=4?= | =zz=4
=?utf-8?q?=ff?= | �
=?us-ascii?q?=c3=a4?= | ä
=?unknown-8bit?q?=c3=a4?= | ä
=?utf-7?q?+2AA-?= | +2AA-
=?unicode_escape?q?=5Cud800?= | \ud800
=?utf-8?x?a?= | =?utf-8?x?a?=
=?utf-8?q?a | =?utf-8?q?a
=?utf-8?q?a?b?= | =?utf-8?q?a?b?=
=??q?a?= | =??q?a?=
=?utf-8?b?é?= | =?utf-8?b?é?=
=?utf-8?b?a?= | =?utf-8?b?a?=
= ?utf-8?q?a?= | = ?utf-8?q?a?=
"""
)


@pytest.mark.parametrize(("raw", "value"), DECODED, ids=[row[0] for row in DECODED])
def test_encoded_words(raw: str, value: str) -> None:
    assert decoded(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(" a ", "a", id="blanks round it"),
        pytest.param("a\r\n b\r\n\tc", "a b\tc", id="folds"),
        pytest.param("a\n b", "a b", id="folds as a milter has them"),
        pytest.param("\n a", "a", id="a fold before it"),
        pytest.param("a\n", "a", id="a line end behind it"),
        pytest.param("a\nb", "ab", id="a line end that folds nothing"),
        pytest.param("a\r b", "a\r b", id="a lone CR is a letter"),
        pytest.param("\xa0a\u2003", "\xa0a\u2003", id="only blanks and tabs are taken off"),
        pytest.param("a\udce4", "a\udce4", id="an octet that is no UTF-8 stays"),
        pytest.param("\u2028=?utf-8?q?a?=\x85", "\u2028a\x85", id="other line separators are letters"),
        pytest.param("=?utf-8?q?_a_?=", "a", id="encoded blanks round it are blanks"),
    ],
)
def test_values_are_unfolded_and_stripped(raw: str, value: str) -> None:
    assert decoded(raw) == value


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from("bBqQ"))
@example("\ud7ff\ue000", "q")
def test_any_text_that_is_encoded_comes_back(text: str, encoding: str) -> None:
    octets = text.encode()
    if encoding in "bB":
        word = codecs.encode(octets, "base64").decode().replace("\n", "")
    else:
        word = "".join(f"={octet:02X}" for octet in octets)

    assert decoded(f"<=?utf-8?{encoding}?{word}?=>") == f"<{text}>"


@given(st.text(), st.integers(1, 20))
def test_octets_of_one_letter_may_stand_in_two_words(text: str, size: int) -> None:
    """RFC 2047 forbids it, and some programs do it."""
    octets = text.encode()
    words = [octets[at : at + size] for at in range(0, len(octets), size)]
    raw = " ".join(f"=?utf-8?q?{''.join(f'={octet:02x}' for octet in word)}?=" for word in words)

    assert decoded(f"<{raw}>") == (f"<{text}>" if words else "<>")


SCRAPS = [
    "=?", "?=", "?q?", "?b?", "?Q?", "utf-8", "utf-7", "unicode_escape", "idna", "utf-16", "us-ascii",
    "undefined", "=?utf-8?q?", "=?utf-8?b?", "_", "=C3", "=A4", "w6Q=", " ", "\n ", "\r\n", "\0", "\udce4",
    "\ud800", "ä", "日", "<", ">", "@", ",", ";", ":", '"', "\\", "(", ")", "[", "]", ".", "a",
    "b@example.org", "9" * 20, "*",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(SCRAPS) | st.text(st.characters(), max_size=2), max_size=14).map("".join)

EVERY_TEST = compiled(
    REQUIRE_ALL
    + r"""
set "v" "-";
if anyof(header :matches ["From", "X"] "*<*>*", header :matches "X" "*") { set "v" "${0}${1}${2}"; }
set :quotewildcard :upperfirst :lower "q" "${v}";
if anyof(
    header :is "X" "x", header :contains "X" "=?", header :matches "X" "${q}*",
    header :count "gt" "X" "3",
    header :value "gt" "X" "m", header :value "lt" :comparator "i;octet" "X" "${v}",
    header :value "ge" :comparator "i;ascii-numeric" "X" "${v}",
    header :is :comparator "i;ascii-numeric" "X" "x",
    address "From" "x", address :localpart "To" "x", address :domain :matches "From" "*.x*y",
    address :count "gt" "To" "99", exists ["From", "X-None"], size :over 100,
    envelope "from" "x", envelope :localpart :contains "from" "xyzzy", envelope :domain "to" "x",
    envelope :count "gt" ["from", "to"] "9", string :value "lt" "${v}" "", string "${v}" "${q}x") { discard; }
if header :matches "From" "*" { set :length "n" "${0}"; }
"""
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_nothing_that_a_message_holds_makes_a_run_fail(one: str, other: str, address: str) -> None:
    letter = Mail([("From", one), ("X", other), ("x ", address), ("To", address)], address, (one,))

    plain = EVERY_TEST.run(letter, (one, address))
    traced = EVERY_TEST.run(letter, (one, address), trace=True)

    assert plain.error is None
    assert (plain.actions, plain.implicit_keep, plain.variables) == (
        traced.actions,
        traced.implicit_keep,
        traced.variables,
    )


@given(st.text(st.characters()))
def test_octets_of_any_text_are_octets(text: str) -> None:
    whole = not any("\ud800" <= letter <= "\udfff" for letter in text)

    assert not whole or octets_of(text) == text.encode()
    assert octets_of("\udcff") == b"\xff"


@pytest.mark.parametrize("charset", sorted(CHARSETS))
@given(st.binary(max_size=12))
@example(b"\x1b$B\x1b(B\x0e\x0f~{~}")
def test_no_octets_of_a_charset_fail_or_make_half_letters(charset: str, octets: bytes) -> None:
    word = "".join(f"={octet:02X}" for octet in octets)

    value = decoded(f"=?{charset}?q?{word}?=")

    assert not any("\ud800" <= letter <= "\udfff" for letter in value)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("=?a?q? " * 60_000, id="words without their end"),
        pytest.param("=?utf-8?q?a?= " * 30_000, id="many words"),
        pytest.param("=?utf-8?b?YQ==?=" * 30_000, id="many words side by side"),
        pytest.param("=?" * 200_000, id="many beginnings"),
        pytest.param("=?utf-8?q?" + "a" * 400_000, id="one word for ever"),
        pytest.param("\n " * 200_000, id="many folds"),
    ],
)
def test_a_hostile_header_takes_linear_time(raw: str) -> None:
    with at_most(cpu_s=5):
        assert len(decoded(raw)) <= HEADER_LETTERS


def test_only_so_much_of_a_header_is_looked_at() -> None:
    assert decoded("a" * (HEADER_LETTERS + 1)) == "a" * HEADER_LETTERS


@pytest.mark.parametrize("others", [0, FEW_HEADERS], ids=["few", "many"])
def test_headers_are_found_by_name_without_case_or_blanks_behind_it(others: int) -> None:
    """``From :`` is the From header (RFC 5228 section 2.4.2.2)."""
    letter = mail([("FROM", "a"), ("from ", "b"), *[("Froms", "d")] * others, ("From\t", " c ")])

    assert letter.raw("from") == ["a", "b", " c "]
    assert letter.values("from") == ["a", "b", "c"]
    assert letter.values("to") == []
