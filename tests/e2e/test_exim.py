"""A real Exim asks by what `sendwarden connect exim` prints: limits, holds, and while we are down."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.servers.address import OUTSIDE, outside_is_here
from tests.servers.broken import FAULTS
from tests.servers.client import Client, message
from tests.servers.exim import USER, Exim
from tests.servers.exim_site import (
    EACH,
    FAILS,
    SOON_S,
    TIMEOUT_S,
    WHOLE,
    Asking,
    Site,
    codes,
    in_one_line,
    numbered,
    printed,
    recipients,
    send,
)
from tests.servers.limited import CHANNEL, LIMIT, LOGINS, SETTINGS
from tests.servers.sendwarden import REFERENCE, Sendwarden
from tests.servers.sink import Sink
from tests.servers.space import wait_for

both = pytest.mark.parametrize("asking", [WHOLE, EACH], ids=["whole", "each"])


@pytest.fixture
def site(sink: Sink) -> Iterator[Site]:
    with Site(sink) as made:
        yield made


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
        assert (answer.code, "the account eve is closed for sending;" in answer.text) == (
            550,
            True,
        )

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


def test_what_exim_refuses_behind_us_at_the_end_stays_counted(site: Site) -> None:
    refused = site.client().send(
        "eve@example.org", ["v@victim.example"], message(headers=[("X-Refuse", "yes")])
    )

    assert (refused.code, refused.text) == (550, "not with this header")
    assert site.used() == 1


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
