"""config.schema, values and translate: what a setting may be, and our own words for everything else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from sendwarden.config.load import load
from sendwarden.config.positions import read_toml
from sendwarden.config.schema import MUST_BE_SET, Settings
from sendwarden.config.translate import LAST_RESORT
from sendwarden.core.place import Problem
from tests.config.folder import marked, write
from tests.strategies.toml import documents

# A setting: its table ("" is the top of the file), and its name.
Setting = tuple[str, str]


def model_in(annotation: object) -> type[BaseModel] | None:
    inside = (annotation, *get_args(annotation))
    return next((one for one in inside if isinstance(one, type) and issubclass(one, BaseModel)), None)


def settings() -> Iterator[Setting]:
    for name, field in Settings.model_fields.items():
        inner = model_in(field.annotation)
        yield from [("", name)] if inner is None else [(name, each) for each in inner.model_fields]


SETTINGS = list(settings())
each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=[".".join(filter(None, s)) for s in SETTINGS])


def lines_for(setting: Setting, written: str) -> list[str]:
    """A file that sets this alone, in its last line."""
    table, name = setting
    needed = [line for must, line in needed_by(table).items() if must != name]
    return [*head_of(table), *needed, f"{name} = {written}"]


def needed_by(table: str) -> dict[str, str]:
    """What a table must say, as lines that are right."""
    return {
        must: f"{must} = {json.dumps(right or 'a thing')}"
        for must, right in MUST_BE_SET.get(table, {}).items()
    }


def head_of(table: str) -> list[str]:
    if not table:
        return []
    return [f"[[{table}]]" if table in MUST_BE_SET else f"[{table}]"]


def problems_of(folder: Path, lines: list[str]) -> list[Problem]:
    return load(write(folder, {"sendwarden.toml": "\n".join(lines)})).problems


# Every type that TOML has, and values that look right from afar.
VALUES = [
    *("0", "1", "-1", "5", "4711", str(10**30), "1.5", "-0.0", "inf", "nan", "true", "false"),
    *("1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"),
    *('""', '" "', '"text"', '"yes"', '"5"', '"true"', '"50/1hr"', '"12 parsecs"', '"0s"', '"-1h"', '"1hr"'),
    *('"Enforce"', '"enforced"', '"hold"', '"own"', '"+-"', '"@"', '"x"'),
    *('"a\\u0000b"', '"two\\nlines"', '"\\u001b[31m"', f'"{"a" * 500}"', '"ünïcödé"', '"中文"', '"\\uFFFF"'),
    *('"10.20.3.4/16"', '"10.0.0.0/33"', '"2001:db8::1/32"', '"300.1.1.1"', '"localhost"'),
    *(
        '"127.0.0.1"',
        '"127.0.0.1:0"',
        '"127.0.0.1:70000"',
        '"127.0.0.1:smtp"',
        '"::1:25"',
        '"[127.0.0.1]:25"',
    ),
    *(
        '"[127.0.0.1]:25"',
        '"10.0.0.0/8:25"',
        '"unix:"',
        '"unix:relative"',
        f'"unix:/{"a" * 200}"',
        '"unix:/\\u0000"',
    ),
    *(
        '"*.example.org"',
        '"@example.org"',
        '"http://example.org"',
        '"a..b"',
        '"-a.example"',
        '"bob@example.org"',
    ),
    *("[]", "[5]", "[true]", "[[]]", '[""]', '["text"]', '["text", 5]', "[{}]", "[[5]]", "[1979-05-27]"),
    *(
        '["10.20.3.4/16"]',
        '["*.example.org", "example.org"]',
        '["127.0.0.1:0", "127.0.0.1:1"]',
        '["intrenal"]',
    ),
    *("{}", "{ a = 1 }", '{ a = "b" }', '{ a = "" }', '{ a = ["b"] }', '{ interal = "x" }', '{ "" = "x" }'),
    *('{ "bob@example.org" = "x" }', '{ "*.example.org" = "x" }', '{ a.b = "c" }'),
]

NOT_OURS = re.compile(
    r"pydantic|Input should|type=|input_value|[Vv]alidat|Value error|<class|NoneType|\bNone\b"
    r"|\bTrue\b|\bFalse\b|datetime|\bstr\b|\bint\b|\bfloat\b|\bdict\b|\bbool\b|\bmodel\b|unhashable|Settings|Error\b"
    r"|channel\.\d|\[key\]|[Ll]iteral|constrained|forbidden|\{'|\['|" + re.escape(LAST_RESORT)
)


def assert_well_told(problem: Problem, line: int, column: int) -> None:
    """In our words, at a place that is the value or part of it, and with what to write."""
    place = problem.place
    assert place and place.line == line and place.column >= column, problem
    assert place.column - 1 + place.width <= len(place.text), problem
    said = " ".join([problem.sentence, problem.remedy, *problem.more])
    assert not NOT_OURS.search(said), problem
    assert problem.remedy and "\n" not in said and len(said) < 400, problem


@each_setting
def test_every_wrong_value_is_told_in_our_words_under_the_value_with_what_to_write(
    setting: Setting, tmp_path: Path
) -> None:
    wrong = 0
    for written in VALUES:
        lines = lines_for(setting, written)
        found = problems_of(tmp_path, lines)
        wrong += bool(found)
        for problem in found:
            if problem.code != "SW112":  # is about the table as a whole: nobody is named in it
                assert_well_told(problem, len(lines), len(f"{setting[1]} = ") + 1)

    assert wrong > len(VALUES) / 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


@given(st.sampled_from(SETTINGS), documents())
def test_any_table_in_place_of_a_value_is_told_in_our_words(
    folder: Path, setting: Setting, document: object
) -> None:
    text = getattr(document, "text", "")
    table, name = setting
    above = f"{table}.{name}" if table else name
    header = f"[[{above}]]" if len(text) % 2 else f"[{above}]"
    first = [f"[[{table}]]"] if table in MUST_BE_SET else []

    found = problems_of(folder, [*first, header, *text.split("\n")])

    for problem in found:
        said = f"{problem.sentence} {problem.remedy}"
        assert problem.place and problem.remedy and not NOT_OURS.search(said), problem


# --- what is expected, what to write: setting, what stands there, above the caret, code, sentence, remedy
TOLD: list[tuple[str, str, str, str, str, str]] = [
    (
        "mode",
        '"Enforce"',
        '"Enforce"',
        "SW102",
        "is not one of the possible values",
        'did you mean "enforce"?',
    ),
    ("mode", '"on"', '"on"', "SW102", "is not one of the possible values", 'write "watch" or "enforce"'),
    ("mode", "5", "5", "SW102", "5 is not one of the possible values", 'write "watch" or "enforce"'),
    (
        "greylist.protocols",
        '["smtp"]',
        '"smtp"',
        "SW102",
        "is not one of the possible values",
        'write "sjsms" or "postfix"',
    ),
    ("version", "0", "0", "SW102", "0 is too small", "write 1 or more"),
    ("version", '"1"', '"1"', "SW102", 'a whole number is expected, not "1"', "write 1, without quotes"),
    ("state", "5", "5", "SW102", "text is expected, not 5", 'write it in quotes: "5"'),
    ("keep_decisions", '"1hr"', '"1hr"', "SW102", '"1hr" is not a duration', '"15m" or "180d"'),
    ("keep_decisions", "true", "true", "SW102", "true is not a duration", '"15m" or "180d"'),
    ("keep_decisions", "0", "0", "SW102", "0 is no time at all", '"15m" or "180d"'),
    ("site", "5", "5", "SW102", "a table is expected, not 5", "write [site]"),
    ("channel", '"x"', '"x"', "SW102", 'a list is expected, not "x"', "write [[channel]]"),
    ("site.host", '"my host"', '"my host"', "SW102", "is not the name of a machine", '"mail.example.org"'),
    (
        "site.domains",
        '"a.example"',
        '"a.example"',
        "SW102",
        "a list is expected",
        'write domains = ["example.org"',
    ),
    ("site.domains", '["*.a.example"]', '"*.a.example"', "SW102", "is not a domain", 'write ".a.example"'),
    ("site.domains", '["@a.example"]', '"@a.example"', "SW102", "is not a domain", 'write "a.example"'),
    ("site.domains", "[5]", "5", "SW102", "a domain is written as text, not 5", '"example.org"'),
    ("site.internal", '["10.20.3.4/16"]', '"10.20.3.4/16"', "SW110", "has host bits", 'write "10.20.0.0/16"'),
    ("site.internal", '["10.0.0.0/33"]', '"10.0.0.0/33"', "SW102", "is not a network", '"10.0.0.0/8"'),
    ("site.internal", "[5]", "5", "SW102", "a network is written as text, not 5", '"10.0.0.0/8"'),
    ("accounts.fold_case", '"yes"', '"yes"', "SW102", "yes or no is expected", "write true, without quotes"),
    ("accounts.fold_case", "0", "0", "SW102", "yes or no is expected, not 0", "write false, without quotes"),
    ("accounts.fold_case", "[]", "[]", "SW102", "not a list", "write true or false, without quotes"),
    ("accounts.subaddress", '"--"', '"--"', "SW102", "cannot part a name", 'such as "+"'),
    ("accounts.subaddress", '"\\u0000"', '"\\u0000"', "SW102", "cannot part a name", 'such as "+"'),
    ("accounts.subaddress", '"\\u009b"', '"\\u009b"', "SW102", "cannot part a name", 'such as "+"'),
    ("accounts.subaddress", '"\\u202e"', '"\\u202e"', "SW102", "cannot part a name", 'such as "+"'),
    ("accounts.subaddress", '"a"', '"a"', "SW102", "cannot part a name", 'such as "+"'),
    ("accounts.windows_domains", '[""]', '""', "SW102", "this text is empty", "between the quotes"),
    (
        "listen.policy",
        '"localhost:1"',
        '"localhost:1"',
        "SW102",
        "no address with a port",
        '"127.0.0.1:10031"',
    ),
    ("listen.policy", '["127.0.0.1:0"]', '"127.0.0.1:0"', "SW102", "no address with a port", "unix:/run"),
    ("listen.milter", '"::1:25"', '"::1:25"', "SW102", "no address with a port", '"[::1]:10031"'),
    ("listen.milter", "5", "5", "SW102", "a list is expected, not 5", "write milter = ["),
    ("listen.connections", "0", "0", "SW102", "0 is too small", "write 1 or more"),
    ("listen.connections", "2_000_000", "2_000_000", "SW102", "is too large", "write 1000000 or less"),
    ("mapping.file", '""', '""', "SW102", "this text is empty", "between the quotes"),
    ("mapping.file", '"a\\u0000"', '"a\\u0000"', "SW102", "a control character stands in", "take it out"),
    ("notify.smtp", '"localhost"', '"localhost"', "SW102", "no address with a port", '"127.0.0.1:25"'),
    ("channel.name", '""', '""', "SW102", "this text is empty", "between the quotes"),
    (
        "channel.networks",
        '["intrenal"]',
        '"intrenal"',
        "SW102",
        "is not a network",
        'did you mean "internal"?',
    ),
    ("channel.macros", "{ i = 5 }", "5", "SW102", "text is expected, not 5", 'write it in quotes: "5"'),
    ("channel.macros", '"x"', '"x"', "SW102", "a table is expected", "write macros = {"),
    ("channel.destinationfilter", '{ interal = "x" }', "interal", "SW102", "no recipients", "internal"),
    ("channel.destinationfilter", '{ "a b" = "x" }', '"a b"', "SW102", "no recipients", '"external"'),
    (
        "channel.destinationfilter",
        '{ "*.a.example" = "x" }',
        '"*.a.example"',
        "SW102",
        "no recip",
        '".a.example"',
    ),
    (
        "channel.unauthenticated",
        '"refuse"',
        '"refuse"',
        "SW102",
        "possible values",
        'write "hold" or "discard"',
    ),
    ("channel.count", '"messages"', '"messages"', "SW102", "possible values", 'did you mean "message"?'),
]


@pytest.mark.parametrize("case", TOLD, ids=[f"{setting}={written}" for setting, written, *_ in TOLD])
def test_a_wrong_value_is_told_with_what_to_write(
    case: tuple[str, str, str, str, str, str], tmp_path: Path
) -> None:
    setting, written, above, code, says, remedy = case
    table, _, name = setting.rpartition(".")
    (problem,) = problems_of(tmp_path, lines_for((table, name), written))

    assert problem.code == code and marked(problem) == above
    assert says in problem.sentence and remedy in problem.remedy


# --- wrong names
NAMES: list[tuple[str, str, str, str]] = [
    ("mod = 1", "mod", '"mod" is not a setting', 'did you mean "mode"?'),
    ("[sit]", "sit", '"sit" is not a setting', 'did you mean "site"?'),
    ('[site]\nmode = "watch"', "mode", "is not a setting of [site]", "it belongs at the top of the file"),
    ("[accounts]\nrelays = []", "relays", "is not a setting of [accounts]", "it belongs under [site]."),
    ('sourcefilter = "x"', "sourcefilter", '"sourcefilter" is not a setting', "it belongs in a [[channel]]."),
    ("[site.accounts]", "site.accounts", "is not a setting of [site]", "[accounts] is a table of its own."),
    ("[site]\nchannel = []", "channel", "is not a setting of [site]", "One begins with [[channel]]."),
    ("[listen]\nfile = 1", "file", "is not a setting of [listen]", "sendwarden help listen"),
    (
        '[[channel]]\nname = "a"\ntrustd = true',
        "trustd",
        "not a setting of a channel",
        "sendwarden help channel",
    ),
    (
        '[[channel]]\nname = "a"\nsorcefilter = 1',
        "sorcefilter",
        "of a channel",
        'did you mean "sourcefilter"?',
    ),
    ('channel = [{ name = "a", logn = true }]', "logn", "of a channel", 'did you mean "login"?'),
    ('"\\u001b[2J" = 1', '"\\u001b[2J"', "is not a setting", "sendwarden help settings"),
]


@pytest.mark.parametrize(("text", "above", "says", "remedy"), NAMES, ids=[text for text, *_ in NAMES])
def test_a_wrong_name_is_told_under_the_name_with_the_right_one_or_its_right_place(
    text: str, above: str, says: str, remedy: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(tmp_path, text.split("\n"))

    assert problem.code == "SW101" and marked(problem) == above
    assert says in problem.sentence and remedy in problem.remedy


@each_setting
def test_a_name_one_letter_short_is_told_whatever_its_table(setting: Setting, tmp_path: Path) -> None:
    table, name = setting
    found = problems_of(tmp_path, lines_for((table, name[:-1]), "1"))

    assert ("SW101", name[:-1]) in [(problem.code, marked(problem)) for problem in found if problem.place]


def test_a_channel_without_a_name_is_told_where_it_begins_and_checked_all_the_same(tmp_path: Path) -> None:
    lines = ["[[channel]]", "login = 5", 'sourcefilter = "none.filter"', "[[channel]]", 'name = "b"']

    found = problems_of(tmp_path, lines)

    assert [(p.code, p.place and p.place.line) for p in found] == [("SW106", 1), ("SW102", 2), ("SW121", 3)]
    assert found[0].remedy == 'write name = "submission"'


# --- all at once


@given(
    st.lists(st.tuples(st.sampled_from(SETTINGS), st.sampled_from(VALUES)), unique_by=lambda pair: pair[0])
)
def test_many_wrong_settings_are_all_told_as_each_alone_is(
    folder: Path, chosen: list[tuple[Setting, str]]
) -> None:
    def told(lines: list[str]) -> list[tuple[str, str]]:
        found = problems_of(folder, lines)
        return sorted(
            (p.code, p.place.text) for p in found if p.place and p.code in ("SW101", "SW102", "SW110")
        )

    alone = [line for setting, written in chosen for line in told(lines_for(setting, written))]
    tables: dict[str, list[str]] = {"": []}
    for (table, name), written in chosen:
        tables.setdefault(table, []).append(f"{name} = {written}")
    for table in MUST_BE_SET.keys() & tables.keys():
        for must, line in needed_by(table).items():
            if not any(own.startswith(f"{must} = ") for own in tables[table]):
                tables[table].append(line)
    together = [line for table in tables for line in (*head_of(table), *tables[table])]

    assert told(together) == sorted(alone)


@given(documents())
def test_any_toml_is_checked_without_an_exception_and_what_is_left_can_be_used(
    folder: Path, document: object
) -> None:
    text = getattr(document, "text", "")
    loaded = load(write(folder, {"sendwarden.toml": text}))

    assert loaded.settings == Settings()
    assert loaded.usable is (not read_toml("", text).values)


RATES = {
    '["30/10m", "100/2h", "400/24h"]': '"100/2h"',
    '["30/10m", 5]': "5",
    '["0/1h"]': '"0/1h"',
    '"soon"': '"soon"',
    '["30/1h", "40/60m"]': '["30/1h", "40/60m"]',
}


@pytest.mark.parametrize("rates", RATES)
def test_of_several_rates_the_wrong_one_is_pointed_at(rates: str, tmp_path: Path) -> None:
    text = f'[[limits]]\nname = "a"\nrecipients = {rates}\n'

    (problem,) = load(write(tmp_path, {"sendwarden.toml": text})).problems

    assert (problem.code, marked(problem)) == ("SW102", RATES[rates])
