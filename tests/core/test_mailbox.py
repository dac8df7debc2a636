"""core.mailbox: address lists as RFC 5322 has them and as mail programs write them, and what is none."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendwarden.core.mailbox import Mailbox, parse_mailboxes, pieces_of

BOB = Mailbox("bob@example.org", "bob", "example.org", "")


def bob(display: str = "") -> Mailbox:
    return Mailbox("bob@example.org", "bob", "example.org", display)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        pytest.param("bob@example.org", [bob()], id="bare"),
        pytest.param("<bob@example.org>", [bob()], id="brackets"),
        pytest.param("Bob <bob@example.org>", [bob("Bob")], id="name"),
        pytest.param("Bob B. Smith <bob@example.org>", [bob("Bob B. Smith")], id="name of words and dots"),
        pytest.param('"Smith, Bob" <bob@example.org>', [bob("Smith, Bob")], id="quoted name"),
        pytest.param('"a\\"b\\\\c" <bob@example.org>', [bob('a"b\\c')], id="quoted pairs"),
        pytest.param('"Bob" Smith<bob@example.org>', [bob("Bob Smith")], id="no blank before the bracket"),
        pytest.param('"<x@y>" <bob@example.org>', [bob("<x@y>")], id="an address for a name"),
        pytest.param("=?utf-8?q?a=2Cb?= <bob@example.org>", [bob("=?utf-8?q?a=2Cb?=")], id="encoded name"),
        pytest.param("bob@example.org (Bob)", [bob("Bob")], id="comment for a name"),
        pytest.param("(a) bob (b) @ (c) example.org (d)", [bob("a b c d")], id="comments everywhere"),
        pytest.param("bob(x (y) \\) z)@example.org", [bob("x (y) ) z")], id="comments nest"),
        pytest.param("Bob (no, one) <bob@example.org>", [bob("Bob")], id="a comma in a comment"),
        pytest.param("Bob\r\n <bob@\r\n example.org>", [bob("Bob")], id="folds"),
        pytest.param('"B\r\n ob" <bob@example.org>', [bob("B ob")], id="a fold in quotes"),
        pytest.param("bob @ example . org", [bob()], id="obsolete blanks"),
        pytest.param("<@a.example,@b.example:bob@example.org>", [bob()], id="source route"),
        pytest.param("< @a.example : bob@example.org >", [bob()], id="source route with blanks"),
        pytest.param("<bob@example.org>>", [bob()], id="a bracket too many"),
        pytest.param("Team: bob@example.org;", [bob()], id="group"),
        pytest.param("Team: bob@example.org, Bob <bob@example.org>;", [bob(), bob("Bob")], id="group of two"),
        pytest.param("A: bob@example.org;, B:;, bob@example.org", [bob(), bob()], id="groups in a list"),
        pytest.param("undisclosed-recipients:;", [], id="empty group"),
        pytest.param("Team: bob@example.org", [bob()], id="group without its end"),
        pytest.param('"Team: A": bob@example.org;', [bob()], id="quoted group"),
        pytest.param(", bob@example.org,, bob@example.org ,", [bob(), bob()], id="commas too many"),
        pytest.param("bob@example.org; bob@example.org", [bob(), bob()], id="semicolons for commas"),
        pytest.param("", [], id="nothing"),
        pytest.param(" (a comment) ", [], id="a comment alone"),
        pytest.param("a.b+c@x", [Mailbox("a.b+c@x", "a.b+c", "x")], id="dots and plus"),
        pytest.param('"a b"@x', [Mailbox('"a b"@x', "a b", "x")], id="quoted local part"),
        pytest.param('"ab"@x', [Mailbox("ab@x", "ab", "x")], id="needless quotes"),
        pytest.param('"a"."b"@x', [Mailbox("a.b@x", "a.b", "x")], id="two quoted words"),
        pytest.param('"a@b"@x', [Mailbox('"a@b"@x', "a@b", "x")], id="an at sign in quotes"),
        pytest.param('"a\\"b"@x', [Mailbox('"a\\"b"@x', 'a"b', "x")], id="a quote in quotes"),
        pytest.param('""@x', [Mailbox('""@x', "", "x")], id="empty local part"),
        pytest.param(".a..b.@x", [Mailbox('".a..b."@x', ".a..b.", "x")], id="dots anywhere"),
        pytest.param("a@[192.0.2.1]", [Mailbox("a@[192.0.2.1]", "a", "[192.0.2.1]")], id="literal"),
        pytest.param("a@[IPv6:::1]", [Mailbox("a@[IPv6:::1]", "a", "[IPv6:::1]")], id="IPv6 literal"),
        pytest.param("é@bü.example", [Mailbox("é@bü.example", "é", "bü.example")], id="RFC 6532"),
    ],
)  # fmt: skip
def test_lists(text: str, boxes: list[Mailbox]) -> None:
    assert list(parse_mailboxes(text)) == boxes
    assert all(box.valid for box in boxes)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("bob", id="no domain"),
        pytest.param("bob@", id="nothing behind the at sign"),
        pytest.param("@example.org", id="nothing before it"),
        pytest.param("a@b@c", id="two at signs"),
        pytest.param("a@b c@d", id="two addresses without a comma"),
        pytest.param("a b@c", id="two words"),
        pytest.param("Bob bob@example.org", id="a name without brackets"),
        pytest.param("<bob@example.org", id="no closing bracket"),
        pytest.param("bob@example.org>", id="no opening bracket"),
        pytest.param("<<bob@example.org>", id="two opening brackets"),
        pytest.param("Bob <a@b> <c@d>", id="two addresses in brackets"),
        pytest.param("<a@b> junk", id="text behind the brackets"),
        pytest.param("<>", id="empty brackets"),
        pytest.param("<cola.example:bob@example.org>", id="a route without its at sign"),
        pytest.param("a@b..c", id="two dots in the domain"),
        pytest.param("a@.b", id="a dot before the domain"),
        pytest.param("a@b.", id="a dot behind the domain"),
        pytest.param("...@b", id="nothing but dots"),
        pytest.param('"a""b"@c', id="two quoted words without a dot"),
        pytest.param('a@"b"', id="a quoted domain"),
        pytest.param("a@[1.2.3.4", id="a literal without its end"),
        pytest.param("a@[1].b", id="a literal with more behind"),
        pytest.param("a\\b@c", id="a backslash"),
        pytest.param('"a@b', id="a quote without its end"),
        pytest.param('"Bob <bob@example.org>"', id="all in quotes"),
    ],
)
def test_what_is_no_address_comes_back_as_it_is(text: str) -> None:
    (box,) = parse_mailboxes(text)

    assert (box.address, box.local, box.domain, box.valid) == (text, None, None, False)


@pytest.mark.parametrize(
    "broken",
    ["<a@b", "<<a@b>", "a> <b", "Bob <a@b> junk", "bob", "a@b c@d", "<@x;y@z>", "a@[1]x", "<@a:b@c:", "<:>"],
)
@pytest.mark.parametrize("parting", [", ", ";", ","])
def test_a_mistake_hides_nothing_that_stands_behind_it(broken: str, parting: str) -> None:
    boxes = parse_mailboxes(f"{broken}{parting}bob@example.org")

    assert boxes[-1] == BOB


@pytest.mark.parametrize(
    ("text", "display"),
    [
        pytest.param("bob@example.org (Bob", "Bob", id="comment"),
        pytest.param("bob@example.org (B(o)b", "B(o)b", id="comment with one inside"),
        pytest.param("bob@example.org (Bob\\", "Bob\\", id="backslash at the end"),
    ],
)
def test_a_comment_without_its_end_loses_no_letter(text: str, display: str) -> None:
    assert parse_mailboxes(text) == (bob(display),)


SCRAPS = [
    "<", ">", "@", ",", ";", ":", '"', "\\", "(", ")", "[", "]", ".", " ", "\t", "\r\n", "\n", "bob", "x.org",
    "a@b", "<a@b>", "Bob <a@b>", '"a b"', "(c)", "[1]", "\0", "é", "\udcff", "=?utf-8?q?a?=",
]  # fmt: skip
FIELDS = st.lists(st.sampled_from(SCRAPS) | st.text(st.characters(), max_size=2), max_size=14).map("".join)


@given(FIELDS)
@example('"\\')
@example("(\\")
@example("[\\")
def test_any_field_is_read_and_what_is_valid_is_complete(field: str) -> None:
    for box in parse_mailboxes(field):
        assert box.valid is (box.local is not None) is (box.domain is not None)
        assert box.domain != "" and (box.address or not box.valid)
        assert not box.valid or box.address.endswith(f"@{box.domain}")


@given(FIELDS)
def test_a_valid_address_reads_as_itself(field: str) -> None:
    for box in parse_mailboxes(field):
        if box.valid:
            assert parse_mailboxes(box.address) == (Mailbox(box.address, box.local, box.domain),)
            assert parse_mailboxes(f"<{box.address}>") == (Mailbox(box.address, box.local, box.domain),)


LOCALS = st.text(st.characters(exclude_characters="\r\n"), max_size=8)
NAMES = st.text(st.characters(exclude_characters="\r\n"), min_size=1, max_size=8)
DOMAINS = st.lists(st.text("abcé-9", min_size=1, max_size=4), min_size=1, max_size=3).map(".".join)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(st.tuples(NAMES, LOCALS, DOMAINS), max_size=4))
def test_any_names_and_local_parts_can_be_written(people: list[tuple[str, str, str]]) -> None:
    field = ", ".join(f"{quoted(name)} <{quoted(local)}@{domain}>" for name, local, domain in people)

    boxes = parse_mailboxes(field)

    assert [(box.display, box.local, box.domain) for box in boxes] == [
        (name.strip(), local, domain) for name, local, domain in people
    ]


@given(st.lists(st.sampled_from(["a@b", "Bob <a@b>", "nobody", "<a@b", "G: a@b;", "a@b (c)"]), max_size=5))
def test_a_list_is_its_entries(entries: list[str]) -> None:
    assert parse_mailboxes(", ".join(entries)) == tuple(box for e in entries for box in parse_mailboxes(e))


# --- pieces


@pytest.mark.parametrize(
    ("text", "addresses", "beside", "closed"),
    [
        pytest.param("Bob <bob@x.org>", ["bob@x.org"], "Bob", True, id="a name"),
        pytest.param("a@b <bob@x.org>", ["a@b", "bob@x.org"], "", True, id="an address for a name"),
        pytest.param('"a@b" <bob@x.org> (c@d)', ["bob@x.org"], "a@b    c@d", True, id="quotes and comments"),
        pytest.param("a@b: bob@x.org;", ["a@b", "bob@x.org"], "", True, id="the name of a group"),
        pytest.param("<@a,@b:bob@x.org>", ["bob@x.org"], "@a  @b", True, id="a route"),
        pytest.param("a@b@c", ["a@b", "b@c"], "", True, id="two at signs"),
        pytest.param("a b.c@d.. e", ["b.c@d"], "a  .. e", True, id="words and dots"),
        pytest.param("bob (x) @ x . org", ["bob@x.org"], "x", True, id="a comment inside"),
        pytest.param("a@[1.2.3.4]", ["a@[1.2.3.4]"], "", True, id="a literal"),
        pytest.param("a@ @b @", [], "a@ @b @", True, id="halves"),
        pytest.param('"a@b', [], "a@b", False, id="a quote without its end"),
        pytest.param("a@b (c", ["a@b"], "c", False, id="a comment without its end"),
        pytest.param("a@b [c", ["a@b"], "[c", False, id="a literal without its end"),
    ],
)
def test_pieces(text: str, addresses: list[str], beside: str, closed: bool) -> None:
    pieces = pieces_of(text)

    assert [box.address for box in pieces.addresses] == addresses
    assert " ".join(pieces.text.split()) == " ".join(beside.split()) and pieces.closed is closed


@given(FIELDS)
def test_every_address_of_a_list_is_a_piece(field: str) -> None:
    pieces = pieces_of(field)

    assert all(box.valid for box in pieces.addresses)
    listed = {box.address for box in parse_mailboxes(field) if box.valid}
    assert listed <= {box.address for box in pieces.addresses}


@pytest.mark.parametrize("letters", ["(", ")", "<", '"', "[", "\\", ",", "a.", "@", "(\\", "<@a,", ":"])
def test_long_fields_of_one_sign_are_read_at_once(letters: str) -> None:
    """What is quadratic here takes long enough to be noticed."""
    assert len(parse_mailboxes(letters * 15_000)) <= 15_000
    assert len(pieces_of(letters * 15_000).addresses) <= 15_000
