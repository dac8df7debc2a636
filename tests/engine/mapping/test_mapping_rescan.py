"""A callout's result: plain text, or scanned again as template; and then it may call nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.mapping.worlds import Echo, TestWorld, entries, outcome, scan


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param("plain", ("plain-b|c", "Y"), id="text"),
        pytest.param("$0", ("b-b|c", "Y"), id="a capture"),
        pytest.param("$N$X4.4.3|a$ b", ("4.4.3|a b-b|c", "NXY"), id="flags and quoted blanks"),
        pytest.param("$^$0$_$1", ("Bc-b|c", "Y"), id="case, which ends with it"),
        pytest.param("$Cx", ("next:x-b|c", "Y"), id="a control"),
        pytest.param("$?50?x", ("x-b|c", "Y"), id="a chance that holds"),
        pytest.param("$?10?x", ("b|c", ""), id="a chance that does not"),
        pytest.param("$:Ax", ("b|c", ""), id="an input flag that is not set"),
        pytest.param("$C$:Ax", ("next:b|c", ""), id="a control, then a failure"),
        pytest.param("$[echo.so,say]", ("b|c", ""), id="no call"),
        pytest.param("$|U;x|", ("b|c", ""), id="no table"),
        pytest.param("$]ldap:///[", ("b|c", ""), id="no LDAP look-up"),
        pytest.param("$}x{", ("b|c", ""), id="no domain"),
        pytest.param("${x}", ("b|c", ""), id="no database"),
        pytest.param("$#n#", ("b|c", ""), id="no sequence"),
        pytest.param("a$", ("b|c", ""), id="no template at all"),
        pytest.param("$(", ("b|c", ""), id="an unknown sequence"),
        pytest.param("", ("-b|c", "Y"), id="nothing"),
    ],
)
def test_a_result_that_is_scanned_again_may_hold_captures_and_flags_but_call_nothing(
    answer: str, result: tuple[str, str]
) -> None:
    echo = Echo(lambda arguments: answer if arguments else "called")
    text = entries("*|*  $[echo.so,again,x]-$0|$1$Y", "*  next:$0") + "\n\nU\n\n  *  $Y\n"

    assert outcome(scan(text, "b|c", TestWorld(percent=40), images=echo.images)) == result
    assert echo.asked == [["x"]]


CALLING = [
    "$[echo.so,say,called]",
    "$|U;called|",
    "$#n#",
    "$",
    "$Y",
    "$L",
    "$C",
    "a",
    "]",
    "|",
    "$$",
    "$ ",
    "$\\",
    "$0",
]


@given(st.lists(st.sampled_from(CALLING), max_size=6).map("".join))
def test_a_result_that_is_scanned_again_calls_nothing_whatever_it_holds(answer: str) -> None:
    echo, world = Echo(lambda _arguments: answer), TestWorld()
    text = entries("%*  $C$[echo.so,again,$0]") + "\n\nU\n\n  called  $Y$[echo.so,say,called]\n"

    scan(text, "b", world, images=echo.images)

    assert ["called"] not in echo.asked
    assert world.meters.next_number("n") == 0


def test_a_result_that_is_no_template_is_told_by_its_routine() -> None:
    world = TestWorld()

    scan(entries("*  $[echo.so,again]"), "p", world, images=Echo(lambda _arguments: "$[").images)

    assert world.warnings == [("callout-result", "again")]


def test_a_result_that_is_not_scanned_again_is_plain_text() -> None:
    answer = "$0$Y$[x,y]$"

    result = scan(entries("*  $[echo.so,say]"), "p", images=Echo(lambda _arguments: answer).images)

    assert outcome(result) == (answer, "")
