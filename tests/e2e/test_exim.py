"""A real Exim asks by what `sendwarden connect exim` prints: limits, holds, and while we are down."""

import json
import re
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from tests.servers.address import OUTSIDE, outside_is_here
from tests.servers.broken import FAULTS
from tests.servers.client import Answer, Client, message
from tests.servers.exim import Exim
from tests.servers.sendwarden import REFERENCE, Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

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
# What holds while we are down, as printed.
FAILS = "{action=DUNNO}"
# How long a client may wait while we hang: the time-out of readsocket, and a busy machine.
TIMEOUT_S, SOON_S = 3.0, 20.0


def printed(said: str) -> list[str]:
    """The statements for the ACL, out of what the command says."""
    found = re.search(r"^  # sendwarden: begin\n.*?^  # sendwarden: end\n", said, re.MULTILINE | re.DOTALL)
    assert found, said
    return [line.removeprefix("  ") for line in found[0].splitlines()]


class Site:
    """Exim that asks as it was told to, Sendwarden, and a sink. Use as a context."""

    def __init__(self, sink: Sink, settings: str = "", fails: str = FAILS) -> None:
        outside_is_here()
        self.sink = sink
        self.sendwarden = Sendwarden(SETTINGS + settings)
        code, said = self.sendwarden.command("connect", "exim")
        assert code == 0, said
        self.exim = Exim(sink.port, printed(said.replace(FAILS, fails)), LOGINS)
        self._clients: list[Client] = []
        sink.clear()

    def client(self, login: str = "eve") -> Client:
        """A client from outside."""
        client = Client(self.exim.port, login, OUTSIDE)
        self._clients.append(client)
        return client

    def used(self, account: str = "eve") -> int:
        """Recipients in a day from outside, as `limits show` has them."""
        code, said = self.sendwarden.command("limits", "show", account, "--json")
        assert code == 0, said
        channels = {one["channel"]: one for one in json.loads(said)["channels"]}
        limits = channels["submission-auth-external"]["limits"]
        (used,) = (one["used"] for one in limits if one["window"] == "24h")
        return int(used)

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
        self.sendwarden.stop()


@pytest.fixture
def site(sink: Sink) -> Iterator[Site]:
    with Site(sink) as made:
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


def test_a_contained_account_is_refused(site: Site) -> None:
    site.sendwarden.command("account", "state", "eve", "contained", "--reason", "phished")

    answer = send(site.client())

    assert (answer.code, "the account eve is closed for sending: phished" in answer.text) == (550, True)


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


def test_with_a_code_in_the_fail_string_mail_is_put_off_while_we_are_down(sink: Sink) -> None:
    with Site(sink, fails="{action=451 4.3.0 try again later}") as site:
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
    begin, end = "  # sendwarden: begin\n", "  # sendwarden: end\n"
    assert after == configuration.partition(begin)[0] + configuration.partition(end)[2]
    assert "Exim version" in site.exim.run("-bV")
