"""cli.dnsbl: what it shows and how it ends, where no question has to be asked."""

import re

import pytest

from sendwarden.cli.dnsbl import _standing
from sendwarden.cli.exits import CANNOT, GOOD
from tests.cli.command import Commands
from tests.config.folder import write


@pytest.fixture
def site(commands: Commands) -> Commands:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\n'})
    return commands


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("lists",), "no list is set: write a [[dns_list]] table\n"),
        (("check", "192.0.2.7"), "192.0.2.7: no list is set: write a [[dns_list]] table\n"),
        (("check", "example.org"), "example.org: no list is set: write a [[dns_list]] table\n"),
    ],
)
def test_without_lists_nothing_is_asked_and_this_is_said(
    words: tuple[str, ...], out: str, site: Commands
) -> None:
    said = site.on_folder("dnsbl", *words)

    assert (said.code, said.out, said.err) == (GOOD, out, "")
    assert not (site.folder / "var").exists()


@pytest.mark.parametrize(
    ("words", "err"),
    [
        (("check",), "say of which address or domain: "),
        (("check", "bob"), "'bob' is neither an address nor a domain: 192.0.2.7, 2001:db8::7, example.org"),
        (("check", "192.0.2.7/24"), "'192.0.2.7/24' is neither an address nor a domain"),
        (("lists", "192.0.2.7"), "'192.0.2.7' goes with check: "),
        (("list",), 'did you mean "lists"?'),
    ],
)
def test_wrong_words_are_told_with_what_to_write(words: tuple[str, ...], err: str, site: Commands) -> None:
    said = site.on_folder("dnsbl", *words)

    assert (said.code, said.out) == (CANNOT, "") and err in said.err


@pytest.mark.parametrize(
    ("health_check", "standing", "why", "says"),
    [
        ("retire", "good", "", "good since "),
        ("retire", "good", "rests for 9 s: late", "good since .*: rests for 9 s: late"),
        (
            "retire",
            "out of service",
            "out of service: it lists all",
            "out of service since [^l]*: it lists all$",
        ),
        ("warn", "doubtful", "it lists all", "doubtful since .*: it lists all"),
        ("off", "good", "", "not tested \\(health_check = off\\)$"),
        ("off", "good", "rests for 9 s: late", "rests for 9 s: late$"),
    ],
)
def test_how_a_list_stands_is_one_sentence(health_check: str, standing: str, why: str, says: str) -> None:
    one = {"health_check": health_check, "standing": standing, "why": why, "since": 1_700_000_000.0}

    assert re.match(says, _standing(one))
