"""cli.connect: the lines for main.cf. What Postfix makes of them is shown in tests/e2e/test_connect.py."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.cli import connect
from sendwarden.cli.connect import joined, postfix_lines, while_down
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.local_programs import INLINE, INLINE_SINCE, by_file, version_of
from tests.cli.command import Commands
from tests.config.folder import load_folder, write

MILTERS, RESTRICTIONS = "smtpd_milters", "smtpd_recipient_restrictions"
TIMES = "connect_timeout=2s, command_timeout=2s, content_timeout=3s"
POLICY_TIMES = "timeout=2s, try_limit=1, default_action=DUNNO"
OWN = '[[channel]]\nname = "s"\nlogin = true\nsenders = "own"\n'

AT_THE_END = "smtpd_end_of_data_restrictions"
POLICY = f"check_policy_service {{ inet:127.0.0.1:10031, {POLICY_TIMES} }}"
# Settings -> the lines.
LINES: dict[str, tuple[str, dict[str, str]]] = {
    "only watching, mail passes while we are down": (
        "",
        {MILTERS: f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=accept }}"},
    ),
    "acting, it is held": (
        'mode = "enforce"\n',
        {MILTERS: f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=quarantine }}"},
    ),
    "one channel that acts is enough": (
        '[[channel]]\nname = "a"\nmode = "enforce"\n',
        {MILTERS: f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=quarantine }}"},
    ),
    "senders are judged by policy as well": (
        OWN,
        {
            MILTERS: f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=accept }}",
            RESTRICTIONS: POLICY,
            AT_THE_END: POLICY,
        },
    ),
    "without a milter": (f"{OWN}[listen]\nmilter = []\n", {RESTRICTIONS: POLICY, AT_THE_END: POLICY}),
    "only policy can choose a transport": (
        '[[channel]]\nname = "webmail"\nover_limit = "filter slow:"\n',
        {
            MILTERS: f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=accept }}",
            RESTRICTIONS: POLICY,
            AT_THE_END: POLICY,
        },
    ),
    "a path": (
        '[listen]\nmilter = "unix:/run/sendwarden/milter"\n',
        {MILTERS: f"{{ unix:/run/sendwarden/milter, {TIMES}, default_action=accept }}"},
    ),
    "open to all": (
        '[listen]\nmilter = "0.0.0.0:10032"\nallow = ["192.0.2.1"]\n',
        {MILTERS: f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=accept }}"},
    ),
    "open to all, IPv6": (
        '[listen]\nmilter = "[::]:10032"\nallow = ["192.0.2.1"]\n',
        {MILTERS: f"{{ inet:[::1]:10032, {TIMES}, default_action=accept }}"},
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_each_line_says_what_postfix_does_while_we_are_down(case: str, tmp_path: Path) -> None:
    settings, lines = LINES[case]

    assert postfix_lines(load_folder(tmp_path, settings)) == lines
    says = while_down(lines)
    assert list(says) == list(lines)
    for name, line in lines.items():
        held = "default_action=quarantine" in line
        assert says[name].startswith("while Sendwarden is down ")
        assert ("waits in the hold queue" in says[name]) is held is ("unchecked" not in says[name])


@pytest.mark.parametrize("apart", ["uid", "script"])
def test_programs_that_are_told_apart_need_two_lines_more(apart: str, tmp_path: Path) -> None:
    lines = postfix_lines(load_folder(tmp_path, f'[accounts]\nprograms = "{apart}"\n'))

    assert list(lines) == [MILTERS, "non_smtpd_milters", "header_checks"]
    assert lines["non_smtpd_milters"] == lines[MILTERS]
    page = (Path(__file__).parents[2] / "docs" / "accounts-and-channels.md").read_text()
    assert f"    header_checks = {lines['header_checks']}\n" in page
    assert list(while_down(lines)) == [MILTERS, "non_smtpd_milters"]


@pytest.mark.parametrize(
    ("text", "inline"), [("3.6.4", False), ("3.7.11", True), ("3.10.1", True), ("x", True)]
)
def test_an_old_postfix_has_the_pattern_in_a_file(text: str, inline: bool) -> None:
    assert (version_of(text) >= INLINE_SINCE) is inline
    said = "\n".join(by_file(Path("/etc/postfix")))
    assert f"{INLINE[len('regexp:{ { ') :].partition(' PREPEND')[0]} PREPEND X-Local-User: $1 $2" in said
    assert "header_checks = regexp:/etc/postfix/local_checks" in said


# --- beside what stands there

MILTER = f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=accept }}"
POLICY = f"check_policy_service {{ inet:127.0.0.1:10031, {POLICY_TIMES} }}"
JOINED: list[tuple[str, str, str, str]] = [
    (MILTERS, MILTER, "", MILTER),
    (MILTERS, MILTER, "inet:127.0.0.1:8891", f"inet:127.0.0.1:8891, {MILTER}"),
    (MILTERS, MILTER, MILTER, MILTER),
    (MILTERS, MILTER, "inet:127.0.0.1:10032", MILTER),
    (MILTERS, MILTER, "a:1, inet:127.0.0.1:10032 b:2", f"a:1, {MILTER} b:2"),
    (MILTERS, MILTER, MILTER.replace("accept", "quarantine"), MILTER),
    (MILTERS, MILTER, "{inet:127.0.0.1:10032}, b:2", f"{MILTER}, b:2"),
    (MILTERS, MILTER, "{ inet:127.0.0.1:8891, x=1 }", f"{{ inet:127.0.0.1:8891, x=1 }}, {MILTER}"),
    (MILTERS, MILTER, "inet:127.0.0.1:100321", f"inet:127.0.0.1:100321, {MILTER}"),
    ("non_smtpd_milters", MILTER, "inet:127.0.0.1:8891", f"inet:127.0.0.1:8891, {MILTER}"),
    ("non_smtpd_milters", MILTER, "$smtpd_milters", "$smtpd_milters"),
    ("header_checks", INLINE, "pcre:/etc/postfix/x", f"{INLINE}, pcre:/etc/postfix/x"),
    ("header_checks", INLINE, f"{INLINE}, pcre:/etc/postfix/x", f"{INLINE}, pcre:/etc/postfix/x"),
    (RESTRICTIONS, POLICY, "", POLICY),
    (RESTRICTIONS, POLICY, "permit_mynetworks, reject", f"{POLICY}, permit_mynetworks, reject"),
    (RESTRICTIONS, POLICY, f"{POLICY}, reject", f"{POLICY}, reject"),
    (
        RESTRICTIONS,
        POLICY,
        "permit, check_policy_service inet:127.0.0.1:10031, reject",
        f"permit, {POLICY}, reject",
    ),
    (
        RESTRICTIONS,
        POLICY,
        "check_policy_service inet:127.0.0.1:10023",
        f"{POLICY}, check_policy_service inet:127.0.0.1:10023",
    ),
]


@pytest.mark.parametrize(
    ("name", "line", "before", "after"), JOINED, ids=[before for _, _, before, _ in JOINED]
)
def test_our_entry_stands_beside_the_others_once(name: str, line: str, before: str, after: str) -> None:
    assert joined(before, line, name) == after


ENTRIES = st.lists(
    st.sampled_from(
        ["inet:127.0.0.1:8891", "{ unix:/run/x, default_action=accept }", "inet:[::1]:10032", MILTER]
    )
    | st.just("inet:127.0.0.1:10032"),
    max_size=4,
    unique=True,
).map(", ".join)


@given(ENTRIES)
def test_joining_again_changes_nothing_and_loses_nobody(before: str) -> None:
    after = joined(before, MILTER, MILTERS)

    assert joined(after, MILTER, MILTERS) == after and MILTER in after
    assert [one for one in ("8891", "/run/x", "[::1]") if (one in before) != (one in after)] == []


# --- the command


@pytest.fixture
def no_postfix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether there is one on this machine or not."""
    monkeypatch.setattr(connect, "PROGRAMS", str(tmp_path))


@pytest.mark.usefixtures("no_postfix")
@pytest.mark.parametrize(("words", "code"), [(["--print"], GOOD), ([], CANNOT), (["--yes"], CANNOT)])
def test_without_postfix_the_lines_are_shown_to_be_added_by_hand(
    words: list[str], code: int, commands: Commands
) -> None:
    write(commands.folder, {"sendwarden.toml": ""})

    said = commands.on_folder("connect", "postfix", *words)
    (record,) = commands.on_folder("connect", "postfix", "--json", *words).records

    assert said.code == code
    assert said.out.splitlines()[:2] == [
        "Postfix was not found here. On the mail server, add to main.cf:",
        f"  {MILTERS} = {MILTER}",
    ]
    assert "docs/when-sendwarden-is-down.md" in said.out and "To take it out again" in said.out
    passes = "while Sendwarden is down mail passes unchecked"
    assert f"  {MILTERS}: {passes}\n" in said.out
    assert record == {
        "server": "postfix",
        "found": False,
        "settings": {MILTERS: MILTER},
        "while_down": {MILTERS: passes},
    }


def test_a_folder_without_main_cf_and_another_server_are_told(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": ""})

    nowhere = commands.on_folder("connect", "postfix", "--print", "--folder", str(commands.folder / "x"))
    sendmail = commands.on_folder("connect", "sendmail")

    assert (
        nowhere.code == CANNOT and f"main.cf was not changed: {commands.folder / 'x'} has none" in nowhere.err
    )
    assert (sendmail.code, sendmail.err) == (
        CANNOT,
        "Sendmail's lines are written by hand, and stand in docs/when-sendwarden-is-down.md\n",
    )


def test_a_configuration_with_errors_is_not_connected(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": "mode = 5\n"})

    said = commands.on_folder("connect", "postfix", "--yes")

    assert (said.code, said.out) == (NO, "") and said.err.endswith(
        f": sendwarden check --config {commands.folder}\n"
    )


def test_where_nothing_listens_there_is_nothing_to_connect(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": "[listen]\nmilter = []\n"})

    said = commands.on_folder("connect", "postfix", "--yes")

    assert (said.code, said.out) == (CANNOT, "") and "[listen] names no milter" in said.err
