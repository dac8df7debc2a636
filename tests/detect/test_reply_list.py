"""Lists of phishers' reply addresses."""

from hypothesis import given
from hypothesis import strategies as st

from sendwarden.detect.reply_list import read_reply_list


def test_addresses_are_read_and_what_is_none_is_told_by_its_line() -> None:
    text = "# reply addresses\n\nVerify@Phish.example,ABC,20240101\nnobody\nother@phish.example\na b@c,A,1\n"

    assert read_reply_list(text) == (frozenset(("verify@phish.example", "other@phish.example")), [4, 6])


@given(st.text())
def test_any_text_gives_addresses_and_wrong_lines(text: str) -> None:
    found, wrong = read_reply_list(text)

    assert len(found) + len(wrong) <= len(text.splitlines()) and all("@" in address for address in found)
