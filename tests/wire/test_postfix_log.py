"""wire.postfix_log: each daemon's lines, and a hundred lines by which a stranger would be somebody else."""

import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.postfix_log import (
    Accepted,
    Active,
    Delivery,
    Expired,
    Line,
    LoginFailed,
    Named,
    Passed,
    PickedUp,
    Record,
    Refused,
    Removed,
    Returned,
)
from sendwarden.wire.postfix_log.reader import DAEMONS
from tests.wire.postfix_lines import MINE, PLACES, TEXTS, THEIRS, line, reader, record

SENT = (
    "relay=mx.x.example[192.0.2.9]:25, delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok)"
)
REJECT = "554 5.7.1 <b@x>: Recipient address rejected: no; from=<e@x> to=<b@x> proto=ESMTP helo=<h>"

# Daemon, text, kind, and members that matter.
CASES: tuple[tuple[str, str, type | Line, dict[str, object]], ...] = (
    (
        "smtpd",
        f"{MINE}: client=unknown[2001:db8::1], sasl_method=PLAIN, sasl_username=a b,c@x",
        Accepted,
        {"queue_id": MINE, "address": "2001:db8::1", "login": "a b,c@x", "before": ""},
    ),
    ("smtpd", f"{MINE}: client=c.example[192.0.2.7]:4025", Accepted, {"address": "192.0.2.7", "login": ""}),
    (
        "smtpd",
        f"{MINE}: client=localhost[127.0.0.1], orig_queue_id={THEIRS}, orig_client=c[192.0.2.7]",
        Accepted,
        {"before": THEIRS},
    ),
    (
        "smtpd",
        "NOQUEUE: client=c.example[192.0.2.7], sasl_method=PLAIN, sasl_username=eve",
        Accepted,
        {"queue_id": "", "login": "eve"},
    ),
    (
        "smtpd",
        "3mH8sC1mX2zBlr: client=c.example[192.0.2.7], sasl_username=eve",
        Accepted,
        {"queue_id": "3mH8sC1mX2zBlr"},
    ),
    (
        "smtpd",
        f"NOQUEUE: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as {MINE}; from=<e@x> to=<b@x>",
        Passed,
        {"queue_id": MINE},
    ),
    (
        "smtpd",
        f"NOQUEUE: reject: RCPT from unknown[192.0.2.7]: {REJECT}",
        Refused,
        {
            "queue_id": "",
            "action": "reject",
            "stage": "RCPT",
            "address": "192.0.2.7",
            "code": "554",
            "dsn": "5.7.1",
            "recipient": "b@x",
            "sender": "e@x",
        },
    ),
    (
        "smtpd",
        f"{MINE}: milter-reject: RCPT from c.example[192.0.2.7]: {REJECT}",
        Refused,
        {"action": "milter-reject"},
    ),
    (
        "smtpd",
        "NOQUEUE: reject: CONNECT from unknown[192.0.2.7]: 554 5.7.1 no; proto=SMTP",
        Refused,
        {"recipient": ""},
    ),
    (
        "smtpd",
        "warning: c.example[192.0.2.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        LoginFailed,
        {"address": "192.0.2.7", "login": "", "mechanism": "LOGIN"},
    ),
    (
        "smtpd",
        "warning: c.example[192.0.2.7]: SASL PLAIN authentication failed: no, sasl_username=a, sasl_username=b",
        LoginFailed,
        {"login": "a, sasl_username=b"},
    ),
    ("smtpd", "warning: hostname c.example does not resolve to address 192.0.2.7", Line.NOTED, {}),
    ("smtpd", "lost connection after AUTH from unknown[192.0.2.7]", Line.NOTED, {}),
    (
        "smtpd",
        "Anonymous TLS connection established from c[192.0.2.7]: TLSv1.3 with cipher X",
        Line.NOTED,
        {},
    ),
    ("smtpd", "fatal: no SASL authentication mechanisms", Line.NOTED, {}),
    ("smtpd", "something new", Line.UNKNOWN, {}),
    (
        "postscreen",
        f"NOQUEUE: reject: RCPT from [192.0.2.7]:2525: {REJECT}",
        Refused,
        {"address": "192.0.2.7"},
    ),
    ("postscreen", "PASS NEW [192.0.2.7]:2525", Line.NOTED, {}),
    ("cleanup", f"{MINE}: message-id=<a@x>", Named, {"message_id": "<a@x>", "resent": False}),
    ("cleanup", f"{MINE}: resent-message-id=<a@x>", Named, {"resent": True}),
    (
        "cleanup",
        f"{MINE}: milter-reject: END-OF-MESSAGE from c[192.0.2.7]: 5.7.1 spam; from=<e@x> to=<b@x> proto=ESMTP helo=<h>",
        Refused,
        {"stage": "END-OF-MESSAGE", "code": "", "dsn": "5.7.1", "recipient": "b@x"},
    ),
    (
        "cleanup",
        f"{MINE}: reject: header Subject: a from c[192.0.2.7]; from=<e@x> to=<b@x> proto=ESMTP helo=<h>: 5.7.1 no",
        Refused,
        {"stage": "header", "dsn": "5.7.1", "text": "no", "recipient": "b@x"},
    ),
    ("pickup", f"{MINE}: uid=1000 from=<eve>", PickedUp, {"uid": 1000, "sender": "eve"}),
    (
        "qmgr",
        f"{MINE}: from=<>, size=9, nrcpt=2 (queue active)",
        Active,
        {"sender": "", "size": 9, "recipients": 2},
    ),
    ("qmgr", f"{MINE}: from=<\u00fc@x>, size=9, nrcpt=2 (queue active)", Active, {"sender": "\u00fc@x"}),
    ("qmgr", f"{MINE}: from=<e@x>, status=expired, returned to sender", Expired, {"sender": "e@x"}),
    ("qmgr", f"{MINE}: from=<e@x>, status=force-expired, returned to sender", Expired, {"sender": "e@x"}),
    ("qmgr", f"{MINE}: removed", Removed, {"queue_id": MINE}),
    ("postsuper", f"{MINE}: removed", Removed, {"queue_id": MINE}),
    ("postsuper", "Deleted: 2 messages", Line.NOTED, {}),
    (
        "bounce",
        f"{MINE}: sender non-delivery notification: {THEIRS}",
        Returned,
        {"notice": THEIRS, "kind": "non-delivery"},
    ),
    (
        "bounce",
        f"{MINE}: sender delivery status notification: {THEIRS}",
        Returned,
        {"kind": "delivery status"},
    ),
    (
        "smtp",
        f"{MINE}: to=<b@x>, {SENT}",
        Delivery,
        {
            "recipient": "b@x",
            "original": "",
            "relay": "mx.x.example[192.0.2.9]:25",
            "dsn": "2.0.0",
            "status": "sent",
            "reason": "250 2.0.0 Ok",
        },
    ),
    (
        "relay/smtp",
        f'{MINE}: to=<\u00fc@x>, orig_to=<"a> b"@x>, conn_use=3, {SENT}'.replace(" conn_use=3,", ""),
        Delivery,
        {"recipient": "\u00fc@x", "original": '"a> b"@x'},
    ),
    (
        "lmtp",
        f"{MINE}: to=<b@x>, relay=x[private/lmtp], conn_use=2, delay=1, delays=0/0/0/1, dsn=5.2.2, status=bounced (host x[private/lmtp] said: 552-5.2.2 full 552 5.2.2 ask (the owner) (in reply to end of DATA command))",
        Delivery,
        {
            "relay": "x[private/lmtp]",
            "status": "bounced",
            "reason": "host x[private/lmtp] said: 552-5.2.2 full 552 5.2.2 ask (the owner) (in reply to end of DATA command)",
        },
    ),
    (
        "smtp",
        f"{MINE}: to=<b@x>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.2, status=deferred (conversation with mx.x.example[192.0.2.9] timed out while sending end of data)",
        Delivery,
        {"status": "deferred"},
    ),
    (
        "local",
        f"{MINE}: to=<b@x>, relay=local, delay=1, status=sent (forwarded as {THEIRS})",
        Delivery,
        {"dsn": "", "reason": f"forwarded as {THEIRS}"},
    ),
    (
        "pipe",
        f"{MINE}: to=<b@x>, relay=maildrop, delay=1, delays=0/0/0/1, dsn=5.3.0, status=bounced (Command died: x)",
        Delivery,
        {"relay": "maildrop"},
    ),
    (
        "smtp",
        f"{MINE}: host mx[192.0.2.9] said: 450 4.2.0 later (in reply to RCPT TO command)",
        Line.NOTED,
        {},
    ),
    ("smtp", "connect to mx.x.example[192.0.2.9]:25: Connection timed out", Line.NOTED, {}),
    ("smtp", f"{MINE}: to=<b@x>, relay=none, delay=1, status=sent", Line.UNKNOWN, {}),
    ("anvil", "statistics: max connection rate 1/60s", Line.NOTED, {}),
    ("postfix-script", "starting the Postfix mail system", Line.NOTED, {}),
    ("policy-spf", "Policy action=DUNNO", Line.UNKNOWN, {}),
)


@pytest.mark.parametrize(("daemon", "text", "kind", "members"), CASES)
def test_a_line_says(daemon: str, text: str, kind: type | Line, members: dict[str, object]) -> None:
    found = record(text, daemon)

    if isinstance(kind, Line):
        assert found is kind
    else:
        assert isinstance(found, kind)
        assert {name: getattr(found, name) for name in members} == members


def test_host_instance_service_and_daemon_are_told_apart() -> None:
    log = reader()

    found = [
        log.read(line(f"{MINE}: client=c[192.0.2.7]", daemon, instance=instance))
        for daemon, instance in (
            ("smtpd", "postfix"),
            ("submission/smtpd", "postfix-out"),
            ("smtpd", "mailout"),
        )
    ]

    origins = [one.origin[:5] for one in found if not isinstance(one, Line)]
    assert origins == [
        ("mx", "postfix", "", "smtpd", "77"),
        ("mx", "postfix-out", "submission", "smtpd", "77"),
        ("mx", "mailout", "", "smtpd", "77"),
    ]


def test_every_line_is_counted_once_by_what_became_of_it() -> None:
    log = reader()

    for one in (
        line(f"{MINE}: removed", "qmgr"),
        line(f"{MINE}: removed", "qmgr"),
        line("something new", "qmgr"),
        "Nov 25 10:00:00 mx cron[1]: job",
        "no line at all",
    ):
        log.read(one)

    assert log.lines() == {"qmgr": 3}
    assert log.not_understood == {"qmgr": 1}
    assert (log.foreign, log.broken) == (1, 1)


def told(found: Record | Line) -> tuple[object, ...]:
    """What decides whose a line is."""
    names = ("queue_id", "address", "uid")
    return (type(found), *(getattr(found, name, None) for name in names))


@pytest.mark.parametrize(("place", "text"), list(product(PLACES, TEXTS)))
def test_what_a_stranger_writes_changes_neither_whose_a_line_is_nor_what_it_is(place: str, text: str) -> None:
    found, innocent = (reader().read(PLACES[place](one)) for one in (text, "text"))

    assert told(found) == told(innocent)
    assert getattr(found, "login", "") in ("", "eve", f"x{text}")


def test_there_are_enough_hostile_lines() -> None:
    assert len(PLACES) * len(TEXTS) >= 100


@given(st.sampled_from(list(PLACES)), st.text(st.characters(exclude_characters="\n"), max_size=200))
def test_any_text_a_stranger_writes_leaves_a_line_whose_it_is(place: str, text: str) -> None:
    found, innocent = (reader().read(PLACES[place](one)) for one in (text, "text"))

    assert told(found) == told(innocent)


@given(st.sampled_from(sorted(DAEMONS)), st.text(max_size=300))
def test_any_text_of_any_daemon_is_a_record_or_counted(daemon: str, text: str) -> None:
    log = reader()

    for whole in (line(text, daemon), line(f"{MINE}: {text}", daemon), text):
        log.read(whole)

    assert sum(log.lines().values()) + log.foreign + log.broken == 3


@pytest.mark.parametrize(
    "unit", ["[", "]", "<", ">", '"', "\\", ">, ", ", relay=", " from ", ": ", "; from=<", "> to=<", "a"]
)
@pytest.mark.parametrize("place", ["recipient", "HELO", "subject", "sender", "reply"])
def test_time_is_linear_in_the_length_of_a_line(place: str, unit: str) -> None:
    """A quadratic reader would take minutes for these; 64 KiB letters are the most that is looked at."""
    log, long = reader(), PLACES[place](unit * (200_000 // len(unit)))
    start = time.process_time()

    log.read(long)

    assert time.process_time() - start < 5
