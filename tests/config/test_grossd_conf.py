"""config.grossd: a grossd.conf as it stands, its odd defaults, and all that grossd would pass over."""

from pathlib import Path

import pytest

from sendwarden.config.greylist import GreylistSettings
from sendwarden.config.greylist_rules import greylist_rules, manner, over
from sendwarden.config.grossd import CHECKS, OPTIONS, read_grossd
from sendwarden.config.load import Loaded
from sendwarden.core.identity import IdentityRules
from sendwarden.core.place import Severity
from sendwarden.engine.greylist.question import Action
from sendwarden.engine.reputation.lists import ANSWERS
from sendwarden.service import reputation
from tests.config.folder import errors, load_folder, told

SJSMS = "protocol = sjsms\n"
TAKEN = '[greylist]\ngrossd = "grossd.conf"\n'
# As Debian installs it, without its comments, and with a protocol and no check.
DEBIAN = """
# /etc/grossd.conf - configuration file for Greylisting of Suspicious Sources
host = localhost		# the server listens here
port=5525
protocol = sjsms ; protocol = postfix
"""


def settings(text: str) -> GreylistSettings:
    return over(GreylistSettings(), read_grossd("grossd.conf", SJSMS + text).values)


def test_an_empty_file_has_grossds_real_defaults() -> None:
    found = settings("")

    assert (found.listen, found.status) == (["127.0.0.1:5525"], ["127.0.0.1:5522"])
    assert (found.delay, found.interval, found.generations) == (10, 3600, 8)
    assert (found.mask4, found.mask6, found.tuple, found.remember) == (24, 64, "user", "grey")
    assert (found.grey_threshold, found.block_threshold, found.wait) == (1, 0, 5.0)
    said = manner(found, watching=False)
    assert said.sjsms_text(Action.GREY, found.grey_reason) == "$X4.4.3|$NPlease$ try$ again$ later"
    assert said.sjsms_text(Action.BLOCK, found.block_reason) == "$NBad$ reputation"
    assert said.postfix_text(Action.GREY, found.grey_reason) == (
        "action=defer_if_permit Please try again later"
    )
    assert said.postfix_text(Action.TRUST, "") == "action=dunno"


READ: list[tuple[str, str, object]] = [
    ("host = 127.0.0.2\nport = 77", "listen", ["127.0.0.2:77"]),
    ("host = localhost", "status", ["127.0.0.1:5522"]),
    ("host = ::1", "listen", ["[::1]:5525"]),
    ("protocol = postfix", "protocols", ["sjsms", "postfix"]),
    ("number_buffers=4", "generations", 4),
    ("rotate_interval\t=\t60", "interval", 60),
    ("update = always", "remember", "always"),
    ("grey_mask = 0", "mask4", 32),
    ("grey_mask = 16", "mask4", 16),
    ("grey_mask6 = 48", "mask6", 48),
    ("grey_tuple = server", "tuple", "server"),
    ("grey_delay = 0", "delay", 0),
    ("grey_delay = 180 # as the manual says", "delay", 180),
    ("query_timelimit = 2500", "wait", 2.5),
    ("block_threshold = 9", "block_threshold", 9),
    ("grey_threshold = 0", "grey_threshold", 0),
    ("grey_reason =  two  words ", "grey_reason", "two  words"),
    ("block_reason = a = b", "block_reason", "a = b"),
    ("sjsms_response_grey = $N%reason%", "sjsms_grey", "$N%reason%"),
    ("sjsms_response_match = $Y$T", "sjsms_match", "$Y$T"),
    ("sjsms_response_trust = $Y$T", "sjsms_trust", "$Y$T"),
    ("sjsms_response_block = $N", "sjsms_block", "$N"),
    ("postfix_response_grey = action=defer", "postfix_grey", "action=defer"),
    ("postfix_response_block = action=550 no", "postfix_block", "action=550 no"),
    ("grey_delay = 5\r\ngrey_mask = 8\r", "delay", 5),
    ("grey_delay = 5\ngrey_delay = 7", "delay", 7),
    ("check = none", "delay", 10),
]


@pytest.mark.parametrize(("text", "setting", "expected"), READ)
def test_an_option_is_read(text: str, setting: str, expected: object) -> None:
    found = read_grossd("grossd.conf", SJSMS + text)

    assert getattr(over(GreylistSettings(), found.values), setting) == expected
    assert not [problem for problem in found.problems if problem.severity is Severity.ERROR]


def test_every_option_that_is_read_has_a_row_here() -> None:
    assert set(OPTIONS) <= {
        line.partition("=")[0].strip() for text, _, _ in READ for line in text.split("\n")
    }


# Text, and what is told of it: code, line, column, and what to write instead.
WRONG: list[tuple[str, str, str]] = [
    ("grey_dealy = 5", "SW701 2:1", 'did you mean "grey_delay"?'),
    ("colour = blue", "SW701 2:1", "take it out"),
    ("  statushost = x", "SW701 2:3", "grossd refuses it too; write host"),
    ("status_port = 5", "SW701 2:1", "grossd refuses it too; set greylist.status in sendwarden.toml"),
    ("grey_delay =  # none", "SW702 2:1", "write one, or take the line out"),
    ("grey_reason = a; b", "SW703 2:16", "take the semicolon out"),
    ("grey_delay = 3m", "SW704 2:14", "write a whole number from 0 to 86400"),
    ("grey_mask = 33", "SW704 2:13", "write a whole number from 0 to 32"),
    ("port = 0", "SW704 2:8", "write a whole number from 1 to 65535"),
    ("update = alwys", "SW704 2:10", 'did you mean "always"?'),
    ("host = mail.example.org", "SW704 2:8", "write its address, such as 127.0.0.1"),
    ("protocol = sjms", "SW704 2:12", 'did you mean "sjsms"?'),
    ("check = dnsbl\ndnsbl = a b", "SW704 3:9", "write a zone, such as zen.spamhaus.org"),
    ("check = dnsbl\ndnsbl = a.example;x", "SW704 3:9", "write a whole number behind the semicolon"),
    ("check = dnswl\ndnswl = a.example;2", "SW703 3:18", "take the semicolon out"),
    ("filter_bits = 24", "SW705 2:1", "it may stay"),
    ("protocol = milter", "SW705 2:12", "it may stay"),
    ("grey_delay 5", "SW706 2:1", 'grossd passes over it as well; write "name = value", or take it out'),
    ("grey_delay = 5\ngrey_delay = 6", "SW707 3:1", "the other stands in grossd.conf:2:1"),
    ("check = dnsblx", "SW708 2:9", 'did you mean "dnsbl"?'),
    ("dnsbl = a.example", "SW710 2:9", "write check = dnsbl"),
    ("check = rhsbl", "SW710 2:9", "write rhsbl = and its zone"),
]


@pytest.mark.parametrize(("text", "where", "remedy"), WRONG)
def test_what_is_wrong_is_told_with_its_place_and_what_to_write(text: str, where: str, remedy: str) -> None:
    problems = read_grossd("grossd.conf", SJSMS + text).problems
    found = [
        (f"{problem.code} {problem.place.line}:{problem.place.column}", problem.remedy)
        for problem in problems
        if problem.place
    ]

    assert (where, remedy) in found


def test_lists_have_their_weights() -> None:
    found = read_grossd(
        "f", "dnsbl = A.example.\ndnsbl = b.example ; 3\nrhsbl=c.example;-2\ndnswl=d.example\n"
    )

    assert [(one.kind, one.zone, one.weight) for one in found.lists] == [
        ("dnsbl", "a.example", 1),
        ("dnsbl", "b.example", 3),
        ("rhsbl", "c.example", -2),
        ("dnswl", "d.example", 1),
    ]


LISTS = "dnsbl = bl.example;2\ndnsbl = two.example\ndnswl = wl.example\nrhsbl = rh.example;-1\n"
MEANT = '[[dns_list]]\nname = "{}"\nkind = "{}"\nzone = "bl.example"\n'
KEY = "abcdefghijklmnopqrstuvwxyz"


def taken(folder: Path, text: str, ours: str = "") -> Loaded:
    return load_folder(folder, f"{TAKEN}{ours}", {"grossd.conf": f"{SJSMS}{text}"})


def test_its_checks_and_lists_are_taken_over(tmp_path: Path) -> None:
    loaded = taken(tmp_path, f"check = dnswl\ncheck = dnsbl\ncheck = reverse\n{LISTS}")

    assert [(one.name, one.kind, dict(one.codes)) for one in loaded.dns_lists] == [
        ("bl.example", "dnsbl", {ANSWERS: 2}),
        ("two.example", "dnsbl", {ANSWERS: 1}),
        ("wl.example", "dnswl", {ANSWERS: 1}),
    ]
    assert loaded.greylist.checks == ["bl.example", "two.example", "wl.example", "reverse"]
    assert loaded.usable and told(loaded) == ["SW710 grossd.conf:8:9"]


def test_a_table_of_ours_stands_for_the_same_zone(tmp_path: Path) -> None:
    loaded = taken(tmp_path, f"check = dnsbl\n{LISTS}", MEANT.format("mine", "dnsbl"))

    assert [one.name for one in loaded.dns_lists] == ["mine", "two.example"]
    assert loaded.greylist.checks == ["mine", "two.example"]


def test_our_own_checks_count_over_the_files(tmp_path: Path) -> None:
    loaded = taken(tmp_path, f"check = dnsbl\n{LISTS}", 'checks = ["two.example", "helo"]\n')

    assert loaded.greylist.checks == ["two.example", "helo"]


def test_the_key_of_a_paid_list_is_a_secret(tmp_path: Path) -> None:
    loaded = taken(tmp_path, f"check = dnsbl\ndnsbl = {KEY}.zen.example\ndnsbl = {KEY}.zen.example;x\n")
    (paid,) = loaded.dns_lists

    assert (paid.name, paid.whole_zone) == ("zen.example", f"{KEY}.zen.example")
    assert KEY not in f"{loaded.problems} {paid} {loaded.greylist}"
    assert told(loaded) == ["SW704 grossd.conf:4:9"]


@pytest.mark.parametrize(
    ("text", "ours", "where"),
    [
        ("check = dnsbl\ndnsbl = a.example\ndnsbl = a.example\n", "", "SW124 grossd.conf:4:9"),
        ("check = dnsbl\ndnsbl = mine\n", MEANT.format("mine", "dnsbl"), "SW124 grossd.conf:3:9"),
        ("", MEANT.format("reverse", "dnsbl"), "SW124 sendwarden.toml:4:8"),
        ("", 'checks = ["dnsbll"]', "SW712 sendwarden.toml:3:11"),
        ("", 'checks = ["rhsbl"]', "SW712 sendwarden.toml:3:11"),
        ("", 'checks = ["blocker"]', "SW712 sendwarden.toml:3:11"),
    ],
)
def test_names_that_mean_nothing_or_two_things_are_told(
    text: str, ours: str, where: str, tmp_path: Path
) -> None:
    assert where in told(taken(tmp_path, text, ours))


@pytest.mark.parametrize("check", sorted(set(CHECKS) - set(reputation.CHECKS)))
def test_a_check_that_cannot_be_asked_stops_the_settings(check: str, tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, TAKEN, {"grossd.conf": f"{SJSMS}check = {check}\n"})

    assert "SW711 grossd.conf:2:9" in told(loaded)
    assert not loaded.usable


def test_our_own_settings_count_over_the_files(tmp_path: Path) -> None:
    files = {"grossd.conf": f"{SJSMS}grey_delay = 30\ngrey_mask = 16\n"}
    loaded = load_folder(tmp_path, f'{TAKEN}delay = "20s"\nlisten = "127.0.0.1:5999"\n', files)

    assert loaded.problems == []
    assert (loaded.greylist.delay, loaded.greylist.mask4) == (20, 16)
    assert loaded.greylist.listen == ["127.0.0.1:5999"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert told(load_folder(tmp_path, TAKEN)) == ["SW121 sendwarden.toml:2:10"]


def test_greylisting_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert load_folder(tmp_path, "").greylist.listen == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[greylist]\nlisten = "0.0.0.0:5525"', "SW122"),
        ('[greylist]\nlisten = "127.0.0.1:5525"\nstatus = "[::]:5522"', "SW122"),
        ('[greylist]\nlisten = "127.0.0.1:10031"', "SW123"),
        ('[greylist]\nlisten = "127.0.0.1:1"\nstatus = "127.0.0.1:1"', "SW123"),
        ('[greylist]\nlisten = "unix:/run/x"', "SW102"),
    ],
)
def test_sockets_are_checked(text: str, code: str, tmp_path: Path) -> None:
    assert [problem.code for problem in errors(load_folder(tmp_path, text))] == [code]


def test_a_grossd_conf_that_is_open_to_all_is_told(tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, TAKEN, {"grossd.conf": f"{SJSMS}host = 0.0.0.0\n"})

    assert [problem.code for problem in errors(loaded)] == ["SW122", "SW122"]


def test_exempt_accounts_are_folded_like_logins_and_stand_for_senders_as_written(tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, '[greylist]\nexempt_accounts = ["News+x", "A@b.example"]\n')
    exempt = greylist_rules(loaded.greylist, loaded.site.identity).exempt

    assert {"news", "A@b.example"} <= exempt.accounts


def test_debians_file_is_read_up_to_what_grossd_refuses() -> None:
    """A second protocol behind a semicolon is a parameter, which grossd does not take."""
    assert [problem.code for problem in read_grossd("f", DEBIAN).problems] == ["SW703", "SW709"]


def test_rules_follow_from_settings() -> None:
    found = settings("grey_tuple = server\nblock_threshold = 5\nupdate = always\n")
    rules = greylist_rules(found.model_copy(update={"checks": ["reverse"]}), IdentityRules())

    assert (rules.keys.tuple, rules.block_threshold, rules.always, rules.checks) == ("server", 5, True, True)
    assert rules.exempt.recipients == {"postmaster", "abuse"}
