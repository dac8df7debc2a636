"""Messaging Server's dialect: mapping tables as tests and functions, and the document's scripts unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.mapping.callouts import IMAGES
from sendwarden.engine.mapping.check_metermaid import Routine
from sendwarden.engine.mapping.parse import read_mappings
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.meters.options import read_options
from sendwarden.engine.sieve.compile import Script
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.ext.mailserver import MappingCalls
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.outcome import Keep, Reject
from sendwarden.engine.sieve.registry import Language
from sendwarden.engine.world import World as AnyWorld
from sendwarden.stores.memory import MemoryMeters
from tests.engine.sieve.scripts import (
    EXAMPLES,
    World,
    administrator,
    all_shown,
    compiled,
    mail,
    problems,
    run,
    value,
)

TABLES = """
FILTER_SAY
  no*      no$N
  yes*     <$0>$Y
  true*    <$0>$T
  both*    <$0>$N$Y
  empty*   $Y
  plain*   <$0>

FILTER_Two
  *|*      $0,$1$Y

FILTER_KEEP
  *        $Y
"""
SITE = administrator(TABLES)


@pytest.mark.parametrize(
    ("probe", "truth", "text"),
    [
        pytest.param("yes!", True, "<!>", id="Y"),
        pytest.param("true!", True, "<!>", id="T"),
        pytest.param("both!", True, "<!>", id="Y wins over N"),
        pytest.param("empty", True, "", id="the empty text is true as well"),
        pytest.param("no!", False, "", id="N"),
        pytest.param("plain!", False, "", id="no flag"),
        pytest.param("other", False, "", id="no entry"),
    ],
)
def test_a_table_as_test_and_as_function(probe: str, truth: bool, text: str) -> None:
    script = f"""
set "x" "none"; if string :matches "before" "*" {{ }}
if say "{probe}" {{ set "x" "${{0}}"; }} else {{ set "y" "${{0}}"; }}
set "z" say("{probe}");
"""
    variables = run(script, language=SITE).variables

    assert variables["x"] == (text if truth else "none")
    assert variables["z"] == text
    assert truth or variables["y"] == "before", "a test that is false leaves the match variables alone"


def test_a_true_test_sets_no_other_match_variables_than_the_text() -> None:
    assert value('if string :matches "a" "?" {} if say "yes" {} set "x" "${0}${1}";', language=SITE) == "<>"


@pytest.mark.parametrize("name", ["say", "SAY", "Say"])
def test_tables_are_found_whatever_the_case(name: str) -> None:
    assert value(f'set "x" {name}("yes");', language=SITE) == "<>"


def test_a_table_takes_no_name_from_a_command() -> None:
    assert run('if keep "a" { keep; }', language=SITE).actions == (Keep(2),)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param('"a", "b"', "a,b", id="two are joined by a bar"),
        pytest.param('"a", "b", "c"', "a|b,c", id="three"),
        pytest.param('"a|b"', "a,b", id="a bar in the script is one"),
        pytest.param('"${v}", "c"', "a!b,c", id="a bar in a variable is none"),
        pytest.param('"x${v}|y|${v}"', "xa!b|y,a!b", id="both in one argument"),
        pytest.param('"${1}", "d"', "c!c,d", id="match variables"),
        pytest.param('"r", two("p", "q")', "r,p,q", id="a function within"),
        pytest.param('"${v}", two("p", "|")', "a!b,p!,", id="what a function gives is a value, too"),
    ],
)
def test_arguments_are_joined_by_bars_which_no_value_can_add(arguments: str, text: str) -> None:
    """The table parts its probe at the last bar."""
    before = 'set "v" "a|b"; if string :matches "xc|c" "x*" {} '

    assert value(f'{before} set "x" two({arguments});', language=SITE) == text


def test_a_test_takes_several_arguments_as_well() -> None:
    assert value('set "v" "a|b"; if two "${v}" "c" { set "x" "${0}"; }', language=SITE) == "a!b,c"


def test_without_mapping_paranoia_values_may_hold_bars() -> None:
    lenient = administrator(TABLES, paranoia=False)

    assert value('set "v" "a|b"; set "x" two("${v}");', language=lenient) == "a,b"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), st.text("|!a", max_size=6))
def test_no_sender_can_become_two_fields(sender: str, recipient: str) -> None:
    calls = administrator("FILTER_fields\n  *|*|*  3$Y\n  *|*  2$Y\n  *  1$Y\n")
    script = compiled(
        'require ["variables","envelope"]; if envelope :matches "from" "*" { set "f" "${1}"; }'
        'if envelope :matches "to" "*" { set "t" "${1}"; } set "x" fields("${f}|${t}");',
        calls,
    )

    outcome = script.run(Mail((), sender), (recipient,), world=World())

    assert outcome.variables["x"] == "2"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        pytest.param('if say ["a", "b"] {}', ("SW304", "1:8", '["a", "b"]'), id="test with a list"),
        pytest.param('set "x" say(["a"]);', ("SW300", "1:13", "["), id="function with a list"),
        pytest.param('set "x" say("a", ["b"]);', ("SW304", "1:18", '["b"]'), id="list as second argument"),
        pytest.param("if say 5 {}", ("SW304", "1:8", "5"), id="number"),
        pytest.param("if say {}", ("SW306", "1:4", "say"), id="nothing"),
        pytest.param('if say :contains "a" {}', ("SW305", "1:8", ":contains"), id="tag"),
        pytest.param('if say("a") {}', ("SW309", "1:1", 'if say("a")'), id="a function is no test"),
        pytest.param('say "a";', ("SW303", "1:1", "say"), id="a table is no command"),
    ],
)
def test_what_a_table_is_not_asked(script: str, found: tuple[str, str, str]) -> None:
    assert found in all_shown(script, SITE)
    assert not [p for p in problems(f'require "variables"; {script}', SITE) if p.code == "SW301"]


@pytest.mark.parametrize(
    "script",
    [
        "if (true) { keep; }",
        "if not (false) { keep; }",
        "if ((true)) { keep; }",
        "if (not (not ((true)))) { keep; }",
        "if anyof((false), (true)) { keep; }",
        'if (header :contains "Subject" "")\n{ stop; } else { keep; }',
        'if (say "yes") { keep; }',
    ],
)
def test_one_test_may_stand_in_parentheses(script: str) -> None:
    assert run(script, language=SITE).actions
    assert {p.code for p in problems(script)} & {"SW309", "SW303"}, "and not in the plain language"


def test_tags_may_stand_behind_other_arguments() -> None:
    assert problems('if header "Subject" :contains "a" {}', SITE) == []
    assert [p.code for p in problems('if header "Subject" :contains "a" {}')] == ["SW305"]


@pytest.mark.parametrize(
    ("name", "known"),
    [("ereject", True), ("erejec", True), ("ereje", False), ("rejec", False), ("erejects", False)],
)
def test_of_all_shortened_names_only_the_documents_is_known(name: str, known: bool) -> None:
    assert (problems(f'require "ereject"; {name} "no";', SITE) == []) is known


def test_administrators_actions_are_not_for_users() -> None:
    for command in ("hold;", "jettison;", 'capture "a@b";', 'transactionlog "x";'):
        assert problems(command, SITE) == []
        assert [problem.code for problem in problems(command)] == ["SW303"]


# --- the document's scripts


def authspam() -> tuple[Script, World]:
    folder = EXAMPLES / "authspam"
    found = read_mappings("mappings", (folder / "mappings").read_text(encoding="utf-8"))
    options, wrong = read_options("options", (folder / "metermaid.options").read_text(encoding="utf-8"))
    assert not wrong
    language = Language((*CAPABILITIES, *ADMINISTRATOR), MappingCalls(Mappings(found.tables)), dialect=True)
    script = compiled((folder / "authspam.filter").read_text(encoding="utf-8"), language)
    return script, World(meters=MemoryMeters(options))


SPAM = mail({"X-Spam-Score-Internal": "******", "Subject": "x"}, sender="eve@example.org")
REFUSAL = "Your account has been sending a lot of messages that appear to be spam. "


def test_authspam_refuses_an_account_after_fifty_recipients_of_spam_in_an_hour() -> None:
    script, world = authspam()

    for number in range(50):
        assert script.run(SPAM, (f"v{number}@example.net",), world=world).actions == (), number
    refused = script.run(SPAM, ("v50@example.net",), world=world)
    assert refused.actions == (Reject(14, REFUSAL, in_protocol=False),)
    world.now += 3601
    assert script.run(SPAM, ("v51@example.net",), world=world).actions == ()


@pytest.mark.parametrize("exempt", ["is-spam", "not-spam", "abuse", "POSTMASTER"])
def test_authspam_does_not_count_reports_to_the_postmaster(exempt: str) -> None:
    script, world = authspam()

    for number in range(60):
        assert script.run(SPAM, (f"{exempt}@{number}.example",), world=world).actions == ()
    assert script.run(SPAM, ("v@example.net",), world=world).actions == ()


def test_authspam_cannot_be_deceived_by_a_recipient_that_looks_like_two_fields() -> None:
    script, world = authspam()

    outcomes = [script.run(SPAM, ('"a|is-spam@b"@evil.example',), world=world) for _ in range(51)]

    assert outcomes[-1].actions and not outcomes[-2].actions


def test_authspam_leaves_mail_alone_that_is_not_rated_as_spam() -> None:
    script, world = authspam()

    for rating in ({"X-Spam-Score-Internal": "***"}, {"X-Spam-Score": "******"}, {}):
        for _ in range(60):
            assert script.run(mail(rating), ("v@example.net",), world=world).actions == ()


def test_authspam_counts_each_sender_on_its_own() -> None:
    script, world = authspam()

    for number in range(60):
        sender = mail({"X-Spam-Score-Internal": "****"}, sender=f"user{number}@example.org")
        assert script.run(sender, ("v@example.net",), world=world).actions == ()


def test_authspam_tells_what_it_needs() -> None:
    facts = authspam()[0].facts

    assert (facts.recipient, facts.sender, facts.body) == (True, True, False)
    assert facts.headers == {"x-spam-score-internal"}
    assert facts.tables == {"FILTER_LIMITAUTHSPAM"} and facts.actions == {"reject"}


def greylist(answer: str | None) -> tuple[Script, list[list[str]]]:
    asked: list[list[str]] = []

    def gross(_world: AnyWorld, arguments: list[str]) -> str | None:
        asked.append(arguments)
        return answer

    names = ("server", "second", "port", "client", "sender", "recipient", "helo")
    images = {**IMAGES, "grosscheck.so": {"grosscheck": Routine(gross, names)}}
    folder = EXAMPLES / "greylist"
    language = administrator((folder / "mappings").read_text(encoding="utf-8"), images)
    return compiled((folder / "greylist.sieve").read_text(encoding="utf-8"), language), asked


WEBMAIL = mail(
    [
        ("Received", "from other by host"),
        ("Received", "from webmail (Forwarded-For: 192.0.2.7)\n by host"),
        ("From", '"Bob, B." <bob@example.org>'),
    ]
)
WAIT = "Delivery failed. Please wait 10 seconds and try sending again..."


def test_greylist_asks_for_the_browsers_address_and_refuses_what_is_grey() -> None:
    script, asked = greylist("$X4.4.3|$NGreylisted$E")

    outcome = script.run(WEBMAIL, ("v@example.net",), world=World())

    assert [arguments[3:6] for arguments in asked] == [["192.0.2.7", "bob@example.org", "uwc"]]
    assert outcome.variables["ip_addr"] == "192.0.2.7"
    assert outcome.actions == (Reject(15, WAIT, in_protocol=True),)


def test_greylist_lets_pass_what_is_not_grey() -> None:
    script, asked = greylist(None)

    outcome = script.run(WEBMAIL, ("v@example.net",), world=World())

    assert asked and outcome.actions == () and outcome.implicit_keep


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Received", "from a by b"), ("From", "<a@b>")], id="not from webmail"),
        pytest.param(
            [("Received", "(Forwarded-For: 192.0.2.7)"), ("From", "a@b")], id="From without brackets"
        ),
        pytest.param([], id="no headers"),
    ],
)
def test_greylist_asks_nothing_about_other_mail(headers: list[tuple[str, str]]) -> None:
    script, asked = greylist("x")

    assert script.run(mail(headers), ("v@example.net",), world=World()).actions == () and not asked
