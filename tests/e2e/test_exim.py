"""A real Exim asks by what `sendwarden connect exim` prints: limits, holds, and while we are down."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from sendwarden.wire.policy import PolicyDecoder, Request
from tests.servers.address import OUTSIDE, outside_is_here
from tests.servers.broken import FAULTS
from tests.servers.client import Answer, Client, message
from tests.servers.exim import USER, Exim
from tests.servers.sendwarden import REFERENCE, Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for
from tests.servers.tap import Tap

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
help = "https://help.example.org/limits"
"""
CHANNEL = '[[channel]]\nname = "submission-auth-external"\nover_limit = "{}"\n'
LOGINS = ["eve", "bob"]
# Recipients in 10 minutes of a login from outside, as shipped.
LIMIT = 40
MAPPINGS = """
FROM_ACCESS

  *|bad@*  $NNot$ this$ sender
  *        $Y

SEND_ACCESS

  *|boss@victim.example  $NNot$ to$ him
  *                      $Y
"""
# What holds while we are down, as printed.
EXIM = Path(__file__).parents[2] / "docs" / "exim.md"
FAILS = "{action=DUNNO down}"
# How long a client may wait while we hang: the time-out of readsocket, and a busy machine.
TIMEOUT_S, SOON_S = 3.0, 20.0


def printed(said: str, block: str) -> list[str]:
    """The statements for one ACL, out of what the command says."""
    found = re.search(
        rf"^  # sendwarden: begin {block}\n.*?^  # sendwarden: end\n", said, re.MULTILINE | re.DOTALL
    )
    assert found, said
    return [line.removeprefix("  ") for line in found[0].splitlines()]


class Asking(NamedTuple):
    """How Exim asks: about each recipient before the end of a message, or at the end alone.

    ``changed`` is made of what the command prints before Exim reads it; ``tapped``: it asks through a tap;
    ``strict``: statements for MAIL, with strict_acl_vars.
    """

    each: bool = False
    changed: Callable[[str], str] = str
    tapped: bool = False
    strict: list[str] | None = None


WHOLE, EACH = Asking(), Asking(each=True)
both = pytest.mark.parametrize("asking", [WHOLE, EACH], ids=["whole", "each"])


class Site:
    """Exim that asks as it was told to, Sendwarden, and a sink. Use as a context."""

    def __init__(
        self, sink: Sink, settings: str = "", asking: Asking = WHOLE, files: dict[str, str] | None = None
    ) -> None:
        outside_is_here()
        self.sink = sink
        self.sendwarden = Sendwarden(SETTINGS + settings, files)
        self.tap = Tap(self.sendwarden.policy) if asking.tapped else None
        code, said = self.sendwarden.command("connect", "exim")
        assert code == 0, said
        if self.tap:
            said = said.replace(f":{self.sendwarden.policy}}}", f":{self.tap.port}}}")
        said = asking.changed(said)
        of_recipient = printed(said, "rcpt") if asking.each else []
        self.exim = Exim(sink.port, printed(said, "data"), LOGINS, of_recipient, asking.strict)
        self._clients: list[Client] = []
        sink.clear()

    def client(self, login: str = "eve") -> Client:
        """A client from outside."""
        client = Client(self.exim.port, login, OUTSIDE)
        self._clients.append(client)
        return client

    def asked(self) -> list[Request]:
        """What went through the tap, one question for each connection."""
        assert self.tap
        decoders = [PolicyDecoder() for _ in self.tap.sessions]
        found = []
        for decoder, session in zip(decoders, self.tap.sessions, strict=True):
            decoder.feed(session.asked)
            request = decoder.next_request()
            assert isinstance(request, Request) and not decoder.unfinished, session.asked
            found.append(request)
        return found

    def used(self, account: str = "eve") -> int:
        """Recipients from outside in the longest window, as `limits show` has them."""
        code, said = self.sendwarden.command("limits", "show", account, "--json")
        assert code == 0, said
        channels = {one["channel"]: one for one in json.loads(said)["channels"]}
        limits = channels["submission-auth-external"]["limits"]
        return int(next(one["used"] for one in reversed(limits) if one["counted"] == "recipients"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.quit()
        if error:
            print(self.sendwarden.output(), self.exim.log()[-3000:], self.exim.log("panic"))
        self.exim.stop()
        if self.tap:
            self.tap.stop()
        self.sendwarden.stop()


@pytest.fixture
def site(sink: Sink) -> Iterator[Site]:
    with Site(sink) as made:
        yield made


@pytest.fixture
def each(sink: Sink) -> Iterator[Site]:
    """Exim asks about each recipient as well."""
    with Site(sink, asking=EACH) as made:
        yield made


def send(client: Client, recipients: int = 1) -> Answer:
    to = [f"v{n}@victim.example" for n in range(recipients)]
    return client.send("eve@example.org", to, message())


def codes(client: Client, number: int) -> list[int]:
    """The answers to messages with one recipient each."""
    return [send(client).code for _ in range(number)]


def in_one_line(answer: Answer) -> str:
    """Exim breaks a long text into lines, each with the code and the enhanced one before it."""
    first, *more = answer.text.splitlines()
    return " ".join([first, *(line.partition(" ")[2] for line in more)])


# --- exact


def test_exactly_the_limit_goes_through_and_then_the_client_reads_why(site: Site) -> None:
    eve = site.client()
    answers = [send(eve) for _ in range(LIMIT + 3)]

    assert [answer.code for answer in answers] == [250] * LIMIT + [450] * 3
    said = in_one_line(answers[LIMIT])
    assert said.startswith(
        "4.7.1 eve has used 40 of 40 recipients in 10m, on channel submission-auth-external;"
    )
    assert "https://help.example.org/limits" in said
    assert REFERENCE.fullmatch(said.split(" ")[-1])
    print(f"\nrefused by Exim: {answers[LIMIT].code} {said}")
    assert codes(site.client("bob"), 2) == [250] * 2
    site.exim.wait_until_delivered()
    assert len(site.sink.recipients) == LIMIT + 2
    assert (site.used(), site.used("bob")) == (LIMIT, 2)


def test_each_recipient_of_a_message_counts(site: Site) -> None:
    eve = site.client()

    assert [send(eve, many).code for many in (15, 20, 6, 5, 1)] == [250, 250, 450, 250, 450]
    assert site.used() == LIMIT
    site.exim.wait_until_delivered()
    assert len(site.sink.recipients) == LIMIT


def test_20_sessions_at_a_time_get_exactly_the_limit(site: Site) -> None:
    clients = [site.client() for _ in range(20)]
    found: list[int] = []
    threads = [threading.Thread(target=lambda one=one: found.extend(codes(one, 4))) for one in clients]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"\n20 sessions, 80 messages in {time.monotonic() - began:.1f} s: {found.count(250)} passed")

    assert (found.count(250), found.count(450)) == (LIMIT, 80 - LIMIT)
    site.exim.wait_until_delivered()
    assert len(site.sink.recipients) == LIMIT


def test_a_login_in_capitals_is_the_same_account(site: Site) -> None:
    assert codes(site.client("eve"), 25) == [250] * 25
    assert codes(site.client("EVE"), 20) == [250] * 15 + [450] * 5
    assert codes(site.client("Eve"), 1) == [450]
    assert site.used() == LIMIT


# --- over the limit


def test_with_refuse_the_answer_is_final(sink: Sink) -> None:
    with Site(sink, CHANNEL.format("refuse")) as site:
        eve = site.client()
        send(eve, LIMIT)
        answer = send(eve)

        assert (answer.code, answer.text[:5]) == (550, "5.7.1")
        assert REFERENCE.search(answer.text)


def test_with_hold_the_message_is_frozen_and_goes_when_it_is_thawed(sink: Sink) -> None:
    with Site(sink, CHANNEL.format("hold")) as site:
        eve = site.client()
        send(eve, LIMIT)

        assert codes(eve, 2) == [250, 250]
        wait_for("the rest is delivered", lambda: len(site.exim.queue()) == 2)
        print("\n" + "\n".join(site.exim.queue()))
        first, second = site.exim.frozen()
        assert site.exim.log().count("held by Sendwarden: ") == 2
        assert len(sink.recipients) == LIMIT
        site.exim.run("-M", first)
        site.exim.run("-Mrm", second)
        wait_for("it is delivered", lambda: len(sink.recipients) == LIMIT + 1)
        assert site.exim.queue() == []


def test_with_discard_the_message_is_accepted_and_goes_nowhere(sink: Sink) -> None:
    with Site(sink, CHANNEL.format("discard")) as site:
        eve = site.client()
        send(eve, LIMIT)

        assert codes(eve, 2) == [250, 250]
        site.exim.wait_until_delivered()
        assert len(sink.recipients) == LIMIT
        assert site.exim.log().count("discarded by Sendwarden: ") == 2


@pytest.mark.parametrize("over", ["slow", "filter slow:"])
def test_what_exim_cannot_do_lets_the_message_pass(sink: Sink, over: str) -> None:
    with Site(sink, CHANNEL.format(over)) as site:
        eve = site.client()
        send(eve, LIMIT)
        began = time.monotonic()

        assert codes(eve, 1) == [250]
        assert (time.monotonic() - began > 0.8) is (over == "slow")


@both
def test_a_contained_account_is_refused_and_what_a_held_one_sends_is_frozen(
    sink: Sink, asking: Asking
) -> None:
    with Site(sink, asking=asking) as site:
        site.sendwarden.command("account", "state", "eve", "contained", "--reason", "phished")
        answer = send(site.client())
        assert (answer.code, "the account eve is closed for sending: phished" in answer.text) == (550, True)

        site.sendwarden.command("account", "state", "eve", "held", "--reason", "looking")
        assert send(site.client(), 3).code == 250
        wait_for("it is frozen", lambda: len(site.exim.frozen()) == 1)
        assert sink.received == []


@both
def test_a_message_in_chunks_is_counted_like_any_other(sink: Sink, asking: Asking) -> None:
    content = message()
    chunk = b"BDAT %d LAST\r\n" % len(content) + content.removesuffix(b"\r\n")
    with Site(sink, asking=asking) as site:
        eve = site.client()
        for start, code in ((0, 250), (LIMIT, 450 if asking is WHOLE else 503)):
            recipients(eve, numbered(LIMIT, start))
            assert eve.line(chunk) == code
            eve.command("RSET")
        assert site.used() == LIMIT


def test_a_unix_socket_is_asked_as_well(sink: Sink) -> None:
    outside_is_here()
    sendwarden = Sendwarden(SETTINGS)
    settings, path = sendwarden.folder / "sendwarden.toml", sendwarden.folder / "policy"
    settings.write_text(settings.read_text().replace("policy = ", f'policy = "unix:{path}" # '))
    sendwarden.folder.chmod(0o755)
    sendwarden.reload()
    exim = Exim(sink.port, printed(sendwarden.command("connect", "exim")[1], "data"), LOGINS)
    exim.space.run("chgrp", USER, str(path))
    eve = Client(exim.port, "eve", OUTSIDE)

    assert [send(eve, many).code for many in (LIMIT, 1)] == [250, 450]
    eve.quit()
    exim.stop()
    sendwarden.stop()


# --- each recipient


def recipients(client: Client, names: list[str], sender: str = "eve@example.org") -> list[int]:
    """A message begun: the answers to its recipients."""
    assert client.command(f"MAIL FROM:<{sender}>") == 250
    return [client.command(f"RCPT TO:<{name}@victim.example>") for name in names]


def numbered(many: int, start: int = 0) -> list[str]:
    return [f"v{number}" for number in range(start, start + many)]


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


def test_what_exim_refuses_behind_us_at_the_end_stays_counted(site: Site) -> None:
    refused = site.client().send(
        "eve@example.org", ["v@victim.example"], message(headers=[("X-Refuse", "yes")])
    )

    assert (refused.code, refused.text) == (550, "not with this header")
    assert site.used() == 1


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


# --- while we are down


@pytest.mark.parametrize("fault", FAULTS)
def test_while_we_are_down_mail_passes_and_once_we_are_back_it_is_counted(site: Site, fault: str) -> None:
    eve = site.client()
    assert codes(eve, 30) == [250] * 30
    took = []
    with FAULTS[fault](site.sendwarden):
        for _ in range(3):
            began = time.monotonic()
            assert codes(eve, 1) == [250]
            took.append(time.monotonic() - began)
    print(f"\n{fault}: mail passes after {', '.join(f'{one:.2f}' for one in took)} s")

    assert max(took) < SOON_S
    assert (min(took) >= TIMEOUT_S) is (fault == "suspended")
    wait_for("it answers again", lambda: site.used() == 30)
    assert codes(eve, 12) == [250] * 10 + [450] * 2
    site.exim.wait_until_delivered()
    assert len(site.sink.recipients) == LIMIT + 3


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


@both
def test_with_a_code_in_the_fail_string_mail_is_put_off_while_we_are_down(sink: Sink, asking: Asking) -> None:
    put_off = "{action=451 4.3.0 try again later}"
    with Site(sink, asking=asking._replace(changed=lambda said: said.replace(FAILS, put_off))) as site:
        eve = site.client()
        assert codes(eve, 1) == [250]

        site.sendwarden.stop()
        answer = send(eve)

        assert (answer.code, answer.text) == (451, "4.3.0 try again later")


# --- taken out again


def test_the_printed_command_takes_it_out_again(site: Site) -> None:
    _code, said = site.sendwarden.command("connect", "exim")
    command = next(line.strip() for line in said.splitlines() if line.startswith("  sed -i "))
    configuration = site.exim.configuration.read_text()
    assert configuration.count("sendwarden") > 2
    assert "Exim version" in site.exim.run("-bV")

    site.exim.space.run("sh", "-c", command.replace("FILE", str(site.exim.configuration)))

    after = site.exim.configuration.read_text()
    begin, end = "  # sendwarden: begin data\n", "  # sendwarden: end\n"
    assert after == configuration.partition(begin)[0] + configuration.partition(end)[2]
    assert "Exim version" in site.exim.run("-bV")
