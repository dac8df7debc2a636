"""service.conclude: a decision is kept before it is told; where it cannot be, mail does not wait."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Decision, Message, Reason, Request, Stage, Verdict
from sendwarden.service.conclude import Conclusions, event_of
from sendwarden.service.site import Site
from tests.service.outside import FakeLedger, Posted
from tests.stores.around import HandClock, KeptLog

SITE = Site(domains=("example.org",), host="mail.example.org")
REQUEST = Request(
    Stage.END_OF_MESSAGE,
    client_address="192.0.2.7",
    login="eve@example.org",
    sender="eve@example.org",
    recipients=("a@x.example", "b@x.example"),
    queue_id="4XYZ",
)
MESSAGE = Message(REQUEST, (("From", "eve@example.org"), ("Subject", "secret")))
REFUSED = Decision(
    Verdict.REFUSE,
    "submission",
    "eve",
    (Reason("foreign-sender", {"sender": "x", "account": "eve"}),),
    text="No more.",
    enhanced="5.7.1",
    reference="SW-7K3QXD",
)
IN_PART = replace(REFUSED, verdict=Verdict.ACCEPT, refused=("b@x.example",))


class Last:
    """The last stage with everything it reaches."""

    def __init__(self) -> None:
        self.clock, self.log, self.ledger, self.outbox = HandClock(), KeptLog(), FakeLedger(), Posted()
        self.conclusions = Conclusions(self.clock, self.log, self.ledger, self.outbox)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(work)


def test_a_message_that_goes_on_is_one_line_and_nothing_is_kept() -> None:
    last = Last()

    last.conclusions.accepted(REQUEST, Decision(Verdict.ACCEPT, "submission", "eve"))

    assert last.log.events == [
        (
            "message",
            {
                "stage": "end-of-message",
                "verdict": "accept",
                "account": "eve",
                "channel": "submission",
                "login": "eve@example.org",
                "client": "192.0.2.7",
                "sender": "eve@example.org",
                "recipients": ["a@x.example", "b@x.example"],
                "queue_id": "4XYZ",
            },
        )
    ]
    assert (last.ledger.kept, last.outbox.notices) == ([], [])


def test_a_decision_is_kept_with_its_sentences_the_words_that_were_said_and_the_time() -> None:
    last = Last()

    last.run(last.conclusions.conclude(REQUEST, REFUSED))

    ((record, notice),) = last.ledger.kept
    assert notice is None and last.outbox.notices == []
    assert record == {
        "at": last.clock.at,
        **event_of(REQUEST, REFUSED),
        "says": ['the envelope sender "x" does not belong to "eve"'],
        "text": "No more. [SW-7K3QXD]",
    }
    assert last.log.events[-1] == ("decision", event_of(REQUEST, REFUSED))


def test_each_foreign_sender_is_an_event_of_its_own_whatever_becomes_of_the_message() -> None:
    foreign = Reason("foreign-sender", {"sender": "x", "account": "eve"})
    header = Reason("foreign-header", {"header": "From", "address": "y@x.example", "account": "eve"})
    several = Reason("several-from", {"header": "From", "count": 2})
    other = Reason("channel", {"channel": "a", "why": "b"})
    last = Last()

    last.conclusions.accepted(
        REQUEST, Decision(Verdict.ACCEPT, "submission", "eve", (foreign, header, several, other))
    )

    common = {
        "queue_id": "4XYZ",
        "account": "eve",
        "login": "eve@example.org",
        "channel": "submission",
        "client": "192.0.2.7",
        "sender": "eve@example.org",
        "verdict": "accept",
    }
    assert last.log.events[:-1] == [
        ("sender-mismatch", common | {"reason": "foreign-sender", "header": "envelope", "named": "x"}),
        ("sender-mismatch", common | {"reason": "foreign-header", "header": "From", "named": "y@x.example"}),
        ("sender-mismatch", common | {"reason": "several-from", "header": "From"}),
    ]
    assert last.log.events[-1][0] == "message"


@pytest.mark.parametrize("kind", ["conclude", "conclude_message"])
def test_nothing_goes_on_before_the_decision_is_durable(kind: str) -> None:
    last = Last()
    last.ledger.slow = True
    work = (
        last.conclusions.conclude(REQUEST, REFUSED)
        if kind == "conclude"
        else last.conclusions.conclude_message(MESSAGE, IN_PART, SITE)
    )

    async def watch() -> None:
        answer = asyncio.get_running_loop().create_task(work)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not answer.done() and last.outbox.notices == [] and last.ledger.kept == []
        last.ledger.write()
        await answer
        assert len(last.ledger.kept) == 1

    asyncio.run(watch())
    assert len(last.outbox.notices) == (kind == "conclude_message")


@pytest.mark.parametrize("decision", [REFUSED, IN_PART], ids=["refused", "refused in part"])
def test_mail_does_not_wait_for_a_store_that_has_failed(decision: Decision) -> None:
    last = Last()
    last.ledger.down = True

    last.run(last.conclusions.conclude_message(MESSAGE, decision, SITE))

    assert last.log.warnings == [("record-late", "the disk is full")]
    assert last.log.events[-1] == ("decision", event_of(REQUEST, decision))
    assert len(last.outbox.notices) == bool(decision.refused)


def test_who_was_refused_in_part_is_told_by_a_notice_that_is_kept_with_the_decision() -> None:
    last = Last()

    last.run(last.conclusions.conclude_message(MESSAGE, IN_PART, SITE))

    ((_record, kept),) = last.ledger.kept
    (notice,) = last.outbox.notices
    assert kept == {
        "id": "SW-7K3QXD",
        "at": last.clock.at,
        "account": "eve",
        "recipient": "eve@example.org",
        "message": notice.message.decode("ascii"),
    }
    assert notice.recipient == "eve@example.org" and b"b@x.example" in notice.message


# Decision, who sends -> is a notice posted, is somebody warned that nobody was told?
NOTICES: dict[str, tuple[Decision, Request, bool, bool]] = {
    "refused in part": (IN_PART, REQUEST, True, False),
    "refused as a whole": (REFUSED, REQUEST, False, False),
    "only watched": (replace(IN_PART, watched=True), REQUEST, False, False),
    "held, some refused": (replace(IN_PART, verdict=Verdict.HOLD), REQUEST, True, False),
    "a forged sender": (IN_PART, replace(REQUEST, login="eve", sender="victim@example.net"), False, True),
    "a login that is an address of ours": (
        IN_PART,
        replace(REQUEST, sender="victim@example.net"),
        True,
        False,
    ),
    "no login": (IN_PART, replace(REQUEST, login=""), False, True),
}


@pytest.mark.parametrize("case", NOTICES)
def test_only_an_authenticated_sender_is_told_and_only_of_what_was_done(case: str) -> None:
    decision, request, posted, warned = NOTICES[case]
    last = Last()

    last.run(last.conclusions.conclude_message(replace(MESSAGE, request=request), decision, SITE))

    assert [notice.recipient for notice in last.outbox.notices] == (["eve@example.org"] if posted else [])
    assert [warning for warning, _about in last.log.warnings] == (["nobody-told"] if warned else [])
    for _warning, about in last.log.warnings:
        assert about.startswith("eve: some recipients of a message were refused, and nobody was told")
        assert ("set site.domains" if request.login else "ask for a login") in about
    assert len(last.ledger.kept) == 1


TEXT = st.text(max_size=8)
NUMBERS = st.dictionaries(st.sampled_from(["table", "key", "hits"]), TEXT | st.integers(), max_size=3)
DECISIONS = st.builds(
    Decision,
    st.sampled_from(Verdict),
    TEXT,
    TEXT,
    st.lists(st.builds(Reason, st.just("whole-message"), NUMBERS), max_size=3).map(tuple),
    text=TEXT,
    refused=st.lists(TEXT, max_size=2).map(tuple),
    reference=TEXT,
    watched=st.booleans(),
)
REQUESTS = st.builds(
    Request,
    st.sampled_from(Stage),
    TEXT,
    client_address=TEXT,
    login=TEXT,
    sender=TEXT,
    recipients=st.lists(TEXT, max_size=3).map(tuple),
    macros=st.dictionaries(TEXT, TEXT, max_size=2),
)


@given(REQUESTS, DECISIONS)
def test_an_event_is_json_without_empty_members_and_without_anything_of_the_content(
    request: Request, decision: Decision
) -> None:
    event = event_of(request, decision)

    assert json.loads(json.dumps(event)) == event
    assert not any(value in ("", [], False) for value in event.values())
    assert event["verdict"] == decision.verdict.value and event["stage"] == request.stage.value
    assert set(event) <= {
        *("reference", "stage", "verdict", "watched", "account", "channel", "login", "client", "sender"),
        *("recipients", "queue_id", "reasons", "refused", "discarded", "copies_to"),
    }


@given(REQUESTS, DECISIONS, st.text(max_size=20))
def test_no_message_stops_the_last_stage(request: Request, decision: Decision, subject: str) -> None:
    last = Last()

    last.run(last.conclusions.conclude_message(Message(request, (("Subject", subject),)), decision, SITE))

    assert len(last.ledger.kept) == 1


SHARE: dict[str, str | int | float] = {
    "account": "eve",
    "channel": "c",
    "counted": "recipients",
    "most": 100,
    "used": 50,
    "window": 3600,
    "action": "defer",
    "watched": False,
}
TELLING = replace(SITE, administrators=("post@example.org", "help@example.org"), host="mail.example.org")


@pytest.mark.parametrize(
    ("percent", "window", "watched", "site", "hearers"),
    [
        (50, 3600, False, TELLING, ["eve@example.org"]),
        (80, 86400, False, TELLING, ["eve@example.org"]),
        (80, 600, False, TELLING, []),
        (100, 600, False, TELLING, ["post@example.org", "help@example.org"]),
        (100, 3600, True, TELLING, []),
        (50, 3600, True, TELLING, []),
        (50, 3600, False, replace(TELLING, tell_users=False), []),
    ],
)
def test_who_hears_of_a_share_of_a_limit(
    percent: int, window: int, watched: bool, site: Site, hearers: list[str]
) -> None:
    outbox, log = Posted(), KeptLog()
    conclusions = Conclusions(HandClock(), log, FakeLedger(), outbox)
    reason = Reason("limit-share", {**SHARE, "percent": percent, "window": window, "watched": watched})
    request = replace(REQUEST, login="eve@example.org")

    # What else is decided of the message says nothing about this limit.
    decision = Decision(Verdict.ACCEPT, "c", "eve@example.org", told=(reason,), watched=not watched)
    conclusions.tell(request, decision, site)

    assert [notice.recipient for notice in outbox.notices] == hearers
    assert [(kind, fields["watched"]) for kind, fields in log.events] == [("limit-share", watched)]
    for notice in outbox.notices:
        assert b"Subject: eve" in notice.message
        assert b"eve has used 50 of 100 recipients" in notice.message
