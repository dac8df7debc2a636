"""frontends.milter: what a site does not look at is left out, and what is left in is answered as agreed."""

import asyncio
from collections.abc import Coroutine
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.service.milter_terms import ACCESS_ACTIONS, ACTIONS
from sendwarden.wire.milter.commands import (
    Abort,
    Body,
    Command,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Mail,
    Negotiate,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
)
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import (
    Answer,
)
from tests.frontends.around import FILTERED, HEADER_OWN, OWN, Ground
from tests.frontends.mailserver import ALL_STEPS, CLIENT, NOTHING, OFFER, kinds, login, message, opened

BODY_FILTERED = '[[channel]]\nname = "all"\nsourcefilter = "body.sieve"\n'
SCANNER = '[[scanner]]\nname = "s"\nkind = "spamd"\n'
SCORE_HEADER = '[[score_header]]\nname = "h"\nheader = "X-Spam-Score"\nwriters = ["192.0.2.9/32"]\n'
UNSCANNED = '[[channel]]\nname = "all"\n'
SCANNED = UNSCANNED + 'scan = ["s"]\n'


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path, FILTERED)


# --- what is agreed on

NEVER_ANSWERED = (
    Step.NR_CONNECT | Step.NR_HELO | Step.NR_RCPT | Step.NR_DATA | Step.NR_UNKNOWN | Step.NR_HEADER
    | Step.NR_END_OF_HEADERS | Step.NR_BODY
)  # fmt: skip
NEVER_SENT = Step.NO_UNKNOWN | Step.NO_DATA | Step.NO_END_OF_HEADERS
SITES = {
    "no filters": ("", Step.NO_HEADERS | Step.NO_BODY | Step.NR_MAIL),
    "a filter of headers": (FILTERED, Step.NO_BODY | Step.NR_MAIL),
    "a filter of bodies": (BODY_FILTERED, Step.NR_MAIL),
    "a scanner": (SCANNER + SCANNED, Step.NR_MAIL),
    "a scanner that nobody asks": (SCANNER + UNSCANNED, Step.NO_HEADERS | Step.NO_BODY | Step.NR_MAIL),
    "a score header": (SCORE_HEADER + UNSCANNED, Step.NO_BODY | Step.NR_MAIL),
    "senders": (OWN, Step.NO_HEADERS | Step.NO_BODY),
    "senders in headers": (HEADER_OWN, Step.NO_BODY | Step.NR_MAIL),
    "senders and headers": (FILTERED + 'senders = "own"\n', Step.NO_BODY),
    "senders and bodies": (BODY_FILTERED + 'senders = "own"\n', Step(0)),
}


@pytest.mark.parametrize("site", SITES)
def test_what_a_site_does_not_look_at_is_negotiated_away(tmp_path: Path, site: str) -> None:
    settings, unwanted = SITES[site]
    peer = Ground(tmp_path, settings).milter()

    peer.command(OFFER)

    assert peer.replies() == [Negotiate(6, ACTIONS | ACCESS_ACTIONS, NEVER_ANSWERED | NEVER_SENT | unwanted)]


# Every command, the step that leaves it out, and the one that leaves out its answer. None: it has none.
COMMANDS: list[tuple[Command, Step | None, Step | None]] = [
    (CLIENT[0], Step.NO_CONNECT, Step.NR_CONNECT),
    (CLIENT[1], Step.NO_HELO, Step.NR_HELO),
    (Unknown("XYZZY"), Step.NO_UNKNOWN, Step.NR_UNKNOWN),
    (login(""), None, None),
    (Mail("<eve@example.org>"), Step.NO_MAIL, Step.NR_MAIL),
    (Rcpt("<v@victim.example>"), Step.NO_RCPT, Step.NR_RCPT),
    (Rcpt("<w@victim.example>"), Step.NO_RCPT, Step.NR_RCPT),
    (Data(), Step.NO_DATA, Step.NR_DATA),
    (Header("Subject", "a"), Step.NO_HEADERS, Step.NR_HEADER),
    (EndOfHeaders(), Step.NO_END_OF_HEADERS, Step.NR_END_OF_HEADERS),
    (Body(b"a\r\n"), Step.NO_BODY, Step.NR_BODY),
    (Body(b"b\r\n"), Step.NO_BODY, Step.NR_BODY),
]


@given(st.integers(0, int(ALL_STEPS)).map(Step), st.sampled_from(list(SITES)))
def test_a_command_gets_one_answer_exactly_where_that_was_agreed(
    tmp_path_factory: pytest.TempPathFactory, offered: Step, site: str
) -> None:
    """For mail servers of every age: each offers what it knows, and sends all that was not left out."""
    ground = Ground(tmp_path_factory.mktemp("site"), SITES[site][0])

    async def work() -> None:
        peer = ground.milter()
        (agreed,) = await peer.ask(Negotiate(6, Action(0x1FF), offered))
        assert isinstance(agreed, Negotiate) and agreed.steps & ~offered == Step(0)
        for command, left_out, unanswered in COMMANDS:
            if left_out is not None and agreed.steps & left_out:
                continue
            expected = [] if unanswered is None or agreed.steps & unanswered else [Answer.CONTINUE]
            assert await peer.ask(command) == expected, command
        assert await peer.ask(EndOfMessage()) == [Answer.CONTINUE]
        assert await peer.ask(Abort()) == NOTHING
        assert await peer.ask(QuitNewConnection()) == NOTHING
        assert not peer.closed
        assert await peer.ask(Quit()) == NOTHING
        assert peer.closed and not peer.transport.aborted

    run(work())


@pytest.mark.parametrize("missing", [Action.QUARANTINE, Action.ADD_RECIPIENTS, Action.DELETE_RECIPIENTS])
def test_a_mail_server_that_allows_too_little_is_not_served(ground: Ground, missing: Action) -> None:
    peer = ground.milter()

    peer.command(Negotiate(6, Action(0x1FF) & ~missing, ALL_STEPS))

    assert peer.transport.aborted and not peer.replies()
    assert "does not allow" in ground.log.about("connection-closed")[0]


# --- a new configuration


def test_a_new_configuration_takes_hold_at_the_next_message_and_not_within_one(ground: Ground) -> None:
    async def work() -> None:
        peer = await opened(ground)
        begin, end = message("refuse")[:-1], [EndOfMessage()]
        await peer.ask(login("eve"), *begin)
        ground.use(FILTERED, mode="watch")
        assert kinds(await peer.ask(*end)) == [550]
        assert kinds(await peer.ask(login("eve"), *begin, *end)) == [Answer.CONTINUE]
        ground.use(FILTERED)
        assert kinds(await peer.ask(login("eve"), *begin, *end)) == [550]

    run(work())


@pytest.mark.parametrize(("old", "new"), list(product(SITES, SITES)))
def test_a_new_configuration_that_needs_more_steps_waits_for_the_next_connection(
    tmp_path: Path, old: str, new: str
) -> None:
    """With what was left out it would decide by half a message, or leave a command without answer."""
    ground = Ground(tmp_path, SITES[old][0])

    async def work() -> None:
        peer = await opened(ground)
        ground.use(SITES[new][0])
        needs_more = bool(SITES[old][1] & ~SITES[new][1])

        replies = await peer.ask(login("eve"), Mail("<boss@example.org>"))

        answers_at_mail = not SITES[old][1] & Step.NR_MAIL
        judged_by = old if needs_more else new
        judges_senders = not SITES[judged_by][1] & Step.NR_MAIL
        assert kinds(replies) == ([550 if judges_senders else Answer.CONTINUE] if answers_at_mail else [])
        fresh = await opened(ground)
        replies = await fresh.ask(login("eve"), Mail("<boss@example.org>"))
        assert kinds(replies) == ([] if SITES[new][1] & Step.NR_MAIL else [550])

    run(work())
