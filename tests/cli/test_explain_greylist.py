"""`explain` shows what greylisting would say, by the daemon's memory, and leaves nothing behind."""

from pathlib import Path

import pytest

from sendwarden.cli.exits import GOOD, NO
from tests.cli.command import Commands, Said
from tests.config.folder import write
from tests.servers.sendwarden import example

CHANNEL = 'state = "var"\nmode = "{}"\n[[channel]]\nname = "all"\ngreylist = ["all"]\n'
DOCUMENT = """
state = "var"
mode = "enforce"
[site]
webmail = ["192.0.2.80"]
internal = ["192.0.2.80"]
[webmail]
account = ["received"]
[greylist]
listen = "127.0.0.1:5525"
[[channel]]
name = "webmail"
sourcefilter = "greylist.sieve"
"""
MAIL = (
    "Received: from [192.0.2.80] (Forwarded-For: 129.158.87.66) by mail.example.com (mshttpd); "
    "Fri, 18 Jul 2008 16:34:53 +1000\nFrom: User <user@example.com>\n\nhello\n"
)
TABLE = "ORIG_SEND_ACCESS\n\n  *  $C$[IMTA_LIB:grosscheck.so,grosscheck,127.0.0.1,,5525,192.0.2.7,r,s,]$E\n"
ACCESS = DOCUMENT.partition("[[channel]]")[0] + '[[channel]]\nname = "all"\n[access]\nfrontends = "milter"\n'
TO = ("--from", "eve@example.org", "--to", "v@victim.example")


def explain(site: Commands, client: str = "192.0.2.7") -> Said:
    return site.on_folder("explain", str(site.folder / "mail"), *TO, "--client", client)


@pytest.fixture
def site(commands: Commands) -> Commands:
    write(commands.folder, {"mail": MAIL})
    return commands


def nothing_is_left(folder: Path) -> bool:
    return not (folder / "var").exists()


def test_mail_of_a_channel_would_wait_and_is_not_remembered(site: Commands) -> None:
    write(site.folder, {"sendwarden.toml": CHANNEL.format("enforce")})

    for _ in range(2):
        said = explain(site)
        assert said.code == NO and "says      450 4.7.1 Please try again later [SW-......]" in said.out
        assert "greylist  a=greylist w=0 c=192.0.2.7 s=eve@example.org r=v@victim.example" in said.out
        assert nothing_is_left(site.folder)


def test_while_watching_it_is_shown_and_passes(site: Commands) -> None:
    write(site.folder, {"sendwarden.toml": CHANNEL.format("watch")})

    said = explain(site)
    assert said.code == GOOD and "greylist  a=greylist w=0 c=192.0.2.7" in said.out


def test_the_documents_filter_would_refuse(site: Commands) -> None:
    mappings = example("greylist")["mappings"].replace("129.158.87.192", "127.0.0.1")
    write(site.folder, {**example("greylist"), "sendwarden.toml": DOCUMENT, "mappings": mappings})

    said = explain(site, "192.0.2.80")
    assert said.code == NO and "Please wait 10 seconds and try sending again" in said.out
    assert "greylist  a=greylist w=0 c=129.158.87.66 s=uwc r=user@example.com" in said.out


def test_a_remote_server_is_not_asked_and_that_is_said(site: Commands) -> None:
    write(site.folder, {**example("greylist"), "sendwarden.toml": DOCUMENT})

    said = explain(site, "192.0.2.80")
    assert said.code == GOOD
    assert "129.158.87.192:5525 is not asked: it would remember the question" in said.out


def test_an_access_table_would_refuse(site: Commands) -> None:
    write(site.folder, {"sendwarden.toml": ACCESS, "mappings": TABLE})

    said = explain(site)
    assert said.code == NO and "refuses: 450 4.4.3 Please try again later" in said.out
    assert said.out.count("\nORIG_SEND_ACCESS ") == 1 and "greylist  a=greylist" in said.out
