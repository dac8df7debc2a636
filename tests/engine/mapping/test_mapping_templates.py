"""engine.mapping.template and .expand: what each sequence of a template makes of a probe."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.mapping.limits import CAPTURES
from sendwarden.engine.mapping.template import FLAG_SIGNS
from tests.engine.mapping.worlds import Echo, TestWorld, entries, outcome, scan

FAILED = "(failed)"


def made(template: str, probe: str = "Bob|Ann", pattern: str = "*|*", world: TestWorld | None = None) -> str:
    """The text that a template makes. What follows the flags stands behind a blank."""
    result = scan(entries(f"{pattern}  {template}"), probe, world, images=Echo().images)
    if not result.matched:
        assert outcome(result) == (probe, "")
        return FAILED
    return " ".join(filter(None, outcome(result)))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("x", "x", id="text"),
        pytest.param("$0", "Bob", id="a capture"),
        pytest.param("$1$0$1", "AnnBobAnn", id="captures in any order"),
        pytest.param("$9", "", id="a capture that the pattern does not have"),
        pytest.param("$01", "Bob1", id="one digit names a capture"),
        pytest.param("a$$b", "a$b", id="a dollar"),
        pytest.param("a$ b$\tc", "a b\tc", id="quoted blanks"),
        pytest.param("a b", "a b", id="a blank that nobody quoted"),
        pytest.param("*%&()[]{}\\|", "*%&()[]{}\\|", id="signs that mean nothing without a dollar"),
        # Case
        pytest.param("$\\$0X", "bobx", id="lower case"),
        pytest.param("$^$0x", "BOBX", id="upper case"),
        pytest.param("$\\$0$_$1", "bobAnn", id="case left as it is"),
        pytest.param("$\\$0$^$0", "bobBOB", id="from lower to upper case"),
        pytest.param("$0$\\", "Bob", id="only the text behind it"),
        pytest.param("$\\$0$Y$0", "bobbob Y", id="a flag does not end it"),
        # Quoting for an LDAP filter
        pytest.param("$=(x=$0)", "(x=Bob)", id="text of the template is not quoted"),
        pytest.param("$=$\\$0$_$1", "bobAnn", id="the underscore ends both"),
        # Flags
        pytest.param("$Y", "Y", id="a flag"),
        pytest.param("a$Yb$Nc", "abc NY", id="flags anywhere"),
        pytest.param("$y$Y", "Y", id="a flag in small letters is the same"),
        pytest.param("$<$>$!x", "x !<>", id="signs that are flags"),
        pytest.param("$X4.7.1|$Nno", "4.7.1|no NX", id="flags with their texts"),
    ],
)
def test_what_a_template_makes(template: str, text: str) -> None:
    assert made(template) == text


@pytest.mark.parametrize("letter", [*"ABDFGHIJKMNOPQSTUVWXYZ", *sorted(FLAG_SIGNS)])
def test_every_letter_that_controls_nothing_is_a_flag(letter: str) -> None:
    assert made(f"a${letter}b") == f"ab {letter}"
    assert made(f"a${letter.lower()}b") == f"ab {letter}"


@pytest.mark.parametrize("letter", "CLRE")
def test_controls_are_no_flags(letter: str) -> None:
    assert scan(entries(f"a  ${letter}", "b  x"), "a").flags == frozenset()


LDAP: Mapping[str, str] = {"*": r"\2a", "(": r"\28", ")": r"\29", "\\": r"\5c", "\0": r"\00"}


@given(st.text("ab*()\\\0é|"), st.text("xY*(", max_size=3))
def test_quoting_for_a_filter_makes_captures_harmless_and_loses_nothing(one: str, other: str) -> None:
    quoted = made("(u=$=$0$_)$1", f"{one}|{other}", "$_*|*")

    front, _, rest = f"{one}|{other}".partition("|")
    assert quoted == f"(u={''.join(LDAP.get(letter, letter) for letter in front)}){rest}"


def test_case_is_changed_before_quoting() -> None:
    assert made("$^$=$0", "a*b|") == r"A\2aB"


@given(st.lists(st.text("ab", max_size=2), min_size=1, max_size=CAPTURES + 2))
def test_ten_captures_can_be_named(captures: list[str]) -> None:
    template = "|".join(f"${number}" for number in range(CAPTURES))

    text = made(template, "|".join(captures), "|".join("*" * len(captures)))

    wanted = [*captures, *[""] * CAPTURES][:CAPTURES]
    assert text == "|".join(wanted)


CAPTURED = st.text(st.sampled_from("$YCL[]|{}#,;\\^_=0?: "), max_size=12)


@given(CAPTURED, CAPTURED)
def test_captures_are_text_and_are_never_scanned(one: str, other: str) -> None:
    probe = f"{one}/{other}"
    front, _, back = probe.rpartition("/")

    result = scan(entries("*/*  <$0,$1>"), probe)

    assert outcome(result) == (f"<{front},{back}>", "")


# --- arguments


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        pytest.param("$[echo.so,say]", [], id="none"),
        pytest.param("$[echo.so,say,]", [""], id="an empty one"),
        pytest.param("$[echo.so,say,,x,]", ["", "x", ""], id="the last one empty, as in the document"),
        pytest.param("$[echo.so,say,$0,$1]", ["Bob", "Ann"], id="captures"),
        pytest.param("$[echo.so,say,a$$$ $0b]", ["a$ Bobb"], id="quoted signs"),
        pytest.param("$[IMTA_LIB:echo.so,say,x]", ["x"], id="a logical name in front"),
        pytest.param("$[/opt/lib/Echo.SO,SAY,x]", ["x"], id="a path, and any case"),
        pytest.param("$[echo.so,say,a[b{c;d|e]", ["a[b{c;d|e"], id="brackets are text"),
        # The scope of case and quoting
        pytest.param("$\\$[echo.so,say,$0,X]", ["Bob", "X"], id="case set outside does not reach in"),
        pytest.param("$[echo.so,say,$\\$0,$1]", ["bob", "ann"], id="case set inside holds to the bracket"),
        pytest.param("$[echo.so,say,$\\$0$_,$1]", ["bob", "Ann"], id="and can be ended before"),
        pytest.param("$[echo.so,say,$^x$0]", ["XBOB"], id="upper case, of text too"),
        pytest.param("$[echo.so,say,$=$0$_,$1]", ["Bob", "Ann"], id="quoting as gross recommends"),
    ],
)
def test_the_arguments_of_a_call(template: str, asked: list[str]) -> None:
    echo = Echo()

    scan(entries(f"*|*  {template}"), "Bob|Ann", images=echo.images)

    assert echo.asked == [asked]


def test_quoting_inside_an_argument_holds_to_its_end() -> None:
    echo = Echo()

    result = scan(entries("*|*  $[echo.so,say,$=$0,$1]$0"), "a*|(b", images=echo.images)

    assert echo.asked == [[r"a\2a", r"\28b"]]
    assert result.text == r"a\2a,\28ba*"  # and not behind it


@given(st.text("a,]|$[;", max_size=8))
def test_what_a_capture_holds_never_shifts_an_argument(captured: str) -> None:
    echo = Echo()

    scan(entries("*  $[echo.so,say,1,$0,3]"), captured, images=echo.images)

    assert echo.asked == [["1", captured, "3"]]


def test_the_text_of_a_call_is_subject_to_no_case() -> None:
    assert made("$^x$[echo.so,say,$0]x") == "XBobX"


def test_a_call_that_fails_fails_the_template() -> None:
    images = Echo(lambda _arguments: None).images

    assert outcome(scan(entries("*  a$Y$[echo.so,say]b"), "p", images=images)) == ("p", "")


# --- conditions


@pytest.mark.parametrize(
    ("condition", "flags", "holds"),
    [
        pytest.param("$:A", "A", True, id="set, and set"),
        pytest.param("$:A", "", False, id="set, and clear"),
        pytest.param("$;A", "", True, id="clear, and clear"),
        pytest.param("$;A", "A", False, id="clear, and set"),
        pytest.param("$:a", "A", True, id="in small letters"),
        pytest.param("$:A$;T", "A", True, id="both hold"),
        pytest.param("$:A$;T", "AT", False, id="one of two does not hold"),
        pytest.param("$:<", "<", True, id="a sign"),
    ],
)
def test_input_flags(condition: str, flags: str, holds: bool) -> None:
    result = scan(entries(f"*  {condition}x"), "p", flags=flags)

    assert outcome(result) == (("x", "") if holds else ("p", ""))


@pytest.mark.parametrize(
    ("chance", "percent", "holds"),
    [
        pytest.param("50", 49.9, True, id="just in"),
        pytest.param("50", 50.0, False, id="just out"),
        pytest.param("0", 0.0, False, id="never"),
        pytest.param("100", 99.9999, True, id="always"),
        pytest.param("0.5", 0.4, True, id="half a percent"),
        pytest.param("0.5", 0.5, False, id="half a percent, out"),
    ],
)
def test_chance_holds_for_so_many_percent(chance: str, percent: float, holds: bool) -> None:
    assert made(f"$?{chance}?x", world=TestWorld(percent=percent)) == ("x" if holds else FAILED)


# --- sequences


@pytest.mark.parametrize(
    ("sequence", "numbers"),
    [
        pytest.param("$#n#", ["0", "1", "2", "3"], id="decimal"),
        pytest.param("$#n|2#", ["0", "1", "10", "11"], id="binary"),
        pytest.param("$#n|16|4#", ["0000", "0001", "0002", "0003"], id="with a width"),
        pytest.param("$#n|10|0|3#", ["0", "1", "2", "0"], id="beginning again"),
        pytest.param("$#n|10|2|1#", ["00", "00", "00", "00"], id="of one number"),
    ],
)
def test_a_sequence_counts(sequence: str, numbers: list[str]) -> None:
    world = TestWorld()

    assert [made(sequence, world=world) for _ in numbers] == numbers


@given(st.integers(0, 10**6), st.integers(2, 36))
def test_a_number_of_a_sequence_is_written_in_its_radix(number: int, radix: int) -> None:
    world = TestWorld()
    world.meters.restore_sequence("n", number)

    assert int(made(f"$#n|{radix}#", world=world), radix) == number


def test_sequences_do_not_know_each_other() -> None:
    world = TestWorld()

    assert made("$#a#$#b#$#a#", world=world) == "001"


# --- failure


FAILING = [
    pytest.param("$[echo.so,say]", id="call"),
    pytest.param("$:A", id="input flag"),
    pytest.param("$?0?", id="chance"),
    pytest.param("$|U;no|", id="other table"),
]


@pytest.mark.parametrize("fails", FAILING)
@pytest.mark.parametrize(
    ("template", "goes_on"),
    [
        pytest.param("a$Y{}b", False, id="no control"),
        pytest.param("$C$Y{}b", True, id="C left"),
        pytest.param("$L$Y{}b", True, id="L left"),
        pytest.param("{}$Y$C", False, id="C right"),
        pytest.param("{}$Y$L", False, id="L right"),
        pytest.param("{}$Y$R", False, id="R right"),
        pytest.param("$C$E{}", False, id="C, then E left"),
        pytest.param("$E$C{}", True, id="E, then C left"),
        pytest.param("$C{}$E", True, id="C left, E right"),
        pytest.param("$C{}$E{}", True, id="the first failure counts"),
    ],
)
def test_after_a_failure_the_scan_goes_on_if_a_control_stood_to_its_left(
    fails: str, template: str, goes_on: bool
) -> None:
    text = entries(f"*  {template.replace('{}', fails)}", "p  $Nnext") + "\nU\n\n  yes  $Y\n  *  x"
    images = Echo(lambda _arguments: None).images

    result = scan(text, "p", images=images)

    # Text and flags of the failed entry are dropped, and the next one sees the same text.
    assert outcome(result) == (("next", "N") if goes_on else ("p", ""))


@pytest.mark.parametrize("fails", FAILING)
def test_a_failure_behind_a_restart_restarts_until_the_guard_ends_it(fails: str) -> None:
    world, images = TestWorld(), Echo(lambda _arguments: None).images
    text = entries(f"*  $R{fails}", "p  $Nnext") + "\nU\n\n  *  x"

    assert outcome(scan(text, "p", world, images=images)) == ("p", "")
    assert world.warnings == [("mapping-loop", "T")]


def test_a_failing_part_keeps_what_stands_behind_it_from_happening() -> None:
    world = TestWorld()

    made("$?0?$#n#", world=world)

    assert made("$#n#", world=world) == "0"
