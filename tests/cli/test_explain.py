"""cli.explain: what would become of a message, and why; nothing is counted and nothing is kept."""

import subprocess
import sys
import time

import pytest

from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.explain import to_message
from sendwarden.core.decision import Request, Stage
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import LIMITS, Changes
from sendwarden.stores.sql import SqlState
from tests.cli.command import Commands, Said
from tests.cli.state import STATE, counted_meter, damage_state, make_state
from tests.config.folder import example, write

SETTINGS = """
state = "var"
mode = "enforce"
[site]
domains = ["example.org"]
[[channel]]
name = "submission"
login = true
sourcefilter = "authspam.filter"
[[channel]]
name = "actions"
login = false
networks = ["10.0.0.0/8"]
sourcefilter = "actions.filter"
"""
SENTENCE = "Your account has been sending a lot of messages that appear to be spam. "
SPAM = "From: Eve <eve@example.org>\nX-Spam-Score-Internal: ****\nSubject: win\n\nText.\n"
EVE = ("--from", "eve@example.org", "--login", "eve")


@pytest.fixture
def site(commands: Commands) -> Commands:
    """The document's own files, a message that looks like spam, and nothing counted yet."""
    write(
        commands.folder,
        {**example("authspam"), "sendwarden.toml": SETTINGS, "spam": SPAM, "actions.filter": ""},
    )
    return commands


def explain(site: Commands, *words: str, message: str = "spam") -> Said:
    return site.on_folder("explain", str(site.folder / message), *words)


def lines(said: Said, *starts: str) -> list[str]:
    """The lines that begin so, without what they begin with."""
    return [line[10:] for line in said.out.splitlines() if line.startswith(starts)]


def test_a_first_message_is_accepted_and_its_meter_shown_before_and_after(site: Commands) -> None:
    said = explain(site, *EVE, "--to", "v@victim.example", "--client", "192.0.2.7")

    assert said.code == GOOD and said.err == ""
    assert lines(said, "channel") == ['submission   (login "eve", client 192.0.2.7; mode enforce)']
    assert lines(said, "account") == ["eve"]
    assert lines(said, "meter") == ["limitauthspam eve@example.org: 0 -> 1 of 50 in 1h"]
    assert lines(said, "decision") == ["accept"]
    assert "throttle(limitauthspam, eve@example.org): no" in said.out


def test_over_quota_the_refusal_is_shown_in_the_words_that_the_sender_would_see(site: Commands) -> None:
    make_state(site.folder, time.time(), {("limitauthspam", "eve@example.org"): 50})  # noqa: TID251 - as the command

    said = explain(site, *EVE, "--to", "v@victim.example")

    assert said.code == NO
    assert lines(said, "decision") == ["refuse"] and lines(said, "says") == [
        f"550 5.7.1 {SENTENCE}[SW-......]"
    ]
    because = said.out[said.out.index("because") :].splitlines()
    assert because[0].startswith("because   eve@example.org used 50 of 50 in table limitauthspam within 1h")
    assert because[1] == "          filter authspam.filter line 14 refused it for v@victim.example"


def test_of_several_recipients_those_that_would_be_refused_are_named(site: Commands) -> None:
    make_state(site.folder, time.time(), {("limitauthspam", "eve@example.org"): 49})  # noqa: TID251

    said = explain(
        site, *EVE, "--to", "a@victim.example", "--to", "<b@victim.example>", "--to", "abuse@x.example"
    )

    assert said.code == GOOD
    assert lines(said, "decision") == ["accept"] and lines(said, "refused") == ["b@victim.example"]


def test_nothing_is_counted_however_often_it_is_asked(site: Commands) -> None:
    path = make_state(site.folder, time.time(), {("limitauthspam", "eve@example.org"): 20})  # noqa: TID251
    before = path.read_bytes()

    answers = {explain(site, *EVE, "--to", "v@victim.example").out for _ in range(40)}

    assert len(answers) == 1 and "20 -> 21 of 50" in answers.pop()
    assert path.read_bytes() == before


def test_without_a_state_none_is_made(site: Commands) -> None:
    explain(site, *EVE, "--to", "v@victim.example")

    assert not (site.folder / "var").exists()


def test_json_holds_the_decision_as_a_program_wants_it(site: Commands) -> None:
    make_state(site.folder, time.time(), {("limitauthspam", "eve@example.org"): 50})  # noqa: TID251

    (record,) = explain(site, *EVE, "--to", "v@victim.example", "--json").records

    reasons, limits = record.pop("reasons"), record.pop("limits")
    assert isinstance(limits, list) and {limit["after"] for limit in limits} == {0}  # it was refused
    assert isinstance(reasons, list) and [reason["id"] for reason in reasons] == [
        "meter-over",
        "filter-refused",
    ]
    assert record == {
        "channel": "submission",
        "account": "eve",
        "verdict": "refuse",
        "watched": False,
        "at_mail": "",
        "text": SENTENCE,
        "recipients": ["v@victim.example"],
        "refused": [],
        "discarded": [],
        "copies_to": [],
        "headers": [],
        "delay_s": 0,
        "transport": "",
        "removed": [],
        "directory": None,
        "greylist": [],
        "login": "eve",
        "login_from": "",
        "origin": "",
    }


def test_a_message_of_the_webmail_is_of_the_account_that_it_names(site: Commands) -> None:
    webmail = '[webmail]\naccount = ["header"]\n[site]\nwebmail = ["192.0.2.80"]\n'
    files = {
        "sendwarden.toml": SETTINGS.replace("[site]\n", webmail),
        "web": "X-Authenticated-User: Eve\n\nText.\n",
    }
    write(site.folder, files)
    words = ("--from", "eve@example.org", "--to", "v@victim.example", "--client")

    named = explain(site, *words, "192.0.2.80", message="web")
    forged = explain(site, *words, "192.0.2.81", message="web")

    assert lines(named, "account") == ["eve"] and lines(forged, "account") == ["[192.0.2.81]"]
    assert 'login "Eve" by X-Authenticated-User' in named.out and "no login" in forged.out


def test_on_a_channel_that_only_watches_it_says_what_would_be(site: Commands) -> None:
    write(site.folder, {"sendwarden.toml": SETTINGS.replace('"enforce"', '"watch"')})
    make_state(site.folder, time.time(), {("limitauthspam", "eve@example.org"): 50})  # noqa: TID251

    said = explain(site, *EVE, "--to", "v@victim.example")

    assert said.code == NO
    assert lines(said, "decision") == [
        "accept, since this channel only watches; enforced it would be: refuse"
    ]


# A filter for the channel "actions" -> lines about the decision.
ACTIONS: dict[str, tuple[str, int, list[str]]] = {
    "keep": ("keep;", GOOD, ["decision  accept"]),
    "discard": ("discard;", NO, ["decision  discard"]),
    "hold": ("hold;", NO, ["decision  hold"]),
    "copy": ('capture "abuse@example.org";', GOOD, ["decision  accept", "copy to   abuse@example.org"]),
    "refusal for strangers": (
        'require "reject"; reject "no\nnever";',
        NO,
        ["decision  hold"],
    ),
    "a run-time error": (
        'require "variables"; set "a" "b"; ' + "".join(f'set "v{n}" "x";' for n in range(300)),
        GOOD,
        ["decision  accept"],
    ),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_shown_as_what_becomes_of_the_message(action: str, site: Commands) -> None:
    script, code, expected = ACTIONS[action]
    relays = SETTINGS.replace('domains = ["example.org"]', 'domains = ["example.org"]\ninternal = []')
    write(site.folder, {"actions.filter": script, "sendwarden.toml": relays})

    said = explain(site, "--from", "a@b.example", "--to", "v@example.org", "--client", "10.1.1.1")

    assert said.code == code
    assert [line for line in said.out.splitlines() if line in expected] == expected
    if action == "a run-time error":
        assert "stopped: more than 256 variables; the message is kept" in said.out
    if action == "keep":
        assert "no action: the message is kept" not in said.out


def test_a_refusal_of_several_lines_is_shown_line_by_line(site: Commands) -> None:
    write(site.folder, {"authspam.filter": 'require "reject"; reject text:\none\ntwo\n.\n;'})

    assert lines(explain(site, *EVE, "--to", "v@x.example"), "says") == [
        "550 5.7.1 one",
        "550 5.7.1 two",
        "550 5.7.1 [SW-......]",
    ]


def test_a_foreign_sender_is_refused_at_mail_before_any_filter_runs(site: Commands) -> None:
    write(site.folder, {"sendwarden.toml": SETTINGS.replace("login = true", 'login = true\nsenders = "own"')})

    said = explain(site, "--from", "bob@example.org", "--login", "eve", "--to", "v@x.example")

    assert said.code == NO and "authspam.filter" not in said.out
    assert lines(said, "because") == ['the envelope sender "bob@example.org" does not belong to "eve"']


def test_where_a_foreign_sender_is_only_watched_the_message_goes_on_to_the_filters(site: Commands) -> None:
    settings = SETTINGS.replace("login = true", 'login = true\nsenders = "own"').replace(
        '"enforce"', '"watch"'
    )
    write(site.folder, {"sendwarden.toml": settings})

    said = explain(site, "--from", "bob@example.org", "--login", "eve", "--to", "v@x.example")

    assert said.code == NO and "authspam.filter   for v@x.example" in said.out
    assert lines(said, "at MAIL") == [
        'only watching let it pass: the envelope sender "bob@example.org" does not belong to "eve"'
    ]
    assert lines(said, "decision") == ["accept"]


def test_a_foreign_from_is_told_with_the_header_that_it_would_get(site: Commands) -> None:
    own = 'login = true\nheader_from = "own"\nforeign_sender = "tag"'
    write(
        site.folder,
        {
            "sendwarden.toml": SETTINGS.replace("login = true", own),
            "foreign": "From: bob@x.example\n\nText.\n",
        },
    )

    said = explain(site, *EVE, "--to", "v@x.example", message="foreign")

    assert said.code == GOOD and lines(said, "decision") == ["accept"]
    assert lines(said, "because") == ['From names "bob@x.example", which does not belong to "eve"']
    assert lines(said, "adds") == ["X-Sendwarden-Sender: mismatch"]


def test_a_channel_and_a_socket_may_be_named(site: Commands) -> None:
    said = explain(site, *EVE, "--to", "v@x.example", "--channel", "other", "--listener", "127.0.0.1:10031")

    assert lines(said, "channel") == [
        'other   (login "eve", a local program; no channel fits: everything passes)'
    ]


def test_a_configuration_with_errors_is_used_as_far_as_it_goes_and_this_is_said(site: Commands) -> None:
    write(site.folder, {"sendwarden.toml": SETTINGS + "x = 1\n"})

    said = explain(site, *EVE, "--to", "v@x.example")

    check = f"sendwarden check --config {site.folder}"
    assert said.code == GOOD and said.err.endswith(f"would not use it: {check}\n")


CANNOT_BE: dict[str, tuple[list[str], str]] = {
    "no recipient": (["{message}"], "a message has at least one recipient: --to bob@example.org"),
    "no such message": (["{folder}/nowhere", "--to", "a"], "nowhere: No such file or directory"),
    "a folder": (["{folder}", "--to", "a"], ": Is a directory"),
    "no such channel": (
        ["{message}", "--to", "a", "--channel", "submision"],
        'there is no channel "submision"; did you mean "submission"?',
    ),
    "a wild channel": (
        ["{message}", "--to", "a", "--channel", "\x1b[2J"],
        'there is no channel "\\x1b[2J"; known are submission, actions, webmail',
    ),
    "no such socket": (
        ["{message}", "--to", "a", "--listener", "127.0.0.1:10033"],
        'there is no socket "127.0.0.1:10033"; did you mean "127.0.0.1:10032"?',
    ),
    "no address": (["{message}", "--to", "a", "--client", "mx1"], '"mx1" is not an IP address'),
}


@pytest.mark.parametrize("case", CANNOT_BE)
def test_what_cannot_be_is_told_and_nothing_else_printed(case: str, site: Commands) -> None:
    words, says = CANNOT_BE[case]
    filled = [word.format(message=site.folder / "spam", folder=site.folder) for word in words]

    said = site.on_folder("explain", *filled)

    assert (said.code, said.out) == (CANNOT, "") and says in said.err and said.clean


def test_a_damaged_state_is_told_with_what_to_do(site: Commands) -> None:
    damage_state(site.folder)

    said = explain(site, *EVE, "--to", "v@x.example")

    assert (said.code, said.out) == (CANNOT, "") and "Move it away" in said.err
    assert (site.folder / STATE).exists()


def test_a_message_may_come_by_standard_input(site: Commands) -> None:
    words = [
        sys.executable,
        "-m",
        "sendwarden",
        "explain",
        "--config",
        str(site.folder),
        "-",
        *EVE,
        "--to",
        "v@x",
    ]

    done = subprocess.run(words, input=SPAM.encode(), capture_output=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (GOOD, b"")
    assert b"eve@example.org: 0 -> 1 of 50" in done.stdout


def test_a_hostile_message_cannot_reach_the_terminal(site: Commands) -> None:
    script = (
        'require ["variables", "envelope", "fileinto", "reject"];\n'
        'if header :matches "Subject" "*" { set "s" "${1}"; }\n'
        'if envelope :matches "to" "*" { set "t" "${1}"; }\n'
        'transactionlog "${s} ${t}"; reject "no: ${s} ${t}";\n'
    )
    message = b"Subject: \x1b[2J\x9b31m \xff\xe2\x80\xae =?utf-8?q?=1b=5B2J=c2=9b?=\nFrom: \x07\n\nText\n"
    write(site.folder, {"authspam.filter": script, "spam": message})

    for form in ([], ["--json"]):
        said = explain(
            site, "--from", "\x1b[2J@x", "--login", "\x1b]0;x\x07", "--to", "\u202e\x1b[31m@x", *form
        )
        assert said.code == NO and said.clean and "refuse" in said.out


# --- a message file as a mail server would hand it over

REQUEST = Request(Stage.END_OF_MESSAGE)
FILES: dict[str, tuple[bytes, list[tuple[str, str]], bytes]] = {
    "plain": (b"A: 1\nB:2\n\nText.\n", [("A", "1"), ("B", "2")], b"Text.\r\n"),
    "CRLF": (b"A: 1\r\nB: 2\r\n\r\nText.\r\nMore.", [("A", "1"), ("B", "2")], b"Text.\r\nMore."),
    "folded": (b"A: 1\n 2\n\t3\nB:\n x\n\n", [("A", "1\n 2\n\t3"), ("B", "\n x")], b""),
    "several of a name": (b"A: 1\na: 2\nA: 1\n\n", [("A", "1"), ("a", "2"), ("A", "1")], b""),
    "blanks": (b"A :  1  \n\n", [("A", "1  ")], b""),
    "UTF-8": ("A: ä\n\nö".encode(), [("A", "ä")], "ö".encode()),
    "Latin-1": (b"A: \xe4\n\n\xf6", [("A", "\udce4")], b"\xf6"),
    "no body": (b"A: 1\n", [("A", "1")], b""),
    "no line end": (b"A: 1", [("A", "1")], b""),
    "no headers": (b"\nText.\n", [], b"Text.\r\n"),
    "nothing": (b"", [], b""),
    "a line that is no header": (b"A: 1\nText.\nB: 2\n", [("A", "1")], b"Text.\r\nB: 2\r\n"),
    "from a mailbox file": (b"From eve Mon Jan  1 00:00:00 2024\nA: 1\n\n", [("A", "1")], b""),
    "a blank line in the body": (b"A: 1\n\n\nText\n\nB: 2\n", [("A", "1")], b"\r\nText\r\n\r\nB: 2\r\n"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_message_file_becomes_header_pairs_and_a_body(case: str) -> None:
    raw, headers, body = FILES[case]

    message = to_message(raw, REQUEST)

    assert (list(message.headers), message.body) == (headers, body)
    assert message.size_bytes == sum(len(name) + len(value) + 4 for name, value in headers) + len(body)


# --- limits

LIMITED = """
state = "var"
mode = "enforce"
[site]
domains = ["example.org"]
[[channel]]
name = "submission"
login = true
limits = "few"
over_limit = "{over}"
[[limits]]
name = "few"
recipients = ["4/10m", "9/24h"]
external = "8/1h"
per_message = 5
"""
# What is done over the limit -> the exit code, and what is shown of the decision.
OVER = {
    "defer": (NO, ["defer"], []),
    "slow": (GOOD, ["accept"], ["slow      each answer to it comes 0.8 s later"]),
    "filter slow:": (
        GOOD,
        ["accept"],
        ["filter    it goes by slow: (policy service only; a milter cannot say so)"],
    ),
}

# The same for programs: seconds, and a transport.
DONE = {"slow": (0.8, ""), "filter slow:": (0, "slow:")}


def sent(site: Commands, recipients: int, over: str) -> Commands:
    """Eve sent to so many."""
    write(site.folder, {"sendwarden.toml": LIMITED.format(over=over)})
    (site.folder / "var").mkdir()
    state = SqlState(site.folder / "var" / "state.db")
    change = counted_meter("submission", "eve", recipients, time.time())  # noqa: TID251 - as the command
    state.write(Batch(Changes(meters=[(LIMITS, change)])))
    state.close()
    return site


def test_each_limit_is_shown_before_and_after(site: Commands) -> None:
    said = explain(sent(site, 2, "defer"), *EVE, "--to", "v@x.example", "--to", "bob@example.org")

    assert said.code == GOOD and lines(said, "decision") == ["accept"]
    assert lines(said, "limit ") == [
        "recipients: 2 -> 4 of 4 in 10m   (row few)",
        "recipients: 2 -> 4 of 9 in 24h   (row few)",
        "external: 0 -> 1 of 8 in 1h   (row few)",
        "recipients of one message: at most 5",
    ]


@pytest.mark.parametrize("over", OVER)
def test_over_a_limit_it_is_shown_what_would_be_done(over: str, site: Commands) -> None:
    code, decision, more = OVER[over]
    sent(site, 4, over)

    said = explain(site, *EVE, "--to", "v@x.example")
    (record,) = explain(site, *EVE, "--to", "v@x.example", "--json").records

    assert (said.code, lines(said, "decision")) == (code, decision)
    assert [line for line in said.out.splitlines() if line.startswith(("slow ", "filter "))] == more
    assert lines(said, "limit ")[0] == "recipients: 4 -> 4 of 4 in 10m   (row few)"
    assert "used 4 of 4 recipients in 10m" in said.out
    assert (record["delay_s"], record["transport"]) == DONE.get(over, (0, ""))
    assert record["limits"][0] == {  # type: ignore[index]
        "counted": "recipients", "window": "10m", "most": 4, "before": 4, "after": 4, "row": "few",
    }  # fmt: skip


def test_mail_that_nobody_is_charged_for_says_so(site: Commands) -> None:
    sent(site, 4, "defer")
    said = explain(site, "--to", "v@x.example", "--client", "127.0.0.1")

    assert lines(said, "limit ") == [
        "nobody is charged for it: no limits on this channel, or mail of others that is passed on"
    ]
