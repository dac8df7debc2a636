"""cli.mapping, why, settings, account and help: what each shows, its exit codes, and its JSON lines."""

import time
from pathlib import Path

import pytest

from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.help import settings_of, tables
from sendwarden.config.codes import CODES
from sendwarden.config.schema import MUST_BE_SET, Settings
from sendwarden.config.shipped import SHIPPED_CHANNELS
from tests.cli.command import Commands
from tests.cli.state import damage_state, make_state
from tests.config.folder import example, write

SETTINGS = 'state = "var"\n'
MAPPINGS = """FILTER_ask
*|abuse@* $N$E
*|* $[IMTA_LIB:check_metermaid.so,throttle,t,$0]over$ quota$Y
PLAIN
a*$A% $C<$0>$:Q
* $?50?chance$T
COUNT
* $#serial|16|4#$Y
"""
OPTIONS = "metermaid.table.t.quota = 2\nmetermaid.table.t.quota_time = 60\n"


@pytest.fixture
def site(commands: Commands) -> Commands:
    write(commands.folder, {"sendwarden.toml": SETTINGS, "mappings": MAPPINGS, "metermaid.options": OPTIONS})
    return commands


# --- mapping


def test_a_table_is_shown_at_work_entry_by_entry(site: Commands) -> None:
    make_state(site.folder, time.time(), {("t", "eve"): 2})  # noqa: TID251 - as the command does

    said = site.on_folder("mapping", "filter_ASK", "eve|bob@x")

    assert (said.code, said.err) == (GOOD, "")
    assert said.out.splitlines() == [
        "probe   eve|bob@x",
        "  FILTER_ask mappings:2  *|abuse@*   no match",
        "      throttle(t, eve): yes",
        '  FILTER_ask mappings:3  *|*   matched: text "over quota" flags Y',
        "meter   t eve: 2 -> 2 of 2 in 1m, over",
        "text    over quota",
        "flags   $Y",
    ]


# Words -> exit code, text and flags.
PROBES: dict[tuple[str, ...], tuple[int, str, str]] = {
    ("FILTER_ask", "eve|bob@x"): (NO, "eve|bob@x", ""),
    ("FILTER_ask", "eve|ABUSE@x"): (GOOD, "", "N"),
    ("FILTER_ask", "nothing"): (NO, "nothing", ""),
    ("PLAIN", "x", "--chance", "49.9"): (GOOD, "chance", "T"),
    ("PLAIN", "x", "--chance", "50"): (NO, "x", ""),
    ("PLAIN", "axz", "--flags", "q", "--chance", "99"): (GOOD, "<x>", ""),
    ("PLAIN", "axz", "--chance", "99"): (NO, "axz", ""),
    ("COUNT", "x"): (GOOD, "0000", "Y"),
}


@pytest.mark.parametrize("words", PROBES, ids=" ".join)
def test_the_answer_is_the_text_the_flags_and_whether_an_entry_matched(
    words: tuple[str, ...], site: Commands
) -> None:
    code, text, flags = PROBES[words]

    said = site.on_folder("mapping", *words, "--json")

    assert (said.code, said.records) == (code, [{"text": text, "flags": flags, "matched": code == GOOD}])


def test_a_probe_counts_nothing(site: Commands) -> None:
    path = make_state(site.folder, time.time(), {("t", "eve"): 1})  # noqa: TID251
    before = path.read_bytes()

    said = [site.on_folder("mapping", "FILTER_ask", "eve|x").out for _ in range(5)]

    assert set(said) == {said[0]} and "1 -> 2 of 2" in said[0] and path.read_bytes() == before


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("FILTER_aks", 'there is no mapping table FILTER_aks; did you mean "FILTER_ask"?'),
        ("\x1b[2J", "there is no mapping table \\x1b[2J; known are FILTER_ask, PLAIN, COUNT"),
    ],
)
def test_a_table_that_does_not_exist_is_told(table: str, says: str, site: Commands) -> None:
    said = site.on_folder("mapping", table, "x")

    assert (said.code, said.out, said.err) == (CANNOT, "", f"{says}\n")


def test_without_any_table_this_is_said(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": SETTINGS})

    said = commands.on_folder("mapping", "T", "x").err

    assert said.startswith("there is no mapping table T; known are none (")
    assert f"{commands.folder / 'mappings'} has none; --config names other settings" in said


def test_a_table_of_a_file_with_errors_is_used_with_a_word(site: Commands) -> None:
    write(site.folder, {"mappings": MAPPINGS + "*|*\n"})

    said = site.on_folder("mapping", "COUNT", "x")

    assert said.code == GOOD and said.err.endswith(
        f"tables may be incomplete: sendwarden check --config {site.folder}\n"
    )


@pytest.mark.parametrize("command", [("mapping", "COUNT", "x"), ("why", "SW-7K3QXD")], ids=["mapping", "why"])
def test_a_damaged_state_is_told_with_what_to_do(command: tuple[str, ...], site: Commands) -> None:
    damage_state(site.folder)

    said = site.on_folder(*command)

    assert (said.code, said.out) == (CANNOT, "") and "Move it away" in said.err


# --- why

RECORD: dict[str, object] = {
    "at": 1_700_000_000.0,
    "reference": "SW-7K3QXD",
    "stage": "end-of-message",
    "verdict": "refuse",
    "account": "eve",
    "channel": "submission",
    "login": "Eve",
    "client": "192.0.2.7",
    "sender": "eve@example.org",
    "recipients": ["a@x.example", "b@x.example"],
    "queue_id": "4XYZ",
    "reasons": [{"id": "meter-over"}],
    "says": ["eve used 50 of 50", "filter a line 1 refused it"],
    "text": "No more today.\nCall 4711. [SW-7K3QXD]",
}


@pytest.fixture
def kept(site: Commands) -> Commands:
    hostile = {
        **RECORD,
        "reference": "SW-000000",
        "account": "\x1b[2J",
        "text": "\x9b\x07",
        "says": ["\u202e"],
    }
    watched = {**RECORD, "reference": "SW-111111", "watched": True}
    make_state(site.folder, 0.0, decisions=[RECORD, hostile, watched])
    return site


@pytest.mark.parametrize("written", ["SW-7K3QXD", "sw-7k3qxd", "7K3QXD", "[SW-7K3QXD]", " SW7K3QXD "])
def test_a_decision_is_found_by_its_reference_however_it_is_typed(written: str, kept: Commands) -> None:
    said = kept.on_folder("why", written)

    first, *rest = said.out.splitlines()
    assert (said.code, said.err) == (GOOD, "")
    assert first.startswith("SW-7K3QXD  ") and " 2023 " in first and first.endswith("  refuse")
    assert rest == [
        "  account      eve",
        "  login        Eve",
        "  channel      submission",
        "  client       192.0.2.7",
        "  sender       eve@example.org",
        "  recipients   a@x.example, b@x.example",
        "  queue id     4XYZ",
        "  because      eve used 50 of 50",
        "               filter a line 1 refused it",
        "  said         No more today.",
        "               Call 4711. [SW-7K3QXD]",
    ]


def test_a_decision_as_json_is_the_record_that_was_kept(kept: Commands) -> None:
    assert kept.on_folder("why", "SW-7K3QXD", "--json").records == [RECORD]


def test_what_only_was_watched_is_told_as_what_would_have_been(kept: Commands) -> None:
    said = kept.on_folder("why", "SW-111111").out.splitlines()

    assert said[0].endswith("  would have been: refuse")
    assert said[-3:-1] == ["  would say    No more today.", "               Call 4711. [SW-7K3QXD]"]
    assert said[-1] == "  watching only: the message passed unchanged"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_record_of_hostile_mail_cannot_reach_the_terminal(form: list[str], kept: Commands) -> None:
    said = kept.on_folder("why", "SW-000000", *form)

    assert said.code == GOOD and said.clean and "1b[2J" in said.out


def test_a_reference_that_is_not_known_says_why_it_may_be_so(kept: Commands) -> None:
    said = kept.on_folder("why", "SW-ZZZZZZ")

    assert (said.code, said.out) == (NO, "") and "longer ago than keep_decisions" in said.err


@pytest.mark.parametrize("written", ["SW-7K3QX", "hello", "", "SW-7K3QXU", "\x1b[2J"])
def test_what_is_no_reference_is_told_with_its_form(written: str, kept: Commands) -> None:
    said = kept.on_folder("why", written)

    assert said.code == CANNOT and "it has the form SW-7K3QXD" in said.err and said.clean


def test_before_any_daemon_ran_there_is_nothing_to_explain(site: Commands) -> None:
    said = site.on_folder("why", "SW-7K3QXD")

    assert (said.code, said.err) == (CANNOT, "there is no state yet: no daemon has run with these settings\n")


# --- settings


def test_every_setting_is_listed_with_its_value_and_where_it_comes_from(commands: Commands) -> None:
    write(
        commands.folder,
        {
            "sendwarden.toml": SETTINGS
            + '[site]\ndomains = ["example.org"]\n[[channel]]\nname = "webmail"\nmode = "enforce"\n',
            "conf.d/a.toml": "\n[notify]\nin_all = 5\n",
            "metermaid.options": OPTIONS,
        },
    )

    rows = {
        str(row["setting"]): (row["value"], row["origin"])
        for row in commands.on_folder("settings", "--json").records
    }

    for table, model in tables(Settings, ""):
        names = [name for name, _field in settings_of(model)]
        assert table in MUST_BE_SET or {f"{table}.{name}".lstrip(".") for name in names} <= set(rows)
    assert rows["state"] == ('"var"', "sendwarden.toml:1")
    assert rows["site.domains"] == ('["example.org"]', "sendwarden.toml:3")
    assert rows["site.internal"] == ('["127.0.0.0/8", "::1/128"]', "default")
    assert rows["notify.in_all"] == ("5", "conf.d/a.toml:3")
    assert rows["listen.connections"] == ("left out", "default")
    assert rows["channel.webmail.mode"] == ('"enforce"', "sendwarden.toml:6")
    assert rows["channel.webmail.networks"] == ('["webmail"]', "default")
    assert rows["metermaid.table.t.quota"] == ("2", "metermaid.options:1")
    for shipped in SHIPPED_CHANNELS:
        assert f"channel.{shipped['name']}.networks" in rows or "networks" not in shipped


def test_only_what_was_changed_is_listed_on_request_and_always_in_the_same_order(site: Commands) -> None:
    said = [site.on_folder("settings", "--changed") for _ in range(2)]

    assert said[0] == said[1] and said[0].code == GOOD
    assert [line.split(" = ")[0] for line in said[0].out.splitlines()] == [
        "state",
        "metermaid.table.t.quota",
        "metermaid.table.t.quota_time",
    ]


def test_times_and_sizes_are_shown_as_the_file_says_them(commands: Commands) -> None:
    scanner = '[[scanner]]\nname = "a"\nkind = "clamd"\ntimeout = "1500ms"\nlargest = "2 MiB"\n'
    write(commands.folder, {"sendwarden.toml": scanner})

    rows = {row["setting"]: row["value"] for row in commands.on_folder("settings", "--json").records}

    assert (rows["scanner.a.timeout"], rows["scanner.a.largest"]) == ('"1500ms"', '"2048 KiB"')


def test_settings_with_errors_are_left_out_and_this_is_said(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": f"{SETTINGS}mode = 5\n"})

    said = commands.on_folder("settings")

    assert (
        said.code == NO
        and said.err
        == f"Some settings have errors and are left out here: sendwarden check --config {commands.folder}\n"
    )
    assert 'mode = "watch"' in said.out and "default" in said.out


def test_hostile_values_cannot_reach_the_terminal(commands: Commands) -> None:
    hostile = '"\\u009b2J\\u202e"'
    write(
        commands.folder,
        {"sendwarden.toml": f"state = {hostile}\n[[channel]]\nname = {hostile}\nlocal = true\n"},
    )

    assert commands.on_folder("settings").clean and commands.on_folder("settings", "--json").clean


# --- account


def test_an_account_is_resolved_with_what_each_rule_did(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": SETTINGS + '[accounts]\nrealms = ["example.org"]\n'})

    said = commands.on_folder("account", "resolve", "Bob+phone@Example.ORG")
    (record,) = commands.on_folder("account", "resolve", "Bob+phone@Example.ORG", "--json").records

    assert said.code == GOOD and said.out.splitlines()[0] == "Bob+phone@Example.ORG  is account  bob"
    assert "  subaddress      bob+phone -> bob " in said.out and 'accounts.subaddress = "+"' in said.out
    assert (record["name"], record["account"]) == ("Bob+phone@Example.ORG", "bob")
    rules = record["rules"]
    assert (
        isinstance(rules, list)
        and rules[0]["before"] == "Bob+phone@Example.ORG"
        and rules[-1]["after"] == "bob"
    )


def test_a_hostile_name_cannot_reach_the_terminal(site: Commands) -> None:
    said = site.on_folder("account", "resolve", "\x1b[2J\u202e\udcff@x")

    assert said.code == GOOD and said.clean and site.on_folder("account", "resolve", "\x9b", "--json").clean


# --- help


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained_however_it_is_typed(code: str, commands: Commands) -> None:
    assert commands.run("help", code).out == f"{code}: {CODES[code]}\n"
    assert commands.run("help", code.lower(), "--json").records == [{"code": code, "text": CODES[code]}]


@pytest.mark.parametrize("table", [name for name, _ in tables(Settings, "settings")])
def test_every_table_is_explained_setting_by_setting(table: str, commands: Commands) -> None:
    model = dict(tables(Settings, "settings"))[table]

    said = commands.run("help", table)
    records = commands.run("help", f"[{table.upper()}]", "--json").records

    assert said.code == GOOD
    own = [name for name, _field in settings_of(model)]
    assert [record["setting"] for record in records] == own
    for record in records:
        assert record["table"] == table and record["text"] and str(record["text"]) in said.out
        assert f"example: {record['example']}" in said.out and str(record["example"]).startswith(
            f"{record['setting']} ="
        )


def test_choices_and_defaults_are_named(commands: Commands) -> None:
    said = commands.run("help", "settings").out

    assert "One of: watch, enforce." in said and 'default: "watch"' in said
    assert "default: must be set" in commands.run("help", "channel").out


def test_without_a_topic_all_topics_are_listed(commands: Commands) -> None:
    said = commands.run("help")
    (record,) = commands.run("help", "--json").records

    assert said.code == GOOD and all(code in said.out for code in CODES)
    assert record == {"tables": [name for name, _ in tables(Settings, "settings")], "codes": list(CODES)}


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("chanel", 'there is no help on "chanel"; did you mean "channel"?\n'),
        ("SW10l", 'there is no help on "SW10l"\n'),
        ("banana", 'there is no help on "banana"\n'),
        ("\x1b[2J", 'there is no help on "\\x1b[2J"\n'),
    ],
)
def test_a_topic_that_does_not_exist_is_told_with_the_nearest(
    topic: str, says: str, commands: Commands
) -> None:
    said = commands.run("help", topic)

    assert (said.code, said.err) == (NO, says) and said.clean


def test_the_shipped_examples_pass_every_lookup(commands: Commands, tmp_path: Path) -> None:
    write(tmp_path, {**example("authspam"), "conf.d/state.toml": SETTINGS})

    assert commands.on_folder("check", "--strict").code in (GOOD, 3)
    assert commands.on_folder("settings").code == GOOD
    assert commands.on_folder("mapping", "FILTER_limitauthspam", "a|abuse@b").code == GOOD
