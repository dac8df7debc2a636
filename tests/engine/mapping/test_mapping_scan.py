"""engine.mapping.run: the way of a probe through a table and the tables that it asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.mapping.limits import PASSES, PROBE_LETTERS, TABLE_DEPTH
from tests.engine.mapping.worlds import Echo, TestWorld, Trace, entries, outcome, scan, tables

# --- iteration


@pytest.mark.parametrize(
    ("lines", "probe", "result"),
    [
        pytest.param(["a  x", "*  y"], "a", ("x", ""), id="the first that matches wins"),
        pytest.param(["a  x", "*  y"], "b", ("y", ""), id="what does not match is passed over"),
        pytest.param(["a  x$Y"], "b", ("b", ""), id="no match: the probe, no flags"),
        pytest.param([], "b", ("b", ""), id="an empty table"),
        pytest.param(["a  $Y"], "a", ("", "Y"), id="flags alone make the empty text"),
        pytest.param(["a  b$C", "b  x", "a  y"], "a", ("x", ""), id="C: the output is the next input"),
        pytest.param(["b  x", "a  b$C"], "a", ("b", ""), id="C: the next entry, not the first"),
        pytest.param(["a  b$Y$C"], "a", ("b", "Y"), id="C on the last entry"),
        pytest.param(["a  b$Y$C", "b  c$N"], "a", ("c", "NY"), id="flags add up"),
        pytest.param(["a  $Cb$E", "b  x"], "a", ("b", ""), id="E overrides an earlier C"),
        pytest.param(["a  $Eb$C", "b  x"], "a", ("x", ""), id="C overrides an earlier E"),
        pytest.param(["a  $Eb", "b  x"], "a", ("b", ""), id="E alone ends"),
        pytest.param(["b  x", "a  b$R", "*  y"], "a", ("x", ""), id="R: back to the first entry"),
        pytest.param(["a*  $0$R", "*  <$0>"], "aaab", ("<b>", ""), id="R until nothing is left to take"),
        pytest.param(["b  x", "a  b$L", "c  y"], "a", ("x", ""), id="L: once more from the top"),
        pytest.param(["b  x", "a  b$L", "b  y"], "a", ("y", ""), id="L: first on to the end"),
        pytest.param(["b  x$L", "a  b$L", "x  z"], "a", ("z", ""), id="L in the extra pass goes on"),
        pytest.param(["c  x", "b  c$L", "a  b$L"], "a", ("c", ""), id="L in the extra pass gives no other"),
        pytest.param(["a  $Y$Lb", "c  x"], "a", ("b", "Y"), id="L, and nothing matches any more"),
        pytest.param(["a  $C$Rb", "b  x"], "a", ("x", ""), id="the last control counts"),
    ],
)
def test_iteration(lines: list[str], probe: str, result: tuple[str, str]) -> None:
    assert outcome(scan(entries(*lines), probe)) == result


@pytest.mark.parametrize(
    ("lines", "matched"),
    [
        pytest.param(["a  x"], True, id="matched"),
        pytest.param(["a  $C"], True, id="matched and went on"),
        pytest.param(["b  x"], False, id="nothing matched"),
        pytest.param(["a  $:A"], False, id="matched and failed"),
    ],
)
def test_a_result_says_whether_an_entry_counted(lines: list[str], matched: bool) -> None:
    assert scan(entries(*lines), "a").matched is matched


@pytest.mark.parametrize(
    ("flags", "yes"),
    [("Y", True), ("T", True), ("NY", True), ("N", False), ("F", False), ("", False)],
    ids=["Y", "T", "Y wins over N", "N", "F", "none"],
)
def test_yes_is_y_or_t(flags: str, yes: bool) -> None:
    assert scan(entries("*  " + ("".join(f"${flag}" for flag in flags) or "x")), "p").yes is yes


def passes_until_stopped(*lines: str, probe: str) -> tuple[int, tuple[str, str], list[tuple[str, str]]]:
    """How often the first entry matched, what came out, and warnings."""
    trace = Trace()
    world = TestWorld()
    result = scan(entries(*lines), probe, world, trace=trace)
    times = sum(tried.matched and tried.entry.pattern_place.line == 3 for tried in trace)
    return times, outcome(result), world.warnings


def test_ten_passes_in_a_row_that_make_nothing_shorter_are_the_last() -> None:
    stopped = passes_until_stopped("*  $Ya$0$R", probe="b")

    assert stopped == (10, ("a" * 10 + "b", "Y"), [("mapping-loop", "T")])


def test_a_pass_that_makes_the_text_shorter_sets_the_count_back() -> None:
    text = "ab" * 5
    lines = ["a*  $0c$R", "b*  $0$R"]  # a pass of the same length and a shorter one by turns

    times, result, warnings = passes_until_stopped(*lines, probe=text)

    assert (result, warnings) == (("c" * 5, ""), [])
    assert times == 5


def test_a_text_that_grows_and_shrinks_for_ever_is_stopped() -> None:
    times, result, warnings = passes_until_stopped("a  bb$R", "bb  a$R", probe="a")

    assert warnings == [("mapping-loop", "T")]
    assert result[0] in {"a", "bb"}
    assert times <= PASSES


def test_a_long_text_may_be_taken_apart_letter_by_letter() -> None:
    world = TestWorld()

    result = scan(entries("a*  $0$R", "*  end$0"), "a" * 900, world)

    assert (result.text, world.warnings) == ("end", [])


def test_a_text_that_doubles_comes_to_an_end() -> None:
    world = TestWorld()

    result = scan(entries("*  $0$0$R"), "ab" * 20, world)

    assert PROBE_LETTERS < len(result.text) <= 2 * PROBE_LETTERS
    assert world.warnings == [("mapping-probe", "T")]


@pytest.mark.parametrize("pattern", ["*", "%*", "$A*", "$_*"])
def test_a_probe_over_the_limit_matches_nothing_and_that_is_told(pattern: str) -> None:
    world = TestWorld()
    text = entries(f"{pattern}  x")

    assert scan(text, "a" * PROBE_LETTERS, world).matched
    assert world.warnings == []
    assert not scan(text, "a" * (PROBE_LETTERS + 1), world).matched
    assert world.warnings == [("mapping-probe", "T")]


def test_a_pattern_that_takes_too_many_steps_does_not_match_and_that_is_told() -> None:
    world = TestWorld()

    result = scan(entries("*$A*$0*x  bad", "*  $Y"), "a" * 4000, world)

    assert outcome(result) == ("", "Y")
    assert world.warnings == [("mapping-steps", "T")]


def test_the_name_of_a_table_has_no_case() -> None:
    found = tables("Tab\n\n  *  x\n")

    assert "TAB" in found and "tab" in found and "other" not in found
    assert found.scan("tAB", "p", TestWorld()).text == "x"
    with pytest.raises(KeyError):
        found.scan("other", "p", TestWorld())


TEMPLATES = st.lists(
    st.sampled_from(["$C", "$L", "$R", "$E", "$0", "$Y", "$N", "a", "$:A", "$?50?", "$\\", "$^", "$_"]),
    max_size=4,
).map("".join)
PATTERNS = st.lists(st.sampled_from("ab*%"), min_size=1, max_size=4).map("".join)
LINES = st.lists(st.tuples(PATTERNS, TEMPLATES.filter(bool)), max_size=5)
SHORT_TEXTS = st.text("ab", max_size=6)


@given(LINES, SHORT_TEXTS, st.booleans())
def test_every_scan_ends_and_a_trace_changes_nothing(
    lines: list[tuple[str, str]], probe: str, flag: bool
) -> None:
    text = entries(*("  ".join(line) for line in lines))
    flags = "A" if flag else ""
    trace = Trace()

    result = scan(text, probe, flags=flags)

    assert scan(text, probe, flags=flags, trace=trace) == result
    assert result.matched is any(tried.matched and not tried.failed for tried in trace)
    if not result.matched:
        assert outcome(result) == (probe, "")


def test_a_trace_tells_what_was_tried() -> None:
    trace = Trace()
    text = entries("a  x", "b$@*  $C$:A", "*  $C$N$[echo.so,say,$0]", "z  x", "*  $Y")

    scan(text, "bc", images=Echo(lambda _arguments: "told").images, trace=trace)

    told = [(t.entry.pattern, t.probe, t.matched, t.failed, t.text, t.flags, t.calls) for t in trace]
    assert told == [
        ("a", "bc", False, False, "", "", []),
        ("b$@*", "bc", True, True, "", "C", []),
        ("*", "bc", True, False, "told", "NC", ['say(bc): yes, with "told"']),
        ("z", "told", False, False, "", "", []),
        ("*", "told", True, False, "", "Y", []),
    ]


# --- other tables


NESTED = """T

  *|*  $C$|U;$1|<$0>$Y$E
  *    $N

U

  in      $YIN
  small   $yin
  t       $Tt
  no      $N
  a|*     $Y$0
  flags   $Y$X$Dx
  asks    $Y$:Aset
"""


@pytest.mark.parametrize(
    ("probe", "flags", "result"),
    [
        pytest.param("x|in", "", ("IN<x>", "Y"), id="Y is success, and its text is put in"),
        pytest.param("x|small", "", ("in<x>", "Y"), id="y is Y"),
        pytest.param("x|t", "", ("", "N"), id="T is no success"),
        pytest.param("x|no", "", ("", "N"), id="N is failure"),
        pytest.param("x|other", "", ("", "N"), id="no match is failure"),
        pytest.param("x|flags", "", ("x<x>", "Y"), id="its flags are dropped"),
        pytest.param("x|asks", "A", ("set<x>", "Y"), id="input flags are passed on"),
        pytest.param("x|asks", "", ("", "N"), id="a failure in it is failure"),
    ],
)
def test_asking_another_table(probe: str, flags: str, result: tuple[str, str]) -> None:
    assert outcome(scan(NESTED, probe, flags=flags)) == result


@pytest.mark.parametrize("flag", "yYtT")
def test_the_url_form_takes_t_for_success_too(flag: str) -> None:
    text = f"T\n\n  *  $|/U/a$0|\n\nU\n\n  ab  ${flag}x\n"

    assert outcome(scan(text, "b")) == ("x", "")


def test_the_text_of_another_table_is_not_scanned_again() -> None:
    text = "T\n\n  *  $|U;$0|$Y\n\nU\n\n  *  $Y$0$$N\n"

    assert outcome(scan(text, "$0$L$[")) == ("$0$L$[$N", "Y")


def test_case_set_outside_does_not_reach_another_tables_argument_or_text() -> None:
    text = "T\n\n  *  $^$|U;$0|$\\$|U;$^$0|\n\nU\n\n  *  $Y$0\n"

    assert scan(text, "Ab").text == "AbAB"


@pytest.mark.parametrize(
    ("depth", "asked"), [(TABLE_DEPTH, True), (TABLE_DEPTH + 1, False)], ids=["at the cap", "beyond it"]
)
def test_tables_ask_each_other_only_so_deep(depth: int, asked: bool) -> None:
    chain = "".join(f"T{level}\n\n  *  $|T{level + 1};$0|$Y\n\n" for level in range(1, depth))
    text = f"T\n\n  *  $|T1;$0|$Y\n\n{chain}T{depth}\n\n  *  $Yend\n"

    assert outcome(scan(text, "p")) == (("end", "Y") if asked else ("p", ""))


def test_a_table_that_asks_itself_fails_at_the_cap() -> None:
    trace = Trace()

    result = scan("T\n\n  *  $|T;$0|$Y\n", "p", trace=trace)

    assert outcome(result) == ("p", "")
    assert len(trace) == TABLE_DEPTH + 1


def test_a_table_that_is_not_there_is_failure() -> None:
    assert outcome(scan("T\n\n  *  $C$|U;$0|$E\n  *  x\n", "p")) == ("x", "")
