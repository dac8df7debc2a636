"""`sendwarden connect postfix` on a real Postfix: what it shows, changes, and how that is taken out again."""

import json
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postfix import Postfix, Service
from tests.servers.sink import Sink

MILTERS, RESTRICTIONS = "smtpd_milters", "smtpd_recipient_restrictions"
TIMES = "connect_timeout=2s, command_timeout=2s, content_timeout=3s"
MILTER = f"{{ inet:127.0.0.1:10032, {TIMES}, default_action=accept }}"
POLICY = "check_policy_service { inet:127.0.0.1:10031, timeout=2s, try_limit=1, default_action=DUNNO }"
OWN = '[[channel]]\nname = "s"\nlogin = true\nsenders = "own"\n'


class Site:
    """A Postfix, and settings that it is to ask by. `reset` brings back what a test begins with."""

    def __init__(self, postfix: Postfix) -> None:
        self.postfix = postfix
        self.etc = postfix.folder / "etc"
        self.main = self.etc / "main.cf"
        self._first = self.main.read_text()
        self.first_master = (self.etc / "master.cf").read_text()
        self.settings = Path(tempfile.mkdtemp(prefix="sendwarden-connect-")) / "sendwarden.toml"
        self.settings.parent.chmod(0o755)

    def reset(self, settings: str = "", more: str = "") -> None:
        for copy in self.copies():
            copy.unlink()
        self.main.write_text(self._first + more)
        (self.etc / "master.cf").write_text(self.first_master)
        self.settings.write_text(f'state = "var"\n{settings}')

    def connect(self, *words: str, answer: str = "") -> tuple[int, str]:
        """Run the command where Postfix is; exit code and what it printed."""
        command = [sys.executable, "-m", "sendwarden", "connect", "postfix", "--config", str(self.settings)]
        line = f'{shlex.join([*command, "--folder", str(self.etc), *words])} 2>&1; echo "exit $?"'
        said, _, code = self.shell(line, answer).rpartition("exit ")
        return int(code), said

    def found_by_check(self, *words: str) -> tuple[int, str]:
        """What `sendwarden check` says where Postfix is."""
        command = [sys.executable, "-m", "sendwarden", "check", "--config", str(self.settings)]
        line = f'{shlex.join([*command, "--folder", str(self.etc), *words])} 2>&1; echo "exit $?"'
        said, _, code = self.shell(line).rpartition("exit ")
        return int(code), said

    def shell(self, line: str, stdin: str = "") -> str:
        return self.postfix.space.run("sh", "-c", line, stdin=stdin.encode())

    def value(self, name: str) -> str:
        return self.shell(f"postconf -c {self.etc} -h {name}").strip()

    def non_default(self) -> str:
        """All settings of main.cf, as Postfix reads them."""
        return self.shell(f"postconf -c {self.etc} -n 2>&1")

    def check(self) -> str:
        """What `postfix check` complains about."""
        return self.shell(f"postfix -c {self.etc} check 2>&1")

    def copies(self) -> list[Path]:
        return sorted(self.etc.glob("main.cf.before-sendwarden-*"))


@pytest.fixture(scope="module")
def server(sink: Sink) -> Iterator[Postfix]:
    made = Postfix(sink.port, [Service("relay")])
    yield made
    made.stop()


@pytest.fixture
def site(server: Postfix) -> Iterator[Site]:
    made = Site(server)
    made.reset()
    yield made
    made.reset()


def undo_commands(said: str) -> list[str]:
    """The commands that a run printed to take it out again."""
    return [
        line.strip()
        for line in said.rpartition("To take it out again:\n")[2].splitlines()
        if line.startswith("  ")
    ]


def test_only_shown_the_lines_are_there_and_main_cf_stays_as_it_is(site: Site) -> None:
    before = site.main.read_bytes()

    code, said = site.connect("--print")

    assert code == 0
    assert f"  -{MILTERS} =\n  +{MILTERS} = {MILTER}\n" in said
    assert f"  postconf -c {site.etc} -e '{MILTERS} = {MILTER}'\n" in said
    assert f"  {MILTERS}: while Sendwarden is down mail passes unchecked\n" in said
    assert undo_commands(said) == [f"postconf -c {site.etc} -X {MILTERS}", f"postfix -c {site.etc} reload"]
    assert site.main.read_bytes() == before and site.copies() == []


def test_on_yes_main_cf_is_copied_and_changed_and_postfix_stays_content(site: Site) -> None:
    before, content = site.main.read_bytes(), site.check()

    code, said = site.connect("--yes")

    assert code == 0 and site.value(MILTERS) == MILTER and site.value(RESTRICTIONS) == ""
    (copy,) = site.copies()
    assert copy.read_bytes() == before and f"A copy of the old file: {copy}\n" in said
    assert site.check() == content == ""
    site.shell(f"postfix -c {site.etc} reload")


def test_a_second_time_there_is_nothing_to_change(site: Site) -> None:
    site.connect("--yes")
    before = site.main.read_bytes()

    code, said = site.connect("--yes")

    assert (code, said) == (0, "Postfix asks us already; nothing to change.\n")
    assert site.main.read_bytes() == before and len(site.copies()) == 1


APART = '[accounts]\nprograms = "uid"\n'
LOCAL, CHECKS = "non_smtpd_milters", "header_checks"


def test_programs_that_are_told_apart_get_their_lines_and_check_says_which_are_missing(site: Site) -> None:
    site.reset(APART, "header_checks = regexp:{ { /^X-Bad:/ REJECT } }\n")
    before = site.non_default()
    lacking = site.found_by_check()[1]

    code, said = site.connect("--yes")

    assert code == 0 and site.check() == "", said
    assert f"warning SW504: {LOCAL} does not name Sendwarden" in lacking
    assert f"warning SW504: {CHECKS} does not copy who ran sendmail" in lacking
    assert site.value(LOCAL) == MILTER
    assert site.value(CHECKS).endswith("}, regexp:{ { /^X-Bad:/ REJECT } }")
    assert "SW504" not in site.found_by_check()[1]
    again = site.connect("--yes")
    assert again == (0, "Postfix asks us already; nothing to change.\n")
    for command in undo_commands(said):
        site.shell(command)
    assert site.non_default() == before


@pytest.mark.parametrize("form", ["$$1 $$2", "$$2 $$1"])
def test_a_table_of_ones_own_counts_by_what_it_answers(site: Site, form: str) -> None:
    pattern = r"/^Received: by .* from userid ([0-9]+)\)[[:space:]]+id ([^;]+);/"
    more = f"header_checks = regexp:{{ {{ {pattern} PREPEND X-Local-User: {form} }} }}\n"
    site.reset(APART, f"{more}{LOCAL} = $smtpd_milters\n{MILTERS} = {MILTER}\n")

    said = site.found_by_check()[1]

    assert (f"{CHECKS} does not copy" in said) is (form == "$$2 $$1")
    assert f"{LOCAL} does not name" not in said


def test_a_service_with_milters_of_its_own_is_pointed_at(site: Site) -> None:
    """What ``-o`` in master.cf says wins over main.cf: mail that comes by that service would not be seen."""
    (site.etc / "master.cf").write_text(
        f"{site.first_master}587 inet n - n - - smtpd -o {MILTERS}=inet:127.0.0.1:8\n"
    )

    code, said = site.connect("--yes")

    assert code == 0
    assert f"do not ask us by main.cf's:\n  587/inet/{MILTERS} = inet:127.0.0.1:8\nTake those out" in said
    assert f"/{RESTRICTIONS} =" not in said


# What main.cf says before.
BEFORE = {
    "nothing": "",
    "a milter": f"{MILTERS} = inet:127.0.0.1:8891\n",
    "several lines": (
        f"{MILTERS} =\n  inet:127.0.0.1:8891,\n  {{ unix:/run/x, default_action=accept }}\n"
        f"{RESTRICTIONS} =\n  permit_mynetworks,\n  check_policy_service inet:127.0.0.1:10023,\n  reject\n"
    ),
    "quotes and variables": (
        f"others = inet:127.0.0.1:8891\n{MILTERS} = $others\n"
        f'{RESTRICTIONS} = check_policy_service {{ inet:127.0.0.1:9, default_action=451 it\'s "late" }}\n'
    ),
    "empty, and said so": f"{MILTERS} =\n",
}


@pytest.mark.parametrize("before", BEFORE)
def test_the_printed_commands_take_it_out_again(before: str, site: Site) -> None:
    site.reset(OWN, BEFORE[before])
    was = site.non_default()

    code, said = site.connect("--yes")
    milters, restrictions = site.value(MILTERS), site.value(RESTRICTIONS)
    assert code == 0 and milters.endswith(MILTER) and restrictions.startswith(POLICY)
    assert site.non_default() != was

    site.shell(" && ".join(undo_commands(said)))

    assert site.non_default() == was and site.check() == ""


def test_what_stands_there_already_keeps_its_place(site: Site) -> None:
    site.reset(OWN, BEFORE["several lines"])

    site.connect("--yes")

    assert site.value(MILTERS) == f"inet:127.0.0.1:8891, {{ unix:/run/x, default_action=accept }}, {MILTER}"
    assert site.value(RESTRICTIONS) == (
        f"{POLICY}, permit_mynetworks, check_policy_service inet:127.0.0.1:10023, reject"
    )


def test_after_the_mode_was_changed_our_entry_is_replaced_and_not_doubled(site: Site) -> None:
    site.reset("", BEFORE["a milter"])
    site.connect("--yes")

    site.settings.write_text('mode = "enforce"\n')
    code, _said = site.connect("--yes")

    assert code == 0
    assert site.value(MILTERS) == f"inet:127.0.0.1:8891, {MILTER.replace('=accept', '=quarantine')}"
    assert len(site.copies()) == 2


BEHIND = "inet:127.0.0.1:8891"
LAST = "Postfix asks Sendwarden last: what others refuse does not count.\n"
# main.cf and a service of master.cf -> what stands behind us, in which setting.
STANDING: dict[str, tuple[str, str, str]] = {
    "last": (f"others = {BEHIND}\n{MILTERS} = $others, inet:127.0.0.1:10032\n", "", ""),
    "not last": (f"others = {BEHIND}\n{MILTERS} = inet:127.0.0.1:10032, $others\n", "", MILTERS),
    "not last at one service": (
        f"{MILTERS} = {BEHIND}, inet:127.0.0.1:10032\n",
        f"587 inet n - n - - smtpd\n  -o {{ {MILTERS} = inet:127.0.0.1:10032, {BEHIND} }}\n",
        f"587/inet/{MILTERS}",
    ),
}


@pytest.mark.parametrize("case", STANDING)
def test_check_and_connect_say_who_stands_behind_us(case: str, site: Site) -> None:
    main, master, setting = STANDING[case]
    site.reset("", main)
    (site.etc / "master.cf").write_text(site.first_master + master)

    code, said = site.found_by_check("--strict")
    connected = site.connect("--print")[1]

    print(f"\n{said}{connected}")
    if not setting:
        assert code == 0 and LAST in said and "behind us" not in connected
        return
    assert code == 3 and LAST not in said and "SW502" in said
    assert f"Postfix's {setting}: what {BEHIND} refuses counts until its window ends" in said
    assert f"  {setting}: {BEHIND}   (put Sendwarden's milter last in smtpd_milters)\n" in connected


def test_where_postfix_does_not_ask_us_check_says_nothing_of_it(site: Site) -> None:
    code, said = site.found_by_check("--strict")

    assert code == 0 and LAST not in said and "SW502" not in said


@pytest.mark.parametrize(
    ("answer", "changed"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_it_asks_first_and_only_a_yes_is_one(answer: str, changed: bool, site: Site) -> None:
    before = site.main.read_bytes()

    code, said = site.connect(answer=answer)

    assert "Make this change? [y/N] " in said
    assert (site.main.read_bytes() != before) is changed is bool(site.copies())
    assert code == (0 if changed else 1) and ("Nothing was changed." in said) is not changed


def test_json_shows_without_asking_and_changes_only_on_yes(site: Site) -> None:
    code, shown = site.connect("--json", answer="y\n")
    assert code == 0 and site.copies() == [] and site.value(MILTERS) == ""

    code, done = site.connect("--json", "--yes")

    expected = {
        "server": "postfix",
        "found": True,
        "settings": {MILTERS: MILTER},
        "overrides": {},
        "changes": {MILTERS: MILTER},
        "while_down": {MILTERS: "while Sendwarden is down mail passes unchecked"},
        "behind": {},
    }
    undo = [f"postconf -c {site.etc} -X {MILTERS}", f"postfix -c {site.etc} reload"]
    assert json.loads(shown) == {**expected, "changed": False, "backup": "", "undo": undo}
    assert code == 0 and json.loads(done) == {
        **expected,
        "changed": True,
        "backup": str(site.copies()[0]),
        "undo": undo,
    }
    assert site.value(MILTERS) == MILTER


def test_a_folder_without_a_configuration_of_postfix_is_told(site: Site) -> None:
    command = [sys.executable, "-m", "sendwarden", "connect", "postfix", "--config", str(site.settings)]

    said = site.shell(f"{shlex.join([*command, '--folder', '/nowhere', '--yes'])} 2>&1; echo $?")

    assert said.startswith("main.cf was not changed: ") and said.endswith("\n2\n")
    assert "/nowhere" in said and not re.search(r"Traceback|CalledProcessError|\['", said)


def test_the_first_screen_of_a_machine_with_postfix_names_it(site: Site) -> None:
    line = (
        f"{sys.executable} -c 'from sendwarden.cli.surroundings import look_around; print(look_around()[0])'"
    )

    assert re.search(r"name='Postfix', here=True, detail='\d+\.\d+\.\d+ \(/etc/postfix\)'", site.shell(line))
