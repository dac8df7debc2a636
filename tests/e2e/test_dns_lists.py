"""Lists on a real rbldnsd: tested at the start, shown, asked by hand, and told in the log."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.liar import Liar
from tests.servers.rbldnsd import EVERY_IPV6, EVERYTHING, TEST_ENTRY, Rbldnsd
from tests.servers.sendwarden import Sendwarden, command_on
from tests.servers.space import wait_for

pytestmark = pytest.mark.e2e

KEY = "s3cr3tk3y0fasubscription42"
ZONES = {
    "bl.test": [
        ("ip4set", f"{TEST_ENTRY}192.0.2.7\n198.51.100.0/24 :127.0.0.9:\n"),
        ("ip6trie", "2001:db8::/32\n"),
    ],
    "all.test": [("ip4set", EVERYTHING)],
    "all6.test": [("ip4set", TEST_ENTRY), ("generic", EVERY_IPV6)],
    "none.test": [("ip4set", "192.0.2.7\n")],
    "wl.test": [("ip4set", f"{TEST_ENTRY}192.0.2.9\n")],
    f"{KEY}.paid.test": [("ip4set", f"{TEST_ENTRY}192.0.2.7\n")],
    "rh.test": [("dnset", "test\n.bad.example\n.xn--bcher-kva.example\n")],
}


def table(name: str, kind: str, zone: str, place: str, more: str = "") -> str:
    return (
        f'[[dns_list]]\nname = "{name}"\nkind = "{kind}"\nzone = "{zone}"\nservers = "{place}"\n'
        f'timeout = "500ms"\n{more}\n'
    )


@pytest.fixture(scope="module")
def rbldnsd() -> Iterator[Rbldnsd]:
    server = Rbldnsd(ZONES)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    server = Liar("lie.test", mode="refusing")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def warden(rbldnsd: Rbldnsd, liar: Liar) -> Iterator[Sendwarden]:
    at = rbldnsd.place
    daemon = Sendwarden(
        table("good", "dnsbl", "bl.test", at)
        + table("everything", "dnsbl", "all.test", at)
        + table("meant", "dnsbl", "all.test", at, 'health_check = "off"')
        + table("doubtful", "dnsbl", "all.test", at, 'health_check = "warn"')
        + table("everything6", "dnsbl", "all6.test", at)
        + table("nothing", "dnsbl", "none.test", at)
        + table("white", "dnswl", "wl.test", at)
        + table("paid", "dnsbl", "paid.test", at, f'key_secret = "{KEY}"')
        + table("domains", "rhsbl", "rh.test", at)
        + table("refusing", "dnsbl", "lie.test", liar.place)
    )
    wait_for("all lists are tested", lambda: len(daemon.events("dns-list")) == 9)
    yield daemon
    daemon.stop()


class Folder:
    """Settings without a daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *words: str) -> tuple[int, str]:
        return command_on(self.folder, *words)


def lists(warden: Sendwarden | Folder) -> dict[str, dict[str, object]]:
    _code, said = warden.command("dnsbl", "lists", "--json")
    return {str(one["list"]): one for one in map(json.loads, said.splitlines())}


def check(warden: Sendwarden | Folder, subject: str) -> tuple[int, dict[str, tuple[str, int]]]:
    code, said = warden.command("dnsbl", "check", subject, "--json")
    checks = json.loads(said)["checks"]
    return code, {one["name"]: (one["says"], one["weight"]) for one in checks}


STANDINGS = {
    "good": "good",
    "everything": "out of service: lists 127.0.0.1, which no list may: it lists everything",
    "meant": "not tested (health_check = off)",
    "doubtful": "doubtful: lists 127.0.0.1, which no list may: it lists everything",
    "everything6": "out of service: lists ::FFFF:7F00:1, which no list may: it lists everything",
    "nothing": "out of service: does not list 127.0.0.2, which each list must: it answers nothing",
    "white": "good",
    "paid": "good",
    "domains": "good",
    "refusing": "out of service: refuses to answer: 127.255.255.254",
}


def test_each_list_stands_as_its_test_entries_say(warden: Sendwarden) -> None:
    found = {}
    for name, one in lists(warden).items():
        tested = "" if one["health_check"] == "off" else str(one["standing"])
        why = str(one["why"]).removeprefix(f"{tested}: ")
        found[name] = ": ".join(filter(None, (tested or "not tested (health_check = off)", why)))
    assert found == STANDINGS

    code, said = warden.command("dnsbl", "lists")
    assert code == 1 and "everything           dnsbl  all.test   out of service since" in said
    told = {event["list"]: event["standing"] for event in warden.events("dns-list")}
    assert told == {name: says.partition(":")[0] for name, says in STANDINGS.items() if name != "meant"}
    unfit = {str(event["about"]).partition(":")[0] for event in warden.warnings("dns-list-unfit")}
    assert unfit == {name for name, says in STANDINGS.items() if says.startswith(("out", "doubtful"))}


SILENT = dict.fromkeys(("everything", "everything6", "nothing", "refusing"), ("no answer", 0))
CLEAR = ("not listed", 0)
EVERY = {"meant": ("listed", 1), "doubtful": ("listed", 1)}


@pytest.mark.parametrize(
    ("subject", "code", "says"),
    [
        ("192.0.2.7", 1, {"good": ("listed", 1), "white": CLEAR, "paid": ("listed", 1), **EVERY}),
        ("192.0.2.8", 1, {"good": CLEAR, "white": CLEAR, "paid": CLEAR, **EVERY}),
        ("192.0.2.9", 1, {"good": CLEAR, "white": ("pass", 0), "paid": CLEAR, **EVERY}),
        ("198.51.100.1", 1, {"good": CLEAR, "white": CLEAR, "paid": CLEAR, **EVERY}),
        ("::ffff:192.0.2.7", 1, {"good": ("listed", 1), "white": CLEAR, "paid": ("listed", 1), **EVERY}),
        (
            "2001:db8::7",
            1,
            {"good": ("listed", 1), "white": CLEAR, "paid": CLEAR} | dict.fromkeys(EVERY, CLEAR),
        ),
    ],
)
def test_what_lists_say_of_an_address(
    subject: str, code: int, says: dict[str, tuple[str, int]], warden: Sendwarden
) -> None:
    assert check(warden, subject) == (code, says | SILENT)


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ("bad.example", ("listed", 1)),
        ("Mail.BAD.example.", ("listed", 1)),
        ("bücher.example", ("listed", 1)),
        ("good.example", CLEAR),
    ],
)
def test_what_a_list_says_of_a_domain(subject: str, says: tuple[str, int], warden: Sendwarden) -> None:
    assert check(warden, subject) == (int(says[1]), {"domains": says})


def test_a_code_that_the_settings_do_not_name_is_shown_and_weighs_nothing(warden: Sendwarden) -> None:
    code, said = warden.command("dnsbl", "check", "198.51.100.1")

    assert code == 1 and "good                 dnsbl    not listed   127.0.0.9\n" in said


def test_without_a_daemon_the_lists_themselves_are_asked(rbldnsd: Rbldnsd, tmp_path: Path) -> None:
    settings = table("good", "dnsbl", "bl.test", rbldnsd.place) + table(
        "bad", "dnsbl", "all.test", rbldnsd.place
    )
    (tmp_path / "sendwarden.toml").write_text(f'state = "var"\n{settings}')
    alone = Folder(tmp_path)

    assert check(alone, "192.0.2.7") == (1, {"good": ("listed", 1), "bad": ("no answer", 0)})
    assert check(alone, "192.0.2.8") == (0, {"good": CLEAR, "bad": ("no answer", 0)})
    assert {name: one["in_service"] for name, one in lists(alone).items()} == {"good": True, "bad": False}
    assert not (tmp_path / "var").exists()


def test_a_list_that_hangs_is_left_alone_told_of_and_comes_back(rbldnsd: Rbldnsd, warden: Sendwarden) -> None:
    rbldnsd.pause()
    try:
        says = [check(warden, f"203.0.113.{number}")[1] for number in range(6)]
        assert {weight for one in says for _, weight in one.values()} == {0}
        hung = lists(warden)["good"]
        assert str(hung["why"]).startswith("rests for ") and "no answer" in str(hung["last_trouble"])
        assert "good" in {event["list"] for event in warden.events("dns-list-rests")}
        wait_for("the trouble is told", lambda: warden.warnings("dns-list-trouble"))
    finally:
        rbldnsd.go_on()

    fresh = iter(range(250))

    def back() -> bool:
        check(warden, f"203.0.114.{next(fresh)}")
        return "good" in {event["list"] for event in warden.events("dns-list-back")}

    wait_for("the list is back", back, 60.0)
    assert check(warden, "192.0.2.7")[1]["good"] == ("listed", 1)


def test_over_a_reload_lists_stay_and_a_new_one_is_tested(rbldnsd: Rbldnsd, warden: Sendwarden) -> None:
    before = {name: one["asked"] for name, one in lists(warden).items()}
    path = warden.folder / "sendwarden.toml"
    path.write_text(path.read_text() + table("late", "dnsbl", "bl.test", rbldnsd.place))

    warden.reload()
    wait_for("the new list is tested", lambda: warden.events("dns-list")[-1]["list"] == "late")

    found = lists(warden)
    assert found["late"]["standing"] == "good"
    assert {name: found[name]["asked"] for name in before} == before


def test_the_key_of_a_paid_list_is_shown_nowhere(warden: Sendwarden) -> None:
    said = [
        warden.command(*words)[1]
        for words in (
            ("dnsbl", "lists"), ("dnsbl", "lists", "--json"), ("dnsbl", "check", "192.0.2.7", "--json"),
            ("settings",), ("check",),
        )
    ]  # fmt: skip
    everything = "".join((*said, warden.output(), json.dumps(warden.events())))

    assert "***.paid.test" in everything and KEY not in everything
