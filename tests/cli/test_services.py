"""cli.services: what the settings name besides us, one line each, and nobody waits for it."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from sendwarden.cli.pasted import Command
from sendwarden.cli.serve import first_screen
from sendwarden.cli.services import DNS_QUESTION, Service, services
from tests.config.folder import load_folder

SETTINGS = """
[counting]
redis = "redis://127.0.0.1:{port}/0"
[directory]
url = "sqlite:///{folder}/users.db"
query = "SELECT a FROM b WHERE c = :account"
[[scanner]]
name = "spam"
kind = "spamd"
at = "127.0.0.1:{port}"
[[scanner]]
name = "idle"
kind = "clamd"
[[channel]]
name = "submission"
login = true
scan = ["spam"]
[greylist]
listen = "127.0.0.1:5525"
[dns]
servers = "127.0.0.1:{port}"
[[dns_list]]
name = "zen"
kind = "dnsbl"
zone = "zen.example.org"
"""


def looked(found: list[Service]) -> list[str]:
    """Their lines, once all have answered."""
    for one in found:
        one.look()
    deadline = time.monotonic() + 20
    while any(one.ask and not one.found for one in found):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [one.line for one in found]


@pytest.fixture
def port() -> Iterator[int]:
    """One where connections are taken, and questions by UDP answered."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        number: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", number))

        def answer() -> None:
            try:
                data, whom = udp.recvfrom(512)
                udp.sendto(data[:2] + b"\x81\x80", whom)
            except OSError:  # nobody asked
                pass

        Thread(target=answer, daemon=True).start()
        yield number


def lines(port: int, folder: Path) -> list[str]:
    loaded = load_folder(folder, SETTINGS.format(port=port, folder=folder))
    assert loaded.usable
    return looked(services(loaded))


def test_each_that_is_named_has_one_line_with_whether_it_is_there(port: int, tmp_path: Path) -> None:
    (tmp_path / "users.db").touch()

    assert lines(port, tmp_path) == [
        f"  Redis     redis://127.0.0.1:{port}/0   reachable",
        f"  directory sqlite:///{tmp_path}/users.db   reachable",
        f"  scanner   spam (spamd) 127.0.0.1:{port}   reachable",
        "  scanner   idle (clamd) unix:/run/clamav/clamd.ctl   no channel asks it: scan = [...]",
        f"  DNS lists zen   asked of 127.0.0.1:{port}   reachable",
        "  greylist  127.0.0.1:5525 by sjsms, postfix; mail waits 10s",
    ]


def test_one_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    assert [line.endswith("   NOT reachable now") for line in lines(port, tmp_path)] == [
        *(True, True, True, False, True, False)
    ]


def test_nothing_that_is_not_named_has_a_line(tmp_path: Path) -> None:
    assert services(load_folder(tmp_path, "")) == []


def test_nobody_waits_for_one_that_hangs(tmp_path: Path) -> None:
    hangs = Service("Redis", "redis://192.0.2.30", lambda: True)

    shown = first_screen(load_folder(tmp_path, ""), [], "./var", Command("sendwarden", ""), [hangs])

    assert "  Redis     redis://192.0.2.30   not known yet" in shown


@pytest.mark.parametrize(
    "url",
    [
        "unix:///nowhere/redis.sock",
        "redis://127.0.0.1:1",
        "redis://no.such.host.invalid",
        "rediss://[::1]:1/0",
    ],
)
def test_an_address_of_any_form_is_an_answer_and_no_failure(url: str, tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, f'[counting]\nredis = "{url}"\n')

    assert looked(services(loaded)) == [f"  Redis     {url}   NOT reachable now"]


@pytest.mark.parametrize("url", ["ldap://127.0.0.1:1 ldap://127.0.0.1:2", "ldapi://%2Fnowhere%2Fldapi"])
def test_of_several_directories_the_first_is_asked(url: str, tmp_path: Path) -> None:
    more = 'base = "dc=x"\nfilter = "(uid=:account)"\nlimits_attribute = "a"\n'
    loaded = load_folder(tmp_path, f'[directory]\nurl = "{url}"\n{more}')

    assert looked(services(loaded)) == [f"  directory {url}   NOT reachable now"]


def test_the_question_to_the_dns_is_one_of_rfc_1035() -> None:
    assert len(DNS_QUESTION) == 12 + 1 + 4
