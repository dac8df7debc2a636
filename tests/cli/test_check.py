"""cli.check: the exit code, the last lines, and the two forms for programs."""

import re

import pytest

from sendwarden.cli.exits import CANNOT, GOOD, NO, WARNINGS
from tests.cli.command import Commands
from tests.config.folder import EXAMPLES, example, write

CLEAN = 'state = "var"\n'
SUBMISSION = (
    '[[channel]]\nname = "submission"\nlogin = true\nenvelope_from = "account"\n'
    'sourcefilter = "authspam.filter"\n'
)
ONE_ERROR = {"sendwarden.toml": f"{CLEAN}mode = 5\n"}
ONE_WARNING = {"sendwarden.toml": CLEAN, "conf.d/README": ""}

ONE_OF_EACH = "(1 TOML, 1 mapping file with 1 table, 1 Sieve filter, 1 option file)"
# A folder -> the exit code, that with --strict, and the last lines.
FOLDERS: dict[str, tuple[dict[str, str], int, int, list[str]]] = {
    "right": ({"sendwarden.toml": CLEAN}, GOOD, GOOD, ["0 errors, 0 warnings in 1 file (1 TOML)."]),
    "one warning": (
        ONE_WARNING,
        GOOD,
        WARNINGS,
        ["0 errors, 1 warning in 2 files (1 TOML; 1 not read)."],
    ),
    "one error": (
        ONE_ERROR,
        NO,
        NO,
        [
            "1 error, 0 warnings in 1 file (1 TOML).",
            "Nothing was changed; a daemon that runs keeps the settings it has.",
        ],
    ),
    "both": (
        {**ONE_ERROR, "conf.d/README": ""},
        NO,
        NO,
        [
            "1 error, 1 warning in 2 files (1 TOML; 1 not read).",
            "Nothing was changed; a daemon that runs keeps the settings it has.",
        ],
    ),
    "the document's own files": (
        {**example("authspam"), "sendwarden.toml": CLEAN + SUBMISSION},
        GOOD,
        GOOD,
        [f"0 errors, 0 warnings in 4 files {ONE_OF_EACH}."],
    ),
    "the document's greylisting": (
        {**example("greylist"), "conf.d/state.toml": CLEAN},
        GOOD,
        WARNINGS,
        ["0 errors, 1 warning in 4 files (2 TOML, 1 mapping file with 1 table, 1 Sieve filter)."],
    ),
    "several of each": (
        {
            "sendwarden.toml": CLEAN + SUBMISSION + 'destinationfilter = { internal = "b.filter" }\n',
            "conf.d/a.toml": "",
            "authspam.filter": "keep;",
            "b.filter": "keep;",
            "mappings": "<more\nA\n* $Y\n",
            "more": "B\n* $Y\n",
        },
        GOOD,
        GOOD,
        ["0 errors, 0 warnings in 6 files (2 TOML, 2 mapping files with 2 tables, 2 Sieve filters)."],
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_the_exit_code_and_the_last_lines_sum_it_up(case: str, commands: Commands) -> None:
    files, code, strict, last = FOLDERS[case]
    write(commands.folder, files)

    said = commands.on_folder("check")

    assert said.code == code and said.err == ""
    assert said.out.splitlines()[-len(last) :] == last
    assert commands.on_folder("check", "--strict").code == strict
    assert commands.on_folder("check", "--strict", "--json").code == strict
    assert commands.on_folder("check", "--brief").out.splitlines()[-len(last) :] == last


def test_brief_is_one_line_for_each_as_editors_read_it(commands: Commands) -> None:
    write(commands.folder, {**ONE_ERROR, "conf.d/README": "", "mappings": "T\n*|*\n"})

    said = commands.on_folder("check", "--brief")

    assert said.out.splitlines()[:3] == [
        'mappings:2:1: SW201: table T: the pattern "*|*" has no template',
        "sendwarden.toml:2:8: SW102: 5 is not one of the possible values",
        "-: SW130: conf.d/README is not read: only *.toml files are",
    ]


def test_json_is_one_object_for_each_with_all_that_people_see(commands: Commands) -> None:
    write(commands.folder, {**ONE_ERROR, "conf.d/README": ""})

    records = commands.on_folder("check", "--json").records

    assert records == [
        {
            "severity": "error",
            "code": "SW102",
            "sentence": "5 is not one of the possible values",
            "file": "sendwarden.toml",
            "line": 2,
            "column": 8,
            "width": 1,
            "remedy": 'write "watch" or "enforce"',
            "more": [],
        },
        {
            "severity": "warning",
            "code": "SW130",
            "sentence": "conf.d/README is not read: only *.toml files are",
            "remedy": "",
            "more": ["rename it to README.toml, or move it away"],
        },
    ]
    write(commands.folder, {"sendwarden.toml": CLEAN, "conf.d/README": ""})
    assert [record["severity"] for record in commands.on_folder("check", "--json").records] == ["warning"]


@pytest.mark.parametrize("form", ["", "--brief", "--json"])
def test_what_stands_in_the_files_cannot_reach_the_terminal(form: str, commands: Commands) -> None:
    escapes = "\x9b2J \u202e \u2028 caf\udce9"
    write(
        commands.folder,
        {
            "sendwarden.toml": f'{CLEAN}mode = "\\u001b[2J"\n"\\u001b]0;owned\\u0007" = 1\n# \x9b2J\n'
            '[[channel]]\nname = "\u202ec"\nlogin = true\nsourcefilter = "s\u009b.filter"\n'
            '[[channel]]\nname = "s"\nlogin = true\nsourcefilter = "s.filter"\n',
            "mappings": f"T{escapes}\n*|*\x1b[2J\n".encode("utf-8", "surrogateescape"),
            "metermaid.options": f"metermaid.table.t.quota = {escapes}\x1b[2J\n".encode(
                "utf-8", "surrogateescape"
            ),
            "s.filter": f'kep "{escapes}\x1b[2J";\n'.encode("utf-8", "surrogateescape"),
            "conf.d/\x1b[2J": "",
        },
    )

    said = commands.on_folder("check", *([form] if form else []))

    assert said.code == NO and said.clean
    assert len(said.out.splitlines()) > 6


def test_the_greylisting_example_has_just_the_problems_that_its_page_names(commands: Commands) -> None:
    write(commands.folder, {**example("greylist"), "conf.d/state.toml": CLEAN})

    told = {str(problem["code"]) for problem in commands.on_folder("check", "--json").records}

    (row,) = [line for line in (EXAMPLES / "README.md").read_text().splitlines() if "`greylist`" in line]
    assert told == set(re.findall(r"SW\d{3}", row))


def test_a_folder_that_holds_nothing_is_no_configuration(commands: Commands) -> None:
    said = commands.on_folder("check")

    assert (said.code, said.out) == (CANNOT, "") and said.err.endswith(": create it; it may be empty\n")
    write(commands.folder, {"sendwarden.toml": ""})
    assert commands.on_folder("check").code == GOOD
