"""engine.logs.postfix: whose each message is, what is told of it and when, whatever order lines come in."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.event import DeliveryEvent, Event, LoginEvent, Outcome, SubmissionEvent
from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.engine.logs.messages import Bounds
from sendwarden.engine.logs.postfix import PostfixJoin
from sendwarden.wire.postfix_log import Line
from tests.wire.postfix_lines import MINE, PLACES, TEXTS, THEIRS, VICTIM, line, message, reader

RULES = IdentityRules()


def join(bounds: Bounds | None = None) -> PostfixJoin:
    return PostfixJoin(lambda login: account_of(login, RULES), bounds)


def events(lines: Iterable[str], joined: PostfixJoin | None = None) -> list[Event]:
    """All that a log tells, its end included."""
    log, joined = reader(), joined or join()
    found: list[Event] = []
    for one in lines:
        record = log.read(one)
        if not isinstance(record, Line):
            found += joined.feed(record)
    return [*found, *joined.end()]


def submissions(found: Iterable[Event]) -> list[SubmissionEvent]:
    return [event for event in found if isinstance(event, SubmissionEvent)]


def outcomes(found: Iterable[Event]) -> list[tuple[str, str, Outcome, str | None]]:
    return [
        (one.account, one.recipient, one.outcome, one.dsn) for one in found if isinstance(one, DeliveryEvent)
    ]


def tried(queue_id: str, to: str, status: str, daemon: str = "smtp", second: int = 0, **more: str) -> str:
    dsn = {"sent": "2.0.0", "bounced": "5.1.1", "deferred": "4.4.1"}[status]
    original = f"orig_to=<{more['original']}>, " if "original" in more else ""
    relay, reason = more.get("relay", "mx.x.example[192.0.2.99]:25"), more.get("reason", "said")
    said = f"relay={relay}, delay=1, delays=0/0/0/1, dsn={dsn}, status={status} ({reason})"
    return line(f"{queue_id}: to=<{to}>, {original}{said}", daemon, second, more.get("instance", "postfix"))


def test_a_message_is_a_login_a_submission_with_all_recipients_and_their_outcomes() -> None:
    found = events(message(MINE, "Eve@example.org", ("a@x.example", "b@x.example")))

    login, submission, *rest = found
    assert isinstance(login, LoginEvent) and login.success and login.account == "eve@example.org"
    assert isinstance(submission, SubmissionEvent)
    assert submission.recipients == ("a@x.example", "b@x.example")
    assert (submission.envelope_from, submission.size) == ("e@example.org", 99)
    assert str(submission.origin.address) == "192.0.2.7"
    assert outcomes(rest) == [
        ("eve@example.org", "a@x.example", Outcome.DELIVERED, "2.0.0"),
        ("eve@example.org", "b@x.example", Outcome.DELIVERED, "2.0.0"),
    ]
    assert {one.message for one in rest if isinstance(one, DeliveryEvent)} == {submission.message}


def told(found: Iterable[Event]) -> list[str]:
    """Without the order, of recipients either."""
    return sorted(
        str(
            replace(one, recipients=tuple(sorted(one.recipients)))
            if isinstance(one, SubmissionEvent)
            else one
        )
        for one in found
    )


@given(st.permutations(message(MINE, "eve", ("a@x.example", "b@x.example"))))
def test_the_order_of_lines_does_not_matter(lines: list[str]) -> None:
    assert told(events(lines)) == told(events(message(MINE, "eve", ("a@x.example", "b@x.example"))))


@given(st.data())
def test_messages_that_are_mixed_are_told_as_if_one_came_after_the_other(data: st.DataObject) -> None:
    each = [message(f"{number:010X}", f"user{number}", (f"r{number}@x.example",)) for number in range(5)]
    left, mixed = [list(one) for one in each], list[str]()
    while any(left):
        mixed.append(data.draw(st.sampled_from([one for one in left if one])).pop(0))

    def of(found: list[Event]) -> list[str]:  # logins depend on who shares a connection
        return sorted(str(one) for one in found if not isinstance(one, LoginEvent))

    assert of(events(mixed)) == of(events(one for lines in each for one in lines))


@pytest.mark.parametrize(
    ("login", "begin", "account"),
    [
        ("", f"{MINE}: client=c.example[192.0.2.7]", "[192.0.2.7]"),
        ("", f"{MINE}: client=c.example[2001:db8:1:2:3::4]", "[2001:db8:1:2::]"),
        ("", f"{MINE}: client=unknown[unknown]", "[unknown]"),
    ],
)
def test_without_a_login_the_host_stands_in(login: str, begin: str, account: str) -> None:
    (found,) = submissions(events([line(begin), *message(MINE, login)[1:]]))

    assert found.account == account


def test_whoever_ran_sendmail_is_the_account_not_whom_he_names() -> None:
    found = events([line(f"{MINE}: uid=1000 from=<{VICTIM}>", "pickup"), *message(MINE, "")[1:]])

    assert {one.account for one in found if not isinstance(one, LoginEvent)} == {"uid:1000"}


def test_a_login_is_told_once_for_each_connection() -> None:
    connect, gone = line("connect from c.example[192.0.2.7]"), line("disconnect from c.example[192.0.2.7]")
    one, two = message(MINE, "eve"), message(THEIRS, "eve")

    def logins(lines: list[str]) -> int:
        return sum(isinstance(event, LoginEvent) for event in events(lines))

    assert logins([connect, *one, *two, gone]) == 1
    assert logins([connect, *one, gone, connect, *two, gone]) == 2


def test_a_login_that_failed_is_told_of_the_name_that_was_tried() -> None:
    failed = "warning: c.example[192.0.2.7]: SASL PLAIN authentication failed: no"

    (found,) = events([line(f"{failed}, sasl_username=Eve"), line(failed)])

    assert isinstance(found, LoginEvent) and not found.success and found.account == "eve"


def test_deferred_then_sent_and_deferred_until_it_expired() -> None:
    begin = message(MINE, "eve", ("a@x.example", "b@x.example"))[:3]
    later = [
        tried(MINE, "a@x.example", "deferred"),
        tried(MINE, "b@x.example", "deferred"),
        line(f"{MINE}: from=<e@example.org>, size=99, nrcpt=2 (queue active)", "qmgr", 400),
        tried(MINE, "a@x.example", "sent", second=401),
        line(f"{MINE}: from=<e@example.org>, status=expired, returned to sender", "qmgr", 900),
        line(f"{MINE}: removed", "qmgr", 901),
    ]

    found = events([*begin, *later])

    assert len(submissions(found)) == 1
    assert [one[1:3] for one in outcomes(found)] == [
        ("a@x.example", Outcome.DEFERRED),
        ("b@x.example", Outcome.DEFERRED),
        ("a@x.example", Outcome.DELIVERED),
        ("b@x.example", Outcome.BOUNCED),
    ]


def test_a_slow_message_is_told_when_patience_ends_with_the_recipients_known() -> None:
    begin = message(MINE, "eve", ("a@x.example", "b@x.example"))[:4]
    joined = join()
    late = tried(MINE, "b@x.example", "sent", second=120)

    found = events([*begin, line("connect from d[192.0.2.8]", second=40)], joined)

    assert [one.recipients for one in submissions(found)] == [("a@x.example",)]
    assert [one[1] for one in outcomes(events([late], joined))] == ["b@x.example"]


def test_an_alias_is_one_recipient_as_addressed_and_has_an_outcome_for_each_member() -> None:
    members = [
        tried(MINE, f"m{number}@x.example", "sent", original="staff@example.org") for number in range(3)
    ]
    lines = message(MINE, "eve", ("a@x", "b@x", "c@x"))

    found = events([*lines[:3], *members, lines[-1]])

    assert [one.recipients for one in submissions(found)] == [("staff@example.org",)]
    assert len(outcomes(found)) == 3


def test_a_queue_id_that_is_used_again_is_another_message() -> None:
    without_end = message(MINE, "eve")[:-1]

    found = submissions(events([*without_end, *message(MINE, "bob", second=60)]))

    assert [one.account for one in found] == ["eve", "bob"]
    assert len({one.message for one in found}) == 2


def test_a_notice_under_a_queue_id_used_again_is_nobodys() -> None:
    notice = [
        line(f"{MINE}: message-id=<n@x>", "cleanup", 100),
        line(f"{MINE}: from=<>, size=99, nrcpt=1 (queue active)", "qmgr", 100),
        tried(MINE, "e@example.org", "sent", second=100),
    ]

    found = events([*message(MINE, "eve")[:-1], *notice])

    assert len(submissions(found)) == 1 and len(outcomes(found)) == 1


def test_two_instances_may_use_one_queue_id_at_a_time() -> None:
    pairs = zip(message(MINE, "eve"), message(MINE, "bob", instance="postfix-out"), strict=True)

    found = submissions(events(one for pair in pairs for one in pair))

    assert sorted(one.account for one in found) == ["bob", "eve"]


def test_an_smtpd_of_a_name_without_a_queue_belongs_to_the_queue_that_goes_on() -> None:
    first, *rest = message(MINE, "eve")

    (found,) = submissions(events([first.replace("postfix/", "submission-in/"), *rest]))

    assert found.account == "eve"


FILTERED = "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as "


@pytest.mark.parametrize("told_by", ["XFORWARD", "reply", "reply, before the other's client"])
def test_what_a_filter_gives_back_is_the_first_message(told_by: str) -> None:
    before = f", orig_queue_id={MINE}, orig_client=c.example[192.0.2.7]" if told_by == "XFORWARD" else ""
    first, second = message(MINE, "eve"), message(THEIRS, "")
    second[0] = line(f"{THEIRS}: client=localhost[127.0.0.1]{before}")
    passed = tried(
        MINE, "a@x.example", "sent", relay="127.0.0.1[127.0.0.1]:10024", reason=f"{FILTERED}{THEIRS}"
    )
    lines = [*first[:3], *second[:3], passed, *second[3:], first[-1]]
    if told_by.startswith("reply, before"):
        lines = [*first[:3], passed, *second, first[-1]]

    found = events(lines)

    assert [one.account for one in submissions(found)] == ["eve"]
    assert {one[0] for one in outcomes(found)} == {"eve"}
    assert len({one.message for one in found if isinstance(one, SubmissionEvent | DeliveryEvent)}) == 1
    if not told_by.startswith("reply, before"):
        assert len(outcomes(found)) == 1


def test_a_remote_server_that_says_it_queued_another_message_gets_nothing() -> None:
    """Also one that sends mail in: what it sends is its own, whatever queue id it named before."""
    theirs = message(THEIRS, "", address="192.0.2.99")
    named = tried(MINE, "a@x.example", "sent", reason=f"250 2.0.0 Ok: queued as {THEIRS}")
    mine = message(MINE, "eve")

    found = events([*theirs[:3], *mine[:3], named, mine[-1], *theirs[3:]])

    assert sorted(one.account for one in submissions(found)) == ["[192.0.2.99]", "eve"]


def test_local_mail_from_this_machine_that_no_filter_gave_back_is_its_own() -> None:
    (found,) = submissions(events(message(MINE, "", address="127.0.0.1")))

    assert found.account == "[127.0.0.1]"


def test_what_local_forwards_is_the_first_message() -> None:
    mine, copy = message(MINE, ""), message(THEIRS, "")[1:]
    forwarded = tried(
        MINE, "bob@example.org", "sent", "local", relay="local", reason=f"forwarded as {THEIRS}"
    )

    found = events([*mine[:3], copy[0], copy[1], forwarded, mine[-1], *copy[2:]])

    assert len(submissions(found)) == 1
    assert outcomes(found) == [("[192.0.2.7]", "a@x.example", Outcome.DELIVERED, "2.0.0")]


def test_behind_a_proxy_filter_the_login_is_that_of_the_first_connection() -> None:
    back = message(THEIRS, "")
    back[0] = line(
        f"{THEIRS}: client=localhost[127.0.0.1], orig_queue_id=NOQUEUE, orig_client=c[192.0.2.7]", pid=78
    )
    first = line("NOQUEUE: client=c.example[192.0.2.7], sasl_method=PLAIN, sasl_username=eve")
    passed = line(
        f"NOQUEUE: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as {THEIRS}; from=<e@x> to=<a@x>"
    )

    found = events([first, back[0], back[1], passed, *back[2:]])

    assert [one.account for one in submissions(found)] == ["eve"]
    assert [str(one.origin.address) for one in submissions(found)] == ["192.0.2.7"]


@pytest.mark.parametrize(
    ("action", "said", "outcome"),
    [
        ("reject", "550 5.1.1 <b@x>: no", (Outcome.REJECTED, "5.1.1")),
        ("reject", "450 <b@x>: no", (Outcome.DEFERRED, "4.0.0")),
        ("reject_warning", "550 5.1.1 <b@x>: no", None),
        ("hold", "<b@x>: no", None),
    ],
)
def test_a_refusal_is_of_its_client(action: str, said: str, outcome: tuple[object, ...] | None) -> None:
    client, envelope = "c.example[192.0.2.7]", "from=<e@x> to=<b@x> proto=ESMTP helo=<h>"

    found = outcomes(events([line(f"NOQUEUE: {action}: RCPT from {client}: {said}; {envelope}")]))

    assert found == ([("[192.0.2.7]", "b@x", *outcome)] if outcome else [])


def test_a_refusal_is_of_the_login_of_its_connection_or_message() -> None:
    refused = "reject: RCPT from c[192.0.2.7]: 550 5.1.1 <b@x>: no; from=<e@x> to=<b@x> proto=SMTP helo=<h>"
    connect = line("connect from c.example[192.0.2.7]")

    found = outcomes(events([connect, *message(MINE, "eve"), line(f"NOQUEUE: {refused}")]))
    in_queue = outcomes(events([message(MINE, "eve")[0], line(f"{MINE}: {refused}")]))
    after = outcomes(events([*message(MINE, "eve"), connect, line(f"NOQUEUE: {refused}")]))

    assert [one[0] for one in found if one[1] == "b@x"] == ["eve"]
    assert [one[0] for one in in_queue] == ["eve"]
    assert [one[0] for one in after if one[1] == "b@x"] == ["[192.0.2.7]"]


def test_a_message_refused_as_a_whole_was_no_submission() -> None:
    refused = (
        "milter-reject: END-OF-MESSAGE from c[192.0.2.7]: 5.7.1 no; from=<e@x> to=<b@x> proto=ESMTP helo=<h>"
    )

    found = events([*message(MINE, "eve")[:2], line(f"{MINE}: {refused}", "cleanup")])

    assert submissions(found) == []
    assert outcomes(found) == [("eve", "b@x", Outcome.REJECTED, "5.7.1")]


@pytest.mark.parametrize(("place", "text"), list(product(PLACES, TEXTS)))
def test_no_text_of_a_stranger_makes_an_event_of_somebody_elses(place: str, text: str) -> None:
    """Both are in the middle of a message; the victim's goes on as if nothing had been said."""
    mine, theirs = message(MINE, "eve"), message(THEIRS, VICTIM, ("z@y.example",))
    theirs = [one.replace("[77]", "[78]") for one in theirs]

    found = events([mine[0], *theirs[:2], PLACES[place](text), *theirs[2:], *mine[1:]])

    of_victim = [one for one in found if one.account == VICTIM]
    assert [str(one) for one in of_victim] == [str(one) for one in events(theirs)]
    assert {one.account for one in found if not isinstance(one, LoginEvent)} <= {
        VICTIM,
        "eve",
        "[192.0.2.7]",
        "uid:1000",
    }
    assert all(one.account in (VICTIM, "eve") for one in found if isinstance(one, LoginEvent) and one.success)


def test_what_is_remembered_has_bounds() -> None:
    bounds = Bounds(messages=50, sessions=10, letters=2000, recipients=20, text_letters=100)
    joined, log = join(bounds), reader()
    many = (
        text
        for number in range(2000)
        for text in (
            line(
                f"{number:010X}: client=c[192.0.2.7], sasl_method=PLAIN, sasl_username=u{number}", pid=number
            ),
            line(f"NOQUEUE: client=c[192.0.2.7], sasl_method=PLAIN, sasl_username=u{number}", pid=number),
            line(f"{number:010X}: from=<{'e' * 5000}>, size=1, nrcpt=99999999 (queue active)", "qmgr"),
            *(tried(f"{number:010X}", f"{'a' * 300}{one}@x", "deferred") for one in range(3)),
        )
    )

    for text in many:
        record = log.read(text)
        assert not isinstance(record, Line)
        joined.feed(record)

    everything = {**vars(joined), **vars(joined._messages)}  # noqa: SLF001 - nothing else shows it
    tables = [value for value in everything.values() if isinstance(value, dict)]
    assert max(map(len, tables)) <= 50
    assert joined.forgotten > 1000
    assert joined._messages.letters <= bounds.letters  # noqa: SLF001 - nothing else shows it


def test_letters_are_given_back() -> None:
    joined = join()

    events([*message(MINE, "eve"), tried(MINE, "a@x", "deferred"), *message(THEIRS, "bob")[:4]], joined)
    events([line(f"{THEIRS}: removed", "qmgr", 60)], joined)

    assert joined._messages.letters == 0  # noqa: SLF001 - nothing else shows it
