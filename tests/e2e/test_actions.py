"""What becomes of mail at real servers: hold, discard, copy, defer, and never a bounce to a stranger."""

from collections.abc import Iterator

import pytest

from tests.servers.client import Answer, Client, message
from tests.servers.dovecot import Dovecot
from tests.servers.front import Front
from tests.servers.sendmail import Sendmail
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

# A filter that does what the header X-Do says.
DO = """
require ["reject", "ereject", "envelope", "fileinto", "copy", "variables"];
if header :is "X-Do" "hold" { hold; }
elsif header :is "X-Do" "file" { fileinto "spam"; }
elsif header :is "X-Do" "reject" { reject "Not %from% here, 100%."; }
elsif header :is "X-Do" "lines" { reject "First line.
Second line."; }
elsif header :is "X-Do" "discard" { discard; }
elsif header :is "X-Do" "jettison" { keep; jettison; }
elsif header :is "X-Do" "capture" { capture "watch@desk.example"; }
elsif header :is "X-Do" "redirect" { redirect "new@desk.example"; }
elsif header :is "X-Do" "both" { redirect :copy "new@desk.example"; }
elsif header :is "X-Do" "mixed" {
    if envelope "to" "no@victim.example" { ereject "not to him"; }
    elsif envelope "to" "gone@victim.example" { discard; }
}
"""

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
internal = ["127.0.0.1/32", "10.0.0.0/8"]
relays = ["10.0.0.25/32"]
[accounts]
realms = ["example.org", "mail.example.com"]
[notify]
smtp = "127.0.0.1:{notify}"
[[channel]]
name = "temporary"
login = true
macros = { "{auth_authen}" = "carol" }
sourcefilter = "do.sieve"
refusal = "defer"
[[channel]]
name = "discarding"
login = false
networks = ["198.51.100.0/24"]
sourcefilter = "do.sieve"
unauthenticated = "discard"
[[channel]]
name = "all"
sourcefilter = "do.sieve"
"""


def do(what: str) -> bytes:
    return message(what, [("X-Do", what)])


@pytest.fixture(scope="module")
def front(sink: Sink, dovecot: Dovecot) -> Iterator[Front]:
    with Front(sink, dovecot, SETTINGS, {"do.sieve": DO}) as made:
        yield made


@pytest.fixture(autouse=True)
def _clean(front: Front, sink: Sink) -> None:
    front.postfix.delete_held()
    sink.clear()


def send(client: Client, what: str, *recipients: str) -> Answer:
    return client.send("eve@example.org", recipients or ["v@victim.example"], do(what))


@pytest.mark.parametrize("what", ["hold", "file"])
def test_hold_puts_the_message_into_postfixs_hold_queue(front: Front, what: str) -> None:
    answer = send(front.submission("eve"), what)

    assert answer.code == 250
    [held] = front.postfix.held()
    assert (held["queue_name"], held["sender"]) == ("hold", "eve@example.org")
    assert front.sink.received == []


def test_hold_puts_the_message_into_sendmails_quarantine(sink: Sink) -> None:
    sendwarden = Sendwarden(SETTINGS.replace("{notify}", str(sink.port)), {"do.sieve": DO})
    sendmail = Sendmail(sink.port, sendwarden.milter, ["eve"])
    client = Client(sendmail.port, "eve")

    held, plain = send(client, "hold"), send(client, "nothing")

    assert (held.code, plain.code) == (250, 250)
    wait_for("the other message", lambda: sink.recipients == ["v@victim.example"])
    assert "QUARANTINE: filter do.sieve line 3 held it for v@victim.example [SW-" in sendmail.quarantined()
    assert [name[:2] for name in sendmail.queued() if name.startswith("hf")] == ["hf"]
    wait_for("the decision is logged", lambda: sendwarden.events("decision"))
    [decision] = sendwarden.events("decision")
    assert decision["account"] == "eve", "with Sendmail's SASL realm or without"
    client.quit()
    sendmail.stop()
    sendwarden.stop()


@pytest.mark.parametrize(("what", "said"), [("reject", "5.7.1 Not %from% here, 100%. [SW-")])
def test_a_percent_sign_in_a_refusal_arrives_once_at_postfix_and_at_sendmail(
    front: Front, sink: Sink, what: str, said: str
) -> None:
    sendmail = Sendmail(sink.port, front.sendwarden.milter, ["eve"])
    client = Client(sendmail.port, "eve")

    answers = [send(front.submission("eve"), what), send(client, what)]

    assert [(answer.code, answer.text[: len(said)]) for answer in answers] == [(550, said)] * 2
    client.quit()
    sendmail.stop()


def test_a_refusal_of_several_lines_is_a_reply_of_several_lines(front: Front) -> None:
    answer = send(front.submission("eve"), "lines")

    assert answer.code == 550
    first, second = answer.text.split("\n")
    assert first == "5.7.1 First line."
    assert second.startswith("5.7.1 Second line. [SW-")


def test_a_channel_may_defer_where_its_filter_rejects(front: Front) -> None:
    answer = send(front.submission("carol"), "reject")

    assert (answer.code, answer.text[:6]) == (450, "4.7.1 ")


@pytest.mark.parametrize("what", ["discard", "jettison"])
def test_discard_accepts_and_delivers_nothing(front: Front, what: str) -> None:
    answer = send(front.submission("eve"), what)

    assert answer.code == 250
    front.postfix.wait_until_delivered()
    assert front.sink.received == []


@pytest.mark.parametrize(
    ("what", "recipients"),
    [
        ("capture", {"v@victim.example", "watch@desk.example"}),
        ("redirect", {"new@desk.example"}),
        ("both", {"v@victim.example", "new@desk.example"}),
    ],
)
def test_copies_go_to_added_recipients(front: Front, what: str, recipients: set[str]) -> None:
    assert send(front.submission("eve"), what).code == 250

    front.postfix.wait_until_delivered()
    assert set(front.sink.recipients) == recipients
    assert len(front.sink.recipients) == len(recipients)


def test_a_copy_that_comes_by_again_is_not_copied_again(front: Front) -> None:
    assert send(front.submission("eve"), "capture", "watch@desk.example").code == 250

    front.postfix.wait_until_delivered()
    assert front.sink.recipients == ["watch@desk.example"]


def test_some_recipients_refused_and_some_discarded_leave_the_others_alone(front: Front) -> None:
    recipients = ["yes@victim.example", "no@victim.example", "gone@victim.example"]

    assert send(front.submission("eve"), "mixed", *recipients).code == 250

    wait_for("mail and notice", lambda: len(front.sink.received) == 2)
    assert sorted(front.sink.recipients) == ["eve@example.org", "yes@victim.example"]
    [notice] = [received for received in front.sink.received if received.sender == ""]
    assert b"no@victim.example" in notice.text
    assert b"gone@victim.example" not in notice.text


def test_a_notice_never_goes_to_an_address_that_is_not_the_accounts(front: Front) -> None:
    recipients = ["yes@victim.example", "no@victim.example"]

    answer = front.submission("eve").send("stranger@elsewhere.example", recipients, do("mixed"))

    assert answer.code == 250
    wait_for("the mail", lambda: len(front.sink.received) == 1)
    front.postfix.wait_until_delivered()
    assert front.sink.recipients == ["yes@victim.example"]
    wait_for("the warning", lambda: front.sendwarden.warnings("nobody-told"))


def test_to_an_unauthenticated_forwarded_message_a_refusal_becomes_a_hold(front: Front) -> None:
    answer = send(front.relay("203.0.113.9"), "reject")

    assert answer.code == 250
    assert len(front.postfix.held()) == 1
    assert front.sink.received == [], "nobody got a bounce"


def test_where_the_channel_says_so_it_becomes_a_discard(front: Front) -> None:
    answer = send(front.relay("198.51.100.9"), "reject")

    assert answer.code == 250
    front.postfix.wait_until_delivered()
    assert front.postfix.queue() == []
    assert front.sink.received == [], "nobody got a bounce"


def test_an_internal_host_hears_the_refusal_itself_but_a_named_relay_does_not(front: Front) -> None:
    own = send(front.relay("10.1.2.3"), "reject")
    for_others = send(front.relay("10.0.0.25"), "reject")

    assert (own.code, for_others.code) == (550, 250)
    assert len(front.postfix.held()) == 1


def test_a_refusal_in_part_of_an_unauthenticated_message_holds_it_and_tells_nobody(front: Front) -> None:
    answer = send(front.relay("203.0.113.9"), "mixed", "yes@victim.example", "no@victim.example")

    assert answer.code == 250
    [held] = front.postfix.held()
    assert str(held["recipients"]).count("address") == 2
    assert front.sink.received == []
