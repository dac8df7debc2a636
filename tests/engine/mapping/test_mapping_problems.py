"""What can be wrong with a mapping file: its code, its place to the letter, and what to write instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.place import Problem, Severity
from sendwarden.engine.mapping.lint import lint
from sendwarden.engine.mapping.parse import read_mappings, table_problems
from tests.engine.mapping.worlds import EXAMPLES, Echo, texts_of, underlined

FILES = {"two": "a|b x\n<three\n", "three": "<four\n", "four": "<five\n"}


def problems_of(text: str) -> list[Problem]:
    found = read_mappings("mappings", text, texts_of(FILES), Echo().images)
    linted = [problem for table in found.tables.values() for problem in lint(table)]
    return [*found.problems, *table_problems(found, found.tables), *linted]


METERMAID = "check_metermaid.so"
CHECK = f"IMTA_LIB:{METERMAID}"

# code, text, place (in "mappings" unless it names a file), what is underlined, words of the sentence and of
# the remedy
WRONG = [
    # Layout
    ("SW201", "T\n*|*\nU\n", "2:1", "*|*", 'table T: the pattern "*|*" has no', 'begins with "$"'),
    ("SW201", "T\n  a|b\n  c d\n", "2:3", "a|b", 'pattern "a|b" has no template', "white space"),
    ("SW201", "T\n a|b", "2:2", "a|b", 'pattern "a|b" has no template', "white space"),
    ("SW201", "T\n a|\\\n  !x\nb", "2:2", "a|\\", 'pattern "a|b" has no template', "white space"),
    ("SW201", "a|b\nT\na b", "1:1", "a|b", "before the first table", "white space"),
    ("SW202", "! x\n a b\n c d\nT\na b", "2:2", "a", "belongs to no table", "column 1"),
    ("SW203", "Tab\na b\ntAB \na b", "3:1", "tAB", "table tAB stands twice", "1:1; join them"),
    ("SW206", "T\na x$ y  z w\n", "2:7", " ", "table T: a blank", 'write "$ "'),
    ("SW206", "T\na x\ty\n", "2:4", "\t", "not quoted", 'write "$ "'),
    ("SW207", f"T\n {'a' * 257} x\n", "2:2", "a" * 257, "a pattern of 257 letters", "not load there"),
    ("SW207", f"T\na {'x' * 1025}\n", "2:3", "x" * 1025, "a template of 1025 letters", "not load there"),
    ("SW208", "T\n<none\n", "2:1", "<none", '"none" cannot be included: there is no such', "name a file"),
    ("SW208", "T\n<two\n", "four:1:1", "<five", "at most 3 deep", "write its entries into"),
    # Patterns
    ("SW201", "T\n  ab$ x\n", "2:3", "ab$ x", "has no template", "white space"),
    ("SW209", "T\na$q x\n", "2:2", "$q", '"$q" means nothing in a pattern', '"$A%"'),
    ("SW209", "T\na$1x x\n", "2:2", "$1", '"$1" in a pattern needs a star', 'write "$1*"'),
    ("SW209", "T\n*$1* x\n", "2:2", "$1*", "wildcard 1 is not saved before", "saved so far: 1,"),
    ("SW209", "T\n$0** x\n", "2:1", "$0*", "wildcard 0 is not saved before", "saved so far: 0,"),
    ("SW209", "T\n$@*$0* x\n", "2:4", "$0*", "wildcard 0 is not saved before", "saved so far: 0,"),
    ("SW209", "T\n a$Ab x\n", "2:3", "$A", '"$A" needs a wildcard', 'write "%" or "*"'),
    ("SW209", "T\n$[ab]c x\n", "2:1", "$[ab]", '"$[ab]" needs a wildcard', 'write "%" or "*"'),
    ("SW209", "T\na$[bc x\n", "2:2", "$[bc", '"$[" without "]"', 'close the set: "$[a-z]*"'),
    ("SW209", "T\na$[b\\ x\n", "2:2", "$[b\\", '"$[" without "]"', 'close the set: "$[a-z]*"'),
    ("SW209", "T\na$[]* x\n", "2:2", "$[]", "a set without letters", 'write "$[a-z]*"'),
    ("SW209", "T\n$[az-m]* x\n", "2:4", "z-m", '"z-m" runs backwards', 'write "m-z"'),
    ("SW209", "T\na$(10.0.0.0 x\n", "2:2", "$(10.0.0.0", '"$(" without ")"', 'write "$(10.0.0.0/8)"'),
    ("SW209", "T\n$(10.0.0/8) x\n", "2:1", "$(10.0.0/8)", '"10.0.0/8" is not a', 'write "$(10.0.0.0/8)"'),
    ("SW209", "T\n$(10.0.0.0/33) x\n", "2:1", "$(10.0.0.0/33)", "is not a network", "$(10.0.0.0/8)"),
    ("SW209", "T\n$(10.0.0.0/) x\n", "2:1", "$(10.0.0.0/)", "is not a network", "$(10.0.0.0/8)"),
    ("SW209", "T\n$(10.0.0.0/255.0.0.0) x\n", "2:1", "$(10.0.0.0/255.0.0.0)", "is not a", "/8)"),
    ("SW209", "T\n$<1.2.3.4/33> x\n", "2:1", "$<1.2.3.4/33>", "is not a network", "$<192.0.2.4/2>"),
    ("SW209", "T\n$<1.2.3.4 x\n", "2:1", "$<1.2.3.4", '"$<" without ">"', "$<192.0.2.4/2>"),
    ("SW209", "T\n${2001::/129} x\n", "2:1", "${2001::/129}", "is not a network", "${2001:db8::/32}"),
    ("SW209", "T\n${10.0.0.0/8} x\n", "2:1", "${10.0.0.0/8}", "is not a network", "${2001:db8::/32}"),
    ("SW209", f"T\n{'a*' * 101} x\n", "2:1", "a*" * 101, "202 parts, at most 200", "let one star"),
    # Templates
    ("SW205", "T\na x$\n", "2:4", "$", 'a "$" at the end', '"$$"'),
    ("SW205", "T\na x$(y\n", "2:4", "$(", '"$(" means nothing in a template', 'leave the "$" out'),
    ("SW205", "T\na $é\n", "2:3", "$é", '"$é" means nothing', 'leave the "$" out'),
    ("SW205", "T\na x$[b,c\n", "2:4", "$[", '"$[" without "]"', 'add the closing "]"'),
    ("SW205", "T\na $[b]\n", "2:3", "$[b]", "needs an image and a routine", "check_metermaid.so"),
    ("SW205", "T\na $[b,]\n", "2:3", "$[b,]", "needs an image and a routine", "check_metermaid.so"),
    ("SW205", "T\na $[$0,b]\n", "2:3", "$[$0,b]", "both written out", "check_metermaid.so"),
    ("SW205", "T\na $[b,c,$[d]]\n", "2:9", "$[", '"$[" inside an argument', "nothing is called there"),
    ("SW205", "T\na $[b,c,$Y]\n", "2:9", "$Y", '"$Y" inside an argument', "an argument holds text"),
    ("SW205", "T\na $[b,c,$Y]$Y\n", "2:9", "$Y", '"$Y" inside an argument', 'is "]" missing before it?'),
    ("SW205", "T\na $[b,c,$0$0$Y\n", "2:3", "$[", '"$[" without "]"', 'closing "]", perhaps before "$Y"'),
    ("SW205", "T\na $|U;$0$Y\n", "2:3", "$|", '"$|" without "|"', 'closing "|", perhaps before "$Y"'),
    ("SW205", "T\na $[b,c,$\n", "2:9", "$", "inside an argument", "an argument holds text"),
    ("SW205", "T\na $|U;b\n", "2:3", "$|", '"$|" without "|"', 'add the closing "|"'),
    ("SW205", "T\na $|U|\n", "2:3", "$|U", "a table and its argument", 'write "$|INTERNAL_IP;$2|"'),
    ("SW205", "T\na $|;b|\n", "2:3", "$|", "a table and its argument", 'write "$|INTERNAL_IP;$2|"'),
    ("SW205", "T\na $|/U|\n", "2:3", "$|/U", "a table and its argument", 'write "$|INTERNAL_IP;$2|"'),
    ("SW205", "T\na $#n\n", "2:3", "$#", '"$#" without "#"', 'add the closing "#"'),
    ("SW205", "T\na $##\n", "2:3", "$##", "the name of a sequence", 'write "$#name#"'),
    ("SW205", "T\na $#$0#\n", "2:3", "$#$0#", "the name of a sequence", 'write "$#name#"'),
    ("SW205", "T\na $#n|x#\n", "2:7", "x", '"x" is not a number', "$#name|10|6|1000000#"),
    ("SW205", "T\na $#n|1#\n", "2:3", "$#n|1#", "a radix of 2 to 36", "$#name|10|6|1000000#"),
    ("SW205", "T\na $#n|37#\n", "2:3", "$#n|37#", "a radix of 2 to 36", "$#name|10|6|1000000#"),
    ("SW205", "T\na $#n|9|33#\n", "2:3", "$#n|9|33#", "a width of at most 32", "$#name|10|6"),
    ("SW205", "T\na $#n|9|3|4|5#\n", "2:3", "$#n|9|3|4|5#", "a radix of 2 to 36", "$#name|10|6"),
    ("SW205", f"T\na $#n|{'9' * 5000}#\n", "2:7", "9" * 5000, "is not a number", "$#name|10|6"),
    ("SW205", "T\na $?x?\n", "2:3", "$?x", "a chance in percent", 'write "$?50?"'),
    ("SW205", "T\na $?101?\n", "2:3", "$?101", "a chance in percent", 'write "$?50?"'),
    ("SW205", "T\na $?nan?\n", "2:3", "$?nan", "a chance in percent", 'write "$?50?"'),
    ("SW205", "T\na $?50\n", "2:3", "$?", "a chance in percent", 'write "$?50?"'),
    ("SW205", "T\na x$:\n", "2:4", "$:", "a flag's letter", 'write "$:A"'),
    ("SW205", "T\na $;$Y\n", "2:3", "$;", "a flag's letter", 'write "$:A"'),
    ("SW205", "T\na $][\n", "2:3", "$][", "an LDAP URL is expected", '"$]" and "["'),
    ("SW205", "T\na ${}\n", "2:3", "${}", "a name is expected", '"${" and "}"'),
    ("SW205", "T\na $}x\n", "2:3", "$}", '"$}" without "{"', 'add the closing "{"'),
    # Calls
    ("SW210", "T\n* $[lib:chek_metermaid.so,throttle,t,$0]\n", "2:9", "chek_metermaid.so",
     'call-out to "chek_metermaid.so": no such', f'did you mean "{METERMAID}"?  Known: {METERMAID}, echo.so'),
    ("SW210", "T\na x$[/a/q.so,b]\n", "2:9", "q.so", 'call-out to "q.so"', "Known: check_metermaid.so"),
    ("SW211", f"T\n* $[{CHECK},throtle,t,$0]\n", "2:33", "throtle", 'no routine "throtle"', '"throttle"?'),
    ("SW211", f"T\na $[{CHECK},zzz,t]\n", "2:33", "zzz", "check_metermaid.so has no routine", "Known: adj"),
    ("SW211", "T\na $[ echo.so, zzz]\n", "2:15", "zzz", 'echo.so has no routine "zzz"', "Known: again, say"),
    ("SW212", f"T\na $[{CHECK},throttle,t]\n", "2:5", f"{CHECK},throttle",
     "throttle takes 2 arguments, here are 1", "write throttle,table,key"),
    ("SW212", "T\na $[echo.so,say,1,2,3,4]\n", "2:5", "echo.so,say", "takes 0 to 3 arguments, here are 4",
     "write say,one,two,three"),
    ("SW213", "T\n* $|INTERNL;$0|\nINTERNAL\na b", "2:5", "INTERNL", 'no table "INTERNL" to ask',
     'did you mean "INTERNAL"?'),
    ("SW213", "T\n* $Y$|/ U/$0|\n", "2:9", "U", 'no table "U"', "add the table, or take the entry out"),
    ("SW214", "T\na x$]ldap:///a?b[y\n", "2:4", "$]ldap:///a?b[", "no directory is set",
     "take the entry out"),
    ("SW214", "T\na $}$0,_base_dn_{\n", "2:3", "$}$0,_base_dn_{", "no directory is set", "take the entry"),
    ("SW214", "T\na ${$0}\n", "2:3", "${$0}", "no database is set", "take the entry out"),
    # Lint
    ("SW204", "T\n*|* x\n\n a|* y\n", "4:2", "a|*", "table T: this entry can never match",
     'line 2, "*|*", matches everything before it and ends'),
    ("SW215", "FILTER_x\na x$Z$Y\n", "2:4", "$Z", 'flag "$Z" has no meaning in table FILTER_x',
     "known here: $Y"),
    ("SW217", f"T\n*|* $C$[{CHECK},throttle,t,$9]$1$Y\n", "2:48", "$9", 'table T: "$9" stands for nothing',
     'the pattern "*|*" has 2 wildcards, $0 to $1'),
    ("SW217", "T\n* $0x$1\n", "2:6", "$1", '"$1" stands for nothing', 'the pattern "*" has 1 wildcard, $0'),
    ("SW217", "T\na x$0\n", "2:4", "$0", '"$0" stands for nothing', 'the pattern "a" has no wildcards'),
    ("SW217", "T\n* $|U;$1|\nU\na b\n", "2:7", "$1", '"$1" stands for nothing', "1 wildcard, $0"),
    ("SW217", "T\n* $[echo.so,say,a,b$^$1]\n", "2:22", "$1", '"$1" stands for nothing', "1 wildcard, $0"),
    ("SW217", "T\n*$@*%$^%$0* $0$1$2\n", "2:17", "$2", '"$2" stands for', "has 2 wildcards, $0 to $1"),
    ("SW217", "T\n$A%$[a-c]*$_*$(10.0.0.0/8) $2$3\n", "2:30", "$3", '"$3" stands for', "3 wildcards, $0"),
    ("SW217", "T\n$*$%$<1.2.3.4/2> b\\\n $0\n", "3:2", "$0", '"$0" stands for', "has no wildcards"),
    ("SW218", f"T\n* $[{CHECK},throttle,t,]$Y\n", "2:5", f"{CHECK},throttle",
     "table T: throttle has an empty key", 'write what is counted for, such as "$0"'),
    ("SW218", f"T\na $[{CHECK},adjust_and_test,t,$\\,1,>5]$Y\n", "2:5", f"{CHECK},adjust_and_test",
     "adjust_and_test has an empty key", 'the pattern "a" has no wildcards'),
    # Continued lines: the caret stands where the letter does
    ("SW205", "T\na b\\\n   c$(d\n", "3:5", "$(", '"$(" means nothing', 'leave the "$" out'),
    ("SW205", "T\na|b\n  $C\\\n! x\n   c$(d\n", "5:5", "$(", '"$(" means nothing', 'leave the "$" out'),
    ("SW209", "T\na\\\n\\\n$q x\n", "4:1", "$q", '"$q" means nothing', '"$A%"'),
    ("SW206", "T\na b\\\nc d\n", "3:2", " ", "a blank inside a template", 'write "$ "'),
]  # fmt: skip

WARNINGS = {"SW204", "SW206", "SW207", "SW215", "SW217", "SW218"}


@pytest.mark.parametrize(
    ("code", "text", "place", "caret", "says", "remedy"),
    [pytest.param(*row, id=f"{row[0]} {row[1][:40]!r}") for row in WRONG],
)
def test_one_mistake_is_one_problem_with_its_place_and_a_remedy(  # noqa: PLR0913, PLR0917 - a table's row
    code: str, text: str, place: str, caret: str, says: str, remedy: str
) -> None:
    layout = {"SW206", "SW207"} - {code}  # a row may also be long, or hold a blank
    (problem,) = [found for found in problems_of(text) if found.code not in layout]

    where = place if place.count(":") == 2 else f"mappings:{place}"
    assert (problem.code, str(problem.place), underlined([problem])) == (code, where, [caret])
    assert says in problem.sentence
    assert remedy and remedy in problem.remedy
    assert problem.severity is (Severity.WARNING if code in WARNINGS else Severity.ERROR)


def test_every_code_of_the_engine_stands_in_the_table_above() -> None:
    codes = {row[0] for row in WRONG}

    # SW216 needs the MeterMaid options, and is found where both files are known.
    assert codes == {f"SW{number}" for number in range(201, 219)} - {"SW216"}


def test_all_mistakes_of_a_file_are_told() -> None:
    text = "a b\nT\n$q x$(\n*|*\nt\nb $[x,y]\nU\nc ${d}$|V;x|\n"

    told = [(problem.code, str(problem.place)) for problem in problems_of(text)]

    assert told == [
        ("SW202", "mappings:1:1"),
        ("SW209", "mappings:3:1"),
        ("SW205", "mappings:3:5"),
        ("SW201", "mappings:4:1"),
        ("SW203", "mappings:5:1"),
        ("SW210", "mappings:6:5"),
        ("SW214", "mappings:8:3"),
        ("SW213", "mappings:8:9"),
    ]


def test_what_is_wrong_with_an_entry_drops_that_entry_alone() -> None:
    found = read_mappings("mappings", "T\na 1\n$q 2\nb $(\nc 3\n")

    assert [entry.pattern for entry in found.tables["T"].entries] == ["a", "c"]


def test_a_problem_in_an_included_file_names_that_file() -> None:
    found = read_mappings("mappings", "T\n<more\n", texts_of({"more": "! x\n a $(\n"}))

    assert [str(problem.place) for problem in found.problems] == ["more:2:4"]


def test_the_place_of_every_call_is_known_for_checks_that_need_other_files() -> None:
    found = read_mappings("mappings", (EXAMPLES / "authspam" / "mappings").read_text())

    (call,) = found.calls
    assert (call.table, call.call.routine, str(call.place)) == (
        "FILTER_limitauthspam",
        "throttle",
        "mappings:6:7",
    )
    assert underlined([call]) == ["IMTA_LIB:check_metermaid.so,throttle"]


SCRAPS = st.sampled_from(
    [
        "T", "U\n", "\n", "\n ", " ", "\t", "!", "\\\n", "\\", "<two", "<x", "*", "%", "|", "a", "é",
        "\udc80", "\r", "$", "$$", "$ ", "$0", "$9*", "$_", "$@", "$^", "$=", "$\\", "$A%", "$[a-z]*", "$[",
        "]", "$(10.0.0.0/8)", "$(", "$<1.2.3.4/2>", "${2001:db8::/32}", "${x}", "$]", "[", "$}", "{", "$Y",
        "$C", "$L", "$R", "$E", "$?50?", "$?", "$:A", "$;", "$#n|10|3#", "$#", "$|U;$0|", "$|/U/$0|", "$|",
        "$[echo.so,say,$0]", "$[echo.so,again,$1]", "$[check_metermaid.so,throttle,t,$0]", ",", ";",
    ]
)  # fmt: skip
TEXTS = st.lists(SCRAPS | st.text(max_size=2), max_size=25).map("".join)


@given(TEXTS)
def test_any_text_loads_and_every_problem_has_a_place_inside_it(text: str) -> None:
    lines = {"mappings": text.split("\n"), **{name: body.split("\n") for name, body in FILES.items()}}

    for problem in problems_of(text):
        place = problem.place
        assert place and problem.sentence and problem.remedy
        assert place.text == lines[place.file][place.line - 1].removesuffix("\r")
        assert place.column >= 1 and place.column - 1 + place.width <= max(len(place.text), place.column)
