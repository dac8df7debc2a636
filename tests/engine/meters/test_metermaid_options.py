"""MeterMaid's option file: every spelling that is in use, and what is wrong, with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.place import Severity
from sendwarden.engine.meters.options import NO_EFFECT, OPTIONS, TableOptions, read_options
from sendwarden.engine.meters.tables import TABLE_TYPES, new_table

EXAMPLE = Path(__file__).parents[3] / "examples" / "authspam" / "metermaid.options"


def read(text: str) -> tuple[dict[str, TableOptions], list[str]]:
    tables, problems = read_options("metermaid.options", text)
    return tables, [problem.code for problem in problems]


def test_the_documents_options_load_as_they_stand() -> None:
    tables, codes = read(EXAMPLE.read_text())

    assert codes == []
    assert tables == {
        "limitauthspam": TableOptions(
            "limitauthspam", quota=50, quota_time=3600, max_entries=1000, options=frozenset({"nocase"})
        )
    }


def test_what_no_option_names_is_as_in_the_original() -> None:
    tables, codes = read("metermaid.table.T.quota = 5\n")

    assert (codes, tables["t"].limit.penalize) == ([], False)
    options = tables["t"]
    assert (options.type, options.data_type, options.algorithm) == ("throttle", "string", "sliding")
    assert (options.quota, options.quota_time, options.max_entries) == (5, 60, 1000)
    assert (options.block_time, options.resubmit_time, options.inactivity_time) == (300, 14_400, 604_800)


FIFTY = {"t": TableOptions("t", quota=50)}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("metermaid.table.T.quota = 50", id="as in the document"),
        pytest.param("metermaid.table.t.quota=50\r\n", id="without blanks, CRLF"),
        pytest.param("  METERMAID.Table.T.QUOTA\t=\t50  ", id="case and blanks"),
        pytest.param('metermaid.table.T.quota = "50"', id="quotes"),
        pytest.param("metermaid.table.T.quota = '50'", id="single quotes"),
        pytest.param("metermaid.local_table:T.quota = 50", id="unified configuration"),
        pytest.param("configutil -o metermaid.table.T.quota -v 50", id="configutil"),
        pytest.param("./configutil -o metermaid.table.T.quota -v 50", id="configutil in this folder"),
        pytest.param(
            "/opt/sun/sbin/configutil  -v '50'  -o \"metermaid.table.T.quota\"", id="configutil, quotes"
        ),
        pytest.param("metermaid.table.T.quota =\n50\n", id="a value on the next line"),
        pytest.param("metermaid.table.T.quota =   \r\n   50  \r\n", id="the same with blanks and CRLF"),
        pytest.param(
            "# c\n! c\n\n  # c = d\nmetermaid.table.T.quota = 50\n#metermaid.table.T.quota = 7", id="comments"
        ),
    ],
)
def test_one_option_in_many_spellings(text: str) -> None:
    assert read(text) == (FIFTY, [])


@pytest.mark.parametrize(
    ("option", "value", "attribute", "meant"),
    [
        ("type", "Simple", "type", "simple"),
        ("table_type", "greylisting", "type", "greylisting"),
        ("data_type", "ipv4", "data_type", "ipv4"),
        ("value_type", "integer", "value_type", "integer"),
        ("quota", "1", "quota", 1),
        ("quota", "1000000000", "quota", 10**9),
        ("quota_time", "86400", "quota_time", 86_400),
        ("max_entries", "100000", "max_entries", 100_000),
        ("options", "nocase", "options", frozenset({"nocase"})),
        ("options", '"nocase,penalize"', "options", frozenset({"nocase", "penalize"})),
        ("options", " NoCase , penalize,", "options", frozenset({"nocase", "penalize"})),
        ("options", "", "options", frozenset()),
        ("table_options", "penalize", "options", frozenset({"penalize"})),
        ("algorithm", "leaky", "algorithm", "leaky"),
        ("block_time", "pt5s", "block_time", 5),
        ("resubmit_time", "pt1m", "resubmit_time", 60),
        ("inactivity_time", "P7D", "inactivity_time", 604_800),
        ("storage", "splay", "name", "t"),
    ],
)
def test_every_option(option: str, value: str, attribute: str, meant: object) -> None:
    tables, codes = read(f"metermaid.table.t.{option} = {value}\n")

    assert (codes, getattr(tables["t"], attribute)) == ([], meant)


def test_every_option_is_in_the_table_above() -> None:
    above = test_every_option.pytestmark[0].args[1]  # type: ignore[attr-defined]

    assert {row[0] for row in above} == OPTIONS.keys()


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_every_type_of_table_can_be_made(kind: str) -> None:
    tables, _codes = read(f"metermaid.table.t.type = {kind}\n")

    assert isinstance(new_table(tables["t"]), TABLE_TYPES[kind])


def test_the_recipes_parameters_of_messaging_server_load() -> None:
    text = (
        "metermaid.table.bad_user_attempts.type = throttle\n"
        "metermaid.table.bad_user_attempts.data_type = ipv4\n"
        "metermaid.table.bad_user_attempts.options = penalize\n"
        "metermaid.table.bad_user_attempts.quota = 2\n"
        "metermaid.table.bad_user_attempts.quota_time = 86400\n"
        "metermaid.table.bad_user_attempts.max_entries = 1000\n"
        'configutil -o metermaid.table.slow_delivery.options -v "nocase"\n'
    )

    tables, codes = read(text)

    assert codes == []
    assert tables["bad_user_attempts"].limit.penalize and tables["bad_user_attempts"].quota == 2
    assert tables["slow_delivery"].options == {"nocase"}


def test_each_option_knows_where_it_was_set() -> None:
    tables, _codes = read("\nmetermaid.table.t.quota = 50\nmetermaid.table.t.options =\n  nocase\n")

    places = {name: (str(place), place.width) for name, place in tables["t"].places.items()}
    assert places == {"quota": ("metermaid.options:2:27", 2), "options": ("metermaid.options:4:3", 6)}


# --- what is wrong

T = "metermaid.table.t."
BIG = "9" * 5000

# code, text, line:column, what is underlined, words of the sentence, words of the remedy
WRONG = [
    ("SW401", f"{T}quota = fifty\n", "1:27", "fifty", 'a whole number is expected, not "fifty"',
     "digits alone"),
    ("SW401", f"{T}quota = 1.5\n", "1:27", "1.5", 'not "1.5"', "digits alone"),
    ("SW401", f"{T}quota = -5\n", "1:27", "-5", 'not "-5"', "digits alone"),
    ("SW401", f"{T}quota = \N{SUPERSCRIPT TWO}\n", "1:27", "\N{SUPERSCRIPT TWO}", "a whole number",
     "digits alone"),
    ("SW401", f"{T}quota = 0\n", "1:27", "0", "0 is out of range", "from 1 to 1000000000"),
    ("SW401", f"{T}quota = 1000000001\n", "1:27", "1000000001", "out of range", "from 1 to 1000000000"),
    ("SW401", f"{T}quota = {BIG}\n", "1:27", BIG, "out of range", "from 1 to 1000000000"),
    ("SW401", f"{T}quota =\n", "1:26", "", 'not ""', "digits alone"),
    ("SW401", f"{T}quota =\n# 50\n", "1:26", "", 'not ""', "digits alone"),
    ("SW401", f"{T}quota =\nx\n", "2:1", "x", 'not "x"', "digits alone"),
    ("SW401", f'{T}quota = "x"\n', "1:27", '"x"', 'not "x"', "digits alone"),
    ("SW401", f"{T}max_entries = 1k\n", "1:33", "1k", 'not "1k"', "digits alone"),
    ("SW401", f"{T}quota_time = 1h\n", "1:32", "1h", 'a whole number of seconds is expected, not "1h"',
     "write 3600"),
    ("SW401", f"{T}quota_time = pt5m\n", "1:32", "pt5m", "of seconds", "write 300"),
    ("SW401", f"{T}quota_time = 0\n", "1:32", "0", "0 is out of range", "from 1 to 1000000000"),
    ("SW401", f"{T}quota_time = 0s\n", "1:32", "0s", "of seconds", "digits alone, such as 3600"),
    ("SW401", f"{T}quota_time = 1hr\n", "1:32", "1hr", "of seconds", "digits alone, such as 3600"),
    ("SW401", f"{T}quota_time = 99999999d\n", "1:32", "99999999d", "of seconds",
     "digits alone, such as 3600"),
    ("SW401", f"{T}type = throtle\n", "1:26", "throtle", '"throtle" is not one of',
     'did you mean "throttle"?'),
    ("SW401", f"{T}data_type = x\n", "1:31", "x", '"x" is not one of', "known are string, ipv4"),
    ("SW401", f"{T}options = nocase,penalise\n", "1:29", "nocase,penalise", '"penalise" is',
     'mean "penalize"?'),
    ("SW401", f"{T}algorithm = x\n", "1:31", "x", '"x" is not one of', "sliding, leaky, fixed"),
    ("SW401", f"{T}storage = tree\n", "1:29", "tree", '"tree" is not one of', "hash, splay"),
    ("SW401", f"{T}block_time = 5 minutes\n", "1:32", "5 minutes", "an ISO 8601 duration", '"PT5M"'),
    ("SW401", f"configutil -o {T}quota -v x\n", "1:42", "x", 'not "x"', "digits alone"),
    ("SW401", f'configutil -v "o" -o {T}quota\n', "1:16", "o", 'not "o"', "digits alone"),
    ("SW401", f"configutil -o {T}quota -v ''\n", "1:42", "'", 'not ""', "digits alone"),
    ("SW404", f"{T}qouta = 5\n", "1:1", f"{T}qouta", '"qouta" is not an option of', 'did you mean "quota"?'),
    ("SW404", f"{T}zzz = 5\n", "1:1", f"{T}zzz", '"zzz" is not an option', "known are type, table_type"),
    ("SW404", f" configutil -o {T}zzz -v 5\n", "1:16", f"{T}zzz", '"zzz" is not an option', "known are type"),
    ("SW405", "metermaid.config.port = 63837\n", "1:1", "metermaid.config.port", "has no effect",
     "it may stay"),
    ("SW405", "local.metermaid.enable = 1\n", "1:1", "local.metermaid.enable", "has no effect",
     "it may stay"),
    ("SW407", f"{T}quota 50\n", "1:1", f"{T}quota 50", "this line sets nothing", 'write "name = value"'),
    ("SW407", "= 50\n", "1:1", "= 50", "this line sets nothing", 'write "name = value"'),
    ("SW407", f"configutil -o {T}quota\n", "1:1", f"configutil -o {T}quota", "sets nothing",
     "-o metermaid.table"),
    ("SW407", 'configutil -o "x -v 5\n', "1:1", 'configutil -o "x -v 5', "sets nothing",
     "-o metermaid.table"),
    ("SW407", "configutil -o a\\ b -v 5\n", "1:1", "c", '"a b" is not an option', "metermaid.table.T.quota"),
    ("SW407", "metermaid.tabel.t.quota = 5\n", "1:1", "metermaid.tabel.t.quota", "is not an option",
     "T.quota"),
    ("SW407", "metermaid.table.quota = 5\n", "1:1", "metermaid.table.quota", "is not an option", "T.quota"),
    ("SW407", "logfile.http.loglevel = x\n", "1:1", "logfile.http.loglevel", "is not read", "T.quota"),
    ("SW408", f"{T}quota = 1\n{T}Quota = 2\n", "2:1", f"{T}Quota", "set twice; this one",
     "metermaid.options:1:27"),
    ("SW408", f"{T}type = simple\n{T}table_type = simple\n", "2:1", f"{T}table_type", "set twice",
     ".options:1:26"),
]  # fmt: skip
WARNINGS = {"SW405", "SW408"}


@pytest.mark.parametrize(
    ("code", "text", "place", "caret", "says", "remedy"),
    [pytest.param(*row, id=f"{row[0]} {row[1][:60]!r}") for row in WRONG],
)
def test_one_mistake_is_one_problem_with_its_place_and_a_remedy(  # noqa: PLR0913, PLR0917 - a table's row
    code: str, text: str, place: str, caret: str, says: str, remedy: str
) -> None:
    _tables, problems = read_options("metermaid.options", text)

    (problem,) = problems
    where = problem.place
    assert where
    assert (problem.code, str(where)) == (code, f"metermaid.options:{place}")
    assert where.text[where.column - 1 : where.column - 1 + where.width][: len(caret) or None] == caret
    assert says in problem.sentence
    assert remedy in problem.remedy
    foreign = code == "SW407" and not text.startswith(
        ("metermaid", "=", f"configutil -o {T}", 'configutil -o "')
    )
    assert problem.severity is (Severity.WARNING if code in WARNINGS or foreign else Severity.ERROR)


def test_every_code_of_the_option_file_stands_in_the_table_above() -> None:
    # SW402 needs the state, SW403 and SW216 need the mapping tables: they are found elsewhere.
    assert {row[0] for row in WRONG} == {"SW401", "SW404", "SW405", "SW407", "SW408"}


def test_a_wrong_value_leaves_the_rest_of_its_table_alone() -> None:
    tables, codes = read(f"{T}quota = x\n{T}quota_time = 9\n{T}quota = 7\n")

    assert codes == ["SW401"]
    assert tables == {"t": TableOptions("t", quota=7, quota_time=9)}


def test_of_two_values_the_last_counts() -> None:
    assert read(f"{T}quota = 1\n{T}quota = 50\n")[0] == FIFTY


@pytest.mark.parametrize("prefix", NO_EFFECT)
def test_options_of_the_originals_server_are_read_and_told(prefix: str) -> None:
    assert read(f"{prefix}x = 5\n") == ({}, ["SW405"])


def test_an_empty_value_does_not_swallow_the_next_setting() -> None:
    lines = [f"{T}options =", "configutil -o metermaid.table.t.quota -v 50"]

    assert read("\n".join(lines)) == (FIFTY, [])


SCRAPS = st.sampled_from(
    ["\n", "\r\n", " ", "=", T, "metermaid.local_table:x.", "quota", "quota_time", "options", "type", "50",
     "1h", "P7D", "nocase", ",", '"', "'", "#", "!", "configutil ", "-o ", "-v ", "\\", "é",
     "\udc80", "\0", BIG, "storage"]
)  # fmt: skip


@given(st.lists(SCRAPS | st.text(max_size=3), max_size=20).map("".join))
def test_any_text_loads_and_every_problem_has_a_place_inside_it(text: str) -> None:
    tables, problems = read_options("metermaid.options", text)

    lines = text.split("\n")
    for problem in problems:
        place = problem.place
        assert place and problem.sentence and problem.remedy
        assert place.text == lines[place.line - 1].rstrip("\r")
        assert 1 <= place.column <= len(place.text) + 1
        assert place.column - 1 + place.width <= max(len(place.text), place.column)
    for options in tables.values():
        assert len(new_table(options)) == 0
