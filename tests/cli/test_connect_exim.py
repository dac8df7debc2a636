"""cli.connect_exim: the statements for each socket. A real Exim runs them in tests/e2e/test_exim*.py."""

import re
from pathlib import Path

import pytest

from sendwarden.cli import connect_exim
from sendwarden.cli.connect_exim import BEGIN, END, FAILS, WHILE_DOWN, of_recipient, of_whole
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.surroundings import Found
from sendwarden.wire.policy import Action, encode_code, encode_reply
from tests.cli.command import Commands
from tests.config.folder import write

LISTEN = "127.0.0.1:10031"
DOWN = Path(__file__).parents[2] / "docs" / "when-sendwarden-is-down.md"


@pytest.mark.parametrize(
    ("listen", "socket"),
    [("127.0.0.1:10031", "inet:127.0.0.1:10031"), ("0.0.0.0:5", "inet:127.0.0.1:5"),
     ("[::]:10031", "inet:[::1]:10031"), ("unix:/run/sendwarden/policy", "/run/sendwarden/policy")],
)  # fmt: skip
def test_each_socket_is_named_in_the_words_of_readsocket(listen: str, socket: str) -> None:
    asks = f"  set acl_m_sendwarden = ${{readsocket{{{socket}}}{{\\"
    assert asks in of_whole(listen) and asks in of_recipient(listen)


@pytest.mark.parametrize(
    ("text", "block", "state", "more"),
    [(of_whole(LISTEN), "data", "END-OF-MESSAGE", "recipient_count=$recipients_count"),
     (of_recipient(LISTEN), "rcpt", "RCPT", "recipient=${sg{${quote_local_part:$local_part}@$domain}")],
)  # fmt: skip
def test_the_question_ends_with_an_empty_line_a_time_out_and_what_holds_without_an_answer(
    text: tuple[str, ...], block: str, state: str, more: str
) -> None:
    asked = "".join(line.strip().removesuffix("\\") for line in text)

    assert (text[0], text[-1]) == (f"{BEGIN} {block}", END)
    assert f"\\ninstance=$acl_m_sendwarden_id\\n\\n}}{{3s}}{{}}{{{FAILS}}}}}" in asked
    assert f"protocol_state={state}\\n" in asked and more in asked


@pytest.mark.parametrize("text", [of_whole(LISTEN), of_recipient(LISTEN)])
def test_what_a_client_may_choose_is_made_one_line(text: tuple[str, ...]) -> None:
    chosen = ("$authenticated_id", "$sender_address", "$sender_helo_name", "$local_part")
    lines = [line for line in text if any(name in line for name in chosen)]

    assert len(lines) >= 3
    assert all(re.search(r"=\$\{sg\{.*\}\{\\N\[\[:cntrl:\]\]\\N\}\{\?\}\}\\n", line) for line in lines), lines


# An answer of ours, and the Exim verb of the first block whose condition it meets.
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
    assert _verbs(of_whole(LISTEN), answer) == verbs
    kept = ["warn"] if verbs in (["discard"], ["warn"]) else verbs
    assert _verbs(of_recipient(LISTEN), answer) == kept


def _verbs(text: tuple[str, ...], answer: bytes) -> list[str]:
    conditions = re.findall(r"^(\w+)\n  condition = .*?\\N(.*)\\N", "\n".join(text), re.MULTILINE)
    assert len(conditions) > 2
    return [verb for verb, pattern in conditions if re.search(pattern, answer.decode())]


@pytest.mark.parametrize("version", ["4.96", ""])
@pytest.mark.parametrize("words", [(), ("--print",)])
def test_it_shows_the_statements_and_how_to_take_them_out(
    version: str, words: tuple[str, ...], commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect_exim, "exim", lambda: Found("Exim", bool(version), version))
    write(commands.folder, {"sendwarden.toml": ""})

    said = commands.on_folder("connect", "exim", *words)
    (record,) = commands.on_folder("connect", "exim", "--json", *words).records

    whole, recipient = of_whole(LISTEN), of_recipient(LISTEN)
    assert said.code == GOOD
    for text in (whole, recipient):
        assert "".join(f"  {line}\n" for line in text) in said.out
    assert said.out.startswith(f"Exim {version} is here." if version else "Exim was not found here.")
    assert WHILE_DOWN[1:] in said.out and "If its recipients shall be refused one by one" in said.out
    assert "  sed -i '/# sendwarden: begin/,/# sendwarden: end/d' FILE\n" in said.out
    assert (record["version"], record["changed"]) == (version, False)
    assert (record["lines"], record["recipient_lines"]) == (list(whole), list(recipient))
    assert record["recipient_lines_needed"] is False


LIMIT = '[[limits]]\nname = "{}"\n{} = "5/1h"\n'
NEEDS = {
    "senders": '[[channel]]\nname = "s"\nlogin = true\nsenders = "own"\n',
    "external recipients": LIMIT.format("external", "external"),
    "internal recipients": LIMIT.format("webmail", "internal"),
    "an exception by class": LIMIT.format("own", "external")
    + '[[override]]\naccounts = ["eve"]\nlimits = "own"\nreason = "r"\n',
    "access tables": '[access]\nfrontends = "policy"\n',
}


@pytest.mark.parametrize("settings", NEEDS.values(), ids=NEEDS)
def test_settings_about_each_recipient_need_the_second_block(settings: str, commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": settings, "mappings": "SEND_ACCESS\n\n  *  $Y\n"})

    said = commands.on_folder("connect", "exim")
    (record,) = commands.on_folder("connect", "exim", "--json").records

    assert said.code == GOOD and record["recipient_lines_needed"] is True
    assert "These settings are about each recipient as well" in said.out


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
    assert "${readsocket{inet:127.0.0.1:10031}{...}{3s}{}{action=DUNNO down}}" in DOWN.read_text()


WRONG = {
    ("exmi",): 'sendwarden connect: there is no mail server "exmi"; did you mean "exim"?\n',
    ("exim", "now"): 'sendwarden connect: "now" is one word too many\n',
    ("exim", "--pritn"): 'sendwarden connect: there is no option "--pritn"; did you mean "--print"?\n',
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_words_are_told_in_one_sentence_of_ours(words: tuple[str, ...], commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": ""})

    said = commands.on_folder("connect", *words)

    assert (said.code, said.out) == (CANNOT, "")
    assert said.err.endswith(f"\n{WRONG[words]}")
