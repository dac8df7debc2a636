"""A real Exim asks about each recipient as well; and what a client writes there forges nothing."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.broken import FAULTS
from tests.servers.client import message
from tests.servers.exim_site import (
    EACH,
    SOON_S,
    TIMEOUT_S,
    WHOLE,
    Asking,
    Site,
    in_one_line,
    numbered,
    recipients,
    send,
)
from tests.servers.limited import CHANNEL, LIMIT
from tests.servers.sendwarden import REFERENCE
from tests.servers.sink import Sink
from tests.servers.space import wait_for

both = pytest.mark.parametrize("asking", [WHOLE, EACH], ids=["whole", "each"])
EXIM = Path(__file__).parents[2] / "docs" / "exim.md"
MAPPINGS = """
FROM_ACCESS

  *|bad@*  $NNot$ this$ sender
  *        $Y

SEND_ACCESS

  *|boss@victim.example  $NNot$ to$ him
  *                      $Y
"""


@pytest.fixture
def each(sink: Sink) -> Iterator[Site]:
    """Exim asks about each recipient as well."""
    with Site(sink, asking=EACH) as made:
        yield made


def test_recipient_by_recipient_what_is_over_the_limit_is_refused_with_our_text(each: Site) -> None:
    eve = each.client()

    assert recipients(eve, numbered(LIMIT + 11)) == [250] * LIMIT + [450] * 11
    assert eve.data(message()) == 250
    answer = send(eve)
    assert answer.code == 450
    assert in_one_line(answer).startswith("4.7.1 eve has used 40 of 40 recipients in 10m")
    assert REFERENCE.search(answer.text)
    each.exim.wait_until_delivered()
    assert len(each.sink.recipients) == each.used() == LIMIT


def test_the_51st_recipient_of_a_limit_of_50_is_refused(sink: Sink) -> None:
    fifty = '[[limits]]\nname = "external"\nrecipients = "50/10m"\n'
    with Site(sink, fifty, EACH) as site:
        eve = site.client()

        assert recipients(eve, numbered(51)) == [250] * 50 + [450]
        assert eve.data(message()) == 250
        assert site.used() == 50


def test_recipients_that_exim_refuses_behind_us_are_given_back_at_the_end(each: Site) -> None:
    eve = each.client()

    assert recipients(eve, [*numbered(10), *(f"nobody{n}" for n in range(20))]) == [250] * 10 + [550] * 20
    assert each.used() == 30
    assert eve.data(message()) == 250
    assert each.used() == 10
    assert recipients(eve, numbered(LIMIT)) == [250] * (LIMIT - 10) + [450] * 10


def test_messages_of_one_session_do_not_meet(each: Site) -> None:
    eve = each.client()

    for many in (5, 7, 11):
        assert send(eve, many).code == 250
        eve.begin_and_reset("eve@example.org", "v@victim.example")
    assert each.used() == 5 + 7 + 11 + 3  # what was begun and not ended stands for 10 minutes


def test_20_sessions_recipient_by_recipient_get_exactly_the_limit(each: Site) -> None:
    clients = [each.client() for _ in range(20)]
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda one=one: found.extend(send(one).code for _ in range(4)))
        for one in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (found.count(250), found.count(450)) == (LIMIT, 80 - LIMIT)
    each.exim.wait_until_delivered()
    assert len(each.sink.recipients) == each.used() == LIMIT


@pytest.mark.parametrize(("over", "frozen"), [("hold", 1), ("discard", 0)])
def test_hold_and_discard_for_one_recipient_are_done_to_the_whole_message(
    sink: Sink, over: str, frozen: int
) -> None:
    with Site(sink, CHANNEL.format(over), EACH) as site:
        eve = site.client()
        assert [send(eve, LIMIT - 1).code, send(eve, 2).code] == [250, 250]
        wait_for("the first is delivered", lambda: len(sink.recipients) >= LIMIT - 1)
        site.exim.wait_until_delivered()

        assert len(sink.recipients) == LIMIT - 1
        assert len(site.exim.frozen()) == frozen
        assert site.exim.log().count("by Sendwarden: ") == 1


def test_a_message_with_300_recipients_is_joined_by_its_instance(sink: Sink) -> None:
    class_mail = '[[limits]]\nname = "external"\nrecipients = "400/10m"\nper_message = 400\n'
    with Site(sink, class_mail, EACH._replace(tapped=True)) as site:
        eve = site.client()
        began = time.monotonic()
        assert send(eve, 300).code == 250
        print(f"\n300 recipients, each asked about: {time.monotonic() - began:.2f} s")
        asked = site.asked()

        assert [one.get("protocol_state") for one in asked] == ["RCPT"] * 300 + ["END-OF-MESSAGE"]
        assert len({one.get("instance") for one in asked}) == 1 and asked[0].get("instance")
        assert [one.get("queue_id") != "" for one in asked] == [False] * 300 + [True]
        assert (asked[-1].get("recipient_count"), site.used()) == ("300", 300)
        send(eve)
        assert site.asked()[-1].get("instance") != asked[0].get("instance")


def test_senders_are_judged_once_each_recipient_is_asked_about(sink: Sink) -> None:
    own = 'senders = "own"\nforeign_sender = "refuse"\n[senders]\nevery_domain = true\n'
    with Site(sink, CHANNEL.format("defer") + own, EACH) as site:
        eve = site.client()

        assert recipients(eve, ["v"], "bob@example.org") == [550]
        eve.command("RSET")
        assert send(eve).code == 250


def test_access_tables_by_policy_are_asked_about_each_recipient(sink: Sink) -> None:
    tables = '[access]\nfrontends = "policy"\n'
    with Site(sink, tables, EACH, {"mappings": MAPPINGS}) as site:
        eve = site.client()

        assert recipients(eve, ["v", "boss", "w"]) == [250, 550, 250]
        assert eve.data(message()) == 250
        assert recipients(eve, ["v"], "bad@example.org") == [550]
        eve.command("RSET")
        site.exim.wait_until_delivered()
        assert (sink.recipients, site.used()) == (["v@victim.example", "w@victim.example"], 2)


def test_external_recipients_are_told_from_internal_ones(sink: Sink) -> None:
    by_class = '[[limits]]\nname = "external"\nexternal = "5/10m"\n'
    with Site(sink, by_class, EACH) as site:
        inside = [f"u{n}@example.org" for n in range(20)]
        outside = [f"v{n}@victim.example" for n in range(6)]
        eve = site.client()

        assert eve.send("eve@example.org", inside, message()).code == 250
        assert eve.send("eve@example.org", outside[:5], message()).code == 250
        assert eve.send("eve@example.org", outside[5:], message()).code == 450
        assert eve.send("eve@example.org", inside, message()).code == 450, "40 recipients of any class"


def test_with_strict_acl_vars_the_documented_statements_make_it_work(sink: Sink) -> None:
    page = EXIM.read_text().partition("`strict_acl_vars`")[2]
    statements = re.findall(r"^    (warn|  set .*)$", page, re.MULTILINE)[:3]
    for asking in (WHOLE, EACH):
        with Site(sink, asking=asking._replace(strict=statements)) as site:
            eve = site.client()

            assert [send(eve, many).code for many in (LIMIT - 1, 1, 1)] == [250, 250, 450]


def test_while_we_hang_a_message_waits_twice_however_many_recipients_it_has(each: Site) -> None:
    eve = each.client()
    with FAULTS["suspended"](each.sendwarden):
        began = time.monotonic()
        assert send(eve, 20).code == 250
        took = time.monotonic() - began
    print(f"\nsuspended, 20 recipients asked about one by one: {took:.2f} s")

    assert 2 * TIMEOUT_S <= took < SOON_S
    wait_for("it answers again", lambda: each.used() == 0)
    assert [send(eve, many).code for many in (LIMIT, 1)] == [250, 450]


# --- nobody is charged


@both
def test_a_bounce_is_charged_to_nobody_but_one_with_a_login_is(sink: Sink, asking: Asking) -> None:
    with Site(sink, asking=asking) as site:
        relay, eve = site.client(""), site.client()
        bounces = [relay.send("", [f"v{n}@victim.example"], message()).code for n in range(LIMIT * 2)]
        assert bounces == [250] * (LIMIT * 2)

        assert eve.send("", ["v@victim.example"], message()).code == 250
        code, said = site.sendwarden.command("account", "top", "--json")
        accounts = [json.loads(line)["account"] for line in said.splitlines()]
        assert (code, accounts, site.used()) == (0, ["eve"], 1)


# --- hostile bytes

# Local parts as clients write them, and as we are told. Exim takes no control characters but in quotes.
ODD: list[tuple[bytes, str]] = [
    (b"a}b{c", "a}b{c"),
    (b"$sender_address", "$sender_address"),
    (b"${run{/bin/false}}", "${run{/bin/false}}"),
    (rb"a=b", "a=b"),
    (rb'"sasl_username=bob x"', '"sasl_username=bob x"'),
    (rb'"a\"b\\c"', r'"a\"b\\c"'),
    (rb'"a@b"', '"a@b"'),
    (rb'"\n\nsasl_username=bob\n"', "nnsasl_username=bobn"),
    (b'"a\tb"', '"a?b"'),
    (b'"a\rsasl_username=bob"', '"a\\rsasl_username=bob"'),
    (b"a%b!c|d", "a%b!c|d"),
    (b"\\N", "n"),
    ("ä".encode(), '"ä"'),
]


def test_odd_local_parts_reach_us_whole_and_in_one_line(sink: Sink) -> None:
    with Site(sink, asking=EACH._replace(tapped=True)) as site:
        for local, told in ODD:
            eve = site.client()  # Exim hangs up on whoever makes three mistakes
            before = len(site.asked())
            at_sender = eve.line(b"MAIL FROM:<" + local + b"@example.org>")
            if at_sender != 250:
                eve.line(b"MAIL FROM:<eve@example.org>")
            at_recipient = eve.line(b"RCPT TO:<" + local + b"@victim.example>")
            new = site.asked()[before:]
            assert len(new) == (at_recipient == 250), local
            for one in new:
                assert one.get("recipient") == f"{told}@victim.example"
                assert one.get("sasl_username") == "eve"
                assert at_sender != 250 or one.get("sender").endswith("@example.org")


FORGED = "nobody\nsasl_username=bob\nclient_address=192.0.2.1"


def without_sg(said: str) -> str:
    """The statements as they would be without protection."""
    return re.sub(r"=\$\{sg\{(.*)\}\{\\N\[\[:cntrl:\]\]\\N\}\{\?\}\}", r"=\1", said)


@both
@pytest.mark.parametrize(
    ("changed", "charged"), [(str, 0), (without_sg, 1)], ids=["as printed", "without sg"]
)
def test_a_line_end_in_a_login_forges_no_attribute_but_would_without_sg(
    sink: Sink, asking: Asking, changed: Callable[[str], str], charged: int
) -> None:
    with Site(sink, asking=asking._replace(changed=changed)) as site:
        said = site.exim.told(FORGED, "v@victim.example")

        assert "250 OK id=" in said
        assert site.used("bob") == charged


@both
def test_a_login_in_a_refusal_is_not_expanded(sink: Sink, asking: Asking) -> None:
    one = '[[limits]]\nname = "external"\nrecipients = "1/10m"\n'
    login = "a}b${run{/bin/false}}$acl_m_sendwarden_id\\n%s"
    with Site(sink, one, asking) as site:
        said = [site.exim.told(login, f"v{n}@victim.example") for n in range(2)]

        assert "250 OK id=" in said[0]
        refused = re.sub(r"\r\n450[- ]4\.7\.1", "", said[1])
        assert f" {login} has used 1 of 1 recipients in 10m" in refused
