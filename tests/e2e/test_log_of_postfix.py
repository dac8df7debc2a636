"""A real Postfix's log, and a hand-made hard one: our sums are pflogsumm's, and every line is understood."""

import re
import smtplib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from sendwarden.core.event import DeliveryEvent, Event, LoginEvent, Outcome, SubmissionEvent
from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.engine.logs.postfix import PostfixJoin
from sendwarden.wire.postfix_log import (
    Accepted,
    Active,
    Delivery,
    Line,
    PickedUp,
    PostfixLog,
    Record,
    Refused,
)
from sendwarden.wire.syslog import Stamps
from tests.servers.client import Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.front import SUBMISSION
from tests.servers.pflogsumm import Sums, pflogsumm
from tests.servers.picky import Picky
from tests.servers.postfix import Postfix, Service
from tests.servers.space import wait_for
from tests.wire.postfix_lines import NOW, line
from tests.wire.postfix_lines import message as logged

SETTINGS = """
maximal_queue_lifetime = 4s
bounce_queue_lifetime = 4s
virtual_alias_domains = lists.example.org
virtual_alias_maps = inline:{ {staff@lists.example.org=ann@there.example, unknown-staff@there.example} }
header_checks = regexp:{ {/^Subject: refuse/ REJECT 5.7.1 no such subject} }
"""
REFUSE = {
    "smtpd_recipient_restrictions": "check_recipient_access inline:{ {no@there.example=REJECT not that one} }, permit"
}
# Who sends to whom.
SENT = (
    ("eve", ["ann@there.example"]),
    ("eve", ["unknown-1@there.example", "ann@there.example", "full@there.example"]),
    ("bob", ["busy@there.example"]),
    ("bob", ["busy-once@there.example"]),
    ("eve", ["bare@there.example"]),
    ("eve", ["spam@there.example"]),
    ("bob", ["no@there.example"]),
    ("eve", ["ann@there.example", "no@there.example"]),
    ("bob", ["staff@lists.example.org"]),
)


def records(lines: list[str]) -> Iterator[Record]:
    """Of a log of which every line is understood."""
    log = PostfixLog(Stamps(NOW, UTC))
    for one in lines:
        record = log.read(one)
        assert record is not Line.UNKNOWN, one
        if not isinstance(record, Line):
            yield record


def sums(lines: list[str]) -> Sums:
    """What pflogsumm counts, of our records: of a queue id one sender, however often the id is used."""
    ours = Sums(dict.fromkeys(("received", "delivered", "forwarded", "deferrals", "bounced", "rejected"), 0))
    begun, counted = set[str](), set[str]()
    for record in records(lines):
        match record:
            case Accepted(queue_id=queue_id) | PickedUp(queue_id=queue_id) if queue_id:
                ours.totals["received"] += 1
                begun.add(queue_id)
            case Active(queue_id=queue_id) if queue_id not in counted:
                counted.add(queue_id)
                ours.senders[record.sender or "from=<>"] += queue_id in begun
            case Delivery():
                _tried(record, ours)
            case Refused(action="reject" | "milter-reject"):
                ours.totals["rejected"] += 1
    ours.senders += Counter()
    return ours


def _tried(record: Delivery, ours: Sums) -> None:
    if record.reason.startswith("forwarded as "):
        ours.totals["forwarded"] += 1
    elif record.status == "sent":
        ours.totals["delivered"] += 1
        ours.recipients[record.recipient] += 1
    elif record.status == "deferred":
        ours.totals["deferrals"] += 1
        ours.deferred[record.reason.partition(")")[0]] += 1  # pflogsumm reads to the first bracket
    elif record.status == "bounced":
        ours.totals["bounced"] += 1
        ours.bounced[record.reason] += 1


def same(lines: list[str], folder: Path, name: str = "postfix") -> None:
    """Are pflogsumm's sums of these lines ours?"""
    path = folder / name
    path.write_text("\n".join([*lines, ""]), errors="surrogateescape")
    theirs, ours = pflogsumm(path, name), sums(lines)

    assert {total: theirs.totals.get(total, 0) for total in ours.totals} == ours.totals
    for part in ("senders", "recipients", "deferred", "bounced"):
        assert getattr(theirs, part) == getattr(ours, part), part


def events(lines: list[str]) -> list[Event]:
    rules = IdentityRules()
    join = PostfixJoin(lambda login: account_of(login, rules))
    found = [event for record in records(lines) for event in join.feed(record)]
    return [*found, *join.end()]


def all_removed(text: str) -> bool:
    """Was each message that came into the queue removed?"""
    return len(set(re.findall(r"qmgr\[\d+\]: (\w+): from=<", text))) == text.count(": removed\n")


@pytest.fixture(scope="module")
def log(dovecot: Dovecot) -> Iterator[list[str]]:
    """What a real Postfix logs of mail that is delivered, deferred, expires, bounces and is refused."""
    picky = Picky()
    postfix = Postfix(picky.port, [Service("submission", SUBMISSION | REFUSE)], dovecot.sasl, SETTINGS)
    clients = {login: Client(postfix.ports["submission"], login) for login in ("eve", "bob")}
    for login, recipients in SENT:
        clients[login].send(f"{login}@example.org", recipients, message())
    clients["eve"].send("eve@example.org", ["ann@there.example"], message("refuse this"))
    clients["eve"].line(b"MAIL FROM:<eve@example.org> SMTPUTF8")
    clients["eve"].line("RCPT TO:<j\u00fcrgen@there.example>".encode())
    clients["eve"].data(message())
    clients["eve"].command("EHLO x>,sasl_username=<bob")
    clients["eve"].send("eve@example.org", ["no@there.example"], message())
    clients["eve"].command("MAIL FROM:<eve@example.org> AUTH=bob+2C+20orig_queue_id+3DABCDEF")
    clients["eve"].command("RCPT TO:<ann@there.example>")
    clients["eve"].data(message())
    with pytest.raises(smtplib.SMTPAuthenticationError):
        Client(postfix.ports["submission"], "mallory")
    postfix.space.run(
        "sendmail",
        "-C",
        f"{postfix.folder}/etc",
        "-f",
        "carol@example.org",
        "ann@there.example",
        stdin=message(),
    )
    for client in clients.values():
        client.quit()
    wait_for("an expired message", lambda: "status=expired" in postfix.log())
    postfix.wait_until_delivered()
    wait_for("the last line", lambda: all_removed(postfix.log()))
    yield postfix.log().splitlines()
    postfix.stop()
    picky.stop()


def test_the_sums_of_a_real_log_are_those_of_pflogsumm(log: list[str], tmp_path: Path) -> None:
    same(log, tmp_path)

    print(f"{len(log)} lines of a real Postfix, all understood; sums equal to pflogsumm's")


def test_each_event_of_a_real_log_is_of_who_sent(log: list[str]) -> None:
    found = events(log)

    submitted = Counter(one.account for one in found if isinstance(one, SubmissionEvent))
    assert submitted == {"eve": 6, "bob": 3, "uid:0": 1}
    logins = [(one.account, one.success) for one in found if isinstance(one, LoginEvent)]
    assert set(logins) == {("eve", True), ("bob", True), ("mallory", False)}


def test_what_became_of_each_recipient_of_a_real_log(log: list[str]) -> None:
    found: dict[str, list[tuple[str, str, str | None]]] = {}
    for one in events(log):
        if isinstance(one, DeliveryEvent):
            found.setdefault(one.recipient, []).append((one.account, one.outcome.value, one.dsn))

    assert found["unknown-1@there.example"] == [("eve", "bounced", "5.1.1")]
    assert found["full@there.example"] == [("eve", "bounced", "5.2.2")]
    assert found["bare@there.example"] == [("eve", "bounced", "5.0.0")]
    assert found["spam@there.example"] == [("eve", "bounced", "5.7.1")]
    assert found["busy-once@there.example"][0] == ("bob", "deferred", "4.2.1")
    assert found["busy-once@there.example"][-1] == ("bob", "delivered", "2.0.0")
    assert found["busy@there.example"][-1] == ("bob", "bounced", "4.2.1")
    assert found["unknown-staff@there.example"] == [("bob", "bounced", "5.1.1")]
    assert found["j\u00fcrgen@there.example"] == [("eve", "delivered", "2.0.0")]
    assert {one[:2] for one in found["no@there.example"]} <= {
        ("bob", "rejected"),
        ("eve", "rejected"),
        ("[127.0.0.1]", "rejected"),
    }
    assert all(
        one[1] == Outcome.DELIVERED.value or one[1] == "rejected" for one in found["ann@there.example"]
    )


def tried(queue_id: str, to: str, status: str, reason: str, daemon: str = "smtp", **more: str) -> str:
    dsn = {"sent": "2.0.0", "bounced": "5.1.1", "deferred": "4.4.1"}[status]
    relay, instance = more.get("relay", "mx.x.example[192.0.2.99]:25"), more.get("instance", "postfix")
    said = f"relay={relay}, delay=1.1, delays=0/0/0/1, dsn={dsn}, status={status} ({reason})"
    return line(f"{queue_id}: to=<{to}>, {said}", daemon, instance=instance)


HARD = [
    *logged("4AAAAAAAAA", "j\u00fcrgen", ("\u00fc@x.example", "b@x.example")),
    *logged("4BBBBBBBBB", "eve")[:-1],  # "removed" is missing
    *logged("4BBBBBBBBB", "bob", ("again@x.example",), 400),  # and the id used again
    *logged("4mH8sC1mX2zBlr", "eve", ("long@x.example",)),
    *logged("4CCCCCCCCC", "eve", ("a@x.example", "b@x.example", "c@x.example"))[:3],
    tried("4CCCCCCCCC", "a@x.example", "deferred", "conversation with mx.x.example[192.0.2.99] timed out while sending RCPT TO"),
    tried("4CCCCCCCCC", "b@x.example", "bounced",
          "host mx.x.example[192.0.2.99] said: 552-5.3.4 first line 552 5.3.4 second line (in reply to end of DATA command)"),
    tried("4CCCCCCCCC", "c@x.example", "deferred",
          "host mx.x.example[192.0.2.99] refused to talk to me: 421 4.7.0 later"),
    tried("4CCCCCCCCC", "a@x.example", "sent", "250 2.0.0 Ok: queued as 4AAAAAAAAA"),
    line("4CCCCCCCCC: from=<e@example.org>, status=expired, returned to sender", "qmgr"),
    line("4CCCCCCCCC: sender non-delivery notification: 4DDDDDDDDD", "bounce"),
    *logged("4DDDDDDDDD", "")[1:],
    line("4CCCCCCCCC: removed", "qmgr"),
    *logged("4EEEEEEEEE", "eve")[:3],
    tried("4EEEEEEEEE", "me@example.org", "sent", "forwarded as 4FFFFFFFFF", "local", relay="local"),
    *logged("4FFFFFFFFF", "", ("else@y.example",))[1:],
    line("4F00000000: uid=33 from=<www-data>", "pickup"),
    *logged("4F00000000", "", ("w@x.example",))[1:],
    tried("4F11111111", "nobody-knows@x.example", "sent", "250 ok"),  # its beginning is in another file
    line("4F22222222: milter-reject: END-OF-MESSAGE from c[192.0.2.7]: 5.7.1 spam; from=<e@x> to=<b@x> proto=ESMTP helo=<h>",
         "cleanup"),
    line("NOQUEUE: reject: RCPT from c[192.0.2.7]: 450 4.7.1 <b@x>: later; from=<e@x> to=<b@x> proto=ESMTP helo=<h>"),
    line("NOQUEUE: reject: RCPT from [192.0.2.7]:25: 550 5.7.1 listed; from=<e@x> to=<b@x>, proto=ESMTP, helo=<h>",
         "postscreen"),
    line("warning: c.example[192.0.2.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"),
    "  and the rest of it in a line of its own",
]  # fmt: skip


def test_the_sums_of_a_hard_log_are_those_of_pflogsumm(tmp_path: Path) -> None:
    same(HARD, tmp_path)


def test_two_instances_in_one_file_have_the_sums_that_pflogsumm_has_of_each(tmp_path: Path) -> None:
    """Pflogsumm keeps queue ids of all instances in one table, so that it is given each by itself."""
    other = [one.replace(" postfix/", " mailout/").replace("e@example.org", "o@example.org") for one in HARD]

    same(HARD, tmp_path)
    same(other, tmp_path, "mailout")
    mixed = events([one for pair in zip(HARD, other, strict=True) for one in pair])

    def of(found: list[Event], instance: str) -> list[str]:
        kinds = (SubmissionEvent, DeliveryEvent)
        return sorted(str(one) for one in found if isinstance(one, kinds) and f"/{instance}/" in one.message)

    assert of(mixed, "postfix") == of(events(HARD), "postfix")
    assert of(mixed, "mailout") == of(events(other), "mailout")
