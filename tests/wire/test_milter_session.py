"""wire.milter.session: which command may come when, which macros are in force, and what is agreed on."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.base import Need, ProtocolError
from sendwarden.wire.milter.commands import (
    Abort,
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
)
from sendwarden.wire.milter.flags import MIN_VERSION, VERSION, Action, Step
from sendwarden.wire.milter.session import MOVES, FilterSession, Phase, negotiate
from tests.strategies.milter import NEGOTIATE, UINT32, commands, encoded, hostile_bytes
from tests.strategies.streams import byte_by_byte, events, pieces

OFFER = Negotiate(6, Action(0x1FF), Step(0x1FFFFF))
CLIENT = Connect("mx.example.org", "4", 25, "192.0.2.7")
ENVELOPE: list[Command] = [Mail("<a@example.org>"), Rcpt("<b@example.org>")]
CONTENT: list[Command] = [Data(), Header("Subject", "a"), EndOfHeaders(), Body(b"a\r\n")]

# How a session comes into each phase.
WAY: dict[Phase, list[Command]] = {
    Phase.OPEN: [],
    Phase.IDLE: [OFFER],
    Phase.CLIENT: [OFFER, CLIENT],
    Phase.MAIL: [OFFER, CLIENT, *ENVELOPE[:1]],
    Phase.RCPT: [OFFER, CLIENT, *ENVELOPE],
    Phase.DATA: [OFFER, CLIENT, *ENVELOPE, *CONTENT[:1]],
    Phase.HEADERS: [OFFER, CLIENT, *ENVELOPE, *CONTENT[:2]],
    Phase.BODY: [OFFER, CLIENT, *ENVELOPE, *CONTENT],
    Phase.CLOSED: [OFFER, Quit()],
}

# For each phase in the order above the phase that the command leads to, by its first letter (X: CLOSED), or
# "-" where it is out of order.
LETTERS = dict(zip("OICMRDHBX", Phase, strict=True))
ORDER: list[tuple[Command, str]] = [
    (OFFER, "I--------"),
    (Macros("M", ()), "-ICMRDHB-"),
    (CLIENT, "-C-------"),
    (Helo("mx.example.org"), "-CC------"),
    (Mail("<>"), "-MMMMMMM-"),
    (Rcpt("<b@example.org>"), "---RR----"),
    (Data(), "---DD----"),
    (Header("Subject", "a"), "---HHHH--"),
    (EndOfHeaders(), "---BBBB--"),
    (Body(b"a\r\n"), "---BBBBB-"),
    (EndOfMessage(), "---CCCCC-"),
    (Unknown("XYZZY"), "-ICMRDHB-"),
    (Abort(), "-ICCCCCC-"),
    (QuitNewConnection(), "-IIIIIII-"),
    (Quit(), "XXXXXXXX-"),
]


def session(*said: Command) -> FilterSession:
    """A session that was told all this and took it."""
    opened = FilterSession()
    say(opened, *said)
    return opened


def say(to: FilterSession, *said: Command) -> list[object]:
    to.feed(encoded(said))
    found: list[object] = []
    while (command := to.next_command()) is not Need.DATA:
        found.append(command)
    return found


def test_the_table_below_asks_every_command_in_every_phase() -> None:
    assert {type(command) for command, _row in ORDER} == set(MOVES)
    assert list(WAY) == list(Phase) and all(len(row) == len(Phase) for _command, row in ORDER)


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
@pytest.mark.parametrize(("command", "row"), ORDER, ids=[type(command).__name__ for command, _row in ORDER])
def test_a_command_leads_on_or_is_out_of_order(command: Command, row: str, phase: Phase) -> None:
    opened = session(*WAY[phase])
    assert opened.phase is phase

    if row[phase] == "-":
        with pytest.raises(ProtocolError, match=f"{type(command).__name__} while {phase.name}"):
            say(opened, command)
    else:
        assert say(opened, command) == ([] if isinstance(command, Macros) else [command])
        assert opened.phase is LETTERS[row[phase]]


def decode(*chunks: bytes) -> list[object]:
    opened = FilterSession()
    return events(opened.feed, opened.next_command, chunks)


# Any order of commands, most of it wrong; a real beginning takes some of it further.
DIALOGUES = st.builds(
    lambda way, said: [*way, *said], st.sampled_from(list(WAY.values())), st.lists(commands, max_size=5)
)


@given(pieces(st.builds(lambda said, garbage: encoded(said) + garbage, DIALOGUES, hostile_bytes)))
def test_whatever_a_peer_says_it_is_the_same_however_it_arrives(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)

    assert decode(*chunks) == decode(stream) == decode(*byte_by_byte(stream))


@given(DIALOGUES)
def test_a_dialogue_is_handed_out_without_macros_up_to_the_first_mistake(said: list[Command]) -> None:
    wanted = [command for command in said if not isinstance(command, Macros)]

    got = decode(encoded(said))

    if got and isinstance(got[-1], str):
        assert got[:-1] == wanted[: len(got) - 1]
    else:
        assert got == wanted


def test_half_a_packet_is_unfinished() -> None:
    opened = session(OFFER)
    opened.feed(CLIENT.encode()[:-1])

    assert opened.next_command() is Need.DATA and opened.unfinished
    opened.feed(CLIENT.encode()[-1:])
    assert opened.next_command() == CLIENT and not opened.unfinished


def macros(command: str, **pairs: str) -> Macros:
    return Macros(command, tuple(pairs.items()))


GREETING: list[Command] = [OFFER, macros("C", j="mx", v="Postfix"), CLIENT, macros("H", tls="yes"), Helo("c")]
MESSAGE: list[Command] = [macros("M", auth="bob"), ENVELOPE[0], macros("R", rcpt="b"), ENVELOPE[1], *CONTENT]
CLIENT_MACROS = {"j": "mx", "v": "Postfix", "tls": "yes"}
MESSAGE_MACROS = {"auth": "bob", "rcpt": "b", "i": "4XyZ"}


def test_macros_are_known_before_the_command_they_belong_to_is_handed_out() -> None:
    opened = session(OFFER)
    opened.feed(encoded([macros("C", j="mx"), CLIENT, macros("H", tls="yes"), Helo("c")]))

    assert opened.next_command() == CLIENT and opened.macros() == {"j": "mx"}
    assert isinstance(opened.next_command(), Helo) and opened.macros() == {"j": "mx", "tls": "yes"}


@pytest.mark.parametrize("end", [EndOfMessage(), Abort()], ids=["end of message", "abort"])
@pytest.mark.parametrize(
    ("behind", "left"),
    [
        pytest.param(Mail("<>"), {}, id="the next mail"),
        pytest.param(macros("M", auth="eve"), {"auth": "eve"}, id="macros of the next mail"),
        pytest.param(Unknown("XYZZY"), {}, id="an unknown command"),
        pytest.param(Abort(), {}, id="abort"),
    ],
)
def test_macros_of_a_message_last_to_its_end_and_go_with_the_next_command(
    end: Command, behind: Command, left: dict[str, str]
) -> None:
    opened = session(*GREETING, *MESSAGE, macros("E", i="4XyZ"), end)
    assert opened.macros() == CLIENT_MACROS | MESSAGE_MACROS

    say(opened, behind)

    assert opened.macros() == CLIENT_MACROS | left


@given(st.lists(st.sampled_from([EndOfMessage(), Abort()]), min_size=1, max_size=4))
def test_macros_of_the_client_last_over_all_messages(ends: list[Command]) -> None:
    opened = session(*GREETING)

    for end in ends:
        say(opened, *MESSAGE, macros("E", i="4XyZ"), end)
        assert opened.macros() == CLIENT_MACROS | MESSAGE_MACROS


@pytest.mark.parametrize("phase", [phase for phase in Phase if Phase.OPEN < phase < Phase.CLOSED])
def test_a_new_client_starts_without_any_macros(phase: Phase) -> None:
    opened = session(OFFER, *(macros(letter, i=letter) for letter in "CHMRTNE"), *WAY[phase][1:])

    say(opened, QuitNewConnection())

    assert opened.macros() == {} and opened.macro("i") == ""
    assert say(opened, CLIENT) == [CLIENT] and opened.macros() == {}


def test_a_mail_that_comes_without_an_end_before_it_takes_no_macros_over() -> None:
    opened = session(*GREETING, *MESSAGE, macros("N", i="old"), macros("M", auth="eve"), Mail("<>"))

    assert opened.macros() == CLIENT_MACROS | {"auth": "eve"}


def test_macros_of_the_next_recipient_replace_those_of_the_last_as_a_whole() -> None:
    opened = session(*GREETING, ENVELOPE[0], macros("R", rcpt="b", only="b"), ENVELOPE[1])

    say(opened, macros("R", rcpt="c"), Rcpt("<c@example.org>"))

    assert opened.macro("rcpt") == "c" and opened.macro("only") == ""


@given(st.permutations("CHMRTNE"))
def test_of_one_macro_said_for_several_commands_the_latest_command_wins(letters: list[str]) -> None:
    opened = session(*WAY[Phase.BODY])

    for count, letter in enumerate(letters, start=1):
        say(opened, macros(letter, i=letter))
        assert opened.macro("i") == max(letters[:count], key="CHMRTNE".index)


NAMES = st.sampled_from(["i", "j", "{auth_authen}", ""])
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(["", "a", "\udcff"])), max_size=4).map(tuple)


@given(st.lists(st.builds(Macros, st.sampled_from("CHMRTNELB?\xff"), PAIRS), max_size=8))
def test_one_macro_is_what_all_macros_say(said: list[Macros]) -> None:
    opened = session(*WAY[Phase.BODY], *said)

    for name in ["i", "j", "{auth_authen}", "", "never said"]:
        assert opened.macro(name) == opened.macros().get(name, "")


def test_macros_for_every_letter_do_not_fill_the_memory() -> None:
    opened = session(OFFER)
    tracemalloc.start()

    for letter in range(256):  # 16 MB in all; the seven that are looked up may stay
        opened.feed(macros(chr(letter), i="x" * 64_000).encode())
        assert opened.next_command() is Need.DATA
    now, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert now < 8 * 70_000
    assert opened.macro("i") == "x" * 64_000


@given(NEGOTIATE, st.integers(0, 0x1FF).map(Action), UINT32.map(Step))
def test_an_agreement_holds_all_that_we_need_and_nothing_that_was_not_offered(
    offer: Negotiate, actions: Action, steps: Step
) -> None:
    try:
        agreed = negotiate(offer, actions, steps)
    except ProtocolError:
        assert offer.version < MIN_VERSION or actions & ~offer.actions
        return

    assert MIN_VERSION <= agreed.version <= min(VERSION, offer.version)
    assert agreed.actions == actions == actions & offer.actions
    assert agreed.steps == steps & offer.steps
    assert agreed.macros == ()


@pytest.mark.parametrize(("offered", "agreed"), [(2, 2), (3, 3), (6, 6), (7, 6), (2**32 - 1, 6)])
def test_the_older_of_both_versions_is_spoken(offered: int, agreed: int) -> None:
    offer = Negotiate(offered, Action(0x3F), Step(0x7F))

    assert negotiate(offer, Action.QUARANTINE, Step.NO_BODY) == Negotiate(
        agreed, Action.QUARANTINE, Step.NO_BODY
    )


@pytest.mark.parametrize(
    ("offer", "actions", "message"),
    [
        pytest.param(
            Negotiate(1, Action(0x1FF), Step(0)), Action(0), "version 1, at least 2", id="version 1"
        ),
        pytest.param(
            Negotiate(0, Action(0x1FF), Step(0)), Action(0), "version 0, at least 2", id="version 0"
        ),
        pytest.param(
            Negotiate(6, Action(0x1F), Step(0)),
            Action.QUARANTINE | Action.ADD_HEADERS,
            "does not allow <Action.QUARANTINE",
            id="one action missing",
        ),
        pytest.param(
            Negotiate(6, Action(0), Step(0)),
            Action(0x1FF),
            "does not allow .*ADD_HEADERS",
            id="all actions missing",
        ),
    ],
)
def test_a_server_that_cannot_do_what_we_promise_is_refused(
    offer: Negotiate, actions: Action, message: str
) -> None:
    with pytest.raises(ProtocolError, match=message):
        negotiate(offer, actions, Step(0))
