"""Layout of a mapping file: tables, entries, comments and includes, however they are broken into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.mapping.parse import MappingFile, read_mappings
from tests.engine.mapping.worlds import EXAMPLES, codes, read, texts_of


def columns_of(found: MappingFile) -> dict[str, list[tuple[str, str]]]:
    """Pattern and template of every entry, by table."""
    return {
        table.name: [(entry.pattern, entry.template) for entry in table.entries]
        for table in found.tables.values()
    }


@pytest.mark.parametrize(
    ("example", "table", "count"),
    [
        pytest.param("authspam", "FILTER_limitauthspam", 5, id="authspam"),
        pytest.param("greylist", "FILTER_GREYLIST", 2, id="greylist"),
    ],
)
def test_the_documents_blocks_load_as_they_stand(example: str, table: str, count: int) -> None:
    found = read((EXAMPLES / example / "mappings").read_text())

    assert {name: len(entries) for name, entries in columns_of(found).items()} == {table: count}
    assert codes(found) == []


def test_both_of_the_documents_blocks_load_from_one_file() -> None:
    texts = [(EXAMPLES / name / "mappings").read_text() for name in ("authspam", "greylist")]

    found = columns_of(read("".join(texts)))

    assert {name: len(entries) for name, entries in found.items()} == {
        "FILTER_limitauthspam": 5,
        "FILTER_GREYLIST": 2,
    }
    assert found["FILTER_GREYLIST"] == [
        ("*|*|*", "$C$[IMTA_LIB:grosscheck.so,grosscheck,129.158.87.192,,5525,$0,$1,$2,]$Y$E"),
        ("*", "$Y"),
    ]


SAME_TABLE = {"T": [("a|*", "$Y$0"), ("b", "x")]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("T\n\n  a|*  $Y$0\n  b  x\n", id="as documented"),
        pytest.param("T\na|* $Y$0\nb x", id="nothing but line ends, as in the document"),
        pytest.param("T\r\n\r\n  a|*  $Y$0\r\n  b  x\r\n", id="CRLF"),
        pytest.param("T   \n\ta|*\t$Y$0\t\n\tb\t \tx  \n", id="tabs and blanks behind"),
        pytest.param("\n\nT\n\n\n  a|*  $Y$0\n\n  b  x\n", id="blank lines anywhere"),
        pytest.param("! c\nT\n! c\n  a|*  $Y$0\n  ! c\n!\n  b  x\n! c", id="comments anywhere"),
        pytest.param("T\n  a|*\n  $Y$0\n  b x", id="a template on the next line"),
        pytest.param("T\n  a|*\n\n  ! c\n$Y$0\nb x", id="a template some lines further down"),
        pytest.param("T\n  a|* \\\n  $Y$0\n  b x", id="continued between the columns"),
        pytest.param("T\n  a|*\\\n   $Y$0\n  b x", id="continued with the blanks on the next line"),
        pytest.param("T\n  a|* $Y\\\n$0\n  b x", id="continued in column 1"),
        pytest.param("T\n  a|* $Y\\\n      $0\n  b x", id="continued inside a template"),
        pytest.param("T\n  a\\\n|* $Y$0\n  b x", id="continued inside a pattern"),
        pytest.param(
            "T\n  a|* \\\n!c \\\n  ! c\n  $Y\\\n! c\n$0\n  b x", id="comments between continued lines"
        ),
        pytest.param("T\n  a|* $Y\\\n\\\n$0\n  b x\\", id="nothing on a continued line, and none behind"),
        pytest.param("T\n  a|*\n  $Y\\\n    $0\n  b x", id="a template on the next line, continued"),
        pytest.param("T\n!c \\\n  a|* $Y$0\n  b x", id="a comment continues nothing"),
    ],
)
def test_one_table_in_many_layouts(text: str) -> None:
    found = read(text)

    assert (columns_of(found), codes(found)) == (SAME_TABLE, [])


@given(
    st.lists(st.sampled_from(["", "!", "! x \\", "  ! x", " \t", "!T", "\t!a b"]), max_size=4),
    st.integers(0, 3),
)
def test_comments_and_blank_lines_never_matter(noise: list[str], at: int) -> None:
    lines = ["T", "a|* $Y$0", "b x"]
    lines[at:at] = noise

    found = read("\n".join(lines))

    assert (columns_of(found), codes(found)) == (SAME_TABLE, [])


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        pytest.param("a$ b x", ("a$ b", "x"), id="a quoted blank in a pattern"),
        pytest.param("a$\tb x", ("a$\tb", "x"), id="a quoted tab in a pattern"),
        pytest.param("a$$ b", ("a$$", "b"), id="a quoted dollar quotes no blank"),
        pytest.param("a x$ y", ("a", "x$ y"), id="a quoted blank in a template"),
        pytest.param("a x$ ", ("a", "x$ "), id="a quoted blank at the end of a template"),
        pytest.param("a x$   ", ("a", "x$ "), id="a quoted blank, and layout behind it"),
        pytest.param("a x$$ ", ("a", "x$$"), id="a quoted dollar at the end of a template"),
        pytest.param("a $\\", ("a", "$\\"), id="lower case at the end of a line is no continuation"),
        pytest.param("a $$\\\n\\b", ("a", "$$\\b"), id="a quoted dollar before a continuation"),
        pytest.param("a x\\y", ("a", "x\\y"), id="a backslash in the middle"),
        pytest.param("a x\\ ", ("a", "x\\"), id="a backslash with a blank behind it"),
        pytest.param("<a b", ("<a", "b"), id="a less-than sign with two columns is an entry"),
        pytest.param("  <a b", ("<a", "b"), id="also where it is indented"),
        pytest.param("A|B x", ("A|B", "x"), id="a name with a bar, in column 1"),
        pytest.param('"a b', ('"a', "b"), id="quotes are ordinary"),
        pytest.param("(a) b", ("(a)", "b"), id="parentheses are ordinary"),
    ],
)
def test_the_columns_of_an_entry(line: str, entry: tuple[str, str]) -> None:
    found = read(f"T\n{line}\n")

    assert (columns_of(found), codes(found)) == ({"T": [entry]}, [])


def test_a_quoted_blank_ends_a_template_that_stands_on_its_own_line() -> None:
    found = read("T\na|b\n  $Yx$   \n")

    assert (columns_of(found), codes(found)) == ({"T": [("a|b", "$Yx$ ")]}, [])


def test_an_unquoted_blank_inside_a_template_is_kept() -> None:
    assert columns_of(read("T\na x  y\tz  \n")) == {"T": [("a", "x  y\tz")]}


@pytest.mark.parametrize("name", ["T", "t", "Filter_x", "A-1_b", "z9"])
def test_a_word_alone_in_column_1_is_a_table_name(name: str) -> None:
    found = read(f"{name}\na b\n")

    assert (list(found.tables), codes(found)) == ([name.upper()], [])


@pytest.mark.parametrize("line", ["TCP|*", " T", "1T", "_T", "T.x", "T$ U", "T*", "*"])
def test_anything_else_alone_on_a_line_is_a_pattern(line: str) -> None:
    found = read(f"N\n{line}\n$Y\n")

    assert columns_of(found) == {"N": [(line.strip(), "$Y")]}


def test_a_second_column_makes_a_name_an_entry() -> None:
    assert columns_of(read("T\nabc x\nU\nabc y\n")) == {"T": [("abc", "x")], "U": [("abc", "y")]}


def test_entries_of_a_table_that_stands_twice_are_not_mixed() -> None:
    found = read("T\na 1\nt\na 2\nU\na 3\n")

    assert columns_of(found) == {"T": [("a", "1")], "U": [("a", "3")]}


# --- includes


def test_an_include_stands_for_the_lines_of_its_file() -> None:
    files = {"more": "! more\n  b  x\nU\n c d"}

    found = read_mappings("mappings", "T\n  a|*  $Y$0\n<more\n  e f\n", texts_of(files))

    assert columns_of(found) == {"T": SAME_TABLE["T"], "U": [("c", "d"), ("e", "f")]}
    assert str(found.tables["T"].entries[1].pattern_place) == "more:2:3"


@pytest.mark.parametrize(("depth", "wrong"), [(3, []), (4, ["SW208"])], ids=["three deep", "four deep"])
def test_includes_nest_three_deep(depth: int, wrong: list[str]) -> None:
    files = {str(level): f"  {level} x\n<{level + 1}\n" for level in range(1, depth)}
    files[str(depth)] = f"  {depth} x\n"

    found = read_mappings("mappings", "T\n<1\n", texts_of(files))

    assert (len(found.tables["T"].entries), codes(found)) == (3, wrong)


def test_a_file_that_includes_itself_is_a_problem_and_no_endless_loop() -> None:
    found = read_mappings("me", "T\n  a b\n<me\n", texts_of({"me": "  a b\n<me\n"}))

    assert (len(found.tables["T"].entries), codes(found)) == (4, ["SW208"])


def test_a_pattern_may_find_its_template_behind_an_include() -> None:
    found = read_mappings("mappings", "T\n<more\n$Y\n", texts_of({"more": "a|b"}))

    assert (columns_of(found), codes(found)) == ({"T": [("a|b", "$Y")]}, [])
