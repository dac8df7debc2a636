"""config.codes and crosscheck: every code is explained, and some configuration gives it."""

import ast
import re
from pathlib import Path

import pytest

import sendwarden
from sendwarden.cli.live import live_warnings
from sendwarden.config.codes import CODES
from sendwarden.config.load import load
from sendwarden.core.place import Problem, Severity, has_errors
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.sql import SqlState
from tests.config.folder import marked, write
from tests.config.given import GIVEN, LIVE, WARNINGS, pretend_library, settings


@pytest.fixture(autouse=True)
def _python_ldap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    pretend_library(params.get("code", ""), monkeypatch)


def test_the_table_has_every_code() -> None:
    assert {*GIVEN, *LIVE} == set(CODES)


@pytest.mark.parametrize("code", GIVEN)
def test_a_code_is_given_at_its_place_and_alone(code: str, tmp_path: Path) -> None:
    files, above = GIVEN[code]

    (problem,) = load(write(tmp_path, {"sendwarden.toml": "", **files})).problems

    assert problem.code == code
    assert (problem.severity is Severity.WARNING) is (code in WARNINGS)
    if above is None:
        assert problem.place is None or problem.place.line == 0
    else:
        assert problem.place and (marked(problem) == above or not above.strip())


# Here the sentence itself says what must stand there.
SAYS_IT_ALL = ("SW304", "SW308")


@pytest.mark.parametrize("code", [code for code in GIVEN if code not in SAYS_IT_ALL])
def test_a_problem_says_what_to_write(code: str, tmp_path: Path) -> None:
    files, _above = GIVEN[code]

    (problem,) = load(write(tmp_path, {"sendwarden.toml": "", **files})).problems

    assert problem.remedy or problem.more


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_explained_in_sentences(code: str) -> None:
    assert re.fullmatch(r"SW\d{3}", code)
    assert CODES[code][0].isupper() or CODES[code].startswith("require ")
    assert CODES[code].endswith(".") and len(CODES[code].split()) >= 5


def test_every_code_in_the_source_is_explained_and_every_explained_one_stands_in_the_source() -> None:
    top = Path(sendwarden.__file__).parent
    found = {
        node.value
        for source in top.rglob("*.py")
        if source.name != "codes.py"
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"SW\d{3}", node.value)
    }

    assert found == set(CODES)


# --- problems that only a state shows


def state_with(folder: Path, keys: int) -> None:
    """A state file in which so many keys are counted."""
    loaded = load(folder / "sendwarden.toml")
    (folder / "var").mkdir()
    state = SqlState(folder / "var" / "state.db")
    meters = MemoryMeters(loaded.site.meters)
    for number in range(keys):
        meters.throttle("t", f"key{number}", 1000.0)
    state.write(Batch(changes=meters.changes(1000.0)))
    state.close()


def live(folder: Path) -> list[Problem]:
    return live_warnings(load(folder / "sendwarden.toml"), NOW)


# Noon UTC of 28 February 2026.
NOW = 1772280000.0
UNTIL = {
    "2026-02-27": True,
    "2026-02-28": False,  # the day still goes on
    "2026-02-28T12:00:00Z": True,
    "2026-02-28T12:00:01Z": False,
}


@pytest.mark.parametrize("until", UNTIL)
def test_an_override_whose_end_is_past_is_a_warning_under_its_end(until: str, tmp_path: Path) -> None:
    head = '[[override]]\naccounts = ["a"]\nlimits = "bulk"\nreason = "class list"\n'
    write(tmp_path, settings(f"{head}{head}until = {until}\n".replace('"a"]', '"b"]', 1)))

    found = live(tmp_path)

    assert [(problem.code, marked(problem), problem.severity) for problem in found] == (
        [("SW116", until, Severity.WARNING)] if UNTIL[until] else []
    )
    assert all("class list" in problem.sentence for problem in found)


# What two overrides of one account say besides -> is the second without effect?
TWO_OVERRIDES = {
    ("", ""): True,
    ('channels = ["webmail"]', ""): False,
    ("", 'channels = ["webmail"]'): True,
    ('channels = ["webmail"]', 'channels = ["local"]'): False,
    ('channels = ["webmail", "local"]', 'channels = ["local"]'): True,
    ("until = 2030-01-01", ""): False,
    ("until = 2030-01-01", "until = 2031-01-01"): False,
    ("until = 2030-01-01", "until = 2029-01-01"): True,
    ("", "until = 2029-01-01"): True,
}


@pytest.mark.parametrize("lines", TWO_OVERRIDES, ids=" / ".join)
def test_an_override_that_never_counts_for_an_account_is_a_warning(
    lines: tuple[str, str], tmp_path: Path
) -> None:
    head = '[[override]]\naccounts = ["eve"]\nlimits = "bulk"\nreason = "x"\n'
    text = "\n".join(f"{head}{more}" for more in lines).replace('["eve"]', '["bob", "EVE"]', 1)

    found = load(write(tmp_path, settings(text))).problems

    warned = [("SW115", '"eve"')] if TWO_OVERRIDES[lines] else []
    assert [(problem.code, marked(problem)) for problem in found] == warned


def test_a_second_row_of_limits_is_an_error_at_its_name_and_changes_nothing(tmp_path: Path) -> None:
    rows = '[[limits]]\nname = "webmail"\nrecipients = "{}/1h"\n'
    loaded = load(write(tmp_path, {"sendwarden.toml": rows.format(5), "conf.d/a.toml": rows.format(6)}))

    (problem,) = loaded.problems
    assert (problem.code, str(problem.place), loaded.usable) == ("SW107", "conf.d/a.toml:2:8", False)
    assert [limit.most for limit in loaded.site.rows["webmail"].limits] == [5]


# What a row of the shipped name "webmail" sets -> how many recipients one message may have, and the warning.
PER_MESSAGE = {
    'recipients = "5/1h"': (5, []),
    'recipients = "500/1h"': (500, []),
    'recipients = ["50/10m", "60/1h"]': (50, []),
    "recipients = []": (30, []),
    'messages = "5/1h"': (30, []),
    "per_message = 20": (20, []),
    "per_message = 30": (30, []),
    "per_message = 31": (31, ["31"]),
    'recipients = "500/1h"\nper_message = 500': (500, []),
}


@pytest.mark.parametrize("lines", PER_MESSAGE)
def test_no_message_may_have_more_recipients_than_a_window(lines: str, tmp_path: Path) -> None:
    most, warned = PER_MESSAGE[lines]

    loaded = load(write(tmp_path, settings(f'[[limits]]\nname = "webmail"\n{lines}\n')))

    assert loaded.site.rows["webmail"].per_message == most
    assert [(problem.code, marked(problem)) for problem in loaded.problems] == [
        ("SW141", one) for one in warned
    ]


def test_one_message_by_row_bulk_does_not_grow_with_its_windows(tmp_path: Path) -> None:
    for rate, most in (("9000/1h", 500), ("400/1h", 400)):
        text = f'[[limits]]\nname = "bulk"\nrecipients = "{rate}"\n'
        assert load(write(tmp_path, settings(text))).site.rows["bulk"].per_message == most


def test_no_shipped_row_lets_a_message_have_more_recipients_than_a_window() -> None:
    for row in load(None).site.rows.values():
        least = min((limit.most for limit in row.limits if limit.counted == "recipients"), default=0)
        assert row.per_message is None or row.per_message <= least


FULL = {"sendwarden.toml": 'state = "var"', "metermaid.options": "metermaid.table.t.max_entries = 10\n"}


@pytest.mark.parametrize(("keys", "warned"), [(8, False), (9, False), (10, True)])
def test_a_table_that_is_nearly_full_is_a_warning_at_its_limit(
    keys: int, warned: bool, tmp_path: Path
) -> None:
    write(tmp_path, FULL)
    state_with(tmp_path, keys)

    found = live(tmp_path)

    assert [(problem.code, marked(problem), problem.severity) for problem in found] == (
        [("SW402", "10", Severity.WARNING)] if warned else []
    )


def test_a_state_that_cannot_be_read_is_a_warning_and_no_state_is_none(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    assert live(tmp_path) == []

    write(tmp_path, {"var/state.db": "this is no database, and long enough to be looked at" * 10})

    (problem,) = live(tmp_path)
    assert problem.code == "SW501" and not has_errors([problem]) and "Move it away" in problem.sentence


# What the settings say of notices, and the places (None: of no line) that are warned of.
NOTICES: dict[str, tuple[str, list[str | None]]] = {
    "watching": ('[notify]\nadministrators = ["root@localhost"]', []),
    "watching, incoming too": ('[incoming]\nlimits = ["incoming-domain"]', []),
    "all there": (
        'mode = "enforce"\n[notify]\nadministrators = ["p@example.org"]\n[site]\nhost = "mx.example.org"',
        [],
    ),
    "nobody is told": ('mode = "enforce"\n[site]\nhost = "mx.example.org"', [None]),
    "only incoming acts": (
        '[site]\nhost = "mx.example.org"\n[incoming]\nlimits = ["incoming-domain"]\nmode = "enforce"',
        [None],
    ),
    "a machine": (
        'mode = "enforce"\n[notify]\nadministrators = ["postmaster@localhost"]\n[site]\nhost = "localhost"',
        ['"postmaster@localhost"', '"localhost"'],
    ),
}


@pytest.mark.parametrize("case", NOTICES)
def test_notices_that_reach_nobody_or_come_from_nowhere_are_warnings(case: str, tmp_path: Path) -> None:
    text, places = NOTICES[case]
    write(tmp_path, settings(text))

    found = live(tmp_path)

    assert [(problem.code, problem.severity) for problem in found] == [("SW503", Severity.WARNING)] * len(
        places
    )
    assert [marked(problem) if problem.place else None for problem in found] == places
    assert all(problem.remedy for problem in found)


def test_a_machine_without_a_domain_is_warned_of_at_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sendwarden.config.load._own_name", lambda: "localhost")
    write(tmp_path, settings('mode = "enforce"\n[notify]\nadministrators = ["p@example.org"]'))

    (problem,) = live(tmp_path)

    assert problem.place is None and "postmaster@localhost" in problem.sentence


# --- combinations

OPEN = {
    '"127.0.0.1:1"': False,
    '"127.9.9.9:1"': False,
    '"[::1]:1"': False,
    '"unix:/run/policy"': False,
    '"0.0.0.0:1"': True,
    '"[::]:1"': True,
    '"192.0.2.1:1"': True,
    '"[2001:db8::1]:1"': True,
}


@pytest.mark.parametrize("place", OPEN)
@pytest.mark.parametrize("name", ["policy", "milter"])
def test_a_socket_open_to_others_needs_to_know_who_they_are(name: str, place: str, tmp_path: Path) -> None:
    closed = load(write(tmp_path, settings(f"[listen]\n{name} = [{place}]\n")))
    allowed = load(write(tmp_path, settings(f'[listen]\n{name} = [{place}]\nallow = ["192.0.2.25"]\n')))

    assert [(p.code, marked(p)) for p in closed.problems] == ([("SW122", place)] if OPEN[place] else [])
    assert closed.usable is not OPEN[place] and allowed.problems == []
    assert [str(network) for network in allowed.allowed] == ["192.0.2.25/32"]


# Channels in their order, by their conditions -> which of them never get any mail.
DEAD: dict[str, tuple[list[str], list[str]]] = {
    "one without conditions takes all": (["", "login = true", "local = true"], ["b", "c"]),
    "a login takes what has one": (["login = true", 'login = true\nnetworks = ["10.0.0.0/8"]'], ["b"]),
    "the narrower one first": (['login = true\nnetworks = ["10.0.0.0/8"]', "login = true"], []),
    "the other half": (["login = true", "login = false"], []),
    "half of it": (["login = true", ""], []),
    "a wider network": (['networks = ["10.0.0.0/8"]', 'networks = ["10.1.0.0/16", "10.2.0.0/16"]'], ["b"]),
    "one network of two": (['networks = ["10.0.0.0/8"]', 'networks = ["10.1.0.0/16", "192.0.2.0/24"]'], []),
    "another version": (['networks = ["0.0.0.0/0"]', 'networks = ["2001:db8::/32"]'], []),
    "local programs too": (['networks = ["10.0.0.0/8"]', 'local = true\nnetworks = ["10.1.0.0/16"]'], []),
    "local programs as well": (
        ['local = true\nnetworks = ["10.0.0.0/8"]', 'local = true\nnetworks = ["10.1.0.0/16"]'],
        ["b"],
    ),
    "a network, then everything": (['networks = ["0.0.0.0/0", "::/0"]', ""], []),
    "the same listener": (
        ['listener = "127.0.0.1:10031"', 'listener = "127.0.0.1:10031"\nlogin = true'],
        ["b"],
    ),
    "another listener": (['listener = "127.0.0.1:10031"', 'listener = "127.0.0.1:10032"'], []),
    "fewer macros": (['macros = { i = "1" }', 'macros = { i = "1", j = "2" }'], ["b"]),
    "other macros": (['macros = { i = "1" }', 'macros = { i = "2" }'], []),
    "no networks": (["networks = []", 'networks = ["webmail"]', "local = true\nnetworks = []"], ["a", "b"]),
}


@pytest.mark.parametrize("case", DEAD)
def test_a_channel_that_never_gets_any_mail_is_a_warning(case: str, tmp_path: Path) -> None:
    conditions, dead = DEAD[case]
    channels = [
        f'[[channel]]\nname = "{name}"\n{lines}\n' for name, lines in zip("abc", conditions, strict=False)
    ]

    loaded = load(write(tmp_path, settings("".join(channels))))

    assert [problem.sentence for problem in loaded.problems] == [
        f'channel "{name}" never gets any mail' for name in dead
    ]
    assert loaded.usable


REFUSES = 'require "reject"; reject "x";'
STRANGERS: dict[str, tuple[str, bool]] = {
    "with a login": ("login = true", False),
    "without": ("login = false", True),
    "either": ("", True),
    "without, inside": ('login = false\nnetworks = ["internal"]', False),
    "without, partly inside": ('login = false\nnetworks = ["internal", "192.0.2.0/24"]', True),
    "without, inside with a relay": ('login = false\nnetworks = ["10.1.0.0/16"]', True),
    "local programs": ("local = true\nnetworks = []", False),
}


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize(
    "form", ['sourcefilter = "s.filter"', 'destinationfilter = { external = "s.filter" }']
)
def test_a_refusal_where_strangers_may_come_is_a_warning_under_the_filter(
    form: str, who: str, tmp_path: Path
) -> None:
    lines, warned = STRANGERS[who]
    site = '[site]\ninternal = ["127.0.0.0/8", "10.0.0.0/8"]\nrelays = ["10.1.2.3"]\n'
    if "internal" in lines:
        site = site.replace('"10.1.2.3"', "")
    files = {"sendwarden.toml": f'{site}[[channel]]\nname = "c"\n{lines}\n{form}\n', "s.filter": REFUSES}

    found = load(write(tmp_path, files)).problems

    assert [(problem.code, marked(problem)) for problem in found] == (
        [("SW320", '"s.filter"')] if warned else []
    )


@pytest.mark.parametrize("code", [code for code in GIVEN if code not in WARNINGS])
def test_an_error_makes_a_configuration_unusable(code: str, tmp_path: Path) -> None:
    assert not load(write(tmp_path, {"sendwarden.toml": "", **GIVEN[code][0]})).usable


@pytest.mark.parametrize("code", sorted(WARNINGS))
def test_a_warning_never_does(code: str, tmp_path: Path) -> None:
    assert load(write(tmp_path, {"sendwarden.toml": "", **GIVEN[code][0]})).usable
