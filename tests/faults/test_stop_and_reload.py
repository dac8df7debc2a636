"""Faults 28 and 35: an end and reloads while mail servers wait for answers; who may not start beside us."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

import pytest

from sendwarden.wire.milter.commands import EndOfMessage
from sendwarden.wire.milter.replies import Answer, ReplyCode
from tests.faults.load import REFERENCE, Dropped, Load, MailServer
from tests.faults.warden import CHANNEL, SETTINGS, Warden
from tests.servers.space import wait_for

RELOADS = 50
# The unit's patience would be 90 s; ours is what the table of faults promises.
END_S = 5.0


@pytest.fixture(params=["uvloop", "asyncio"])
def warden(request: pytest.FixtureRequest) -> Iterator[Warden]:
    made = Warden(loop=request.param)
    yield made
    made.stop()
    made.remove()


@pytest.fixture
def close() -> Iterator[ExitStack]:
    """Closes at the end of the test what was entered."""
    with ExitStack() as stack:
        yield stack


def test_at_the_end_200_connections_in_flight_are_answered_or_closed_and_we_end_well(
    warden: Warden, close: ExitStack
) -> None:
    asked, waiting = (
        [close.enter_context(closing(MailServer(warden.milter))) for _ in range(65)] for _ in "12"
    )
    policy = [close.enter_context(_connected(warden.policy)) for _ in range(70)]
    for server in [*asked, *waiting]:
        server.begin("eve@example.org", "refuse")
    for connection in policy:
        connection.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\n")
    for server in asked:
        server.say(EndOfMessage().encode())

    start = time.monotonic()
    warden.process.send_signal(signal.SIGTERM)
    answers = [_answer(server) for server in asked]
    late = [_answer(server) for server in waiting]
    assert all(map(_closed, policy))
    code = warden.process.wait(20)
    took = time.monotonic() - start

    assert code == 0
    assert took < END_S
    references = [answer for answer in answers if answer]
    assert len(references) == len(asked), "what was asked is answered"
    assert set(late) == {""}, "half a question is closed"
    assert warden.explained(references) == set(references)
    assert [event["event"] for event in warden.events()][-1] == "stopped"
    assert not warden.complaints()
    print(f"200 connections: ended after {took:.1f} s")


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def _closed(connection: socket.socket) -> bool:
    """Did it end without a word?"""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def _answer(server: MailServer) -> str:
    """The reference of an answer, or "" where the connection was closed."""
    try:
        answer = server.answer()
    except Dropped:
        return ""
    assert isinstance(answer, ReplyCode)
    found = REFERENCE.search(answer.lines[-1])
    return found[0] if found else ""


def test_an_idle_daemon_ends_at_once(warden: Warden, close: ExitStack) -> None:
    idle = [close.enter_context(_connected(warden.policy)) for _ in range(50)]

    start = time.monotonic()
    code = warden.stop()

    assert code == 0 and time.monotonic() - start < END_S / 2
    assert all(map(_closed, idle))


# A configuration that differs in what it decides, so that a reload is seen.
WATCHING = SETTINGS.replace("enforce", "watch")


def reconfigure(warden: Warden, settings: str) -> None:
    listen = (warden.folder / "sendwarden.toml").read_text().partition("[listen]")[2]
    (warden.folder / "sendwarden.toml").write_text(f'state = "var"\n{settings}\n[listen]{listen}')


def test_fifty_reloads_under_load_drop_no_connection_and_leave_no_question_open(warden: Warden) -> None:
    accounts = [f"user{number}@example.org" for number in range(4)]
    fresh = []
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            with closing(MailServer(warden.milter)) as server:
                fresh.append(server.send("new@example.org", "refuse"))

    with Load(warden.milter, accounts) as load:
        coming = threading.Thread(target=come_and_go)
        coming.start()
        for number in range(RELOADS):
            reconfigure(warden, WATCHING if number % 2 else SETTINGS)
            warden.process.send_signal(signal.SIGHUP)
            load.wait_for(8)
        stop.set()
        coming.join()

    assert (load.dropped, load.trouble) == (0, [])
    assert len(fresh) > RELOADS, "each connection was answered, or the thread had ended"
    assert load.slowest_s < 1
    wait_for("the last reload", lambda: warden.events("reloaded")[-1:] and not _mode(warden, "enforce"))
    assert not warden.complaints()
    print(
        f"{RELOADS} reloads, {len(warden.events('reloaded'))} of them apart: {load.messages} messages, "
        f"{len(fresh)} new connections, slowest answer {1000 * load.slowest_s:.0f} ms"
    )


def test_many_reloads_at_once_do_not_get_into_each_others_way(warden: Warden) -> None:
    for number in range(5):
        settings = (warden.folder / "sendwarden.toml").read_text()
        elsewhere = f'milter = ["127.0.0.1:{warden.milter}", "127.0.0.{2 + number}:{warden.milter}"]'
        lines = [elsewhere if line.startswith("milter = ") else line for line in settings.splitlines()]
        (warden.folder / "sendwarden.toml").write_text("\n".join(lines))
        for _ in range(10):
            warden.process.send_signal(signal.SIGHUP)
        wait_for("it listens there", partial(_listens, f"127.0.0.{2 + number}", warden.milter))

    assert not warden.warnings("configuration-kept")
    assert not warden.complaints()


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def _mode(warden: Warden, mode: str) -> bool:
    return warden.events("reloaded")[-1]["mode"] == mode


BAD = [
    pytest.param(
        'mode = "enforce"\n' + CHANNEL + "colour = 3\n", "sendwarden.toml:6", id="an unknown setting"
    ),
    pytest.param('mode = "enforce', "sendwarden.toml:2", id="no TOML"),
    pytest.param(
        SETTINGS.replace("count.sieve", "no.sieve"), "sendwarden.toml:5", id="a filter that is missing"
    ),
]


@pytest.mark.parametrize(("settings", "place"), BAD)
def test_a_bad_configuration_keeps_the_old_one_and_names_the_line(settings: str, place: str) -> None:
    warden = Warden()
    server = MailServer(warden.milter)
    assert server.send("eve@example.org", "refuse")

    reconfigure(warden, settings)
    warden.reload()

    assert server.send("eve@example.org", "refuse"), "over the old connection"
    fresh = MailServer(warden.milter)
    assert fresh.send("eve@example.org", "refuse"), "over a new one"
    (kept, *_) = warden.warnings("configuration-kept")
    assert place in str(kept["about"]) and str(kept["about"]).startswith("SW")
    assert place in warden.output()

    reconfigure(warden, WATCHING)
    warden.reload()
    assert not fresh.send("eve@example.org", "refuse"), "a good one is taken after that"
    server.close()
    fresh.close()
    assert warden.stop() == 0
    warden.remove()


def test_a_filter_that_is_broken_in_place_keeps_the_old_one_and_names_its_line() -> None:
    warden = Warden()
    (warden.folder / "count.sieve").write_text('require "reject";\nif header :is "X-Do" {\n')

    warden.reload()

    server = MailServer(warden.milter)
    assert server.send("eve@example.org", "refuse")
    assert any("count.sieve:2" in str(kept["about"]) for kept in warden.warnings("configuration-kept"))
    server.close()
    warden.stop()
    warden.remove()


def test_a_socket_that_cannot_be_opened_keeps_the_old_configuration_whole() -> None:
    warden = Warden()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = (warden.folder / "sendwarden.toml").read_text()
        more = f'policy = ["127.0.0.1:{warden.policy}", "127.0.0.2:{warden.policy}", "127.0.0.1:{{}}"]\n'
        changed = settings.replace(
            f'policy = "127.0.0.1:{warden.policy}"\n', more.format(taken.getsockname()[1])
        )
        (warden.folder / "sendwarden.toml").write_text(changed.replace("enforce", "watch"))

        warden.reload()

    assert "cannot listen at 127.0.0.1:" in str(warden.warnings("configuration-kept")[0]["about"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", warden.policy), timeout=5)
    server = MailServer(warden.milter)
    assert server.send("eve@example.org", "refuse"), "it still enforces"
    server.close()
    warden.stop()
    warden.remove()


def test_a_listener_that_is_no_longer_named_takes_no_more_and_keeps_its_connections(warden: Warden) -> None:
    server = MailServer(warden.milter)
    settings = (warden.folder / "sendwarden.toml").read_text()
    elsewhere = f"127.0.0.2:{warden.milter}"
    (warden.folder / "sendwarden.toml").write_text(settings.replace(f"127.0.0.1:{warden.milter}", elsewhere))

    warden.reload()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", warden.milter), timeout=5)
    assert server.send("eve@example.org", "refuse")
    server.close()
    with socket.create_connection(("127.0.0.2", warden.milter), timeout=5):
        pass


def test_the_second_daemon_on_a_state_folder_is_refused_and_names_the_first(warden: Warden) -> None:
    code, said = warden.command("serve")

    assert code == 2
    assert f"var is in use by process {warden.process.pid}: stop that one first" in said
    assert "Traceback" not in said
    server = MailServer(warden.milter)
    assert server.send("eve@example.org", "refuse"), "the first goes on"
    server.close()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_while_it_starts_is_heeded_and_no_sudden_death(number: signal.Signals) -> None:
    warden = Warden()
    warden.stop()
    for after_s in (0.2, 0.3, 0.4, 0.5):
        process = warden.begin()
        time.sleep(after_s)  # whatever it is doing then
        process.send_signal(number)
        if number is signal.SIGHUP:
            process.send_signal(signal.SIGTERM)
        code = process.wait(20)
        assert code in (0, 2, -number, -signal.SIGTERM), "it ended well, or before Python could hear it"
    assert not warden.complaints()
    warden.restart()
    assert warden.stop() == 0
    warden.remove()


def test_answers_are_the_same_over_uvloop_and_asyncio(warden: Warden) -> None:
    server = MailServer(warden.milter)
    server.begin("eve@example.org")

    assert server.end() is Answer.CONTINUE

    server.close()
