"""core.ldap_filter: templates are read or refused, and values are values whatever stands in them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.ldap_filter import DEEPEST, NotAFilter, escaped, read_filter

NAMES = ("account", "local", "domain")
LOGINS = st.text(st.characters(codec=None), max_size=60).filter(
    lambda text: not re.search("[\ud800-\udc7f\udd00-\udfff]", text)  # a login is bytes with surrogateescape
)


def unescaped(text: str) -> bytes:
    """RFC 4515 section 3, read by its grammar: a normal UTF1SUBSET octet, or a backslash and two digits."""
    assert re.fullmatch(r"(?:[^\x00()*\\]|\\[0-9a-f]{2})*", text)
    return re.sub(rb"\\([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


@given(LOGINS)
def test_a_value_read_back_is_the_value(login: str) -> None:
    assert unescaped(escaped(login)) == login.encode("utf-8", "surrogateescape")


@given(LOGINS)
def test_a_filled_filter_has_the_form_of_its_template(login: str) -> None:
    template = read_filter("(&(objectClass=person)(|(uid=:account)(mail=:local@*)))", NAMES)
    filled = template.filled({"account": login, "local": login, "domain": ""})
    again = read_filter(filled, NAMES)
    assert again.names == ()
    assert re.sub(r"[^()&|*]", "", filled) == "(&()(|()(*)))"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("(uid=:account)", ("account",)),
        ("(&(objectClass=person)(|(uid=:local)(mail=:local@:domain)))", ("local", "local", "domain")),
        ("(!(uid=:account))", ("account",)),
        ("(member:1.2.840.113556.1.4.1941:=:account)", ("account",)),
        ("(cn:dn:=:account)", ("account",)),
        ("(:dn:2.4.6.8:=:account)", ("account",)),
        ("(cn;lang-de>=:account)", ("account",)),
        ("(cn~=a b*c)", ()),
        (r"(cn=\3aaccount)", ()),
        ("(cn=)", ()),
    ],
)
def test_a_template_is_read(text: str, names: tuple[str, ...]) -> None:
    found = read_filter(text, NAMES)
    assert found.names == names
    assert "".join(f":{one}" if number % 2 else one for number, one in enumerate(found.pieces)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("uid=:account", "a bracket is missing before"),
        ("", "a bracket is missing before"),
        ("(uid=:account", "a bracket is missing at the end"),
        ("(uid=:account))", "after the end"),
        ("(uid=:account)(cn=x)", "after the end"),
        ("(:account=x)", "no attribute"),
        ("(=x)", "no attribute"),
        ("(uid)", "no attribute"),
        ("(&)", "a bracket is missing before"),
        ("(!(a=b)(c=d))", "a bracket is missing at the end"),
        ("(uid=:acount)", "nothing is known here"),
        ("(a=x:y)", "nothing is known here"),
        ("(a=\\zz)", "two hexadecimal digits"),
        ("(a=b(c)", "a bracket is missing at the end"),
        ("(!" * (DEEPEST + 1) + "(a=b)" + ")" * (DEEPEST + 1), "within each other"),
    ],
)
def test_what_is_no_template_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(NotAFilter, match=says) as told:
        read_filter(text, NAMES)
    assert told.value.remedy


@given(st.text(alphabet="()&|!=*\\:dnaccount 5", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read_filter(text, NAMES)
    except NotAFilter:
        return
    assert set(found.names) <= set(NAMES)
