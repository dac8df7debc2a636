"""engine.mapping.lint: a warning is never a false alarm, and the usual mistakes are found."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendwarden.engine.mapping.lint import FLAGS_OF_TABLES, lint
from sendwarden.engine.mapping.match import Probe
from sendwarden.engine.mapping.run import Mappings, TriedEntry
from tests.engine.mapping.worlds import Echo, TestWorld, entries, read, underlined


def unreachable(*lines: str) -> list[str]:
    """Patterns of the entries that are reported."""
    found = read(entries(*lines), Echo().images)
    return underlined(problem for problem in lint(found.tables["T"]) if problem.code == "SW204")


ANSWERS = st.sampled_from([None, "", "$C", "$Lab", "$R", "$E", "$C$?0?", "ba$C", "$Y"])
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "%", "$A*", "$@*$^", "$$"]), min_size=1, max_size=3).map(
    "".join
)
SEQUENCES = st.sampled_from(
    [
        "$C",
        "$L",
        "$R",
        "$E",
        "$0",
        "a",
        "b",
        "$Y",
        "$:A",
        "$;A",
        "$?50?",
        "$|U;$0|",
        "$[echo.so,say]",
        "$[echo.so,again]",
    ]
)
TEMPLATES = st.lists(SEQUENCES, min_size=1, max_size=4).map("".join)
LINES = st.lists(st.tuples(PATTERNS, TEMPLATES).map("  ".join), min_size=2, max_size=5)


@given(
    LINES,
    st.lists(st.text("abB$", max_size=4), min_size=1, max_size=5),
    ANSWERS,
    st.sampled_from([0.0, 60.0]),
)
@example(["b*  $Y", "a*  $Cb$0", "bz  $N"], ["az"], None, 0.0)  # what comes before was tried on another text
@example(["*  $E$C$:A$E", "a  $Y"], ["a"], None, 0.0)  # a failure between C and E goes on
@example(["*  $[echo.so,again]", "a  $Y"], ["a"], "$Ca", 0.0)  # an answer may go on by itself
@example(["*  x$L", "a  $C$:A$E", "a  $N"], ["a"], None, 0.0)
def test_an_entry_that_is_reported_never_matches(
    lines: list[str], probes: list[str], answer: str | None, percent: float
) -> None:
    text = entries(*lines) + "\n\nU\n\n  a*  $Y$0\n  b  $YT\n"
    found = read(text, Echo(lambda _arguments: answer).images)
    reported = {str(problem.place) for problem in lint(found.tables["T"]) if problem.code == "SW204"}

    for flags in (frozenset[str](), frozenset("A")):
        for probe in probes:
            trace: list[TriedEntry] = []
            Mappings(found.tables).scan("T", probe, TestWorld(percent=percent), flags, trace)
            matched = {str(tried.entry.pattern_place) for tried in trace if tried.matched}
            assert not matched & reported


@pytest.mark.parametrize(
    ("lines", "reported"),
    [
        pytest.param(["*  x", "a  y"], ["a"], id="behind a star"),
        pytest.param(["*  x", "$A*  y", "a  y"], ["a"], id="only what is sure"),
        pytest.param(["a|*  x", "A|b*  y"], ["A|b*"], id="case"),
        pytest.param(["*|*  x", "a|b|c  y", "*|d  z"], ["a|b|c", "*|d"], id="several"),
        pytest.param(["*@x  $N$E", "abuse@x  $N$E"], ["abuse@x"], id="with E"),
        pytest.param(["$D*  x", "$D*  y"], ["$D*"], id="the same pattern"),
        pytest.param(["*  x", "*  y", "*  z"], ["*", "*"], id="the same pattern, three times"),
        pytest.param(["*  $:Ax", "a  y"], ["a"], id="a failure without C ends too"),
        pytest.param(["*  $[echo.so,say]$C$E", "a  y"], ["a"], id="C and E behind what fails"),
        pytest.param(["b  $Ra", "*  x", "c  y"], ["c"], id="a restart tries all again"),
        pytest.param(["b  $Cx", "*  x", "c  y"], ["c"], id="behind an entry that goes on"),
        pytest.param(
            ["*  x", "b  $Cx", "c  y"], ["b", "c"], id="an entry that never matches changes no text"
        ),
    ],
)
def test_an_entry_behind_one_that_takes_all_is_reported(lines: list[str], reported: list[str]) -> None:
    assert unreachable(*lines) == reported


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["a  x", "*  y"], id="the special one first"),
        pytest.param(["*  $Cx", "a  y"], id="C"),
        pytest.param(["*  $C$:A$Y$E", "*  $Y"], id="C, then what may fail, then E"),
        pytest.param(["*|*  $C$[echo.so,again,$0]$Y$E", "*  $Y"], id="the document's greylist"),
        pytest.param(["a*  x", "*a  y"], id="they overlap"),
        pytest.param(["%  x", "a  y"], id="a single letter is not looked into"),
        pytest.param(["a$*  x", "a*  y"], id="a quoted star"),
    ],
)
def test_an_entry_that_may_match_is_not_reported(lines: list[str]) -> None:
    assert unreachable(*lines) == []


def test_the_topmost_of_the_entries_that_take_all_is_named() -> None:
    found = read("T\n*|*|* 1\n*|* 2\n* 3\na|b|c 4\n")

    told = [
        (str(problem.place), problem.remedy.split(",")[0], problem.more)
        for problem in lint(found.tables["T"])
    ]

    assert told == [
        ("mappings:5:1", "line 2", ("Move line 5 above line 2. Entries are tried from the top.",))
    ]


def test_a_table_of_ten_thousand_entries_is_looked_through_in_no_time() -> None:
    lines = [f"*|u{number}@*" for number in range(10_000)]
    table = read(entries(*(f"{line}  $N" for line in lines), "*  $Y", "last  $N")).tables["T"]
    started = time.process_time()

    found = lint(table)

    assert underlined(found) == ["last"]
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("start", "known"), FLAGS_OF_TABLES, ids=[start for start, _ in FLAGS_OF_TABLES])
def test_flags_that_mean_nothing_in_a_table_are_reported_and_no_others(start: str, known: str) -> None:
    letters = "ABDFGHIJKMNOPQSTUVWXYZ<>!"
    name = f"{start}x" if start.endswith("_") else start.lower()
    found = read(f"{name}\na {''.join(f'${letter}' for letter in letters)}$C$L$R$E\n")

    problems = lint(found.tables[name.upper()])

    assert underlined(problems) == [f"${letter}" for letter in letters if letter not in known]
    assert {problem.code for problem in problems} == {"SW215"}


def test_a_table_of_the_sites_own_may_use_any_flag() -> None:
    assert lint(read("INTERNAL_IP\na $Z$Q$!\n").tables["INTERNAL_IP"]) == []


# --- captures beyond the pattern, and keys that are always empty


@given(LINES, st.lists(st.text("abB$", max_size=4), min_size=1, max_size=5))
@example(["$@*$^*  $1", "*  x"], ["ab"])
def test_a_match_gives_just_the_captures_that_templates_may_use(lines: list[str], probes: list[str]) -> None:
    for entry in read(entries(*lines), Echo().images).tables["T"].entries:
        for probe in probes:
            captures = entry.matches(Probe(probe))
            assert captures is None or len(captures) == entry.saved


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("*|*  $[IMTA_LIB:check_metermaid.so,throttle,t,$1]$0$Y", id="all of them"),
        pytest.param("*|*  $$9", id="a quoted dollar"),
        pytest.param("$@*$^%*  $0$1", id="those that are kept"),
        pytest.param("%%%%%%%%%%  $9", id="ten letters"),
        pytest.param("a  $[IMTA_LIB:check_metermaid.so,throttle,t,all]$Y", id="one key for all"),
        pytest.param("*  $[echo.so,say,,]$|T;|", id="an empty argument that is no key"),
        pytest.param("*  $[IMTA_LIB:check_metermaid.so,store,t,$0,]", id="an empty value"),
    ],
)
def test_what_the_pattern_gives_and_keys_that_hold_something_are_not_reported(line: str) -> None:
    assert lint(read(entries(line), Echo().images).tables["T"]) == []
