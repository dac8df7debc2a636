"""cli.mapping and cli.explain on access tables: what they do is said, step by step."""

import pytest

from sendwarden.cli.exits import GOOD, NO
from tests.cli.command import Commands
from tests.config.folder import example, write

MAPPINGS = """PORT_ACCESS

  *|192.0.2.68|*  $YMARKED

FROM_ACCESS

  *|no@*|*  $X4.7.1|$NNot$ now
  *|all@*|*  1|j@x|k@x|u|g|seen|10|tag|X-A:$ b|$U$J$K$I$<$D$T$A$H

MAIL_ACCESS

  *|no@*  $NNot$ to$ him
  *|bucket@*  $B

AUTH_REWRITE

  *  s@x|$Y

OTHER

  *  $Ntext
"""


@pytest.fixture
def site(commands: Commands) -> Commands:
    write(commands.folder, {"sendwarden.toml": 'state = "var"\nmode = "enforce"\n', "mappings": MAPPINGS})
    return commands


PROBES: dict[tuple[str, str], list[str]] = {
    ("PORT_ACCESS", "a|192.0.2.68|b"): ["tags the connection MARKED"],
    ("from_access", "a|no@x|"): ["refuses: 450 4.7.1 Not now"],
    ("FROM_ACCESS", "a|all@x|"): [
        "holds it",
        "delays this and later answers by 0.1 s",
        "adds the header X-A: b",
        "makes <j@x> the envelope sender",
        "sets Sender: k@x",
        "tells the event log: seen tag",
        "$I has no effect",
        "$U has no effect",
    ],
    ("MAIL_ACCESS", "a|bucket@x"): ["discards it for this recipient"],
    ("AUTH_REWRITE", "x"): ["sets Sender: s@x"],
    ("OTHER", "x"): [],
}


@pytest.mark.parametrize("probe", PROBES, ids=" ".join)
def test_mapping_says_what_the_answer_of_an_access_table_does(probe: tuple[str, str], site: Commands) -> None:
    said = site.on_folder("mapping", *probe)

    effects = [line.removeprefix("effect  ") for line in said.out.splitlines() if line.startswith("effect")]
    assert said.code == GOOD and effects == PROBES[probe]


def explained(site: Commands, sender: str, *recipients: str, **options: str) -> tuple[int, list[str]]:
    write(site.folder, {"m.eml": "From: a@b\n\ntext\n"})
    words = [word for name in recipients for word in ("--to", name)]
    words += [word for name, value in options.items() for word in (f"--{name}", value)]
    said = site.on_folder("explain", str(site.folder / "m.eml"), "--from", sender, *words)
    return said.code, said.out.splitlines()


def test_explain_goes_through_the_steps_and_stops_at_a_refused_sender(site: Commands) -> None:
    code, lines = explained(site, "no@x", "a@y", client="192.0.2.7", login="eve")

    assert code == NO and "decision  accept, since this channel only watches" not in "".join(lines)
    assert (
        "FROM_ACCESS   TCP|||192.0.2.7||SMTP/|MAIL|submission-auth-external|no@x|eve   input flags A" in lines
    )
    assert "  refuses: 450 4.7.1 Not now" in lines and "decision  defer" in lines
    assert "says      450 4.7.1 Not now [SW-......]" in lines
    assert not any(line.startswith("MAIL_ACCESS") for line in lines)


def test_explain_refuses_a_recipient_alone_and_goes_on_with_the_others(site: Commands) -> None:
    code, lines = explained(site, "e@x", "no@y", "a@y", "bucket@y", client="192.0.2.7", login="eve")

    assert code == NO and "decision  accept" in lines and "discarded bucket@y" in lines
    assert any(
        line.startswith("before    this recipient alone is refused: table MAIL_ACCESS") for line in lines
    )
    assert any("because" in line or "sets Sender" in line for line in lines)


def test_explain_shows_the_level_of_the_ladder_and_its_meter(commands: Commands) -> None:
    write(commands.folder, example("trust-ladder"))

    code, lines = explained(commands, "eve@example.org", "a@y.example", client="192.0.2.7", login="eve")

    assert code == GOOD and "meter     send_ext_auth eve: 0 -> 1 of 150 in 1h" in lines
