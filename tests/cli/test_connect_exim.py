"""cli.connect_exim: the statements for each socket. A real Exim runs them in tests/e2e/test_exim.py."""

import re
from pathlib import Path

import pytest

from sendwarden.cli import connect_exim
from sendwarden.cli.connect_exim import BEGIN, END, WHILE_DOWN, lines
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.surroundings import Found
from sendwarden.wire.policy import Action, encode_code, encode_reply
from tests.cli.command import Commands
from tests.config.folder import write

DOWN = Path(__file__).parents[2] / "docs" / "when-sendwarden-is-down.md"


@pytest.mark.parametrize(
    ("listen", "socket"),
    [("127.0.0.1:10031", "inet:127.0.0.1:10031"), ("0.0.0.0:5", "inet:127.0.0.1:5"),
     ("[::]:10031", "inet:[::1]:10031"), ("unix:/run/sendwarden/policy", "/run/sendwarden/policy")],
)  # fmt: skip
def test_each_socket_is_named_in_the_words_of_readsocket(listen: str, socket: str) -> None:
    assert lines(listen)[2] == f"  set acl_m_sendwarden = ${{readsocket{{{socket}}}{{\\"


def test_the_question_ends_with_an_empty_line_a_time_out_and_what_holds_without_an_answer() -> None:
    text = lines("127.0.0.1:10031")
    asked = "".join(line.strip().removesuffix("\\") for line in text[2:13])

    assert (text[0], text[-1]) == (BEGIN, END)
    assert asked.endswith("\\ninstance=$message_exim_id\\n\\n}{3s}{}{action=DUNNO}}")
    assert "recipient_count=$recipients_count\\n" in asked and "protocol_state=DATA\\n" in asked


# An answer of ours, and the Exim verb whose condition it meets.
ANSWERS = [
    (encode_code(450, "4.7.1 full"), ["defer"]),
    (encode_code(421, "4.7.1 full"), ["defer"]),
    (encode_code(550, "5.7.1 no"), ["deny"]),
    (encode_reply(Action.DISCARD, "gone"), ["discard"]),
    (encode_reply(Action.HOLD, "held"), ["warn"]),
    (encode_reply(Action.HOLD), ["warn"]),
    (encode_reply(Action.DUNNO), []),
    (encode_reply(Action.FILTER, "slow:"), []),
    (encode_reply(Action.PREPEND, "X: action=550 no"), []),
    (b"", []),
    (b"action=45", []),
    (b"?!action=550 x", []),
    (b"HTTP/1.1 500 x", []),
]


@pytest.mark.parametrize(("answer", "verbs"), ANSWERS)
def test_each_answer_meets_its_statement_and_garbage_none(answer: bytes, verbs: list[str]) -> None:
    text = "\n".join(lines("127.0.0.1:10031"))
    conditions = re.findall(r"^(\w+)\n  condition = .*?\\N(.*)\\N", text, re.MULTILINE)

    assert len(conditions) == 4
    assert [verb for verb, pattern in conditions if re.search(pattern, answer.decode())] == verbs


@pytest.mark.parametrize("version", ["4.96", ""])
@pytest.mark.parametrize("words", [(), ("--print",)])
def test_it_shows_the_statements_and_how_to_take_them_out(
    version: str, words: tuple[str, ...], commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect_exim, "exim", lambda: Found("Exim", bool(version), version))
    write(commands.folder, {"sendwarden.toml": ""})

    said = commands.on_folder("connect", "exim", *words)
    (record,) = commands.on_folder("connect", "exim", "--json", *words).records

    text = lines("127.0.0.1:10031")
    assert said.code == GOOD
    assert "".join(f"  {line}\n" for line in text) in said.out
    assert said.out.startswith(f"Exim {version} is here." if version else "Exim was not found here.")
    assert WHILE_DOWN[1:] in said.out and "does not ask whether" not in said.out
    assert "  sed -i '/# sendwarden: begin/,/# sendwarden: end/d' FILE\n" in said.out
    assert (record["version"], record["lines"], record["changed"]) == (version, list(text), False)


@pytest.mark.parametrize(
    "settings", ['[[channel]]\nname = "s"\nlogin = true\nsenders = "own"\n'], ids=["senders"]
)
def test_what_these_settings_judge_and_exim_does_not_ask_about_is_told(
    settings: str, commands: Commands
) -> None:
    write(commands.folder, {"sendwarden.toml": settings})

    assert "does not ask whether an account may\nuse an" in commands.on_folder("connect", "exim").out


def test_where_nobody_listens_there_is_nothing_to_ask(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": "[listen]\npolicy = []\n"})

    said = commands.on_folder("connect", "exim")

    assert (said.code, said.out) == (CANNOT, "") and "[listen] names no policy" in said.err


@pytest.mark.parametrize("words", [("--yes",), ("--folder", "/etc/exim4")])
def test_it_changes_nothing_and_says_so(words: tuple[str, ...], commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": ""})

    said = commands.on_folder("connect", "exim", *words)

    assert said.code == CANNOT and "Exim's files are not changed by this command" in said.err


def test_the_page_on_being_down_has_the_time_out_and_the_fail_string() -> None:
    assert "${readsocket{inet:127.0.0.1:10031}{...}{3s}{}{action=DUNNO}}" in DOWN.read_text()
