"""config.positions, syntax and statements: where each setting of a TOML file stands, right or wrong."""

import tomllib

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sendwarden.config.positions import Path, TomlFile, read_toml
from sendwarden.config.syntax import MOST_PROBLEMS
from sendwarden.core.place import Place
from tests.config.folder import marked
from tests.strategies.toml import Document, documents

LINE_ENDS = st.sampled_from(["\n", "\r\n"])


def read(text: str) -> TomlFile:
    return read_toml("site.toml", text)


def paths_of(values: object, above: Path = ()) -> list[Path]:
    """Paths of all values, the tables and lists themselves included."""
    inside = (
        values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    )
    return [path for name, value in inside for path in ((*above, name), *paths_of(value, (*above, name)))]


# --- what is right


@given(documents(), LINE_ENDS)
def test_every_key_and_value_has_the_line_and_column_where_it_was_written(
    document: Document, line_end: str
) -> None:
    found = read(document.text.replace("\n", line_end))

    assert not found.problems
    for written, places in ((document.keys, found.keys), (document.values, found.places)):
        assert set(places) == set(written)
        for path, (line, column, text) in written.items():
            place = places[path]
            assert (place.line, place.column) == (line, column)
            shown = place.text[place.column - 1 : place.column - 1 + place.width]
            assert shown == text.rstrip() and place.text == document.lines[line - 1]


@given(documents(), LINE_ENDS)
def test_the_values_are_those_of_tomllib_and_each_has_a_place(document: Document, line_end: str) -> None:
    text = document.text.replace("\n", line_end)

    found = read(text)

    assert found.values == tomllib.loads(text)
    for path in paths_of(found.values):
        place = found.place(path)
        assert place.line and place == (found.places.get(path) or found.keys[path])


@given(documents(), st.lists(st.sampled_from(["key1", "ä 2", 0, 1, 7, "nowhere"]), min_size=1, max_size=4))
def test_a_setting_that_does_not_stand_there_has_the_place_of_the_nearest_around_it(
    document: Document, path: list[str | int]
) -> None:
    found = read(document.text)
    around = [tuple(path[:end]) for end in range(len(path), 0, -1)]
    nearest = next((one for one in around if one in found.keys or one in found.places), None)

    assert found.place(tuple(path)) == (found.place(nearest) if nearest else Place("site.toml"))


@pytest.mark.parametrize(
    ("key", "place"),
    [pytest.param(False, "site.toml:1:9", id="its value"), pytest.param(True, "site.toml:1:1", id="its key")],
)
def test_the_place_of_a_setting_is_that_of_its_value_or_of_its_key(key: bool, place: str) -> None:
    assert str(read('mode  = "watch"').place(("mode",), key=key)) == place


# --- one mistake in a file that is right otherwise

# A line that is no TOML -> the text above the caret, a word of the sentence, a word of the remedy.
MISTAKES: dict[str, tuple[str, str, str]] = {
    'x = "abc': ('"', "has no end on its line", 'add the closing "'),
    "x = 'abc": ("'", "has no end on its line", "add the closing '"),
    'x = ["a", "b"': ("[", "the list that starts here has no end", "add the closing ]"),
    'x = ["a, "b"]': ('"', "has no end on its line", 'add the closing "'),
    'x = { a = 1, b = "c"': ("{", "the table that starts here has no end", "add the closing }"),
    "x = yes": ("yes", "yes is no value", "write true"),
    "x = False  # really": ("False", "False is no value", "write false"),
    "x = enforce": ("enforce", "enforce is no value", 'write "enforce"'),
    "x = 10.0.0.0/8": ("10.0.0.0/8", "10.0.0.0/8 is no value", 'write "10.0.0.0/8"'),
    "x = 5 minutes": ("5 minutes", "5 minutes is no value", 'write "5 minutes"'),
    r"x = C:\mail": (r"C:\mail", "is no value", "in quotes"),
    "x =": ("x =", "x has no value", "write: name ="),
    "x = # nothing": ("x = # nothing", "x has no value", "write: name ="),
    "x: 5": ("x: 5", "a name and a value are expected", "write: name ="),
    "just words": ("just words", "a name and a value are expected", "write: name ="),
    "schlüssel = 5": ("schlüssel", "a name is made of", "stand in quotes"),
    "two words = 5": ("two words", "a name is made of", "stand in quotes"),
    "= 5": ("=", "a name is made of", "stand in quotes"),
    'x = "a" "b"': ('"', "nothing may follow a value", "take it out"),
    "x = [1 2]": ("2", "a comma or the end is expected", "parted by commas"),
    "x = [1, yes]": ("y", "a value is expected here", "in quotes"),
    r'x = "C:\mail"': (r"\m", "a backslash in a text begins a code", "single quotes"),
    'x = "bell \x07"': ("\x07", "a control character", "take it out"),
    "[x": ("[x", "brackets do not match", "write [x]"),
    "[[x]": ("[[x]", "brackets do not match", "write [[x]]"),
    "[x]]": ("[x]]", "brackets do not match", "write [[x]]"),
    "[two words]": ("[two words]", "a table's name is expected", "[[channel]]"),
    "[]": ("[]", "a table's name is expected", "[[channel]]"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_at_its_place_with_what_to_write(mistake: str) -> None:
    above, says, remedy = MISTAKES[mistake]

    (problem,) = read(f"before = 1\n  {mistake}\nbehind = 2\n").problems

    assert problem.code == "SW103" and problem.sentence.startswith("this is not TOML")
    assert problem.place and (problem.place.line, problem.place.text) == (2, f"  {mistake}")
    assert marked(problem) == above
    assert says in problem.sentence and remedy in problem.remedy


@given(documents(), st.sampled_from([each for each in MISTAKES if not each.startswith("[")]), st.data())
def test_one_mistake_is_one_problem_and_costs_no_other_setting(
    document: Document, mistake: str, data: st.DataObject
) -> None:
    # In a list without its end, ["a"] is one more list in it; nobody can tell it from a table's name.
    assume(
        "[" not in mistake or not any(line.startswith(('["', '[["', "['", "[['")) for line in document.lines)
    )
    line = data.draw(st.sampled_from([*document.boundaries, len(document.lines)]))
    lines = [*document.lines[: line - 1], mistake, *document.lines[line - 1 :]]

    found = read("\n".join(lines))

    assert [problem.place and problem.place.line for problem in found.problems] == [line]
    assert found.values == tomllib.loads(document.text)
    for path, (was, column, _text) in document.values.items():
        assert (found.places[path].line, found.places[path].column) == (was + (was >= line), column)


@given(documents(), st.lists(st.sampled_from(sorted(MISTAKES)), min_size=2, max_size=6, unique=True))
def test_each_of_several_mistakes_is_told(document: Document, mistakes: list[str]) -> None:
    lines = [line for number, mistake in enumerate(mistakes) for line in (mistake, f"right{number} = 1")]

    found = read("\n".join([document.text, *lines]))

    told = [problem.place.text for problem in found.problems if problem.place]
    assert [text for text in dict.fromkeys(told) if text in MISTAKES] == mistakes


SEVERAL_LINES = {
    "a list without its end": ('x = [\n  "a",\n  "b"', "1:5", "["),
    "a list without its end in front of a table": ("x = [\n  1\n[site]\nhost = 5", "1:5", "["),
    "a text without its end in a list": ('x = [\n  "a,\n  "b",\n]', "2:3", '"'),
    "a text of several lines without its end": ('x = """\nsome words\nmore words', "1:5", '"""'),
    "a table in braces over several lines": ("x = {\n  a = 1,\n}", "1:5", "{"),
    "an array within an array": ("x = [\n  [1, 2],\n  [3,\n]", "1:5", "["),
}


@pytest.mark.parametrize("case", SEVERAL_LINES)
def test_a_mistake_over_several_lines_is_told_once_where_it_begins(case: str) -> None:
    text, place, above = SEVERAL_LINES[case]

    found = read(f"{text}\nbehind = 2\n")

    assert [str(problem.place) for problem in found.problems] == [f"site.toml:{place}"]
    assert marked(found.problems[0]) == above[: len(marked(found.problems[0]))]
    values = found.values.get("site", found.values)
    assert isinstance(values, dict) and values["behind"] == 2


# --- statements that are right alone and wrong together

TWICE = {
    "a name": ("a = 1\nb = 2\na = 3\n", ["3:1 a"], {"a": 1, "b": 2}),
    "a name in a table": ("[t]\na = 1\na = 2\n", ["3:1 a"], {"t": {"a": 1}}),
    "a table": ("[t]\na = 1\n[t]\nb = 2\n", ["3:1 [t]"], {"t": {"a": 1, "b": 2}}),
    "a table, with a name of it": ("[t]\na = 1\n[t]\na = 2\n", ["3:1 [t]"], {"t": {"a": 1}}),
    "a table that was an array": ("[[t]]\na = 1\n[t]\nb = 2\n", ["3:1 [t]"], {"t": [{"a": 1}]}),
    "an array that was a table": ("[t]\na = 1\n[[t]]\nb = 2\n", ["3:1 [[t]]"], {"t": {"a": 1}}),
    "a table three times": (
        "[t]\na = 1\n[u]\nc = 1\n[t]\nb = 2\n[t]\nd = 4\n",
        ["5:1 [t]", "7:1 [t]"],
        {"t": {"a": 1, "b": 2, "d": 4}, "u": {"c": 1}},
    ),
    "a table that was a value": ("t = 1\n[t]\na = 1\n", ["2:1 [t]"], {"t": 1}),
    "a value that was a dotted table": ("t.a = 1\nt = 2\n", ["2:1 t"], {"t": {"a": 1}}),
}


@pytest.mark.parametrize("case", TWICE)
def test_what_stands_twice_is_told_at_its_second_place_and_the_rest_is_read(case: str) -> None:
    text, told, values = TWICE[case]

    found = read(text)

    assert [f"{p.place.line}:{p.place.column} {marked(p)}" for p in found.problems if p.place] == told
    assert all(" twice in this file" in problem.sentence and problem.remedy for problem in found.problems)
    assert found.values == values


# --- anything


@example("\r\r\n")
@example("a = 1\r\r\n")
@example("a = [\r\r\n1]")
@given(st.text(st.sampled_from("ab =[]{}\"'\\#.\n\r\t1é\udcff\0"), max_size=40) | st.text(max_size=60))
def test_any_text_is_read_or_has_a_problem_and_never_raises(text: str) -> None:
    found = read(text)

    try:
        tomllib.loads(text)
        sound = not any("\udc80" <= letter <= "\udcff" for letter in text)
    except tomllib.TOMLDecodeError:
        sound = False
    assert bool(found.problems) is not sound
    for problem in found.problems:
        assert (
            problem.code == "SW103" and problem.place and problem.remedy and "tomllib" not in problem.sentence
        )
        written = text.replace("\r\n", "\n").split("\n")[problem.place.line - 1]
        assert problem.place.line and problem.place.column <= len(written) + 1
        assert len(problem.place.text) == len(written)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("version=" + "9" * 5000, "too many digits", id="digits"),
        pytest.param("version=0x" + "f" * 15_000, "too many digits", id="hexadecimal"),
        pytest.param("a=[{b={c=" + "9" * 5000 + "}}]", "too many digits", id="digits within"),
        pytest.param(".".join(["a"] * 20_000) + "=1", "too deep", id="a name"),
        pytest.param("[" + ".".join(["a"] * 60) + "]", "too deep", id="a header"),
        pytest.param("a=" + "[" * 60 + "]" * 60, "too deep", id="lists"),
    ],
)
def test_what_python_could_not_work_with_is_told_and_the_rest_is_read(text: str, why: str) -> None:
    found = read(f'mode = "watch"\n{text}\n')

    (problem,) = found.problems
    assert why in problem.sentence and problem.place and problem.place.line == 2
    assert found.values == {"mode": "watch"}


def test_a_file_that_is_no_toml_at_all_does_not_fill_the_screen() -> None:
    found = read("".join(f"line {number}\n" for number in range(1000)))

    assert len(found.problems) == MOST_PROBLEMS + 1
    assert found.problems[-1].sentence == f"and {1000 - MOST_PROBLEMS} more that are not TOML"
    place = found.problems[-1].place
    assert place is not None and place.line == MOST_PROBLEMS + 1, "where the first of them is"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("a = 1\nb = 'caf\udce9'\nc = 3\n", "site.toml:2:9", id="Latin-1"),
        pytest.param("# caf\udce9\nc = 3\n", "site.toml:1:6", id="Latin-1 in a comment"),
        pytest.param("\udcff\udcfea\0 \0=\0 \x001\0", "site.toml:1:1", id="UTF-16"),
        pytest.param("a = 1\n\0", "site.toml:2:1", id="binary"),
    ],
)
def test_a_file_that_is_not_utf_8_is_told_once_at_its_first_wrong_byte(text: str, place: str) -> None:
    found = read(text)

    assert [(problem.code, str(problem.place)) for problem in found.problems] == [("SW103", place)]
    assert ("NUL" if text.isascii() else "not UTF-8") in found.problems[0].sentence
    assert found.values.get("c", 3) == 3


def test_a_value_nested_too_deep_is_told_and_the_rest_is_read() -> None:
    found = read(f"a = {'[' * 5000}{']' * 5000}\nb = 2\n")

    assert [str(problem.place) for problem in found.problems] == ["site.toml:1:1"]
    assert found.values == {"b": 2}


@pytest.mark.parametrize("text", ["[{}[", "[[x{}[", "[{}x{}]]]]{}x", "a{}b", "a ={}", "a = [{}"])
def test_a_line_of_blanks_takes_no_time(text: str) -> None:
    """It would be hours, were one of the expressions to try all ways of parting them."""
    few, many = (read_toml("a.toml", text.replace("{}", " " * blanks)) for blanks in (3, 20_000))

    assert [problem.sentence for problem in many.problems] == [problem.sentence for problem in few.problems]
    assert many.values == few.values
